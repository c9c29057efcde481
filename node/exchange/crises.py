"""Crises and alerts as they stand now, and what was said of them. Reads only."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from node.content import names
from node.content.names import Called
from node.crisis import frameworks
from node.crisis.frameworks import Framework
from node.crisis.lifecycle import Reading
from node.crisis.states import IN_EFFECT, OVER, State
from node.exchange import (
    audiences,
    belongings,
    consult,
    documents,
    doubts,
    fitting,
    halting,
    lifecycles,
    linking,
    standing,
    verifying,
)
from node.exchange.consult import View
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.feed.roster import Seat
from node.policy import effect, parameters
from node.policy.effect import Place, Right
from node.store import index
from node.store.halts import Halt
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2

PREFIXES = {Kind.DECLARATION: "c", Kind.ALERT: "a"}
OBJECT_ID = re.compile("[0-9a-f]{32}")
CONTESTED_MAX = 8  # lines that say so
NOT_COUNTING = "taken back, in doubt, or gone too soon to count"
REFUSED = "no effect: refused by those who were asked to co-sign it"
REPLACED = "no effect: another proposal took its place before enough had co-signed it"
DAY_MS = 24 * lifecycles.HOUR_MS
_OWING = frozenset({State.ENDED, State.EXPIRED, State.UNDER_REVIEW})  # what its framework asks for after its end
_OF_ANYBODY = frozenset({"end", "withdraw"})  # takes away only what its author said: also of a suspended member
_NEED_THE_RIGHT = frozenset({"update", "extend", "hand_over"})


@dataclass(frozen=True, slots=True)
class Crisis:
    """One crisis as it is read here: its declaration, what counts of what was said, and what follows from that."""

    record: Record
    said: Sequence[Record]  # all acts that are about it, oldest first
    counting: Sequence[Record]  # of these
    reading: Reading
    content: record_pb2.Crisis  # that is in effect
    handling: record_pb2.Handling  # of that
    framework: Framework | None
    notice: str


# ---- Finding them


def every(stores: Stores, seen: View, named: str = "", *, exercises: bool) -> list[tools_pb2.CrisisView]:
    """All crises and alerts that are read at all, the newest first, or what is named, with what was said of it.

    Raises Refused where it names none.
    """
    halts = halting.every(stores, seen.trust)
    wanted = dict.fromkeys(one.object_id for one in lifecycles.heads(stores, *lifecycles.HEADS))
    said = _by_object(lifecycles.said_of_all(stores, wanted))
    if OBJECT_ID.fullmatch(whole := named.strip().lower()):  # also what is beyond all that is read
        wanted[by_id := ObjectId(bytes.fromhex(whole))] = None
        said[by_id] = lifecycles.said(stores, by_id)
    heads = lifecycles.heads_of(stores, wanted)
    named_alike = _by_object(heads)
    found = [
        read(
            stores,
            one,
            _about(one, said.get(one.object_id, ()), named_alike[one.object_id]),
            seen,
            halts.get((one.member_id, one.object_id), ()),
        )
        for one in _heads(heads, halts)
        if exercises or named or not one.exercise
    ]
    rising, declared = index.object_ids(stores.index), doubts.by_owner(heads)
    views = [view(stores, one, seen, rising, declared) for one in found]
    linking.both_ways(views)
    if named:
        views = consult.meant(named, "crisis", [(one, _called(one)) for one in views])
        by_entry = {one.record.hash: one for one in found}
        for one in views:
            _detail(stores, one, by_entry[HeaderHash(one.entry)], seen)
    return sorted(views, key=lambda one: (-one.declared_ms, one.entry))


def one(
    stores: Stores, seen: View, member_id: MemberId, object_id: ObjectId, *, exercise: bool | None = None
) -> Crisis | None:
    """One crisis of one owner; ``exercise``: whether a drill is meant, or None for the drill where nothing is real."""
    halted = halting.of_object(stores, seen.trust, member_id, object_id)
    heads = [one for one in lifecycles.heads_of(stores, [object_id]) if one.member_id == member_id]
    found = [one for one in _heads(heads, {(member_id, object_id): halted}) if exercise in (None, one.exercise)]
    if not found:
        return None
    head = min(found, key=lambda one: one.exercise)
    return read(stores, head, sorted(lifecycles.said_of(stores, head), key=index.by_date), seen, halted)


def shown(
    stores: Stores, seen: View, member_id: MemberId, object_id: ObjectId, *, exercise: bool | None = None
) -> tools_pb2.CrisisView | None:
    """The same, as tools see it."""
    found = one(stores, seen, member_id, object_id, exercise=exercise)
    if found is None:
        return None
    declared = doubts.by_owner(lifecycles.heads(stores, Kind.DECLARATION))
    made = view(stores, found, seen, index.neighbours(stores.index, object_id), declared)
    _detail(stores, made, found, seen)
    return made


def meant(stores: Stores, seen: View, named: str) -> tools_pb2.CrisisView:
    """The one that is meant, ours before those of others; raises Refused for none, and for several that share an id.

    Anyone may declare under an id that is somebody else's, and whoever does must not be taken for it.
    """
    views = every(stores, seen, named, exercises=True)
    own = [one for one in views if one.member_id == seen.follows.me]
    if len(views) > 1 and not own:
        several = ", ".join(sorted(_called(one).names[-1] for one in views)[:8])
        raise names.Several(
            f"{named!r} is what {len(views)} members call a crisis of theirs: {several}",
            next_step="Say whose, as it stands there.",
            field="crisis",
        )
    return (own or views)[0]


def _called(one: tools_pb2.CrisisView) -> Called:
    by_owner = names.owned(one.member_name, one.member_id, one.reference)
    return Called(one.object_id, (one.reference, by_owner), (one.crisis.title,))


def _about(record: Record, said: Sequence[Record], named_alike: Sequence[Record]) -> list[Record]:
    others = [one.hash for one in named_alike if one.member_id != record.member_id]
    return sorted(lifecycles.about(record, said, others), key=index.by_date)


def _by_object(said: Sequence[Record]) -> dict[ObjectId, list[Record]]:
    found: dict[ObjectId, list[Record]] = {}
    for act in said:
        found.setdefault(act.object_id, []).append(act)
    return found


def _heads(declared: Iterable[Record], halts: Mapping[tuple[MemberId, ObjectId], Sequence[Halt]]) -> list[Record]:
    """The first declaration or alert of each owner's object that is read; a drill is no other's."""
    first: dict[tuple[MemberId, ObjectId, bool], Record] = {}
    for one in declared:
        if not halting.is_behind(halts.get((one.member_id, one.object_id), ()), one):
            first.setdefault((one.member_id, one.object_id, one.exercise), one)
    return list(first.values())


# ---- Reading one


def read(stores: Stores, record: Record, about: Sequence[Record], seen: View, halted: Sequence[Halt]) -> Crisis:
    """How it stands by the acts about it; where it is not read on, as it was last understood."""
    counting = lifecycles.counting(stores, record, about, seen.trust, halted)
    crisis, is_alert = lifecycles.crisis_of(record), record.kind == Kind.ALERT
    under = documents.under_of(seen.trust, seen.rules, crisis, is_alert=is_alert)
    stands = standing.standing_of(stores, record, seen.trust)
    obstacle = standing.SUPERSEDED if stands is Standing.SUPERSEDED else obstacle_of(record, seen, under)
    framework = lifecycles.framework_of(seen.trust, crisis.framework)
    withdrawn = lifecycles.is_withdrawn(stores, record, seen.trust)
    declared = lifecycles.declared(record, framework, seen.rules, obstacle=obstacle, withdrawn=withdrawn)
    may, cosigner = partial(_may, seen=seen, is_alert=is_alert), partial(_cosigner, seen=seen)
    reading = lifecycles.read(declared, counting, seen.trust, may, cosigner, seen.now_ms)
    version = next((one for one in counting if one.hash == reading.version), record)
    return Crisis(
        record,
        about,
        counting,
        reading,
        lifecycles.crisis_of(version),
        lifecycles.handling_of(version),
        framework,
        halting.notice(halted, record),
    )


def obstacle_of(record: Record, seen: View, under: documents.Under) -> str:
    """Why a declaration or an alert has no effect, by whose it is and by what its framework asks for."""
    is_alert = record.kind == Kind.ALERT
    obstacle = effect.obstacle(
        Right.ALERT if is_alert else Right.DECLARE, record.member_id, seen.roster, seen.rules, _place(record)
    )
    seat = seen.roster.seat_of(record.member_id, *_place(record))
    if obstacle or under.obstacle or seat is None:
        return obstacle or under.obstacle
    return framework_obstacle(under.framework, lifecycles.crisis_of(record), seat, is_alert=is_alert)


def framework_obstacle(framework: Framework | None, crisis: record_pb2.Crisis, seat: Seat, *, is_alert: bool) -> str:
    """Why nothing can be declared like this under a framework; empty where it can."""
    if framework is None:
        return ""
    entitled: Sequence[str] = framework.declare.alert if is_alert else framework.declare.roles
    if lifecycles.role_name(seat) not in entitled:
        verb = "warn" if is_alert else "declare"
        return f"{parameters.role_name(seat.role, article=True)} may not {verb} under {framework.name}"
    lacking = [] if is_alert else frameworks.shortcomings(framework, crisis)
    return f"{framework.name} asks for more: {'; '.join(lacking)}" if lacking else ""


def _place(record: Record) -> Place:
    return record.feed_id, record.seq


def _may(record: Record, verb: str, seen: View, *, is_alert: bool) -> bool:
    if verb in _OF_ANYBODY:
        return True
    seat = seen.roster.seat_of(record.member_id, *_place(record))
    if seat is None or seat.suspended:
        return False
    right = Right.ALERT if is_alert else Right.DECLARE
    if verb in _NEED_THE_RIGHT and effect.obstacle(right, record.member_id, seen.roster, seen.rules, _place(record)):
        return False
    if verb != "update":
        return True
    crisis = lifecycles.crisis_of(record)
    under = documents.under_of(seen.trust, seen.rules, crisis, is_alert=is_alert)
    return not (under.obstacle or framework_obstacle(under.framework, crisis, seat, is_alert=is_alert))


def _cosigner(record: Record, seen: View) -> Seat | None:
    if effect.obstacle(Right.COSIGN, record.member_id, seen.roster, seen.rules, _place(record)):
        return None
    return seen.roster.seat_of(record.member_id, *_place(record))


# ---- As tools see them


def view(
    stores: Stores, found: Crisis, seen: View, rising: Sequence[bytes], declared: Mapping[bytes, Sequence[Record]]
) -> tools_pb2.CrisisView:
    """One crisis, without what each member said. ``declared``: all declarations, by owner."""
    made = _view(stores, found, seen, rising)
    made.disputes.extend(doubts.disputes(stores, found.record, found.counting, seen))
    made.pointers.extend(belongings.pointers_of(found.record, found.content, found.counting, seen))
    made.unverified = doubts.unverified(made, declared, seen)
    if found.counting:
        last = max(found.counting, key=index.by_date)
        made.last.CopyFrom(_act_view(last, found, seen, is_counting=True))
        made.last.act.CopyFrom(fitting.act(lifecycles.act_of(last)))
    return made


def _view(stores: Stores, found: Crisis, seen: View, rising: Sequence[bytes]) -> tools_pb2.CrisisView:
    record, reading = found.record, found.reading
    contested = _contested(found, seen)
    if reading.state in (*IN_EFFECT, State.ALERT) and (
        standing.standing_of(stores, record, seen.trust) is Standing.CONTESTED
    ):
        contested.insert(0, standing.contested(record.feed_id, seen.trust))
    audience = lifecycles.audience_of(record)
    verified = verifying.find(stores, reading.proposal) or verifying.find(stores, record.hash)
    was_real = reading.needed is None and not record.exercise
    owed = found.framework.review if found.framework and was_real and reading.state in _OWING else None
    return tools_pb2.CrisisView(
        member_id=record.member_id,
        object_id=record.object_id,
        reference=names.reference(PREFIXES[Kind(record.kind)], record.object_id, rising),
        member_name=seen.trust.name_of(record.member_id),
        state=reading.state,
        reason=reading.reason or "; ".join(contested),
        crisis=found.content,
        exercise=record.exercise,
        entry=record.hash,
        declared_ms=record.created_ms,
        received_ms=record.received_ms,
        ends_ms=reading.ends_ms,
        notice=found.notice,
        alert=record.kind == Kind.ALERT,
        level=found.framework.matrix.level(found.content.harm, found.content.virality)
        if found.framework and found.framework.matrix
        else "",
        lead_id=reading.lead,
        lead_name=seen.trust.name_of(reading.lead),
        proposal=reading.proposal,
        cosigned_by=[seen.trust.name_of(one) for one in reading.cosigned],
        refused_by=[seen.trust.name_of(one) for one in reading.refused],
        cosignatures_needed=reading.needed.count if reading.needed else 0,
        proposed_ends_ms=reading.proposed_ends_ms,
        contested=contested,
        verified_ms=verified.at_ms if verified else 0,
        verified_by=verified.by if verified else "",
        linked=[one.hex() for one in linking.linked(record, found.content, found.counting, seen)],
        handling=found.handling,
        audience=audiences.words(audience, seen.trust) if audience else "",
        readers=audience,
        duties=owed.duties if owed else (),
        duties_ms=reading.ends_ms + owed.within_days * DAY_MS if owed and owed.duties else 0,
    )


def _contested(found: Crisis, seen: View) -> list[str]:
    """What two of those who lead it said, neither knowing of the other."""
    by_hash = {one.hash: one for one in found.counting}

    def said(hash_: HeaderHash) -> str:
        one = by_hash[hash_]
        return f"{seen.trust.name_of(one.member_id)}: {lifecycles.verb_of(one).replace('_', ' ')}"

    lines = [
        f"contested: {said(one)} and {said(other)}, neither knowing of the other; neither counts until it is settled"
        for one, other in found.reading.clashes[:CONTESTED_MAX]
    ]
    more = len(found.reading.clashes) - len(lines)
    return [*lines, f"contested: and {more} more"] if more else lines


def _detail(stores: Stores, made: tools_pb2.CrisisView, found: Crisis, seen: View) -> None:
    """Add what each member said of it, and what belongs to it."""
    counting = {one.hash for one in found.counting}
    acts = [_act_view(one, found, seen, is_counting=one.hash in counting) for one in found.said]
    made.acts.extend(fitting.acts(acts))
    made.participation.extend(_participation(found, seen))
    made.orders.extend(belongings.orders_of(found.counting, seen))
    made.lists.extend(belongings.lists_of(stores, found.record, seen))


def _act_view(act: Record, found: Crisis, seen: View, *, is_counting: bool) -> tools_pb2.CrisisActView:
    return tools_pb2.CrisisActView(
        entry=act.hash,
        member_id=act.member_id,
        member_name=seen.trust.name_of(act.member_id),
        created_ms=act.created_ms,
        received_ms=act.received_ms,
        act=lifecycles.act_of(act),
        obstacle=_act_obstacle(act, found, seen) if is_counting else NOT_COUNTING,
        handling=lifecycles.handling_of(act),
    )


def _act_obstacle(act: Record, found: Crisis, seen: View) -> str:
    verb, reading = lifecycles.verb_of(act), found.reading
    if verb in lifecycles.LEADING and act.hash not in reading.counted:
        if any(act.hash in pair for pair in reading.clashes):
            return "contested"
        if act.hash == reading.proposal and reading.needed:
            return f"waits for co-signatures: {len(reading.cosigned)} of {reading.needed.count}"
        if act.hash in reading.waited:
            return REFUSED if act.hash == reading.proposal else REPLACED
        return "no effect: its author does not lead this crisis, or not in this state of it"
    if verb in lifecycles.ANSWERING:
        return effect.obstacle(Right.COSIGN, act.member_id, seen.roster, seen.rules, _place(act))
    if verb == linking.LINK:
        return linking.of_act(act, found.record, seen)
    return doubts.obstacle(act, seen) if verb in doubts.JUDGING else ""


def _participation(found: Crisis, seen: View) -> list[tools_pb2.ParticipationView]:
    """The last word of each member that has a seat and may read it; who has said nothing is counted as nothing."""
    last: dict[MemberId, Record] = {}
    for one in found.counting:
        if lifecycles.verb_of(one) == "participation":
            last[one.member_id] = one
    views = []
    readers = audiences.seats(lifecycles.audience_of(found.record), seen)
    for member_id, seat in sorted(readers.items(), key=lambda pair: (pair[1].name, pair[0])):
        letter = lifecycles.act_of(last[member_id]).participation if member_id in last else record_pb2.Participation()
        said = record_pb2.Participation(stance=letter.stance, measures=fitting.part(letter).measures)
        views.append(
            tools_pb2.ParticipationView(
                member_id=member_id,
                member_name=seen.trust.name_of(seat.member_id),
                stance=said.stance,
                measures=said.measures,
                said_ms=last[member_id].created_ms if member_id in last else 0,
            )
        )
    return views


def is_over(state: str) -> bool:
    """Whether nothing is shared any more under a crisis in this state."""
    return state in OVER
