"""Quotas in the running node: what is put off arrives all the same, and what is demoted stops nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from node.exchange.exchange import Exchange
from node.protocol.effects import Asked, Stream
from node.runtime.link import SLOW
from node.v1 import header_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_budgets import AUTHORITY, DOCUMENT, PLATFORM, note, withdrawal
from tests.exchange.test_odd_order import crisis_draft
from tests.runtime.lines import Running, join
from tests.runtime.test_peering import GUARD_S, ends, letters_of, served
from tests.simulator.members import federation


@pytest.fixture(name="nodes")
async def _nodes(tmp_path: Path) -> AsyncIterator[list[Running]]:
    world, nodes = federation(25, DOCUMENT), []
    for number in (AUTHORITY, PLATFORM, 0):
        folder = tmp_path / str(number)
        folder.mkdir()
        nodes.append(Running(exchange_in(folder, world, world.members[number]), number, folder))
    yield nodes
    for node in nodes:
        await node.stop()


async def agreed(nodes: Sequence[Running]) -> None:
    """Wait until all hold the same."""
    async with asyncio.timeout(GUARD_S):
        for node in nodes:
            frames = node.peering._frames
            while node.peering.digest != nodes[0].peering.digest:
                await frames.newer(frames.version)


async def test_what_is_pushed_beyond_a_quota_is_fetched_from_whoever_pushed_it(nodes: list[Running]) -> None:
    author, middle, last = nodes
    join(author, middle)
    join(middle, last)
    async with asyncio.timeout(GUARD_S):
        while not (author.peering.connected and last.peering.connected and len(middle.peering.connected) == 2):
            await middle.peering.links.newer(middle.peering.links.version)
    for _ in range(10):
        await author.peering.publish(note(5))
    await agreed([author, middle, last])
    assert middle.writer.budgets.ignored[author.member_id] > 0
    assert author.writer.budgets.slowed > 40
    assert not any(node.peering.convicting.faults.by_rule for node in nodes)


async def test_spam_that_calls_itself_urgent_stops_no_bulk(nodes: list[Running]) -> None:
    author, platform, node = nodes
    spam, warning = letters_of(platform, *(crisis_draft() for _ in range(5))), letters_of(author, crisis_draft())
    await node.peering._intake.take(platform.member_id, spam, 0)
    assert node.writer._bulk.paused_until == 0
    await node.peering._intake.take(author.member_id, warning, 0)
    assert node.writer._bulk.paused_until > 0


async def test_spam_that_calls_itself_urgent_waits_in_the_writer_s_queue_like_the_rest(
    nodes: list[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    author, platform, node = nodes
    lanes, run = [], node.writer.run

    async def noted(operation: object, lane: int = 1) -> object:
        lanes.append(lane)
        return await run(operation, lane)  # type: ignore[arg-type]

    monkeypatch.setattr(node.writer, "run", noted)
    await node.peering._intake.take(platform.member_id, letters_of(platform, crisis_draft()), 0)
    await node.peering._intake.take(author.member_id, letters_of(author, *withdrawal(2)), 0)
    await node.peering._intake.take(author.member_id, letters_of(author, *withdrawal(1)), 0)
    assert lanes == [1, 0, 1]


async def test_copies_of_what_is_beyond_a_quota_have_their_verdict_with_the_first(
    nodes: list[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    author, other, node = nodes
    letters = letters_of(author, *note(8))
    await node.peering._intake.take(author.member_id, letters[:4], 1)
    asked: list[int] = []
    worth = Exchange.worth_checking

    def counted(
        self: Exchange, found: Sequence[header_pb2.SignedEntry], by: Asked, now_ms: int
    ) -> tuple[list[header_pb2.SignedEntry], frozenset[bytes]]:
        asked.append(len(found))
        return worth(self, found, by, now_ms)

    monkeypatch.setattr(Exchange, "worth_checking", counted)
    await asyncio.gather(
        node.peering._intake.take(author.member_id, letters[4:], 1),
        node.peering._intake.take(other.member_id, letters[4:], 1),
    )
    assert asked == [4]


async def test_a_peer_that_does_not_read_is_hung_up_on_and_counted_as_in_need_of_sync(nodes: list[Running]) -> None:
    node, peer = nodes[0], nodes[1]
    link = ends(node, peer, peer)[Stream.GOSSIP]
    task = await served(node, link)
    node.peering._outboxes[peer.member_id, Stream.GOSSIP].end(SLOW)
    await link.inbox.put(b"")  # and then it hangs up
    async with asyncio.timeout(GUARD_S):
        await task
    assert node.peering.needed_sync == 1
