"""The plaintext projection: records, and the values of their items in a file of their own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash, MemberId, ObjectId
from node.store import driver, receipts, restrictions
from node.store.arrivals import Cursor
from node.store.digests import TABLES as VALUES
from node.store.digests import drop_of_records


@dataclass(frozen=True, slots=True)
class Record:
    """One projected record. ``content`` is the record without the values of its items."""

    hash: HeaderHash
    feed_id: FeedId
    seq: int
    member_id: MemberId
    object_id: ObjectId
    kind: int
    exercise: bool
    created_ms: int
    expires_ms: int
    received_ms: int
    items: int
    content: bytes


TABLES = ("record", "drill_record")  # what is no drill, and what is one; any_record is both
UNMARKED = 0  # the kind under which stands what came without a mark: no reader asks for it

RECORD = (  # its columns, as Record has them
    "hash, feed_id, seq, member_id, object_id, kind, exercise, created_ms, expires_ms, received_ms, items, content"
)


def by_date(one: Record) -> tuple[int, HeaderHash]:
    """By which records stand in an order that is the same on every node, the oldest first."""
    return one.created_ms, one.hash


def of_both(statement: str) -> str:
    """A statement for each of the tables in turn: for what SQLite cannot push down into a view of both."""
    return " UNION ALL ".join(statement.format(table) for table in TABLES)


def projected(index: sa.Connection, store_id: bytes) -> Cursor:
    """How far the projection is. Another store's projection counts for nothing."""
    row = driver.row(index, "SELECT urgent, bulk FROM projected WHERE store_id = ?", (store_id,))
    return Cursor(store_id, *row) if row else Cursor(store_id)


def set_projected(index: sa.Connection, cursor: Cursor) -> None:
    """Move the projection's cursor, in the transaction that wrote its rows."""
    driver.execute(
        index,
        "INSERT OR REPLACE INTO projected (store_id, urgent, bulk) VALUES (?, ?, ?)",
        (cursor.store_id, cursor.urgent, cursor.bulk),
    )


def put_record(index: sa.Connection, record: Record, *, shown: bool, moves: bool = False) -> int:
    """Store a record and give its number; again is the same. Hidden until it is said again as shown, or `show`.

    ``moves``: it is an act that may move its crisis.
    """
    found = number(index, record.hash)
    if found is not None:
        if shown:
            show(index, found)
        return found
    # Digests of a forgotten record must never be read as another's: no number is given twice.
    given: int = driver.scalar(
        index,
        "INSERT INTO numbered (one, last) VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET last = last + 1 RETURNING last",
    )
    driver.execute(
        index,
        f"INSERT INTO {TABLES[record.exercise]} (record, shown, moves, {RECORD})"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            given,
            shown,
            moves,
            record.hash,
            record.feed_id,
            record.seq,
            record.member_id,
            record.object_id,
            record.kind,
            record.exercise,
            record.created_ms,
            record.expires_ms,
            record.received_ms,
            record.items,
            record.content,
        ),
    )
    return given


def show(index: sa.Connection, number: int) -> None:
    """All values of the record are stored: look-ups may find it."""
    for table in TABLES:
        driver.execute(index, f"UPDATE {table} SET shown = 1 WHERE record = ?", (number,))


def is_shown(index: sa.Connection, hash_: HeaderHash) -> bool:
    """Whether readers find this record."""
    return bool(driver.scalar(index, "SELECT shown FROM any_record WHERE hash = ?", (hash_,)))


def is_unmarked(index: sa.Connection, hash_: HeaderHash) -> bool:
    """Whether this record came without a mark."""
    return bool(driver.scalar(index, "SELECT kind = ? FROM any_record WHERE hash = ?", (UNMARKED, hash_)))


def number(index: sa.Connection, hash_: HeaderHash) -> int | None:
    """The number of a record, shown or not."""
    found: int | None = driver.scalar(index, "SELECT record FROM any_record WHERE hash = ?", (hash_,))
    return found


def hide(index: sa.Connection, number: int) -> None:
    """Readers do not find this record any more."""
    for table in TABLES:
        driver.execute(index, f"UPDATE {table} SET shown = 0 WHERE record = ?", (number,))


def numbers(index: sa.Connection, hashes: Sequence[HeaderHash]) -> list[int]:
    """The numbers of these records."""
    found = (
        driver.scalar(index, "SELECT record FROM any_record WHERE shown AND hash = ?", (hash_,)) for hash_ in hashes
    )
    return [number for number in found if number is not None]


