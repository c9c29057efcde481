"""Succession: a feed opened anew ends those before it as soon as the peers have shown how far they go."""

import asyncio

import structlog

from node.errors import Refused, Unavailable
from node.feed.header import NORMAL
from node.runtime.saying import Saying
from node.store import peers

_log = structlog.get_logger()


async def succeed(saying: Saying) -> None:
    """Say what is to be said about this node's former feeds, once."""
    writer, peering = saying.writer, saying.peering
    while await writer.run(lambda exchange: exchange.succession()):
        seen = writer.news.version, peering.links.version
        if await _has_heard(saying) and await _said(saying):
            return
        await _news(saying, *seen)


async def _said(saying: Saying) -> bool:
    """Say it, worked out anew: what came in meanwhile may have moved the ends. Whether it could be said."""
    try:
        drafts = await saying.writer.run(lambda exchange: exchange.succession())
        if drafts:
            await saying.say(drafts, NORMAL)
    except (Refused, Unavailable) as error:  # not now: the node goes on, and this with the next news
        _log.warning("former feeds not ended", reason=error.reason, next_step=error.next_step)
        return False
    return True


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
