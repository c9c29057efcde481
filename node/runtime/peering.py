"""Peering: links in, frames to the machines, effects out. One of the two matches over effects."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from node import limits
from node.errors import PeerFault
from node.exchange.admission import Admitted
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.verified import Checked
from node.feed.header import HISTORY
from node.feed.keys import HeaderHash, MemberId
from node.protocol.effects import Effect, Hangup, Ingest, Keep, Send, Serve, ServeChunk, Stream
from node.protocol.fetch import Fetch, Wanted
from node.protocol.gossip import Gossip, Growth
from node.runtime import growth
from node.runtime.writer import Writer
from node.v1 import header_pb2, peer_pb2


class Clock(Protocol):
    """The two clocks: one for timers, one for dates."""

    def monotonic_s(self) -> float:
        """Never goes back."""
        ...

    def now_ms(self) -> int:
        """Milliseconds since 1970, as this machine believes."""
        ...


class Link(Protocol):
    """One stream to one peer, accepted or dialled: both look the same."""

    peer: MemberId
    stream: Stream

    def frames(self) -> AsyncIterator[peer_pb2.Frame]:
        """What the peer says, until it hangs up."""
        ...

    async def send(self, frame: peer_pb2.Frame) -> None:
        """Say something; waits while the transport is full."""
        ...


class _Outbox:
    """What one link still has to send. Bounded: a peer that does not read is hung up on."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.queue: asyncio.Queue[peer_pb2.Frame] = asyncio.Queue(limits.OUTBOX_FRAMES_MAX)
        self.bytes = 0
        self.ended = asyncio.Event()
        self.reason = ""

    def put(self, frame: peer_pb2.Frame) -> None:
        size = frame.ByteSize()
        if self.queue.full() or self.bytes + size > limits.OUTBOX_BYTES_MAX:
            self.end("reads too slowly")
            return
        self.bytes += size
        self.queue.put_nowait(frame)

    def end(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.ended.set()

    async def drain(self) -> None:
        while True:
            frame = await self.queue.get()
            await self.link.send(frame)
            self.bytes -= frame.ByteSize()


class Peering:
    """All links of one node. Owned by the event loop; the machines are called from nowhere else."""

    def __init__(self, gossip: Gossip, fetch: Fetch, writer: Writer, clock: Clock) -> None:
        self._gossip, self._fetch = gossip, fetch
        self._writer, self._clock = writer, clock
        self._outboxes: dict[tuple[MemberId, Stream], _Outbox] = {}
        self._moved = asyncio.Event()

    @property
    def digest(self) -> bytes:
        """The hash over all heads: equal on nodes that hold the same."""
        return self._gossip.digest

    @property
    def connected(self) -> list[MemberId]:
        """Peers that said hello."""
        return self._gossip.ready()

    async def serve(self, link: Link) -> str:
        """Run one link to its end; why it ended, empty when the peer hung up."""
        outbox = _Outbox(link)
        place = (link.peer, link.stream)
        if place in self._outboxes:
            self._outboxes[place].end("replaced by a newer link")
        self._outboxes[place] = outbox
        machine = self._machine(link.stream)
        tasks = [
            asyncio.create_task(self._listen(link)),
            asyncio.create_task(outbox.drain()),
            asyncio.create_task(outbox.ended.wait()),
        ]
        try:
            await self._apply(machine.link_up(self._clock.monotonic_s(), link.peer, self._clock.now_ms()))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._outboxes.get(place) is outbox:
                del self._outboxes[place]
                await self._apply(machine.link_down(self._clock.monotonic_s(), link.peer))
        return outbox.reason

    async def publish(self, drafts: Sequence[Draft]) -> Admitted:
        """Say something of our own; durable here when it returns, and on its way."""
        now_ms = self._clock.now_ms()

        def publish_all(exchange: Exchange) -> tuple[Admitted, Growth]:
            admitted = exchange.publish(drafts, now_ms)
            return admitted, growth.published(exchange, admitted)

        admitted, news = await self._writer.run(publish_all)
        self._writer.arrived()
        await self._grown(news)
        return admitted

    async def tick(self) -> None:
        """Wake the machines when they asked for it, for ever."""
        await self._refresh_wants()
        while True:
            wake_at = min(self._gossip.wake_at, self._fetch.wake_at)
            self._moved.clear()
            try:
                async with asyncio.timeout(max(wake_at - self._clock.monotonic_s(), 0)):
                    await self._moved.wait()
            except TimeoutError:
                now, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
                if await self._writer.run(lambda exchange, now_ms=now_ms: exchange.mature(now_ms)):  # type: ignore[misc]
                    self._writer.arrived()
                await self._apply([*self._gossip.wakeup(now), *self._fetch.wakeup(now)])

    # ---- Effects

    def _machine(self, stream: Stream) -> Gossip | Fetch:
        return self._gossip if stream is Stream.GOSSIP else self._fetch

    async def _listen(self, link: Link) -> None:
        machine = self._machine(link.stream)
        async for frame in link.frames():
            await self._apply(machine.frame(self._clock.monotonic_s(), link.peer, frame))

    async def _apply(self, effects: Sequence[Effect]) -> None:
        self._moved.set()
        for effect in effects:
            match effect:
                case Send(peer, stream, frame):
                    self._send(peer, stream, frame)
                case Ingest(peer, letters):
                    await self._ingest(peer, letters)
                case Serve(peer, want):
                    for answer in await self._writer.run(lambda exchange, want=want: exchange.serve(want)):  # type: ignore[misc]
                        entries = peer_pb2.Entries(entries=answer, lane=HISTORY)
                        self._send(peer, Stream.GOSSIP, peer_pb2.Frame(entries=entries))
                case ServeChunk(peer, entry, number):
                    await self._serve_chunk(peer, entry, number)
                case Keep(peer, peer_pb2.Chunk() as chunk):
                    await self._keep_chunk(peer, chunk)
                case Keep(peer, header_pb2.ForkProof() as proof):
                    await self._keep_fork(peer, proof)
                case Hangup(peer, reason):
                    self._hang_up(peer, reason)

    def _send(self, peer: MemberId, stream: Stream, frame: peer_pb2.Frame) -> None:
        outbox = self._outboxes.get((peer, stream))
        if outbox is not None:
            outbox.put(frame)

    def _hang_up(self, peer: MemberId, reason: str) -> None:
        for stream in Stream:
            if (peer, stream) in self._outboxes:
                self._outboxes[peer, stream].end(reason)

    async def _ingest(self, peer: MemberId, letters: Sequence[header_pb2.SignedEntry]) -> None:
        """Verify, pass the urgent on, admit, pass the rest on."""

        def verify(exchange: Exchange) -> tuple[Checked, Growth | None]:
            checked = exchange.verify(exchange.unseen(letters))
            return checked, growth.urgent(exchange, checked, peer)

        checked, early = await self._writer.run(verify)
        if early is not None:
            await self._grown(early)
        now_ms = self._clock.now_ms()

        def admit(exchange: Exchange) -> tuple[Admitted, Growth]:
            admitted = exchange.admit(checked, now_ms)
            return admitted, growth.committed(exchange, admitted, checked, peer)

        admitted, news = await self._writer.run(admit)
        if admitted.arrived:
            self._writer.arrived()
        await self._grown(news)
        if any(one.header.has_payload for one in admitted.entries):
            await self._refresh_wants()
        if checked.fault is not None:
            self._hang_up(peer, checked.fault.reason)

    async def _serve_chunk(self, peer: MemberId, entry: HeaderHash, number: int) -> None:
        frame = await self._writer.run(lambda exchange: exchange.serve_chunk(entry, number))
        if frame is not None:
            self._send(peer, Stream.BULK, frame)
        sent = frame is not None and frame.WhichOneof("body") == "chunk"
        await self._apply(self._fetch.served(peer, entry, sent=sent))

    async def _keep_chunk(self, peer: MemberId, chunk: peer_pb2.Chunk) -> None:
        try:
            complete = await self._writer.run(lambda exchange: exchange.keep_chunk(chunk))
        except PeerFault as fault:
            self._hang_up(peer, fault.reason)
            return
        await self._apply(self._fetch.kept(self._clock.monotonic_s(), peer, chunk, complete=complete))
        if complete:
            self._writer.arrived()
            await self._refresh_wants()

    async def _keep_fork(self, peer: MemberId, proof: header_pb2.ForkProof) -> None:
        try:
            row = await self._writer.run(lambda exchange: exchange.take_fork(proof))
        except PeerFault as fault:
            self._hang_up(peer, fault.reason)
            return
        if row is not None:
            await self._grown(growth.forked(row, peer))

    async def _grown(self, news: Growth) -> None:
        await self._apply(self._gossip.grown(self._clock.monotonic_s(), news))

    async def _refresh_wants(self) -> None:
        found = await self._writer.run(lambda exchange: exchange.wants())
        wants = [Wanted(want.hash, want.chunks, want.first, originator) for want, originator in found]
        await self._apply(self._fetch.wanted(self._clock.monotonic_s(), wants))