def unwritten(index: sa.Connection, digests: sa.Connection) -> list[tuple[int, HeaderHash]]:
    """Shown records whose digests are not all there."""
    whole = {row[0] for row in driver.rows(digests, "SELECT record FROM written WHERE whole")}
    shown = driver.rows(index, "SELECT record, hash FROM any_record WHERE shown AND items > 0 ORDER BY record")
    return [(row[0], row[1]) for row in shown if row[0] not in whole]


def drop_orphans(index: sa.Connection, digests: sa.Connection) -> bool:
    """Forget digests of records that the index does not have, before it gives their numbers again; whether any were."""
    written = {row[0] for row in driver.rows(digests, "SELECT record FROM written")}
    orphans = sorted(written - {number for number, _ in every(index)})
    if orphans:
        drop_of_records(digests, orphans)
    return bool(orphans)


def every(index: sa.Connection) -> Iterator[tuple[int, HeaderHash]]:
    """The numbers of all records, shown or not, with what they are of."""
    for row in driver.rows(index, "SELECT record, hash FROM any_record ORDER BY record"):
        yield row[0], row[1]


def drop_record(index: sa.Connection, number: int) -> None:
    """Forget one record, until when it was to be kept, and what it says of another."""
    for table in ("due", "opinion", "acknowledgement", *TABLES):
        driver.execute(index, f"DELETE FROM {table} WHERE record = ?", (number,))


def records(index: sa.Connection, numbers: Sequence[int], *, exercises: bool = True) -> dict[int, Record]:
    """Records by number."""
    found, table = {}, "any_record" if exercises else "record"
    for start in range(0, len(numbers), 500):
        part = tuple(numbers[start : start + 500])
        rows = driver.rows(
            index,
            f"SELECT record, {RECORD} FROM {table} WHERE shown AND record IN ({','.join('?' * len(part))})",
            part,
        )
        found.update({row[0]: Record(*row[1:]) for row in rows})
    return found


def of_kinds(index: sa.Connection, kinds: Sequence[int]) -> list[Record]:
    """All records of these kinds, oldest first, in an order that is the same on every node."""
    marks = ",".join("?" * len(kinds))
    rows = driver.rows(
        index,
        f"SELECT {RECORD} FROM any_record WHERE shown AND kind IN ({marks}) ORDER BY created_ms, hash",
        tuple(kinds),
    )
    return [Record(*row) for row in rows]


def newer(index: sa.Connection, number: int, kinds: Sequence[int]) -> dict[int, Record]:
    """Records of these kinds behind a number, by number, rising."""
    rows = driver.rows(
        index,
        f"SELECT record, {RECORD} FROM any_record WHERE shown AND record > ? AND kind IN ({','.join('?' * len(kinds))})"
        " ORDER BY record",
        (number, *kinds),
    )
    return {row[0]: Record(*row[1:]) for row in rows}


def hashes_of_kind(index: sa.Connection, kind: int) -> list[HeaderHash]:
    """Which records of this kind there are, rising."""
    rows = driver.rows(index, "SELECT hash FROM any_record WHERE shown AND kind = ? ORDER BY hash", (kind,))
    return [row[0] for row in rows]


def kinds(index: sa.Connection) -> list[int]:
    """Which kinds of records there are."""
    return sorted({row[0] for row in driver.rows(index, of_both("SELECT DISTINCT kind FROM {}"))})


def from_place(index: sa.Connection, feed_id: FeedId, seq: int) -> dict[int, Record]:
    """All records in one feed from a place on, by number."""
    rows = driver.rows(
        index,
        f"SELECT record, {RECORD} FROM any_record WHERE shown AND feed_id = ? AND seq >= ? ORDER BY record",
        (feed_id, seq),
    )
    return {row[0]: Record(*row[1:]) for row in rows}


def by_hash(index: sa.Connection, hash_: HeaderHash) -> Record | None:
    """The record of one entry."""
    row = driver.row(index, f"SELECT {RECORD} FROM any_record WHERE shown AND hash = ?", (hash_,))
    return Record(*row) if row else None


def of_list(index: sa.Connection, member_id: MemberId, object_id: ObjectId, kind: int) -> dict[int, Record]:
    """All records of this kind about one object of one owner, by number."""
    rows = driver.rows(
        index,
        f"SELECT record, {RECORD} FROM any_record WHERE shown AND object_id = ? AND member_id = ? AND kind = ?"
        " ORDER BY record",
        (object_id, member_id, kind),
    )
    return {row[0]: Record(*row[1:]) for row in rows}


def of_object(index: sa.Connection, member_id: MemberId, object_id: ObjectId) -> list[Record]:
    """All records about one object of one owner."""
    rows = driver.rows(
        index,
        f"SELECT {RECORD} FROM any_record WHERE shown AND object_id = ? AND member_id = ? ORDER BY created_ms, hash",
        (object_id, member_id),
    )
    return [Record(*row) for row in rows]


