"""The life of a crisis: its state is a function of the set of what was said of it, and of the time.

What leads it (its owner, whoever that handed it over to, their deputies) names in each act what it knew. So of
two acts it is plain whether one followed the other, in whatever order they come; where two contradict each
other and neither knew of the other, neither counts until one that knows both settles it. Nothing has to
arrive for a crisis to end: its end stands in what was declared.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from node.crisis.states import CLASHES, IN_EFFECT, TRANSITIONS, URGENT, State, Verb
from node.feed import quorum
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.quorum import Quorum
from node.feed.turns import in_turn

ACTS_MAX = 256  # of those who lead a crisis, that are read


@dataclass(frozen=True, slots=True)
class Declared:
    """What decides of one declaration or alert. ``obstacle``: why it has no effect, whatever others say."""

    hash: HeaderHash
    owner: MemberId
    starts_ms: int  # 0: at once
    ends_ms: int
    obstacle: str = ""
    deputies: frozenset[MemberId] = frozenset()
    terms: bytes = b""  # all of it that co-signers answer for, but its end
    quorum: Quorum | None = None  # of co-signatures; None: nobody has to
    longest_ms: int = 1 << 62
    is_alert: bool = False
    withdrawn: bool = False
    declared_ms: int = 0


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody who may lead it said. ``knows``: what its author had before its eyes."""

    hash: HeaderHash
    verb: Verb
    by: MemberId
    feed_id: FeedId
    seq: int
    at_ms: int
    knows: tuple[HeaderHash, ...]
    says: bytes = b""  # what tells two of one verb apart: two that say the same do not clash
    ends_ms: int = 0  # of an extension or an update; 0: as before
    to: MemberId | None = None
    deputies: frozenset[MemberId] | None = None
    terms: bytes = b""  # of an update, as in Declared
    needs: Quorum | None = None  # of an update: as in Declared; None: as before
    heard_ms: int = 0  # nothing that it ends ends earlier than that


