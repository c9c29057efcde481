"""Reporting: what is said of crises goes into the node's log, in words, as it comes."""

import asyncio
from contextlib import suppress

import structlog

from node.errors import NodeError
from node.exchange import telling
from node.exchange.telling import Told
from node.runtime.saying import Saying
from node.store import index

PAUSE_S = 1.0  # between two looks, whatever comes
LOOK_EVERY_S = 60.0  # for what follows from time alone

_log = structlog.get_logger()


async def report(saying: Saying) -> None:
    """Write lines for ever."""
    told: Told | None = None
    looked_s = 0.0
    while True:
        seen = saying.projecting.news.version
        now_s = saying.clock.monotonic_s()
        with suppress(NodeError):  # whoever writes it says so
            if told is None or now_s >= looked_s + LOOK_EVERY_S or await _is_new(saying, told):
                told, looked_s = await _look(saying, told), now_s
        await asyncio.sleep(PAUSE_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await saying.projecting.news.newer(seen)


async def _is_new(saying: Saying, told: Told) -> bool:
    return await saying.reading.run(lambda stores: bool(index.newer(stores.index, told.number, telling.KINDS)))


async def _look(saying: Saying, before: Told | None) -> Told:
    seen = saying.view()
    if before is None:
        return await saying.reading.run(lambda stores: telling.begin(stores, seen))
    told = await saying.reading.run(lambda stores: telling.look(stores, seen, before))
    for one in told.lines:
        (_log.warning if one.is_grave else _log.info)(one.event, **one.said)
    if told.left_off:
        _log.warning("crisis", what=f"and {told.left_off} more", reason="too many at once")
    return told
