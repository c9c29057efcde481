"""A fifth of the members flood: nobody but themselves waits for it."""

import pytest

from node.feed.header import NORMAL, URGENT
from tests.simulator.flooded import NORMAL_S_MAX, URGENT_S_MAX, FloodedWorld, worst_s


@pytest.mark.parametrize("seed", [1, 2])
def test_what_honest_members_say_reaches_all_in_time_while_a_fifth_of_all_members_floods(seed: int) -> None:
    world = FloodedWorld(seed)
    said = world.flooded()
    assert all(len(one.came_s) >= len(world.nodes) - 1 for one in said)
    assert worst_s(said, URGENT) <= URGENT_S_MAX
    assert worst_s(said, NORMAL) <= NORMAL_S_MAX
    assert world.counts["a push beyond a quota was not taken in"]
    assert world.counts["an urgent entry went in lane 1"]
