from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.crisis import lifecycle
from node.crisis.leadership import ACTS_MAX, Act, Declared
from node.crisis.lifecycle import Reading, Voice
from node.crisis.states import BY_ITSELF, IN_EFFECT, State, Verb
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.quorum import Quorum

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
OWNER, DEPUTY, OTHER, STRANGER = (MemberId(bytes([number]) * 32) for number in (1, 2, 3, 4))
AUTHORITY, PLATFORM = 1, 4
DECLARATION = HeaderHash(b"d" * 32)
TWO = Quorum(2, 2, frozenset({AUTHORITY}))


def declared(
    *,
    starts_ms: int = NOW_MS - HOUR_MS,
    ends_ms: int = NOW_MS + HOUR_MS,
    obstacle: str = "",
    quorum: Quorum | None = None,
    deputies: frozenset[MemberId] = frozenset({DEPUTY}),
    longest_ms: int = 48 * HOUR_MS,
    is_alert: bool = False,
    withdrawn: bool = False,
) -> Declared:
    return Declared(
        DECLARATION, OWNER, starts_ms, ends_ms, obstacle, deputies, b"terms", quorum, longest_ms, is_alert, withdrawn
    )


def act(
    number: int,
    verb: Verb,
    *,
    by: MemberId = OWNER,
    feed: int | None = None,
    at_ms: int = NOW_MS - 5,
    knows: Sequence[HeaderHash] = (DECLARATION,),
    ends_ms: int = 0,
    to: MemberId | None = None,
    says: bytes = b"",
    terms: bytes = b"",
    needs: Quorum | None = None,
    deputies: frozenset[MemberId] | None = None,
) -> Act:
    feed_id = FeedId(bytes([feed if feed is not None else by[0]]) * 32)
    return Act(
        HeaderHash(bytes([number]) * 32), verb, by, feed_id, number, at_ms, tuple(knows), says or bytes([number]),
        ends_ms, to, deputies, terms, needs,
    )  # fmt: skip


def voice(number: int, about: HeaderHash = DECLARATION, *, agrees: bool = True, at_ms: int = NOW_MS) -> Voice:
    return Voice(MemberId(bytes([number]) * 32), about, at_ms, agrees, frozenset({AUTHORITY}), f"C{number}")


def read(crisis: Declared, *acts: Act, voices: Sequence[Voice] = (), now_ms: int = NOW_MS) -> Reading:
    return lifecycle.read(crisis, acts, voices, now_ms)


# ---- From its start to its end


def test_a_crisis_is_active_from_its_start_to_its_end_and_then_over_by_itself() -> None:
    later = declared(starts_ms=NOW_MS, ends_ms=NOW_MS + HOUR_MS)
    assert read(later, now_ms=NOW_MS - 1).state is State.PROPOSED
    assert read(later, now_ms=NOW_MS).state is State.ACTIVE
    assert read(later, now_ms=NOW_MS + HOUR_MS - 1).state is State.ACTIVE
    assert read(later, now_ms=NOW_MS + HOUR_MS).state is State.EXPIRED


def test_who_leads_it_ends_it_earlier_and_never_later() -> None:
    ended = read(declared(), act(1, Verb.END))
    assert (ended.state, ended.ends_ms) == (State.ENDED, NOW_MS - 5)
    late = read(declared(ends_ms=NOW_MS - 10), act(1, Verb.END))
    assert (late.state, late.ends_ms) == (State.EXPIRED, NOW_MS - 10)


def test_no_act_ends_it_before_it_was_declared_or_the_act_was_said() -> None:
    crisis = replace(declared(), declared_ms=NOW_MS - HOUR_MS)
    ended = read(crisis, act(1, Verb.END, at_ms=1))
    assert (ended.state, ended.ends_ms) == (State.ENDED, NOW_MS - HOUR_MS)
    shortened = read(crisis, act(1, Verb.UPDATE, at_ms=NOW_MS - 7, ends_ms=1, terms=b"terms"))
    assert (shortened.state, shortened.ends_ms) == (State.EXPIRED, NOW_MS - 7)
    heard = read(crisis, replace(act(1, Verb.END, at_ms=1), heard_ms=NOW_MS - 3))
    assert heard.ends_ms == NOW_MS - 3
    late = read(crisis, replace(act(1, Verb.END, at_ms=1), heard_ms=NOW_MS + 9 * HOUR_MS))
    assert late.ends_ms == NOW_MS + HOUR_MS, "nor does it last longer for having come late"


