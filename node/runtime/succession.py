"""Succession: a feed opened anew ends those before it as soon as the peers have shown how far they go."""

import asyncio

from node.feed.header import NORMAL
from node.runtime.saying import Saying
from node.store import peers


async def succeed(saying: Saying) -> None:
    """Say what is to be said about this node's former feeds; over when nothing is left."""
    writer, peering = saying.writer, saying.peering
    while await writer.run(lambda exchange: exchange.succession()):
        seen = writer.news.version, peering.links.version
        if await _has_heard(saying):
            # Worked out anew: what came in meanwhile may have moved the ends.
            await saying.say(await writer.run(lambda exchange: exchange.succession()), NORMAL)
        else:
            await _news(saying, *seen)


async def _has_heard(saying: Saying) -> bool:
    """Whether some peer is there, and none holds more than is held here; a node without peers has nobody to hear."""
    peering = saying.peering
    await peering.compare()
    if peering.connected:
        return not any(peering.behind(peer) for peer in peering.connected)
    approved = await saying.writer.run(lambda exchange: peers.every(exchange.stores.ledger))
    return not any(one.state == peers.APPROVED for one in approved)


async def _news(saying: Saying, entries: int, links: int) -> None:
    """Wait until something came in, or somebody came or went."""
    waiting = [
        asyncio.create_task(saying.writer.news.newer(entries)),
        asyncio.create_task(saying.peering.links.newer(links)),
    ]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
