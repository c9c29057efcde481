"""How single peers are dealt with: paused, limited, at fault, and where something came from."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.errors import Malformed, Unavailable
from node.exchange.exchange import Exchange
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.policy.terms import Terms
from node.protocol import session
from node.protocol.effects import Stream
from node.protocol.faults import CONVICTED_MIN
from node.runtime.limiting import PAUSED
from node.runtime.peering import REPLACED
from node.store import driver, index
from node.v1 import peer_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.runtime.lines import MemoryLink, Running, join
from tests.runtime.test_peering import GUARD_S, declaration, ends, hash_list, letters_of, served, until
from tests.simulator.members import federation

CRISES = Terms(kinds=frozenset({"crises"}))


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


async def test_a_paused_peer_is_told_so_and_is_let_in_when_it_is_resumed(nodes: list[Running]) -> None:
    node, peer = nodes[:2]
    node.peering.limiting.terms = {peer.member_id: Terms(is_paused=True)}
    link = ends(node, peer, peer)[Stream.GOSSIP]
    async with asyncio.timeout(GUARD_S):
        assert await node.peering.serve(link) == PAUSED
    assert node.peering.ended[peer.member_id] == "paused here"
    node.peering.limiting.terms = {}
    (await served(node, link)).cancel()


# ---- Kinds


async def test_of_a_peer_from_which_only_crises_are_taken_no_list_is_taken_and_its_header_is(
    nodes: list[Running],
) -> None:
    author, node, _ = nodes
    node.peering.limiting.terms = {author.member_id: CRISES}
    join(author, node)
    await author.peering.publish(hash_list())
    await author.peering.publish([declaration()])
    await until(node, Kind.DECLARATION)
    assert node.peering.digest == author.peering.digest
    assert await node.writer.run(lambda exchange: len(index.of_kinds(exchange.stores.index, [Kind.ITEMS]))) == 0


async def test_what_is_not_taken_from_one_peer_another_brings(nodes: list[Running]) -> None:
    author, node, relay = nodes
    node.peering.limiting.terms = {author.member_id: CRISES}
    join(author, node)
    join(author, relay)
    join(relay, node)
    await author.peering.publish(hash_list())
    await until(node, Kind.ITEMS)


async def test_a_small_payload_of_a_kind_that_is_not_taken_is_dropped_and_one_that_is_taken_is_not(
    nodes: list[Running],
) -> None:
    author, node, _ = nodes
    (letter,) = letters_of(author, declaration())
    for kinds, left in ((frozenset({"lists"}), False), (frozenset({"crises"}), True)):
        node.peering.limiting.terms = {author.member_id: Terms(kinds=kinds)}
        (taken,) = node.peering.limiting.taken(
            author.member_id, [letter.__deepcopy__()], node.writer.trust.federation_id
        )
        assert bool(taken.payload) is left
        assert taken.box == letter.box


# ---- Where something came from


async def source_of(node: Running, kind: Kind) -> bytes | None:
    def read(exchange: Exchange) -> bytes | None:
        found: bytes | None = driver.scalar(exchange.stores.ledger, "SELECT source FROM entry WHERE kind = ?", (kind,))
        return found

    return await node.writer.run(read)


async def test_an_entry_has_the_peer_it_came_from_until_another_offers_it_too(nodes: list[Running]) -> None:
    author, node, other = nodes
    (letter,) = letters_of(author, declaration())
    take = node.peering._intake.take
    await take(other.member_id, [letter], 0)
    await node.peering._intake.note_offers(now=True)
    assert await source_of(node, Kind.DECLARATION) == other.member_id
    await take(other.member_id, [letter], 0)
    await node.peering._intake.note_offers(now=True)
    assert await source_of(node, Kind.DECLARATION) == other.member_id
    await take(author.member_id, [letter], 0)
    await node.peering._intake.note_offers(now=True)
    assert await source_of(node, Kind.DECLARATION) is None


async def test_a_copy_that_comes_while_the_first_is_in_hand_counts_as_offered(nodes: list[Running]) -> None:
    author, node, other = nodes
    (letter,) = letters_of(author, declaration())
    take = node.peering._intake.take
    await asyncio.gather(take(other.member_id, [letter], 0), take(author.member_id, [letter], 0))
    await node.peering._intake.note_offers(now=True)
    assert await source_of(node, Kind.DECLARATION) is None


async def test_a_second_offer_of_a_record_whose_payload_is_missing_counts_too(nodes: list[Running]) -> None:
    author, node, other = nodes
    (letter,) = letters_of(author, hash_list()[0])
    letter.ClearField("payload")
    for peer in (other, author):
        await node.peering._intake.take(peer.member_id, [letter], 2)
    await node.peering._intake.note_offers(now=True)
    assert await source_of(node, Kind.ITEMS) is None


async def test_our_own_entries_have_no_source(nodes: list[Running]) -> None:
    await nodes[0].peering.publish([declaration()])
    assert await source_of(nodes[0], Kind.DECLARATION) is None


async def test_offers_are_written_down_once_in_a_while_and_without_any_nothing_is(nodes: list[Running]) -> None:
    author, node, other = nodes
    (letter,) = letters_of(author, declaration())
    for peer in (other, author):
        await node.peering._intake.take(peer.member_id, [letter], 0)
    await node.peering._intake.note_offers()  # not yet
    assert await source_of(node, Kind.DECLARATION) == other.member_id
    await node.peering._intake.note_offers(now=True)
    assert await source_of(node, Kind.DECLARATION) is None
    assert node.peering._intake._copies.take_offers() == []


async def test_who_is_about_to_be_quarantined_vouches_for_nothing_that_it_brought(nodes: list[Running]) -> None:
    node, peer, author = nodes
    join(node, peer)
    async with asyncio.timeout(GUARD_S):
        assert await node.peering.linked(peer.member_id, GUARD_S)
        while not node.peering.in_step:
            await node.peering.compare()
        feed_id = author.writer.feed_id
        assert await node.peering.held_elsewhere([feed_id], author.member_id) == {feed_id: 1}
        assert await node.peering.held_elsewhere([feed_id], peer.member_id) == {feed_id: 0}


# ---- Faults


async def test_a_peer_at_fault_is_hung_up_on_and_the_fault_is_remembered_over_its_links(nodes: list[Running]) -> None:
    node, peer = nodes[:2]
    link = ends(node, peer, peer)[Stream.GOSSIP]
    task = await served(node, link)
    await link.inbox.put(peer_pb2.Frame(digest=peer_pb2.Digest()).SerializeToString())  # before its hello
    async with asyncio.timeout(GUARD_S):
        assert "frame-place" in await task
    (fault,) = node.peering.convicting.faults.of(peer.member_id)
    assert (fault.rule, fault.times) == ("frame-place", 1)


async def test_when_most_peers_seem_at_fault_nobody_is_hung_up_on(nodes: list[Running]) -> None:
    node, peer = nodes[:2]
    strangers = [MemberId(bytes([i]) * 32) for i in range(CONVICTED_MIN - 1)]
    for stranger in strangers:
        node.peering.convict(stranger, Malformed("signature", "wrong"))
    before = node.peering.convicting.is_ours
    task = await served(node, ends(node, peer, peer)[Stream.GOSSIP])
    node.peering.convict(peer.member_id, Malformed("signature", "wrong"))
    assert (before, node.peering.convicting.is_ours) == (False, True)
    assert node.peering.hang_up(peer.member_id, "over") == 1  # it was there still
    async with asyncio.timeout(GUARD_S):
        assert await task == "over"


async def test_an_error_of_our_own_store_is_nobodys_fault(
    nodes: list[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, author = nodes[:2]
    (letter,) = letters_of(author, declaration())

    def broken(*_: object) -> None:
        raise Unavailable("the store cannot be written: disk full")

    monkeypatch.setattr(Exchange, "admit", broken)
    with pytest.raises(Unavailable):
        await node.peering._intake.take(author.member_id, [letter], 0)
    assert node.peering.convicting.faults.of(author.member_id) == []
    assert not node.peering.convicting.faults.by_rule


# ---- One link takes over from another


async def test_a_new_certificate_makes_us_dial_again_what_we_dialled_and_nothing_else(nodes: list[Running]) -> None:
    node, dialled, dialler = nodes
    serving = []
    for peer in (dialled, dialler):
        node.peering.dialing.add(0, peer.member_id)
        opener = node if peer is dialled else peer
        link = ends(node, peer, opener)[Stream.GOSSIP]
        serving.append(await served(node, link))
        await link.inbox.put(hello_of(peer))
    async with asyncio.timeout(GUARD_S):
        while len(node.peering.connected) < 2:
            await node.peering.links.newer(node.peering.links.version)
    node.peering.renew_links(1)
    assert [node.peering.dialing.is_renewal(peer.member_id) for peer in (dialled, dialler)] == [True, False]
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


def hello_of(peer: Running) -> bytes:
    return session.hello(peer.peering._gossip._me, 0).SerializeToString()


async def test_while_one_link_takes_over_from_another_nothing_is_lost_and_no_link_is_down(
    nodes: list[Running],
) -> None:
    node, peer, author = nodes
    old = ends(node, peer, node)[Stream.GOSSIP]
    first = await served(node, old)
    await old.inbox.put(hello_of(peer))
    async with asyncio.timeout(GUARD_S):
        assert await node.peering.linked(peer.member_id, GUARD_S)
        new = ends(node, peer, node)[Stream.GOSSIP]
        second = await served(node, new)
        assert node.peering.connected == [peer.member_id]  # and before the other side has said hello over the new one
        for _ in range(50):  # whatever ends with the old one has ended
            await asyncio.sleep(0)
        (letter,) = letters_of(author, declaration())
        entries = peer_pb2.Frame(entries=peer_pb2.Entries(entries=[letter], lane=0))
        await old.inbox.put(entries.SerializeToString())  # was on its way over the old one
        await until(node, Kind.DECLARATION)
        assert await first == REPLACED
        await node.peering.publish([declaration()])
        assert await said_over(new) == "entries"
        await new.inbox.put(hello_of(peer))
    assert peer.member_id not in node.peering.ended
    assert peer.member_id not in node.peering.last_end
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def said_over(link: MemoryLink) -> str | None:
    """The body of the next frame."""
    return peer_pb2.Frame.FromString(await link.other.inbox.get()).WhichOneof("body")
