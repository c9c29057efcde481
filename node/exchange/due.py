"""Due: what has to be erased by now, and when the next is. Reads only."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from node.exchange import following, keeping, restricting, standing
from node.exchange.consult import View
from node.exchange.keeping import Keep
from node.exchange.trust import Trust
from node.feed.keys import HeaderHash, MemberId
from node.feed.marks import Standing
from node.policy import cooling
from node.policy.retention import Cause, Won
from node.store import deadlines, index, ledger, payloads, remainders, restrictions
from node.store.erasures import Erasure, Reason
from node.store.index import Record
from node.store.restrictions import Said, Withdrawal
from node.store.stores import Stores

NEVER_MS = 1 << 62
ALL = -1  # every place of a record


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be erased now, and when to look again, if nothing new is said until then."""

    erasures: tuple[Erasure, ...]
    next_ms: int = NEVER_MS


@dataclass(frozen=True, slots=True)
class _Came:
    """A withdrawal that counts, when it came here, and what it takes out, as bits, of the records that it is about."""

    said: Withdrawal
    came_ms: int
    records: Sequence[int]


def expired(stores: Stores, keep: Keep, now_ms: int, limit: int) -> Due:
    """Payloads whose time is over, by what their originators allow and by our own policy.

    While there is another policy than that by which deadlines were decided, nothing goes by these.
    """
    found = [Erasure(hash_, now_ms, Reason.EXPIRY) for hash_ in payloads.expired(stores.ledger, now_ms, limit)]
    seen, next_ms = {one.entry for one in found}, payloads.next_expiry(stores.ledger)
    if deadlines.basis(stores.index) == (keep.basis, True):
        over = deadlines.over(stores.index, now_ms, limit)
        found += [by_policy(keep, hash_, one.rule, one.won, now_ms) for hash_, one in over if hash_ not in seen]
        next_ms = min(_or_never(next_ms), _or_never(deadlines.next_ms(stores.index)))
    return Due(tuple(found[:limit]), _or_never(next_ms))


def sealed(stores: Stores, keep: Keep, now_ms: int, after: int) -> tuple[Due, int]:
    """Of the next payloads that are not readable here those that are over by policy; and where to go on, or 0."""
    page, after = keeping.sealed_page(stores, keep, after)
    over = [(hash_, one) for hash_, one in page if one.due_ms <= now_ms and one.won is not Won.CEILING]
    next_ms = min((one.due_ms for _, one in page if one.due_ms > now_ms), default=NEVER_MS)
    return Due(tuple(by_policy(keep, hash_, one.rule, one.won, now_ms) for hash_, one in over), next_ms), after


def by_policy(keep: Keep, hash_: HeaderHash, rule: int, won: int, now_ms: int) -> Erasure:
    """An erasure by our own policy, with its cause."""
    return Erasure(hash_, now_ms, Reason.POLICY, cause=Cause(keep.policy.id, rule, Won(won)).encoded)


def _or_never(time_ms: int | None) -> int:
    return NEVER_MS if time_ms is None else time_ms


def departed(stores: Stores, trust: Trust, me: MemberId, now_ms: int, limit: int) -> Due:
    """Once this member has left the federation: all that others entrusted to it."""
    if not trust.left_ms(me):
        return Due(())
    found = payloads.of_others(stores.ledger, following.feeds_of(trust, me), limit)
    return Due(tuple(Erasure(hash_, now_ms, Reason.DEPARTURE) for hash_ in found))


def withdrawn(stores: Stores, seen: View) -> Due:
    """What its author took back, and has cooled."""
    said = restrictions.all_said(stores.index)
    if not said:
        return Due(())
    records = index.records(stores.index, [number for number, _ in restrictions.touched(stores.index)])
    ends = _ends(stores, said, records, seen)
    gone = remainders.every(stores.ledger)
    erasures, waiting = list[Erasure](), [NEVER_MS]
    for number, record in sorted(records.items()):
        bits = 0
        for end_ms, positions in ends[number]:
            if end_ms > seen.now_ms:
                waiting.append(end_ms)
            else:
                bits |= positions
        made = _erasure(record, bits, gone.get(record.hash, 0), seen.now_ms)
        erasures += [made] if made else []
    return Due(tuple(erasures), min(waiting))


