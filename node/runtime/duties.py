"""Duties: what this node owes others, an answer, word that it came or its opinion again, is said by and by, once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from node.errors import NodeError, Refused, Unavailable
from node.exchange import hold
from node.exchange.delivering import Delivering
from node.exchange.duties import Answering
from node.exchange.repeating import Repeating
from node.feed.header import BULK, NORMAL
from node.policy import deliveries, receipts
from node.runtime.holding import Holding
from node.runtime.saying import Saying

PAUSE_S = 1.0  # between two looks, whatever comes
LOOK_EVERY_S = 60.0
TIDY_EVERY_S = 3600.0

_log = structlog.get_logger()


class Duties:
    """The one that answers. Nothing is answered before it is shown here."""

    def __init__(self, saying: Saying, holding: Holding) -> None:
        self._saying, self._holding = saying, holding
        self._answering = Answering(saying.writer.reader.member_id)
        self._delivering = Delivering(saying.writer.reader.member_id)
        self._repeating = Repeating(saying.writer.reader, saying.writer.feed_id)
        self._tidied_s = float("-inf")

    async def run(self) -> None:
        """Tell, answer and say again for ever, none kept waiting by what is wrong with the others."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._see_to("acknowledgements", self.tell))
            tasks.create_task(self._see_to("receipts", self.answer))
            tasks.create_task(self._see_to("opinions", self.repeat))

    async def _see_to(self, what: str, duty: Callable[[], Awaitable[int]]) -> None:
        while True:
            seen, next_ms = self._saying.projecting.news.version, 0
            try:
                next_ms = await duty()
            except (Refused, Unavailable) as error:  # the clock is in doubt, peers have not answered, the disk is full
                _log.info(f"{what} wait", reason=error.reason)
                await asyncio.sleep(LOOK_EVERY_S)
            except NodeError as error:  # what others wrote must end nothing here
                _log.error(f"{what} not said", reason=error.reason)
                await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.sleep(PAUSE_S)
            left_s = (next_ms - self._saying.clock.now_ms()) / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(left_s, 0), LOOK_EVERY_S)):
                    await self._saying.projecting.news.newer(seen)

    async def answer(self) -> int:
        """Say what is owed now; when to look again. Raises Refused where nothing may be signed."""
        saying, seen = self._saying, self._saying.view()
        await self._tidy(seen.now_ms)
        holds = hold.kept(self._holding.holds)
        owed = await saying.reading.run(lambda stores: self._answering.look(stores, seen, holds))
        if owed.erased:
            await saying.writer.run(lambda exchange: exchange.carry_out(owed.erased, seen.now_ms), BULK)
        if owed.drafts:
            await saying.say(owed.drafts, NORMAL)
            self._answering.said(owed, seen.now_ms)
            await saying.peering.refresh_wants()  # what was taken back is asked of nobody any more
            _log.info("answered", receipts=len(owed.drafts))
        return owed.next_ms

    async def tell(self) -> int:
        """Say what came of crises; when to look again. Raises Refused likewise."""
        saying, seen = self._saying, self._saying.view()
        due = await saying.reading.run(lambda stores: self._delivering.look(stores, seen))
        if due.drafts:
            await saying.say(due.drafts, NORMAL)
            self._delivering.said(due, seen.now_ms)
            _log.info("acknowledged", records=len(due.drafts))
        return due.next_ms

    async def repeat(self) -> int:
        """Say again what was said of items that were written anew; when to look again. Raises Refused likewise."""
        saying = self._saying
        await saying.caught_up(bulk=False)
        seen = saying.view()
        due = await saying.reading.run(lambda stores: self._repeating.look(stores, seen))
        if due.drafts:
            await saying.say(due.drafts, NORMAL)
            _log.info("opinions said again", records=len(due.drafts))
        self._repeating.said(due, seen.now_ms)
        return due.next_ms

    async def _tidy(self, now_ms: int) -> None:
        now_s = self._saying.clock.monotonic_s()
        if now_s >= self._tidied_s + TIDY_EVERY_S:
            self._tidied_s = now_s
            ages_ms = now_ms - receipts.OWED_MS, now_ms - deliveries.OWED_MS, now_ms + deliveries.LEFT_MS_MIN
            await self._saying.writer.run(lambda exchange: exchange.tidy_duties(*ages_ms), BULK)
