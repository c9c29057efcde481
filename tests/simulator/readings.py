"""What must hold of crises wherever they are read, by counting what was said without the code that folds it."""

from collections.abc import Iterable, Iterator, Sequence

from node.crisis.states import BY_ITSELF, IN_EFFECT, TRANSITIONS, State, Verb
from node.exchange import consult, crises, documents, endings, keeping, lifecycles, standing
from node.exchange.consult import View
from node.exchange.crises import Crisis
from node.exchange.exchange import Exchange
from node.feed.identity import Role
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.feed.quorum import Quorum
from node.store import deadlines, index
from node.store.index import Record
from node.v1 import tools_pb2
from tests.simulator.members import GRACE_MS
from tests.simulator.node import Node

HOUR_MS = 3_600_000
_ENDING = frozenset({"end", "withdraw"})


def view(exchange: Exchange, now_ms: int) -> View:
    """From where a node looks."""
    return consult.view(exchange.trust, exchange.follows, now_ms)


def every(node: Node, now_ms: int) -> list[Crisis]:
    """All crises and alerts of a node, as they are read when one of them is asked for."""
    seen = view(node.exchange, now_ms)
    heads = index.of_kinds(node.disk.index, list(lifecycles.HEADS))
    owned = dict.fromkeys((one.member_id, ObjectId(one.object_id)) for one in heads)
    return [found for owner in owned if (found := crises.one(node.disk, seen, *owner))]


def shown(node: Node, now_ms: int) -> dict[bytes, bytes]:
    """What a node shows of all, by declaration, without when it came there; what is superseded nobody has to have."""
    found = {}
    for one in crises.every(node.disk, view(node.exchange, now_ms), exercises=True):
        record = index.by_hash(node.disk.index, HeaderHash(one.entry))
        assert record is not None
        if not is_everywhere(node, record):
            continue
        found[one.entry] = _without_arrival(one).SerializeToString(deterministic=True)
    return found


def is_everywhere(node: Node, record: Record) -> bool:
    """Whether all have to have it: not what is superseded; and above a fork only what is urgent, and no drill is."""
    stands = standing.standing_of(node.disk, record, node.exchange.trust)
    return stands is not Standing.SUPERSEDED and not (record.exercise and stands is Standing.CONTESTED)


def told(node: Node, now_ms: int, about: Iterable[tuple[MemberId, ObjectId]]) -> list[bytes]:
    """Of some crises also what takes effect of what each member said."""
    made = []
    for owner in about:
        one = crises.shown(node.disk, view(node.exchange, now_ms), *owner)
        if one is not None:
            made.append(_without_arrival(one).SerializeToString(deterministic=True))
    return made


def _without_arrival(one: tools_pb2.CrisisView) -> tools_pb2.CrisisView:
    """Without when it came, what only this node holds of it, and acts that do not stand: nobody has to have those."""
    for field in ("received_ms", "verified_ms", "verified_by", "unverified", "lists"):
        one.ClearField(field)
    standing = [act for act in one.acts if act.obstacle != crises.NOT_COUNTING]
    del one.acts[:]
    one.acts.extend(standing)
    for act in (*one.acts, *([one.last] if one.HasField("last") else [])):
        act.ClearField("received_ms")
    return one


def agree(nodes: Sequence[Node], times_ms: tuple[int, int, int], about: Sequence[tuple[MemberId, ObjectId]]) -> None:
    """C6: all show the same now, and some of them at two other times; and the same of what each member said."""
    now_ms, other_ms, later_ms = times_ms
    for at_ms, others in ((now_ms, nodes[1:]), (other_ms, nodes[1::8]), (later_ms, nodes[2::8])):
        first = shown(nodes[0], at_ms)
        for node in others:
            other = shown(node, at_ms)
            assert other == first, f"C6: two nodes show other crises: {_difference(first, other)}"
    said = told(nodes[0], now_ms, about)
    for node in nodes[1:]:
        assert told(node, now_ms, about) == said, "C6: two nodes show other acts"


