"""What a node does hours later: its own parts in this process, with a clock that is ahead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from node.custody import charters, folder, joining
from node.daemon import Daemon, RealClock
from node.exchange.changes import REWRITTEN_AFTER_MS
from tests.bench.results import Stopwatch
from tests.federation import Node

REWRITTEN_AFTER = timedelta(milliseconds=REWRITTEN_AFTER_MS) + timedelta(minutes=1)


class Ahead(RealClock):
    """This machine's clocks, and their dates so much later."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now_ms(self) -> int:
        """For dates."""
        return super().now_ms() + self._ahead // timedelta(milliseconds=1)

    def now(self) -> datetime:
        """For certificates."""
        return super().now() + self._ahead


@asynccontextmanager
async def inside(node: Node, ahead: timedelta) -> AsyncIterator[Daemon]:
    """The parts of a node whose daemon does not run. Nothing listens, and no peer hears of it."""
    config, clock = node.config, Ahead(ahead)
    exchange = joining.open_exchange(config, folder.read_keys(config.data_folder), joining.read_charter(config))
    exchange.start(clock.now_ms())
    _, _, cards = charters.read(config.data_folder / folder.CHARTER)
    daemon = Daemon(config, folder.read_keys(config.data_folder), exchange, list(cards), clock=clock)
    await daemon.reading.open()
    projecting = asyncio.create_task(daemon.projecting.run())
    try:
        yield daemon
    finally:
        projecting.cancel()
        await asyncio.gather(projecting, return_exceptions=True)
        await daemon.projecting.close()
        await daemon.reading.close()
        await daemon.writer.run(joining.close_exchange)
        daemon.writer.close()


async def rewrite(node: Node) -> tuple[int, float]:
    """How many records a node writes anew half an hour later, and how long that took."""
    async with inside(node, REWRITTEN_AFTER) as daemon:
        watch = Stopwatch()
        made = await daemon.listing.rewrite_due()
        await daemon.saying.caught_up(bulk=True)
        return made, watch.elapsed_s
