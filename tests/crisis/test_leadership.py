"""Who leads a crisis: nobody keeps what it spoke by through not having heard."""

from node.crisis.states import State, Verb
from tests.crisis.test_lifecycle import DEPUTY, HOUR_MS, NOW_MS, OTHER, STRANGER, act, declared, read


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
