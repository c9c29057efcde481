"""Mirroring: the erasure journal goes to a second place, so that a restore knows what must not come back."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from node.errors import ConfigError
from node.feed.pae import FederationId
from node.runtime.writer import News
from node.store import erasures
from node.store.erasures import RolledBack

LOOK_EVERY_S = 30.0

_log = structlog.get_logger()


class Mirroring:
    """Takes the journal's new lines to its copy.

    ``end`` is where the last whole line of the journal ends now; ``news`` that there may be more. ``rolled_back`` is
    told where the copy has more: its disk was away when the node started.
    """

    def __init__(
        self,
        journal: Path,
        copy: Path,
        federation_id: FederationId,
        end: Callable[[], int],
        news: News,
        rolled_back: Callable[[RolledBack], None],
    ) -> None:
        self._journal, self._copy, self._federation_id = journal, copy, federation_id
        self._end, self._news, self._rolled_back = end, news, rolled_back
        self._fault = ""

    async def run(self) -> None:
        """Copy what is new, for ever; a place that is away now may be back later."""
        while True:
            seen = self._news.version
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._news.newer(seen)

    async def look(self) -> None:
        """Copy what is new; what stands in the way is told once."""
        try:
            added = await asyncio.to_thread(
                erasures.mirror, self._journal, self._copy, self._end(), self._federation_id
            )
        except (OSError, ConfigError) as error:
            reason = error.reason if isinstance(error, ConfigError) else str(error)
            if reason != self._fault:
                _log.error("erasure journal not copied", copy=str(self._copy), reason=reason)
            self._fault = reason
            if isinstance(error, RolledBack):
                self._rolled_back(error)
            return
        if added or self._fault:
            _log.info("erasure journal copied", copy=str(self._copy), added_bytes=added)
        self._fault = ""
