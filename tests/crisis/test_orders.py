"""Clocks of removal orders: what is left of an hour or of 72, whatever was said in whatever order."""

from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.crisis import orders
from node.crisis.orders import HOUR_MS, Clock, Order, Said
from node.feed.keys import HeaderHash

T_MS = 1_800_000_000_000
MINUTE_MS = 60_000


def said(number: int, clock: Clock, minute: int, *, received: int = -1, hours: int = 0, late: int = 0) -> Said:
    """An act by minutes; ``late``: so long after what it tells of."""
    at_ms = T_MS + minute * MINUTE_MS
    received_ms = T_MS + received * MINUTE_MS if received >= 0 else 0
    return Said(HeaderHash(bytes([number]) * 32), at_ms + late * MINUTE_MS, clock, at_ms, received_ms, hours)


def read(*acts: Said, minute: int) -> Order:
    found = orders.read(acts, T_MS + minute * MINUTE_MS)
    assert found is not None
    return found


BEGUN = said(1, Clock.RUNNING, 0, received=0, hours=1)
PAUSED, RESUMED = said(2, Clock.PAUSED, 20), said(3, Clock.RUNNING, 50, received=50)


def test_it_is_due_an_hour_or_72_after_it_was_received_and_late_behind_that() -> None:
    assert orders.read([], T_MS) is None
    running = read(BEGUN, minute=10)
    assert (running.clock, running.left_ms, running.due_ms) == (Clock.RUNNING, 50 * MINUTE_MS, T_MS + HOUR_MS)
    assert read(BEGUN, minute=61).left_ms == -MINUTE_MS
    assert read(BEGUN, minute=61).due_ms == T_MS + HOUR_MS
    scrutiny = said(4, Clock.RUNNING, 0, received=0, hours=72)
    assert read(scrutiny, minute=0).due_ms == T_MS + 72 * HOUR_MS


def test_a_pause_is_taken_out_and_nothing_is_due_while_it_lasts() -> None:
    paused = read(BEGUN, PAUSED, minute=45)
    assert (paused.clock, paused.left_ms, paused.due_ms) == (Clock.PAUSED, 40 * MINUTE_MS, 0)
    resumed = read(BEGUN, PAUSED, RESUMED, minute=60)
    assert (resumed.left_ms, resumed.due_ms) == (30 * MINUTE_MS, T_MS + 90 * MINUTE_MS)
    assert resumed.received_ms == T_MS, "going on again is no new order"


def test_what_is_done_keeps_what_was_left() -> None:
    done = said(4, Clock.DONE, 70)
    for minute in (70, 7000):
        found = read(BEGUN, PAUSED, RESUMED, done, minute=minute)
        assert (found.clock, found.left_ms, found.due_ms) == (Clock.DONE, 20 * MINUTE_MS, 0)
    assert read(BEGUN, said(4, Clock.DONE, 75), minute=80).left_ms == -15 * MINUTE_MS


def test_nobody_gains_time_by_saying_that_it_came_later_runs_longer_or_is_over_in_years() -> None:
    again = said(5, Clock.RUNNING, 30, received=30, hours=72)
    assert read(BEGUN, again, minute=30).due_ms == T_MS + HOUR_MS
    earlier = said(5, Clock.RUNNING, 30, received=0)
    assert read(said(1, Clock.RUNNING, 10, received=10, hours=1), earlier, minute=30).due_ms == T_MS + HOUR_MS
    odd = said(6, Clock.RUNNING, 0, received=0, hours=9999)
    assert read(odd, minute=0).due_ms == T_MS + HOUR_MS
    in_years = Said(HeaderHash(b"y" * 32), T_MS + 20 * MINUTE_MS, Clock.PAUSED, T_MS * 2)
    assert read(BEGUN, in_years, minute=30).left_ms == 40 * MINUTE_MS


def test_what_is_told_late_counts_from_when_it_was_so() -> None:
    late = said(2, Clock.PAUSED, 20, late=25)
    assert read(BEGUN, late, minute=50) == read(BEGUN, PAUSED, minute=50)


@pytest.mark.parametrize("acts", list(permutations([BEGUN, PAUSED, RESUMED, said(4, Clock.DONE, 70)])))
def test_the_order_of_arrival_does_not_matter(acts: Sequence[Said]) -> None:
    assert read(*acts, *acts, minute=80) == read(BEGUN, PAUSED, RESUMED, said(4, Clock.DONE, 70), minute=80)


ACTS = st.lists(
    st.builds(
        said,
        st.integers(1, 255),
        st.sampled_from(Clock),
        st.integers(0, 200),
        received=st.integers(-1, 200),
        hours=st.sampled_from([0, 1, 72, 5]),
        late=st.integers(0, 30),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.hash,
)


@given(acts=ACTS, order=st.randoms(use_true_random=False), minute=st.integers(0, 400))
def test_any_order_of_any_acts_reads_alike(acts: list[Said], order: Random, minute: int) -> None:
    shuffled = list(acts)
    order.shuffle(shuffled)
    assert read(*shuffled, minute=minute) == read(*acts, minute=minute)


@given(acts=ACTS, minute=st.integers(231, 400), more=st.integers(1, 5000))
def test_time_takes_away_what_it_lasts_while_the_clock_runs_and_else_nothing(
    acts: list[Said], minute: int, more: int
) -> None:
    now, later = read(*acts, minute=minute), read(*acts, minute=minute + more)
    taken_ms = more * MINUTE_MS if now.clock is Clock.RUNNING else 0
    assert now.left_ms - later.left_ms == taken_ms
    assert later.due_ms == now.due_ms
    assert bool(now.due_ms) == (now.clock is Clock.RUNNING)


@given(acts=ACTS, minute=st.integers(0, 400))
def test_it_ran_in_each_minute_whose_last_word_says_so(acts: list[Said], minute: int) -> None:
    found = read(*acts, minute=minute)

    def runs(now_ms: int) -> bool:
        before = [one for one in acts if one.at_ms <= now_ms]
        last = max(before, key=lambda one: (one.at_ms, one.said_ms, one.hash), default=None)
        return last is None or last.clock is Clock.RUNNING

    begun = (found.received_ms - T_MS) // MINUTE_MS
    ran = sum(runs(T_MS + one * MINUTE_MS) for one in range(begun, minute))
    assert found.left_ms == (found.hours * 60 - ran) * MINUTE_MS
    assert found.hours in orders.HOURS
