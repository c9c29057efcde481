"""Sealed payloads, their states and their boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import sqlalchemy as sa

from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash, ObjectId
from node.store import driver
from node.store.arrivals import Cursor

NEVER_HELD = "never held"  # beside the reasons why something was erased
WITHDRAWN, REPLACED = "withdrawn", "replaced"  # why a payload is not wanted: its author said so
SUPERSEDED = "superseded"  # or its branch of a fork is not the one that stands


class State(IntEnum):
    """Where a payload stands (protos/README.md section 6.5). ERASED is final."""

    MISSING = 0
    UNWANTED = 1
    SEALED = 2
    PRESENT = 3
    ERASED = 4
    HELD_BACK = 6  # not fetched: after a restore, it may have been erased before (exchange/restored.py)
    REMAINDER = 5  # read here, and never served: what is left of one that was PRESENT


@dataclass(frozen=True, slots=True)
class Want:
    """A payload that is wanted: how much of it is here."""

    hash: HeaderHash
    lane: int
    chunks: int
    first: int
    for_peer: bool = False  # a peer asked for it, and nobody here
    kind: int = 0  # as its header shows it


def add(
    connection: sa.Connection,
    header: Header,
    state: State,
    chunks: int,
    *,
    lane: int,
    boxed: bool,
    list_id: ObjectId | None = None,
) -> None:
    """Note a payload beside its header."""
    driver.execute(
        connection,
        "INSERT INTO payload (hash, state, reason, lane, chunks, expires_ms, boxed, list_id, exercise)"
        " VALUES (?, ?, '', ?, ?, ?, ?, ?, ?)",
        (header.hash, state, lane, chunks, header.expires_ms, boxed, list_id, header.exercise),
    )


def set_boxed(connection: sa.Connection, hash_: HeaderHash, *, boxed: bool = True) -> None:
    """Its box has come, or is here no more."""
    driver.execute(connection, "UPDATE payload SET boxed = ? WHERE hash = ?", (boxed, hash_))


def is_boxed(connection: sa.Connection, hash_: HeaderHash) -> bool:
    """Whether its box is here."""
    return bool(driver.scalar(connection, "SELECT boxed FROM payload WHERE hash = ?", (hash_,)))


def state(connection: sa.Connection, hash_: HeaderHash) -> State | None:
    """The state, or None for a statement or an unknown entry."""
    found = driver.scalar(connection, "SELECT state FROM payload WHERE hash = ?", (hash_,))
    return None if found is None else State(found)


def lane(connection: sa.Connection, hash_: HeaderHash) -> int:
    """The lane in which its entry came."""
    found: int = driver.scalar(connection, "SELECT lane FROM payload WHERE hash = ?", (hash_,))
    return found


def set_state(connection: sa.Connection, hash_: HeaderHash, state: State, reason: str = "") -> None:
    """Move a payload to another state; one that is erased stays so."""
    driver.execute(
        connection,
        "UPDATE payload SET state = ?, reason = ? WHERE hash = ? AND state <> ?",
        (state, reason, hash_, State.ERASED),
    )


def put_chunks(connection: sa.Connection, hash_: HeaderHash, first: int, data: Sequence[bytes]) -> None:
    """Store chunks; one that is held is not written again."""
    rows = [(hash_, first + i, part) for i, part in enumerate(data)]
    driver.execute_many(connection, "INSERT OR IGNORE INTO chunk (hash, number, data) VALUES (?, ?, ?)", rows)


def chunk(connection: sa.Connection, hash_: HeaderHash, number: int) -> bytes | None:
    """One chunk."""
    found: bytes | None = driver.scalar(
        connection, "SELECT data FROM chunk WHERE hash = ? AND number = ?", (hash_, number)
    )
    return found


def ciphertext(connection: sa.Connection, hash_: HeaderHash) -> bytes:
    """All chunks that are held, in order."""
    rows = driver.rows(connection, "SELECT data FROM chunk WHERE hash = ? ORDER BY number", (hash_,))
    return b"".join(row[0] for row in rows)


def has_chunks(connection: sa.Connection, hash_: HeaderHash) -> bool:
    """Whether any of its ciphertext is here."""
    return bool(driver.scalar(connection, "SELECT 1 FROM chunk WHERE hash = ? LIMIT 1", (hash_,)))


def is_held(connection: sa.Connection, hash_: HeaderHash) -> bool:
    """Whether every chunk is here."""
    return bool(
        driver.scalar(
            connection,
            "SELECT (SELECT count(*) FROM chunk c WHERE c.hash = p.hash) = p.chunks FROM payload p WHERE p.hash = ?",
            (hash_,),
        )
    )


def wants(
    connection: sa.Connection, now_ms: int, limit: int, late: Sequence[FeedId] = (), *, exercise: bool
) -> list[Want]:
    """What is missing and still of use, of drills or of what is real: the stored want-list.

    The most urgent first, what is not urgent of late feeds behind all else, and then feeds by turns.
    """
    is_late = f"e.feed_id IN ({','.join('?' * len(late))})" if late else "0"
    rows = driver.rows(
        connection,
        "SELECT p.hash, p.lane, p.chunks, (SELECT count(*) FROM chunk c WHERE c.hash = p.hash) AS held,"
        f" p.relay_until_ms, p.lane > 0 AND {is_late} AS late, row_number() OVER"
        " (PARTITION BY p.lane, p.relay_until_ms > 0, e.feed_id ORDER BY p.rowid) AS turn, e.kind"
        " FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.state = 0 AND p.boxed AND p.expires_ms > ?"
        " AND p.exercise = ? ORDER BY late, p.lane, p.relay_until_ms > 0, turn, p.rowid LIMIT ?",
        (*late, now_ms, exercise, limit),
    )
    return [
        Want(row[0], row[1], row[2], _first_missing(connection, row[0]) if row[3] else 0, bool(row[4]), row[7])
        for row in rows
    ]


def _first_missing(connection: sa.Connection, hash_: HeaderHash) -> int:
    """The lowest number that is not held: a peer may have sent any."""
    held = [row[0] for row in driver.rows(connection, "SELECT number FROM chunk WHERE hash = ? ORDER BY 1", (hash_,))]
    return next((i for i, number in enumerate(held) if i != number), len(held))


def unsettled(connection: sa.Connection) -> list[HeaderHash]:
    """Missing payloads of which everything is here: a stop came between the last part and the verdict."""
    rows = driver.rows(
        connection,
        "SELECT p.hash FROM payload p WHERE p.state = 0 AND p.boxed"
        " AND (SELECT count(*) FROM chunk c WHERE c.hash = p.hash) = p.chunks ORDER BY p.rowid",
    )
    return [row[0] for row in rows]


def expired(connection: sa.Connection, now_ms: int, limit: int) -> list[HeaderHash]:
    """Payloads, or places for them, whose time is over, the longest overdue first."""
    rows = driver.rows(
        connection,
        "SELECT hash FROM payload WHERE state != 4 AND expires_ms <= ? ORDER BY expires_ms, hash LIMIT ?",
        (now_ms, limit),
    )
    return [row[0] for row in rows]


def of_others(connection: sa.Connection, own: Sequence[FeedId], limit: int) -> list[HeaderHash]:
    """Payloads of other feeds than these, whatever of them is here or wanted; oldest first."""
    rows = driver.rows(
        connection,
        "SELECT p.hash FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.state != 4"
        f" AND e.feed_id NOT IN ({','.join('?' * len(own))}) ORDER BY p.rowid LIMIT ?",
        (*own, limit),
    )
    return [row[0] for row in rows]


def next_expiry(connection: sa.Connection) -> int | None:
    """When the next of them is over."""
    found: int | None = driver.scalar(connection, "SELECT min(expires_ms) FROM payload WHERE state != 4")
    return found


def every(connection: sa.Connection) -> list[HeaderHash]:
    """Every entry that has, or had, a payload."""
    return [row[0] for row in driver.rows(connection, "SELECT hash FROM payload ORDER BY hash")]


def erase(connection: sa.Connection, hashes: Sequence[HeaderHash], reason: str) -> None:
    """Nothing of these payloads is left, for good; which of them were never here is remembered."""
    driver.execute_many(
        connection,
        "UPDATE payload SET state = 4, boxed = 0, relay_until_ms = 0, reason = CASE WHEN state IN (0, 1) AND NOT EXISTS"
        " (SELECT 1 FROM chunk c WHERE c.hash = payload.hash) THEN ? ELSE ? END WHERE hash = ? AND state != 4",
        [(NEVER_HELD, reason, hash_) for hash_ in hashes],
    )
    drop_chunks(connection, hashes)


def replace_chunks(connection: sa.Connection, hash_: HeaderHash, data: Sequence[bytes]) -> None:
    """Another ciphertext takes the place of a payload's."""
    drop_chunks(connection, [hash_])
    put_chunks(connection, hash_, 0, data)
    driver.execute(
        connection, "UPDATE payload SET state = 5, chunks = ? WHERE hash = ? AND state IN (3, 5)", (len(data), hash_)
    )


