"""Participating: which lists are followed because this member takes part in the crisis they belong to."""

from node.exchange import belongings, crises, lifecycles
from node.exchange.consult import View
from node.feed.keys import ObjectId
from node.feed.kinds import Kind
from node.policy.following import Choice, List, State
from node.store import index
from node.store.stores import Stores

JOINED, OBSERVING = 1, 2
FOLLOWING = frozenset({JOINED, OBSERVING})
BY_CRISIS = Choice(State.FOLLOWED, by_crisis=True)
NO_MORE = Choice(State.DROPPED, by_crisis=True)


def lists_of(stores: Stores, seen: View, crisis_id: bytes, *, exercise: bool) -> list[List]:
    """Lists of other members that belong to a crisis."""
    heads = belongings.list_heads(stores, crisis_id, exercise=exercise)
    return [about for about in heads if about[0] != seen.follows.me]


def to_follow(stores: Stores, seen: View, crisis_id: bytes, *, exercise: bool) -> list[List]:
    """Those of one crisis that are followed by taking part in it: not what a person decided not to have."""
    return [
        about
        for about in lists_of(stores, seen, crisis_id, exercise=exercise)
        if not seen.follows.matches(*about) and not _is_dropped_by_hand(seen, about)
    ]


def to_let_go(stores: Stores, seen: View, crisis_id: bytes, *, exercise: bool) -> list[List]:
    """Those of one crisis that were followed by taking part in it, and by nothing else."""
    return [
        about
        for about in lists_of(stores, seen, crisis_id, exercise=exercise)
        if seen.follows.choices.get(about) == BY_CRISIS
    ]


def _is_dropped_by_hand(seen: View, about: List) -> bool:
    choice = seen.follows.choices.get(about)
    return choice is not None and choice.state is State.DROPPED and not choice.by_crisis


def to_keep_up(stores: Stores, seen: View) -> list[List]:
    """Lists of crises that this member takes part in and about which nothing was decided yet."""
    return [
        about
        for crisis_id, exercise in _taken_part_in(stores, seen)
        for about in lists_of(stores, seen, crisis_id, exercise=exercise)
        if about not in seen.follows.choices and seen.follows.state(*about) is State.OFFERED
    ]


def _taken_part_in(stores: Stores, seen: View) -> list[tuple[ObjectId, bool]]:
    """Crises that go on, of which our own last word is that we take part, or watch; and which are drills."""
    said = [
        (one, lifecycles.act_of(one))
        for one in index.of_member(stores.index, seen.follows.me, Kind.CRISIS_ACT)
        if lifecycles.verb_of(one) == "participation"
    ]
    # By whose it is: another member may call its own by the same id.
    last = {(act.entry, one.exercise): act.participation.stance for one, act in said}
    joined = {about for about, stance in last.items() if stance in FOLLOWING}
    if not joined:
        return []
    views = crises.every(stores, seen, exercises=True)
    return [
        (ObjectId(one.object_id), one.exercise)
        for one in views
        if (one.entry, one.exercise) in joined and not crises.is_over(one.state)
    ]