def _erasure(record: Record, bits: int, gone: int, now_ms: int) -> Erasure | None:
    """What is new of this: all of a record, once every place of it is out."""
    everything = (1 << record.items) - 1
    if bits == ALL or (record.items and (bits | gone) & everything == everything):
        return Erasure(record.hash, now_ms, Reason.WITHDRAWAL)
    bits &= everything & ~gone
    positions = bits.to_bytes(-(-bits.bit_length() // 8), "little")
    return Erasure(record.hash, now_ms, Reason.WITHDRAWAL, positions) if bits else None


def _ends(
    stores: Stores, said: Mapping[tuple[bytes, MemberId], Said], records: Mapping[int, Record], seen: View
) -> dict[int, list[tuple[int, int]]]:
    """Of each record, when which of its places have cooled."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    came = [one for about, part in sorted(said.items()) for one in _counting(stores, about, part, records, seen)]
    live = index.items_by_member(stores.index)
    for of_member in _by_member(came).values():
        clock = _Clock(of_member, records, live.get(of_member[0].said.member_id, 0), seen)
        for one in of_member:
            end_ms = one.came_ms + clock.cooling_ms(one)
            positions = int.from_bytes(one.said.positions, "little") if one.said.positions else ALL
            for number in one.records:
                found[number].append((end_ms, positions))
    for number, record in records.items():
        found[number] += [(came_ms + cooling.HOUR_MS, ALL) for came_ms in _replaced(stores, said, record, seen)]
    return found


def _counting(
    stores: Stores, about: tuple[bytes, MemberId], part: Said, records: Mapping[int, Record], seen: View
) -> Iterable[_Came]:
    """Those withdrawals that stand whole: what is contested restricts, and erases nothing."""
    target, member_id = about
    numbers = [
        number
        for number, record in sorted(records.items())
        if record.member_id == member_id and target in (record.hash, record.object_id)
    ]
    for one in part.withdrawals if numbers else ():
        row = ledger.entry(stores.ledger, one.hash)
        if row and standing.standing_of(stores, one, seen.trust) is Standing.STANDS:
            yield _Came(one, row.received_ms, numbers)


def _replaced(stores: Stores, said: Mapping[tuple[bytes, MemberId], Said], record: Record, seen: View) -> Iterable[int]:
    """When records that stand and take this one's place came."""
    for one in said.get((record.hash, record.member_id), Said()).replacements:
        row = ledger.entry(stores.ledger, one.hash)
        stands = standing.standing_of(stores, one, seen.trust) is Standing.STANDS
        if row and stands and one.object_id == record.object_id and restricting.counts(stores, one, seen.trust):
            yield row.received_ms


def _by_member(came: Iterable[_Came]) -> dict[MemberId, list[_Came]]:
    found: dict[MemberId, list[_Came]] = defaultdict(list)
    for one in sorted(came, key=lambda one: (one.came_ms, one.said.hash)):
        found[one.said.member_id].append(one)
    return found


class _Clock:
    """The withdrawals of one member by when they came."""

    def __init__(self, came: Sequence[_Came], records: Mapping[int, Record], live: int, seen: View) -> None:
        seat = seen.roster.seats.get(came[0].said.member_id)
        self._suspended = seat is not None and seat.suspended
        self._live = live
        self._times = [one.came_ms for one in came]
        self._sums = [0]
        for one in came:
            self._sums.append(self._sums[-1] + _items(one, records))
        self._pressing = [one.came_ms for one in came if one.said.reason in cooling.PRESSING]

    def cooling_ms(self, one: _Came) -> int:
        """How long it cools; ``items`` are those of the fullest hour that it is in, before it or behind it."""
        before = self._within(one.came_ms - cooling.HOUR_MS, one.came_ms)
        behind = self._within(one.came_ms, one.came_ms + cooling.HOUR_MS)
        pressing = bisect_left(self._pressing, one.came_ms) - bisect_left(self._pressing, one.came_ms - cooling.HOUR_MS)
        return cooling.cooling_ms(
            one.said.reason,
            items=max(before, behind),
            live=self._live,
            pressing=pressing,
            suspended=self._suspended,
        )

    def _within(self, first_ms: int, last_ms: int) -> int:
        return self._sums[bisect_right(self._times, last_ms)] - self._sums[bisect_left(self._times, first_ms)]


def _items(one: _Came, records: Mapping[int, Record]) -> int:
    if one.said.positions:
        return int.from_bytes(one.said.positions, "little").bit_count()
    return sum(records[number].items for number in one.records)