def boxless(connection: sa.Connection, now_ms: int, limit: int) -> list[HeaderHash]:
    """Missing payloads whose box has not come either, the newest first."""
    said = "SELECT hash FROM payload WHERE state = 0 AND NOT boxed AND expires_ms > ? ORDER BY rowid DESC LIMIT ?"
    return [row[0] for row in driver.rows(connection, said, (now_ms, limit))]


@dataclass(frozen=True, slots=True)
class Held:
    """How many records of one list in one feed are on their way, and how many are here."""

    feed_id: FeedId
    list_id: ObjectId
    missing: int
    present: int
    unprojected: int


def held_of_lists(connection: sa.Connection, projected: Cursor) -> list[Held]:
    """Of every list whose records were heard of; not projected is what arrived behind the cursor."""
    rows = driver.rows(
        connection,
        "SELECT e.feed_id, p.list_id, sum(p.state = 0 AND p.relay_until_ms = 0), sum(p.state IN (3, 5)),"
        " sum(p.state IN (3, 5) AND p.hash IN (SELECT hash FROM arrival WHERE urgent = 0 AND position > ?"
        " UNION ALL SELECT hash FROM arrival WHERE urgent = 1 AND position > ?))"
        " FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.list_id IS NOT NULL GROUP BY 1, 2",
        (projected.bulk, projected.urgent),
    )
    return [Held(*row) for row in rows]


