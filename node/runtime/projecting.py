"""Projecting: a reader of arrivals on a thread of its own, so that bulk never holds up the writer.

Index and digests have no other writer; ledger and keys are read beside theirs.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from node.errors import Unavailable
from node.exchange import project
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.runtime.writer import News
from node.store import stores
from node.store.stores import Stores

_log = structlog.get_logger()


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
            try:
                while await self._step():
                    self.news.tell()
            except Unavailable as error:
                _log.error("index not written", reason=error.reason)
            self.news.tell()

    async def _step(self) -> bool:
        step = asyncio.get_running_loop().run_in_executor(self._thread, self._advance, self._trust())
        return await asyncio.shield(step)

    def _advance(self, trust: Trust) -> bool:
        try:
            # Twice in one hop: behind something urgent the second look mostly finds nothing.
            return project.advance(self._stores, trust, self._reader) and project.advance(
                self._stores, trust, self._reader
            )
        except BaseException as error:
            stores.recover(self._stores, error)
            raise

    def close(self) -> None:
        """Wait for the step under way; what is not projected will be at the next start."""
        self._thread.shutdown()
