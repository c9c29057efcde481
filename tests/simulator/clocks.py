"""Clocks that are off and set by as much as nobody doubts, and by no more: what has an end ends there all the same."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from node.exchange import crises, watch
from tests.simulator import readings
from tests.simulator.node import Node, ms

if TYPE_CHECKING:
    from tests.simulator.world import World

TOLERANCE_MS = watch.PEERS_MS_MAX
SKEWED = 6
LOOKS = 3
LOOKING = 2  # nodes at each
RARE = (
    "a clock was set by what nobody doubts",
    "a crisis was looked at by a clock that was off",
)


def plan(world: "World", random: Random, nodes: Sequence[Node]) -> None:
    """Which clocks are off, and are set while all goes on; and when nodes are looked at that say nothing."""
    for node in random.sample(nodes, SKEWED):
        node.clock_ahead_ms = _off_ms(random)
        if random.random() < 0.5:
            world.at(random.uniform(1, 20), partial(_set, world, node, _off_ms(random)))
    for _ in range(LOOKS):
        world.at(random.uniform(5, 25), partial(_look, world, random.sample(list(world.nodes.values()), LOOKING)))


def _off_ms(random: Random) -> int:
    return random.choice((-TOLERANCE_MS, TOLERANCE_MS, random.randint(-TOLERANCE_MS, TOLERANCE_MS)))


def _set(world: "World", node: Node, ahead_ms: int) -> None:
    if is_within(node):
        world.counts["a clock was set by what nobody doubts"] += 1
        node.clock_ahead_ms = ahead_ms


def is_within(node: Node) -> bool:
    """Whether its clock is off by no more than that."""
    return abs(node.clock_ahead_ms) <= TOLERANCE_MS


def _look(world: "World", nodes: Sequence[Node]) -> None:
    for node in nodes:
        if not node.is_up or not is_within(node):
            continue
        seen = readings.view(node.exchange, node.ms(world.now))
        for found in readings.every(node, node.ms(world.now)):
            world.crises.look(found, seen, ms(world.now))
            world.counts["a crisis was looked at by a clock that was off"] += node.clock_ahead_ms != 0


def nothing_outlives(nodes: Sequence[Node], now_ms: int) -> None:
    """C1: once its end is past by the tolerance, a crisis is in effect by the clock of no node.

    What was said of its end is what one node has of it, as all have; the time is the world's.
    """
    for found in readings.every(nodes[0], now_ms):
        if not readings.is_everywhere(nodes[0], found.record):
            continue
        over_ms = readings.latest_end_ms(found) + TOLERANCE_MS
        for node in nodes:
            assert is_within(node), "a clock that was off for more is right again"
            seen = readings.view(node.exchange, over_ms + node.clock_ahead_ms)
            other = crises.one(node.disk, seen, found.record.member_id, found.record.object_id)
            assert other is not None, "C6: a crisis is not everywhere"
            readings.ended(other, over_ms, TOLERANCE_MS)
