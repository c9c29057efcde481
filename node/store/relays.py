"""Relays: payloads that are here for peers alone, for a while."""

from collections.abc import Sequence

import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash, ObjectId
from node.store import driver, payloads
from node.store.payloads import State


def relay(connection: sa.Connection, hash_: HeaderHash, until_ms: int) -> None:
    """A peer asked for a record of a list that nobody follows here: fetch it, and keep it sealed for a while."""
    driver.execute(
        connection,
        "UPDATE payload SET state = ?, relay_until_ms = ? WHERE hash = ? AND state = ? AND list_id IS NOT NULL",
        (State.MISSING, until_ms, hash_, State.UNWANTED),
    )


def is_relayed(connection: sa.Connection, hash_: HeaderHash) -> bool:
    """Whether it is here for peers alone."""
    return bool(driver.scalar(connection, "SELECT relay_until_ms FROM payload WHERE hash = ?", (hash_,)))


def relayed_chunks(connection: sa.Connection) -> int:
    """How many chunks are here, or on their way, for peers alone."""
    count: int = driver.scalar(connection, "SELECT coalesce(sum(chunks), 0) FROM payload WHERE relay_until_ms > 0")
    return count


def relayed_until(connection: sa.Connection, now_ms: int) -> list[HeaderHash]:
    """Those that have been here for peers for long enough."""
    rows = driver.rows(
        connection,
        "SELECT hash FROM payload WHERE relay_until_ms > 0 AND relay_until_ms <= ? ORDER BY rowid",
        (now_ms,),
    )
    return [row[0] for row in rows]


def unrelay(connection: sa.Connection, feeds: Sequence[FeedId], list_id: ObjectId) -> None:
    """What was fetched for peers of this list is for us from now on."""
    driver.execute(
        connection,
        "UPDATE payload SET state = ?, relay_until_ms = 0 WHERE list_id = ? AND relay_until_ms > 0 AND"
        f" (SELECT e.feed_id FROM entry e WHERE e.hash = payload.hash) IN ({','.join('?' * len(feeds))})",
        (State.MISSING, list_id, *feeds),
    )


def end_relay(connection: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """These are not kept for peers any more."""
    driver.execute_many(
        connection,
        "UPDATE payload SET state = ?, relay_until_ms = 0 WHERE hash = ? AND relay_until_ms > 0",
        [(State.UNWANTED, hash_) for hash_ in hashes],
    )
    payloads.drop_chunks(connection, hashes)


def held(connection: sa.Connection, hashes: Sequence[HeaderHash]) -> list[HeaderHash]:
    """Those of these payloads that are here whole, and to stay."""
    found = [hash_ for hash_ in hashes if payloads.state(connection, hash_) in (State.PRESENT, State.SEALED)]
    return [hash_ for hash_ in found if not is_relayed(connection, hash_)]
