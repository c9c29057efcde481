"""When it is told that something of a crisis came, and what an acknowledgement may be."""

import pytest

from node.policy import deliveries
from node.policy.deliveries import DELAY_MS, ENTRIES_MAX, EVERY_MS, KEPT_MS, SPREAD_MS
from node.v1 import record_pb2

HOUR_MS, CAME_MS = 3_600_000, 10**12


def test_members_tell_it_at_different_moments_within_seconds_and_each_in_its_turn() -> None:
    first, second = (deliveries.due_ms(CAME_MS, 0, bytes([n]) * 32) for n in (1, 2))
    assert first != second
    assert all(0 <= one - CAME_MS - DELAY_MS < SPREAD_MS for one in (first, second))
    assert deliveries.due_ms(CAME_MS, CAME_MS - 1, bytes(32)) == CAME_MS - 1 + EVERY_MS


def test_an_acknowledgement_ends_with_what_it_is_about_however_long_that_says_it_lives() -> None:
    assert deliveries.expires_ms(5000, 48, 1000) == 5000
    assert deliveries.expires_ms(1 << 60, 48, 1000) == 1000 + 48 * HOUR_MS + KEPT_MS


@pytest.mark.parametrize(
    ("entries", "stage", "whole"),
    [
        ([bytes(32)], 1, True),
        ([bytes(32)] * ENTRIES_MAX, 3, True),
        ([bytes(32)] * (ENTRIES_MAX + 1), 1, False),
        ([], 1, False),
        ([bytes(31)], 1, False),
        ([bytes(32), bytes(16)], 1, False),
        ([bytes(32)], 0, False),
        ([bytes(32)], 4, False),
    ],
)
def test_which_ones_are_whole(entries: list[bytes], stage: int, whole: bool) -> None:
    assert deliveries.is_whole(record_pb2.Acknowledgement(entries=entries, stage=stage)) is whole
