"""A candidate's link: it is let in, and of what it brings its own identity log is taken."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.exchange import vouching
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.keys import FeedId
from node.protocol import session
from node.protocol.effects import Stream
from node.protocol.session import Self
from node.store import ledger
from node.v1 import peer_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_membership import STRANGER, letters_of
from tests.runtime.lines import MemoryLink, RealClock, Running
from tests.simulator.members import Federation, federation, own_letters

GUARD_S = 30


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25)


@pytest.fixture(name="node")
async def _node(tmp_path: Path, world: Federation) -> AsyncIterator[Running]:
    (tmp_path / "node").mkdir()
    made = Running(exchange_in(tmp_path / "node", world, world.members[0]), 0, tmp_path / "node")
    yield made
    await made.stop()


def candidate_link(node: Running) -> tuple[MemoryLink, MemoryLink]:
    """The node's end, and the candidate's."""
    here = MemoryLink(STRANGER.member_id, Stream.GOSSIP, STRANGER.member_id)
    there = MemoryLink(node.member_id, Stream.GOSSIP, STRANGER.member_id)
    here.other, there.other = there, here
    return here, there


async def serve(node: Running, link: MemoryLink) -> None:
    await node.peering.serve(link)


async def test_who_nobody_endorsed_is_not_let_in(node: Running) -> None:
    here, _ = candidate_link(node)
    async with asyncio.timeout(GUARD_S):
        assert "not a member of this federation" in await node.peering.serve(here)


async def test_of_a_candidate_its_own_log_is_taken_and_nothing_else(
    node: Running, world: Federation, tmp_path: Path
) -> None:
    now_ms = RealClock().now_ms()

    def endorse(exchange: Exchange) -> Draft:
        return vouching.endorsement(exchange.trust, exchange.reader.member_id, STRANGER.inception, now_ms)

    await node.peering.publish([await node.writer.run(endorse)])
    (tmp_path / "other").mkdir()
    other = exchange_in(tmp_path / "other", world, world.members[1])
    other.publish([Draft(61, statement=b"news of another")], now_ms)
    here, link = candidate_link(node)
    node.tasks.append(asyncio.create_task(serve(node, here)))
    federation_id = world.charter.federation_id
    me = Self(federation_id, STRANGER.member_id, bytes(16), bytes(16), "test")
    await link.send(session.hello(me, now_ms))
    brought = [*letters_of(other), *own_letters(world.charter, STRANGER)]
    await link.send(peer_pb2.Frame(entries=peer_pb2.Entries(entries=brought, lane=1)))

    def seqs(exchange: Exchange) -> list[int]:
        feeds = (FeedId(bytes(STRANGER.member_id)), STRANGER.feed_id(federation_id), other.author.feed_id)
        heads = (ledger.head(exchange.stores.ledger, feed_id) for feed_id in feeds)
        return [head.seq if head else 0 for head in heads]

    async with asyncio.timeout(GUARD_S):
        while (found := await node.writer.run(seqs))[0] == 0:
            pass
    assert found == [2, 0, 1]  # its log; not its feed, which is not known yet; nothing of the other's
    other.stores.close()
