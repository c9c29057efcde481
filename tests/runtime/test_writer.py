import asyncio
import threading
from pathlib import Path

import pytest

from node.errors import Unavailable
from node.exchange.exchange import Exchange
from node.feed.header import BULK, NORMAL, URGENT
from node.runtime.writer import News, Pauses, Writer
from node.store import ledger
from tests.exchange.test_bad_input import exchange_in
from tests.simulator.members import federation

GUARD_S = 30


@pytest.fixture(name="exchange")
def _exchange(tmp_path: Path) -> Exchange:
    world = federation(25)
    return exchange_in(tmp_path, world, world.members[0])


async def test_the_more_urgent_goes_first_and_nothing_runs_beside_another(exchange: Exchange) -> None:
    writer, order, gate = Writer(exchange), list[str](), threading.Event()

    def held_first(_: Exchange) -> None:
        gate.wait(GUARD_S)
        order.append("first")

    first = asyncio.create_task(writer.run(held_first))
    await asyncio.sleep(0)
    later = [
        asyncio.create_task(writer.run(lambda _, name=name: order.append(name), lane))  # type: ignore[misc]
        for name, lane in (("bulk", BULK), ("normal", NORMAL), ("urgent", URGENT), ("urgent too", URGENT))
    ]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, *later)
    assert order == ["first", "urgent", "urgent too", "normal", "bulk"]


async def test_an_operation_is_through_even_where_its_caller_left(exchange: Exchange) -> None:
    writer, begun, gate, done = Writer(exchange), threading.Event(), threading.Event(), threading.Event()

    def operation(_: Exchange) -> None:
        begun.set()
        gate.wait(GUARD_S)
        done.set()

    task = asyncio.create_task(writer.run(operation))
    await asyncio.to_thread(begun.wait, GUARD_S)
    task.cancel()
    waiting = asyncio.create_task(writer.run(lambda _: done.is_set()))
    gate.set()
    assert await waiting


async def test_a_caller_that_left_while_it_waited_holds_nobody_up(exchange: Exchange) -> None:
    writer, gate = Writer(exchange), threading.Event()
    first = asyncio.create_task(writer.run(lambda _: gate.wait(GUARD_S)))
    await asyncio.sleep(0)
    left = asyncio.create_task(writer.run(lambda _: None))
    await asyncio.sleep(0)
    left.cancel()
    last = asyncio.create_task(writer.run(lambda _: "last"))
    gate.set()
    async with asyncio.timeout(GUARD_S):
        assert await last == "last"
    await first


async def test_what_fails_leaves_nothing_behind_and_a_full_disk_is_called_so(exchange: Exchange) -> None:
    writer = Writer(exchange)

    def half(held: Exchange) -> None:
        ledger.write_meta(held.stores.ledger, "half", b"done")
        raise OSError(28, "No space left on device")

    with pytest.raises(Unavailable, match="No space left"):
        await writer.run(half)
    assert await writer.run(lambda held: ledger.read_meta(held.stores.ledger, "half")) is None


async def test_news_that_comes_between_look_and_wait_is_not_slept_through() -> None:
    news = News()
    seen = news.version
    news.tell()
    async with asyncio.timeout(GUARD_S):
        assert await news.newer(seen) == seen + 1


def test_bulk_waits_a_moment_for_each_urgent_entry_and_never_all_of_the_time() -> None:
    pauses = Pauses()
    pauses.pause(100.0)
    assert pauses.paused_until == pytest.approx(100.1)
    paused = 0
    for step in range(100_000):  # an urgent entry every millisecond, for a hundred seconds
        now = 200 + step / 1000
        pauses.pause(now)
        paused += now < pauses.paused_until
    assert 0.85 < paused / 100_000 <= 0.91


async def test_what_is_bulk_waits_and_what_is_not_does_not(exchange: Exchange) -> None:
    writer, order = Writer(exchange), list[str]()
    writer.pause_bulk()
    bulk = asyncio.create_task(writer.run(lambda _: order.append("bulk"), BULK))
    await asyncio.sleep(0)
    await writer.run(lambda _: order.append("normal"))
    await bulk
    assert order == ["normal", "bulk"]
