"""Due: what has to be erased by now, and when the next is. Reads only."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from node.exchange import restricting, standing, unindexed
from node.exchange.consult import View
from node.exchange.drafts import REPLACED
from node.exchange.keeping import Keep
from node.exchange.trust import Trust
from node.feed import header as headers
from node.feed.keys import HeaderHash, MemberId
from node.feed.marks import Standing
from node.policy import cooling
from node.policy.retention import Cause, Won
from node.store import counts, deadlines, index, ledger, left, payloads, remainders, restrictions
from node.store.erasures import Erasure, Reason
from node.store.index import Record
from node.store.left import Left
from node.store.restrictions import Said, Withdrawal
from node.store.stores import Stores

NEVER_MS = 1 << 62
ALL = -1  # every place of a record
BEYOND_AT_A_TIME = 1024
About = tuple[bytes, MemberId]  # an entry or an object, and who speaks of it
_Counted = tuple[MemberId, bool]  # a member, and whether of its drills: those are counted apart


@dataclass(frozen=True, slots=True)
class Mass:
    """So much that a member took back at once that people should know: it may be a thief who does."""

    member_id: MemberId
    items: int  # in the fullest hour
    withdrawals: int  # that wait
    began_ms: int
    ends_ms: int  # the first of them is erased then


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be erased now, and when to look again, if nothing new is said until then."""

    erasures: tuple[Erasure, ...]
    next_ms: int = NEVER_MS
    carried_out: tuple[HeaderHash, ...] = ()  # withdrawals of which nothing is left, once these are erased
    masses: tuple[Mass, ...] = ()


@dataclass(frozen=True, slots=True)
class _Came:
    """A withdrawal that counts, from when it cools, and what it takes out, as bits, of the records that it is about."""

    said: Withdrawal
    begun_ms: int
    records: Sequence[int]
    beyond: Sequence[HeaderHash]  # payloads of it that the index does not have
    exercise: bool  # all that it takes out is of drills
    as_drill: bool  # it says that it is of a drill itself; looked up for what presses

    @property
    def counted(self) -> _Counted:
        """Among what it counts: no drill that is taken back makes what is real wait."""
        return self.said.member_id, self.exercise


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
    """Of the next payloads that nobody reads here those that are over by policy; and where to go on, or 0."""
    page, after = unindexed.page(stores, keep, after)
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
    found = payloads.of_others(stores.ledger, trust.feeds_of(me), limit)
    return Due(tuple(Erasure(hash_, now_ms, Reason.DEPARTURE) for hash_ in found))


def withdrawn(stores: Stores, seen: View) -> Due:
    """What its author took back, and has cooled."""
    said = restrictions.all_said(stores.index)
    if not said:
        return Due(())
    records = index.records(stores.index, [number for number, _ in restrictions.touched(stores.index)])
    came = _came(stores, said, records, seen)
    live = counts.items_by_member(stores.index)
    pressing = _pressing(stores, said, came, seen)
    clocks = {
        counted: _Clock(alike, records, live.get(counted, 0), pressing, seen)
        for counted, alike in _counted(came).items()
    }
    ends = [(one, one.begun_ms + clocks[one.counted].cooling_ms(one)) for one in came]
    due = _records_due(stores, said, records, ends, seen)
    cooled = [one for one, end_ms in ends if end_ms <= seen.now_ms]
    beyond = sorted({hash_ for one in cooled for hash_ in one.beyond})
    erasures = [made for _, made in due] + [_whole(hash_, seen.now_ms) for hash_ in beyond[:BEYOND_AT_A_TIME]]
    waiting = [end_ms for _, end_ms in ends] + [end_ms for end_ms, _ in _replaced(stores, said, records, seen)]
    again = [seen.now_ms] if len(beyond) > BEYOND_AT_A_TIME else []
    gone = {number for number, _ in due}
    return Due(
        tuple(erasures),
        min((*again, *(end_ms for end_ms in waiting if end_ms > seen.now_ms), NEVER_MS)),
        tuple(one.said.hash for one in cooled if gone.intersection(one.records)),
        tuple(mass for (_, drills), clock in sorted(clocks.items()) if not drills and (mass := clock.mass(ends))),
    )


