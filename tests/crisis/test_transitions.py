"""The table of states: what a reading shows is what it says, step by step and from one moment to the next."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.crisis.leadership import Act, Declared
from node.crisis.lifecycle import Reading, Voice
from node.crisis.states import BY_ITSELF, OVER, TRANSITIONS, State, Verb
from tests.crisis.test_lifecycle import (
    DECLARATION,
    DECLARATIONS,
    HOUR_MS,
    NOW_MS,
    OTHER,
    TWO,
    VOICES,
    act,
    declared,
    read,
    said,
    voice,
)

REFUSED = (voice(5, agrees=False), voice(6, agrees=False))


def reached(begin: State, verbs: Collection[Verb]) -> set[State]:
    """Where these can lead by the table, in any order."""
    found = {begin}
    while more := {to for (state, verb), to in TRANSITIONS.items() if state in found and verb in verbs} - found:
        found |= more
    return found


# ---- The table


def test_the_table_leads_to_every_state_and_out_of_none_that_is_final() -> None:
    assert reached(State.PROPOSED, set(Verb)) == set(State)
    assert not any(before is State.WITHDRAWN for before, _ in TRANSITIONS)
    over = OVER - {State.REJECTED}  # what was refused may be proposed otherwise
    assert all(after in over for (before, _), after in TRANSITIONS.items() if before in over)


def test_a_rejected_one_is_taken_back_ended_or_proposed_otherwise_and_over_with_its_time() -> None:
    crisis = declared(quorum=TWO)
    assert read(crisis, voices=REFUSED).state is State.REJECTED
    assert read(replace(crisis, withdrawn=True), voices=REFUSED).state is State.WITHDRAWN
    assert read(crisis, act(1, Verb.WITHDRAW), voices=REFUSED).state is State.WITHDRAWN
    assert read(crisis, act(1, Verb.END), voices=REFUSED).state is State.ENDED
    assert read(crisis, voices=REFUSED, now_ms=crisis.ends_ms).state is State.EXPIRED
    milder = act(1, Verb.UPDATE, terms=b"milder")
    assert read(crisis, milder, voices=REFUSED).state is State.PROPOSED
    signed = [voice(5, milder.hash), voice(6, milder.hash)]
    assert read(crisis, milder, voices=[*REFUSED, *signed]).state is State.ACTIVE
    assert read(crisis, voices=[*REFUSED, voice(7), voice(8)]).state is State.ACTIVE


@pytest.mark.parametrize("over", [(), (Verb.END,), (Verb.DE_ESCALATE,)])
def test_refusing_a_change_rejects_nothing_but_the_change(over: tuple[Verb, ...]) -> None:
    crisis, signed = declared(quorum=TWO), [voice(5), voice(6)]
    longer = act(0, Verb.EXTEND, ends_ms=NOW_MS + 5 * HOUR_MS, at_ms=NOW_MS - 60)
    refused = [voice(number, longer.hash, agrees=False) for number in (5, 6)]
    before = read(crisis, longer, *path(*over), voices=signed)
    after = read(crisis, longer, *path(*over), voices=[*signed, *refused])
    assert (after.state, after.ends_ms, after.needed) == (before.state, before.ends_ms, None)


# ---- Each step


def path(*verbs: Verb) -> list[Act]:
    """Acts of its owner, each behind the one before."""
    return [act(number, verb, at_ms=NOW_MS - 50 + number) for number, verb in enumerate(verbs, 1)]


WAYS: dict[State, tuple[Declared, list[Act], Sequence[Voice]]] = {
    State.ALERT: (declared(is_alert=True), [], ()),
    State.PROPOSED: (declared(quorum=TWO), [], ()),
    State.ACTIVE: (declared(), [], ()),
    State.DE_ESCALATING: (declared(), path(Verb.DE_ESCALATE), ()),
    State.ENDED: (declared(), path(Verb.END), ()),
    State.EXPIRED: (declared(ends_ms=NOW_MS - 40), [], ()),
    State.UNDER_REVIEW: (declared(), path(Verb.END, Verb.REVIEW), ()),
    State.CLOSED: (declared(), path(Verb.END, Verb.CLOSE), ()),
    State.REJECTED: (declared(quorum=TWO), [], REFUSED),
    State.WITHDRAWN: (declared(), path(Verb.WITHDRAW), ()),
}


@pytest.mark.parametrize("verb", sorted(set(Verb) - BY_ITSELF))
@pytest.mark.parametrize("state", State)
def test_each_act_leads_in_each_state_where_the_table_says_and_nowhere_else(state: State, verb: Verb) -> None:
    crisis, acts, voices = WAYS[state]
    before = read(crisis, *acts, voices=voices)
    assert before.state is state
    more = act(9, verb, at_ms=NOW_MS - 5, ends_ms=before.ends_ms + HOUR_MS, to=OTHER, terms=b"terms")
    after = read(crisis, *acts, more, voices=voices)
    by_table = TRANSITIONS.get((state, verb), state)
    is_refused_as_before = (state, by_table, after.proposal) == (State.REJECTED, State.PROPOSED, before.proposal)
    assert after.state is (state if is_refused_as_before else by_table)
    assert (more.hash in after.counted) <= ((state, verb) in TRANSITIONS)


# ---- From one moment to the next


@dataclass(frozen=True, slots=True)
class History:
    """A crisis with all that is ever said of it, each when it is said, and while which something keeps it back."""

    crisis: Declared
    acts: Sequence[Act]
    voices: Sequence[Voice]
    moments_ms: Sequence[int]
    kept_back_ms: tuple[int, int]
    withdrawn_ms: int

    def at(self, now_ms: int) -> Reading:
        obstacle = "suspended" if self._is_kept_back(now_ms) else ""
        crisis = replace(self.crisis, obstacle=obstacle, withdrawn=self.withdrawn_ms <= now_ms)
        acts = [one for one in self.acts if one.at_ms <= now_ms]
        return read(crisis, *acts, voices=self._heard(now_ms), now_ms=now_ms)

    def verbs(self, found: Reading, now_ms: int) -> set[Verb]:
        """What can have moved it; also what waits for co-signatures, in the place of what was refused."""
        verbs = {one.verb for one in self.acts if one.hash in found.counted | found.waited} | BY_ITSELF
        verbs.remove(Verb.ACTIVATE if self.crisis.is_alert else Verb.WARN)
        if self.withdrawn_ms <= now_ms:
            verbs.add(Verb.WITHDRAW)
        if not (self._is_kept_back(now_ms) or now_ms < self.crisis.starts_ms or self._is_of_two_minds(now_ms)):
            verbs.remove(Verb.LAPSE)
        return verbs

    def _heard(self, now_ms: int) -> list[Voice]:
        return [one for one in self.voices if one.at_ms <= now_ms]

    def _is_kept_back(self, now_ms: int) -> bool:
        return self.kept_back_ms[0] <= now_ms < self.kept_back_ms[1]

    def _is_of_two_minds(self, now_ms: int) -> bool:
        """Whether somebody has co-signed something, and refused it."""
        said_ = {(one.by, one.about, one.agrees) for one in self._heard(now_ms)}
        return any((by, about, not agrees) in said_ for by, about, agrees in said_)


@st.composite
def _histories(draw: st.DrawFn) -> History:
    span = st.integers(NOW_MS - HOUR_MS, NOW_MS + 3 * HOUR_MS)
    crisis = replace(draw(DECLARATIONS), starts_ms=draw(st.integers(NOW_MS - HOUR_MS, NOW_MS)))
    acts = draw(said())
    dates_ms = sorted(draw(st.lists(span, min_size=len(acts), max_size=len(acts))))
    acts = [replace(one, at_ms=at_ms) for one, at_ms in zip(acts, dates_ms, strict=True)]
    voices = [replace(one, at_ms=draw(span)) for one in draw(VOICES)]
    votes = st.tuples(st.sampled_from([DECLARATION, *(one.hash for one in acts)]), st.booleans(), span)
    for about, agrees, at_ms in draw(st.lists(votes, max_size=3)):  # of as many as it takes
        voices += [voice(by, about, agrees=agrees, at_ms=at_ms) for by in (5, 6)]
    kept_back_ms = draw(st.tuples(span, span))
    withdrawn_ms = draw(span | st.just(NOW_MS + 99 * HOUR_MS))
    said_ms = {*(one.at_ms for one in acts), *(one.ends_ms for one in acts), *(one.at_ms for one in voices)}
    moments_ms = {*said_ms, *kept_back_ms, withdrawn_ms, crisis.starts_ms, crisis.ends_ms, draw(span)}
    return History(crisis, acts, voices, sorted(moments_ms), kept_back_ms, withdrawn_ms)


@settings(max_examples=300)
@given(_histories())
def test_no_state_is_outside_of_the_table_whatever_is_said_and_however_time_goes_on(history: History) -> None:
    before: Reading | None = None
    for now_ms in history.moments_ms:
        found = history.at(now_ms)
        verbs = history.verbs(found, now_ms)
        assert found.state in reached(State.PROPOSED, verbs)
        if before is not None and before.counted <= found.counted:  # else something was contested or taken back
            assert found.state in reached(before.state, verbs), f"{before.state}, and then {found.state}"
        before = found
