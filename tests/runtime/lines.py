"""Real stores, real peering and real time, joined by links in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random

from node.exchange.exchange import Exchange
from node.feed.keys import MemberId
from node.protocol.dialing import Dialing
from node.protocol.effects import Stream
from node.protocol.fetch import Fetch
from node.protocol.gossip import Gossip
from node.protocol.session import Self
from node.runtime.link import Clock
from node.runtime.peering import Peering
from node.runtime.projecting import Projecting
from node.runtime.writer import Writer
from node.store import ledger
from node.v1 import peer_pb2
from tests.simulator.members import seed


class RealClock:
    """This machine's clocks."""

    def monotonic_s(self) -> float:
        return time.monotonic()  # noqa: TID251 - as the daemon will

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000  # noqa: TID251 - as the daemon will


class MemoryLink:
    """One end of a stream; frames cross as bytes."""

    def __init__(self, peer: MemberId, stream: Stream, dialler: MemberId) -> None:
        self.peer = peer
        self.dialler = dialler
        self.stream = stream
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.other: MemoryLink

    async def frames(self) -> AsyncIterator[peer_pb2.Frame]:
        while data := await self.inbox.get():
            yield peer_pb2.Frame.FromString(data)

    async def send(self, frame: peer_pb2.Frame) -> None:
        await self.other.inbox.put(frame.SerializeToString())


class Running:
    """A node that runs."""

    def __init__(self, exchange: Exchange, number: int, folder: Path, clock: Clock | None = None) -> None:
        self.exchange, self.folder = exchange, folder
        self.member_id = exchange.reader.member_id
        me = Self(exchange.trust.federation_id, self.member_id, seed(f"node {number}")[:16], bytes(16), "test")
        clock = clock or RealClock()
        heads = ledger.heads(exchange.stores.ledger)
        random, circle = Random(number), exchange.circle(clock.now_ms())
        gossip = Gossip(me, heads, {}, circle, random, now=clock.monotonic_s(), authors=exchange.author_of)
        self.writer = Writer(exchange)
        dialing = Dialing(self.member_id, random)
        self.peering = Peering(gossip, Fetch(me, random, circle), dialing, self.writer, clock)
        self.projecting = Projecting(folder, self.writer)
        self.tasks = [asyncio.create_task(self.peering.tick()), asyncio.create_task(self.projecting.run())]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self.projecting.close()
        await self.writer.run(lambda exchange: exchange.stores.close())
        self.writer.close()


def join(one: Running, other: Running) -> None:
    """Two streams between two nodes."""
    for stream in Stream:
        here = MemoryLink(other.member_id, stream, one.member_id)
        there = MemoryLink(one.member_id, stream, one.member_id)
        here.other, there.other = there, here
        one.tasks.append(asyncio.create_task(_serve(one, here)))
        other.tasks.append(asyncio.create_task(_serve(other, there)))


async def _serve(node: Running, link: MemoryLink) -> None:
    await node.peering.serve(link)
