from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from node.crisis.lifecycle import Declared, State, standing

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
TIMES = st.integers(NOW_MS - 10 * HOUR_MS, NOW_MS + 10 * HOUR_MS)


def declared(*, starts_ms: int = 0, ends_ms: int = NOW_MS + HOUR_MS, obstacle: str = "") -> Declared:
    return Declared(starts_ms, ends_ms, obstacle)


def test_a_crisis_is_active_from_its_start_to_its_end_and_then_over_by_itself() -> None:
    later = declared(starts_ms=NOW_MS, ends_ms=NOW_MS + HOUR_MS)
    assert standing(later, [], NOW_MS - 1).state is State.DECLARED
    assert standing(later, [], NOW_MS).state is State.ACTIVE
    assert standing(later, [], NOW_MS + HOUR_MS - 1).state is State.ACTIVE
    assert standing(later, [], NOW_MS + HOUR_MS).state is State.EXPIRED


def test_its_owner_ends_it_earlier_and_never_later() -> None:
    ended = standing(declared(), [NOW_MS - 5], NOW_MS)
    assert (ended.state, ended.ends_ms) == (State.ENDED, NOW_MS - 5)
    late = standing(declared(ends_ms=NOW_MS - 1), [NOW_MS + HOUR_MS], NOW_MS)
    assert (late.state, late.ends_ms) == (State.EXPIRED, NOW_MS - 1)


def test_what_its_author_may_not_declare_is_shown_and_never_active() -> None:
    shown = standing(declared(obstacle="a platform may not declare"), [], NOW_MS)
    assert (shown.state, shown.reason) == (State.DECLARED, "a platform may not declare")


@given(st.lists(TIMES, max_size=4), TIMES)
def test_the_order_of_arrival_does_not_matter(ended_ms: list[int], now_ms: int) -> None:
    assert len({standing(declared(), order, now_ms) for order in permutations(ended_ms)}) <= 1


@given(TIMES, TIMES, st.lists(TIMES, max_size=3), TIMES)
def test_nothing_is_active_after_its_end(starts_ms: int, ends_ms: int, ended_ms: list[int], now_ms: int) -> None:
    found = standing(declared(starts_ms=starts_ms, ends_ms=ends_ms), ended_ms, now_ms)
    assert found.ends_ms <= ends_ms
    if found.state is State.ACTIVE:
        assert starts_ms <= now_ms < ends_ms
        assert all(now_ms < end for end in ended_ms)
