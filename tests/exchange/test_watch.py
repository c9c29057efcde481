"""The own clock in doubt: found at the start and while the node runs, and over only by an administrator's word."""

import pytest

from node.errors import Refused
from node.exchange.exchange import Exchange
from node.exchange.signing import State
from node.exchange.watch import NOTED_EVERY_MS
from tests.exchange.test_signing import approve, published, refused, state, statement
from tests.simulator.members import BASE_MS, Federation

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


def run_until(node: Exchange, now_ms: int) -> None:
    """The node runs, and its clock is right, up to this time."""
    node.start(now_ms)
    node.look(0.0, now_ms)


def may_erase(node: Exchange) -> bool:
    return node.signing.watch.may_erase


def is_in_doubt(node: Exchange, words: str) -> None:
    assert state(node) is State.CLOCK
    assert not node.signing.watch.may_erase
    error = refused(node)
    assert words in error.reason
    assert "tocsin clock confirm" in error.next_step


@pytest.mark.parametrize("jump_ms", [HOUR_MS + MINUTE_MS, -HOUR_MS - MINUTE_MS, 365 * DAY_MS])
def test_a_jump_of_more_than_an_hour_while_the_node_runs_stops_signing_and_erasing(
    node: Exchange, jump_ms: int
) -> None:
    run_until(node, BASE_MS)
    node.look(10.0, BASE_MS + 10_000 + jump_ms)
    is_in_doubt(node, "it jumped forward" if jump_ms > 0 else "it jumped back")


@pytest.mark.parametrize("drift_ms", [0, 1000, HOUR_MS - MINUTE_MS, -HOUR_MS + MINUTE_MS])
def test_smaller_steps_and_time_that_passes_are_no_jump(node: Exchange, drift_ms: int) -> None:
    run_until(node, BASE_MS)
    node.look(90_000.0, BASE_MS + 90_000_000 + drift_ms)
    assert state(node) is State.ACTIVE
    assert node.signing.watch.may_erase
    assert published(node)


def test_a_clock_behind_the_last_run_by_more_than_a_day_is_in_doubt_and_by_less_is_not(node: Exchange) -> None:
    run_until(node, BASE_MS)
    run_until(node, BASE_MS - DAY_MS + MINUTE_MS)
    assert not node.signing.watch.suspicion
    run_until(node, BASE_MS)
    run_until(node, BASE_MS - DAY_MS - MINUTE_MS)
    is_in_doubt(node, "behind when this node ran last")


def test_a_node_that_stood_still_for_long_erases_nothing_before_its_peers_told_their_time(
    node: Exchange, world: Federation
) -> None:
    run_until(node, BASE_MS)
    approve(node, world.members[1:3])
    run_until(node, BASE_MS + 30 * DAY_MS)
    assert not may_erase(node)
    node.look(1.0, BASE_MS + 30 * DAY_MS + 1000, 2 * MINUTE_MS)
    assert may_erase(node)
    assert state(node) is State.EMBARGO, "nothing but the echoes is waited for"


@pytest.mark.parametrize("ahead_ms", [-30 * DAY_MS, -6 * MINUTE_MS, 6 * MINUTE_MS])
def test_a_node_that_stood_still_for_long_and_is_far_from_its_peers_is_in_doubt(
    node: Exchange, world: Federation, ahead_ms: int
) -> None:
    run_until(node, BASE_MS)
    approve(node, world.members[1:3])
    run_until(node, BASE_MS + 30 * DAY_MS)
    node.look(1.0, BASE_MS + 30 * DAY_MS + 1000, ahead_ms)
    is_in_doubt(node, "30 d after this node ran last")


def test_peers_alone_put_no_clock_in_doubt(node: Exchange) -> None:
    run_until(node, BASE_MS)
    node.look(1.0, BASE_MS + 1000, DAY_MS)
    assert state(node) is State.ACTIVE
    assert node.signing.watch.may_erase


def test_a_doubt_outlives_restarts_and_ends_by_the_administrators_word(node: Exchange) -> None:
    run_until(node, BASE_MS)
    late_ms = BASE_MS + 2 * HOUR_MS
    node.look(1.0, late_ms)
    for started_ms in (late_ms, BASE_MS):
        run_until(node, started_ms)
        is_in_doubt(node, "it jumped forward by 2 h")
    assert "jumped forward" in node.confirm_clock(2.0, late_ms)
    assert published(node)
    run_until(node, late_ms)
    assert state(node) is State.ACTIVE
    assert node.confirm_clock(3.0, late_ms) == ""


def test_while_the_clock_is_in_doubt_its_time_is_not_kept(node: Exchange) -> None:
    run_until(node, BASE_MS)
    noted_ms = node.signing.watch.noted_ms
    for minutes in range(1, 5):
        node.look(60.0 * minutes, BASE_MS + 10 * 365 * DAY_MS)
    assert node.signing.watch.noted_ms == noted_ms


def test_the_time_is_kept_once_a_minute_at_most(node: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    run_until(node, BASE_MS)
    commits: list[str] = []
    monkeypatch.setattr(type(node.stores), "commit", lambda _, name: commits.append(name))
    for second in range(180):
        node.look(float(second), BASE_MS + 1000 * second)
    assert len(commits) == 180_000 // NOTED_EVERY_MS - 1


def test_what_is_refused_for_the_clock_is_signed_after_it_was_confirmed(node: Exchange) -> None:
    run_until(node, BASE_MS)
    node.look(1.0, BASE_MS - 2 * HOUR_MS)
    with pytest.raises(Refused):
        node.publish([statement()], BASE_MS)
    node.confirm_clock(1.0, BASE_MS)
    assert published(node)
