"""Leaving while the node runs: what is its own is taken back first, then the root's word is put in force and told."""

from collections.abc import Sequence

import structlog

from node.exchange import leaving
from node.exchange.admission import Admitted
from node.exchange.exchange import Exchange
from node.exchange.leaving import WITHDRAWN_AT_A_TIME, Own
from node.feed.keys import MemberId
from node.protocol.news import Growth
from node.runtime import growth
from node.runtime.saying import Saying
from node.v1 import header_pb2, membership_pb2

ENTRUSTED_MAX = 1000  # payloads that are counted: nobody waits for the exact number of many

_log = structlog.get_logger()


class Leaving:
    """Each step can be taken again. Owned by the event loop."""

    def __init__(self, saying: Saying) -> None:
        self._saying, self._writer = saying, saying.writer

    async def look(self) -> membership_pb2.GetDepartureResponse:
        """How far this member is; peers are asked just now."""
        await self._saying.peering.compare()
        objects = await self._unwithdrawn()
        entrusted = await self._writer.run(lambda exchange: leaving.entrusted(exchange, ENTRUSTED_MAX))
        left_ms = self._writer.trust.left_ms(self._writer.reader.member_id)
        return membership_pb2.GetDepartureResponse(left_ms=left_ms, objects=len(objects), entrusted=entrusted)

    def told(self) -> set[MemberId]:
        """Peers that, when last asked, held all of the own identity log."""
        return {*self._saying.peering.told()}

    async def withdraw(self, reason: int) -> tuple[int, int]:
        """Take some of it back; of how many objects, and how many are left."""
        found = await self._unwithdrawn()
        part = found[:WITHDRAWN_AT_A_TIME]
        if part:
            seen = self._saying.view()
            made = await self._saying.reading.run(lambda stores: leaving.withdrawals(stores, seen, part, reason))
            await self._saying.say(made, min(one.lane for one in made))
        return len(part), len(found) - len(part)

    async def leave(self, letters: Sequence[header_pb2.SignedEntry]) -> None:
        """Put it in force: nothing more is signed here, and the peers hear of it."""
        now_ms = self._saying.clock.now_ms()

        def take(exchange: Exchange) -> tuple[Admitted, Growth]:
            admitted = leaving.take(exchange, letters, now_ms)
            return admitted, growth.published(exchange, admitted)

        admitted, news = await self._writer.run(take)
        _log.warning("left the federation")
        self._writer.arrived(admitted.arrived)
        await self._saying.peering.grown(news)

    async def _unwithdrawn(self) -> list[Own]:
        me, now_ms = self._writer.reader.member_id, self._saying.clock.now_ms()
        await self._saying.caught_up(bulk=True)
        return await self._saying.reading.run(lambda stores: leaving.unwithdrawn(stores, me, now_ms))
