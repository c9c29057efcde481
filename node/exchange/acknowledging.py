"""Acknowledgements: which members what was said of a crisis has reached, and where a person has seen it. Reads only.

When something was so, each member says by its own clock, which is shown and decides nothing: what came
here first counts. A member has what one of its nodes has.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from node.errors import Refused
from node.exchange import crises, lifecycles, standing
from node.exchange.addressees import Addressees
from node.exchange.consult import View
from node.exchange.publish import Draft
from node.feed import times
from node.feed.header import NORMAL
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.policy import border, deliveries
from node.policy.deliveries import ENTRIES_MAX, Stage
from node.store import acknowledgements, alarms, index, ledger
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2


@dataclass(frozen=True, slots=True)
class Reached:
    """When a member says it was so, by its clock; when that came here; how many routes it had tried by then."""

    at_ms: int
    heard_ms: int
    route: int


@dataclass(frozen=True, slots=True)
class Row:
    """How far some entries came at one member: all of them. None: it has not said so."""

    member_id: MemberId
    delivered: Reached | None = None
    seen: Reached | None = None
    acted: Reached | None = None
    beside: bool = False  # nobody waits for it


Heard = dict[Stage, Reached]
_WAKING = {"pointer": 0, "cosign": 1}  # threats to life, and what makes a crisis active


# ---- What is said


@dataclass(frozen=True, slots=True)
class About:
    """Entries of one crisis, and what an acknowledgement takes from them."""

    object_id: ObjectId
    exercise: bool
    entries: tuple[HeaderHash, ...]
    expires_ms: int


def draft(about: About, stage: Stage, at_ms: int, route: int, seen: View) -> Draft:
    """For all members; it ends with what it is about."""
    said = record_pb2.Acknowledgement(entries=about.entries, stage=stage, at_ms=at_ms, route=route)
    record = record_pb2.Record(
        kind=Kind.ACKNOWLEDGEMENT,
        object_id=about.object_id,
        exercise=about.exercise,
        handling=record_pb2.Handling(tlp=border.GREEN),
        acknowledgement=said,
    )
    longest_hours = seen.rules.crisis.longest_hours if seen.rules else 0
    return Draft(
        Kind.ACKNOWLEDGEMENT,
        NORMAL,
        record=record.SerializeToString(deterministic=True),
        object_id=about.object_id,
        exercise=about.exercise,
        expires_ms=deliveries.expires_ms(about.expires_ms, longest_hours, seen.now_ms),
    )


def unconfirmed(stores: Stores, seen: View, crisis: tools_pb2.CrisisView, stage: Stage) -> About:
    """The declaration and what others said of the crisis since, as far as our member has not come to this stage.

    Not what is sealed, for all members would learn who reads it; and not what is over before all have heard of it.
    """
    lasts_ms = seen.now_ms + deliveries.LEFT_MS_MIN
    each = (one for one in _told_us(stores, seen, crisis) if one.expires_ms > lasts_ms)
    open_ = (one for one in each if not _is_sealed(stores, one))
    about = [one for one in islice(open_, ENTRIES_MAX) if stage not in _said_by(stores, seen, one, seen.follows.me)]
    ends_ms = max((one.expires_ms for one in about), default=0)
    return About(ObjectId(crisis.object_id), crisis.exercise, tuple(one.hash for one in about), ends_ms)


def waking_sealed(stores: Stores, seen: View, crisis: tools_pb2.CrisisView) -> tuple[HeaderHash, ...]:
    """What of a crisis is sealed to us and wakes somebody here: that it was seen is kept here alone."""
    begun = alarms.begun(stores.ledger)
    told_us = (one for one in _told_us(stores, seen, crisis) if one.hash in begun and _is_sealed(stores, one))
    return tuple(one.hash for one in told_us if not begun[one.hash].confirmed_ms)


def _told_us(stores: Stores, seen: View, crisis: tools_pb2.CrisisView) -> list[Record]:
    """The declaration, and behind it what others said of the crisis."""
    declared = index.by_hash(stores.index, HeaderHash(crisis.entry))
    if declared is None:
        return []
    others = (one for one in lifecycles.said_of(stores, declared) if one.member_id != seen.follows.me)
    return [declared, *sorted(others, key=_waking_first)]


def _is_sealed(stores: Stores, one: Record) -> bool:
    return ledger.kind_of(stores.ledger, one.hash) == Kind.SEALED


def _waking_first(one: Record) -> tuple[int, int, HeaderHash]:
    """What wakes until it is confirmed: nothing that is said behind it must keep it from that."""
    return _WAKING.get(lifecycles.verb_of(one), len(_WAKING)), -one.received_ms, one.hash


def is_confirmed(stores: Stores, seen: View, entry: HeaderHash) -> bool:
    """Whether a person of our member has seen it."""
    record = index.by_hash(stores.index, entry)
    return record is not None and Stage.SEEN in _said_by(stores, seen, record, seen.follows.me)


def routes_tried(stores: Stores, entries: Collection[HeaderHash]) -> int:
    """How many ways to wake somebody here were tried because of them."""
    return len({one.route for one in alarms.ringing(stores.ledger) if one.hash in entries})


# ---- What was heard


def of_entries(stores: Stores, seen: View, entries: Sequence[HeaderHash]) -> list[Row]:
    """How far all of these came at each member that was to hear of them, or answered; by name.

    A member's own entries are not asked of it. What is not here, nobody is asked for.
    """
    targets = [one for hash_ in entries if (one := index.by_hash(stores.index, hash_))]
    heard = {one.hash: _heard(stores, seen, one) for one in targets}
    addressees = Addressees(seen)
    waiting = {one for target in targets for one in addressees.expected(target.created_ms, target.member_id)}
    answered = {one for each in heard.values() for one in each}
    rows = []
    for member_id in sorted(waiting | answered):
        asked = [heard[one.hash].get(member_id, {}) for one in targets if one.member_id != member_id]
        if asked:
            rows.append(_row(member_id, asked, beside=member_id not in waiting))
    return sorted(rows, key=lambda one: (seen.trust.name_of(one.member_id), one.member_id))


def _row(member_id: MemberId, asked: Sequence[Heard], *, beside: bool) -> Row:
    found = {
        stage: max((one[stage] for one in asked), key=lambda one: one.heard_ms)
        for stage in Stage
        if all(stage in one for one in asked)
    }
    return Row(member_id, found.get(Stage.DELIVERED), found.get(Stage.SEEN), found.get(Stage.ACTED), beside)


def _heard(stores: Stores, seen: View, target: Record) -> dict[MemberId, Heard]:
    """What each member said of an entry, at each stage what came here first; and what that implies."""
    found: dict[MemberId, Heard] = {}
    for one in acknowledgements.of_entry(stores.index, target.hash):
        if one.exercise != target.exercise or standing.standing_of(stores, one, seen.trust) is Standing.SUPERSEDED:
            continue
        said = record_pb2.Record.FromString(one.content).acknowledgement
        reached = Reached(times.read(said.at_ms) or one.received_ms, one.received_ms, said.route)
        found.setdefault(one.member_id, {}).setdefault(Stage(said.stage), reached)
    for heard in found.values():
        for stage, later in ((Stage.SEEN, Stage.ACTED), (Stage.DELIVERED, Stage.SEEN)):
            if later in heard:  # whoever has seen it has it
                heard.setdefault(stage, heard[later])
    return found


def _said_by(stores: Stores, seen: View, target: Record, member_id: MemberId) -> Heard:
    return _heard(stores, seen, target).get(member_id, {})


# ---- What is shown


def view(
    stores: Stores, seen: View, request: tools_pb2.ListAcknowledgementsRequest
) -> tools_pb2.ListAcknowledgementsResponse:
    """How far a crisis, or one entry about it, came; raises Refused for what is not here."""
    crisis, target = _meant(stores, seen, request)
    # Of what is sealed nobody says that it came, for all would learn who reads it.
    rows = of_entries(stores, seen, [target.hash]) if not _is_sealed(stores, target) else []
    about = [target.hash] if request.entry else [one.hash for one in _told_us(stores, seen, crisis)]
    tried = routes_tried(stores, about)
    members = [_member(one, target.created_ms, seen, tried) for one in rows]
    states = [one.state for one in members if not one.beside]
    return tools_pb2.ListAcknowledgementsResponse(
        crisis=crisis,
        entry=target.hash,
        created_ms=target.created_ms,
        members=members,
        expected=len(states),
        delivered=sum(state != "silent" for state in states),
        seen=sum(state in ("seen", "acted") for state in states),
        acted=states.count("acted"),
    )


def _meant(
    stores: Stores, seen: View, request: tools_pb2.ListAcknowledgementsRequest
) -> tuple[tools_pb2.CrisisView, Record]:
    named, hash_ = request.crisis, HeaderHash(request.entry)
    if bool(named) == bool(hash_):
        raise Refused("which crisis, or which entry?", next_step="Name one of them.", field="crisis")
    target = index.by_hash(stores.index, hash_) if hash_ else None
    if target is not None:
        named = target.object_id.hex()
    if hash_ and (target is None or target.kind not in (Kind.ALERT, Kind.DECLARATION, Kind.CRISIS_ACT)):
        raise Refused("no such entry of a crisis is here", next_step="It may have been erased.", field="entry")
    crisis = _of_entry(stores, seen, target) if target else crises.meant(stores, seen, named)
    target = target or index.by_hash(stores.index, HeaderHash(crisis.entry))
    assert target is not None  # noqa: S101 - the view is made of it
    return crisis, target


def _of_entry(stores: Stores, seen: View, target: Record) -> tools_pb2.CrisisView:
    """Of those that share its id, the one that an entry is about."""
    views = crises.every(stores, seen, target.object_id.hex(), exercises=True)
    for view in views:
        declared = index.by_hash(stores.index, HeaderHash(view.entry))
        if declared and target.hash in (declared.hash, *(one.hash for one in lifecycles.said_of(stores, declared))):
            return view
    return views[0]


def _member(one: Row, created_ms: int, seen: View, tried: int) -> tools_pb2.AcknowledgementView:
    so_far = tried if one.member_id == seen.follows.me else 0
    stages = {"acted": one.acted, "seen": one.seen, "delivered": one.delivered}
    letters = {
        name: tools_pb2.StageView(at_ms=found.at_ms, heard_ms=found.heard_ms, after_ms=found.at_ms - created_ms)
        for name, found in stages.items()
        if found
    }
    return tools_pb2.AcknowledgementView(
        member_id=one.member_id,
        member_name=seen.trust.name_of(one.member_id),
        state=next(iter(letters), "silent"),
        delivered=letters.get("delivered"),
        seen=letters.get("seen"),
        acted=letters.get("acted"),
        route=one.seen.route if one.seen else so_far,
        beside=one.beside,
    )
