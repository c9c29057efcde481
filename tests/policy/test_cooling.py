"""How long what was taken back is only restricted."""

import pytest

from node.policy.cooling import (
    DAY_MS,
    HOUR_MS,
    MASS_ITEMS,
    PRESSING_ITEMS_MAX,
    PRESSING_PER_HOUR_MAX,
    begun_ms,
    cooling_ms,
)

OUTDATED, AT_RISK, COURT_ORDER, RIGHTS_REQUEST = 4, 6, 7, 8


@pytest.mark.parametrize(
    ("reason", "own", "items", "live", "pressing", "suspended", "expected_ms"),
    [
        (OUTDATED, 1, 1, 0, 0, False, HOUR_MS),
        (OUTDATED, 1, MASS_ITEMS, 10_000_000, 0, False, HOUR_MS),
        (OUTDATED, 1, MASS_ITEMS + 1, 10_000_000, 0, False, DAY_MS),
        (OUTDATED, 1, 10, 1000, 0, False, HOUR_MS),
        (OUTDATED, 1, 11, 1000, 0, False, DAY_MS),
        (OUTDATED, 1, 1, 1000, 0, True, DAY_MS),
        (RIGHTS_REQUEST, 1, 1, 1000, 0, False, HOUR_MS),
        (AT_RISK, 1, 5000, 1000, 0, True, 0),
        (AT_RISK, PRESSING_ITEMS_MAX, 100, 100_000, 0, False, 0),
        (AT_RISK, PRESSING_ITEMS_MAX + 1, 101, 100_000, 0, False, HOUR_MS),
        (COURT_ORDER, 6000, 6000, 6000, 0, False, DAY_MS),
        (COURT_ORDER, 1, 1, 1000, PRESSING_PER_HOUR_MAX - 1, False, 0),
        (COURT_ORDER, 1, 1, 1000, PRESSING_PER_HOUR_MAX, False, HOUR_MS),
        (COURT_ORDER, 1, 1, 1000, PRESSING_PER_HOUR_MAX, True, DAY_MS),
    ],
)
def test_cooling(
    reason: int, own: int, items: int, live: int, pressing: int, suspended: bool, expected_ms: int
) -> None:
    assert cooling_ms(reason, own=own, items=items, live=live, pressing=pressing, suspended=suspended) == expected_ms


@pytest.mark.parametrize(
    ("reason", "received_ms", "created_ms", "expected_ms"),
    [
        (OUTDATED, 5 * DAY_MS, 0, 5 * DAY_MS),
        (OUTDATED, 0, 14 * HOUR_MS, 14 * HOUR_MS),
        (AT_RISK, 0, 14 * HOUR_MS, 0),
    ],
    ids=["it was long on its way", "the clock here was behind", "it presses"],
)
def test_what_was_taken_back_cools_from_when_it_came_or_was_said(
    reason: int, received_ms: int, created_ms: int, expected_ms: int
) -> None:
    assert begun_ms(reason, received_ms, created_ms) == expected_ms