def of_list(connection: sa.Connection, feeds: Sequence[FeedId], list_id: ObjectId, limit: int = -1) -> list[HeaderHash]:
    """Records of a list, said in these feeds, that are here and read; all of them, or so many."""
    rows = driver.rows(
        connection,
        "SELECT p.hash FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.list_id = ? AND p.state IN (3, 5)"
        f" AND e.feed_id IN ({','.join('?' * len(feeds))}) ORDER BY p.rowid LIMIT ?",
        (list_id, *feeds, limit),
    )
    return [row[0] for row in rows]


def move_list(
    connection: sa.Connection, feeds: Sequence[FeedId], list_id: ObjectId, before: State, after: State
) -> int:
    """Move all records of a list from one state to another; how many there were."""
    return driver.execute(
        connection,
        "UPDATE payload SET state = ? WHERE list_id = ? AND state = ? AND"
        f" (SELECT e.feed_id FROM entry e WHERE e.hash = payload.hash) IN ({','.join('?' * len(feeds))})",
        (after, list_id, before, *feeds),
    ).rowcount


def spare(connection: sa.Connection, hash_: HeaderHash, list_id: ObjectId | None = None) -> None:
    """A record of a list, of this one if it is named, that has not come is not wanted any more."""
    driver.execute(
        connection,
        "UPDATE payload SET state = ?, reason = ? WHERE hash = ? AND state = ? AND list_id = coalesce(?, list_id)",
        (State.UNWANTED, REPLACED if list_id else WITHDRAWN, hash_, State.MISSING, list_id),
    )


def spared(connection: sa.Connection) -> list[tuple[HeaderHash, ObjectId]]:
    """Records of lists, and of which, that are not fetched because their author said so."""
    rows = driver.rows(
        connection,
        "SELECT hash, list_id FROM payload WHERE state = ? AND reason IN (?, ?) AND list_id IS NOT NULL ORDER BY rowid",
        (State.UNWANTED, WITHDRAWN, REPLACED),
    )
    return [(row[0], row[1]) for row in rows]


def unconfirmed(connection: sa.Connection, feeds: Sequence[FeedId], now_ms: int, limit: int) -> list[HeaderHash]:
    """Records of lists that were said in these feeds, ours, and that nobody else is known to hold; newest first."""
    rows = driver.rows(
        connection,
        "SELECT p.hash FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.list_id IS NOT NULL"
        f" AND p.state = 3 AND NOT p.elsewhere AND e.feed_id IN ({','.join('?' * len(feeds))})"
        " AND p.expires_ms > ? ORDER BY p.rowid DESC LIMIT ?",
        (*feeds, now_ms, limit),
    )
    return [row[0] for row in rows]


