"""Deliveries: what others said of a crisis and is here, each until all members were told so.

A row is written with the entry that causes it, and goes with the entry that tells it: after a crash at any
moment the rows fit what was signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.store import driver


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry about a crisis, and when it could be read here."""

    hash: HeaderHash
    member_id: MemberId  # its author
    object_id: ObjectId
    exercise: bool
    came_ms: int
    expires_ms: int


_DELIVERY = "hash, member_id, object_id, exercise, came_ms, expires_ms"


def put(ledger: sa.Connection, one: Delivery, most: int) -> None:
    """It is to be told, unless so many of its author's, drills or real like it, wait already; again is the same."""
    counted = "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE member_id = ? AND exercise = ? LIMIT ?)"
    if driver.scalar(ledger, counted, (one.member_id, one.exercise, most)) < most:
        driver.execute(
            ledger,
            f"INSERT OR IGNORE INTO delivery ({_DELIVERY}) VALUES (?, ?, ?, ?, ?, ?)",
            (one.hash, one.member_id, one.object_id, one.exercise, one.came_ms, one.expires_ms),
        )


def every(ledger: sa.Connection, lasts_ms: int) -> list[Delivery]:
    """What is to be told of all that lasts longer, crisis by crisis, drills last, and of each what came first first."""
    rows = driver.rows(
        ledger,
        f"SELECT {_DELIVERY} FROM delivery WHERE expires_ms > ? ORDER BY exercise, object_id, came_ms, hash",
        (lasts_ms,),
    )
    return [Delivery(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in rows]


def told(ledger: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """All members were told of these."""
    driver.execute_many(ledger, "DELETE FROM delivery WHERE hash = ?", [(one,) for one in hashes])


def drop_before(ledger: sa.Connection, came_ms: int, lasts_ms: int) -> int:
    """What came before that, or lasts no longer, is told no more; how much that was."""
    statement = "DELETE FROM delivery WHERE came_ms < ? OR expires_ms <= ?"
    return driver.execute(ledger, statement, (came_ms, lasts_ms)).rowcount
