"""Members that say far more than their quota, much of it in lane 0."""

from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from node.errors import Refused
from node.exchange.publish import Draft
from node.feed.header import NORMAL, URGENT
from node.feed.kinds import Kind
from node.v1 import header_pb2
from tests.rules import PLAIN
from tests.simulator.node import Node

if TYPE_CHECKING:
    from tests.simulator.world import World

# Quotas so low that little is a flood; who may declare stands there as well.
DOCUMENT = (
    PLAIN.replace("\nheaders_burst = 200", "\nheaders_burst = 30")
    .replace("publisher_headers_burst = 4096", "publisher_headers_burst = 30")
    .encode()
)
FLOODERS, FRAMES, ENTRIES = 2, 4, 25
FLOOD_S = 10.0


def plan(world: "World") -> None:
    """The hook: some members flood, a frame at a time."""
    for author in world.random.sample(list(world.nodes.values())[:-1], FLOODERS):
        for _ in range(FRAMES):
            world.at(world.random.uniform(0.5, FLOOD_S), lambda node=author: _flood(world, node))  # type: ignore[misc]


def _flood(world: "World", node: Node) -> None:
    with suppress(Refused):  # it may have been struck itself
        if node.is_up and world.do(node, lambda: node.publish(world.now, drafts(world.random, ENTRIES, 5))):
            world.counts["fault: flood"] += 1


def drafts(random: Random, count: int, urgent: int) -> Sequence[Draft]:
    """Statements about nothing, some of which ask for lane 0."""
    receipts = [header_pb2.Receipt(entry=random.randbytes(32)).SerializeToString() for _ in range(count - urgent)]
    withdraw = header_pb2.Withdraw(reason=1).SerializeToString()
    return [
        *(Draft(Kind.RECEIPT, NORMAL, receipt) for receipt in receipts),
        *(Draft(Kind.WITHDRAW, URGENT, withdraw, object_id=random.randbytes(16)) for _ in range(urgent)),
    ]
