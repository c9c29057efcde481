"""The one writer: every change of ledger and keys, in order, on one thread; and news that it happened."""

import asyncio
import heapq
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TypeVar

from node.exchange.budgets import Budgets
from node.exchange.exchange import Exchange
from node.exchange.keeping import Keep
from node.exchange.signing import Signing
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed.header import BULK, NORMAL
from node.feed.keys import FeedId
from node.policy.following import Follows
from node.policy.ignoring import Ignores
from node.protocol.circle import Circle
from node.store import stores
from node.store.erasures import Erasures

Result = TypeVar("Result")

BULK_PAUSE_S = 0.1  # an urgent entry is through a small federation in an eighth of it
PAUSES_WINDOW_S = 10.0
PAUSES_S_MAX = 9.0  # of a window: whoever floods with urgent entries cannot stop bulk


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


class Pauses:
    """Until when bulk waits for what is urgent: a moment for each, and never all of the time."""

    def __init__(self) -> None:
        self.paused_until = 0.0
        self._window_began = 0.0
        self._paused_s = 0.0

    def pause(self, now: float) -> None:
        """Pause for a moment from now on, unless bulk has waited long enough."""
        if now >= self._window_began + PAUSES_WINDOW_S:
            self._window_began, self._paused_s = now, 0.0
        until = now + BULK_PAUSE_S
        longer_s = until - max(now, self.paused_until)
        if self._paused_s + longer_s <= PAUSES_S_MAX:
            self.paused_until, self._paused_s = until, self._paused_s + longer_s


class Writer:
    """Owns the exchange. Operations run whole, one at a time, the more urgent lane first."""

    def __init__(self, exchange: Exchange) -> None:
        self.news = News()
        self.news_in_lane = {True: News(), False: News()}  # of what is urgent, and of all else
        self._exchange = exchange
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._busy = False
        self._bulk = Pauses()

    @property
    def reader(self) -> Reader:
        """Whose node this is, and what it can open; never changes."""
        return self._exchange.reader

    @property
    def trust(self) -> Trust:
        """What is trusted as of now; a value, so it may be read from any thread."""
        return self._exchange.trust

    def circle(self, now_ms: int) -> Circle:
        """Who is told what as of now; a value, as well."""
        return self._exchange.circle(now_ms)

    @property
    def budgets(self) -> Budgets:
        """What authors have left of their quotas; to be looked at only, from any thread."""
        return self._exchange.budgets

    @property
    def keep(self) -> Keep:
        """By what it is decided until when records are kept; a value, as well."""
        return self._exchange.keep

    @property
    def has_residue(self) -> bool:
        """Whether files may still show what was erased, as of now."""
        return self._exchange.residue.is_there

    @property
    def erasures(self) -> Erasures:
        """Every address that was erased, as of now."""
        return self._exchange.erasures

    @property
    def feed_id(self) -> FeedId:
        """The feed of this node; never changes."""
        return self._exchange.author.feed_id

    @property
    def follows(self) -> Follows:
        """Which lists are followed as of now; a value, as well."""
        return self._exchange.follows

    @property
    def ignores(self) -> Ignores:
        """What this node's people ignore as of now; a value, as well."""
        return self._exchange.ignores

    @property
    def signing(self) -> Signing:
        """Whether this node may sign as of now; a value, as well."""
        return self._exchange.signing

    @property
    def queue_length(self) -> int:
        """How many operations wait for their turn."""
        return sum(not turn.done() for _, _, turn in self._waiting)

    def pause_bulk(self) -> None:
        """Something urgent is under way: let it have the machine for a moment."""
        self._bulk.pause(asyncio.get_running_loop().time())

    async def bulk_turn(self) -> None:
        """Wait until nothing urgent is under way."""
        loop = asyncio.get_running_loop()
        while (left_s := self._bulk.paused_until - loop.time()) > 0:  # noqa: ASYNC110 - it is time that passes
            await asyncio.sleep(left_s)

    async def run(self, operation: Callable[[Exchange], Result], lane: int = NORMAL) -> Result:
        """Run one operation in its turn. It is through even where the caller is cancelled meanwhile."""
        if lane == BULK:
            await self.bulk_turn()
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

    def arrived(self, lanes: Collection[bool] = (True, False)) -> None:
        """Something urgent, or something else, became readable."""
        for urgent in lanes:
            self.news_in_lane[urgent].tell()
        self.news.tell()

    def leave_projection(self) -> None:
        """Before anything runs: others write index and digests from now on."""
        stores.only_read(self._exchange.stores, stores.PROJECTED)

    async def take_projection(self) -> None:
        """They do no more."""
        await self.run(lambda exchange: stores.only_read(exchange.stores, stores.PROJECTED, others_write=False))

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
