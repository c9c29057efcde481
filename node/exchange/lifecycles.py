"""Lifecycles: what the records of one crisis say, as its life is read from them (crisis/lifecycle)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TypeAlias

from node.crisis import frameworks, lifecycle
from node.crisis.frameworks import HOURS_MAX, Framework
from node.crisis.leadership import ACTS_MAX, Act, Declared
from node.crisis.lifecycle import Reading, Voice
from node.crisis.states import Verb
from node.exchange import documents, halting, restricting, standing
from node.exchange.trust import Trust
from node.feed import times
from node.feed.identity import Role
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.feed.roster import Seat
from node.policy.parameters import Parameters
from node.store import ends, index, restrictions
from node.store.halts import Halt
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import record_pb2

HOUR_MS = 3_600_000
ALERT_HOURS_MAX = 72
MEMBER_ID_BYTES = 32
HEADS = (Kind.DECLARATION, Kind.ALERT)
HEADS_MAX = 256  # of each kind in one feed, half of them the first and half the last
DECLARED_MAX = 64  # by one owner under one id, among which is looked for the one that counts
SAID_MAX = 4 * ACTS_MAX  # acts of one feed about one crisis, those that may move it apart; half from either end
SAID_OF_ALL_MAX = 16 * SAID_MAX  # of one feed about all crises, where they are read at once

VERBS = {
    "update": Verb.UPDATE,
    "extend": Verb.EXTEND,
    "hand_over": Verb.HAND_OVER,
    "de_escalate": Verb.DE_ESCALATE,
    "end": Verb.END,
    "review": Verb.REVIEW,
    "close": Verb.CLOSE,
    "withdraw": Verb.WITHDRAW,
}
LEADING = frozenset(VERBS)  # acts of who leads a crisis
ANSWERING = frozenset({"cosign", "refuse"})
MOVING = LEADING | ANSWERING  # acts that may change its state or when it ends

May: TypeAlias = Callable[[Record, str], bool]  # whether who said this may say such an act
CoSigner: TypeAlias = Callable[[Record], Seat | None]  # as what somebody co-signs; None: it may not


def crisis_of(record: Record) -> record_pb2.Crisis:
    """What a declaration, an alert or an update says."""
    letter = record_pb2.Record.FromString(record.content)
    return letter.crisis_act.update if record.kind == Kind.CRISIS_ACT else letter.crisis


def handling_of(record: Record) -> record_pb2.Handling:
    """Who may be told of it."""
    return record_pb2.Record.FromString(record.content).handling


def audience_of(record: Record) -> record_pb2.Audience | None:
    """Who may read it; None: all members."""
    letter = record_pb2.Record.FromString(record.content)
    return letter.audience if letter.HasField("audience") else None


def act_of(record: Record) -> record_pb2.CrisisAct:
    """What an act says."""
    return record_pb2.Record.FromString(record.content).crisis_act


def verb_of(record: Record) -> str:
    """Which act it is, by its field's name; empty where this program does not know it."""
    return str(act_of(record).WhichOneof("act") or "") if record.kind == Kind.CRISIS_ACT else ""


def declared(
    record: Record,
    framework: Framework | None,
    rules: Parameters | None,
    *,
    obstacle: str = "",
    withdrawn: bool = False,
) -> Declared:
    """What decides of a declaration or an alert."""
    crisis, is_alert = crisis_of(record), record.kind == Kind.ALERT
    return Declared(
        hash=record.hash,
        owner=record.member_id,
        starts_ms=times.read(crisis.starts_ms),
        ends_ms=times.read(crisis.ends_ms),
        obstacle=obstacle,
        deputies=_members(crisis.deputies),
        terms=_terms(record),
        quorum=framework.cosign.quorum if framework else None,
        longest_ms=longest_ms(framework, rules, is_alert=is_alert),
        is_alert=is_alert,
        withdrawn=withdrawn,
        declared_ms=record.created_ms,
    )


def longest_ms(framework: Framework | None, rules: Parameters | None, *, is_alert: bool) -> int:
    """How long it may last by all that says anything about that; rules that are not here say nothing."""
    hours = [rules.crisis.longest_hours] if rules else []
    hours += [framework.duration.longest_hours] if framework else []
    hours += [ALERT_HOURS_MAX] if is_alert else []
    return min(hours, default=HOURS_MAX) * HOUR_MS


def about(record: Record, said: Iterable[Record], others: Iterable[HeaderHash]) -> list[Record]:
    """The acts that are about this one, and not about what another member calls by the same id.

    ``others``: what others declared by it.
    """
    alike = {one.hash: one for one in said if one.exercise == record.exercise}
    follows = {hash_: HeaderHash(act_of(one).entry) for hash_, one in alike.items()}
    own, foreign = _following({record.hash}, follows), _following(others, follows)
    return [
        one
        for one in alike.values()
        if one.hash in own or (one.member_id == record.member_id and one.hash not in foreign)
    ]


