"""Ignoring: what this node's people count as no match. It ends by itself, and no peer ever hears of it."""

from node import limits
from node.content import names
from node.exchange import ignoring
from node.feed.box import Randomness
from node.policy.ignoring import Ignored, What
from node.runtime.saying import Saying
from node.runtime.sweeping import Sweeping
from node.v1 import ignores_pb2


class Ignoring:
    """The decisions of one node."""

    def __init__(self, saying: Saying, sweeping: Sweeping, randomness: Randomness) -> None:
        self._saying, self._sweeping, self._randomness = saying, sweeping, randomness

    async def ignore(self, request: ignores_pb2.IgnoreRequest, by: str) -> ignores_pb2.IgnoredView:
        """From the answer on it counts as no match; raises Refused."""
        seen = self._saying.view()
        thing = await self._saying.reading.run(lambda stores: ignoring.thing(stores, seen, request))
        now_ms, until_ms = seen.now_ms, request.until_ms
        if thing.what is What.VALUE:  # it may be somebody's address: no longer than anything that could match it
            until_ms = min(until_ms or now_ms + limits.LIFE_MS_MAX, now_ms + limits.LIFE_MS_MAX)
        made = Ignored(self._randomness(names.ID_BYTES), thing, now_ms, by, until_ms)
        kept = await self._saying.writer.run(lambda exchange: exchange.ignore(made, now_ms))
        return await self._view(kept)

    async def every(self) -> list[ignores_pb2.IgnoredView]:
        """All that counts."""
        seen = self._saying.view()
        return await self._saying.reading.run(lambda stores: ignoring.every(stores, seen))

    async def end(self, typed: str) -> ignores_pb2.IgnoredView:
        """It counts again; raises Refused for what is not ignored."""
        seen = self._saying.view()
        found = await self._saying.reading.run(lambda stores: ignoring.named(stores, seen, typed))
        view = await self._saying.reading.run(lambda stores: ignoring.view(stores, seen, found))
        await self._sweeping.end_ignoring([found])
        return view

    async def _view(self, one: Ignored) -> ignores_pb2.IgnoredView:
        seen = self._saying.view()
        return await self._saying.reading.run(lambda stores: ignoring.view(stores, seen, one))