def _records_due(
    stores: Stores,
    said: Mapping[About, Said],
    records: Mapping[int, Record],
    ends: Iterable[tuple[_Came, int]],
    seen: View,
) -> list[tuple[int, Erasure]]:
    """What is new of each record of which something has cooled, by its number."""
    cooled: dict[int, int] = defaultdict(int)
    for one, end_ms in ends:
        positions = int.from_bytes(one.said.positions, "little") if one.said.positions else ALL
        for number in one.records if end_ms <= seen.now_ms else ():
            cooled[number] |= positions
    for end_ms, number in _replaced(stores, said, records, seen):
        if end_ms <= seen.now_ms:
            cooled[number] = ALL
    gone = remainders.every(stores.ledger)
    made = (
        (number, _erasure(records[number], bits, gone.get(records[number].hash, 0), seen.now_ms))
        for number, bits in sorted(cooled.items())
    )
    return [(number, one) for number, one in made if one]


def _whole(hash_: HeaderHash, now_ms: int) -> Erasure:
    return Erasure(hash_, now_ms, Reason.WITHDRAWAL)


def _erasure(record: Record, bits: int, gone: int, now_ms: int) -> Erasure | None:
    """What is new of this: all of a record, once every place of it is out."""
    everything = (1 << record.items) - 1
    if bits == ALL or (record.items and (bits | gone) & everything == everything):
        return _whole(record.hash, now_ms)
    bits &= everything & ~gone
    positions = bits.to_bytes(-(-bits.bit_length() // 8), "little")
    return Erasure(record.hash, now_ms, Reason.WITHDRAWAL, positions) if bits else None


def _came(stores: Stores, said: Mapping[About, Said], records: Mapping[int, Record], seen: View) -> list[_Came]:
    """Those withdrawals that stand whole: what is contested restricts, and erases nothing."""
    beyond = _beyond(stores, said, {record.hash for record in records.values()}, seen)
    of_target: dict[About, list[int]] = defaultdict(list)
    for number, record in sorted(records.items()):
        for target in (record.hash, record.object_id):
            of_target[bytes(target), record.member_id].append(number)
    found = []
    for about, part in sorted(said.items()):
        numbers, unshown = of_target.get(about, []), beyond.get(about, [])
        exercise = all(records[number].exercise for number in numbers) and all(one.exercise for one in unshown)
        hashes = [one.hash for one in unshown]
        for one in part.withdrawals if numbers or hashes else ():
            row = ledger.entry(stores.ledger, one.hash)
            if row and standing.standing_of(stores, one, seen.trust) is Standing.STANDS:
                begun_ms = cooling.begun_ms(one.reason, row.received_ms, one.created_ms)
                as_drill = one.reason in cooling.PRESSING and _is_drill(row.body, seen)
                found.append(_Came(one, begun_ms, numbers, () if one.positions else hashes, exercise, as_drill))
    return found


def _is_drill(body: bytes, seen: View) -> bool:
    return headers.decode(body, seen.trust.federation_id).exercise


def _beyond(
    stores: Stores, said: Mapping[About, Said], shown: Collection[HeaderHash], seen: View
) -> dict[About, list[Left]]:
    """Of what was taken back as a whole, what the index does not have: never fetched, dropped, or kept for peers."""
    whole = sorted({target for (target, _), part in said.items() if any(not one.positions for one in part.withdrawals)})
    found: dict[About, list[Left]] = defaultdict(list)
    for one in left.of(stores.ledger, whole):
        feed = seen.trust.feeds.get(one.feed_id)
        if feed is not None and one.hash not in shown:
            found[one.target, feed.member_id].append(one)
    return found


def _replaced(
    stores: Stores, said: Mapping[About, Said], records: Mapping[int, Record], seen: View
) -> Iterable[tuple[int, int]]:
    """When what stands in another's place has cooled for an hour, and whose place it is."""
    for number, record in records.items():
        for one in said.get((record.hash, record.member_id), Said()).replacements:
            made = index.by_hash(stores.index, one.hash)
            stands = standing.standing_of(stores, one, seen.trust) is Standing.STANDS
            counts = one.object_id == record.object_id and restricting.counts(stores, one, seen.trust)
            if made and stands and counts:
                yield cooling.begun_ms(REPLACED, made.received_ms, made.created_ms) + cooling.HOUR_MS, number


def _counted(came: Iterable[_Came]) -> dict[_Counted, list[_Came]]:
    found: dict[_Counted, list[_Came]] = defaultdict(list)
    for one in sorted(came, key=lambda one: (one.begun_ms, one.said.hash)):
        found[one.counted].append(one)
    return found


def _pressing(
    stores: Stores, said: Mapping[About, Said], came: Iterable[_Came], seen: View
) -> dict[_Counted, list[tuple[int, HeaderHash]]]:
    """When all that presses came, also what is carried out: of those members of which some still waits for that.

    By what each says itself that it is, drill or not: of what is carried out nobody knows any more.
    """
    waiting = {one.said.member_id for one in came if one.said.reason in cooling.PRESSING}
    hashes: dict[MemberId, list[HeaderHash]] = defaultdict(list)
    for (_, member_id), part in said.items() if waiting else ():
        if member_id in waiting:
            hashes[member_id] += [one.hash for one in part.withdrawals if one.reason in cooling.PRESSING]
    found: dict[_Counted, list[tuple[int, HeaderHash]]] = defaultdict(list)
    for member_id, of_member in hashes.items():
        for row in ledger.entries(stores.ledger, of_member):
            found[member_id, _is_drill(row.body, seen)].append((row.received_ms, row.hash))
    return {counted: sorted(each) for counted, each in found.items()}


class _Clock:
    """The withdrawals of one member, of its drills or of what is real, by when they began to cool."""

    def __init__(
        self,
        came: Sequence[_Came],
        records: Mapping[int, Record],
        live: int,
        pressing: Mapping[_Counted, Sequence[tuple[int, HeaderHash]]],
        seen: View,
    ) -> None:
        seat = seen.roster.seats.get(came[0].said.member_id)
        self._suspended = seat is not None and seat.suspended
        self._counted, self._live, self._now_ms = came[0].counted, live, seen.now_ms
        self._times = [one.begun_ms for one in came]
        self._sums = [0]
        for one in came:
            self._sums.append(self._sums[-1] + _items(one, records))
        self._pressing, self._records = pressing, records

    def cooling_ms(self, one: _Came) -> int:
        """How long it cools; ``items`` are those of the fullest hour that it is in, before it or behind it."""
        before = self._within(one.begun_ms - cooling.HOUR_MS, one.begun_ms)
        behind = self._within(one.begun_ms, one.begun_ms + cooling.HOUR_MS)
        return cooling.cooling_ms(
            one.said.reason,
            own=_items(one, self._records) + len(one.beyond),
            items=max(before, behind),
            live=self._live,
            pressing=self._pressing_before(one),
            suspended=self._suspended,
        )

    def _pressing_before(self, one: _Came) -> int:
        """How many pressed in the hour before it; a word of a drill presses nothing that is real."""
        if one.as_drill and not one.exercise:
            return cooling.PRESSING_PER_HOUR_MAX
        came = self._pressing.get((one.said.member_id, one.as_drill), ())
        first = (one.begun_ms - cooling.HOUR_MS, b"")
        return bisect_left(came, (one.begun_ms, one.said.hash)) - bisect_left(came, first)

    def mass(self, ends: Iterable[tuple[_Came, int]]) -> Mass | None:
        """What people should know of, if it is so much."""
        waiting = [(one, end_ms) for one, end_ms in ends if one.counted == self._counted and end_ms > self._now_ms]
        items = max((self._within(begun_ms, begun_ms + cooling.HOUR_MS) for begun_ms in self._times), default=0)
        if not waiting or not cooling.is_mass(items, self._live):
            return None
        began_ms, ends_ms = min(one.begun_ms for one, _ in waiting), min(end_ms for _, end_ms in waiting)
        return Mass(self._counted[0], items, len(waiting), began_ms, ends_ms)

    def _within(self, first_ms: int, last_ms: int) -> int:
        return self._sums[bisect_right(self._times, last_ms)] - self._sums[bisect_left(self._times, first_ms)]


def _items(one: _Came, records: Mapping[int, Record]) -> int:
    if one.said.positions:
        return int.from_bytes(one.said.positions, "little").bit_count()
    return sum(records[number].items for number in one.records if records[number].exercise == one.exercise)
