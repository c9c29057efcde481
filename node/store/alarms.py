"""Alarms: about which crises somebody is woken here, and how far each way to do so is with each of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import HeaderHash, MemberId
from node.store import driver

TEST = HeaderHash(b"")  # in the place of a declaration


@dataclass(frozen=True, slots=True)
class Alarm:
    """A declaration about which somebody is woken, and since when. ``confirmed_ms``: noted here, and told to nobody."""

    hash: HeaderHash
    member_id: MemberId
    began_ms: int
    confirmed_ms: int = 0


@dataclass(frozen=True, slots=True)
class Ringing:
    """How far a route is with one of them. ``through`` is false also while it is under way."""

    hash: HeaderHash
    route: str
    tries: int
    tried_ms: int
    through: bool = False
    answer: str = ""


_RINGING = "hash, route, tries, tried_ms, through, answer"


def begin(ledger: sa.Connection, one: Alarm) -> None:
    """From now on somebody is woken; again is the same."""
    driver.execute(
        ledger,
        "INSERT OR IGNORE INTO alarm (hash, member_id, began_ms) VALUES (?, ?, ?)",
        (one.hash, one.member_id, one.began_ms),
    )


def begun(ledger: sa.Connection) -> dict[HeaderHash, Alarm]:
    """All that were."""
    rows = driver.rows(ledger, "SELECT hash, member_id, began_ms, confirmed_ms FROM alarm ORDER BY began_ms, hash")
    return {row[0]: Alarm(*row) for row in rows}


def confirm(ledger: sa.Connection, hashes: Sequence[HeaderHash], now_ms: int) -> None:
    """Somebody here has seen these."""
    rows = [(now_ms, one) for one in hashes]
    driver.execute_many(ledger, "UPDATE alarm SET confirmed_ms = ? WHERE hash = ?", rows)


def put(ledger: sa.Connection, one: Ringing) -> None:
    """Keep how far a route is."""
    driver.execute(
        ledger,
        f"INSERT OR REPLACE INTO ringing ({_RINGING}) VALUES (?, ?, ?, ?, ?, ?)",
        (one.hash, one.route, one.tries, one.tried_ms, one.through, one.answer),
    )


def ringing(ledger: sa.Connection) -> list[Ringing]:
    """All of it, what was last tried last; tests, too."""
    rows = driver.rows(ledger, f"SELECT {_RINGING} FROM ringing ORDER BY tried_ms, hash, route")
    return [Ringing(row[0], row[1], row[2], row[3], bool(row[4]), row[5]) for row in rows]


def drop_before(ledger: sa.Connection, began_ms: int) -> int:
    """Forget what began before that; how many there were."""
    driver.execute(
        ledger,
        "DELETE FROM ringing WHERE tried_ms < ? AND hash NOT IN (SELECT hash FROM alarm WHERE began_ms >= ?)",
        (began_ms, began_ms),
    )
    return driver.execute(ledger, "DELETE FROM alarm WHERE began_ms < ?", (began_ms,)).rowcount
