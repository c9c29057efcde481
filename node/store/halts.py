"""Halts: entries that are critical and not known here, by the object that is not read on behind them.

They are noted with the header, whatever becomes of the payload. Nothing is decided here: whether one
counts depends on how its feed stands, and on what this program knows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import sqlalchemy as sa

from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash, ObjectId
from node.store import driver


@dataclass(frozen=True, slots=True)
class Halt:
    """One such entry."""

    hash: HeaderHash
    object_id: ObjectId
    feed_id: FeedId
    seq: int
    kind: int
    exercise: bool
    created_ms: int


_HALT = "hash, object_id, feed_id, seq, kind, exercise, created_ms"


def of(header: Header) -> Halt:
    """What is noted of a header."""
    place = header.hash, header.object_id, header.feed_id, header.seq
    return Halt(*place, header.kind, header.exercise, header.created_ms)


def add(ledger: sa.Connection, found: Iterable[Halt]) -> None:
    """Note these; again is the same."""
    rows = [astuple(one) for one in found]
    driver.execute_many(ledger, f"INSERT OR IGNORE INTO halt ({_HALT}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def of_object(ledger: sa.Connection, object_id: bytes) -> list[Halt]:
    """All about objects with this id, whoever owns them."""
    return _read(driver.rows(ledger, f"SELECT {_HALT} FROM halt WHERE object_id = ? ORDER BY hash", (object_id,)))


def every(ledger: sa.Connection) -> list[Halt]:
    """All there are."""
    return _read(driver.rows(ledger, f"SELECT {_HALT} FROM halt ORDER BY hash"))


def _read(rows: Iterable[Sequence[Any]]) -> list[Halt]:
    return [Halt(row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6]) for row in rows]
