"""The life of a crisis: its state is a function of the set of what was said of it, and of the time.

What leads it (its owner, whoever that handed it over to, their deputies) names in each act what it knew. So of
two acts it is plain whether one followed the other, in whatever order they come; where two contradict each
other and neither knew of the other, neither counts until one that knows both settles it. Nothing has to
arrive for a crisis to end: its end stands in what was declared.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from node.crisis.leadership import Act, Declared, Line, clashing, leading, line_of
from node.crisis.states import IN_EFFECT, TRANSITIONS, URGENT, State, Verb
from node.feed import quorum
from node.feed.keys import HeaderHash, MemberId
from node.feed.quorum import Quorum

CONTESTED_MAX = 16  # acts that are undone or contradicted, of which the longest ends are looked at
NOT_BEGUN = "has not begun yet"


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
    waited: frozenset[HeaderHash] = frozenset()  # acts that would have one if enough had co-signed them
    acts: tuple[HeaderHash, ...] = ()  # what a further act has to name, so that it knows all whatever is taken back


def read(declared: Declared, acts: Iterable[Act], voices: Iterable[Voice], now_ms: int) -> Reading:
    """Where it stands now. The same for the same set, in whatever order it is given."""
    line = line_of(declared, acts)
    void, open_ = clashing(line)
    latest = _latest(_of_others(declared, line, voices))
    found = _fold(declared, line, void, latest, now_ms)
    found = replace(found, clashes=tuple(open_), acts=tuple(act.hash for act in line.acts))
    return _judged(declared, _asked(found, latest), now_ms)


def latest_end_ms(declared: Declared, acts: Iterable[Act], voices: Iterable[Voice]) -> int:
    """The latest end by any reading, whether or not what undoes or contradicts something may be said by its author.

    Of each act that is undone or contradicted: as whoever said it knew it, unless a later end knows it too.
    """
    line = line_of(declared, acts)
    void, _ = clashing(line)
    latest = _latest(_of_others(declared, line, voices))
    ends = [act.hash for act in line.acts if act.verb in URGENT and act.hash not in void]
    longer = [act for act in line.acts if act.hash in void and not any(act.hash in line.before[end] for end in ends)]
    longest = sorted(longer, key=lambda act: (-act.ends_ms, act.hash))[:CONTESTED_MAX]
    every = line.before.keys()
    unknown = [void, *(every - line.before[act.hash] - {act.hash} for act in longest)]
    return max(_fold(declared, line, which, latest, 0).ends_ms for which in unknown)


# ---- What follows from it


def _fold(
    declared: Declared,
    line: Line,
    void: Collection[HeaderHash],
    voices: Mapping[HeaderHash, Sequence[Voice]],
    now_ms: int,
) -> Reading:
    latest_ms = (declared.starts_ms or declared.declared_ms) + declared.longest_ms
    lead, deputies = leading(declared, line, line.before)
    found = Reading(
        state=State.PROPOSED,
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
    found = _moved(found, Verb.WARN) if declared.is_alert else _activated(found, voices)
    for act in line.acts:
        if act.hash not in void:
            found = _after(_expired(found, act.at_ms), act, voices, max(declared.declared_ms, act.at_ms, act.heard_ms))
    return _expired(found, now_ms)


def _activated(found: Reading, voices: Mapping[HeaderHash, Sequence[Voice]]) -> Reading:
    """With the proposal in effect, if all co-signatures that it needs are here."""
    if found.needed is None or _is_met(found.needed, voices.get(found.proposal, ()), agrees=True):
        return replace(_moved(found, Verb.ACTIVATE), needed=None)
    return found


def _moved(found: Reading, verb: Verb) -> Reading:
    """Where that leads by the table; as before where it has no place in this state."""
    return replace(found, state=TRANSITIONS.get((found.state, verb), found.state))


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
            waited = found.waited | {act.hash}
            return replace(found, proposal=act.hash, needed=needs, proposed_ends_ms=ends_ms, waited=waited)
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
    return _moved(found, Verb.EXPIRE)


def _asked(found: Reading, voices: Mapping[HeaderHash, Sequence[Voice]]) -> Reading:
    """With who has answered to what is proposed now; rejected if as many refuse as would have been needed."""
    said = voices.get(found.proposal, ())
    found = replace(
        found,
        cosigned=tuple(one.by for one in said if one.agrees),
        refused=tuple(one.by for one in said if not one.agrees),
    )
    if found.needed is None or not _is_met(found.needed, said, agrees=False):
        return found
    if (found.state, Verb.REJECT) not in TRANSITIONS:  # what was in effect stays, and nothing is waited for any more
        return replace(found, needed=None, proposed_ends_ms=0)
    return _moved(found, Verb.REJECT)


def _of_others(declared: Declared, line: Line, voices: Iterable[Voice]) -> list[Voice]:
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
        found = replace(_moved(found, Verb.WITHDRAW), ends_ms=min(found.ends_ms, now_ms))
        return replace(found, reason=_reason(found))
    if declared.obstacle:
        found = replace(found, needed=None)  # nobody's co-signature would give it effect
    if found.state in (*IN_EFFECT, State.ALERT) and (declared.obstacle or now_ms < declared.starts_ms):
        found = replace(_moved(found, Verb.LAPSE), reason=declared.obstacle or NOT_BEGUN)
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