def _following(roots: Iterable[HeaderHash], follows: Mapping[HeaderHash, HeaderHash]) -> set[HeaderHash]:
    """What names one of these, or what names that."""
    found, behind = set(roots), defaultdict(list)
    for hash_, entry in follows.items():
        behind[entry].append(hash_)
    open_ = list(found)
    while open_:
        more = [one for one in behind[open_.pop()] if one not in found]
        found.update(more)
        open_ += more
    return found


def acts(owner: MemberId, said: Iterable[Record], trust: Trust, may: May) -> list[Act]:
    """What those said who may lead it; whoever goes on in the owner's place acts as the owner."""
    return [_act(one, act_of(one), owner, trust) for one in said if verb_of(one) in LEADING and may(one, verb_of(one))]


def speaks_as(member_id: MemberId, owner: MemberId, trust: Trust) -> MemberId:
    """As whom a member leads a crisis: whom its owner's SUCCESSOR names goes on in the owner's place."""
    log = trust.logs.get(owner)
    return owner if log and log.identity.successor == member_id else member_id


def _act(record: Record, said: record_pb2.CrisisAct, owner: MemberId, trust: Trust) -> Act:
    verb = VERBS[str(said.WhichOneof("act"))]
    update = said.update if verb is Verb.UPDATE else None
    framework = framework_of(trust, update.framework) if update else None
    return Act(
        hash=record.hash,
        verb=verb,
        by=speaks_as(record.member_id, owner, trust),
        feed_id=record.feed_id,
        seq=record.seq,
        at_ms=record.created_ms,
        knows=tuple(HeaderHash(one) for one in (said.entry, *said.known)),
        says=sha256(_content(said)).digest(),
        ends_ms=times.read(update.ends_ms if update else said.extend.ends_ms),
        to=_handed_to(said, owner, trust) if verb is Verb.HAND_OVER else None,
        deputies=_members(update.deputies) if update else None,
        terms=_terms(record) if update else b"",
        needs=framework.cosign.quorum if framework else None,
    )


def _handed_to(said: record_pb2.CrisisAct, owner: MemberId, trust: Trust) -> MemberId | None:
    """Who leads it from then on; None for whoever was never a member."""
    to = MemberId(said.hand_over.member_id)
    return speaks_as(to, owner, trust) if to in trust.known.roles else None


def _content(said: record_pb2.CrisisAct) -> bytes:
    bare = record_pb2.CrisisAct()
    bare.CopyFrom(said)
    bare.ClearField("entry")
    bare.ClearField("known")
    return bare.SerializeToString(deterministic=True)


def _members(ids: Iterable[bytes]) -> frozenset[MemberId]:
    return frozenset(MemberId(one) for one in ids if len(one) == MEMBER_ID_BYTES)


def _terms(record: Record) -> bytes:
    """Framework, criteria, start, audience and marks as a hash: a change of them asks for new co-signatures."""
    letter, crisis = record_pb2.Record.FromString(record.content), crisis_of(record)
    terms = record_pb2.Record(
        handling=letter.handling,
        audience=letter.audience if letter.HasField("audience") else None,
        crisis=record_pb2.Crisis(
            framework=crisis.framework,
            criteria=[record_pb2.Criterion(name=one.name, answer=one.answer) for one in crisis.criteria],
            harm=crisis.harm,
            virality=crisis.virality,
            starts_ms=crisis.starts_ms,
        ),
    )
    return sha256(terms.SerializeToString(deterministic=True)).digest()


def voices(owner: MemberId, said: Iterable[Record], trust: Trust, cosigner: CoSigner) -> list[Voice]:
    """Co-signatures and refusals of those who may co-sign; whoever goes on in the owner's place is no other."""
    found = []
    for one in said:
        seat = cosigner(one) if verb_of(one) in ANSWERING else None
        if seat is not None:
            by, entry, agrees = speaks_as(one.member_id, owner, trust), act_of(one).entry, verb_of(one) == "cosign"
            roles = frozenset({int(seat.role)})
            found.append(Voice(by, HeaderHash(entry), one.created_ms, agrees, roles, seat.country))
    return found


def framework_of(trust: Trust, named: record_pb2.Reference) -> Framework | None:
    """The framework that is named, if its document is at hand, in force or not."""
    text = documents.framework_text(trust, named.sha256) if named.sha256 else None
    return frameworks.read(text) if text is not None else None


# ---- From the stores


def outlives(one: Record, declared: Record) -> bool:
    """Whether an act is kept as long as the declaration it moves: else it would count where nobody has swept yet."""
    return one.expires_ms >= declared.expires_ms or verb_of(one) not in MOVING


