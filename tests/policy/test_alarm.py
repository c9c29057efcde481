"""Which way to wake somebody is due when, and which ones may be set."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from node.policy import alarm
from node.policy.alarm import BACK_OFF_MS, HOUR_MS, TRIES_MAX, Route, Settings, Tried

MINUTE_MS = 60_000
DESK, OFFICER, ALL = Route("desk", ("d",)), Route("officer", ("o",), after_ms=5 * MINUTE_MS), Route("all", ("a",))
SETTINGS = Settings((DESK, OFFICER))
BEGAN_MS = 1000
GONE = Tried(TRIES_MAX, BEGAN_MS + MINUTE_MS, through=False)


def due(*tried: tuple[str, Tried], settings: Settings = SETTINGS) -> list[tuple[int, int]]:
    return alarm.due_ms(settings, BEGAN_MS, dict(tried))


def test_the_first_is_tried_at_once_and_the_next_after_its_time() -> None:
    assert due() == [(0, BEGAN_MS), (1, BEGAN_MS + 5 * MINUTE_MS)]


def test_what_came_through_is_not_tried_again_and_the_next_keeps_its_time() -> None:
    assert due(("desk", Tried(1, BEGAN_MS, through=True))) == [(1, BEGAN_MS + 5 * MINUTE_MS)]


def test_one_that_fails_is_tried_again_ever_more_slowly_and_then_no_more() -> None:
    gaps = []
    for tries in range(1, TRIES_MAX):
        at_ms = dict(due(("desk", Tried(tries, BEGAN_MS, through=False))))[0]
        gaps.append(at_ms - BEGAN_MS)
    assert gaps == [BACK_OFF_MS << n for n in range(TRIES_MAX - 1)]
    assert 0 not in dict(due(("desk", GONE)))


def test_where_all_before_it_have_failed_the_next_one_does_not_wait() -> None:
    assert due(("desk", GONE)) == [(1, GONE.tried_ms)]
    three = Settings((DESK, OFFICER, Route("all", ("a",), after_ms=HOUR_MS)))
    assert due(("desk", GONE), settings=three)[-1] == (2, BEGAN_MS + HOUR_MS), "the one before it was not tried yet"
    assert due(("desk", GONE), ("officer", GONE), settings=three) == [(2, GONE.tried_ms)]
    rung = Tried(1, BEGAN_MS, through=True)
    assert due(("desk", rung), ("officer", GONE), settings=three) == [(2, BEGAN_MS + HOUR_MS)]


def test_an_hour_has_so_many_alarms_and_one_member_has_half_of_them() -> None:
    settings = Settings((DESK,), per_hour=4)
    noisy = [(b"noisy", HOUR_MS + n) for n in (1, 2)]
    assert alarm.may_begin(settings, b"noisy", noisy[:1], 2 * HOUR_MS)
    assert not alarm.may_begin(settings, b"noisy", noisy, 2 * HOUR_MS)
    assert alarm.may_begin(settings, b"other", noisy, 2 * HOUR_MS), "it is kept from nobody else"
    assert alarm.may_begin(settings, b"noisy", noisy, 2 * HOUR_MS + 1), "an hour after the first of them"
    others = [(bytes([n]), HOUR_MS + 1) for n in range(4)]
    assert not alarm.may_begin(settings, b"last", others, 2 * HOUR_MS)
    assert alarm.may_begin(Settings((DESK,), per_hour=1), b"any", [], 0)


@pytest.mark.parametrize(
    ("text", "ms"), [("0s", 0), ("30s", 30_000), ("5m", 300_000), ("1h", HOUR_MS), ("5", None), ("1d", None)]
)
def test_times(text: str, ms: int | None) -> None:
    assert alarm.duration_ms(text) == ms


@pytest.mark.parametrize(
    ("routes", "key", "near"),
    [
        ([DESK, DESK], "routes[1].name", "give each a name"),
        ([OFFICER, ALL], "routes[1].after", "before that of the route above"),
        ([Route("1")], "routes[0]", "a command or a webhook"),
        ([Route("1", ("a",), "https://a.example/")], "routes[0]", "not both"),
        ([Route("1", ("a",), secret=Path("s"))], "routes[0].secret", "only a webhook"),
        ([Route("1", ("a",), timeout_ms=0)], "routes[0].timeout", "1s and 2m"),
        ([Route("1", webhook="http://a.example/")], "routes[0].webhook", "no https://"),
        ([Route("1", webhook="http://localhost/")], "routes[0].webhook", "by its address"),
        ([Route("1", webhook="https://u:p@a.example/")], "routes[0].webhook", "without a name"),
        ([Route("1", webhook="file:///etc/passwd")], "routes[0].webhook", "no https://"),
        ([Route(str(n), ("a",)) for n in range(17)], "routes", "more than 16"),
    ],
)
def test_what_cannot_be_set_is_named(routes: Sequence[Route], key: str, near: str) -> None:
    ((found, reason),) = alarm.faults(Settings(tuple(routes)))
    assert found == key
    assert near in reason


def test_what_can_be_set() -> None:
    routes = (
        Route("1", webhook="https://a.example/x?y", secret=Path("s")),
        Route("2", webhook="http://127.0.0.1:8080/"),
        Route("3", webhook="http://[::1]/"),
        OFFICER,
    )
    assert not list(alarm.faults(Settings(routes)))
    assert routes[0].target == "a.example", "the rest of it may be a secret"
