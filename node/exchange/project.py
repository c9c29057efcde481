"""The projection: a reader of arrivals that writes records, their items and what was taken back into the index.

Live, after a crash and in a rebuild it is the same function from the same cursor, so a rebuilt
index equals the live one. A record is shown only when all its items are durable. What an author
takes back is noted beside the records, whichever comes first; whether it counts, readers decide.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Self

from node import limits
from node.content import hashes, items
from node.content.hashes import HashKind
from node.exchange import keeping, lifecycles, notes, opinions, profiles, records
from node.exchange.endings import Endings
from node.exchange.keeping import Keep
from node.exchange.records import Opened
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import kinds
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.policy import border, deliveries
from node.policy.following import Follows
from node.store import acknowledgements, arrivals, digests, index, ledger, restrictions
from node.store.arrivals import Arrival, Cursor
from node.store.erasures import Erasures
from node.store.ledger import Row
from node.store.restrictions import Replacement
from node.store.stores import Stores
from node.v1 import record_pb2

ARRIVALS_PER_STEP = 256
HASH_BYTES = 32
SHOWN_BYTES_MAX = 256 << 10  # of a record beside its items; ours have 16 KiB of text at most


@dataclass(frozen=True, slots=True)
class Heavy:
    """A record with items, hidden until their keys are written."""

    arrival: Arrival
    number: int
    kind: HashKind
    keys: bytes  # of all items by position, end to end
    gone: int = 0  # the places of items that were erased, as bits
    replaces: tuple[Replacement, ...] = ()
    exercise: bool = False


@dataclass(frozen=True, slots=True)
class Into:
    """By what records come into the index. ``whole`` and ``parts``: of the erasure journal, as it was then.

    What is in that never comes in, also where its payload is here a little longer.
    """

    keep: Keep
    reader: Reader
    follows: Follows
    whole: Collection[HeaderHash]
    parts: Mapping[HeaderHash, int]
    endings: Endings  # what is known of crises, from one step to the next

    @classmethod
    def now(
        cls, keep: Keep, reader: Reader, follows: Follows, erasures: Erasures, endings: Endings | None = None
    ) -> Self:
        """With the journal as it is; none of its addresses may be added before the step begins."""
        return cls(keep, reader, follows, erasures.whole, erasures.parts, endings or Endings())

    def left(self, hash_: HeaderHash, opened: Opened | None) -> Opened | None:
        """What of a record may still come into the index."""
        if opened is None or hash_ in self.whole:
            return None
        return replace(opened, gone=opened.gone | self.parts.get(hash_, 0))


def advance(stores: Stores, into: Into) -> bool:
    """Project the next arrivals, urgent first and at most one record with items; whether there may be more.

    Where nothing arrived, until when records are kept is decided anew, if anything asks for that.
    """
    for urgent in (True, False):
        step = begin(stores, into, urgent=urgent)
        if isinstance(step, Heavy):
            write_keys(stores, step)
            finish(stores, step)
        if step:
            return True
    return keeping.step(stores, into.keep)


def begin(stores: Stores, into: Into, *, urgent: bool) -> Heavy | bool:
    """Project the next arrivals up to one with items; that one, or whether there may be more."""
    found = arrivals.after_in_lane(stores.ledger, cursor(stores), ARRIVALS_PER_STEP, urgent=urgent)
    heavy = _project_light(stores, found, into)
    return heavy if heavy is not None else len(found) == ARRIVALS_PER_STEP


def write_keys(stores: Stores, heavy: Heavy) -> None:
    """Write the items of a record; touches no other file than theirs."""
    _write_keys(stores, heavy.number, heavy.kind, heavy.keys, heavy.gone, exercise=heavy.exercise)


def finish(stores: Stores, heavy: Heavy) -> None:
    """Show a record whose items are written, in place of those that it replaces."""
    index.show(stores.index, heavy.number)
    restrictions.replace(stores.index, heavy.replaces)
    _set_projected(stores, heavy.arrival)
    stores.commit("index")


def _set_projected(stores: Stores, arrival: Arrival) -> None:
    """One of the two positions moves; the other may have moved meanwhile."""
    index.set_projected(stores.index, arrivals.advance(cursor(stores), arrival))


def _project_light(stores: Stores, found: Sequence[Arrival], into: Into) -> Heavy | None:
    """Write arrivals up to the first with items; that one, hidden, if there is one."""
    heavy = last = None
    for arrival in found:
        heavy = _project(stores, arrival, into)
        if heavy is not None:
            break
        last = arrival
    if last is not None:
        _set_projected(stores, last)
    if found:
        stores.commit("index")
    return heavy


def rebuild(stores: Stores, into: Into) -> None:
    """Make the whole index anew."""
    index.clear(stores.index, stores.digests)
    while advance(stores, into):
        pass


def store_id(stores: Stores) -> bytes:
    """The random id made with the store."""
    found = ledger.read_meta(stores.ledger, "store_id")
    assert found is not None, "a store without its id"  # noqa: S101 - made when the store is
    return found


def cursor(stores: Stores) -> Cursor:
    """How far the projection is."""
    return index.projected(stores.index, store_id(stores))


def _project(stores: Stores, arrival: Arrival, into: Into) -> Heavy | None:
    """Write one arrival; or begin one that has items."""
    opened = into.left(arrival.row.hash, records.open_record(stores, arrival.row, into.keep.trust, into.reader))
    if opened is None:
        into.endings.forget()  # it may take back what was said of a crisis
        notes.note(stores, arrival.row, into.keep.trust, into.reader)
        return None
    if kinds.is_halting(opened.record.kind):
        _put_halt(stores, opened, into)
        return None
    if not opened.header.understood:
        return None  # of a later version, which knows what the rest depends on: not effective here
    if not border.is_marked(opened.record):
        _put(stores, row_of(_without_content(opened), 0, kind=index.UNMARKED), into, shown=True)
        return None
    if opened.record.kind == Kind.ITEMS:
        return _begin_items(stores, arrival, opened, into) if _is_followed(opened, into.follows) else None
    if opened.record.kind == Kind.PROFILE:
        if not profiles.is_one(opened):
            return None
        restrictions.replace(stores.index, _replacements(opened))
    if opened.record.ByteSize() <= SHOWN_BYTES_MAX:
        row = row_of(opened, 0)
        number = _put(stores, row, into, shown=True)
        if row.kind == Kind.OPINION:
            opinions.note(stores, number, row, opened.record.opinion)
        _note_acknowledged(stores, opened, number)
    return None


def _note_acknowledged(stores: Stores, opened: Opened, number: int) -> None:
    said = opened.record.acknowledgement
    if opened.record.kind == Kind.ACKNOWLEDGEMENT and deliveries.is_whole(said):
        acknowledgements.put(stores.index, number, [HeaderHash(one) for one in said.entries])


def _without_content(opened: Opened) -> Opened:
    """Nobody said who may read it: that it came is known, and what it is of."""
    said = opened.record
    bare = record_pb2.Record(kind=said.kind, object_id=said.object_id, exercise=said.exercise)
    return replace(opened, record=bare)


def _put_halt(stores: Stores, opened: Opened, into: Into) -> None:
    """What is sealed shows only here that it halts its object: however large it is, and whatever its header has."""
    row = row_of(opened, 0)
    whole = opened.record.ByteSize() <= SHOWN_BYTES_MAX
    _put(stores, row if whole else replace(row, content=b""), into, shown=True)


def _put(stores: Stores, row: index.Record, into: Into, *, shown: bool) -> int:
    """Write a record, and beside it until when it is kept."""
    moves = row.kind == Kind.CRISIS_ACT and lifecycles.verb_of(row) in lifecycles.MOVING
    number = index.put_record(stores.index, row, shown=shown, moves=moves)
    keeping.note(stores, into.keep, number, row, into.endings)
    return number


def _is_followed(opened: Opened, follows: Follows) -> bool:
    return follows.fetches(opened.member_id, opened.record.object_id)  # type: ignore[arg-type]


def _begin_items(stores: Stores, arrival: Arrival, opened: Opened, into: Into) -> Heavy | None:
    letter = opened.record.items
    kind = hashes.KINDS.get(letter.kind)
    try:
        count = items.count(kind, letter) if kind else 0
    except ValueError:
        return None  # the author's fault; the rest of the list is not affected
    keys = items.keys(kind, letter) if kind else b""
    letter.ClearField("digests")
    letter.ClearField("values")
    if opened.record.ByteSize() > SHOWN_BYTES_MAX:
        return None
    # A kind of later versions is carried and counted nowhere.
    number = _put(stores, row_of(opened, count), into, shown=kind is None)
    return (
        Heavy(arrival, number, kind, keys, opened.gone, _replacements(opened), opened.header.exercise) if kind else None
    )


def _replacements(opened: Opened) -> tuple[Replacement, ...]:
    return tuple(
        Replacement(
            opened.header.hash,
            HeaderHash(target),
            opened.member_id,
            opened.record.object_id,  # type: ignore[arg-type]
            opened.header.feed_id,
            opened.header.seq,
        )
        for target in opened.record.replaces
        if len(target) == HASH_BYTES
    )


def _write_keys(stores: Stores, number: int, kind: HashKind, keys: bytes, gone: int, *, exercise: bool) -> None:
    count, step = len(keys) // kind.key_bytes, limits.DIGESTS_PER_TRANSACTION_MAX
    digests.note_written(stores.digests, number, whole=False)
    for start in range(0, count, step):
        end = min(start + step, count)
        for first, last in _runs(start, end, gone):
            digests.put(
                stores.digests, kind.number, kind.key_bytes, number, keys, first, last - first, exercise=exercise
            )
        if end < count:
            stores.commit("digests")
    digests.note_written(stores.digests, number, whole=True)
    stores.commit("digests")


def _runs(start: int, end: int, gone: int) -> Iterator[tuple[int, int]]:
    """The stretches of places in between that are not gone."""
    if not gone:
        yield start, end
        return
    for is_gone, run in groupby(range(start, end), lambda place: bool(gone >> place & 1)):
        places = list(run)
        if not is_gone:
            yield places[0], places[-1] + 1


def hide(stores: Stores, hash_: HeaderHash) -> int | None:
    """Before a record of a list leaves: nobody finds it any more; its number, if it is here."""
    number = index.number(stores.index, hash_)
    if number is not None:
        index.hide(stores.index, number)
        stores.commit("index")
    return number


def erase_keys(stores: Stores, row: Row, number: int, trust: Trust, reader: Reader) -> None:
    """Take the items of a hidden record out of the index; they are known from its payload, if that is still here."""
    opened = records.open_record(stores, row, trust, reader)
    kind = hashes.KINDS.get(opened.record.items.kind) if opened else None
    if opened is not None and kind is not None:
        keys = items.keys(kind, opened.record.items)
        digests.drop(stores.digests, kind.number, kind.key_bytes, number, keys, exercise=opened.header.exercise)
    elif digests.is_written(stores.digests, number):
        digests.drop_of_records(stores.digests, [number])
    digests.drop_written(stores.digests, number)
    stores.commit("digests")


def thin(stores: Stores, row: Row, positions: Collection[int], trust: Trust, reader: Reader) -> None:
    """Take some items of a record out of the index; they are known from its payload, which is still here."""
    opened, number = records.open_record(stores, row, trust, reader), index.number(stores.index, row.hash)
    kind = hashes.KINDS.get(opened.record.items.kind) if opened else None
    if opened is None or kind is None or number is None:
        return
    keys = items.keys(kind, opened.record.items)
    digests.drop_places(
        stores.digests,
        kind.number,
        kind.key_bytes,
        number,
        keys,
        sorted(positions),
        exercise=opened.header.exercise,
    )
    stores.commit("digests")


def forget(stores: Stores, number: int, keep: Keep, *, is_erased: bool = True) -> None:
    """Forget a hidden record whose items are out; one that is not erased may be fetched again."""
    keeping.forgotten(stores, keep, number, is_erased=is_erased)
    index.drop_record(stores.index, number)
    stores.commit("index")


def mend(stores: Stores, trust: Trust, reader: Reader) -> None:
    """Before anything is projected: bring index and digests together again.

    Neither waits for the disk at a commit, so a power cut takes a different end off each of them.
    """
    if index.drop_orphans(stores.index, stores.digests):
        stores.commit("digests")
    for number, hash_ in index.unwritten(stores.index, stores.digests):
        row = ledger.entry(stores.ledger, hash_)
        opened = records.open_record(stores, row, trust, reader) if row else None
        kind = hashes.KINDS.get(opened.record.items.kind) if opened else None
        if opened is None or kind is None:
            index.drop_record(stores.index, number)
        else:
            keys = items.keys(kind, opened.record.items)
            _write_keys(stores, number, kind, keys, opened.gone, exercise=opened.header.exercise)
    stores.commit("index")


def row_of(opened: Opened, count: int, *, kind: int | None = None) -> index.Record:
    """A record as the index has it; ``count``: its items."""
    header, record = opened.header, opened.record
    return index.Record(
        hash=header.hash,
        feed_id=header.feed_id,
        seq=header.seq,
        member_id=opened.member_id,
        object_id=record.object_id,  # type: ignore[arg-type]
        kind=record.kind if kind is None else kind,
        exercise=header.exercise,
        created_ms=header.created_ms,
        expires_ms=header.expires_ms,
        received_ms=opened.received_ms,
        items=count,
        content=record.SerializeToString(deterministic=True),
    )
