"""Declaring: drafts of what we say of crises, each refused where it would have no effect, saying why."""

from dataclasses import dataclass

from node import limits
from node.content import names, profiles
from node.crisis import leadership
from node.crisis.orders import HOURS, Clock
from node.crisis.states import IN_EFFECT, OVER, TRANSITIONS
from node.crisis.words import STANCES
from node.errors import Refused
from node.exchange import audiences, cosigning, documents, doubts, lifecycles, linking, requirements
from node.exchange.consult import View
from node.exchange.crises import Crisis
from node.exchange.publish import Draft
from node.feed.header import NORMAL, OPEN_RELAY, SEALED_RELAY, URGENT
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.feed.roster import Seat
from node.policy import border
from node.v1 import record_pb2, tools_pb2

HOUR_MS = 3_600_000
KEPT_MS = 30 * 24 * HOUR_MS  # after its end, for the review
TEXT_BYTES_MAX = 16 << 10
WORDS_MAX = 64  # measures, keywords, languages, places, links

_AFTER_THE_END = frozenset({"participation", "situation", "comment", *doubts.JUDGING, "link", "order"})
_DONE = {
    "update": "updated",
    "extend": "extended",
    "hand_over": "handed over",
    "de_escalate": "de-escalated",
    "end": "ended",
    "review": "put under review",
    "close": "closed",
    "withdraw": "withdrawn",
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """Of whom what is said is."""

    me: MemberId
    seat: Seat | None  # None: it has none any more, and can only take back
    now_ms: int


# ---- Declarations and alerts


def declaration(request: tools_pb2.DeclareRequest, seen: View, by: Speaker) -> Draft:
    """A crisis as it is declared, or an alert; raises Refused, naming the field."""
    crisis = record_pb2.Crisis()
    crisis.CopyFrom(request.crisis)
    border.require_mark(request.handling, for_all=not request.HasField("audience"))
    border.require_summary(request.handling, crisis.summary)
    if request.HasField("audience"):
        audiences.require(request.audience, seen)
    if len(request.object_id) != names.ID_BYTES:
        raise Refused(
            f"an object id has {names.ID_BYTES} bytes, got {len(request.object_id)}",
            next_step="Draw it at random, once for each declaration, and send it again when you retry.",
            field="object_id",
        )
    kind = Kind.ALERT if request.alert else Kind.DECLARATION
    if crisis.framework.name or not request.alert:
        _complete_framework(crisis, seen)
    under = documents.under_of(seen.trust, seen.rules, crisis, is_alert=request.alert)
    requirements.require_framework(under, crisis, by.seat, is_alert=request.alert)
    if request.HasField("audience") and not request.alert:
        cosigning.require(under.framework, request.audience, seen)
    check_content(crisis)
    if crisis.HasField("pointer"):
        _check_pointer(crisis.pointer, is_alert=request.alert)
    longest_ms = lifecycles.longest_ms(under.framework, seen.rules, is_alert=request.alert)
    _check_times(crisis, longest_ms, seen.now_ms)
    record = record_pb2.Record(
        kind=kind,
        object_id=request.object_id,
        handling=request.handling,
        exercise=request.exercise,
        crisis=crisis,
        audience=audiences.with_owner(request.audience, seen) if request.HasField("audience") else None,
    )
    return _draft(record, URGENT, _outlived_ms(crisis, longest_ms, seen.now_ms), request.allow_personal, seen)


def _outlived_ms(crisis: record_pb2.Crisis, longest_ms: int, now_ms: int) -> int:
    """The end that it must outlive: it may be extended beyond the time for which it would be kept."""
    if longest_ms <= KEPT_MS:
        return crisis.ends_ms
    return min((crisis.starts_ms or now_ms) + longest_ms, now_ms + limits.LIFE_MS_MAX - KEPT_MS)


def _draft(record: record_pb2.Record, urgency: int, ends_ms: int, allowed: str, seen: View) -> Draft:
    is_for_all = not record.HasField("audience")
    return Draft(
        Kind(record.kind),
        urgency,
        record=record.SerializeToString(deterministic=True),
        object_id=record.object_id,
        exercise=record.exercise,
        expires_ms=ends_ms + KEPT_MS,
        carriage=OPEN_RELAY if is_for_all else SEALED_RELAY,
        readers=() if is_for_all else audiences.readers(record.audience, seen),
        allowed=allowed,
    )


def _complete_framework(crisis: record_pb2.Crisis, seen: View) -> None:
    """One of those in force; what the caller leaves open of it is as they have it."""
    found = documents.meant(seen.trust, seen.rules, crisis.framework)
    if found is None:
        every, name = seen.rules.frameworks if seen.rules else [], crisis.framework.name
        alike = [f"{one.name} {one.version}" for one in every if one.name == name]
        known = ", ".join(alike or dict.fromkeys(one.name for one in every))
        raise Refused(
            f"this federation has no framework {name!r}" + (f" of version {crisis.framework.version}" if alike else ""),
            next_step=f"Use one of {known or 'none: its rules name none'}.",
            field="framework",
        )
    crisis.framework.version, crisis.framework.sha256 = found.version, bytes.fromhex(found.sha256)


def check_content(crisis: record_pb2.Crisis) -> None:
    """Raises Refused for a text that no reader could trust its eyes with, and for too much of it."""
    if not crisis.title.strip() or crisis.ByteSize() > TEXT_BYTES_MAX:
        raise Refused(
            "a crisis needs a title" if not crisis.title.strip() else f"more than {TEXT_BYTES_MAX} bytes of text",
            next_step="Say in a few words what happened and where.",
            field="title",
        )
    for field, text in (("title", crisis.title), ("event.place_name", crisis.event.place_name)):
        shown = names.unmistakable(text)
        if shown != text or not text.isprintable():
            raise Refused(
                f"{field} mixes letters that pass for others: {profiles.printable(shown)}",
                next_step="Write it in one script; what a thing is called elsewhere goes into the summary.",
                field=field,
            )
    for field in ("measures", "keywords", "languages", "linked", "deputies"):
        if len(getattr(crisis, field)) > WORDS_MAX:
            raise Refused(f"more than {WORDS_MAX} {field}", next_step="Name the most important ones.", field=field)


def _check_pointer(pointer: record_pb2.Pointer, *, is_alert: bool = True) -> None:
    """Raises Refused for what points nowhere."""
    if not is_alert:
        raise Refused(
            "a declaration points to no threat to life",
            next_step="Warn of it by an alert of its own, or `tocsin crisis point` of this crisis.",
            field="pointer",
        )
    if not 0 < len(pointer.places) <= WORDS_MAX or not pointer.channel.strip():
        raise Refused(
            f"it says not whose authority was told, of {WORDS_MAX} at most, or by which channel",
            next_step="Tell the authority first, as by PERCI; then --told DE --channel PERCI.",
            field="pointer",
        )


def _check_order(order: record_pb2.Order) -> None:
    """Raises Refused for what no clock can be read from."""
    if not order.reference.strip() or order.state not in set(Clock) or order.hours not in (0, *HOURS):
        raise Refused(
            "an order has its number, a state of its clock, and 1 or 72 hours",
            next_step="`tocsin crisis order CRISIS NUMBER --state running|paused|done`",
            field="order",
        )


def _check_times(crisis: record_pb2.Crisis, longest_ms: int, now_ms: int) -> None:
    starts_ms = crisis.starts_ms or now_ms
    if crisis.ends_ms <= max(starts_ms, now_ms):
        raise Refused(
            "a crisis needs an end that is still to come", next_step="For how long? --for 48h", field="ends_ms"
        )
    if crisis.ends_ms - starts_ms > longest_ms:
        raise Refused(
            f"it may last {longest_ms // HOUR_MS} hours at most",
            next_step="Declare it for less; it can be extended, or declared again.",
            field="ends_ms",
        )


# ---- What is said of them later


def leading(found: Crisis, said: record_pb2.CrisisAct, by: Speaker, seen: View) -> record_pb2.CrisisAct:
    """An act of who leads a crisis, naming all that it follows; raises Refused where it would have no effect."""
    act, verb = _copy(said), str(said.WhichOneof("act") or "")
    reading = found.reading
    if verb not in lifecycles.LEADING:
        raise Refused("no act of who leads a crisis", next_step="Name one of its acts.", field="act")
    me = lifecycles.speaks_as(by.me, found.record.member_id, seen.trust)
    if me not in leadership.entitled(reading.lead, reading.deputies, lifecycles.VERBS[verb]):
        name = seen.trust.name_of(reading.lead)
        raise Refused(
            f"it is led by {name}; only {name} and its deputies can have it {_DONE[verb]}",
            next_step=f"Ask {name}; `tocsin crisis comment` and `dispute` say what you think of it.",
            field="crisis",
        )
    if TRANSITIONS.get((reading.state, lifecycles.VERBS[verb])) is None:
        is_so = reading.state in {to for (_, one), to in TRANSITIONS.items() if one is lifecycles.VERBS[verb]}
        raise Refused(
            f"it is {reading.state} already" if is_so else f"it is {reading.state}, and cannot be {_DONE[verb]}",
            next_step="Nothing has to be done." if is_so else "`tocsin crisis show` says where it stands.",
            field="crisis",
        )
    _check_act(act, verb, found, by, seen)
    act.entry = found.record.hash
    act.known.extend(reading.acts)
    return act


def _check_act(act: record_pb2.CrisisAct, verb: str, found: Crisis, by: Speaker, seen: View) -> None:
    reading = found.reading
    is_alert = found.record.kind == Kind.ALERT
    if verb == "extend" and act.extend.ends_ms <= reading.ends_ms:
        raise Refused(
            "it lasts as long already", next_step="`tocsin crisis end` ends it before its time.", field="ends_ms"
        )
    if verb == "update":
        if act.update.framework.name:
            _complete_framework(act.update, seen)
        under = documents.under_of(seen.trust, seen.rules, act.update, is_alert=is_alert)
        requirements.require_framework(under, act.update, by.seat, is_alert=is_alert)
        audience = lifecycles.audience_of(found.record)
        if audience and not is_alert and act.update.framework != found.content.framework:
            cosigning.require(under.framework, audience, seen)
        check_content(act.update)
        act.update.starts_ms = act.update.starts_ms or found.content.starts_ms
        act.update.ends_ms = act.update.ends_ms or reading.ends_ms
        _check_times(act.update, lifecycles.longest_ms(under.framework, seen.rules, is_alert=is_alert), by.now_ms)
    if max(act.extend.ends_ms, act.update.ends_ms) > reading.latest_ms:
        raise Refused(
            f"it may last {max(reading.latest_ms - by.now_ms, 0) // HOUR_MS} more hours at most",
            next_step="Extend it by less, or declare it again.",
            field="ends_ms",
        )
    if verb == "hand_over" and MemberId(act.hand_over.member_id) not in seen.roster.seats:
        raise Refused("it can only be handed over to a member", next_step="`tocsin member` names them.", field="to")


def answering(
    found: Crisis, said: record_pb2.CrisisAct, by: Speaker, seen: View, *, heard: bool = False
) -> record_pb2.CrisisAct:
    """A co-signature or a refusal of exactly what is proposed now; raises Refused where nothing is asked for.

    Who shows the proposal to a person names it in ``entry``: what that person has not seen is not answered.
    ``heard``: whether its call-back code was; that is said with a co-signature, whatever the caller claims.
    """
    act, reading = _copy(said), found.reading
    proposed = next((one for one in found.counting if one.hash == reading.proposal), found.record)
    owner = found.record.member_id
    me, proposer = (lifecycles.speaks_as(one, owner, seen.trust) for one in (by.me, proposed.member_id))
    if me in (owner, proposer):
        raise Refused("it is a proposal of our own", next_step="Another member co-signs it.", field="crisis")
    if reading.needed is None:
        raise Refused(
            f"it is {reading.state}, and waits for no co-signature",
            next_step="`tocsin crisis verify CRISIS --code CODE` notes that you called its owner."
            if heard and reading.state in IN_EFFECT
            else "`tocsin crisis show` says where it stands.",
            field="crisis",
        )
    if by.seat is None or int(by.seat.role) not in reading.needed.roles:
        raise Refused(
            "its framework asks for co-signatures of other roles",
            next_step="`tocsin framework show` says of which.",
            field="crisis",
        )
    if said.entry not in (b"", reading.proposal):
        raise Refused(
            "something else is proposed now than what was shown",
            next_step="`tocsin crisis show` has it; call its owner again, and answer to that.",
            field="entry",
        )
    act.entry = reading.proposal
    if act.HasField("cosign"):
        act.cosign.code_verified = heard
    return act


def speaking(found: Crisis, said: record_pb2.CrisisAct, by: Speaker, seen: View) -> record_pb2.CrisisAct:
    """Whatever any member says of a crisis; raises Refused for what it cannot mean, or would not count."""
    act, verb = _copy(said), str(said.WhichOneof("act") or "")
    if verb in ("", *lifecycles.MOVING):
        raise Refused("nothing that any member says of a crisis", next_step="Name one of its acts.", field="act")
    if found.reading.state in OVER and verb not in _AFTER_THE_END:
        raise Refused(f"it is {found.reading.state}", next_step="Nothing has to be done.", field="crisis")
    if verb == "participation" and not 1 <= act.participation.stance <= len(STANCES):
        raise Refused("no such stance", next_step=f"Use one of {', '.join(STANCES)}.", field="stance")
    if verb == linking.LINK and (obstacle := linking.obstacle(by.me, found.record.member_id, seen)):
        raise Refused(
            f"only who declared it, or may declare, links it to another: {obstacle}",
            next_step=f"`tocsin crisis comment` says it to all; or ask {seen.trust.name_of(found.reading.lead)}.",
            field="crisis",
        )
    if verb == "pointer":
        _check_pointer(act.pointer)
    if verb == "order":
        _check_order(act.order)
    act.entry = found.record.hash
    return act


def act_draft(
    found: Crisis,
    act: record_pb2.CrisisAct,
    handling: record_pb2.Handling | None,
    by: Speaker,
    seen: View,
    allowed: str = "",
) -> Draft:
    """An act as an entry of our own, kept as long as what it is about, for whom that is, marked alike if not said."""
    if act.ByteSize() > TEXT_BYTES_MAX:
        raise Refused(f"more than {TEXT_BYTES_MAX} bytes of text", next_step="Shorten it.", field="text")
    verb = str(act.WhichOneof("act"))
    record = record_pb2.Record(
        kind=Kind.CRISIS_ACT,
        object_id=found.record.object_id,
        handling=handling or _mark(found),
        exercise=found.record.exercise,
        crisis_act=act,
        audience=lifecycles.audience_of(found.record),
    )
    border.require_mark(record.handling, for_all=not record.HasField("audience"))
    if verb == "update":
        requirements.require_change(found, act.update, record.handling)
        border.require_summary(record.handling, act.update.summary)
    is_urgent = verb in lifecycles.MOVING or verb == "pointer"
    ends_ms = max(found.reading.ends_ms, act.extend.ends_ms, act.update.ends_ms, by.now_ms)
    latest_ms = by.now_ms + limits.LIFE_MS_MAX - KEPT_MS  # what begins in years outlives no entry
    with_it_ms = found.record.expires_ms - KEPT_MS  # what goes before the declaration moves nothing
    return _draft(record, URGENT if is_urgent else NORMAL, max(min(ends_ms, latest_ms), with_it_ms), allowed, seen)


def _mark(found: Crisis) -> record_pb2.Handling:
    """As it is marked by now; where that is for fewer than read it as it was declared, or else GREEN.

    It has to be disputed and ended too, and without an audience it is read by all already, whatever its mark.
    """
    marks = (found.handling, lifecycles.handling_of(found.record))
    if lifecycles.audience_of(found.record) is not None:
        return found.handling
    for_all = (one for one in marks if border.strictness(one) in border.FOR_ALL)
    return next(for_all, record_pb2.Handling(tlp=border.GREEN))


def end(found: Crisis, text: str, by: Speaker, seen: View) -> Draft:
    """A crisis that we lead ends now, before its time."""
    said = record_pb2.CrisisAct(end=record_pb2.Note(text=text))
    return act_draft(found, leading(found, said, by, seen), None, by, seen)


def _copy(said: record_pb2.CrisisAct) -> record_pb2.CrisisAct:
    act = record_pb2.CrisisAct()
    act.CopyFrom(said)
    act.ClearField("entry")
    act.ClearField("known")
    return act
