"""Projecting beside erasing: nothing is brought into the index that is on its way out."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from node.exchange import project
from node.exchange.exchange import Exchange
from node.feed.header import BULK, URGENT
from node.runtime.projecting import Projecting
from node.runtime.writer import Writer
from node.store import deadlines, digests, driver, index, payloads, stores
from node.store.erasures import Erasure, Reason
from node.store.stores import Stores
from tests.exchange.conftest import node_in
from tests.exchange.test_erase import digests_draft
from tests.exchange.test_keeping import BY_CRISIS, DAY_MS, crisis_draft, items_draft, opinion_draft
from tests.exchange.test_odd_order import hash_of, said, take
from tests.simulator.members import BASE_MS, Federation, federation

GUARD_S = 30.0


@pytest.fixture(name="world", scope="module")
def _world() -> Federation:
    return federation(25)


@pytest.fixture(name="author")
def _author(tmp_path: Path, world: Federation) -> Exchange:
    return node_in(tmp_path / "author", world, 1)


@pytest.fixture(name="node")
def _node(tmp_path: Path, world: Federation) -> Iterator[Exchange]:
    made = node_in(tmp_path / "node", world, 0)
    yield made
    made.stores.close()


@asynccontextmanager
async def projecting(node: Exchange, folder: Path) -> AsyncIterator[tuple[Writer, Projecting]]:
    writer = Writer(node)
    made = Projecting(folder, writer)
    running = asyncio.create_task(made.run())
    try:
        yield writer, made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await made.close()
        await writer.run(lambda _: None)
        writer.close()


@pytest.mark.parametrize("urgency", [BULK, URGENT])
async def test_what_is_erased_while_it_is_half_written_leaves_the_index_when_it_is_whole(
    tmp_path: Path, node: Exchange, author: Exchange, urgency: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_write = asyncio.Event(), asyncio.Event()

    async def held_up() -> None:
        if not begun.is_set():
            begun.set()
            await may_write.wait()

    (letter,) = said(author, digests_draft(urgency=urgency))
    take(node, [letter])
    hash_ = hash_of(node, letter)
    found = [Erasure(hash_, BASE_MS, Reason.WITHDRAWAL)]
    async with projecting(node, tmp_path / "node") as (writer, made):
        monkeypatch.setattr(writer, "bulk_turn", held_up)  # between its row and its digests
        writer.arrived()
        async with asyncio.timeout(GUARD_S):
            await begun.wait()
            await writer.run(lambda exchange: exchange.begin_erasing(found))
            dropping = asyncio.create_task(made.drop([hash_]))
            await asyncio.sleep(0.1)
            may_write.set()
            await dropping
        await writer.run(lambda exchange: exchange.finish_erasing(found))
    assert payloads.lane(node.stores.ledger, hash_) == urgency
    assert index.number(node.stores.index, hash_) is None
    assert list(digests.places(node.stores.digests)) == []


async def test_what_is_set_aside_waits_for_bulk_and_nothing_urgent_does_meanwhile(
    tmp_path: Path, node: Exchange
) -> None:
    async with projecting(node, tmp_path / "node") as (_, made), asyncio.timeout(GUARD_S):
        urgent, bulk = made._lanes[True], made._lanes[False]
        async with bulk:
            aside = asyncio.create_task(made.set_aside([]))
            await asyncio.sleep(0)
            assert not urgent.locked()
        await aside


async def test_what_is_let_go_takes_no_opinion_about_it_along(tmp_path: Path, node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    (letter,) = said(author, items_draft())
    item = hash_of(node, letter)
    take(node, [letter, *said(author, opinion_draft(item))])
    while node.project():
        pass
    async with projecting(node, tmp_path / "node") as (_, made):
        await made.drop([item])
    while node.project():
        pass
    assert [one.due_ms for one in deadlines.every(node.stores.index).values()] == [BASE_MS + 90 * DAY_MS]


async def test_what_is_urgent_is_shown_while_another_thread_reads_what_it_erases(
    tmp_path: Path, node: Exchange, author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a connection that both use, it would see what was there when the other began to read, and then wait."""
    reads, may_go_on = threading.Event(), threading.Event()

    def read_on(held: Stores, *_: object) -> None:
        cursor = driver.execute(held.ledger, "SELECT hash FROM entry")
        assert cursor.fetchone()
        reads.set()
        may_go_on.wait(GUARD_S)
        cursor.close()

    (letter,) = said(author, digests_draft())
    take(node, [letter])
    (urgent,) = said(author, replace(crisis_draft(), urgency=URGENT))
    monkeypatch.setattr(project, "thin", read_on)
    opened = stores.open_to_read(tmp_path / "node")
    async with projecting(node, tmp_path / "node") as (writer, made), asyncio.timeout(GUARD_S):
        thinning = asyncio.create_task(made.thin([(hash_of(node, letter), b"\1")]))
        await asyncio.to_thread(reads.wait, GUARD_S)
        await writer.run(lambda exchange: take(exchange, [urgent]))
        seen = made.news.version
        writer.arrived()
        try:
            while not index.is_shown(opened.index, hash_of(node, urgent)):
                seen = await made.news.newer(seen)
        finally:
            may_go_on.set()
        await thinning
    opened.close()
