"""Digests: the values of items by kind and value, each with the places of records where it stands.

Those of drills stand in a table of their own, which no look-up of matches ever reads.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.store import driver


@dataclass(frozen=True, slots=True)
class Found:
    """A value that stands in a record."""

    kind: int
    value: bytes
    record: int
    position: int


TABLES = ("digest", "drill")


def table(*, exercise: bool) -> str:
    """Where the values of a drill stand, or all others."""
    return TABLES[exercise]


def put(
    digests: sa.Connection,
    kind: int,
    digest_bytes: int,
    number: int,
    packed: bytes,
    first: int,
    count: int,
    *,
    exercise: bool,
) -> None:
    """Store so many values of a record from this position on; they lie end to end, and rising is fastest.

    One statement, so the thread that runs it holds the interpreter for none of the rows.
    """
    driver.execute(
        digests,
        "WITH RECURSIVE place(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM place WHERE i + 1 < ?2)"
        f" INSERT OR IGNORE INTO {table(exercise=exercise)} (kind, value, record, position)"
        " SELECT ?3, substr(?4, i * ?5 + 1, ?5), ?6, i FROM place",
        (first, first + count, kind, packed, digest_bytes, number),
    )


def note_written(digests: sa.Connection, number: int, *, whole: bool) -> None:
    """Beside a record's digests, in their transaction: they are begun, or all there."""
    driver.execute(
        digests,
        "INSERT INTO written (record, whole) VALUES (?, ?) ON CONFLICT (record) DO UPDATE SET whole = excluded.whole",
        (number, whole),
    )


def drop(digests: sa.Connection, kind: int, key_bytes: int, number: int, packed: bytes, *, exercise: bool) -> None:
    """Forget these values of one record, wherever in it they stand.

    Each is looked up by kind and value, which are compared one by one: as parts of a row that is IN others SQLite
    goes through all values of the kind.
    """
    driver.execute(
        digests,
        "WITH RECURSIVE place(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM place WHERE i + 1 < ?1)"
        f" DELETE FROM {table(exercise=exercise)} WHERE kind = ?2 AND record = ?5"
        " AND value IN (SELECT substr(?3, i * ?4 + 1, ?4) FROM place)",
        (len(packed) // key_bytes, kind, packed, key_bytes, number),
    )


def drop_places(
    digests: sa.Connection,
    kind: int,
    key_bytes: int,
    number: int,
    packed: bytes,
    places: Sequence[int],
    *,
    exercise: bool,
) -> None:
    """Forget the values at these places of one record, all of whose values lie end to end. One statement, as `put`."""
    driver.execute(
        digests,
        f"DELETE FROM {table(exercise=exercise)} WHERE kind = ?1 AND record = ?4 AND (value, position) IN"
        " (SELECT substr(?2, place.value * ?3 + 1, ?3), place.value FROM json_each(?5) AS place)",
        (kind, packed, key_bytes, number, json.dumps(list(places))),
    )


def drop_of_records(digests: sa.Connection, numbers: Sequence[int]) -> None:
    """Forget all values of these records, which nobody knows any more; reads all of them."""
    for name in (*TABLES, "written"):
        driver.execute(
            digests,
            f"DELETE FROM {name} WHERE record IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )


_AT = "(record, position) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"


def has_any_at(digests: sa.Connection, places: Sequence[tuple[int, int]]) -> bool:
    """Whether any value stands at one of these places, by record and position; reads all of them."""
    return any(
        driver.scalar(digests, f"SELECT 1 FROM {name} WHERE {_AT} LIMIT 1", (json.dumps(places),)) for name in TABLES
    )


def drop_at(digests: sa.Connection, places: Sequence[tuple[int, int]]) -> None:
    """Forget the values at these places, which nobody knows any more; reads all of them."""
    for name in TABLES:
        driver.execute(digests, f"DELETE FROM {name} WHERE {_AT}", (json.dumps(places),))


def is_written(digests: sa.Connection, number: int) -> bool:
    """Whether a record has digests here, all of them or some."""
    return bool(driver.scalar(digests, "SELECT 1 FROM written WHERE record = ?", (number,)))


def drop_written(digests: sa.Connection, number: int) -> None:
    """A record has no digests any more."""
    driver.execute(digests, "DELETE FROM written WHERE record = ?", (number,))


def has_place(digests: sa.Connection, number: int, position: int) -> bool:
    """Whether any value stands at this place of a record; reads all of them."""
    return any(
        driver.scalar(digests, f"SELECT 1 FROM {name} WHERE record = ? AND position = ? LIMIT 1", (number, position))
        for name in TABLES
    )


def places(digests: sa.Connection, *, exercise: bool = False) -> Iterator[Found]:
    """Every place of every value of drills, or of all others, rising."""
    after: Sequence[object] = (0, b"", 0, 0)
    behind = "WHERE (kind, value, record, position) > (?, ?, ?, ?) ORDER BY kind, value, record, position LIMIT 10000"
    statement = f"SELECT kind, value, record, position FROM {table(exercise=exercise)} {behind}"
    while part := list(driver.rows(digests, statement, after)):
        yield from (Found(*row) for row in part)
        after = part[-1]
