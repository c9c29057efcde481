"""Lists of our own, with everything that runs beside them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.content import hashes
from node.exchange import consult
from node.exchange.changes import REWRITTEN_AFTER_MS
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


class MovedClock(RealClock):
    """This machine's, put forward; it goes on by a second whenever it is looked at, if so wanted."""

    ahead_ms = step_ms = 0

    def now_ms(self) -> int:
        self.ahead_ms += self.step_ms
        return super().now_ms() + self.ahead_ms


@pytest.fixture(name="clock")
def _clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(name="node")
async def _node(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Lists]:
    world = federation(25, parameters.TEMPLATE.encode())
    running = Running(exchange_in(tmp_path, world, world.members[0]), 0, tmp_path, clock)
    reading = Reading(tmp_path)
    await reading.open()
    saying = Saying(running.peering, running.writer, reading, running.projecting, clock)
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


async def publish(node: Lists, count: int, **fields: object) -> tools_pb2.PublishListResponse:
    draft = tools_pb2.ListDraft(name="halle", kind="sha256", handling=GREEN, **fields)  # type: ignore[arg-type]
    async with node.staging.open() as staged:
        await staged.add(digests(0, count), "")
        await staged.settle()
        return await node.listing.publish(draft, staged)


def digests(first: int, last: int) -> tools_pb2.Values:
    return tools_pb2.Values(kind="sha256", digests=b"".join(i.to_bytes(32) for i in range(first, last)))


async def test_a_list_that_ends_just_when_what_is_left_of_it_is_written_anew_stops_nothing(
    node: Lists, clock: MovedClock
) -> None:
    ends_ms = clock.now_ms() + REWRITTEN_AFTER_MS + 60_000
    await publish(node, 100, expires_ms=ends_ms)
    async with node.staging.open() as staged:
        await staged.add(digests(0, 1), "")
        await staged.settle()
        await node.listing.remove(tools_pb2.Removal(list="halle", reason=4), staged)
    clock.ahead_ms, clock.step_ms = ends_ms - clock.now_ms() - 1500, 1000  # it ends at the second look
    assert await node.listing.rewrite_due() == 0
