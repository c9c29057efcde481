"""Dialing: call the peers that the machine names, and serve both streams while the call lasts."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from node.errors import Unavailable
from node.feed.keys import MemberId
from node.runtime.link import CUT, UNSURE, Clock, Link
from node.runtime.peering import Peering

_log = structlog.get_logger()


class Dial(Protocol):
    """How a peer is called; gRPC in the node. Raises Unavailable on entry, saying why in words."""

    def __call__(self, peer: MemberId, /) -> AbstractAsyncContextManager[Sequence[Link]]:
        """Both streams, open until the context ends."""
        ...


async def dial_all(peering: Peering, dial: Dial, clock: Clock) -> None:
    """Keep links to all peers that have an address, for ever."""
    async with asyncio.TaskGroup() as calls:
        while True:
            seen = peering.links.version
            for peer in peering.dialing.due(clock.monotonic_s()):
                if peer in peering.connected and not peering.dialing.is_renewal(peer):
                    peering.dialing.link_up(clock.monotonic_s(), peer)
                else:
                    calls.create_task(_call(peering, dial, clock, peer))
            await _until(peering, seen, clock)


async def _until(peering: Peering, seen: int, clock: Clock) -> None:
    """Until somebody is due, or links came or went, which may change that."""
    wake_at = peering.dialing.wake_at
    try:
        async with asyncio.timeout(None if wake_at == float("inf") else max(wake_at - clock.monotonic_s(), 0)):
            await peering.links.newer(seen)
    except TimeoutError:
        return


async def _call(peering: Peering, dial: Dial, clock: Clock, peer: MemberId) -> None:
    try:
        async with dial(peer) as links:
            serving = [asyncio.create_task(peering.serve(link)) for link in links]
            try:
                await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in serving:
                    task.cancel()
                for fault in await asyncio.gather(*serving, return_exceptions=True):
                    if isinstance(fault, Exception):  # nothing that `serve` knows: a fault of ours
                        _log.error("link failed", peer=peer.hex(), exc_info=fault)
    except Unavailable as error:
        reason = CUT if error.reason == UNSURE and peer in peering.heard else error.reason  # it let us in before
        _log.debug("call failed", peer=peer.hex(), reason=reason)
        if peer not in peering.connected:
            if reason != peering.ended.get(peer):  # a peer that is dialled in vain is dialled for days
                _log.info("not connected", peer=peer.hex(), reason=reason)
            peering.ended[peer] = reason
    peering.dialing.link_down(clock.monotonic_s(), peer)
    peering.links.tell()
