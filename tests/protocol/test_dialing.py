from random import Random

from node.feed.keys import MemberId
from node.protocol.dialing import (
    COURTESY_S,
    DIALS_PER_S_MAX,
    RETRY_S_MAX,
    RETRY_S_MIN,
    STEADY_S,
    Dialing,
)

ME, SMALLER, LARGER = (MemberId(letter * 32) for letter in (b"m", b"a", b"z"))


def test_of_two_that_can_dial_each_other_the_smaller_id_dials_first() -> None:
    dialing = Dialing(ME, Random(1))
    dialing.add(100, LARGER)
    dialing.add(100, SMALLER)
    assert dialing.due(100) == [LARGER]
    assert dialing.wake_at == 100 + COURTESY_S
    assert dialing.due(100 + COURTESY_S) == [SMALLER]


def test_nobody_is_dialled_twice_at_a_time() -> None:
    dialing = Dialing(ME, Random(1))
    dialing.add(0, LARGER)
    assert dialing.due(0) == [LARGER]
    assert dialing.due(1000) == []
    dialing.add(1000, LARGER)
    assert dialing.due(1000) == []


def test_a_peer_that_does_not_answer_is_tried_more_and_more_rarely_and_never_given_up() -> None:
    dialing, now = Dialing(ME, Random(1)), 0.0
    dialing.add(now, LARGER)
    waits = []
    for _ in range(200):
        assert dialing.due(now) == [LARGER]
        dialing.link_down(now, LARGER)
        waits.append(dialing.next_at(LARGER) - now)
        now = max(dialing.next_at(LARGER), now + 0.2)
    assert waits[0] <= RETRY_S_MIN
    late = sorted(waits[20:])
    assert late[-1] <= RETRY_S_MAX
    # Anywhere between at once and the longest: those that were cut off together do not come back together.
    assert late[18] < RETRY_S_MAX / 4
    assert late[-18] > RETRY_S_MAX * 3 / 4


def test_a_link_that_stood_is_dialled_again_soon_whoever_opened_it() -> None:
    dialing = Dialing(ME, Random(1))
    dialing.add(0, SMALLER)
    dialing.link_up(0, SMALLER)
    assert dialing.due(1000) == []
    dialing.link_down(1000, SMALLER)
    assert dialing.wake_at < 1001
    dialing.drop(SMALLER)
    assert dialing.due(2000) == []


def test_somebody_in_a_hurry_waits_for_no_retry_and_makes_no_second_call() -> None:
    dialing = Dialing(ME, Random(1))
    dialing.add(0, LARGER)
    assert dialing.due(0) == [LARGER]
    dialing.hurry(1, LARGER)
    assert dialing.due(1) == []  # a call is under way
    for _ in range(9):
        dialing.link_down(1, LARGER)
        assert dialing.due(1000) == [LARGER]
    dialing.link_down(1000, LARGER)
    assert dialing.due(1000) == []
    dialing.hurry(1000, LARGER)
    dialing.hurry(1000, SMALLER)  # whom nobody knows here
    assert dialing.due(1000) == [LARGER]


def test_a_link_that_ends_as_soon_as_it_stands_is_tried_more_and_more_rarely() -> None:
    dialing, now, calls = Dialing(ME, Random(1)), 0.0, 0
    dialing.add(now, LARGER)
    while now < 60:
        assert dialing.due(now) == [LARGER]
        calls += 1
        dialing.link_up(now + 0.01, LARGER)
        dialing.link_down(now + 0.02, LARGER)
        now = dialing.wake_at
    assert calls <= 15
    now = max(now, 60)
    dialing.due(now)
    dialing.link_up(now, LARGER)
    dialing.link_up(now + STEADY_S - 1, LARGER)  # a second look at what stands already
    dialing.link_down(now + STEADY_S, LARGER)
    assert dialing.wake_at < now + STEADY_S + 0.3


def test_of_very_many_that_are_due_at_once_ten_are_dialled_a_second_and_nobody_is_left_out() -> None:
    dialing, now, dialled = Dialing(ME, Random(1)), 100.0, list[MemberId]()
    peers = [MemberId(b"n" + bytes([i]) * 31) for i in range(45)]
    for peer in peers:
        dialing.add(now, peer)
    while len(dialled) < len(peers):
        named = dialing.due(now)
        assert len(named) <= DIALS_PER_S_MAX
        dialled += named
        assert dialing.due(now) == []
        now = dialing.wake_at
    assert sorted(dialled) == peers
    assert now >= 104.0


def test_a_link_that_is_to_be_renewed_is_dialled_beside_until_another_stands() -> None:
    dialing = Dialing(ME, Random(1))
    dialing.add(0, LARGER)
    dialing.due(0)
    dialing.link_up(0, LARGER)
    dialing.renew(50, LARGER, 10)
    assert dialing.next_at(LARGER) <= 60
    assert dialing.due(60) == [LARGER]
    dialing.link_down(60, LARGER)  # that call failed: another
    assert dialing.is_renewal(LARGER)
    assert dialing.due(61) == [LARGER]
    dialing.link_up(61, LARGER)
    assert not dialing.is_renewal(LARGER)
    dialing.renew(70, SMALLER, 10)  # whom nobody dials here
    assert not dialing.is_renewal(SMALLER)