def test_what_its_author_may_not_declare_is_shown_and_never_active() -> None:
    shown = read(declared(obstacle="a platform may not declare"))
    assert (shown.state, shown.reason) == (State.PROPOSED, "a platform may not declare")


def test_it_lasts_no_longer_than_its_framework_allows_whatever_is_said() -> None:
    longest = declared(starts_ms=NOW_MS, ends_ms=NOW_MS + 99 * HOUR_MS, longest_ms=2 * HOUR_MS)
    assert read(longest).ends_ms == NOW_MS + 2 * HOUR_MS
    extended = read(longest, act(1, Verb.EXTEND, at_ms=NOW_MS, ends_ms=NOW_MS + 90 * HOUR_MS))
    assert extended.ends_ms == NOW_MS + 2 * HOUR_MS


def test_it_goes_through_review_to_its_close_and_not_before_its_end() -> None:
    early = act(1, Verb.REVIEW)
    assert read(declared(), early).state is State.ACTIVE
    end = act(2, Verb.END, knows=[early.hash])
    review = act(3, Verb.REVIEW, knows=[end.hash])
    close = act(4, Verb.CLOSE, knows=[review.hash])
    assert read(declared(), early, end, review).state is State.UNDER_REVIEW
    assert read(declared(), early, end, review, close).state is State.CLOSED


def test_a_crisis_that_flares_up_is_extended_and_active_again() -> None:
    calmer = act(1, Verb.DE_ESCALATE)
    assert read(declared(), calmer).state is State.DE_ESCALATING
    again = act(2, Verb.EXTEND, ends_ms=NOW_MS + 5 * HOUR_MS, knows=[calmer.hash])
    found = read(declared(), calmer, again)
    assert (found.state, found.ends_ms) == (State.ACTIVE, NOW_MS + 5 * HOUR_MS)


def test_an_alert_warns_until_its_end_and_never_becomes_active() -> None:
    assert read(declared(is_alert=True, quorum=TWO), voices=[voice(5), voice(6)]).state is State.ALERT
    assert read(declared(is_alert=True), now_ms=NOW_MS + HOUR_MS).state is State.EXPIRED
    assert read(declared(is_alert=True), act(1, Verb.END)).state is State.ENDED


# ---- Who may


def test_only_who_leads_it_and_its_deputies_move_it() -> None:
    assert read(declared(), act(1, Verb.END, by=STRANGER)).state is State.ACTIVE
    assert read(declared(), act(1, Verb.END, by=DEPUTY)).state is State.ENDED
    assert read(declared(deputies=frozenset()), act(1, Verb.END, by=DEPUTY)).state is State.ACTIVE


def test_a_deputy_neither_hands_it_over_nor_withdraws_it() -> None:
    assert read(declared(), act(1, Verb.HAND_OVER, by=DEPUTY, to=STRANGER)).lead == OWNER
    assert read(declared(), act(1, Verb.WITHDRAW, by=DEPUTY)).state is State.ACTIVE


def test_whom_it_was_handed_over_to_leads_it_and_its_owner_does_no_more() -> None:
    over = act(1, Verb.HAND_OVER, to=OTHER)
    by_new = act(2, Verb.END, by=OTHER, knows=[over.hash])
    by_old = act(3, Verb.END, knows=[over.hash])
    assert read(declared(), over).lead == OTHER
    assert read(declared(), over, by_new).state is State.ENDED
    assert read(declared(), over, by_old).state is State.ACTIVE
    assert read(declared(), by_new).state is State.ACTIVE  # what made it the lead is not here yet