@dataclass(frozen=True, slots=True)
class Voice:
    """A co-signature of exactly one proposal, or its refusal, by somebody who may co-sign."""

    by: MemberId
    about: HeaderHash
    at_ms: int
    agrees: bool
    roles: frozenset[int]
    country: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The state, why, and what counts of all that was said."""

    state: State
    reason: str
    ends_ms: int  # when it ended or will
    latest_ms: int  # until when it may last, whatever is said
    version: HeaderHash  # whose content is in effect
    terms: bytes
    quorum: Quorum | None  # of its framework
    lead: MemberId  # as whoever knows all of this has to take it
    deputies: frozenset[MemberId]
    proposal: HeaderHash  # what a co-signature has to name now
    cosigned: tuple[MemberId, ...] = ()  # by whom the proposal is
    refused: tuple[MemberId, ...] = ()
    needed: Quorum | None = None  # by the proposal; None: nothing is waited for
    proposed_ends_ms: int = 0  # until when it would last with what is waited for
    clashes: tuple[tuple[HeaderHash, HeaderHash], ...] = ()  # not settled yet: at least one of each act that has any
    counted: frozenset[HeaderHash] = frozenset()  # acts that had an effect
    acts: tuple[HeaderHash, ...] = ()  # what a further act has to name, so that it knows all whatever is taken back


@dataclass(slots=True)
class _Line:
    """Acts of those who lead, in an order in which each stands behind what it knew."""

    acts: list[Act] = field(default_factory=list)
    before: dict[HeaderHash, frozenset[HeaderHash]] = field(default_factory=dict)  # everything that each knew
    against: dict[HeaderHash, set[HeaderHash]] = field(default_factory=dict)  # of a hand_over, those apart from it

    def add(self, act: Act, before: frozenset[HeaderHash]) -> None:
        """One more, behind all that it knew."""
        self.before[act.hash] = before
        if act.verb is Verb.HAND_OVER:
            others = [one for one in self.acts if one.verb is act.verb and one.to != act.to and one.hash not in before]
            self.against[act.hash] = {one.hash for one in others}
            for one in others:
                self.against[one.hash].add(act.hash)
        self.acts.append(act)

    def are_apart(self, one: Act, other: Act) -> bool:
        """Whether neither knew of the other."""
        return one.hash not in self.before[other.hash] and other.hash not in self.before[one.hash]


def read(declared: Declared, acts: Iterable[Act], voices: Iterable[Voice], now_ms: int) -> Reading:
    """Where it stands now. The same for the same set, in whatever order it is given."""
    line = _line(declared, acts)
    void, open_ = _clashing(line)
    latest = _latest(_of_others(declared, line, voices))
    found = _fold(declared, line, void, latest, now_ms)
    found = replace(found, clashes=tuple(open_), acts=tuple(act.hash for act in line.acts))
    return _judged(declared, _asked(found, latest), now_ms)


# ---- Who knew what


def _line(declared: Declared, acts: Iterable[Act]) -> _Line:
    """The acts that count as said by who may say them, each behind all that it knew."""
    rest = _behind(declared, _read_at_all(declared, acts))
    parents = {act.hash: _parents(act, rest) for act in rest}
    line, done = _Line(), set[HeaderHash]()
    while rest:
        ready = next((act for act in rest if parents[act.hash] <= done), None)
        if ready is None:  # in a circle: hashes make that impossible
            break
        rest.remove(ready)
        done.add(ready.hash)
        known = parents[ready.hash] & line.before.keys()
        before = frozenset(known).union(*(line.before[one] for one in known))
        if ready.by in _entitled(declared, line, before, ready.verb):
            line.add(ready, before)
    return line


def _read_at_all(declared: Declared, acts: Iterable[Act]) -> list[Act]:
    """The first acts of each who may have a say: nobody crowds out another, and nothing crowds out an end."""
    each = sorted({act.hash: act for act in acts}.values(), key=lambda act: (act.at_ms, act.hash))
    acts = sorted(in_turn(each, lambda act: act.by), key=lambda act: act.verb not in URGENT)
    candidates = {declared.owner, *declared.deputies}
    while True:
        said = [act for act in acts if act.by in candidates][:ACTS_MAX]
        named = {one for act in said for one in (act.to, *(act.deputies or ())) if one is not None}
        if named <= candidates:
            return sorted(said, key=lambda act: (act.at_ms, act.hash))
        candidates |= named


def _behind(declared: Declared, acts: list[Act]) -> list[Act]:
    """Those that name this declaration, or what names it: an owner may have declared another by the same id before.

    None waits for all that it names: whoever once said something could take that back, and with it what others said
    since.
    """
    behind = {declared.hash}
    while more := {act.hash for act in acts if act.hash not in behind and not behind.isdisjoint(act.knows)}:
        behind |= more
    return [act for act in acts if act.hash in behind or _is_owners_end(declared, act)]


def _is_owners_end(declared: Declared, act: Act) -> bool:
    """Whether it counts before what it follows is here: it takes away, and only the owner can have meant it."""
    return act.verb in URGENT and act.by == declared.owner


def _parents(act: Act, others: Iterable[Act]) -> set[HeaderHash]:
    """What of these it names, and what was said before it in the same feed."""
    return {
        one.hash for one in others if one.hash in act.knows or (one.feed_id == act.feed_id and one.seq < act.seq)
    } - {act.hash}


def _entitled(declared: Declared, line: _Line, before: Collection[HeaderHash], verb: Verb) -> frozenset[MemberId]:
    """Who may say this, as far as its author knew: who leads, and for most things their deputies."""
    lead, deputies = _leading(declared, line, before)
    return entitled(lead, deputies, verb)


def entitled(lead: MemberId, deputies: frozenset[MemberId], verb: Verb) -> frozenset[MemberId]:
    """Who of them may say this."""
    return frozenset({lead}) if verb in (Verb.HAND_OVER, Verb.WITHDRAW) else deputies | {lead}


def _leading(declared: Declared, line: _Line, before: Collection[HeaderHash]) -> tuple[MemberId, frozenset[MemberId]]:
    """Who leads it, and who are the deputies, for whoever knows these acts: no co-signature is waited for."""
    known = [act for act in line.acts if act.hash in before]
    lead, deputies = declared.owner, declared.deputies
    for act in known:
        if act.verb is Verb.HAND_OVER and act.to is not None and line.against[act.hash].isdisjoint(before):
            lead = act.to
        if act.verb is Verb.UPDATE and act.deputies is not None:
            deputies = act.deputies
    return lead, deputies


def _clashing(line: _Line) -> tuple[set[HeaderHash], list[tuple[HeaderHash, HeaderHash]]]:
    """Acts that contradict another, neither knowing of the other; and pairs of them that nothing settles yet.

    Of these as many as show it of each: two feeds can contradict each other in more than anybody reads.
    """
    said = [act for act in line.acts if any(act.verb in clash for clash in CLASHES)]
    known_to = {act.hash: {by for by, before in line.before.items() if act.hash in before} for act in said}
    void, shown, open_ = set[HeaderHash](), set[HeaderHash](), list[tuple[HeaderHash, HeaderHash]]()
    for one, other in combinations(said, 2):
        pair = one.hash, other.hash
        if shown.issuperset(pair) or not _contradict(line, one, other):
            continue
        void.update(pair)
        if known_to[one.hash].isdisjoint(known_to[other.hash]):
            shown.update(pair)
            open_.append(pair)
    return void, open_


def _contradict(line: _Line, one: Act, other: Act) -> bool:
    return (
        frozenset({one.verb, other.verb}) in CLASHES
        and (one.verb is not other.verb or one.says != other.says)
        and line.are_apart(one, other)
    )


# ---- What follows from it


def _fold(
    declared: Declared,
    line: _Line,
    void: Collection[HeaderHash],
    voices: Mapping[HeaderHash, Sequence[Voice]],
    now_ms: int,
) -> Reading:
    latest_ms = (declared.starts_ms or declared.declared_ms) + declared.longest_ms
    lead, deputies = _leading(declared, line, line.before)
    found = Reading(
        state=State.ALERT if declared.is_alert else State.PROPOSED,
        reason="",
        ends_ms=min(declared.ends_ms, latest_ms),
        latest_ms=latest_ms,
        version=declared.hash,
        terms=declared.terms,
        quorum=declared.quorum,
        lead=lead,
        deputies=deputies,
        proposal=declared.hash,
        needed=None if declared.is_alert else declared.quorum,
    )
    if not declared.is_alert:
        found = _activated(found, voices)
    for act in line.acts:
        if act.hash not in void:
            found = _after(_expired(found, act.at_ms), act, voices, max(declared.declared_ms, act.at_ms, act.heard_ms))
    return _expired(found, now_ms)


def _activated(found: Reading, voices: Mapping[HeaderHash, Sequence[Voice]]) -> Reading:
    """With the proposal in effect, if all co-signatures that it needs are here."""
    if found.needed is None or _is_met(found.needed, voices.get(found.proposal, ()), agrees=True):
        return replace(found, state=TRANSITIONS.get((found.state, Verb.ACTIVATE), found.state), needed=None)
    return found


def _after(found: Reading, act: Act, voices: Mapping[HeaderHash, Sequence[Voice]], least_ms: int) -> Reading:
    """After one more act; as before where it has no place in this state, or waits for co-signatures.

    ``least_ms``: it ends nothing earlier.
    """
    state = TRANSITIONS.get((found.state, act.verb))
    if state is None:
        return found
    if act.verb in (Verb.UPDATE, Verb.EXTEND):
        ends_ms = min(act.ends_ms or found.ends_ms, found.latest_ms)
        ends_ms = max(ends_ms, min(found.ends_ms, least_ms))
        needs = act.needs or found.quorum  # a framework that asks for nobody is no way round those of the one before
        asks = needs is not None and (ends_ms != found.ends_ms or act.terms not in (b"", found.terms))
        in_time = [one for one in voices.get(act.hash, ()) if one.at_ms < found.ends_ms]  # nothing that is over revives
        if asks and not _is_met(needs, in_time, agrees=True):
            return replace(found, proposal=act.hash, needed=needs, proposed_ends_ms=ends_ms)
        found = _with_terms(found, act, ends_ms)
        if asks:  # its co-signers have seen all of it
            found = replace(found, proposal=act.hash, needed=None, proposed_ends_ms=0)
            state = TRANSITIONS.get((state, Verb.ACTIVATE), state)
    elif act.verb is Verb.HAND_OVER and act.to is None:
        return found
    elif act.verb in (Verb.END, Verb.WITHDRAW):
        found = replace(found, ends_ms=min(found.ends_ms, least_ms))
    return replace(found, state=state, counted=found.counted | {act.hash})


def _with_terms(found: Reading, act: Act, ends_ms: int) -> Reading:
    is_update = act.verb is Verb.UPDATE
    return replace(
        found,
        version=act.hash if is_update else found.version,
        terms=act.terms if is_update else found.terms,
        quorum=(act.needs or found.quorum) if is_update else found.quorum,
        ends_ms=ends_ms,
    )


def _expired(found: Reading, now_ms: int) -> Reading:
    if now_ms < found.ends_ms:
        return found
    return replace(found, state=TRANSITIONS.get((found.state, Verb.EXPIRE), found.state))


def _asked(found: Reading, voices: Mapping[HeaderHash, Sequence[Voice]]) -> Reading:
    """With who has answered to what is proposed now; rejected if as many refuse as would have been needed."""
    said = voices.get(found.proposal, ())
    found = replace(
        found,
        cosigned=tuple(one.by for one in said if one.agrees),
        refused=tuple(one.by for one in said if not one.agrees),
    )
    if found.needed is not None and _is_met(found.needed, said, agrees=False):
        return replace(found, state=TRANSITIONS.get((found.state, Verb.REJECT), found.state))
    return found


def _of_others(declared: Declared, line: _Line, voices: Iterable[Voice]) -> list[Voice]:
    """Without those of the owner, and without what somebody says to a proposal of its own."""
    proposed = {act.hash: act.by for act in line.acts}
    return [one for one in voices if one.by not in (declared.owner, proposed.get(one.about))]


def _latest(voices: Iterable[Voice]) -> dict[HeaderHash, list[Voice]]:
    """The last word of each on each proposal."""
    last: dict[tuple[HeaderHash, MemberId], Voice] = {}
    for one in sorted(voices, key=lambda one: (one.at_ms, one.agrees, one.by)):
        last[one.about, one.by] = one
    found: dict[HeaderHash, list[Voice]] = {}
    for (about, _), one in sorted(last.items()):
        found.setdefault(about, []).append(one)
    return found


def _is_met(needed: Quorum | None, said: Iterable[Voice], *, agrees: bool) -> bool:
    return quorum.is_met(needed, [(one.roles, one.country) for one in said if one.agrees is agrees])


def _judged(declared: Declared, found: Reading, now_ms: int) -> Reading:
    """With what keeps it from having effect, and with the reason in words."""
    if declared.withdrawn:
        ends_ms = min(found.ends_ms, now_ms)
        return replace(found, state=State.WITHDRAWN, reason="withdrawn by its owner", ends_ms=ends_ms)
    if declared.obstacle:
        found = replace(found, needed=None)  # nobody's co-signature would give it effect
    if found.state in (*IN_EFFECT, State.ALERT) and (declared.obstacle or now_ms < declared.starts_ms):
        found = replace(found, state=State.PROPOSED, reason=declared.obstacle or "has not begun yet")
    elif found.state is State.PROPOSED and declared.obstacle:
        found = replace(found, reason=declared.obstacle)
    return found if found.reason else replace(found, reason=_reason(found))


def _reason(found: Reading) -> str:
    match found.state:
        case State.PROPOSED if found.needed is not None:
            return f"co-signatures: {len(found.cosigned)} of {found.needed.count}"
        case State.REJECTED:
            return "refused by those who were asked to co-sign it"
        case State.EXPIRED:
            return "its time is over"
        case State.ENDED:
            return "ended by who leads it"
        case State.WITHDRAWN:
            return "withdrawn by its owner"
    return ""
