"""Which step a list has reached on a node, as the node itself shows it; nothing but asking tells."""

import asyncio
from dataclasses import dataclass, field

from node import limits
from node.client import Client
from node.content import items
from node.content.hashes import QUALITY_UNKNOWN, SHA256
from node.v1 import tools_pb2
from tests.bench import nodes
from tests.bench.results import Stopwatch

RECORD_ITEMS = len(next(items.cut((bytes(SHA256.digest_bytes), QUALITY_UNKNOWN) for _ in range(limits.ITEMS_MAX))))


@dataclass(slots=True)
class Steps:
    """Seconds until each. What follows may begin before what precedes is over."""

    announced_s: float = field(default=0.0)  # on its own node: sorted, compared, and its head is shown
    held_s: float = field(default=0.0)  # on its own node: all is sealed and signed; elsewhere: all is fetched
    found_s: float = field(default=0.0)  # look-ups find every item


async def watch(client: Client, count: int, since: Stopwatch, pause_s: float = nodes.LOOK_AGAIN_S) -> Steps:
    """Look until look-ups on this node find every item of its only list."""
    reached = Steps()
    while not reached.found_s:
        for view in await client.lists():
            _note(reached, view, count, since.elapsed_s)
        await asyncio.sleep(pause_s)
    return reached


def _note(reached: Steps, view: tools_pb2.ListView, count: int, elapsed_s: float) -> None:
    records = -(-count // RECORD_ITEMS)
    if view.list.items == count:
        reached.announced_s = reached.announced_s or elapsed_s
    if view.records + view.unprojected >= records and not view.missing:
        reached.held_s = reached.held_s or elapsed_s
    if view.items == count:
        reached.found_s = elapsed_s
