"""What a node writes anew half an hour later: its own parts in this process, with a clock that is ahead."""

import asyncio
from datetime import datetime, timedelta

from node.custody import charters, folder, joining
from node.daemon import Daemon, RealClock
from node.exchange.changes import REWRITTEN_AFTER_MS
from tests.bench.results import Stopwatch
from tests.federation import Node

AHEAD = timedelta(milliseconds=REWRITTEN_AFTER_MS) + timedelta(minutes=1)


class Ahead(RealClock):
    """This machine's clocks, and their dates half an hour later."""

    def now_ms(self) -> int:
        """For dates."""
        return super().now_ms() + AHEAD // timedelta(milliseconds=1)

    def now(self) -> datetime:
        """For certificates."""
        return super().now() + AHEAD


async def rewrite(node: Node) -> tuple[int, float]:
    """How many records that made, and how long it took. The daemon does not run, and no peer hears of it."""
    config = node.config
    exchange = joining.open_exchange(config, folder.read_keys(config.data_folder), joining.read_charter(config))
    exchange.start(Ahead().now_ms())
    _, _, cards = charters.read(config.data_folder / folder.CHARTER)
    daemon = Daemon(config, folder.read_keys(config.data_folder), exchange, list(cards), clock=Ahead())
    await daemon.reading.open()
    projecting = asyncio.create_task(daemon.projecting.run())
    try:
        watch = Stopwatch()
        made = await daemon.listing.rewrite_due()
        await daemon.saying.caught_up(bulk=True)
        return made, watch.elapsed_s
    finally:
        projecting.cancel()
        await asyncio.gather(projecting, return_exceptions=True)
        daemon.projecting.close()
        await daemon.reading.close()
        await daemon.writer.run(joining.close_exchange)
        daemon.writer.close()