def test_an_update_names_other_deputies() -> None:
    update = act(1, Verb.UPDATE, deputies=frozenset({OTHER}), terms=b"terms")
    assert read(declared(), update, act(2, Verb.END, by=DEPUTY, knows=[update.hash])).state is State.ACTIVE
    assert read(declared(), update, act(2, Verb.END, by=OTHER, knows=[update.hash])).state is State.ENDED


def test_a_deputy_who_says_very_much_with_early_dates_crowds_out_nothing_of_whom_it_stands_in_for() -> None:
    flood = [
        Act(HeaderHash(number.to_bytes(32)), Verb.EXTEND, DEPUTY, FeedId(b"f" * 32), number, 1, (DECLARATION,), b"same")
        for number in range(2 * ACTS_MAX)
    ]
    found = read(declared(), *flood, act(200, Verb.DE_ESCALATE))
    assert found.state is State.DE_ESCALATING


def test_nobody_crowds_out_an_end() -> None:
    flood = [
        Act(HeaderHash(number.to_bytes(32)), Verb.UPDATE, DEPUTY, FeedId(b"f" * 32), number, 1, (DECLARATION,), b"")
        for number in range(ACTS_MAX + 5)
    ]
    assert read(declared(), *flood, act(200, Verb.END)).state is State.ENDED
    strangers = [
        Act(HeaderHash(by), Verb.END, MemberId(by), FeedId(by), 1, 1, (DECLARATION,), b"")
        for by in (number.to_bytes(32) for number in range(ACTS_MAX + 5))
    ]
    assert read(declared(), *strangers, act(200, Verb.DE_ESCALATE)).state is State.DE_ESCALATING


# ---- Co-signatures


def test_it_is_active_once_as_many_as_needed_have_signed_exactly_this_proposal() -> None:
    waiting = read(declared(quorum=TWO), voices=[voice(5)])
    assert (waiting.state, waiting.reason) == (State.PROPOSED, "co-signatures: 1 of 2")
    assert read(declared(quorum=TWO), voices=[voice(5), voice(6)]).state is State.ACTIVE
    other = HeaderHash(b"e" * 32)
    assert read(declared(quorum=TWO), voices=[voice(5), voice(6, other)]).state is State.PROPOSED


def test_the_last_word_of_each_counts_and_nobody_counts_twice() -> None:
    assert read(declared(quorum=TWO), voices=[voice(5), voice(5, at_ms=NOW_MS + 1)]).state is State.PROPOSED
    taken_back = [voice(5), voice(6), voice(6, agrees=False, at_ms=NOW_MS + 1)]
    assert read(declared(quorum=TWO), voices=taken_back).state is State.PROPOSED


def test_it_is_rejected_once_as_many_refuse() -> None:
    refused = [voice(5, agrees=False), voice(6, agrees=False)]
    assert read(declared(quorum=TWO), voices=refused[:1]).state is State.PROPOSED
    assert read(declared(quorum=TWO), voices=refused).state is State.REJECTED


@pytest.mark.parametrize(
    "change",
    [
        act(1, Verb.EXTEND, ends_ms=NOW_MS + 9 * HOUR_MS),
        act(1, Verb.UPDATE, terms=b"other criteria", needs=TWO),
        act(1, Verb.UPDATE, terms=b"terms", ends_ms=NOW_MS + 9 * HOUR_MS, needs=TWO),
    ],
)
def test_another_end_or_other_terms_need_new_co_signatures_and_what_was_signed_stands_till_then(change: Act) -> None:
    signed = [voice(5), voice(6)]
    before = read(declared(quorum=TWO), change, voices=signed)
    assert (before.state, before.ends_ms, before.version) == (State.ACTIVE, NOW_MS + HOUR_MS, DECLARATION)
    assert (before.proposal, before.needed) == (change.hash, TWO)
    after = read(declared(quorum=TWO), change, voices=[*signed, voice(5, change.hash), voice(6, change.hash)])
    assert after.needed is None
    assert (after.version, after.ends_ms) != (before.version, before.ends_ms)


