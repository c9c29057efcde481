"""Standing: whether a record, or an item of it, still counts, by forks, ends and what its author took back."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from node.exchange.trust import Trust
from node.feed import marks
from node.feed.keys import FeedId
from node.feed.marks import Standing
from node.store import index, ledger, remainders, restrictions
from node.store.index import Record
from node.store.restrictions import Said
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


def standing_of(stores: Stores, feed_id: FeedId, seq: int, trust: Trust) -> Standing:
    """Whether an entry stands, by forks and ends of its feed."""
    return marks.standing(trust.marks, feed_id, seq, partial(ledger.hash_at, stores.ledger, feed_id))


def restriction(stores: Stores, record: Record, trust: Trust) -> Restriction:
    """What its author took back of a record of a list, or of the list it is of."""
    said = restrictions.said_of(stores.index, record.member_id, record.hash, record.object_id)
    left = remainders.find(stores.ledger, record.hash)
    return _weigh(stores, record, [said], trust, left.positions if left else 0)


def restricted(stores: Stores, kind: int, trust: Trust) -> dict[int, Restriction]:
    """All records of a kind that are restricted, by number: few among many."""
    said, gone = restrictions.all_said(stores.index), remainders.every(stores.ledger)
    numbers = [number for number, _ in restrictions.touched(stores.index, kind)] if said else []
    if gone:
        numbers = sorted({*numbers, *index.numbers(stores.index, list(gone))})
    found = {}
    for number, record in index.records(stores.index, numbers).items():
        about = [(record.hash, record.member_id), (record.object_id, record.member_id)]
        about_it = [said[one] for one in about if one in said]
        weighed = _weigh(stores, record, about_it, trust, gone.get(record.hash, 0))
        if weighed.reason or weighed.positions:
            found[number] = weighed
    return found


def _weigh(stores: Stores, record: Record, said: Sequence[Said], trust: Trust, gone: int) -> Restriction:
    positions, since_ms = gone, 0  # what is erased does not come back, whatever becomes of what was said
    for withdrawal in sorted((one for part in said for one in part.withdrawals), key=lambda one: one.created_ms):
        if standing_of(stores, withdrawal.feed_id, withdrawal.seq, trust) is Standing.SUPERSEDED:
            continue
        since_ms = since_ms or withdrawal.created_ms
        if not withdrawal.positions:
            return Restriction(WITHDRAWN, since_ms=since_ms)
        positions |= int.from_bytes(withdrawal.positions, "little")
    for one in (one for part in said for one in part.replacements):
        is_of_list = one.object_id == record.object_id
        if is_of_list and standing_of(stores, one.feed_id, one.seq, trust) is not Standing.SUPERSEDED:
            return Restriction(REPLACED, since_ms=since_ms)
    return Restriction(positions=positions & ((1 << record.items) - 1), since_ms=since_ms, gone=gone)
