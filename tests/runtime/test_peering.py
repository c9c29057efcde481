import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node import limits
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import BULK, URGENT
from node.feed.keys import FeedId
from node.feed.kinds import Kind
from node.protocol.effects import Serve, Stream
from node.runtime.link import CUT, HUNG_UP
from node.store import health, index, lookup
from node.v1 import header_pb2, peer_pb2, record_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.runtime.lines import MemoryLink, RealClock, Running, join
from tests.simulator.members import BASE_MS, federation

GUARD_S = 30
ENDS_MS = BASE_MS + 30 * 86_400_000
DIGESTS = [bytes([i // 256, i % 256]) * 16 for i in range(3000)]


@pytest.fixture(name="nodes")
async def _nodes(tmp_path: Path) -> AsyncIterator[list[Running]]:
    world, nodes = federation(25), []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        nodes.append(Running(exchange_in(folder, world, world.members[number]), number, folder))
    yield nodes
    for node in nodes:
        await node.stop()


def declaration() -> Draft:
    crisis = record_pb2.Crisis(framework=record_pb2.Reference(name="eu-ocrf"), title="test", ends_ms=ENDS_MS)
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.DECLARATION, object_id=b"c" * 16, crisis=crisis
    )
    return Draft(Kind.DECLARATION, URGENT, record=record.SerializeToString(), object_id=b"c" * 16, expires_ms=ENDS_MS)


def hash_list() -> list[Draft]:
    drafts = []
    rising = sorted(DIGESTS)
    for start in range(0, len(rising), limits.ITEMS_MAX):
        packed = b"".join(rising[start : start + limits.ITEMS_MAX])
        record = record_pb2.Record(
            handling=record_pb2.Handling(tlp=2),
            kind=Kind.ITEMS,
            object_id=b"l" * 16,
            items=record_pb2.Items(kind="sha256", digests=packed),
        )
        drafts.append(
            Draft(Kind.ITEMS, BULK, record=record.SerializeToString(), object_id=b"l" * 16, expires_ms=ENDS_MS)
        )
    return drafts


async def until(node: Running, kind: Kind, count: int = 1) -> None:
    """Wait until so many records of the kind can be read there."""

    def held(exchange: Exchange) -> int:
        return len(index.of_kinds(exchange.stores.index, [kind]))

    async with asyncio.timeout(GUARD_S):
        while True:
            seen = node.projecting.news.version
            if await node.writer.run(held) >= count:
                return
            await node.projecting.news.newer(seen)


async def test_three_nodes_in_a_line_relay(nodes: list[Running]) -> None:
    first, middle, last = nodes
    join(first, middle)
    join(middle, last)
    await first.peering.publish([declaration()])
    await until(last, Kind.DECLARATION)
    await until(middle, Kind.DECLARATION)


async def test_a_list_travels_over_bulk_and_every_digest_is_found_at_the_end(nodes: list[Running]) -> None:
    first, middle, last = nodes
    join(first, middle)
    join(middle, last)
    await first.peering.publish(hash_list())
    await until(last, Kind.ITEMS)
    packed = b"".join(DIGESTS[:100])
    found = await last.writer.run(lambda exchange: lookup.find(exchange.stores.digests, 3, 32, packed))
    assert [one.asked for one in found] == list(range(100))
    wants = await last.writer.run(lambda exchange: health.missing(exchange.stores.ledger, 0).count)
    assert wants == 0


async def test_a_node_that_was_off_catches_up(nodes: list[Running]) -> None:
    first, middle, _ = nodes
    await first.peering.publish([declaration()])
    await first.peering.publish(hash_list())
    join(first, middle)
    await until(middle, Kind.DECLARATION)
    await until(middle, Kind.ITEMS)
    assert middle.peering.digest == first.peering.digest


async def test_the_longer_way_round_and_back_agrees(nodes: list[Running]) -> None:
    first, middle, last = nodes
    join(first, middle)
    join(middle, last)
    join(last, first)
    for node in nodes:
        await node.peering.publish([declaration()])
    for node in nodes:
        await until(node, Kind.DECLARATION, 3)
    assert len({node.peering.digest for node in nodes}) == 1


def letters_of(node: Running, *drafts: Draft) -> list[header_pb2.SignedEntry]:
    """What the node would send of its own."""
    admitted = node.exchange.publish(drafts, RealClock().now_ms())
    return [
        header_pb2.SignedEntry(header=one.header.body, signature=one.entry.signature, box=one.box, payload=one.payload)
        for one in admitted.entries
    ]


@pytest.mark.parametrize("wrong", ["box", "payload"])
async def test_a_copy_that_is_not_whole_keeps_no_whole_one_out(nodes: list[Running], wrong: str) -> None:
    author, node, _ = nodes
    (letter,) = letters_of(author, declaration())
    part = header_pb2.SignedEntry()
    part.CopyFrom(letter)
    part.ClearField(wrong)  # type: ignore[arg-type]
    await node.peering._intake.take(author.member_id, [part], 0)
    await node.peering._intake.take(author.member_id, [letter], 0)
    await until(node, Kind.DECLARATION)


async def test_a_copy_that_came_while_a_forged_one_was_in_hand_is_taken_after_it(nodes: list[Running]) -> None:
    author, node, other = nodes
    (letter,) = letters_of(author, declaration())
    forged = header_pb2.SignedEntry()
    forged.CopyFrom(letter)
    forged.payload = bytes(len(letter.payload))
    await asyncio.gather(
        node.peering._intake.take(other.member_id, [forged], 0),
        node.peering._intake.take(author.member_id, [letter], 0),
    )
    await until(node, Kind.DECLARATION)


class Stuck(MemoryLink):
    """A link over which nothing leaves; what the peer said before still comes."""

    async def send(self, frame: peer_pb2.Frame) -> None:
        await asyncio.Event().wait()


async def test_what_still_comes_over_a_link_that_was_replaced_is_not_held_against_the_newer_one(
    nodes: list[Running],
) -> None:
    node, peer = nodes[0], nodes[1].member_id
    old, new = Stuck(peer, Stream.GOSSIP, peer), MemoryLink(peer, Stream.GOSSIP, peer)
    new.other = MemoryLink(node.member_id, Stream.GOSSIP, peer)
    first = asyncio.create_task(node.peering.serve(old))
    await asyncio.sleep(0)
    second = asyncio.create_task(node.peering.serve(new))
    async with asyncio.timeout(GUARD_S):
        await new.other.inbox.get()  # its hello
        await old.inbox.put(peer_pb2.Frame(digest=peer_pb2.Digest(hash=bytes(32))).SerializeToString())
        await first
    assert not second.done()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_a_want_has_no_forks_looked_for(nodes: list[Running], monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []

    def tell_forks(_: Exchange, **asked: object) -> list[peer_pb2.Frame]:
        looked.append(asked["voices"])
        return []

    monkeypatch.setattr(Exchange, "tell_forks", tell_forks)
    node, peer = nodes[0], nodes[1].member_id
    for wanted in (Serve(peer, peer_pb2.Want()), Serve(peer, peer_pb2.Want(entries=[bytes(32)]))):
        await node.peering._answering.answer(wanted)
    assert looked == []
    await node.peering._answering.answer(Serve(peer, peer_pb2.Want(), voices=True))
    await node.peering._answering.answer(Serve(peer, peer_pb2.Want(), (FeedId(bytes(32)),)))
    assert looked == [True, False]


def ends(node: Running, peer: Running, dialler: Running) -> dict[Stream, MemoryLink]:
    """Both streams of a call, as the node has them."""
    links = {stream: MemoryLink(peer.member_id, stream, dialler.member_id) for stream in Stream}
    for stream, link in links.items():
        link.other = MemoryLink(node.member_id, stream, dialler.member_id)
    return links


async def served(node: Running, link: MemoryLink) -> asyncio.Task[str]:
    """Once it has said hello."""
    task = asyncio.create_task(node.peering.serve(link))
    async with asyncio.timeout(GUARD_S):
        await link.other.inbox.get()
    return task


async def test_a_call_that_ends_leaves_the_link_alone_that_took_the_place_of_its_other_half(
    nodes: list[Running],
) -> None:
    small, large = sorted(nodes[:2], key=lambda one: one.member_id)
    ours, theirs = ends(large, small, large), ends(large, small, small)
    bulk = await served(large, ours[Stream.BULK])
    gossip = await served(large, ours[Stream.GOSSIP])
    newer = await served(large, theirs[Stream.GOSSIP])
    async with asyncio.timeout(GUARD_S):
        await gossip
        bulk.cancel()
        await asyncio.gather(bulk, return_exceptions=True)
    assert large.peering.hang_up(small.member_id, "over") == 1
    async with asyncio.timeout(GUARD_S):
        assert await newer == "over"


async def test_a_link_that_the_transport_ends_was_cut_and_one_that_the_peer_ends_was_hung_up(
    nodes: list[Running],
) -> None:
    node, peer = nodes[:2]
    for cut, reason in ((True, CUT), (False, HUNG_UP)):
        link = ends(node, peer, peer)[Stream.GOSSIP]
        task = await served(node, link)
        if cut:
            task.cancel()
        else:
            await link.inbox.put(b"")
        async with asyncio.timeout(GUARD_S):
            await asyncio.gather(task, return_exceptions=True)
        assert node.peering.ended[peer.member_id] == reason
