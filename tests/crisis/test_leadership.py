"""Who leads a crisis: nobody keeps what it spoke by through not having heard."""

from dataclasses import replace

import pytest

from node.crisis.leadership import ACTS_MAX, KNOWN_MAX
from node.crisis.states import State, Verb
from node.feed.keys import HeaderHash, MemberId
from tests.crisis.test_lifecycle import (
    DECLARATION,
    DEPUTY,
    HOUR_MS,
    NOW_MS,
    OTHER,
    OWNER,
    STRANGER,
    act,
    declared,
    read,
)


def test_who_leads_is_rid_of_a_deputy_although_that_one_does_not_hear_of_it() -> None:
    dismissed = act(1, Verb.UPDATE, terms=b"terms", deputies=frozenset())
    end = act(2, Verb.END, knows=[dismissed.hash])
    longer = act(3, Verb.EXTEND, by=DEPUTY, ends_ms=NOW_MS + 5 * HOUR_MS)
    back = act(4, Verb.UPDATE, by=DEPUTY, terms=b"terms", deputies=frozenset({DEPUTY}), at_ms=NOW_MS - 1)
    further = act(5, Verb.EXTEND, by=DEPUTY, ends_ms=NOW_MS + 9 * HOUR_MS, knows=[dismissed.hash, back.hash])
    found = read(declared(), dismissed, end, longer, back, further)
    assert (found.state, found.deputies, found.clashes) == (State.ENDED, frozenset(), ())
    assert read(declared(), dismissed, act(6, Verb.END, by=DEPUTY)).state is State.ACTIVE


def test_what_a_deputy_said_before_it_was_dismissed_stands() -> None:
    longer = act(1, Verb.EXTEND, by=DEPUTY, ends_ms=NOW_MS + 5 * HOUR_MS)
    dismissed = act(2, Verb.UPDATE, terms=b"terms", deputies=frozenset(), knows=[longer.hash])
    assert read(declared(), longer, dismissed).ends_ms == NOW_MS + 5 * HOUR_MS


def test_a_deputy_names_no_deputies() -> None:
    update = act(1, Verb.UPDATE, by=DEPUTY, terms=b"terms", deputies=frozenset({DEPUTY, OTHER}))
    found = read(declared(), update, act(2, Verb.END, by=OTHER, knows=[update.hash]))
    assert (found.state, found.version, found.deputies) == (State.ACTIVE, update.hash, frozenset({DEPUTY}))


def test_who_handed_it_over_leads_it_no_more_by_another_node_that_has_not_heard() -> None:
    over = act(1, Verb.HAND_OVER, to=OTHER)
    end = act(2, Verb.END, by=OTHER, knows=[over.hash])
    deputies = frozenset({STRANGER})
    unaware = act(3, Verb.UPDATE, feed=9, terms=b"terms", deputies=deputies, at_ms=NOW_MS - 1)
    longer = act(4, Verb.EXTEND, feed=9, ends_ms=NOW_MS + 5 * HOUR_MS)
    found = read(declared(), over, end, unaware, longer)
    assert (found.state, found.deputies, found.clashes) == (State.ENDED, frozenset({DEPUTY}), ())
    same = act(5, Verb.HAND_OVER, feed=9, to=OTHER, says=over.says)
    assert read(declared(), over, same).lead == OTHER


@pytest.mark.parametrize("verb", [Verb.END, Verb.WITHDRAW, Verb.UPDATE])
def test_a_deputy_who_says_very_much_neither_undoes_its_dismissal_nor_hides_what_others_say(verb: Verb) -> None:
    over = act(1, Verb.HAND_OVER, to=OTHER)
    dismissed = act(2, Verb.UPDATE, by=OTHER, terms=b"terms", deputies=frozenset(), knows=[over.hash])
    calmer = act(3, Verb.DE_ESCALATE, by=OTHER, knows=[dismissed.hash])
    flood = [
        replace(act(4, verb, by=DEPUTY, at_ms=1), hash=HeaderHash(number.to_bytes(32)), seq=number)
        for number in range(2 * ACTS_MAX)
    ]
    found = read(declared(), *flood, over, dismissed, calmer)
    assert (found.state, found.lead, found.deputies) == (State.DE_ESCALATING, OTHER, frozenset())


@pytest.mark.parametrize("to", [None, OWNER])
def test_a_hand_over_to_nobody_or_to_oneself_is_none(to: MemberId | None) -> None:
    over, end = act(1, Verb.HAND_OVER, to=OTHER), act(2, Verb.END, feed=9)
    sly = act(3, Verb.HAND_OVER, feed=9, to=to)
    assert read(declared(), over, sly, end).lead == OTHER
    assert read(declared(), over, sly, end).state is State.ACTIVE, "the owner has handed it over beside that"


def test_whoever_hands_it_over_to_two_leads_it_on_and_what_it_said_beside_that_does_not_count() -> None:
    two = act(1, Verb.HAND_OVER, to=OTHER), act(2, Verb.HAND_OVER, feed=9, to=STRANGER)
    further = act(3, Verb.HAND_OVER, by=OTHER, to=DEPUTY, knows=[two[0].hash])
    found = read(declared(), *two, further, act(4, Verb.END, feed=8))
    assert (found.lead, found.state, len(found.clashes)) == (OWNER, State.ACTIVE, 1)


def test_two_nodes_that_hand_it_over_to_the_same_member_do_not_contradict_each_other() -> None:
    two = act(1, Verb.HAND_OVER, to=OTHER), act(2, Verb.HAND_OVER, feed=9, to=OTHER)
    found = read(declared(), *two)
    assert (found.lead, found.clashes, found.counted) == (OTHER, (), frozenset(one.hash for one in two))


def test_an_act_that_names_more_than_there_can_be_is_not_read() -> None:
    many = [DECLARATION, *(HeaderHash(number.to_bytes(32)) for number in range(KNOWN_MAX))]
    assert read(declared(), act(1, Verb.END, knows=many[:KNOWN_MAX])).state is State.ENDED
    assert read(declared(), act(1, Verb.END, knows=many)).state is State.ACTIVE