def test_an_extension_that_is_refused_is_waited_for_no_more_and_what_was_in_effect_stays() -> None:
    longer = act(1, Verb.EXTEND, ends_ms=NOW_MS + 9 * HOUR_MS)
    signed, refused = [voice(5), voice(6)], [voice(number, longer.hash, agrees=False) for number in (5, 6)]
    found = read(declared(quorum=TWO), longer, voices=[*signed, *refused])
    assert (found.state, found.needed, found.proposed_ends_ms) == (State.ACTIVE, None, 0)
    assert (found.ends_ms, len(found.refused)) == (NOW_MS + HOUR_MS, 2)


def test_a_change_of_words_alone_needs_none() -> None:
    found = read(declared(quorum=TWO), act(1, Verb.UPDATE, terms=b"terms", needs=TWO), voices=[voice(5), voice(6)])
    assert found.version != DECLARATION
    assert found.needed is None


def test_terms_that_nobody_co_signed_are_no_way_round_for_the_next_update() -> None:
    sly = act(1, Verb.UPDATE, terms=b"other criteria", needs=TWO)
    again = act(2, Verb.UPDATE, terms=b"other criteria", needs=TWO, knows=[sly.hash])
    assert read(declared(quorum=TWO), sly, again, voices=[voice(5), voice(6)]).version == DECLARATION


# ---- Neither knowing of the other


def test_two_that_contradict_each_other_both_count_nothing_until_it_is_settled() -> None:
    end = act(1, Verb.END, at_ms=NOW_MS - 9)
    longer = act(2, Verb.EXTEND, by=DEPUTY, ends_ms=NOW_MS + 5 * HOUR_MS)
    found = read(declared(), end, longer)
    assert (found.state, found.ends_ms) == (State.ACTIVE, NOW_MS + HOUR_MS)
    assert found.clashes == ((end.hash, longer.hash),)
    assert set(found.acts) == {end.hash, longer.hash}
    settled = act(3, Verb.END, by=DEPUTY, knows=found.acts)
    assert read(declared(), end, longer, settled).state is State.ENDED
    assert read(declared(), end, longer, settled).clashes == ()
    other_way = act(3, Verb.EXTEND, ends_ms=NOW_MS + 3 * HOUR_MS, knows=found.acts)
    assert read(declared(), end, longer, other_way).ends_ms == NOW_MS + 3 * HOUR_MS


def test_of_two_feeds_that_contradict_each_other_throughout_each_act_is_shown_as_contested_and_no_more() -> None:
    half = ACTS_MAX // 2
    acts = [
        act(number + 1, Verb.UPDATE, by=by, says=by + bytes([number]), at_ms=NOW_MS - half + number, terms=b"terms")
        for by in (OWNER, DEPUTY)
        for number in range(half)
    ]
    acts = [replace(one, hash=HeaderHash(one.by[:1] + one.hash[1:])) for one in acts]
    found = read(declared(), *acts)
    assert {one for pair in found.clashes for one in pair} == {one.hash for one in acts}
    assert len(found.clashes) < len(acts)
    assert found.counted == frozenset()


def test_who_knew_of_the_other_contradicts_nothing() -> None:
    longer = act(1, Verb.EXTEND, by=DEPUTY, ends_ms=NOW_MS + 5 * HOUR_MS)
    end = act(2, Verb.END, knows=[longer.hash])
    assert read(declared(), longer, end).state is State.ENDED
    assert read(declared(), longer, end).clashes == ()


def test_two_nodes_that_say_the_same_do_not_contradict_each_other() -> None:
    one = act(1, Verb.EXTEND, feed=7, ends_ms=NOW_MS + 5 * HOUR_MS, says=b"same")
    same = act(2, Verb.EXTEND, feed=8, ends_ms=NOW_MS + 5 * HOUR_MS, says=b"same")
    assert read(declared(), one, same).ends_ms == NOW_MS + 5 * HOUR_MS
    ends = act(3, Verb.END, feed=7), act(4, Verb.END, feed=8)
    assert read(declared(), *ends).state is State.ENDED


