"""The one writer: every change of the stores, in order, on one thread; and news that it happened."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from node.exchange.exchange import Exchange

Result = TypeVar("Result")


class Writer:
    """Owns the exchange. Whoever waits for news waits on `growth`; news that nobody awaits is lost on purpose."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._grown = asyncio.Event()
        self._projecting: asyncio.Task[None] | None = None

    async def run(self, operation: Callable[[Exchange], Result]) -> Result:
        """Run one whole operation on the writer's thread. It is through even where the caller is cancelled."""
        done = asyncio.get_running_loop().run_in_executor(self._thread, operation, self._exchange)
        return await asyncio.shield(done)

    def arrived(self) -> None:
        """Something became readable: project it, in steps that let other operations in between."""
        if self._projecting is None or self._projecting.done():
            self._projecting = asyncio.get_running_loop().create_task(self._project())

    async def growth(self) -> None:
        """Wait for the next news. Look first, then wait: the news before the call does not count."""
        await self._grown.wait()

    async def close(self) -> None:
        """Finish what runs, then close the stores."""
        if self._projecting is not None:
            await self._projecting
        await self.run(lambda exchange: exchange.stores.close())
        self._thread.shutdown()

    async def _project(self) -> None:
        while await self.run(lambda exchange: exchange.project()):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        """Wake everyone who waits, and begin a new wait."""
        self._grown.set()
        self._grown = asyncio.Event()
