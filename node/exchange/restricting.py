"""Restricting: what of a record does not count, by what its author took back, by how its feed stands, and by halts."""

from collections.abc import Sequence
from dataclasses import dataclass

from node.exchange import halting
from node.exchange.standing import SUPERSEDED, standing_of
from node.exchange.trust import Trust
from node.feed.header import Header
from node.feed.keys import HeaderHash, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.store import index, remainders, restrictions
from node.store.halts import Halt
from node.store.index import Record
from node.store.restrictions import Replacement, Said
from node.store.stores import Stores

WITHDRAWN, REPLACED = "withdrawn by its author", "replaced by a later record"


@dataclass(frozen=True, slots=True)
class Restriction:
    """What of a record does not count any more: all of it, for a reason, or some positions, as bits."""

    reason: str = ""
    positions: int = 0
    since_ms: int = 0  # of the first withdrawal
    gone: int = 0  # the positions that were erased, as bits

    def covers(self, position: int) -> bool:
        """Whether this item does not count."""
        return bool(self.reason) or bool(self.positions >> position & 1)

    @property
    def count(self) -> int:
        """How many items are taken out, where the record as a whole stands."""
        return self.positions.bit_count()


def restriction(stores: Stores, record: Record, trust: Trust, halted: Sequence[Halt] | None = None) -> Restriction:
    """What does not count any more of a record: its author took it back, or the list it is of, or it is superseded.

    ``halted``: where its object is not read on, if that was looked up already.
    """
    said = restrictions.said_of(stores.index, record.member_id, record.hash, record.object_id)
    left = remainders.find(stores.ledger, record.hash)
    gone = left.positions if left else 0
    if standing_of(stores, record, trust) is Standing.SUPERSEDED:
        return Restriction(SUPERSEDED, gone=gone)
    if halted is None:
        halted = halting.of_object(stores, trust, record.member_id, record.object_id)
    if halting.is_behind(halted, record):
        return Restriction(halting.NOTICE, gone=gone)
    return _weigh(stores, record, [said], trust, gone)


def is_taken_back(stores: Stores, header: Header, trust: Trust) -> bool:
    """Whether items were taken back with all of their record, or something took its place: then they go to nobody.

    A crisis that was taken back is shown as that, alike everywhere, and so it goes on being told. What is
    sealed goes on, too: whoever passes it on sees no list that was taken back. And what is contested keeps
    nothing from leaving, as it keeps nothing from being fetched: a stolen key costs no payload.
    """
    feed, object_id = trust.feeds.get(header.feed_id), ObjectId(header.object_id)
    if feed is None or header.kind != Kind.ITEMS:
        return False
    said = restrictions.said_of(stores.index, feed.member_id, header.hash, object_id)
    if any(not one.positions and standing_of(stores, one, trust) is Standing.STANDS for one in said.withdrawals):
        return True
    return any(
        one.object_id == object_id and standing_of(stores, one, trust) is Standing.STANDS and counts(stores, one, trust)
        for one in said.replacements
    )


def restricted(stores: Stores, kind: int, trust: Trust) -> dict[int, Restriction]:
    """All records of a kind that are restricted, by number: few among many."""
    said, gone = restrictions.all_said(stores.index), remainders.every(stores.ledger)
    numbers = [number for number, _ in restrictions.touched(stores.index, kind)] if said else []
    if gone:
        numbers = sorted({*numbers, *index.numbers(stores.index, list(gone))})
    superseded = _superseded(stores, kind, trust)
    unread = _behind_halts(stores, kind, trust)
    found = {number: Restriction(halting.NOTICE, gone=gone.get(hash_, 0)) for number, hash_ in unread.items()}
    found |= {number: Restriction(SUPERSEDED, gone=gone.get(hash_, 0)) for number, hash_ in superseded.items()}
    for number, record in index.records(stores.index, [one for one in numbers if one not in found]).items():
        about = [(record.hash, record.member_id), (record.object_id, record.member_id)]
        about_it = [said[one] for one in about if one in said]
        weighed = _weigh(stores, record, about_it, trust, gone.get(record.hash, 0))
        if weighed.reason or weighed.positions:
            found[number] = weighed
    return found


def _behind_halts(stores: Stores, kind: int, trust: Trust) -> dict[int, HeaderHash]:
    """Records of this kind of objects that are not read on, by number."""
    return {
        number: record.hash
        for (member_id, object_id), found in sorted(halting.every(stores, trust).items())
        for number, record in index.of_list(stores.index, member_id, object_id, kind).items()
        if halting.is_behind(found, record)
    }


def counts(stores: Stores, one: Replacement, trust: Trust) -> bool:
    """Whether a record that says it takes another's place was read itself."""
    record = index.by_hash(stores.index, one.hash)
    return record is not None and not halting.is_behind(
        halting.of_object(stores, trust, one.member_id, one.object_id), record
    )


def _superseded(stores: Stores, kind: int, trust: Trust) -> dict[int, HeaderHash]:
    """Records of this kind above an end, or on a branch that was not named, by number."""
    bounds = (*trust.marks.settled, *trust.marks.ends)
    lowest = {feed: min(one.seq for one in bounds if one.feed_id == feed) for feed in {one.feed_id for one in bounds}}
    return {
        number: record.hash
        for feed_id in sorted(lowest)
        for number, record in index.from_place(stores.index, feed_id, lowest[feed_id]).items()
        if record.kind == kind and standing_of(stores, record, trust) is Standing.SUPERSEDED
    }


def _weigh(stores: Stores, record: Record, said: Sequence[Said], trust: Trust, gone: int) -> Restriction:
    positions, since_ms = gone, 0  # what is erased does not come back, whatever becomes of what was said
    for withdrawal in sorted((one for part in said for one in part.withdrawals), key=lambda one: one.created_ms):
        if standing_of(stores, withdrawal, trust) is Standing.SUPERSEDED:
            continue
        since_ms = since_ms or withdrawal.created_ms
        if not withdrawal.positions:
            return Restriction(WITHDRAWN, since_ms=since_ms)
        positions |= int.from_bytes(withdrawal.positions, "little")
    for one in (one for part in said for one in part.replacements):
        is_of_list = one.object_id == record.object_id
        stands = is_of_list and standing_of(stores, one, trust) is not Standing.SUPERSEDED
        if stands and counts(stores, one, trust):
            return Restriction(REPLACED, since_ms=since_ms)
    return Restriction(positions=positions & ((1 << record.items) - 1), since_ms=since_ms, gone=gone)
