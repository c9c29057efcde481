"""Deadlines: until when each record of the index is kept, and which of them are to be decided anew."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import HeaderHash, MemberId
from node.store import driver
from node.store.index import RECORD, Record, of_both
from node.store.ledger import Row
from node.store.payloads import State

EVERYTHING = b""
_DONE = -1


@dataclass(frozen=True, slots=True)
class Deadline:
    """Of one record: until when, by which rule, which bound came first, and what it depends on."""

    due_ms: int
    rule: int
    won: int
    about: bytes = b""


def put(index: sa.Connection, number: int, deadline: Deadline) -> bool:
    """Keep a deadline; whether it is another one than before."""
    if find(index, number) == deadline:
        return False
    driver.execute(
        index,
        "INSERT OR REPLACE INTO due (record, due_ms, rule, won, about) VALUES (?, ?, ?, ?, ?)",
        (number, deadline.due_ms, deadline.rule, deadline.won, deadline.about),
    )
    return True


def find(index: sa.Connection, number: int) -> Deadline | None:
    """The deadline of a record."""
    row = driver.row(index, "SELECT due_ms, rule, won, about FROM due WHERE record = ?", (number,))
    return Deadline(*row) if row else None


def of_entry(index: sa.Connection, hash_: HeaderHash) -> tuple[int, Deadline] | None:
    """The kind and the deadline of an entry's record."""
    row = driver.row(
        index,
        "SELECT r.kind, d.due_ms, d.rule, d.won, d.about FROM any_record r JOIN due d ON d.record = r.record"
        " WHERE r.hash = ?",
        (hash_,),
    )
    return (row[0], Deadline(*row[1:])) if row else None


def every(index: sa.Connection) -> dict[HeaderHash, Deadline]:
    """All of them, by entry."""
    rows = driver.rows(
        index,
        "SELECT r.hash, d.due_ms, d.rule, d.won, d.about FROM due d JOIN any_record r ON r.record = d.record"
        " ORDER BY 1",
    )
    return {row[0]: Deadline(*row[1:]) for row in rows}


def over(index: sa.Connection, now_ms: int, limit: int) -> list[tuple[HeaderHash, Deadline]]:
    """What is over, the longest overdue first, but nothing that is to be decided anew before."""
    rows = driver.rows(
        index,
        "SELECT r.hash, d.due_ms, d.rule, d.won, d.about, d.record FROM (SELECT * FROM due"
        " WHERE due_ms <= ? AND about NOT IN (SELECT about FROM redo WHERE about != X'')"
        " ORDER BY due_ms, record LIMIT ?) d JOIN any_record r ON r.record = d.record ORDER BY d.due_ms, d.record",
        (now_ms, limit),
    )
    return [(row[0], Deadline(*row[1:5])) for row in rows]


def next_ms(index: sa.Connection) -> int | None:
    """When the next of them is over."""
    found: int | None = driver.scalar(index, "SELECT min(due_ms) FROM due")
    return found


def backlog(index: sa.Connection, now_ms: int) -> tuple[int, int]:
    """How many payloads are overdue, by their ceilings or by policy, and since when; for a reader that has both files.

    Of a record that is over by both the payload counts.
    """
    row = driver.row(
        index,
        "SELECT count(*), coalesce(min(due_ms), 0) FROM"
        " (SELECT hash, min(due_ms) AS due_ms FROM"
        " (SELECT hash, expires_ms AS due_ms FROM payload WHERE state != 4 AND expires_ms <= ?1 UNION ALL "
        f"{of_both('SELECT r.hash, d.due_ms FROM due d JOIN {} r ON r.record = d.record WHERE d.due_ms <= ?1')})"
        " GROUP BY hash)",
        (now_ms,),
    )
    return (row[0], row[1]) if row else (0, 0)


# ---- What is to be decided anew


def page(index: sa.Connection, after: int, limit: int, about: bytes = EVERYTHING) -> list[tuple[int, Record]]:
    """The next records, shown or not; those that depend on something, or all."""
    dependent = "SELECT record FROM due WHERE about = ?3 AND record > ?1 ORDER BY record LIMIT ?2"
    rows = driver.rows(
        index,
        f"SELECT record, {RECORD} FROM any_record WHERE {f'record IN ({dependent})' if about else 'record > ?1'}"
        " ORDER BY record LIMIT ?2",
        (after, limit, *([about] if about else [])),
    )
    return [(row[0], Record(*row[1:])) for row in rows]


def record(index: sa.Connection, hash_: HeaderHash) -> tuple[int, Record] | None:
    """The record of an entry with its number, shown or not."""
    row = driver.row(index, f"SELECT r.record, {RECORD} FROM any_record r WHERE r.hash = ?", (hash_,))
    return (row[0], Record(*row[1:])) if row else None


