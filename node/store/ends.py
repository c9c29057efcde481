"""Ends: which records are read of whoever says very much, from either end of its feed.

Acts that may move a crisis are counted apart from others, and so are drills. Nobody but its owner says where in a feed
a record stands, and its owner says it once: no date moves one.
"""

import json
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from node.feed.keys import MemberId
from node.store import driver
from node.store.index import Record, in_order

_TURNS = (  # of each feed: about each object the outermost come first, of these those at either end of the feed
    "SELECT *, min(row_number() OVER (in_feed ORDER BY depth, seq, hash),"
    " row_number() OVER (in_feed ORDER BY depth, seq DESC, hash DESC)) AS turn FROM"
    " (SELECT record AS number, member_id, feed_id, moves, exercise, created_ms, seq, hash,"
    " min(row_number() OVER in_object, count(*) OVER of_object + 1 - row_number() OVER in_object) AS depth"
    " FROM any_record WHERE shown AND kind = ? AND hex(object_id) IN (SELECT value FROM json_each(?))"
    " WINDOW of_object AS (PARTITION BY feed_id, object_id, moves, exercise),"
    " in_object AS (of_object ORDER BY seq, hash))"
    " WINDOW in_feed AS (PARTITION BY feed_id, moves, exercise)"
)


def of_feeds(index: sa.Connection, kinds: Sequence[int], limit: int, object_id: bytes = b"") -> list[Record]:
    """Of each feed so many records of each of these kinds, half from either end, by their places; oldest first.

    ``object_id``: only of that.
    """
    rows = driver.rows(
        index,
        "SELECT number FROM (SELECT record AS number, created_ms, hash, row_number() OVER in_feed AS place,"
        f" count(*) OVER of_feed AS places FROM any_record WHERE shown AND kind IN ({','.join('?' * len(kinds))})"
        f"{' AND object_id = ?' if object_id else ''}"
        " WINDOW of_feed AS (PARTITION BY feed_id, kind, moves, exercise), in_feed AS (of_feed ORDER BY seq, hash))"
        " WHERE place <= ? OR place > places - ? ORDER BY created_ms, hash",
        (*kinds, *([object_id] if object_id else []), limit // 2, limit // 2),
    )
    return in_order(index, [row[0] for row in rows])


def beyond_feeds(index: sa.Connection, kinds: Sequence[int], limit: int) -> dict[MemberId, int]:
    """How many records `of_feeds` leaves out, by the members that have any."""
    rows = driver.rows(
        index,
        "SELECT member_id, sum(beyond) FROM (SELECT member_id, count(*) - ? AS beyond FROM any_record"
        f" WHERE shown AND kind IN ({','.join('?' * len(kinds))}) GROUP BY feed_id, kind, exercise, member_id)"
        " WHERE beyond > 0 GROUP BY 1 ORDER BY 1",
        (limit, *kinds),
    )
    return {row[0]: row[1] for row in rows}


def of_objects(index: sa.Connection, kind: int, object_ids: Iterable[bytes], limit: int, total: int) -> list[Record]:
    """Of each feed so many records of this kind about each of these, half from either end, and ``total`` about all.

    What is about anything else takes no turn: else acts about ids that nobody declared would push out what ends a
    crisis. Up to half of ``total`` all are read; of more the outermost about each object come first, so that whoever
    says very much about some is read about all. Oldest first.
    """
    rows = driver.rows(
        index,
        f"SELECT number FROM ({_TURNS}) WHERE depth <= ? AND turn <= ? ORDER BY created_ms, hash",
        (kind, _in_hex(object_ids), limit // 2, total // 2),
    )
    return in_order(index, [row[0] for row in rows])


def beyond_objects(
    index: sa.Connection, kind: int, object_ids: Iterable[bytes], limit: int, total: int
) -> dict[MemberId, int]:
    """How many records `of_objects` leaves out, by the members that have any."""
    rows = driver.rows(
        index,
        f"SELECT member_id, count(*) FROM ({_TURNS}) WHERE depth > ? OR turn > ? GROUP BY 1 ORDER BY 1",
        (kind, _in_hex(object_ids), limit // 2, total // 2),
    )
    return {row[0]: row[1] for row in rows}


def _in_hex(object_ids: Iterable[bytes]) -> str:
    return json.dumps([one.hex().upper() for one in object_ids])  # as SQLite writes it: they may be more than marks
