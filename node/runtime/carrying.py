"""Carrying: chunks of payloads out of the store and into it, as fast as the peer's limit allows."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from node import limits
from node.errors import PeerFault
from node.feed.header import BULK
from node.feed.keys import HeaderHash, MemberId
from node.protocol.effects import Effect, Send, Stream
from node.protocol.fetch import Fetch
from node.runtime.limiting import Limiting
from node.runtime.link import Clock
from node.runtime.writer import Writer
from node.v1 import peer_pb2


class Around(Protocol):
    """Who has the links."""

    def standing(self, peer: MemberId, stream: Stream) -> object | None:
        """The link that stands now; another object once another does."""
        ...

    async def refresh_wants(self) -> None:
        """Ask for what is missing now."""
        ...

    def convict(self, peer: MemberId, fault: PeerFault) -> None:
        """It was the sender's fault."""
        ...


class Carrying:
    """The bulk streams' side of the store. Owned by the event loop."""

    def __init__(
        self,
        fetch: Fetch,
        writer: Writer,
        clock: Clock,
        limiting: Limiting,
        around: Around,
        apply: Callable[[Sequence[Effect]], Awaitable[None]],
    ) -> None:
        self._fetch, self._writer, self._clock = fetch, writer, clock
        self._limiting, self._around, self._apply = limiting, around, apply
        self.few = 0  # so few wants are left of those that the store named: it has more

    async def serve_chunk(self, peer: MemberId, entry: HeaderHash, number: int) -> None:
        """Send one chunk, or that it is not to be had."""
        now_ms, standing = self._clock.now_ms(), self._around.standing(peer, Stream.BULK)
        await self._limiting.turn(peer, limits.CHUNK_BYTES, sent=True)
        if standing is None or standing is not self._around.standing(peer, Stream.BULK):
            return
        frame = await self._writer.run(lambda exchange: exchange.serve_chunk(entry, number, now_ms), BULK)
        if standing is not self._around.standing(peer, Stream.BULK):
            return  # it was asked over a link before this one
        if frame is not None:
            await self._apply([Send(peer, Stream.BULK, frame)])
            if frame.HasField("absent") and await self._writer.run(
                lambda exchange: exchange.relay(entry, now_ms), BULK
            ):
                await self._around.refresh_wants()
        sent = frame is not None and frame.WhichOneof("body") == "chunk"
        await self._apply(self._fetch.served(peer, entry, sent=sent))

    async def keep_chunk(self, peer: MemberId, chunk: peer_pb2.Chunk) -> None:
        """Check and store one chunk."""
        now_ms, standing = self._clock.now_ms(), self._around.standing(peer, Stream.BULK)
        await self._limiting.turn(peer, len(chunk.data), sent=False)
        if standing is not self._around.standing(peer, Stream.BULK):
            return  # the link ended meanwhile: it is asked for again
        try:
            complete = await self._writer.run(lambda exchange: exchange.keep_chunk(chunk, now_ms), BULK)
        except PeerFault as fault:
            self._around.convict(peer, fault)
            return
        await self._apply(self._fetch.kept(self._clock.monotonic_s(), peer, chunk, complete=complete))
        if complete:
            self._writer.arrived()
            if self._fetch.want_count <= self.few:
                await self._around.refresh_wants()

    async def keep_have(self, peer: MemberId, have: peer_pb2.Have) -> None:
        """A peer has records of ours; or asks which of its own are here."""
        hashes = [HeaderHash(entry) for entry in have.entries]
        if not have.ask:
            await self._writer.run(lambda exchange: exchange.confirm(hashes), BULK)
            self._writer.news.tell()
            return
        held = await self._writer.run(lambda exchange: exchange.held(hashes), BULK)
        if held:
            frame = peer_pb2.Frame(have=peer_pb2.Have(entries=held))
            await self._apply([Send(peer, Stream.BULK, frame)])