def set_elsewhere(connection: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """Another member has these."""
    driver.execute_many(connection, "UPDATE payload SET elsewhere = 1 WHERE hash = ?", [(hash_,) for hash_ in hashes])


def put_boxes(keys: sa.Connection, rows: Sequence[tuple[HeaderHash, bytes]]) -> None:
    """Store boxes; one that is held stays as it is."""
    if rows:
        driver.execute_many(keys, "INSERT OR IGNORE INTO box (hash, box) VALUES (?, ?)", list(rows))


def box(keys: sa.Connection, hash_: HeaderHash) -> bytes | None:
    """The box of one payload."""
    found: bytes | None = driver.scalar(keys, "SELECT box FROM box WHERE hash = ?", (hash_,))
    return found


def sealed(connection: sa.Connection, hash_: HeaderHash) -> tuple[bytes, bytes]:
    """Box and ciphertext of one payload, empty where they are not here; for a reader with both files."""
    rows = driver.rows(
        connection,
        "SELECT (SELECT box FROM box WHERE hash = ?), data FROM chunk WHERE hash = ? ORDER BY number",
        (hash_, hash_),
    )
    parts = [(row[0] or b"", row[1]) for row in rows]
    return (parts[0][0], b"".join(data for _, data in parts)) if parts else (b"", b"")


def box_hashes(keys: sa.Connection) -> list[HeaderHash]:
    """Every payload that has a box."""
    return [row[0] for row in driver.rows(keys, "SELECT hash FROM box ORDER BY hash")]


def drop_boxes(keys: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """Erase boxes."""
    if hashes:
        driver.execute_many(keys, "DELETE FROM box WHERE hash = ?", [(hash_,) for hash_ in hashes])


def orphans(ledger: sa.Connection) -> list[HeaderHash]:
    """Payloads staged for headers that were never signed."""
    rows = driver.rows(
        ledger,
        "SELECT DISTINCT hash FROM chunk WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.hash = chunk.hash)"
        " ORDER BY hash",
    )
    return [row[0] for row in rows]


def drop_chunks(ledger: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """Erase ciphertext."""
    if hashes:
        driver.execute_many(ledger, "DELETE FROM chunk WHERE hash = ?", [(hash_,) for hash_ in hashes])


def set_aside(connection: sa.Connection, feed_id: FeedId, seq: int) -> None:
    """Of what is kept on other branches from this place on nothing more is fetched."""
    driver.execute(
        connection,
        "UPDATE payload SET state = ?, reason = ? WHERE state = ? AND hash IN"
        " (SELECT hash FROM entry WHERE feed_id = ? AND seq >= ? AND beside)",
        (State.UNWANTED, SUPERSEDED, State.MISSING, feed_id, seq),
    )


def want_again(connection: sa.Connection, hashes: Sequence[HeaderHash], *reasons: str) -> None:
    """What kept them from being fetched, one of these reasons, is none any more."""
    driver.execute_many(
        connection,
        "UPDATE payload SET state = ?, reason = '' WHERE hash = ? AND state = ?"
        f" AND reason IN ({','.join('?' * len(reasons))})",
        [(State.MISSING, hash_, State.UNWANTED, *reasons) for hash_ in hashes],
    )


def want_above_again(connection: sa.Connection, feed_id: FeedId, seq: int) -> None:
    """Which branch stands from this place on is open: what was still to be fetched of any of them is."""
    driver.execute(
        connection,
        "UPDATE payload SET state = ?, reason = '' WHERE state = ? AND reason = ? AND hash IN"
        " (SELECT hash FROM entry WHERE feed_id = ? AND seq >= ?)",
        (State.MISSING, State.UNWANTED, SUPERSEDED, feed_id, seq),
    )


def is_lacking(ledger: sa.Connection, feeds: Sequence[FeedId], kind: int, now_ms: int, states: Sequence[State]) -> bool:
    """Whether a payload of this kind, of one of these feeds, that has not expired is in one of these states."""
    return bool(
        driver.scalar(
            ledger,
            "SELECT EXISTS (SELECT 1 FROM payload p JOIN entry e ON e.hash = p.hash"
            f" WHERE p.state IN ({','.join('?' * len(states))}) AND p.expires_ms > ? AND e.kind = ?"
            f" AND e.feed_id IN ({','.join('?' * len(feeds))}))",
            (*states, now_ms, kind, *feeds),
        )
    )
