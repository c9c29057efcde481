"""A member with a valid certificate that abuses the bulk stream: others get their lists and hear what is urgent."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from typing import Any

import grpc
import grpc.aio
import pytest

from node.feed import merkle, payload
from node.rpc import channel
from node.v1 import peer_pb2, peer_pb2_grpc, tools_pb2, tools_pb2_grpc
from tests.federation import GUARD_S, Node, federation
from tests.test_federation import approve, client, declare, hears, holds, in_force, in_step, publish
from tests.test_hostile import dialled, hello

LARGE = 5_000  # two records, none of which travels with its header
DECLARATIONS = 3  # beside a flood: the first may still meet an empty queue
UNKNOWN = [sha256(number.to_bytes(4)).digest() for number in range(64)]
Nodes = tuple[Node, Node, Node]


@pytest.fixture(scope="module", name="nodes")
def _nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two honest nodes that talk to each other; the third's daemon is stopped, and its keys are the hostile's."""
    with federation(tmp_path_factory.mktemp("hostile"), 3) as (one, other, hostile):
        asyncio.run(_meet(one, other, hostile))
        asyncio.run(publish(one, "large", values("large", LARGE)))
        hostile.stop()
        yield one, other, hostile


async def _meet(*nodes: Node) -> None:
    for node in nodes:
        await approve(node, *(other for other in nodes if other is not node))
    await in_force(*nodes)


