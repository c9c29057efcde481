"""Halting: how far an object is read, where its owner said something critical that is not known here (section 4).

A function of headers and of how they stand: whatever comes first, it is the same on every node that knows
as much. What is behind a halt is stored and projected like all else, and hidden from readers, so that a
program that knows the kind has nothing to look for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from node.exchange import standing
from node.exchange.trust import Trust
from node.feed import kinds
from node.feed.keys import MemberId, ObjectId
from node.feed.marks import Standing
from node.store import halts, index
from node.store.halts import Halt
from node.store.index import Record
from node.store.stores import Stores

NOTICE = "its owner has said something newer about it that this version does not understand: upgrade"
Object = tuple[MemberId, ObjectId]


def of_object(stores: Stores, trust: Trust, member_id: MemberId, object_id: ObjectId) -> Sequence[Halt]:
    """Where one object is not read on."""
    shown = halts.of_object(stores.ledger, object_id) if object_id else []
    others = index.of_no_such_kind(stores.index, member_id, object_id, list(kinds.NAMES))
    sealed = [one for one in others if kinds.is_halting(one.kind)]
    return _by_object(stores, trust, [*shown, *map(_halt, sealed)]).get((member_id, object_id), ())


def every(stores: Stores, trust: Trust) -> Mapping[Object, Sequence[Halt]]:
    """Where any object is not read on."""
    later = [kind for kind in index.kinds(stores.index) if kinds.is_halting(kind)]
    sealed = index.of_kinds(stores.index, later) if later else []
    return _by_object(stores, trust, [*halts.every(stores.ledger), *map(_halt, sealed)])


def notice(halting: Iterable[Halt], record: Record) -> str:
    """What is to be said of a record of an object: that something newer is not understood, where there is."""
    return NOTICE if any(one.exercise == record.exercise for one in halting) else ""


def is_behind(halting: Iterable[Halt], record: Record) -> bool:
    """Whether a record is behind a halt of its object: later in the same feed, or not dated before it in another."""
    return any(
        one.exercise == record.exercise
        and (record.seq > one.seq if record.feed_id == one.feed_id else record.created_ms >= one.created_ms)
        for one in halting
    )


def _by_object(stores: Stores, trust: Trust, found: Iterable[Halt]) -> Mapping[Object, Sequence[Halt]]:
    """Those that count, by the object that each is about: only its owner halts it."""
    counting: dict[Object, list[Halt]] = defaultdict(list)
    for one in found:
        feed = trust.feeds.get(one.feed_id)
        if feed is None or not kinds.is_halting(one.kind):  # a store may be older than this program
            continue
        if standing.standing_of(stores, one, trust) is not Standing.SUPERSEDED:
            counting[feed.member_id, one.object_id].append(one)
    return counting


def _halt(record: Record) -> Halt:
    """Of one that was sealed, and whose kind only its readers know."""
    place = record.hash, record.object_id, record.feed_id, record.seq
    return Halt(*place, record.kind, record.exercise, record.created_ms)
