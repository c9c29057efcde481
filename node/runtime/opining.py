"""Opining: what we make of things of other members, said once and counted here before the caller is told."""

import asyncio
from functools import partial

from node.exchange import drafts, opining
from node.exchange.opining import Subject
from node.feed.header import NORMAL
from node.policy import vocabulary
from node.policy.effect import Right
from node.runtime.saying import Saying
from node.runtime.work import Work
from node.v1 import opinions_pb2, record_pb2

SAID_AT_A_TIME = 32


class Opining:
    """One at a time, so that the same twice is said once."""

    def __init__(self, saying: Saying) -> None:
        self._saying = saying
        self._work = Work()
        self._one = asyncio.Lock()

    async def opine(self, request: opinions_pb2.OpineRequest) -> opinions_pb2.OpineResponse:
        """Say it to all members, one entry for each record; raises Refused."""
        opining.check(request)
        return await self._work.through(self._opine(request))

    async def _opine(self, request: opinions_pb2.OpineRequest) -> opinions_pb2.OpineResponse:
        letter = record_pb2.Opinion(verdict=request.verdict, label=request.label, note=request.note)
        async with self._one:
            saying, seen = self._saying, self._saying.view_of(Right.PUBLISH)
            if request.label:
                vocabulary.check_label(request.label, seen.rules)
            await saying.caught_up(bulk=False)
            find = partial(opining.subject, seen=seen)
            named = [await saying.reading.run(partial(find, typed=typed)) for typed in request.about]
            subjects = opining.joined(named)
            new = await saying.reading.run(
                lambda stores: [(one, opining.still_to_say(stores, seen, one, letter)) for one in subjects]
            )
            said = [
                drafts.opinion(one.record, places, letter, seen.now_ms, request.allow_personal)
                for one, places in new
                if places
            ]
            for start in range(0, len(said), SAID_AT_A_TIME):
                await saying.say_visibly(said[start : start + SAID_AT_A_TIME], NORMAL)
            views = [view for one in subjects for view in await self._own(one)]
            return opinions_pb2.OpineResponse(opinions=views, said=len(said))

    async def _own(self, one: Subject) -> list[opinions_pb2.OpinionView]:
        """Our last words about it."""
        seen = self._saying.view()
        return await self._saying.reading.run(
            lambda stores: [
                opining.view(stores, seen, one, word)
                for word in opining.judged(stores, seen, one).words
                if word.said.member_id == seen.follows.me and word.places & one.places
            ]
        )
