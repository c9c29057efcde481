"""Staging: items that a caller sent, sorted and compared on disk, in a file that nobody else ever sees.

SQLite sorts outside of memory, and holds neither the interpreter nor a list in memory while it does.
The file has no name from the moment it is made, so nothing of it outlives the process.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from node.content import items
from node.content.hashes import HashKind, Value
from node.store import digests, driver, stores

CACHE_KIB = 32768
PAGE = items.RECORD_ITEMS  # rows at a time: a page of digests is a record

_TABLES = (
    "CREATE TABLE sent (kind INTEGER, key BLOB, text TEXT, quality INTEGER)",
    "CREATE TABLE item (kind INTEGER, key BLOB, text TEXT, quality INTEGER, PRIMARY KEY (kind, key)) WITHOUT ROWID",
    "CREATE TABLE own (record INTEGER PRIMARY KEY)",
    "CREATE TABLE gone (record INTEGER, position INTEGER, PRIMARY KEY (record, position)) WITHOUT ROWID",
)
_STANDING = (
    "placed d CROSS JOIN own o ON o.record = d.record WHERE d.kind = i.kind AND d.value = i.key"
    " AND NOT EXISTS (SELECT 1 FROM gone g WHERE g.record = d.record AND g.position = d.position)"
)


@dataclass(frozen=True, slots=True)
class Matched:
    """How much of what was sent stands in the records compared with."""

    items: int  # distinct values
    places: int  # where they stand; one value may stand twice


def open_staging(folder: Path) -> sa.Connection:
    """An empty one, beside the digests in a data folder."""
    connection = stores.connect(
        lambda: sqlite3.connect(
            "", uri=True, check_same_thread=False, isolation_level=None
        )  # "": a file without a name
    )
    connection.exec_driver_sql("PRAGMA journal_mode = OFF")
    connection.exec_driver_sql("PRAGMA synchronous = OFF")
    connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.exec_driver_sql("ATTACH DATABASE ? AS digests_file", (stores.read_only(folder / "digests.db"),))
    for statement in _TABLES:
        connection.exec_driver_sql(statement)
    return connection


def add_packed(staging: sa.Connection, kind: HashKind, packed: bytes) -> None:
    """Digests end to end."""
    size = kind.digest_bytes
    driver.execute(
        staging,
        "WITH RECURSIVE place(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM place WHERE i + 1 < ?1)"
        " INSERT INTO sent (kind, key, quality) SELECT ?2, substr(?3, i * ?4 + 1, ?4), 255 FROM place",
        (len(packed) // size, kind.number, packed, size),
    )


def add_rows(staging: sa.Connection, kind: HashKind, rows: Iterable[tuple[bytes, Value, int]]) -> None:
    """Keys with their values and qualities."""
    driver.execute(staging, "BEGIN")
    driver.execute_many(
        staging,
        "INSERT INTO sent (kind, key, text, quality) VALUES (?, ?, ?, ?)",
        [(kind.number, key, value if isinstance(value, str) else None, quality) for key, value, quality in rows],
    )
    driver.execute(staging, "COMMIT")


def settle(staging: sa.Connection) -> dict[int, int]:
    """Sort what was sent, each value once; how many there are of each kind."""
    driver.execute(
        staging,
        "INSERT OR IGNORE INTO item SELECT kind, key, text, quality FROM sent ORDER BY kind, key, quality",
    )
    driver.execute(staging, "DROP TABLE sent")
    driver.execute(staging, "CREATE INDEX item_text ON item (kind, text) WHERE text IS NOT NULL")
    return {row[0]: row[1] for row in driver.rows(staging, "SELECT kind, count(*) FROM item GROUP BY kind")}


def below(staging: sa.Connection, kind: int, quality: int) -> int:
    """How many items of a kind are of a known quality below this one; 255 is not known."""
    found: int = driver.scalar(staging, "SELECT count(*) FROM item WHERE kind = ? AND quality < ?", (kind, quality))
    return found


def compare_with(
    staging: sa.Connection, records: Sequence[int], gone: Iterable[tuple[int, int]], *, exercise: bool
) -> None:
    """Compare with these records from now on, of a drill or not, without those positions that do not stand."""
    driver.execute(staging, "DROP VIEW IF EXISTS placed")
    driver.execute(staging, f"CREATE TEMP VIEW placed AS SELECT * FROM {digests.table(exercise=exercise)}")
    driver.execute(staging, "DELETE FROM own")
    driver.execute(staging, "DELETE FROM gone")
    driver.execute(staging, "BEGIN")
    driver.execute_many(staging, "INSERT INTO own (record) VALUES (?)", [(record,) for record in records])
    driver.execute_many(staging, "INSERT INTO gone (record, position) VALUES (?, ?)", list(gone))
    driver.execute(staging, "COMMIT")


def matched(staging: sa.Connection, kind: int) -> Matched:
    """How many of the items of a kind stand there, and at how many places."""
    row = driver.row(
        staging,
        "SELECT count(*), coalesce(sum(places), 0) FROM (SELECT count(*) AS places FROM item i"
        f" CROSS JOIN {_STANDING} AND i.kind = ? GROUP BY i.kind, i.key)",
        (kind,),
    )
    assert row is not None  # noqa: S101 - an aggregate has one row
    return Matched(*row)


def touched(staging: sa.Connection) -> list[int]:
    """The records in which some of the items stand."""
    return [row[0] for row in driver.rows(staging, f"SELECT DISTINCT o.record FROM item i CROSS JOIN {_STANDING}")]


def positions(staging: sa.Connection, kind: HashKind, keys: bytes, *, sent: bool) -> int:
    """Which items of a record were sent, or were not; its keys lie end to end. As bits by position."""
    size = kind.key_bytes
    rows = driver.rows(
        staging,
        "WITH RECURSIVE place(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM place WHERE i + 1 < ?1) SELECT i FROM place"
        " WHERE (SELECT count(*) FROM item WHERE kind = ?2 AND key = substr(?3, place.i * ?4 + 1, ?4)) = ?5",
        (len(keys) // size, kind.number, keys, size, int(sent)),
    )
    found = bytearray(-(-len(keys) // size // 8) + 1)
    for (i,) in rows:
        found[i >> 3] |= 1 << (i & 7)
    return int.from_bytes(found, "little")


def page(staging: sa.Connection, kind: HashKind, after: Value | None, *, standing: bool) -> list[tuple[Value, int]]:
    """The next items of a kind that stand in the records compared with, or that do not; rising as in a record."""
    by = "key" if kind.is_fixed else "text"
    compared = driver.scalar(staging, "SELECT EXISTS (SELECT 1 FROM own)")
    if standing and not compared:
        return []
    where = f" AND {'' if standing else 'NOT '}EXISTS (SELECT 1 FROM {_STANDING})" if compared else ""
    least = (b"" if kind.is_fixed else "") if after is None else after
    rows = driver.rows(
        staging,
        f"SELECT i.{by}, i.quality FROM item i WHERE i.kind = ? AND i.{by} >{'=' if after is None else ''} ?"
        f"{where} ORDER BY i.{by} LIMIT ?",
        (kind.number, least, PAGE),
    )
    return [(row[0], row[1]) for row in rows]