def of_any_owner(index: sa.Connection, object_id: ObjectId, kind: int) -> Iterator[Record]:
    """Records of this kind about objects with this id, whoever owns them, as they are read."""
    for row in driver.rows(
        index,
        f"SELECT record, {RECORD} FROM any_record WHERE shown AND object_id = ? AND kind = ? ORDER BY record",
        (object_id, kind),
    ):
        yield Record(*row[1:])


def first_of_owners(index: sa.Connection, object_id: bytes, kind: int, limit: int) -> list[Record]:
    """Of each owner so many records of this kind about objects with this id, by their dates; who came first, first.

    Drills are counted apart.
    """
    rows = driver.rows(
        index,
        "SELECT number FROM (SELECT record AS number, member_id, exercise, row_number() OVER by_date AS place,"
        " min(received_ms) OVER of_owner AS came_ms FROM any_record WHERE shown AND object_id = ? AND kind = ?"
        " WINDOW of_owner AS (PARTITION BY member_id, exercise), by_date AS (of_owner ORDER BY created_ms, hash))"
        " WHERE place <= ? ORDER BY came_ms, member_id, exercise, place",
        (object_id, kind, limit),
    )
    return in_order(index, [row[0] for row in rows])


def of_member(index: sa.Connection, member_id: MemberId, kind: int) -> list[Record]:
    """All records of this kind by one member, oldest first."""
    rows = driver.rows(
        index,
        f"SELECT {RECORD} FROM any_record WHERE shown AND kind = ? AND member_id = ? ORDER BY created_ms, hash",
        (kind, member_id),
    )
    return [Record(*row) for row in rows]


def in_order(index: sa.Connection, numbers: Sequence[int]) -> list[Record]:
    """Records by number, as their numbers stand here."""
    found = records(index, numbers)
    return [found[number] for number in numbers if number in found]  # another connection may erase between the two


def has_any(index: sa.Connection, object_id: bytes, kind: int) -> bool:
    """Whether there is a record of this kind about objects with this id, shown or not, whoever owns them."""
    return bool(
        driver.scalar(index, "SELECT 1 FROM any_record WHERE object_id = ? AND kind = ? LIMIT 1", (object_id, kind))
    )


def of_no_such_kind(
    index: sa.Connection, member_id: MemberId, object_id: ObjectId, kinds: Sequence[int]
) -> list[Record]:
    """Records about one object of one owner whose kind is none of these."""
    marks, about = ",".join("?" * len(kinds)), (object_id, member_id, *kinds)
    where = f"shown AND object_id = ? AND member_id = ? AND kind NOT IN ({marks})"
    return [Record(*row) for row in driver.rows(index, f"SELECT {RECORD} FROM any_record WHERE {where}", about)]


def newest(
    index: sa.Connection, kind: int, member_id: MemberId, object_id: ObjectId, *, exercise: bool
) -> Record | None:
    """The latest record of this kind about one object of one owner."""
    row = driver.row(
        index,
        f"SELECT {RECORD} FROM {TABLES[exercise]} WHERE shown AND object_id = ? AND member_id = ? AND kind = ?"
        " ORDER BY created_ms DESC, hash DESC LIMIT 1",
        (object_id, member_id, kind),
    )
    return Record(*row) if row else None


def object_ids(index: sa.Connection) -> list[bytes]:
    """The ids of all objects, rising."""
    statement = of_both("SELECT DISTINCT object_id FROM {} WHERE length(object_id) = 16")
    return sorted({row[0] for row in driver.rows(index, statement)})


def neighbours(index: sa.Connection, object_id: bytes) -> list[bytes]:
    """The id and those right below and above it, rising."""
    rows = driver.rows(
        index,
        "SELECT * FROM (SELECT object_id FROM any_record WHERE object_id < ? AND length(object_id) = 16"
        " ORDER BY object_id DESC LIMIT 1) UNION ALL SELECT ? UNION ALL"
        " SELECT * FROM (SELECT object_id FROM any_record WHERE object_id > ? AND length(object_id) = 16"
        " ORDER BY object_id LIMIT 1)",
        (object_id, object_id, object_id),
    )
    return [row[0] for row in rows]


def clear(index: sa.Connection, digests: sa.Connection) -> None:
    """Forget the projection; the ledger makes it anew."""
    for name in (*TABLES, "projected", "due", "redo", "opinion", "acknowledgement"):
        driver.execute(index, f"DELETE FROM {name}")
    restrictions.clear(index)
    receipts.clear(index)
    index.commit()
    for name in (*VALUES, "written"):
        driver.execute(digests, f"DELETE FROM {name}")
    digests.commit()