def counting(
    stores: Stores, declared: Record, said: Iterable[Record], trust: Trust, halted: Sequence[Halt]
) -> list[Record]:
    """Those acts that stand: not in doubt, taken back or gone before their crisis, nor behind a halt of it."""
    return [
        one
        for one in said
        if standing.standing_of(stores, one, trust) is Standing.STANDS
        and outlives(one, declared)
        and not restricting.restriction(stores, one, trust, halted).reason
    ]


def is_withdrawn(stores: Stores, record: Record, trust: Trust) -> bool:
    """Whether its owner took it back; as with ends, a withdrawal that is contested silences nobody."""
    said = restrictions.said_of(stores.index, record.member_id, record.hash, record.object_id).withdrawals
    return any(standing.standing_of(stores, one, trust) is Standing.STANDS for one in said)


def end_ms(stores: Stores, trust: Trust, record: Record, said: Iterable[Record]) -> int:
    """When a crisis ends by these acts about it, whoever has a seat now: until then what belongs to it is kept.

    Nothing that ends it does so before it came here: a date does not erase what others keep for it. Nor do acts that
    people see as undone, by something that only whoever has the right to it could say.
    """
    halted = halting.of_object(stores, trust, record.member_id, record.object_id)
    counted = counting(stores, record, said, trust, halted)

    def cosigner(one: Record) -> Seat | None:
        roles = trust.known.roles.get(one.member_id)
        log = trust.logs.get(one.member_id)
        country = log.identity.inception.country if log and log.identity.inception else ""
        return Seat(one.member_id, "", min(roles), country) if roles else None

    framework, rules = framework_of(trust, crisis_of(record).framework), documents.rules_in_force(trust)
    heard_ms = {one.hash: one.received_ms for one in counted}
    led = acts(record.member_id, counted, trust, lambda *_: True)
    led = [replace(one, heard_ms=heard_ms[one.hash]) for one in led]
    answered = voices(record.member_id, counted, trust, cosigner)
    return lifecycle.latest_end_ms(declared(record, framework, rules), led, answered)


def heads(stores: Stores, *kinds: Kind) -> list[Record]:
    """Declarations and alerts that are read at all, oldest first: whoever says very many keeps nobody waiting."""
    return ends.of_feeds(stores.index, kinds, HEADS_MAX)


def unread_heads(stores: Stores) -> dict[MemberId, int]:
    """How many are not read, by the members that said so many; what is known by a whole id is read all the same."""
    return ends.beyond_feeds(stores.index, HEADS, HEADS_MAX)


def heads_of(stores: Stores, object_ids: Iterable[bytes]) -> list[Record]:
    """Those by these ids, oldest first: of each owner of an id the first by its dates."""
    found = (
        one
        for object_id in object_ids
        for kind in HEADS
        for one in index.first_of_owners(stores.index, object_id, kind, DECLARED_MAX)
    )
    return sorted(found, key=index.by_date)


def said(stores: Stores, object_id: bytes) -> list[Record]:
    """Acts about objects with this id that are read at all, whoever owns those."""
    return ends.of_feeds(stores.index, [Kind.CRISIS_ACT], SAID_MAX, object_id)


def said_of_all(stores: Stores, object_ids: Iterable[bytes]) -> list[Record]:
    """Acts about all of these that are read at once, oldest first: whoever says very many keeps nobody waiting."""
    return ends.of_objects(stores.index, Kind.CRISIS_ACT, object_ids, SAID_MAX, SAID_OF_ALL_MAX)


def unread_acts(stores: Stores) -> dict[MemberId, int]:
    """How many of those are not, by the members that said so many."""
    object_ids = {one.object_id for one in heads(stores, *HEADS)}
    return ends.beyond_objects(stores.index, Kind.CRISIS_ACT, object_ids, SAID_MAX, SAID_OF_ALL_MAX)


def said_of(stores: Stores, record: Record) -> list[Record]:
    """Those about a declaration or an alert, whoever else uses its id."""
    return about(record, said(stores, record.object_id), declared_by_others(stores, record))


def declared_by_others(stores: Stores, record: Record) -> list[HeaderHash]:
    """What other members declared by the same id."""
    return [one.hash for one in heads_of(stores, [record.object_id]) if one.member_id != record.member_id]


def read(crisis: Declared, said: Sequence[Record], trust: Trust, may: May, cosigner: CoSigner, now_ms: int) -> Reading:
    """How a crisis stands, by what counts of all that was said of it."""
    led, answered = acts(crisis.owner, said, trust, may), voices(crisis.owner, said, trust, cosigner)
    return lifecycle.read(crisis, led, answered, now_ms)


def role_name(seat: Seat) -> str:
    """By which frameworks name it."""
    return Role(seat.role).name.lower() if seat.role in set(Role) else ""