def _difference(first: dict[bytes, bytes], other: dict[bytes, bytes]) -> str:
    """The first crisis that differs, as both have it."""
    entry = next(one for one in sorted({*first, *other}) if first.get(one) != other.get(one))
    one, two = (tools_pb2.CrisisView.FromString(found.get(entry, b"")) for found in (first, other))
    return f"{one}\n--- and\n{two}"


# ---- One reading


def hold(found: Crisis, seen: View) -> None:
    """C1 to C4, of one crisis at one time."""
    record, reading = found.record, found.reading
    assert all(one.exercise == record.exercise for one in found.said), "C4: of an exercise in what is real, or not"
    is_in_effect = reading.state in IN_EFFECT
    ended(found, seen.now_ms, 0)
    assert reading.state in _reachable(found), f"C3: {reading.state}, and nothing leads there"
    needed = found.framework.cosign.quorum if found.framework else None
    if needed is None or record.kind == Kind.ALERT:
        return
    signed = {one for one in (record.hash, *reading.counted) if _is_signed(found, one, needed, seen)}
    assert not is_in_effect or signed, "C2: in effect, and nothing has its co-signatures"
    ends = {record.hash: lifecycles.crisis_of(record).ends_ms}
    ends |= {one.hash: _end_ms(one) for one in found.counting if one.hash in signed}
    allowed_ms = max(end_ms for hash_, end_ms in ends.items() if hash_ == record.hash or hash_ in signed)
    assert reading.ends_ms <= allowed_ms, "C2: it lasts longer than its co-signers have signed"


def ended(found: Crisis, now_ms: int, tolerance_ms: int) -> None:
    """C1: it is in effect no longer than was said, whatever its node takes the time to be."""
    reading = found.reading
    if reading.state not in (*IN_EFFECT, State.ALERT):
        return
    assert now_ms < reading.ends_ms + tolerance_ms, "C1: in effect after its end"
    assert now_ms < latest_end_ms(found) + tolerance_ms, "C1: in effect beyond all that was said of its end"
    over = [one for one in found.counting if one.hash in reading.counted and lifecycles.verb_of(one) in _ENDING]
    assert not over, "C1: in effect, and its end counts"


def _is_signed(found: Crisis, about: bytes, needed: Quorum, seen: View) -> bool:
    """Whether enough have co-signed exactly this, whoever of them may have less to say since."""
    last: dict[MemberId, Record] = {}
    for one in sorted(found.said, key=lambda one: (one.created_ms, lifecycles.verb_of(one) == "cosign")):
        is_answer = lifecycles.verb_of(one) in lifecycles.ANSWERING and lifecycles.act_of(one).entry == about
        if is_answer and one.member_id != found.record.member_id:
            last[one.member_id] = one
    agreed = [member_id for member_id, one in last.items() if lifecycles.verb_of(one) == "cosign"]
    agreed = [one for one in agreed if seen.trust.known.roles.get(one, frozenset()) & needed.roles]
    logs = [log for one in agreed if (log := seen.trust.logs.get(one))]
    countries = {log.identity.inception.country for log in logs if log.identity.inception}
    return len(agreed) >= needed.count and len(countries) >= needed.countries


def _end_ms(act: Record) -> int:
    said = lifecycles.act_of(act)
    return max(said.extend.ends_ms, said.update.ends_ms)


def latest_end_ms(found: Crisis) -> int:
    """The latest end that anybody said of it."""
    return max(lifecycles.crisis_of(found.record).ends_ms, *(_end_ms(one) for one in found.counting), 0)


def _reachable(found: Crisis) -> set[State]:
    """Where the acts that counted can have led, in any order."""
    verbs = {lifecycles.VERBS[lifecycles.verb_of(one)] for one in found.counting if one.hash in found.reading.counted}
    if lifecycles.crisis_of(found.record).ends_ms and found.reading.state is State.WITHDRAWN:
        verbs.add(Verb.WITHDRAW)  # by a withdrawal of the object
    by_itself = BY_ITSELF - {Verb.ACTIVATE if found.record.kind == Kind.ALERT else Verb.WARN}
    reached = {State.PROPOSED}
    while True:
        more = {to for (state, verb), to in TRANSITIONS.items() if state in reached and verb in verbs | by_itself}
        if more <= reached:
            return reached
        reached |= more


