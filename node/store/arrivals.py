"""Arrivals: the order in which content became readable here. Everyone who reads, reads by cursor."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import HeaderHash
from node.store import driver, quarantine
from node.store.ledger import Row


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader is: positions are never given twice, and urgent is read first."""

    store_id: bytes
    urgent: int = 0
    bulk: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry that became readable."""

    position: int
    urgent: bool
    row: Row


@dataclass(frozen=True, slots=True)
class Page:
    """Arrivals in order, and whether there was nothing else behind the cursor."""

    arrivals: list[Arrival]
    at_end: bool


_AFTER = (
    "SELECT a.position, a.urgent, e.hash, e.feed_id, e.seq, e.body, e.signature, e.received_ms"
    " FROM arrival a JOIN entry e ON e.hash = a.hash WHERE a.urgent = ? AND a.position > ?"
    f" AND NOT {quarantine.SET_ASIDE} ORDER BY a.position LIMIT ?"
)


def add(connection: sa.Connection, hashes: Sequence[tuple[bool, HeaderHash]]) -> None:
    """Give positions, inside the commit that makes the entries readable."""
    if hashes:
        driver.execute_many(connection, "INSERT INTO arrival (urgent, hash) VALUES (?, ?)", list(hashes))


def defer(connection: sa.Connection, hash_: HeaderHash, *, urgent: bool, due_ms: int) -> None:
    """Dated too far ahead: it arrives when its time comes."""
    driver.execute(
        connection, "INSERT OR IGNORE INTO deferred (hash, urgent, due_ms) VALUES (?, ?, ?)", (hash_, urgent, due_ms)
    )


def mature(connection: sa.Connection, now_ms: int) -> int:
    """Let what is due arrive; how many did."""
    rows = driver.rows(
        connection, "SELECT urgent, hash FROM deferred WHERE due_ms <= ? ORDER BY due_ms, hash", (now_ms,)
    )
    due = [(bool(urgent), HeaderHash(hash_)) for urgent, hash_ in rows]
    if not due:
        return 0  # a DELETE of nothing would still hold the write lock until the next commit
    add(connection, due)
    driver.execute(connection, "DELETE FROM deferred WHERE due_ms <= ?", (now_ms,))
    return len(due)


def after(connection: sa.Connection, cursor: Cursor, limit: int) -> Page:
    """The next arrivals: all urgent ones, and the others only when there is no urgent one."""
    found = _arrivals(
        connection,
        f"SELECT * FROM ({_AFTER}) UNION ALL SELECT * FROM ({_AFTER})",
        (True, cursor.urgent, limit, False, cursor.bulk, limit),
    )
    page = [one for one in found if one.urgent] or found
    return Page(page, at_end=len(page) == len(found) < limit)


def after_in_lane(connection: sa.Connection, cursor: Cursor, limit: int, *, urgent: bool) -> list[Arrival]:
    """The next urgent arrivals, or the next others."""
    return _arrivals(connection, _AFTER, (urgent, cursor.urgent if urgent else cursor.bulk, limit))


def ahead(connection: sa.Connection, cursor: Cursor, hashes: Sequence[HeaderHash]) -> set[HeaderHash]:
    """Which of these are still to come behind a cursor, or may come once a date, a branch or a peer stands."""
    if not hashes:
        return set()
    marks = f"hash IN ({','.join('?' * len(hashes))})"
    rows = driver.rows(
        connection,
        f"SELECT hash FROM arrival WHERE urgent = 1 AND position > ? AND {marks}"
        f" UNION ALL SELECT hash FROM arrival WHERE urgent = 0 AND position > ? AND {marks}"
        f" UNION ALL SELECT hash FROM deferred WHERE {marks}"
        f" UNION ALL SELECT e.hash FROM entry e WHERE e.{marks}"
        f" AND (e.beside OR NOT e.chained OR {quarantine.SET_ASIDE})",
        (cursor.urgent, *hashes, cursor.bulk, *hashes, *hashes, *hashes),
    )
    return {HeaderHash(row[0]) for row in rows}


def _arrivals(connection: sa.Connection, statement: str, parameters: Sequence[object]) -> list[Arrival]:
    return [Arrival(row[0], bool(row[1]), Row(*row[2:])) for row in driver.rows(connection, statement, parameters)]


def advance(cursor: Cursor, arrival: Arrival) -> Cursor:
    """The cursor behind one more arrival."""
    if arrival.urgent:
        return Cursor(cursor.store_id, arrival.position, cursor.bulk)
    return Cursor(cursor.store_id, cursor.urgent, arrival.position)


def last(connection: sa.Connection, store_id: bytes) -> Cursor:
    """The cursor at the end."""
    found = driver.rows(connection, "SELECT urgent, max(position) FROM arrival GROUP BY urgent")
    rows = {row[0]: row[1] for row in found}
    return Cursor(store_id, rows.get(1) or 0, rows.get(0) or 0)


def acknowledged(connection: sa.Connection, name: str, store_id: bytes) -> Cursor:
    """Up to where a named reader said it is done; the beginning where it never said anything."""
    row = driver.row(connection, "SELECT urgent, bulk FROM acknowledged WHERE name = ?", (name,))
    return Cursor(store_id, *row) if row else Cursor(store_id)


def acknowledge(connection: sa.Connection, name: str, cursor: Cursor) -> None:
    """A named reader is done up to here; never less than it said before."""
    driver.execute(
        connection,
        "INSERT INTO acknowledged (name, urgent, bulk) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
        " urgent = max(urgent, excluded.urgent), bulk = max(bulk, excluded.bulk)",
        (name, cursor.urgent, cursor.bulk),
    )
