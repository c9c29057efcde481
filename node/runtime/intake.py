"""Intake: what peers sent, verified and admitted; the urgent goes on before it is stored."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from node.errors import PeerFault
from node.exchange import circles, verification
from node.exchange.admission import Admitted
from node.exchange.exchange import Exchange
from node.exchange.verified import Checked
from node.feed.keys import HeaderHash, MemberId
from node.protocol.effects import PUSHED, Asked
from node.protocol.news import Growth
from node.runtime import growth
from node.runtime.copies import Copies
from node.runtime.link import Clock
from node.runtime.work import Work
from node.runtime.writer import Writer
from node.v1 import header_pb2

INLINE_BOXES_BYTES_MAX = 8192  # a hundred wraps take 6 ms to try
NOTED_EVERY_S = 10.0
INLINE_LETTERS_MAX = 16  # as many are verified where they are admitted; more of them on a thread of their own


class Around(Protocol):
    """Who hears of what came in."""

    async def grown(self, news: Growth) -> None:
        """Tell the peers."""
        ...

    async def refresh_wants(self) -> None:
        """Ask for what is missing now."""
        ...

    def convict(self, peer: MemberId, fault: PeerFault) -> None:
        """It was the sender's fault."""
        ...


class Intake:
    """Entries on their way in. Owned by the event loop."""

    def __init__(self, writer: Writer, clock: Clock, work: Work, around: Around) -> None:
        self._writer, self._clock, self._work, self._around = writer, clock, work, around
        self._copies = Copies()
        self._noted_at = clock.monotonic_s()

    async def take(
        self, peer: MemberId, letters: Sequence[header_pb2.SignedEntry], lane: int, asked: Asked = PUSHED
    ) -> None:
        """Take in what is neither stored nor in hand already; a copy counts if the one in hand turns out wrong."""
        letters = circles.taken(self._writer.trust, self._writer.reader.member_id, peer, letters)
        fresh = self._copies.take(peer, [(self._hash_of(letter), letter) for letter in letters])
        if not fresh:
            return
        now_ms = self._clock.now_ms()
        # No hop makes it more urgent, nor does its author for longer than its quota lasts.
        lane = max(lane, min(self._writer.budgets.lane_of(hand.letter, now_ms) for hand in fresh.values()))
        verified: set[HeaderHash] = set()
        try:
            verified = await self._admit(peer, [hand.letter for hand in fresh.values()], lane, asked)
        finally:
            again = self._copies.let_go(fresh, verified)
            self._copies.note_offers(peer, fresh)
        for other, letter in again:
            await self.take(other, [letter], lane)

    async def note_offers(self, *, now: bool = False) -> None:
        """Write down who else offered what is stored; once in a while, for nothing that is urgent waits for it."""
        at = self._clock.monotonic_s()
        if not now and at < self._noted_at + NOTED_EVERY_S:
            return
        self._noted_at = at
        offers = self._copies.take_offers()
        heads = await self._writer.run(lambda exchange: exchange.aside.note_offers(offers)) if offers else []
        if heads:  # what was set aside until another offered it, too
            self._writer.arrived()
            await self._around.grown(Growth(heads=heads))

    async def _admit(
        self, peer: MemberId, letters: Sequence[header_pb2.SignedEntry], lane: int, asked: Asked
    ) -> set[HeaderHash]:
        """Verify, pass the urgent on, admit, pass the rest on; which of them verified or are beyond a quota."""
        slow = len(letters) > INLINE_LETTERS_MAX or sum(len(letter.box) for letter in letters) > INLINE_BOXES_BYTES_MAX
        aside = await self._verified_aside(letters, lane, asked) if slow else None
        now_ms, loop = self._clock.now_ms(), asyncio.get_running_loop()

        def take_in(exchange: Exchange) -> tuple[Checked, frozenset[HeaderHash], Admitted, Growth]:
            checked, over = aside or _checked(exchange, letters, asked, now_ms)
            found, beyond = exchange.rule(checked, asked, now_ms)
            early = growth.urgent(exchange, found, peer)
            if early is not None:  # on its way while this thread waits for the disk
                loop.call_soon_threadsafe(self._pass_on, early)
            admitted = exchange.admit(found, now_ms, peer)
            over |= beyond
            return found, over, admitted, growth.committed(exchange, admitted, found, peer, ignored=bool(over))

        found, over, admitted, news = await self._writer.run(take_in, lane)
        if admitted.arrived:
            self._writer.arrived(admitted.arrived)
        self._copies.note_stored(admitted, peer)
        await self._around.grown(news)
        waiting = any(one.header.has_payload and not one.payload for one in admitted.entries)
        if waiting or admitted.wanted or admitted.settled:
            await self._around.refresh_wants()
        if found.fault is not None:
            self._around.convict(peer, found.fault)
        return {one.header.hash for one in found.entries} | over

    async def _verified_aside(
        self, letters: Sequence[header_pb2.SignedEntry], lane: int, asked: Asked
    ) -> tuple[Checked, frozenset[HeaderHash]]:
        """Many signatures: on another thread than the writer's, which goes on meanwhile."""
        now_ms = self._clock.now_ms()
        worth, over = await self._writer.run(lambda exchange: exchange.worth_checking(letters, asked, now_ms), lane)
        return await asyncio.to_thread(verification.verify, worth, self._writer.trust, self._writer.reader), over

    def _pass_on(self, early: Growth) -> None:
        """Urgent entries, verified and about to be stored: gossip answers with nothing but sends."""
        self._writer.pause_bulk()
        self._work.start(self._around.grown(early))

    def _hash_of(self, letter: header_pb2.SignedEntry) -> HeaderHash:
        return verification.header_hash(letter, self._writer.trust.federation_id)


def _checked(
    exchange: Exchange, letters: Sequence[header_pb2.SignedEntry], asked: Asked, now_ms: int
) -> tuple[Checked, frozenset[HeaderHash]]:
    worth, over = exchange.worth_checking(letters, asked, now_ms)
    return exchange.verify(worth), over