# ---- Deadlines


def kept(node: Node, found: Sequence[Crisis], now_ms: int) -> None:
    """C5: by the deadline that stands beside a declaration it is kept until its crisis has ended, and a day more."""
    while keeping.step(node.disk, node.exchange.keep):
        pass
    by_entry, seen = deadlines.every(node.disk.index), view(node.exchange, now_ms)
    for one in found:
        record, reading = one.record, one.reading
        if record.kind != Kind.DECLARATION or record.hash not in by_entry:
            continue
        known = endings.known(node.disk, node.exchange.trust, record.object_id, exercise=record.exercise)
        due_ms = by_entry[record.hash].due_ms
        assert due_ms == min(record.expires_ms, (known.end_ms or record.expires_ms) + GRACE_MS), "C5: a deadline is old"
        is_whole = known.is_declared and reading.state is not State.WITHDRAWN and _all_count(one, seen)
        ends_ms = min(record.expires_ms, reading.ends_ms + GRACE_MS)
        assert due_ms >= ends_ms or not is_whole, "C5: it goes before its crisis has ended"
        if is_whole and not _others(node, record):
            heard_ms = max(
                (act.received_ms for act in one.counting), default=0
            )  # what ends it does so then at the earliest
            # What is undone or contested may count for whoever sees other rights: kept to the longest of their ends.
            open_ms = max((_end_ms(act) for act in one.counting if act.hash not in reading.counted), default=0)
            latest_ms = max(ends_ms, min(record.expires_ms, max(heard_ms, open_ms) + GRACE_MS))
            assert due_ms <= latest_ms, "C5: it is kept longer than its crisis asks for"


def _others(node: Node, record: Record) -> bool:
    """Whether somebody else declared under the same id: the last of their ends counts."""
    declared = index.of_any_owner(node.disk.index, ObjectId(record.object_id), Kind.DECLARATION)
    return any(one.hash != record.hash for one in declared)


def _all_count(found: Crisis, seen: View) -> bool:
    """Whether whoever spoke has its seat now as it had then: what is kept is decided by the seats that ever were."""
    seats = [seen.roster.seat_of(one.member_id, one.feed_id, one.seq) for one in found.said]
    under = all(
        not documents.under(seen.trust, seen.rules, lifecycles.crisis_of(one).framework).obstacle
        for one in (found.record, *(one for one in found.counting if lifecycles.verb_of(one) == "update"))
    )
    return under and all(seat is not None and not seat.suspended and seat.role == Role.AUTHORITY for seat in seats)


# ---- What was met


def met(found: Crisis, seen: View) -> Iterator[str]:
    """Which branches a reading shows, in the words of what a run must have seen."""
    reading, needed = found.reading, found.framework.cosign.quorum if found.framework else None
    if reading.state is State.ACTIVE and needed and _is_signed(found, found.record.hash, needed, seen):
        yield "a crisis was active with all its co-signatures"
    named = {
        State.REJECTED: "a crisis was rejected",
        State.EXPIRED: "a crisis ended by itself",
        State.ENDED: "a crisis was ended",
        State.DE_ESCALATING: "a crisis was de-escalating",
        State.UNDER_REVIEW: "a crisis was under review",
        State.CLOSED: "a crisis was closed",
        State.WITHDRAWN: "a crisis was withdrawn",
    }
    if reading.state in named:
        yield named[reading.state]
    if reading.clashes:
        yield "a clash was open"
    if reading.proposed_ends_ms and reading.needed is not None and reading.proposal != found.record.hash:
        yield "an extension waited for co-signatures"
    if reading.lead != found.record.member_id:
        yield "a crisis was handed over"
    if reading.version != found.record.hash:
        yield "a crisis was updated"
    verbs = {lifecycles.verb_of(one) for one in found.counting if one.hash in reading.counted}
    if "extend" in verbs:
        yield "a crisis was extended"
    if found.content.framework.name == "later":
        yield "a crisis under a framework that an amendment brought"
    seat = seen.roster.seats.get(found.record.member_id)
    if seat is None or seat.suspended:
        yield "a crisis whose owner has lost its seat"
