"""Duties: each node answers every withdrawal of another member, when it restricts and when all of it is erased.

What is owed stands in the ledger: it is written with the withdrawal and struck out with the receipt, each
in one transaction with the entry itself. So a receipt is said once, whatever dies in between.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import groupby

from node.exchange import standing
from node.exchange.consult import View
from node.exchange.publish import Draft
from node.feed import entry
from node.feed.header import NORMAL
from node.feed.keys import FeedId, HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.policy import cooling, receipts
from node.policy.receipts import Ground
from node.store import duties, index, ledger, restrictions
from node.store.duties import Duty, Said, Target
from node.store.stores import Stores
from node.v1 import header_pb2

NEVER_MS = 1 << 62
LOOKED_AT_MAX = 16_384
UNKNOWN_MS = cooling.HOUR_MS  # so long may what a withdrawal names be still under way
AGAIN_MS = 1000  # what is due and was not said is looked at again after this


@dataclass(frozen=True, slots=True)
class Owed:
    """What is to be said now, what was found to be gone, and when to look again if nothing new comes."""

    drafts: tuple[Draft, ...] = ()
    feeds: tuple[FeedId, ...] = ()  # what they are about
    erased: tuple[HeaderHash, ...] = ()
    next_ms: int = NEVER_MS


class Say(IntEnum):
    """What there is to say of a withdrawal."""

    NOTHING = 0
    RESTRICTED = 1
    ERASED = 2
    HELD_NOTHING = 3
    KEPT = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """What is under legal hold of a record: its places, as bits, -1 for all; and what is said of that."""

    positions: int
    ground: Ground
    until_ms: int


Holds = Mapping[HeaderHash, Kept]


class Answering:
    """Says what is owed, gathered, and within a bound of its own. What it remembers may be lost."""

    def __init__(self, own: MemberId) -> None:
        self._own = own
        self._last_ms: dict[FeedId, int] = {}
        self._said_ms: deque[int] = deque()

    def look(self, stores: Stores, seen: View, holds: Holds) -> Owed:
        """What is owed now. Reads only."""
        owed = duties.every(stores.ledger, LOOKED_AT_MAX)
        if not owed or self._own not in seen.roster.seats:
            return Owed()
        kept = _kept(stores, owed, seen, holds) if holds else {}
        found = _weighed(stores, owed, seen, kept)
        erased = tuple(one.hash for one, what in found if what is Say.ERASED and not one.erased_ms)
        found = [(replace(one, erased_ms=one.erased_ms or seen.now_ms), what) for one, what in found]
        drafts, feeds, next_ms = list[Draft](), list[FeedId](), [NEVER_MS]
        room = self._room(seen.now_ms)
        for feed_id, of_feed in groupby(found, key=lambda one: one[0].feed_id):
            rows = list(of_feed)
            due_ms = self._due_ms(feed_id, [one for one in rows if one[1] is not Say.NOTHING])
            if due_ms <= seen.now_ms and len(drafts) < room:
                drafts += _receipts(rows, kept)[: room - len(drafts)]
                feeds.append(feed_id)
            next_ms.append(max(due_ms, seen.now_ms + AGAIN_MS))
        return Owed(tuple(drafts), tuple(feeds), erased, min(next_ms))

    def said(self, owed: Owed, now_ms: int) -> None:
        """These were said."""
        self._last_ms.update(dict.fromkeys(owed.feeds, now_ms))
        self._said_ms.extend([now_ms] * len(owed.drafts))

    def _room(self, now_ms: int) -> int:
        while self._said_ms and self._said_ms[0] <= now_ms - cooling.HOUR_MS:
            self._said_ms.popleft()
        return receipts.PER_HOUR_MAX - len(self._said_ms)

    def _due_ms(self, feed_id: FeedId, rows: Sequence[tuple[Duty, Say]]) -> int:
        since_ms = {one.hash: one.erased_ms if what is Say.ERASED else one.came_ms for one, what in rows}
        if not since_ms:
            return NEVER_MS
        pressing = [since_ms[one.hash] for one, _ in rows if one.pressing]
        last_ms = self._last_ms.get(feed_id, 0)
        return receipts.due_ms(list(since_ms.values()), pressing, last_ms, self._own)


def _kept(stores: Stores, owed: Sequence[Duty], seen: View, holds: Holds) -> dict[HeaderHash, Kept]:
    """Of which of these withdrawals something is under legal hold here."""
    owners: dict[HeaderHash, MemberId] = {}
    of_objects: dict[tuple[MemberId, bytes], Kept] = {}
    for hash_, one in sorted(holds.items(), key=lambda held: held[1].until_ms):  # the longest is said
        row = ledger.entry(stores.ledger, hash_)
        feed = seen.trust.feeds.get(row.feed_id) if row else None
        if row is not None and feed is not None:
            header = entry.decode(row.body, row.signature, seen.trust.federation_id).header
            owners[hash_], of_objects[feed.member_id, header.object_id] = feed.member_id, one
    found = {}
    for duty in owed:
        target, positions = HeaderHash(duty.target), int.from_bytes(duty.positions, "little")
        kept = holds.get(target) if owners.get(target) == duty.member_id else None  # nobody else is told what is held
        if kept is not None and positions and not positions & kept.positions:
            kept = None
        kept = kept or of_objects.get((duty.member_id, duty.target))
        if kept is not None:
            found[duty.hash] = kept
    return found


def _weighed(
    stores: Stores, owed: Sequence[Duty], seen: View, kept: Mapping[HeaderHash, Kept]
) -> list[tuple[Duty, Say]]:
    """What there is to say of each that restricts here by now."""
    shown = restrictions.hashes(stores.index)
    targets = duties.targets(stores.ledger, LOOKED_AT_MAX)
    found = []
    for one in owed:
        stands = standing.standing_of(stores, one, seen.trust)
        if one.hash not in shown or stands is Standing.SUPERSEDED:
            continue
        target = targets.get(one.hash)
        if one.hash in kept:
            found.append((one, Say.NOTHING if one.said == Said.KEPT else Say.KEPT))
            continue
        what = _of_entry(one, target, seen) if target else _of_object(stores, one, seen)
        if what is Say.ERASED and stands is Standing.CONTESTED:
            what = Say.NOTHING if one.said else Say.RESTRICTED
        found.append((one, what))
    return found


def _of_entry(one: Duty, target: Target, seen: View) -> Say:
    """What there is to say of a withdrawal of a record, or of items of it."""
    if one.erased_ms:
        return Say.ERASED
    if target.feed_id is None:
        return Say.NOTHING if seen.now_ms < one.came_ms + UNKNOWN_MS else Say.HELD_NOTHING
    feed = seen.trust.feeds.get(target.feed_id)
    if feed is None or feed.member_id != one.member_id:
        return Say.NOTHING  # another's entry: it takes nothing back
    positions = int.from_bytes(one.positions, "little")
    is_left = target.present and not (positions and not positions & ~target.gone)
    return _say(one, is_left=is_left or bool(positions and target.missing), is_gone=target.erased or target.present)


def _of_object(stores: Stores, one: Duty, seen: View) -> Say:
    """The same of a crisis, or of a whole list."""
    if one.erased_ms:
        return Say.ERASED
    feeds = seen.trust.feeds_of(one.member_id)
    present, erased = duties.of_list(stores.ledger, feeds, one.target)
    shown = index.of_object(stores.index, one.member_id, ObjectId(one.target))
    return _say(one, is_left=present or bool(shown), is_gone=erased)


def _say(one: Duty, *, is_left: bool, is_gone: bool) -> Say:
    if is_left:
        return Say.NOTHING if one.said else Say.RESTRICTED
    return Say.ERASED if is_gone or one.said else Say.HELD_NOTHING


def _receipts(rows: Sequence[tuple[Duty, Say]], kept: Mapping[HeaderHash, Kept]) -> list[Draft]:
    """As few as say it: one for each stretch of withdrawals of a feed of which there is the same to say."""
    made = []
    for (what, held), stretch in groupby(rows, key=lambda one: (one[1], kept.get(one[0].hash))):
        if what is not Say.NOTHING:
            made.append(_receipt([one for one, _ in stretch], what, held if what is Say.KEPT else None))
    return made


def _receipt(answered: Sequence[Duty], what: Say, held: Kept | None) -> Draft:
    last, nothing = answered[-1], Ground.HELD_NOTHING if what is Say.HELD_NOTHING else Ground.NONE
    statement = header_pb2.Receipt(
        entry=last.hash,
        restricted_ms=max(one.came_ms for one in answered),
        erased_ms=max(one.erased_ms for one in answered) if what is Say.ERASED else 0,
        ground=held.ground if held else nothing,
        until_ms=held.until_ms if held else 0,
        first_seq=answered[0].seq if len(answered) > 1 else 0,
    )
    return Draft(Kind.RECEIPT, NORMAL, statement=statement.SerializeToString(deterministic=True))
