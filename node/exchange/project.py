"""The projection: a reader of arrivals that writes records and digests into the index.

Live, after a crash and in a rebuild it is the same function from the same cursor, so a rebuilt
index equals the live one. A record is shown only when all its digests are durable.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from node import limits
from node.content import hashes, items
from node.content.hashes import HashKind
from node.exchange import records
from node.exchange.records import Opened
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed.kinds import Kind
from node.store import arrivals, index, ledger
from node.store.arrivals import Arrival, Cursor
from node.store.stores import Stores

ARRIVALS_PER_STEP = 256
SHOWN_BYTES_MAX = 256 << 10  # of a record that is no list of digests; ours have 16 KiB of text at most


@dataclass(frozen=True, slots=True)
class Heavy:
    """A record with digests, hidden until they are written."""

    arrival: Arrival
    number: int
    kind: HashKind
    packed: bytes


def advance(stores: Stores, trust: Trust, reader: Reader) -> bool:
    """Project the next arrivals, urgent first and at most one record with digests; whether there may be more."""
    for urgent in (True, False):
        step = begin(stores, trust, reader, urgent=urgent)
        if isinstance(step, Heavy):
            write_digests(stores, step)
            finish(stores, step)
        if step:
            return True
    return False


def begin(stores: Stores, trust: Trust, reader: Reader, *, urgent: bool) -> Heavy | bool:
    """Project the next arrivals up to one with digests; that one, or whether there may be more."""
    found = arrivals.after_in_lane(stores.ledger, cursor(stores), ARRIVALS_PER_STEP, urgent=urgent)
    heavy = _project_light(stores, found, trust, reader)
    return heavy if heavy is not None else len(found) == ARRIVALS_PER_STEP


def write_digests(stores: Stores, heavy: Heavy) -> None:
    """Write the digests of a record; touches no other file than theirs."""
    _write_digests(stores, heavy.number, heavy.kind, heavy.packed)


def finish(stores: Stores, heavy: Heavy) -> None:
    """Show a record whose digests are written."""
    index.show(stores.index, heavy.number)
    _set_projected(stores, heavy.arrival)
    stores.commit("index")


def _set_projected(stores: Stores, arrival: Arrival) -> None:
    """One of the two positions moves; the other may have moved meanwhile."""
    index.set_projected(stores.index, arrivals.advance(cursor(stores), arrival))


def _project_light(stores: Stores, found: Sequence[Arrival], trust: Trust, reader: Reader) -> Heavy | None:
    """Write arrivals up to the first with digests; that one, hidden, if there is one."""
    heavy = last = None
    for arrival in found:
        heavy = _project(stores, arrival, trust, reader)
        if heavy is not None:
            break
        last = arrival
    if last is not None:
        _set_projected(stores, last)
    if found:
        stores.commit("index")
    return heavy


def rebuild(stores: Stores, trust: Trust, reader: Reader) -> None:
    """Make the whole index anew."""
    index.clear(stores.index, stores.digests)
    while advance(stores, trust, reader):
        pass


def store_id(stores: Stores) -> bytes:
    """The random id made with the store."""
    found = ledger.read_meta(stores.ledger, "store_id")
    assert found is not None, "a store without its id"  # noqa: S101 - made when the store is
    return found


def cursor(stores: Stores) -> Cursor:
    """How far the projection is."""
    return index.projected(stores.index, store_id(stores))


def _project(stores: Stores, arrival: Arrival, trust: Trust, reader: Reader) -> Heavy | None:
    """Write one arrival; or begin one that has digests."""
    opened = records.open_record(stores, arrival.row, trust, reader)
    if opened is None:
        return None
    kind = hashes.KINDS.get(opened.record.items.kind) if opened.record.kind == Kind.ITEMS else None
    if kind is None:
        if opened.record.ByteSize() <= SHOWN_BYTES_MAX:
            index.put_record(stores.index, _row(opened, 0), shown=True)
        return None
    packed = opened.record.items.digests
    try:
        count = items.count(kind, packed)
    except ValueError:
        return None  # the author's fault; the rest of the list is not affected
    opened.record.items.digests = b""
    number = index.put_record(stores.index, _row(opened, count), shown=False)
    return Heavy(arrival, number, kind, packed)


def _write_digests(stores: Stores, number: int, kind: HashKind, packed: bytes) -> None:
    count, step = len(packed) // kind.digest_bytes, limits.DIGESTS_PER_TRANSACTION_MAX
    index.note_written(stores.digests, number, whole=False)
    for first in range(0, count, step):
        part = min(step, count - first)
        index.put_digests(stores.digests, kind.number, kind.digest_bytes, number, packed, first, part)
        if first + part < count:
            stores.commit("digests")
    index.note_written(stores.digests, number, whole=True)
    stores.commit("digests")


def mend(stores: Stores, trust: Trust, reader: Reader) -> None:
    """Before anything is projected: bring index and digests together again.

    Neither waits for the disk at a commit, so a power cut takes a different end off each of them.
    """
    if index.drop_beyond(stores.index, stores.digests):
        stores.commit("digests")
    for number, hash_ in index.unwritten(stores.index, stores.digests):
        row = ledger.entry(stores.ledger, hash_)
        opened = records.open_record(stores, row, trust, reader) if row else None
        kind = hashes.KINDS.get(opened.record.items.kind) if opened else None
        if opened is None or kind is None:
            index.drop_record(stores.index, number)
        else:
            _write_digests(stores, number, kind, opened.record.items.digests)
    stores.commit("index")


def _row(opened: Opened, count: int) -> index.Record:
    header, record = opened.header, opened.record
    return index.Record(
        hash=header.hash,
        feed_id=header.feed_id,
        seq=header.seq,
        member_id=opened.member_id,
        object_id=record.object_id,  # type: ignore[arg-type]
        kind=record.kind,
        exercise=header.exercise,
        created_ms=header.created_ms,
        expires_ms=header.expires_ms,
        received_ms=opened.received_ms,
        items=count,
        content=record.SerializeToString(deterministic=True),
    )
