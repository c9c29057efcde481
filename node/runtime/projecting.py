"""Projecting: a reader of arrivals on a thread of its own, so that bulk never holds up the writer.

Index and digests have no other writer; ledger and keys are read beside theirs.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from node.exchange import project
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.runtime.writer import News
from node.store.stores import Stores


class Projecting:
    """Owns the connections that write index and digests."""

    def __init__(self, stores: Stores, trust: Callable[[], Trust], reader: Reader, arrived: News) -> None:
        self.news = News()
        self._stores, self._trust, self._reader = stores, trust, reader
        self._arrived = arrived
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="projecting")

    async def run(self) -> None:
        """Project whatever arrives, for ever."""
        seen = -1
        while True:
            seen = await self._arrived.newer(seen)
            while await self._step():
                self.news.tell()
            self.news.tell()

    async def _step(self) -> bool:
        loop = asyncio.get_running_loop()
        step = loop.run_in_executor(self._thread, project.advance, self._stores, self._trust(), self._reader)
        return await asyncio.shield(step)

    def close(self) -> None:
        """Wait for the step under way; what is not projected will be at the next start."""
        self._thread.shutdown()
