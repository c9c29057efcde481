import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.exchange import project
from node.feed.kinds import Kind
from node.runtime.reading import Reading
from node.runtime.tail import Part, Tail
from node.store import arrivals, index
from node.store.arrivals import Cursor
from tests.exchange.test_bad_input import exchange_in
from tests.runtime.lines import Running
from tests.runtime.test_peering import declaration, hash_list
from tests.simulator.members import federation

GUARD_S = 30


@pytest.fixture(name="node")
async def _node(tmp_path: Path) -> AsyncIterator[Running]:
    world = federation(25)
    running = Running(exchange_in(tmp_path, world, world.members[0]), 0, tmp_path)
    yield running
    await running.stop()


@pytest.fixture(name="reading")
async def _reading(node: Running) -> AsyncIterator[Reading]:
    reading = Reading(node.folder)
    await reading.open()
    yield reading
    await reading.close()


async def start(reading: Reading) -> Cursor:
    return await reading.run(lambda stores: arrivals.last(stores.ledger, project.store_id(stores)))


async def next_of(parts: AsyncIterator[Part]) -> Part:
    async with asyncio.timeout(GUARD_S):
        return await anext(parts)


async def test_live_and_replay_are_one_path(node: Running, reading: Reading) -> None:
    tail, begin = Tail(reading, node.writer), await start(reading)
    live = tail.follow(begin, frozenset())
    assert (await next_of(live)).at_end
    waiting = asyncio.create_task(next_of(live))
    await node.peering.publish([declaration()])
    seen = [one.entry.header for one in (await waiting).deliveries]
    replayed = [one.entry.header for one in (await next_of(tail.follow(begin, frozenset()))).deliveries]
    assert seen == replayed
    assert len(seen) == 1


async def test_what_is_urgent_overtakes_a_replay(node: Running, reading: Reading) -> None:
    begin = await start(reading)
    await node.peering.publish(hash_list() * 4)
    parts = Tail(reading, node.writer).follow(begin, frozenset())
    first = await next_of(parts)
    assert len(first.deliveries) <= 8
    await node.peering.publish([declaration()])
    overtaken = (await next_of(parts)).deliveries
    assert overtaken[0].cursor.urgent > first.cursor.urgent
    assert overtaken[0].cursor.bulk == first.cursor.bulk


async def test_kinds_that_nobody_asked_for_move_the_cursor_and_are_not_sent(node: Running, reading: Reading) -> None:
    begin = await start(reading)
    await node.peering.publish([*hash_list(), declaration()])
    parts = Tail(reading, node.writer).follow(begin, frozenset({int(Kind.DECLARATION)}))
    found = [one async for one in _until_end(parts)]
    assert sum(len(part.deliveries) for part in found) == 1
    assert found[-1].cursor == await start(reading)


async def _until_end(parts: AsyncIterator[Part]) -> AsyncIterator[Part]:
    while True:
        part = await next_of(parts)
        yield part
        if part.at_end:
            return


async def test_a_reader_sees_all_four_files_and_writes_none(node: Running, reading: Reading) -> None:
    await node.peering.publish([declaration()])
    seen = node.projecting.news.version
    while not await reading.run(lambda stores: index.of_kinds(stores.index, [Kind.DECLARATION])):
        async with asyncio.timeout(GUARD_S):
            seen = await node.projecting.news.newer(seen)
    with pytest.raises(Exception, match="readonly"):
        await reading.run(lambda stores: arrivals.acknowledge(stores.ledger, "x", Cursor(b"")))
