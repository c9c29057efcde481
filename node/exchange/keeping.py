"""Keeping: until when each record of the index is kept, by the policy in force and by what is known of it.

A deadline stands beside its record from the commit that wrote it. What is said later of a crisis, or of
an item, asks for those that depend on it to be decided anew; another policy asks for all. That goes in
steps, resumable, and nothing is erased by a deadline that is still to be decided anew.

What was said of a crisis goes as well, mostly before what belongs to it. A deadline that was counted from the end of
a crisis is not put off when that is forgotten, here or by another policy. A rebuilt index knows no end that is
forgotten: there it counts as a crisis that nobody declared, up to the rule's `longest`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import product

from node.exchange import lifecycles
from node.exchange.endings import Endings, Known, linked, linked_by
from node.exchange.trust import Trust
from node.feed import kinds
from node.feed.header import Header
from node.feed.identity import Role
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.policy import retention
from node.policy.opinions import Verdict
from node.policy.retention import Class, Crisis, Decision, Facts, Policy, Required, Review, Won
from node.store import deadlines, index, ledger, payloads
from node.store.deadlines import Deadline
from node.store.index import Record
from node.store.payloads import State
from node.store.stores import Stores
from node.v1 import record_pb2

RECORDS_PER_STEP = 64  # some milliseconds: what is urgent waits for no more
REVIEWS_MAX = 16  # of one record, that are looked at
OBJECT_BYTES, HASH_BYTES = 16, 32
_GONE, _LEFT = b"gone", b"left"  # what these depend on is erased; something that was said of it is


@dataclass(frozen=True, slots=True)
class Keep:
    """By what it is decided: the policy, whose node this is, and what is trusted."""

    policy: Policy
    me: MemberId
    trust: Trust

    @property
    def basis(self) -> bytes:
        """A hash over all that may change without a record being said: then everything is decided anew."""
        found = sha256(self.policy.id)
        for member_id, roles in sorted(self.trust.known.roles.items()):
            found.update(member_id + bytes([min(roles)]))
        for hash_ in sorted(self.trust.documents):  # a framework says how long a crisis may last
            found.update(hash_)
        marks = self.trust.marks
        for feed_id, seq in sorted(marks.forks):
            found.update(feed_id + seq.to_bytes(8))
        for bound in sorted((*marks.settled, *marks.ends), key=lambda one: (one.feed_id, one.seq, one.header_hash)):
            found.update(bound.feed_id + bound.seq.to_bytes(8) + bound.header_hash)
        return found.digest()


# ---- Writing


def note(stores: Stores, keep: Keep, number: int, record: Record, endings: Endings) -> None:
    """Beside a record that was just written, in its transaction."""
    letter, moves = record_pb2.Record.FromString(record.content), _moves_an_end(record)
    if moves or record.kind == Kind.ALERT or kinds.is_halting(record.kind):
        endings.forget()
    if moves:  # asked for below, with all that depends on the same: one end is found for all of it
        made = Deadline(record.expires_ms, 1, Won.CEILING, record.object_id)
    else:
        made = decided(stores, keep, record, letter, endings)
    _put(stores, number, record, made)
    for about in _touched(stores, keep, record, letter):
        deadlines.ask(stores.index, about)


def _moves_an_end(record: Record) -> bool:
    is_act = record.kind == Kind.CRISIS_ACT and lifecycles.verb_of(record) in lifecycles.MOVING
    return bool(record.object_id) and (is_act or record.kind == Kind.DECLARATION)


def forgotten(stores: Stores, keep: Keep, number: int, *, is_erased: bool) -> None:
    """Before a record leaves the index, for good or to be fetched again: what depends on it is decided anew."""
    record = deadlines.numbered(stores.index, number)
    if record is None:
        return
    letter = record_pb2.Record.FromString(record.content)
    for about in _touched(stores, keep, record, letter):
        if about == record.hash:
            deadlines.ask(stores.index, about, _GONE if is_erased else b"")
        elif record.kind in (Kind.DECLARATION, Kind.CRISIS_ACT):
            # Where something new asks already, that may put it off.
            deadlines.ask(stores.index, about, deadlines.why(stores.index, about, _LEFT))
        else:
            deadlines.ask(stores.index, about)


def halted(stores: Stores, object_id: bytes) -> None:
    """An object is not read on: what depends on it is decided anew."""
    for one in (object_id, *linked(stores, object_id)):
        if deadlines.has_dependents(stores.index, one):
            deadlines.ask(stores.index, one)


def step(stores: Stores, keep: Keep) -> bool:
    """Decide the next ones anew; whether there may be more."""
    basis = keep.basis
    if deadlines.basis(stores.index)[0] != basis:
        deadlines.ask(stores.index, deadlines.EVERYTHING, basis)
    asked = deadlines.asked(stores.index)
    if asked is None:
        return False
    about, after, why = asked
    if len(about) == HASH_BYTES and not after and (found := deadlines.record(stores.index, HeaderHash(about))):
        _decide_anew(stores, keep, *found, Endings(), why=b"")
    page = deadlines.page(stores.index, after, RECORDS_PER_STEP, about)
    endings = Endings()  # of one crisis there may be many records, and none of them changes its end
    for number, record in page:
        _decide_anew(stores, keep, number, record, endings, why=why if about else b"")
    if len(page) < RECORDS_PER_STEP:
        deadlines.end(stores.index, about)
    else:
        deadlines.go_on(stores.index, about, page[-1][0])
    stores.commit("index")
    return True


def _decide_anew(stores: Stores, keep: Keep, number: int, record: Record, endings: Endings, *, why: bytes) -> None:
    letter = record_pb2.Record.FromString(record.content)
    made = decided(stores, keep, record, letter, endings, is_gone=why == _GONE)
    is_other = _put(stores, number, record, made, has_left=why == _LEFT)
    if is_other and record.kind == Kind.ITEMS and deadlines.has_dependents(stores.index, record.hash):
        deadlines.ask(stores.index, record.hash)


def _put(stores: Stores, number: int, record: Record, made: Deadline, *, has_left: bool = False) -> bool:
    """Keep a deadline; whether it is another one than before. What is forgotten of a crisis puts it off no more."""
    before = deadlines.find(stores.index, number)
    if before is not None and before.won == Won.CRISIS_END and made.due_ms > before.due_ms:
        is_forgotten = record.kind != Kind.ALERT and not index.has_any(stores.index, made.about, Kind.DECLARATION)
        if has_left or is_forgotten:
            made = replace(made, due_ms=before.due_ms, won=Won.CRISIS_END)
    return deadlines.put(stores.index, number, made)


def _touched(stores: Stores, keep: Keep, record: Record, letter: record_pb2.Record) -> Iterator[bytes]:
    """What depends on a record, as far as anything does."""
    match record.kind:
        case Kind.ITEMS:
            found = [bytes(record.hash)]
        case Kind.OPINION if record.member_id == keep.me:
            found = [letter.opinion.entry]
            yield from (one for one in found if deadlines.record(stores.index, HeaderHash(one)))
        case Kind.DECLARATION:
            found = [record.object_id, *linked_by(record)]
        case Kind.CRISIS_ACT if lifecycles.verb_of(record) in lifecycles.MOVING:
            found = [record.object_id, *linked(stores, record.object_id)]
        case kind if kinds.is_halting(kind):
            found = [record.object_id, *linked(stores, record.object_id)]
        case _:
            return
    yield from (one for one in found if one and deadlines.has_dependents(stores.index, one))


# ---- Deciding


def decided(
    stores: Stores,
    keep: Keep,
    record: Record,
    letter: record_pb2.Record,
    endings: Endings,
    *,
    is_gone: bool = False,
) -> Deadline:
    """The deadline of a record. ``is_gone``: what it is about is. ``endings``: what is known already; added to."""
    found = facts(stores, keep, record, letter, endings)
    made = retention.decide(keep.policy, replace(found, item_due_ms=0) if is_gone else found)
    return Deadline(made.due_ms, made.rule, made.won, _about(record, letter))


def decide(stores: Stores, keep: Keep, record: Record) -> tuple[Class, Decision]:
    """What a policy, in force or not, says of a record."""
    found = facts(stores, keep, record, record_pb2.Record.FromString(record.content), Endings())
    return found.class_, retention.decide(keep.policy, found)


def required(stores: Stores, keep: Keep, record: Record, erased_ms: int) -> Required | None:
    """Until when the law has a record held if it is erased then."""
    if not keep.policy.has_minimum:
        return None
    return retention.required(
        keep.policy, facts(stores, keep, record, record_pb2.Record.FromString(record.content), Endings()), erased_ms
    )


def facts(stores: Stores, keep: Keep, record: Record, letter: record_pb2.Record, endings: Endings) -> Facts:
    """What the policy may ask of it."""
    class_ = retention.class_of(record.kind, letter.items.kind)
    crisis_id = letter.crisis_id or (record.object_id if class_ in (Class.ALERT, Class.DECLARATION) else b"")
    is_one = len(crisis_id) == OBJECT_BYTES
    crisis = endings.known(stores, keep.trust, crisis_id, exercise=record.exercise) if is_one else Known()
    if class_ is Class.ALERT and not crisis.is_declared:
        crisis = endings.promoted(stores, keep.trust, record)
    state = Crisis.DECLARED if crisis.is_declared else Crisis.UNKNOWN if crisis_id else Crisis.NONE
    reviewed_ms = _reviewed_ms(stores, keep, record) if class_ in retention.OF_ITEMS else None
    return Facts(
        class_=class_,
        ceiling_ms=record.expires_ms,
        created_ms=record.created_ms,
        received_ms=record.received_ms,
        role=role_of(keep.trust, record.member_id),
        crisis=Crisis.NONE if class_ is Class.ALERT and state is Crisis.UNKNOWN else state,
        crisis_end_ms=crisis.end_ms,
        framework=crisis.framework,
        review=_review(keep, record, letter, class_, reviewed_ms),
        reviewed_ms=reviewed_ms,
        exercise=record.exercise,
        item_due_ms=_item_due_ms(stores, letter.opinion.entry) if class_ is Class.OPINION else None,
    )


def _about(record: Record, letter: record_pb2.Record) -> bytes:
    """The crisis or the entry that it depends on."""
    if record.kind == Kind.OPINION:
        return letter.opinion.entry if len(letter.opinion.entry) == HASH_BYTES else b""
    if record.kind in (Kind.ALERT, Kind.DECLARATION, Kind.CRISIS_ACT, Kind.ACKNOWLEDGEMENT):
        return record.object_id
    return letter.crisis_id if len(letter.crisis_id) == OBJECT_BYTES else b""


def role_of(trust: Trust, member_id: MemberId) -> str:
    """The role that a member was ever admitted to: it may be no member now, and what it said is still here."""
    role = min(trust.known.roles.get(member_id, {0}))
    return Role(role).name.lower() if role in set(Role) else ""


def _review(keep: Keep, record: Record, letter: record_pb2.Record, class_: Class, reviewed_ms: int | None) -> Review:
    if class_ not in retention.OF_ITEMS:
        return Review.CATEGORISED
    if record.member_id == keep.me or reviewed_ms is not None:
        return Review.REVIEWED
    return Review.CATEGORISED if letter.items.labels or letter.crisis_id else Review.UNCATEGORISED


def _reviewed_ms(stores: Stores, keep: Keep, record: Record) -> int | None:
    """When our own member last agreed with an item of it."""
    said = deadlines.said_about(stores.index, record.hash, keep.me, Kind.OPINION, REVIEWS_MAX)
    agreed = (one for one in said if record_pb2.Record.FromString(one.content).opinion.verdict == Verdict.AGREE)
    return next((one.received_ms for one in agreed), None)


def _item_due_ms(stores: Stores, entry: bytes) -> int | None:
    """Until when what an opinion is about is kept; at once where that is erased; None where it is not here."""
    found = deadlines.of_entry(stores.index, HeaderHash(entry))
    if found is not None:
        return found[1].due_ms if found[0] == Kind.ITEMS else None
    return 0 if payloads.state(stores.ledger, HeaderHash(entry)) is State.ERASED else None


def name_of(policy_id: bytes) -> str:
    """Under which the ledger remembers a policy that was once in force."""
    return f"policy {policy_id.hex()}"


def remember(stores: Stores, policy: Policy) -> None:
    """What erased something by one of its rules can be read later, whatever policy is in force then."""
    name = name_of(policy.id)
    if policy.text and ledger.read_meta(stores.ledger, name) is None:
        ledger.write_meta(stores.ledger, name, policy.text)
        stores.commit("ledger")


# ---- What is not in the index


def of_sealed(keep: Keep, header: Header, received_ms: int) -> Decision:
    """Until when what nobody reads here is kept, for those who do."""
    author = keep.trust.author(header.feed_id)
    return retention.decide(
        keep.policy,
        Facts(
            class_=Class.SEALED,
            ceiling_ms=header.expires_ms,
            created_ms=header.created_ms,
            received_ms=received_ms,
            role=role_of(keep.trust, author) if author else "",
            exercise=header.exercise,
        ),
    )


def is_over_by_header(keep: Keep, header: Header, received_ms: int, now_ms: int) -> bool:
    """Whether it would be over at once, whatever is in it: then it is not fetched at all."""
    if not keep.policy.counts_from_creation or header.kind == Kind.SEALED:
        return False
    author = keep.trust.author(header.feed_id)
    role = role_of(keep.trust, author) if author else ""
    classes = retention.OF_ITEMS if header.kind == Kind.ITEMS else (retention.class_of(header.kind),)
    frameworks = ("", *sorted({name for rule in keep.policy.rules for name in rule.frameworks}))
    return all(
        retention.decide(
            keep.policy,
            Facts(
                class_=class_,
                ceiling_ms=header.expires_ms,
                created_ms=header.created_ms,
                received_ms=received_ms,
                role=role,
                crisis=crisis,
                framework=framework,
                review=review,
                reviewed_ms=now_ms if review is Review.REVIEWED else None,
                exercise=header.exercise,
            ),
        ).due_ms
        <= now_ms
        for class_, crisis, framework, review in product(classes, Crisis, frameworks, Review)
    )
