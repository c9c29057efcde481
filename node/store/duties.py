"""Duties: withdrawals of others that are to be answered, each until all was said of it.

A row is written with the entry that causes it, and changed with the entry that answers it: after a crash
at any moment the rows fit what was signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash, MemberId
from node.store import driver


class Said(IntEnum):
    """What was answered so far."""

    NOTHING = 0
    RESTRICTED = 1
    KEPT = 2  # and under which hold


@dataclass(frozen=True, slots=True)
class Duty:
    """A withdrawal, when it came, and what was said of it."""

    hash: HeaderHash
    feed_id: FeedId
    seq: int
    member_id: MemberId
    target: bytes  # an entry's hash, or an object's id
    positions: bytes  # empty: all of it
    pressing: bool
    came_ms: int
    erased_ms: int = 0  # 0: not yet
    said: int = Said.NOTHING


_DUTY = "hash, feed_id, seq, member_id, target, positions, pressing, came_ms, erased_ms, said"


def put(ledger: sa.Connection, one: Duty) -> None:
    """Owe an answer; again is the same."""
    driver.execute(
        ledger,
        f"INSERT OR IGNORE INTO duty ({_DUTY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            one.hash,
            one.feed_id,
            one.seq,
            one.member_id,
            one.target,
            one.positions,
            one.pressing,
            one.came_ms,
            one.erased_ms,
            one.said,
        ),
    )


def every(ledger: sa.Connection, limit: int) -> list[Duty]:
    """What is owed, feed by feed in the order of their entries."""
    rows = driver.rows(ledger, f"SELECT {_DUTY} FROM duty ORDER BY feed_id, seq, hash LIMIT ?", (limit,))
    return [Duty(*row) for row in rows]


def set_erased(ledger: sa.Connection, hashes: Sequence[HeaderHash], erased_ms: int) -> None:
    """Nothing of what these take back is here any more."""
    driver.execute_many(
        ledger, "UPDATE duty SET erased_ms = ? WHERE hash = ? AND erased_ms = 0", [(erased_ms, one) for one in hashes]
    )


def answer(ledger: sa.Connection, feed_id: FeedId, first_seq: int, last: HeaderHash, said: Said | None) -> None:
    """These were answered so far; None: all there is to say."""
    span = "feed_id = ? AND (hash = ? OR seq BETWEEN ? AND (SELECT seq - 1 FROM entry WHERE hash = ?))"
    about = (feed_id, last, first_seq or 1 << 62, last)
    if said is None:
        driver.execute(ledger, f"DELETE FROM duty WHERE {span}", about)
    else:
        driver.execute(ledger, f"UPDATE duty SET said = ? WHERE {span}", (said, *about))


def drop_before(ledger: sa.Connection, came_ms: int) -> int:
    """What came before that is owed no more; how many there were."""
    return driver.execute(ledger, "DELETE FROM duty WHERE came_ms < ?", (came_ms,)).rowcount


@dataclass(frozen=True, slots=True)
class Target:
    """What is here of what a withdrawal is about. ``feed_id`` is of the target; None: it is not known here."""

    feed_id: FeedId | None
    present: bool  # something of it can still be read or served
    erased: bool  # it was here when it was taken back
    missing: bool  # and wanted
    gone: int  # places of it that were erased, as bits


def targets(ledger: sa.Connection, limit: int) -> dict[HeaderHash, Target]:
    """Of every withdrawal of an entry, or of items of it, that is to be answered."""
    rows = driver.rows(
        ledger,
        "SELECT d.hash, e.feed_id, p.state IN (2, 3, 5) OR EXISTS (SELECT 1 FROM chunk c WHERE c.hash = p.hash),"
        " p.state = 4 AND p.reason = 'withdrawal', p.state = 0, r.positions FROM duty d"
        " LEFT JOIN entry e ON e.hash = d.target LEFT JOIN payload p ON p.hash = d.target"
        " LEFT JOIN remainder r ON r.hash = d.target"
        " WHERE length(d.target) = 32 ORDER BY d.feed_id, d.seq, d.hash LIMIT ?",
        (limit,),
    )
    return {
        HeaderHash(row[0]): Target(
            row[1], bool(row[2]), bool(row[3]), bool(row[4]), int.from_bytes(row[5] or b"", "little")
        )
        for row in rows
    }


def of_list(ledger: sa.Connection, feeds: Sequence[FeedId], list_id: bytes) -> tuple[bool, bool]:
    """Whether some record of a list is here, and whether some was erased."""
    row = driver.row(
        ledger,
        "SELECT max(p.state IN (2, 3, 5) OR EXISTS (SELECT 1 FROM chunk c WHERE c.hash = p.hash)),"
        " max(p.state = 4 AND p.reason = 'withdrawal')"
        " FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.list_id = ?"
        f" AND e.feed_id IN ({','.join('?' * len(feeds))})",
        (list_id, *feeds),
    )
    return (bool(row[0]), bool(row[1])) if row else (False, False)
