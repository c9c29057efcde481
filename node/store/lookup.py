"""Looking up: where values stand, and what tells records from each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.store import digests, driver
from node.store.index import UNMARKED
from node.store.ledger import Row
from node.store.payloads import State


@dataclass(frozen=True, slots=True)
class Place:
    """One of the values that were asked for, by number, stands here."""

    asked: int
    record: int
    position: int


@contextmanager
def snapshot(reader: sa.Connection) -> Iterator[None]:
    """Let all statements within see one state of each file, for a reader that has all of them.

    Of the index first: then a record that takes the place of another cannot be shown by it while its
    digests are still missing.
    """
    driver.execute(reader, "BEGIN")
    try:
        driver.row(reader, "SELECT 1 FROM any_record LIMIT 1")
        yield
    finally:
        driver.execute(reader, "ROLLBACK")


def find(connection: sa.Connection, kind: int, key_bytes: int, packed: bytes, *, exercise: bool = False) -> list[Place]:
    """Where the keys stand that lie end to end, in the order in which they lie. One statement for any number of them.

    Those of drills are found only by who asks for them.

    SQLite cuts them out by itself, so nothing is done for each in Python. CROSS JOIN keeps it from
    reading the whole table to have the order for nothing.
    """
    if not packed:
        return []
    rows = driver.rows(
        connection,
        "WITH RECURSIVE asked(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM asked WHERE i + 1 < ?1)"
        f" SELECT i, d.record, d.position FROM asked CROSS JOIN {digests.table(exercise=exercise)} d"
        " WHERE d.kind = ?2 AND d.value = substr(?3, i * ?4 + 1, ?4)",
        (len(packed) // key_bytes, kind, packed, key_bytes),
    )
    return sorted((Place(*row) for row in rows), key=lambda one: (one.asked, one.record, one.position))


def beside(reader: sa.Connection, after: int, limit: int) -> list[tuple[int, Row]]:
    """The next entries whose payload is here, and whose values are not in the index; for a reader that has both.

    Such are set aside, without a mark, of a list that is not followed, or of kinds that nothing here knows.
    """
    rows = driver.rows(
        reader,
        "SELECT p.rowid, e.hash, e.feed_id, e.seq, e.body, e.signature, e.received_ms"
        " FROM payload p JOIN entry e ON e.hash = p.hash"
        " LEFT JOIN record r ON r.hash = p.hash LEFT JOIN drill_record d ON d.hash = p.hash"
        " WHERE p.rowid > ? AND p.state IN (?, ?) AND (coalesce(r.kind, d.kind, ?) = ?"
        " OR (coalesce(r.kind, d.kind) = ? AND coalesce(r.items, d.items) = 0))"
        " ORDER BY p.rowid LIMIT ?",
        (after, State.PRESENT, State.REMAINDER, UNMARKED, UNMARKED, Kind.ITEMS, limit),
    )
    return [(row[0], Row(*row[1:])) for row in rows]


def neighbours(index: sa.Connection, hash_: HeaderHash) -> list[bytes]:
    """The header hash of a record and those right below and above it, rising."""
    rows = driver.rows(
        index,
        "SELECT * FROM (SELECT hash FROM any_record WHERE hash < ?1 ORDER BY hash DESC LIMIT 1) UNION ALL SELECT ?1"
        " UNION ALL SELECT * FROM (SELECT hash FROM any_record WHERE hash > ?1 ORDER BY hash LIMIT 1)",
        (hash_,),
    )
    return [row[0] for row in rows]
