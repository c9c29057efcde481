"""What authors took back: withdrawals and replacements, kept beside the records and whatever comes first.

Nothing is decided here. Whether a statement counts depends on how its feed stands, and that changes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash, MemberId, ObjectId
from node.store import driver


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """That items of an entry, all of it, or an object no longer stand. ``target`` is the entry or the object."""

    hash: HeaderHash
    target: bytes
    member_id: MemberId
    feed_id: FeedId
    seq: int
    created_ms: int
    reason: int
    positions: bytes  # empty: all


@dataclass(frozen=True, slots=True)
class Replacement:
    """That a record takes the place of another of the same object."""

    hash: HeaderHash
    target: HeaderHash
    member_id: MemberId
    object_id: ObjectId
    feed_id: FeedId
    seq: int


def withdraw(index: sa.Connection, said: Withdrawal) -> None:
    """Keep a withdrawal; again is the same."""
    driver.execute(
        index,
        "INSERT OR IGNORE INTO withdrawal (hash, target, member_id, feed_id, seq, created_ms, reason, positions)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (said.hash, said.target, said.member_id, said.feed_id, said.seq, said.created_ms, said.reason, said.positions),
    )


def replace(index: sa.Connection, said: Iterable[Replacement]) -> None:
    """Keep what a record replaces; again is the same."""
    driver.execute_many(
        index,
        "INSERT OR IGNORE INTO replacement (hash, target, member_id, object_id, feed_id, seq)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [(one.hash, one.target, one.member_id, one.object_id, one.feed_id, one.seq) for one in said],
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What an author said of some of its records and objects."""

    withdrawals: Sequence[Withdrawal] = ()
    replacements: Sequence[Replacement] = ()


_WITHDRAWAL = "hash, target, member_id, feed_id, seq, created_ms, reason, positions"
_REPLACEMENT = "p.hash, p.target, p.member_id, p.object_id, p.feed_id, p.seq"


def said_of(index: sa.Connection, member_id: MemberId, entry: HeaderHash, object_id: ObjectId) -> Said:
    """What the author of a record said of it, or of its object; replacements where they are shown."""
    withdrawals = driver.rows(
        index,
        f"SELECT {_WITHDRAWAL} FROM withdrawal WHERE target IN (?, ?) AND member_id = ? ORDER BY created_ms, hash",
        (entry, object_id, member_id),
    )
    replacements = driver.rows(
        index,
        f"SELECT {_REPLACEMENT} FROM replacement p JOIN any_record r ON r.hash = p.hash AND r.shown"
        " WHERE p.target = ? AND p.member_id = ? ORDER BY p.hash",
        (entry, member_id),
    )
    return Said([Withdrawal(*row) for row in withdrawals], [Replacement(*row) for row in replacements])


def former(index: sa.Connection, entry: HeaderHash, limit: int) -> list[HeaderHash]:
    """Records whose place a record took, and those whose place these had taken, also where they are erased."""
    rows = driver.rows(
        index,
        "WITH RECURSIVE before(hash) AS (SELECT target FROM replacement WHERE hash = ?1"
        " UNION SELECT p.target FROM replacement p JOIN before b ON p.hash = b.hash)"
        " SELECT hash FROM before WHERE hash != ?1 ORDER BY hash LIMIT ?2",
        (entry, limit),
    )
    return [HeaderHash(row[0]) for row in rows]


def all_said(index: sa.Connection) -> dict[tuple[bytes, MemberId], Said]:
    """All of it, by target and author: in two statements, where each costs a hop to a thread."""
    found: dict[tuple[bytes, MemberId], tuple[list[Withdrawal], list[Replacement]]] = {}
    for row in driver.rows(index, f"SELECT {_WITHDRAWAL} FROM withdrawal ORDER BY created_ms, hash"):
        found.setdefault((row[1], row[2]), ([], []))[0].append(Withdrawal(*row))
    for row in driver.rows(
        index,
        f"SELECT {_REPLACEMENT} FROM replacement p JOIN any_record r ON r.hash = p.hash AND r.shown ORDER BY p.hash",
    ):
        found.setdefault((row[1], row[2]), ([], []))[1].append(Replacement(*row))
    return {about: Said(*said) for about, said in found.items()}


def of_member(index: sa.Connection, member_id: MemberId, since_ms: int, limit: int) -> list[Withdrawal]:
    """What a member took back since then, the newest first."""
    rows = driver.rows(
        index,
        f"SELECT {_WITHDRAWAL} FROM withdrawal WHERE member_id = ? AND created_ms >= ?"
        " ORDER BY created_ms DESC, seq DESC, hash LIMIT ?",
        (member_id, since_ms, limit),
    )
    return [Withdrawal(*row) for row in rows]


def said_since(index: sa.Connection, member_id: MemberId, since_ms: int) -> tuple[int, int]:
    """How many withdrawals are of this member, and how many of others, by their own dates."""
    row = driver.row(
        index,
        "SELECT coalesce(sum(member_id = ?1), 0), coalesce(sum(member_id != ?1), 0) FROM withdrawal"
        " WHERE created_ms >= ?2",
        (member_id, since_ms),
    )
    return (row[0], row[1]) if row else (0, 0)


def withdrawn_whole(index: sa.Connection, member_id: MemberId) -> set[bytes]:
    """Entries and objects of which a member said that nothing stands."""
    rows = driver.rows(index, "SELECT target FROM withdrawal WHERE member_id = ? AND positions = x''", (member_id,))
    return {row[0] for row in rows}


def hashes(index: sa.Connection) -> set[HeaderHash]:
    """Every withdrawal that is shown here."""
    return {row[0] for row in driver.rows(index, "SELECT hash FROM withdrawal")}


def touched(index: sa.Connection, kind: int | None = None) -> Iterator[tuple[int, HeaderHash]]:
    """Records, of this kind if one is named, of which something was said, with their numbers: few among many."""
    rows = driver.rows(
        index,
        "SELECT r.record, r.hash FROM any_record r WHERE r.shown AND r.kind = coalesce(?1, r.kind) AND r.hash IN"
        " (SELECT target FROM withdrawal UNION SELECT target FROM replacement)"
        " UNION SELECT r.record, r.hash FROM any_record r WHERE r.shown AND r.kind = coalesce(?1, r.kind)"
        " AND r.object_id IN (SELECT target FROM withdrawal WHERE length(target) = 16) ORDER BY 1",
        (kind,),
    )
    return ((row[0], row[1]) for row in rows)


def count(index: sa.Connection) -> int:
    """How much was said in all; it only grows."""
    found: int = driver.scalar(index, "SELECT (SELECT count(*) FROM withdrawal) + (SELECT count(*) FROM replacement)")
    return found


def clear(index: sa.Connection) -> None:
    """Forget all; the ledger tells it again."""
    driver.execute(index, "DELETE FROM withdrawal")
    driver.execute(index, "DELETE FROM replacement")
