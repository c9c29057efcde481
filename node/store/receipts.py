"""Receipts: what other members said they did about withdrawals of our own. A projection like the rest of the index."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash, MemberId
from node.store import driver


@dataclass(frozen=True, slots=True)
class Receipt:
    """One of them, about the withdrawals of a feed in these places."""

    hash: HeaderHash
    member_id: MemberId
    feed_id: FeedId
    seq: int
    entry: HeaderHash  # the last withdrawal that it answers
    about_feed: bytes  # empty: that was not here when this came
    last_seq: int
    first_seq: int
    restricted_ms: int
    erased_ms: int
    ground: int
    until_ms: int


_RECEIPT = (
    "hash, member_id, feed_id, seq, entry, about_feed, last_seq, first_seq, restricted_ms, erased_ms, ground, until_ms"
)


def put(index: sa.Connection, one: Receipt) -> None:
    """Keep a receipt; again is the same."""
    driver.execute(
        index,
        f"INSERT OR REPLACE INTO receipt ({_RECEIPT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            one.hash,
            one.member_id,
            one.feed_id,
            one.seq,
            one.entry,
            one.about_feed,
            one.last_seq,
            one.first_seq,
            one.restricted_ms,
            one.erased_ms,
            one.ground,
            one.until_ms,
        ),
    )


def about(index: sa.Connection, feed_id: FeedId, first_seq: int, last_seq: int) -> Iterator[Receipt]:
    """Those about withdrawals of a feed between these places, and all whose place is not known; author by author."""
    rows = driver.rows(
        index,
        f"SELECT {_RECEIPT} FROM receipt WHERE about_feed = ? AND last_seq >= ? AND first_seq <= ?"
        f" UNION ALL SELECT {_RECEIPT} FROM receipt WHERE about_feed = x''"
        " ORDER BY 2, 3, 4",
        (feed_id, first_seq, last_seq),
    )
    return (Receipt(*row) for row in rows)


def placed(one: Receipt, about_feed: FeedId, last_seq: int) -> Receipt:
    """The same, where what it answers has come by now."""
    return replace(one, about_feed=about_feed, last_seq=last_seq, first_seq=one.first_seq or last_seq)


def clear(index: sa.Connection) -> None:
    """Forget all; the ledger tells it again."""
    driver.execute(index, "DELETE FROM receipt")