class Bulk:
    """The hostile's end of a bulk stream."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def say(self, *frames: peer_pb2.Frame) -> None:
        for frame in frames:
            await self.call.write(peer_pb2.BulkRequest(frame=frame))

    async def hear(self, body: str) -> peer_pb2.Frame:
        """The next frame of this kind."""
        while True:
            response = await self.call.read()
            assert response is not grpc.aio.EOF
            if response.frame.WhichOneof("body") == body:
                found: peer_pb2.Frame = response.frame
                return found

    async def end(self) -> grpc.StatusCode:
        """Read to the end: how the stream was ended."""
        with suppress(grpc.aio.AioRpcError):
            while await self.call.read() is not grpc.aio.EOF:
                pass
        code: grpc.StatusCode = await self.call.code()
        return code


@asynccontextmanager
async def bulk(hostile: Node, victim: Node) -> AsyncIterator[Bulk]:
    """Greeted on both streams."""
    async with asyncio.timeout(GUARD_S), dialled(hostile, victim) as gossip, dialled(hostile, victim) as opened:
        talk = peer_pb2_grpc.PeerStub(gossip).Gossip()
        await talk.write(peer_pb2.GossipRequest(frame=hello(hostile)))
        await talk.read()
        found = Bulk(peer_pb2_grpc.PeerStub(opened).Bulk())
        await found.say(hello(hostile))
        await found.hear("hello")
        yield found


async def records_of(node: Node, name: str) -> list[bytes]:
    """What the list was cut into."""
    async with client(node) as opened:
        return sorted([record.entry async for record in opened.export_list(name)])


def values(name: str, count: int) -> list[bytes]:
    return [sha256(f"{name} {number}".encode()).digest() for number in range(count)]


def want(entry: bytes, first: int = 0) -> peer_pb2.Frame:
    return peer_pb2.Frame(want_payload=peer_pb2.WantPayload(entry=entry, first=first))


def have(*entries: bytes) -> peer_pb2.Frame:
    return peer_pb2.Frame(have=peer_pb2.Have(entries=entries))


def ack(entry: bytes, number: int) -> peer_pb2.Frame:
    return peer_pb2.Frame(chunk_ack=peer_pb2.ChunkAck(entry=entry, number=number))


def chunk(entry: bytes, number: int, data: bytes, path: Sequence[bytes] = ()) -> peer_pb2.Frame:
    return peer_pb2.Frame(chunk=peer_pb2.Chunk(entry=entry, number=number, data=data, path=path))


async def undisturbed(nodes: Nodes, what: str) -> None:
    await declare(nodes[0], what)
    await hears(nodes[1], what)


async def test_more_wants_than_allowed_end_the_stream(nodes: Nodes) -> None:
    one, _, hostile = nodes
    entry, *_ = await records_of(one, "large")
    async with bulk(hostile, one) as link:
        await link.say(*[want(entry)] * 80)
        assert await link.end() is grpc.StatusCode.ABORTED
    await undisturbed(nodes, "after too many wants")


async def test_acknowledgements_of_what_was_never_sent_bring_no_more_than_two_chunks_at_a_time(nodes: Nodes) -> None:
    one, _, hostile = nodes
    entry, *_ = await records_of(one, "large")
    async with bulk(hostile, one) as link:
        await link.say(*[want(entry)] * 60, *[ack(UNKNOWN[0], number) for number in range(500)])
        assert await link.end() is grpc.StatusCode.ABORTED
    await undisturbed(nodes, "after acknowledgements")


async def test_chunks_that_nobody_asked_for_are_not_kept(nodes: Nodes) -> None:
    one, _, hostile = nodes
    async with bulk(hostile, one) as link:
        for number in range(300):
            await link.say(chunk(UNKNOWN[number % 64], number, bytes(65536)))
        await link.hear("chunk_ack")
        await undisturbed(nodes, "beside chunks")


@pytest.mark.parametrize("frame", [have(*UNKNOWN), want(UNKNOWN[0])], ids=["have", "want"])
async def test_unknown_entries_in_masses_do_not_delay_what_is_urgent(nodes: Nodes, frame: peer_pb2.Frame) -> None:
    one, _, hostile = nodes
    async with bulk(hostile, one) as link:

        async def flood() -> None:
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                while True:
                    await link.say(frame)

        async def drain() -> None:
            with suppress(grpc.aio.AioRpcError):
                while await link.call.read() is not grpc.aio.EOF:
                    pass

        flooding, draining = asyncio.create_task(flood()), asyncio.create_task(drain())
        for number in range(DECLARATIONS):
            await undisturbed(nodes, f"beside a flood {frame.WhichOneof('body')} {number}")
        flooding.cancel()
        draining.cancel()


async def _late(nodes: Nodes, name: str) -> tuple[list[bytes], list[bytes]]:
    """A list that the second honest node has still to fetch: it is not running; and its records."""
    one, other, _ = nodes
    other.stop()
    listed = values(name, 2 * LARGE)
    await publish(one, name, listed)
    return listed, await records_of(one, name)


BROKEN = (grpc.aio.AioRpcError, asyncio.InvalidStateError, AssertionError, ExceptionGroup)


async def wrong(link: Bulk, _: Nodes, asked: bytes) -> None:
    await link.say(chunk(asked, 0, bytes(65536), [bytes(32)]))


async def stall(_link: Bulk, _nodes: Nodes, _asked: bytes) -> None:
    return


async def drip(link: Bulk, nodes: Nodes, asked: bytes) -> None:
    """The first chunk, and no more."""
    await link.say(await first_chunk(nodes, asked))


give = {"wrong": wrong, "stall": stall, "drip": drip}


async def first_chunk(nodes: Nodes, asked: bytes) -> peer_pb2.Frame:
    """As the owner would send it."""
    async with channel.open_to_administrator(nodes[0].config.socket) as opened:
        stub = tools_pb2_grpc.ToolsStub(opened)
        letter = (await stub.GetEntry(tools_pb2.GetEntryRequest(entry=asked))).delivery.entry
    parts = payload.chunks(letter.payload)
    path = merkle.path([merkle.leaf(part) for part in parts], 0)
    return chunk(asked, 0, parts[0], path)


@pytest.mark.parametrize("how", give)
async def test_one_that_claims_everything_and_gives_nothing_keeps_no_list_away(nodes: Nodes, how: str) -> None:
    one, other, hostile = nodes
    listed, records = await _late(nodes, how)
    asked: list[bytes] = []

    async def repeat(link: Bulk) -> None:
        while True:  # what is not wanted yet is not listened to
            await link.say(have(*records))
            await asyncio.sleep(0.01)

    async def claim() -> None:
        while True:
            with suppress(*BROKEN):
                async with bulk(hostile, other) as link, asyncio.TaskGroup() as tasks:
                    tasks.create_task(repeat(link))
                    while True:
                        asked.append((await link.hear("want_payload")).want_payload.entry)
                        await give[how](link, nodes, asked[-1])
            await asyncio.sleep(0.01)

    claiming = asyncio.create_task(claim())
    await asyncio.to_thread(other.start)
    since = asyncio.get_running_loop().time()
    await holds(other, listed)
    await in_step(one, other)
    took_s = asyncio.get_running_loop().time() - since
    print(f"{how}: asked {len(asked)} times for {len(set(asked))} of {len(records)} records, held after {took_s:.1f} s")
    claiming.cancel()
    await undisturbed(nodes, f"after {how}")