def numbered(index: sa.Connection, number: int) -> Record | None:
    """The record of a number, shown or not."""
    row = driver.row(index, f"SELECT {RECORD} FROM any_record r WHERE r.record = ?", (number,))
    return Record(*row) if row else None


def said_about(index: sa.Connection, about: bytes, member_id: MemberId, kind: int, limit: int) -> list[Record]:
    """What a member said about an entry, the latest first."""
    rows = driver.rows(
        index,
        f"SELECT {RECORD} FROM due d JOIN any_record r ON r.record = d.record"
        " WHERE d.about = ? AND r.member_id = ? AND r.kind = ? ORDER BY r.received_ms DESC, r.hash LIMIT ?",
        (about, member_id, kind, limit),
    )
    return [Record(*row) for row in rows]


def has_dependents(index: sa.Connection, about: bytes) -> bool:
    """Whether anything depends on this."""
    return bool(driver.scalar(index, "SELECT 1 FROM due WHERE about = ? LIMIT 1", (about,)))


def ask(index: sa.Connection, about: bytes, basis: bytes = b"") -> None:
    """From the first record on, whatever was asked before."""
    driver.execute(index, "INSERT OR REPLACE INTO redo (about, after, basis) VALUES (?, 0, ?)", (about, basis))


def asked(index: sa.Connection) -> tuple[bytes, int, bytes] | None:
    """What is to be decided anew next, how far that is, and by what."""
    row = driver.row(index, "SELECT about, after, basis FROM redo WHERE after >= 0 ORDER BY about DESC LIMIT 1")
    return (row[0], row[1], row[2]) if row else None


def why(index: sa.Connection, about: bytes, otherwise: bytes) -> bytes:
    """By what something is to be decided anew already, or else."""
    found = driver.scalar(index, "SELECT basis FROM redo WHERE about = ?", (about,))
    return otherwise if found is None else bytes(found)


def go_on(index: sa.Connection, about: bytes, after: int) -> None:
    """So far it is decided."""
    driver.execute(index, "UPDATE redo SET after = ? WHERE about = ?", (after, about))


def end(index: sa.Connection, about: bytes) -> None:
    """All of it is decided."""
    if about == EVERYTHING:
        go_on(index, about, _DONE)
    else:
        driver.execute(index, "DELETE FROM redo WHERE about = ?", (about,))


def basis(index: sa.Connection) -> tuple[bytes, bool]:
    """By what everything is decided, and whether that is done."""
    row = driver.row(index, "SELECT basis, after FROM redo WHERE about = X''")
    return (row[0], row[1] == _DONE) if row else (b"", False)


# ---- What is not in the index


@dataclass(frozen=True, slots=True)
class Held:
    """A payload that is here, for ourselves or for those who may read it, and where it lies."""

    number: int
    hash: HeaderHash
    state: State


def held(ledger: sa.Connection, after: int, limit: int) -> list[Held]:
    """The next payloads that are here, by where they lie; not what was fetched for a peer."""
    rows = driver.rows(
        ledger,
        "SELECT rowid, hash, state FROM payload WHERE state IN (2, 3, 5) AND relay_until_ms = 0 AND rowid > ?"
        " ORDER BY rowid LIMIT ?",
        (after, limit),
    )
    return [Held(row[0], row[1], State(row[2])) for row in rows]


BY_POLICY = "policy"  # why a payload is not wanted: it would be over at once


def spare(ledger: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """These are not fetched: they would be over at once."""
    driver.execute_many(
        ledger,
        "UPDATE payload SET state = ?, reason = ? WHERE hash = ? AND state = ?",
        [(State.UNWANTED, BY_POLICY, hash_, State.MISSING) for hash_ in hashes],
    )


def want(ledger: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """By another policy they are wanted after all."""
    driver.execute_many(
        ledger,
        "UPDATE payload SET state = ?, reason = '' WHERE hash = ? AND state = ? AND reason = ?",
        [(State.MISSING, hash_, State.UNWANTED, BY_POLICY) for hash_ in hashes],
    )


def unfetched(ledger: sa.Connection) -> list[Row]:
    """Entries whose payloads are still to come, or were spared by policy."""
    rows = driver.rows(
        ledger,
        "SELECT e.hash, e.feed_id, e.seq, e.body, e.signature, e.received_ms FROM payload p"
        " JOIN entry e ON e.hash = p.hash WHERE p.state = 0 OR (p.state = 1 AND p.reason = ?) ORDER BY p.rowid",
        (BY_POLICY,),
    )
    return [Row(*row) for row in rows]
