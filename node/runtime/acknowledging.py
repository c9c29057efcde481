"""Acknowledging: a person of our own member has seen a crisis, or acted on it, and all members are told so."""

import asyncio
from collections.abc import Sequence

from node.errors import Refused
from node.exchange import acknowledging, alarms, crises
from node.exchange.acknowledging import About
from node.feed.header import NORMAL
from node.feed.keys import HeaderHash
from node.policy.deliveries import Stage
from node.runtime.saying import Saying
from node.runtime.work import Work
from node.store.stores import Stores
from node.v1 import tools_pb2


class Acknowledging:
    """One at a time, so that what two people say at once is said once. Who it was stays here."""

    def __init__(self, saying: Saying) -> None:
        self._saying = saying
        self._work = Work()
        self._one = asyncio.Lock()

    async def confirm(self, request: tools_pb2.ConfirmRequest) -> tools_pb2.ConfirmResponse:
        """Say of a crisis how far it came here; raises Refused. The same again says nothing."""
        return await self._work.through(self._confirm(request))

    async def _confirm(self, request: tools_pb2.ConfirmRequest) -> tools_pb2.ConfirmResponse:
        async with self._one:
            saying, seen = self._saying, self._saying.view()
            if saying.writer.reader.member_id not in seen.roster.seats:
                raise Refused("this member has no seat, so nobody waits for its word", next_step="`tocsin member`")
            if not request.crisis:
                raise Refused("which crisis?", next_step="Name it by its reference, as c-4k7q.", field="crisis")
            stage = Stage.ACTED if request.acted else Stage.SEEN

            def look(stores: Stores) -> tuple[tools_pb2.CrisisView, About, Sequence[HeaderHash], int]:
                crisis = crises.meant(stores, seen, request.crisis)
                about = acknowledging.unconfirmed(stores, seen, crisis, stage)
                sealed = acknowledging.waking_sealed(stores, seen, crisis)
                return crisis, about, sealed, acknowledging.routes_tried(stores, about.entries)

            crisis, about, sealed, route = await saying.reading.run(look)
            if sealed:
                await saying.writer.run(lambda exchange: alarms.confirm(exchange.stores, sealed, seen.now_ms))
            if about.entries:
                draft = acknowledging.draft(about, stage, seen.now_ms, route, seen)
                await saying.say_visibly([draft], NORMAL)
            return tools_pb2.ConfirmResponse(
                crisis=crisis,
                repeated_call=not about.entries and not sealed,
                entries=len(about.entries),
                route=route,
                sealed=len(sealed),
            )
