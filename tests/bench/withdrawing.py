"""From the word that an item is taken back until no online node of five finds it any more."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from node.client import Client
from node.content.hashes import SHA256
from node.exchange.drafts import OUTDATED
from node.v1 import tools_pb2
from tests.bench import lists, nodes
from tests.bench.results import Measure, Reference, Stopwatch, percentile
from tests.federation import Node, federation

NODES = 5
NAME = "bench"
PAUSE_S = 0.15  # between two withdrawals, so that one is over before the next
AIMS = {50: "", 99: "under 1,000 ms"}


def measure(folder: Path, count: int, digest_count: int) -> list[Measure]:
    """``count`` withdrawals out of a list of so many items."""
    values = lists.digests(digest_count)
    with federation(folder, NODES) as started:
        found_s, asked_s = asyncio.run(_withdraw(started, values, values[:: max(digest_count // count, 1)][:count]))
    name = f"one of {digest_count:,} SHA-256 withdrawn, until found on none of {NODES} nodes"
    return [
        Measure(
            f"{name}, p{percent} of {len(found_s)}",
            percentile(found_s, percent) * 1000,
            "ms",
            aim,
            Reference(percentile(asked_s, percent) * 1000, "a look-up on all of them"),
        )
        for percent, aim in AIMS.items()
    ]


async def _withdraw(
    started: Sequence[Node], values: Sequence[bytes], gone: Sequence[bytes]
) -> tuple[list[float], list[float]]:
    async with nodes.acquainted(started) as clients:
        answer = await clients[0].publish_list(lists.draft(NAME), values)
        for client in clients:
            await lists.shown(client, answer.list.object_id, len(values))
        asked_s = [await _asked(clients, value) for value in gone]
        found_s = []
        for value in gone:
            found_s.append(await _once(clients, value))
            await asyncio.sleep(PAUSE_S)
        return found_s, asked_s


async def _asked(clients: Sequence[Client], value: bytes) -> float:
    watch = Stopwatch()
    found = await asyncio.gather(*(client.look_up(SHA256.name, [value]) for client in clients))
    if not all(found):
        raise RuntimeError("an item that was shown is not found")
    return watch.elapsed_s


async def _once(clients: Sequence[Client], value: bytes) -> float:
    """How long it took in seconds."""
    watch = Stopwatch()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            clients[0].remove_items(tools_pb2.Removal(list=NAME, kind=SHA256.name, reason=OUTDATED), [value])
        )
        left = [tasks.create_task(_until_gone(client, value, watch)) for client in clients]
    return max(one.result() for one in left)


async def _until_gone(client: Client, value: bytes, watch: Stopwatch) -> float:
    while await client.look_up(SHA256.name, [value]):  # noqa: ASYNC110 - nothing but asking tells
        await asyncio.sleep(nodes.LOOK_AGAIN_S)
    return watch.elapsed_s
