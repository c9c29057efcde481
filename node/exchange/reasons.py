"""Reasons: what of a crisis wakes somebody here, each by the entry that it is. Reads only.

That it is in effect; while it is only proposed, that our own member is asked to co-sign it; and each threat to
life that is said of it later. Whoever saw the proposal has not seen that it became active by co-signatures: that
is a reason of its own, and stands for the crisis from then on until somebody has seen them.
"""

from collections.abc import Mapping, Sequence

from node.crisis.states import OVER, State
from node.exchange import acknowledging, crises, halting, lifecycles
from node.exchange.consult import View
from node.exchange.crises import Crisis
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.policy import effect
from node.policy.alarm import Settings
from node.policy.effect import Right
from node.store.alarms import Alarm
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import tools_pb2

Reason = tuple[HeaderHash, MemberId]  # what wakes, and for whose word that is taken
Begun = Mapping[HeaderHash, Alarm]

WAKING = frozenset({State.ALERT, State.ACTIVE})  # states of a crisis that is in effect
_NOT_ACTIVE = frozenset({State.PROPOSED, State.REJECTED})


def of_crisis(stores: Stores, seen: View, one: tools_pb2.CrisisView, settings: Settings, begun: Begun) -> list[Reason]:
    """The last threats to life before all others, and then that it is there."""
    threats = [] if one.state in OVER else [(each.entry, each.member_id) for each in reversed(one.pointers)]
    itself = one.entry, one.member_id  # also where it is a threat itself: without effect it wakes nobody
    if one.state in WAKING or _asks_us(stores, seen, one):
        said = [*threats, (_there_by(stores, seen, one, begun), one.member_id)]
    else:
        said = [each for each in threats if each != itself]
    others = [each for each in said if settings.own or each[1] != seen.follows.me]
    return [(HeaderHash(hash_), MemberId(author)) for hash_, author in dict.fromkeys(others)]


# ---- Proposed


def _asks_us(stores: Stores, seen: View, one: tools_pb2.CrisisView) -> bool:
    """Whether a co-signature of our own member would count, and it has not answered yet."""
    me = seen.follows.me
    seat = seen.roster.seats.get(me)
    if one.state != State.PROPOSED or not one.cosignatures_needed or seat is None:
        return False
    found = _found(stores, seen, one)
    if found is None or found.reading.needed is None or effect.obstacle(Right.COSIGN, me, seen.roster, seen.rules):
        return False
    reading, owner = found.reading, found.record.member_id
    proposer = next((act.member_id for act in found.said if act.hash == reading.proposal), owner)
    done = (owner, proposer, *reading.cosigned, *reading.refused)
    return seat.role in found.reading.needed.roles and lifecycles.speaks_as(me, owner, seen.trust) not in done


def _found(stores: Stores, seen: View, one: tools_pb2.CrisisView) -> Crisis | None:
    return crises.one(stores, seen, MemberId(one.member_id), ObjectId(one.object_id), exercise=one.exercise)


# ---- Active


def _there_by(stores: Stores, seen: View, one: tools_pb2.CrisisView, begun: Begun) -> HeaderHash:
    """What wakes because the crisis is there: its declaration, or a co-signature that made it active unseen."""
    entry = HeaderHash(one.entry)
    if one.state != State.ACTIVE or not (one.cosigned_by or one.proposal != entry):
        return entry
    found = _found(stores, seen, one)
    unseen = _unseen(stores, seen, found.said) if found else []
    if found is None or not unseen or not _is_active_by(stores, seen, found, unseen):
        return entry
    # The one that began to wake stays it, whatever comes behind; one that was seen here alone stands for all.
    ours = [each.hash for each in unseen if each.hash in begun]
    return max(ours, key=lambda hash_: begun[hash_].confirmed_ms, default=unseen[0].hash)


def _unseen(stores: Stores, seen: View, said: Sequence[Record]) -> list[Record]:
    """Co-signatures of others that nobody here has seen, as they came; whoever answered has seen those before."""
    me = seen.follows.me
    own = (one for one in said if one.member_id == me and lifecycles.verb_of(one) in lifecycles.ANSWERING)
    answered_ms = max((one.received_ms for one in own), default=0)
    others = [one for one in said if one.member_id != me and lifecycles.verb_of(one) == "cosign"]
    return sorted(
        (
            one
            for one in others
            if one.received_ms > answered_ms and not acknowledging.is_confirmed(stores, seen, one.hash)
        ),
        key=lambda one: (one.received_ms, one.hash),
    )


def _is_active_by(stores: Stores, seen: View, found: Crisis, cosigned: Sequence[Record]) -> bool:
    """Whether it would not have become active without these."""
    record, without = found.record, {one.hash for one in cosigned}
    halted = halting.of_object(stores, seen.trust, record.member_id, record.object_id)
    known = [one for one in found.said if one.hash not in without]
    return crises.read(stores, record, known, seen, halted).reading.state in _NOT_ACTIVE
