"""Opinions: what members said of entries, kept beside the records and whatever comes first.

Nothing is decided here. Whose word counts depends on who is a member, and that changes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from node import limits
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.store import driver
from node.store.index import RECORD, Record


@dataclass(frozen=True, slots=True)
class Opinion:
    """One of them. ``record`` has its note and its label."""

    record: Record
    target: HeaderHash
    verdict: int
    places: int  # of the target's items, as bits

    @property
    def hash(self) -> HeaderHash:
        """Of its entry."""
        return self.record.hash

    @property
    def member_id(self) -> MemberId:
        """Who said it."""
        return self.record.member_id

    @property
    def feed_id(self) -> FeedId:
        """In which feed."""
        return self.record.feed_id

    @property
    def seq(self) -> int:
        """Where in it."""
        return self.record.seq

    @property
    def created_ms(self) -> int:
        """When, as it says."""
        return self.record.created_ms


_COLUMNS = ", ".join(f"r.{name}" for name in RECORD.split(", "))
_OPINION = f"o.target, o.verdict, o.places, {_COLUMNS}"


def put(index: sa.Connection, number: int, record: Record, target: HeaderHash, verdict: int, places: int) -> None:
    """Keep an opinion beside its record; again is the same."""
    driver.execute(
        index,
        "INSERT OR REPLACE INTO opinion (record, target, feed_id, seq, verdict, places) VALUES (?, ?, ?, ?, ?, ?)",
        (number, target, record.feed_id, record.seq, verdict, packed(places)),
    )


def packed(places: int) -> bytes:
    """Places as bytes: bit i of byte i / 8, without zeros behind the last."""
    return places.to_bytes(-(-places.bit_length() // 8), "little")


# `+`: SQLite begins with what is small, and finds the record by its number.


def about(index: sa.Connection, target: HeaderHash) -> list[Opinion]:
    """What was said of an entry: of each feed the newest, and no more than so many of them.

    Feed by feed along the index, so nobody makes it slow by saying very much.
    """
    rows = driver.rows(
        index,
        "WITH RECURSIVE feeds(id) AS (SELECT min(feed_id) FROM opinion WHERE target = ?1 UNION ALL"
        " SELECT (SELECT min(feed_id) FROM opinion WHERE target = ?1 AND feed_id > id) FROM feeds WHERE id IS NOT NULL)"
        f" SELECT {_OPINION} FROM feeds JOIN opinion o ON o.record IN"
        " (SELECT record FROM opinion WHERE target = ?1 AND feed_id = feeds.id ORDER BY seq DESC, record DESC LIMIT ?2)"
        " JOIN any_record r ON r.record = o.record WHERE r.shown ORDER BY r.created_ms, r.hash",
        (target, limits.OPINIONS_OF_FEED_MAX),
    )
    return _read(rows)


def of_member(index: sa.Connection, member_id: MemberId, limit: int) -> list[Opinion]:
    """What a member said, the newest first."""
    rows = driver.rows(
        index,
        f"SELECT {_OPINION} FROM opinion o JOIN any_record r ON r.record = +o.record WHERE r.shown AND r.member_id = ?"
        " ORDER BY r.created_ms DESC, r.hash LIMIT ?",
        (member_id, limit),
    )
    return _read(rows)


def touched(index: sa.Connection, hashes: Sequence[HeaderHash]) -> set[HeaderHash]:
    """Those of these entries of which anything was said: one statement for many."""
    found: set[HeaderHash] = set()
    for start in range(0, len(hashes), 500):
        part = tuple(hashes[start : start + 500])
        marks = ",".join("?" * len(part))
        rows = driver.rows(index, f"SELECT DISTINCT target FROM opinion WHERE target IN ({marks})", part)
        found.update(row[0] for row in rows)
    return found


def targets(index: sa.Connection, kind: int) -> list[Record]:
    """Every record of this kind of which anything was said: few among many."""
    rows = driver.rows(
        index,
        f"SELECT r.record, {_COLUMNS} FROM any_record r WHERE r.shown AND r.kind = ?"
        " AND r.hash IN (SELECT target FROM opinion) ORDER BY r.record",
        (kind,),
    )
    return [Record(*row[1:]) for row in rows]


def of_owner(index: sa.Connection, member_id: MemberId, limit: int) -> list[HeaderHash]:
    """Entries of a member of which anything was said, those of the newest opinions first."""
    rows = driver.rows(
        index,
        "SELECT o.target, r.created_ms FROM opinion o JOIN any_record t ON t.hash = o.target"
        " JOIN any_record r ON r.record = o.record WHERE t.member_id = ? ORDER BY 2 DESC, 1",
        (member_id,),
    )
    return list(islice(dict.fromkeys(row[0] for row in rows), limit))


class Move(NamedTuple):
    """A record of somebody's that says that it takes the place of another, and an opinion about that other."""

    owner: MemberId
    before: HeaderHash
    after: HeaderHash
    opinion: HeaderHash


def moves(index: sa.Connection, member_id: MemberId) -> list[Move]:
    """What a member said of records whose place others took, as long as both are here; record by record."""
    rows = driver.rows(
        index,
        "SELECT t.member_id, t.hash, n.hash, r.hash FROM opinion o"
        " CROSS JOIN any_record r ON r.record = +o.record AND r.shown CROSS JOIN any_record t ON t.hash = +o.target"
        " CROSS JOIN replacement p ON p.target = t.hash AND p.member_id = t.member_id AND p.object_id = t.object_id"
        " CROSS JOIN any_record n ON n.hash = p.hash AND n.shown WHERE r.member_id = ? ORDER BY t.hash, n.hash, r.hash",
        (member_id,),
    )
    return [Move(*row) for row in rows]


def _read(rows: Iterable[Sequence[Any]]) -> list[Opinion]:
    return [Opinion(Record(*row[3:]), row[0], row[1], int.from_bytes(row[2], "little")) for row in rows]
