import asyncio
from collections.abc import AsyncIterator

from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.runtime.link import Outbox
from node.v1 import peer_pb2

GUARD_S = 30


class Stuck:
    """A link over which nothing leaves."""

    peer = dialler = MemberId(bytes(32))
    stream = Stream.GOSSIP

    async def frames(self) -> AsyncIterator[peer_pb2.Frame]:
        await asyncio.Event().wait()
        yield peer_pb2.Frame()

    async def send(self, frame: peer_pb2.Frame) -> None:
        await asyncio.Event().wait()


async def test_a_peer_that_does_not_read_why_it_is_hung_up_on_leaves_nothing_running() -> None:
    outbox = Outbox(Stuck())
    outbox.put(peer_pb2.Frame(bye=peer_pb2.Bye(reason="why")))
    outbox.end("why")
    async with asyncio.timeout(GUARD_S):
        await outbox.drain()
    await asyncio.sleep(0)  # what was cancelled ends
    assert asyncio.all_tasks() == {asyncio.current_task()}
