"""How long what was taken back is only restricted."""

import pytest

from node.policy.cooling import DAY_MS, HOUR_MS, MASS_ITEMS, PRESSING_PER_HOUR_MAX, cooling_ms

OUTDATED, AT_RISK, COURT_ORDER, RIGHTS_REQUEST = 4, 6, 7, 8


@pytest.mark.parametrize(
    ("reason", "items", "live", "pressing", "suspended", "expected_ms"),
    [
        (OUTDATED, 1, 0, 0, False, HOUR_MS),
        (OUTDATED, MASS_ITEMS, 10_000_000, 0, False, HOUR_MS),
        (OUTDATED, MASS_ITEMS + 1, 10_000_000, 0, False, DAY_MS),
        (OUTDATED, 10, 1000, 0, False, HOUR_MS),
        (OUTDATED, 11, 1000, 0, False, DAY_MS),
        (OUTDATED, 1, 1000, 0, True, DAY_MS),
        (RIGHTS_REQUEST, 1, 1000, 0, False, HOUR_MS),
        (AT_RISK, 5000, 1000, 0, True, 0),
        (COURT_ORDER, 1, 1000, PRESSING_PER_HOUR_MAX - 1, False, 0),
        (COURT_ORDER, 1, 1000, PRESSING_PER_HOUR_MAX, False, HOUR_MS),
        (COURT_ORDER, 1, 1000, PRESSING_PER_HOUR_MAX, True, DAY_MS),
    ],
)
def test_cooling(reason: int, items: int, live: int, pressing: int, suspended: bool, expected_ms: int) -> None:
    assert cooling_ms(reason, items=items, live=live, pressing=pressing, suspended=suspended) == expected_ms