def test_a_feed_knows_what_it_said_before() -> None:
    longer = act(1, Verb.EXTEND, ends_ms=NOW_MS + 5 * HOUR_MS)
    assert read(declared(), longer, act(2, Verb.END)).state is State.ENDED


# ---- Whatever was said


HASHES = [HeaderHash(bytes([number]) * 32) for number in range(1, 7)]


@st.composite
def said(draw: st.DrawFn) -> list[Act]:
    """Acts of all sorts of people, each knowing some of those before it."""
    acts: list[Act] = []
    for number in range(1, draw(st.integers(0, 5)) + 1):
        verb = draw(st.sampled_from([verb for verb in Verb if verb not in BY_ITSELF]))
        known = [one.hash for one in acts if draw(st.booleans())] or [DECLARATION]
        acts.append(
            act(
                number,
                verb,
                by=draw(st.sampled_from([OWNER, DEPUTY, OTHER, STRANGER])),
                feed=draw(st.integers(10, 13)),
                at_ms=NOW_MS + draw(st.integers(-HOUR_MS, 0)),
                knows=known,
                ends_ms=NOW_MS + draw(st.integers(-1, 60)) * HOUR_MS,
                to=draw(st.sampled_from([OTHER, DEPUTY])),
                terms=draw(st.sampled_from([b"terms", b"other"])),
                needs=draw(st.sampled_from([None, TWO])),
                deputies=draw(st.sampled_from([None, frozenset[MemberId](), frozenset({OTHER})])),
            )
        )
    return acts


VOICES = st.lists(
    st.builds(
        voice,
        st.integers(5, 8),
        st.sampled_from([DECLARATION, *HASHES]),
        agrees=st.booleans(),
        at_ms=st.integers(NOW_MS, NOW_MS + 2),
    ),
    max_size=4,
)
DECLARATIONS = st.builds(
    declared,
    quorum=st.sampled_from([None, TWO]),
    obstacle=st.sampled_from(["", "may not"]),
    is_alert=st.booleans(),
    withdrawn=st.booleans(),
    ends_ms=st.integers(NOW_MS - HOUR_MS, NOW_MS + 60 * HOUR_MS),
)


@settings(max_examples=150)
@given(DECLARATIONS, said(), VOICES, st.integers(NOW_MS - HOUR_MS, NOW_MS + 99 * HOUR_MS))
def test_the_order_of_arrival_does_not_matter(
    crisis: Declared, acts: list[Act], voices: list[Voice], now_ms: int
) -> None:
    readings = {read(crisis, *order, voices=voices, now_ms=now_ms) for order in list(permutations(acts))[:24]}
    readings |= {read(crisis, *acts, *acts[:2], voices=[*reversed(voices), *voices], now_ms=now_ms)}
    assert len(readings) == 1


@settings(max_examples=300)
@given(DECLARATIONS, said(), VOICES, st.integers(NOW_MS - HOUR_MS, NOW_MS + 99 * HOUR_MS))
def test_nothing_is_in_effect_outside_of_its_time_or_without_its_right(
    crisis: Declared, acts: list[Act], voices: list[Voice], now_ms: int
) -> None:
    found = read(crisis, *acts, voices=voices, now_ms=now_ms)
    assert found.ends_ms <= crisis.starts_ms + crisis.longest_ms
    if found.state in IN_EFFECT:
        assert crisis.starts_ms <= now_ms < found.ends_ms
        assert (crisis.obstacle, crisis.withdrawn, crisis.is_alert) == ("", False, False)
    if found.state in (State.ALERT, State.PROPOSED):
        assert now_ms < found.ends_ms
    assert (found.state is State.ALERT) <= crisis.is_alert
    assert crisis.withdrawn <= (found.state is State.WITHDRAWN)
