"""Endings: when crises end, as far as is known here, for whoever decides how long to keep what belongs to them.

Anyone may declare under an id, and act on it, as often as its quota lets it, and all records of a crisis ask for its
end. So what is weighed of each member is bounded before it is weighed, and an end is found once until something comes
that may change it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from node.crisis.leadership import ACTS_MAX
from node.crisis.states import URGENT
from node.exchange import halting, lifecycles, standing
from node.exchange.trust import Trust
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.store import index
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import record_pb2

OWNERS_MAX = 16  # of one id: those whose declarations came first
ANSWERS_MAX = 16  # of one member to one proposal: co-signatures and refusals, the last ones
LINKED_MAX = 64  # of one declaration
KEPT_MAX = 1024  # ends that are remembered

About = tuple[bytes, bool]  # a crisis by its id, and whether a drill is meant


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a crisis: none at all where nobody declared it."""

    is_declared: bool = False
    end_ms: int | None = None  # also one that is still to come
    framework: str = ""


class Endings:
    """What is known of crises, found once. Owned by whoever writes the index, who says when something may change it."""

    def __init__(self) -> None:
        self._trust: Trust | None = None
        self._known: dict[About, Known] = {}
        self._linking: dict[bytes, list[bytes]] | None = None

    def forget(self) -> None:
        """Something came, or went, that may change an end."""
        self._known.clear()
        self._linking = None

    def known(self, stores: Stores, trust: Trust, object_id: bytes, *, exercise: bool) -> Known:
        """What is known of a crisis, as things are."""
        if trust is not self._trust or len(self._known) >= KEPT_MAX:
            self._trust = trust
            self.forget()
        about = object_id, exercise
        if about not in self._known:
            self._known[about] = known(stores, trust, object_id, exercise=exercise)
        return self._known[about]

    def promoted(self, stores: Stores, trust: Trust, alert: Record) -> Known:
        """What is known of the crisis that an alert became, under an id of its own."""
        if self._linking is None:
            self._linking = _linking(stores)
        each = (
            self.known(stores, trust, one, exercise=alert.exercise)
            for one in self._linking.get(alert.object_id, ())[:OWNERS_MAX]
        )
        return next((one for one in each if one.is_declared), Known())


def known(stores: Stores, trust: Trust, object_id: bytes, *, exercise: bool) -> Known:
    """What is known of a crisis, by its declarations and what those said who lead it. A drill is another one.

    Anyone may declare under an id that is somebody else's. The last of several ends counts: so nobody has
    what others say erased early, and what is kept longer is so within the rule's `longest`. The framework is that
    of the one that came here first, which a date by somebody else's clock does not change.
    """
    declared = list(islice(_heads(stores, trust, object_id, exercise=exercise), OWNERS_MAX))
    if not declared:
        return Known()
    first = min(declared, key=lambda one: (one.received_ms, one.hash))
    said = lifecycles.said(stores, object_id)
    ends = [end_ms for one in declared if (end_ms := _end_ms(stores, trust, one, said))]
    framework = record_pb2.Record.FromString(first.content).crisis.framework.name
    return Known(True, max(ends, default=None), framework)


def linked(stores: Stores, object_id: bytes) -> list[bytes]:
    """What the declarations of a crisis name beside it: alerts that it grew out of, and other crises."""
    declared = index.first_of_owners(stores.index, object_id, Kind.DECLARATION, lifecycles.DECLARED_MAX)
    return list(dict.fromkeys(one for each in declared for one in linked_by(each)))


def linked_by(declaration: Record) -> Sequence[bytes]:
    """The same, of one of them."""
    return record_pb2.Record.FromString(declaration.content).crisis.linked[:LINKED_MAX]


def _linking(stores: Stores) -> dict[bytes, list[bytes]]:
    """By which crises other ids are named."""
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for one in lifecycles.heads(stores, Kind.DECLARATION):
        for object_id in linked_by(one):
            if one.object_id not in found[object_id]:
                found[object_id].append(one.object_id)
    return found


def _heads(stores: Stores, trust: Trust, object_id: bytes, *, exercise: bool) -> Iterator[Record]:
    """The first declaration of each owner that is read; whose came first, first."""
    declared = index.first_of_owners(stores.index, object_id, Kind.DECLARATION, lifecycles.DECLARED_MAX)
    for member_id, each in groupby(declared, key=lambda one: one.member_id):
        halted = halting.of_object(stores, trust, member_id, object_id)  # type: ignore[arg-type]
        counting = (
            one
            for one in each
            if one.exercise == exercise
            and standing.standing_of(stores, one, trust) is not Standing.SUPERSEDED
            # Where its crisis is not read on, people see it as it was before, and so it is kept.
            and not halting.is_behind(halted, one)
        )
        yield from islice(counting, 1)


def _end_ms(stores: Stores, trust: Trust, record: Record, said: Sequence[Record]) -> int:
    others = lifecycles.declared_by_others(stores, record)
    return lifecycles.end_ms(stores, trust, record, worth_weighing(record, lifecycles.about(record, said, others)))


def worth_weighing(declared: Record, said: Iterable[Record]) -> list[Record]:
    """Of each member as many acts as are ever read: the first, and the first that take away; and its last answers."""
    led: dict[tuple[MemberId, bool], list[Record]] = defaultdict(list)
    answered: dict[tuple[MemberId, bytes], list[Record]] = defaultdict(list)
    by_date = sorted(said, key=index.by_date)
    for one in (each for each in by_date if lifecycles.outlives(each, declared)):
        verb = lifecycles.verb_of(one)
        if verb in lifecycles.LEADING:
            led[one.member_id, _takes_away(one)].append(one)
        elif verb in lifecycles.ANSWERING:
            answered[one.member_id, lifecycles.act_of(one).entry].append(one)
    found = [one for acts in led.values() for one in acts[:ACTS_MAX]]
    proposed = {declared.hash, *(one.hash for one in found)}
    return found + [one for (_, entry), acts in answered.items() if entry in proposed for one in acts[-ANSWERS_MAX:]]


def _takes_away(one: Record) -> bool:
    return lifecycles.VERBS[lifecycles.verb_of(one)] in URGENT
