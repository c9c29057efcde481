"""The one writer: every change of ledger and keys, in order, on one thread; and news that it happened."""

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TypeVar

from node.exchange.exchange import Exchange
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed.header import NORMAL
from node.store import stores

Result = TypeVar("Result")


def whole(operation: Callable[[Exchange], Result], exchange: Exchange) -> Result:
    """All of it or nothing; raises Unavailable where the disk did not take it."""
    try:
        return operation(exchange)
    except BaseException as error:
        for connection in (exchange.stores.keys, exchange.stores.ledger):
            connection.rollback()
        stores.explain(error)
        raise


class News:
    """A number that grows. Whoever waits remembers what it saw, so nothing slips between look and wait."""

    def __init__(self) -> None:
        self.version = 0
        self._grown = asyncio.Event()

    def tell(self) -> None:
        """Wake everyone who waits."""
        self.version += 1
        self._grown.set()
        self._grown = asyncio.Event()

    async def newer(self, seen: int) -> int:
        """Wait until there is more than was seen; the version then."""
        while self.version == seen:
            await self._grown.wait()
        return self.version


class Writer:
    """Owns the exchange. Operations run whole, one at a time, the more urgent lane first."""

    def __init__(self, exchange: Exchange) -> None:
        self.news = News()
        self._exchange = exchange
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._busy = False

    @property
    def reader(self) -> Reader:
        """Whose node this is, and what it can open; never changes."""
        return self._exchange.reader

    @property
    def trust(self) -> Trust:
        """What is trusted as of now; a value, so it may be read from any thread."""
        return self._exchange.trust

    async def run(self, operation: Callable[[Exchange], Result], lane: int = NORMAL) -> Result:
        """Run one operation in its turn. It is through even where the caller is cancelled meanwhile."""
        if self._busy:
            turn = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (lane, next(self._order), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        self._busy = True
        done = asyncio.get_running_loop().run_in_executor(self._thread, whole, operation, self._exchange)
        done.add_done_callback(lambda _: self._pass_on())
        return await asyncio.shield(done)

    def arrived(self) -> None:
        """Something became readable."""
        self.news.tell()

    def close(self) -> None:
        """After the last operation, which closed the stores."""
        self._thread.shutdown()

    def _pass_on(self) -> None:
        """The turn goes to the most urgent who still waits."""
        self._busy = False
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.cancelled():
                self._busy = True
                turn.set_result(None)
                return
