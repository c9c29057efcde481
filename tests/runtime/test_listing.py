"""Lists of our own, with everything that runs beside them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.content import hashes
from node.exchange import consult
from node.policy import parameters
from node.runtime.following import Following
from node.runtime.listing import Listing
from node.runtime.reading import Reading
from node.runtime.saying import Saying
from node.runtime.staging import Staging
from node.v1 import record_pb2, tools_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.runtime.lines import RealClock, Running
from tests.simulator.members import federation

GUARD_S = 30
GREEN = record_pb2.Handling(tlp=2)


@dataclass
class Lists:
    """What of a node has to do with lists."""

    running: Running
    saying: Saying
    listing: Listing
    following: Following
    staging: Staging

    async def all(self) -> list[tools_pb2.ListView]:
        """As tools see them."""
        seen = self.saying.view()
        return await self.saying.reading.run(lambda stores: consult.lists(stores, seen, "", exercises=True))


@pytest.fixture(name="node")
async def _node(tmp_path: Path) -> AsyncIterator[Lists]:
    world = federation(25, parameters.TEMPLATE.encode())
    running = Running(exchange_in(tmp_path, world, world.members[0]), 0, tmp_path)
    reading = Reading(tmp_path)
    await reading.open()
    saying = Saying(running.peering, running.writer, reading, running.projecting, RealClock())
    yield Lists(running, saying, Listing(saying, lambda count: b"r" * count), Following(saying), Staging(tmp_path))
    await reading.close()
    await running.stop()


async def test_a_publication_goes_through_where_its_caller_leaves_once_all_items_are_there(node: Lists) -> None:
    digests = b"".join(i.to_bytes(32) for i in range(20_000))
    draft = tools_pb2.ListDraft(name="halle", kind="sha256", handling=GREEN)

    async def call() -> None:
        async with node.staging.open() as staged:
            await staged.add(tools_pb2.Values(kind=hashes.SHA256.name, digests=digests), "")
            await staged.settle()
            await node.listing.publish(draft, staged)

    seen = node.saying.projecting.news.version
    task = asyncio.create_task(call())
    async with asyncio.timeout(GUARD_S):
        await node.saying.projecting.news.newer(seen)  # its head: from here on others are told
        task.cancel()
        while not (lists := await node.all()) or lists[0].items < 20_000:
            seen = await node.saying.projecting.news.newer(seen)
