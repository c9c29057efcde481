"""Headers, heads, forks and what the ledger knows of itself.

Hot statements are driver SQL with tuples: measured three times faster than bound constructs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa

from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.store import driver


@dataclass(frozen=True, slots=True)
class Row:
    """One stored header with its signature, exactly as received."""

    hash: HeaderHash
    feed_id: FeedId
    seq: int
    body: bytes
    signature: bytes
    received_ms: int


@dataclass(frozen=True, slots=True)
class ForkRow:
    """A stored fork proof."""

    feed_id: FeedId
    seq: int
    first: tuple[bytes, bytes]
    second: tuple[bytes, bytes]


GOVERNING = (34, 42, 44)  # ENDORSE, AMEND and SUPERSEDE: who is known, and where feeds end, on whatever branch
_GOVERNING = f"kind IN {GOVERNING} AND kind < 64"
_ROW = "hash, feed_id, seq, body, signature, received_ms"
HASHES_AT_A_TIME = 500


def read_meta(connection: sa.Connection, name: str) -> bytes | None:
    """A named value of the store itself."""
    found: bytes | None = driver.scalar(connection, "SELECT value FROM meta WHERE name = ?", (name,))
    return found


def write_meta(connection: sa.Connection, name: str, value: bytes) -> None:
    """Set a named value."""
    driver.execute(connection, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))


def entries(connection: sa.Connection, hashes: Sequence[HeaderHash]) -> list[Row]:
    """Those of these headers that are stored."""
    found = list[Row]()
    for start in range(0, len(hashes), HASHES_AT_A_TIME):
        part = hashes[start : start + HASHES_AT_A_TIME]
        statement = f"SELECT {_ROW} FROM entry WHERE hash IN ({','.join('?' * len(part))})"
        found += [Row(*row) for row in driver.rows(connection, statement, tuple(part))]
    return found


def held(connection: sa.Connection, hashes: Sequence[HeaderHash]) -> set[HeaderHash]:
    """Which of these headers are stored."""
    if not hashes:
        return set()
    marks = ",".join("?" * len(hashes))
    found = driver.rows(connection, f"SELECT hash FROM entry WHERE hash IN ({marks})", tuple(hashes))
    return {HeaderHash(row[0]) for row in found}


def head(connection: sa.Connection, feed_id: FeedId) -> Head | None:
    """The head of one feed."""
    row = driver.row(connection, "SELECT seq, hash FROM head WHERE feed_id = ?", (feed_id,))
    return Head(feed_id, row[0], HeaderHash(row[1])) if row else None


def heads(connection: sa.Connection) -> list[Head]:
    """All heads, by feed id."""
    rows = driver.rows(connection, "SELECT feed_id, seq, hash FROM head ORDER BY feed_id")
    return [Head(FeedId(feed), seq, HeaderHash(hash_)) for feed, seq, hash_ in rows]


def set_heads(connection: sa.Connection, moved: Iterable[Head]) -> None:
    """Move heads; a feed of which nothing is left in the chain has none."""
    found = list(moved)
    rows = [(head.feed_id, head.seq, head.hash) for head in found if head.seq]
    if rows:
        driver.execute_many(connection, "INSERT OR REPLACE INTO head (feed_id, seq, hash) VALUES (?, ?, ?)", rows)
    driver.execute_many(
        connection, "DELETE FROM head WHERE feed_id = ?", [(one.feed_id,) for one in found if not one.seq]
    )


def append(connection: sa.Connection, rows: Sequence[tuple[Row, int, bool]], source: MemberId | None = None) -> None:
    """Store headers, each with its kind and whether its predecessor is held; and the peer they came from."""
    if rows:
        driver.execute_many(
            connection,
            "INSERT INTO entry (hash, feed_id, seq, kind, chained, received_ms, body, signature, source)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (row.hash, row.feed_id, row.seq, kind, chained, row.received_ms, row.body, row.signature, source)
                for row, kind, chained in rows
            ],
        )


def entry(connection: sa.Connection, hash_: HeaderHash) -> Row | None:
    """One header by its hash."""
    row = driver.row(connection, f"SELECT {_ROW} FROM entry WHERE hash = ?", (hash_,))
    return Row(*row) if row else None


def kind_of(connection: sa.Connection, hash_: HeaderHash) -> int | None:
    """Which kind its header shows."""
    found = driver.row(connection, "SELECT kind FROM entry WHERE hash = ?", (hash_,))
    return found[0] if found else None


def span(connection: sa.Connection, feed_id: FeedId, first: int, last: int, limit: int) -> list[Row]:
    """Contiguous headers of a feed."""
    rows = driver.rows(
        connection,
        f"SELECT {_ROW} FROM entry WHERE feed_id = ? AND seq BETWEEN ? AND ? AND chained ORDER BY seq LIMIT ?",
        (feed_id, first, last, limit),
    )
    return [Row(*row) for row in rows]


def of_feed(connection: sa.Connection, feed_id: FeedId) -> list[Row]:
    """All headers of a feed, also those above a gap, by sequence number."""
    rows = driver.rows(connection, f"SELECT {_ROW} FROM entry WHERE feed_id = ? ORDER BY seq, hash", (feed_id,))
    return [Row(*row) for row in rows]


def hash_at(connection: sa.Connection, feed_id: FeedId, seq: int) -> HeaderHash | None:
    """The header hash at a place of the stored chain."""
    found: HeaderHash | None = driver.scalar(
        connection, "SELECT hash FROM entry WHERE feed_id = ? AND seq = ? AND chained", (feed_id, seq)
    )
    return found


def is_chained(connection: sa.Connection, hash_: HeaderHash) -> bool:
    """Whether an entry stands in the stored chain of its feed, not above a gap and not on another branch."""
    return bool(driver.scalar(connection, "SELECT chained FROM entry WHERE hash = ?", (hash_,)))


def records_of(connection: sa.Connection, feed_id: FeedId, kind: int) -> list[HeaderHash]:
    """The entries of one kind in the chain of a feed, in order."""
    rows = driver.rows(
        connection, "SELECT hash FROM entry WHERE feed_id = ? AND kind = ? AND chained ORDER BY seq", (feed_id, kind)
    )
    return [row[0] for row in rows]


def last_of_lists(connection: sa.Connection, feed_id: FeedId) -> HeaderHash | None:
    """The last entry of a feed that is a list, or a record of one."""
    found: HeaderHash | None = driver.scalar(
        connection,
        "SELECT hash FROM entry WHERE feed_id = ? AND kind IN (96, 98) ORDER BY seq DESC LIMIT 1",
        (feed_id,),
    )
    return found


def of_kind(connection: sa.Connection, feed_id: FeedId, kind: int) -> list[Row]:
    """All entries of a feed of one kind, by sequence number."""
    rows = driver.rows(
        connection, f"SELECT {_ROW} FROM entry WHERE feed_id = ? AND kind = ? ORDER BY seq, hash", (feed_id, kind)
    )
    return [Row(*row) for row in rows]


def ahead(connection: sa.Connection, feed_id: FeedId, head: int = 0) -> list[Row]:
    """Headers kept above a gap, lowest first; all stand above the head, and below it nothing need be looked at."""
    rows = driver.rows(
        connection,
        f"SELECT {_ROW} FROM entry WHERE feed_id = ? AND seq > ? AND NOT chained AND NOT beside ORDER BY seq, hash",
        (feed_id, head),
    )
    return [Row(*row) for row in rows]


def feeds_ahead(connection: sa.Connection) -> list[FeedId]:
    """Feeds of which headers are kept above a gap."""
    return [
        row[0]
        for row in driver.rows(
            connection, "SELECT DISTINCT feed_id FROM entry WHERE NOT chained AND NOT beside ORDER BY 1"
        )
    ]


def chain(connection: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """The gap below these headers is closed, or their branch is the one that stands."""
    if hashes:
        driver.execute_many(
            connection, "UPDATE entry SET chained = 1, beside = 0 WHERE hash = ?", [(hash_,) for hash_ in hashes]
        )


def put_beside(connection: sa.Connection, hashes: Iterable[HeaderHash]) -> None:
    """These are on another branch than the chain that is held: kept, and served by hash only."""
    driver.execute_many(
        connection, "UPDATE entry SET chained = 0, beside = 1 WHERE hash = ?", [(hash_,) for hash_ in hashes]
    )


def part(connection: sa.Connection, feed_id: FeedId, seq: int) -> None:
    """The chain from this place on is another branch than the one that stands."""
    driver.execute(
        connection,
        "UPDATE entry SET chained = 0, beside = 1 WHERE feed_id = ? AND seq >= ? AND chained",
        (feed_id, seq),
    )


def is_beside(connection: sa.Connection, hash_: HeaderHash) -> bool:
    """Whether an entry is kept on another branch than the chain."""
    return bool(driver.scalar(connection, "SELECT beside FROM entry WHERE hash = ?", (hash_,)))


def beside_count(connection: sa.Connection, feed_id: FeedId, *, governing: bool = False) -> int:
    """How many entries of a feed are kept on other branches than its chain: of those that govern, or of all others."""
    count: int = driver.scalar(
        connection,
        f"SELECT count(*) FROM entry WHERE feed_id = ? AND beside AND ({_GOVERNING}) = ?",
        (feed_id, governing),
    )
    return count


def governing_beside(connection: sa.Connection, size: int, turn: int) -> list[Row]:
    """Governance on other branches than the chains: of each feed a part of this size, in each turn the next one."""
    return _part(connection, f"{_GOVERNING} AND beside", (), size, turn)


def governing_above(connection: sa.Connection, feed_id: FeedId, seq: int, size: int, turn: int) -> list[Row]:
    """Governance of a feed from a place on, that is not on another branch: a part of it, as above."""
    which = f"feed_id = ? AND seq >= ? AND {_GOVERNING} AND NOT beside"
    return _part(connection, which, (feed_id, seq), size, turn)


def _part(connection: sa.Connection, which: str, about: Sequence[object], size: int, turn: int) -> list[Row]:
    rows = driver.rows(
        connection,
        f"SELECT {_ROW} FROM entry WHERE hash IN (SELECT hash FROM (SELECT hash, count(*) OVER"
        " (PARTITION BY feed_id) AS every, row_number() OVER (PARTITION BY feed_id ORDER BY seq, hash) - 1 AS place"
        f" FROM entry WHERE {which}) WHERE place / ? = ? % ((every + ? - 1) / ?))",
        (*about, size, turn, size, size),
    )
    return [Row(*row) for row in rows]


def pass_by(connection: sa.Connection, feed_id: FeedId, seq: int) -> None:
    """What was kept above a gap that is closed, and was not chained, is on another branch."""
    driver.execute(
        connection,
        "UPDATE entry SET beside = 1 WHERE feed_id = ? AND seq <= ? AND NOT chained AND NOT beside",
        (feed_id, seq),
    )


def shared_places(connection: sa.Connection, feed_id: FeedId) -> list[list[Row]]:
    """What is held in places of a feed that have more than one entry, the lowest place first."""
    rows = driver.rows(
        connection,
        f"SELECT {_ROW} FROM entry WHERE feed_id = ? AND seq IN"
        " (SELECT seq FROM entry WHERE feed_id = ? GROUP BY seq HAVING count(*) > 1) ORDER BY seq, hash",
        (feed_id, feed_id),
    )
    return [list(found) for _, found in groupby((Row(*row) for row in rows), lambda row: row.seq)]


def unchained_at(connection: sa.Connection, feed_id: FeedId, seq: int) -> list[tuple[Row, bool]]:
    """Headers at a place that are not in the chain, each with whether it is kept on another branch."""
    rows = driver.rows(
        connection,
        f"SELECT {_ROW}, beside FROM entry WHERE feed_id = ? AND seq = ? AND NOT chained ORDER BY hash",
        (feed_id, seq),
    )
    return [(Row(*row[:-1]), bool(row[-1])) for row in rows]


def above(connection: sa.Connection, feed_id: FeedId, seq: int, limit: int) -> list[Row]:
    """Headers of a feed from a place on, on whatever branch, but for bulk: what came as urgent is first."""
    rows = driver.rows(
        connection,
        "SELECT e.hash, e.feed_id, e.seq, e.body, e.signature, e.received_ms FROM entry e LEFT JOIN payload p"
        " ON p.hash = e.hash WHERE e.feed_id = ? AND e.seq >= ? AND coalesce(p.lane, 1) <= 1"
        " ORDER BY coalesce(p.lane, 1) > 0 AND e.kind <> 46, e.seq, e.hash LIMIT ?",
        (feed_id, seq, limit),
    )
    return [Row(*row) for row in rows]


def statements(connection: sa.Connection) -> list[Row]:
    """All governance, in an order in which every entry comes after its predecessor; of identity logs the chain only.

    Without ANCHORs: there is one for every node and hour, and nothing follows from it but to an auditor.
    """
    rows = driver.rows(
        connection,
        f"SELECT {_ROW} FROM entry WHERE kind < 64 AND kind != 51 AND (chained OR kind > 31)"
        " ORDER BY kind > 31, seq, hash",
    )
    return [Row(*row) for row in rows]


def statements_of(connection: sa.Connection, kind: int) -> list[Row]:
    """All statements of one kind, in the same order."""
    rows = driver.rows(connection, f"SELECT {_ROW} FROM entry WHERE kind = ? AND kind < 64 ORDER BY seq, hash", (kind,))
    return [Row(*row) for row in rows]


def entry_count(connection: sa.Connection) -> int:
    """How many headers are held."""
    count: int = driver.scalar(connection, "SELECT count(*) FROM entry")
    return count


def put_fork(connection: sa.Connection, row: ForkRow) -> None:
    """Keep a proof, in place of the one that was kept of this feed."""
    driver.execute(
        connection,
        "INSERT OR REPLACE INTO fork VALUES (?, ?, ?, ?, ?, ?)",
        (row.feed_id, row.seq, *row.first, *row.second),
    )


def fork(connection: sa.Connection, feed_id: FeedId) -> ForkRow | None:
    """The proof that is kept of one feed."""
    row = driver.row(connection, "SELECT * FROM fork WHERE feed_id = ?", (feed_id,))
    return ForkRow(row[0], row[1], (row[2], row[3]), (row[4], row[5])) if row else None


def forks(connection: sa.Connection) -> list[ForkRow]:
    """All fork proofs, by feed id."""
    rows = driver.rows(connection, "SELECT * FROM fork ORDER BY feed_id")
    return [ForkRow(row[0], row[1], (row[2], row[3]), (row[4], row[5])) for row in rows]
