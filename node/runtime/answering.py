"""Answering: what a peer wants, read from the store and sent as fast as the peer reads."""

from collections.abc import Callable
from functools import partial

from node.exchange.exchange import Exchange
from node.feed.header import HISTORY, URGENT
from node.feed.keys import MemberId
from node.protocol.effects import Pages, Serve
from node.runtime.link import Clock, Outbox
from node.runtime.writer import Writer
from node.v1 import peer_pb2


class Answering:
    """The gossip streams' side of the store. Owned by the event loop."""

    def __init__(self, writer: Writer, clock: Clock, standing: Callable[[MemberId], Outbox | None]) -> None:
        self._writer, self._clock, self._standing = writer, clock, standing

    async def answer(self, wanted: Serve) -> None:
        """A hello is answered with an echo and what removed the peer, a want with entries; then proofs it lacks."""
        if isinstance(wanted.want, Pages):
            self._list(wanted.peer, wanted.want)
        elif isinstance(wanted.want, peer_pb2.Hello):
            echo = await self._writer.run(partial(Exchange.echo, member_id=wanted.peer))
            self._put(wanted.peer, peer_pb2.Frame(echo=echo))
            await self._removal(wanted.peer)
        else:
            await self._entries(wanted.peer, wanted.want)
        if wanted.forks or wanted.voices:
            await self._forks(wanted)

    async def _removal(self, peer: MemberId) -> None:
        """Who was removed is told so, and by whom."""
        now_ms = self._clock.now_ms()
        if found := await self._writer.run(partial(Exchange.removal, peer=peer, now_ms=now_ms)):
            self._put(peer, peer_pb2.Frame(entries=peer_pb2.Entries(entries=found, lane=URGENT)))

    async def _entries(self, peer: MemberId, want: peer_pb2.Want) -> None:
        """Range by range: what is urgent goes in between."""
        ranges = {asked.feed_id: peer_pb2.Want(ranges=[asked]) for asked in want.ranges}
        now_ms = self._clock.now_ms()
        for part in [*ranges.values(), peer_pb2.Want(entries=want.entries)]:
            outbox = self._standing(peer)
            if outbox is None or not await outbox.room():
                return  # it asks again, here or elsewhere
            for answer in await self._writer.run(partial(Exchange.serve, peer=peer, want=part, now_ms=now_ms)):
                outbox.put(peer_pb2.Frame(entries=peer_pb2.Entries(entries=answer, lane=HISTORY)))

    async def _forks(self, wanted: Serve) -> None:
        now_ms = self._clock.now_ms()
        told = partial(Exchange.tell_forks, peer=wanted.peer, feeds=wanted.forks, now_ms=now_ms, voices=wanted.voices)
        for frame in await self._writer.run(told):
            self._put(wanted.peer, frame)

    def _list(self, peer: MemberId, pages: Pages) -> None:
        outbox = self._standing(peer)
        if outbox is not None:
            outbox.put_pages(pages.frames)

    def _put(self, peer: MemberId, frame: peer_pb2.Frame) -> None:
        outbox = self._standing(peer)
        if outbox is not None:
            outbox.put(frame)
