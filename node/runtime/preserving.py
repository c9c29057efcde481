"""Preserving: what the law has kept of what is erased goes into the vault first, by the policy in force."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from node.errors import ConfigError, NodeError, Refused, Unavailable
from node.exchange import hold, minimum, tallies
from node.exchange.exchange import Exchange
from node.exchange.minimum import Wanted
from node.feed.box import Randomness
from node.feed.header import BULK
from node.runtime.link import Clock
from node.runtime.reading import Reading
from node.runtime.writer import Writer
from node.store.erasures import Erasure
from node.store.vault import Covered, Hold, Vault

LOOKED_AT_A_TIME = 16

_log = structlog.get_logger()


class Preserving:
    """The one that fills the vault. ``custodian`` reads the public key that is sealed to."""

    def __init__(
        self,
        vault: Vault,
        custodian: Callable[[], bytes],
        writer: Writer,
        reading: Reading,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._vault, self.custodian, self.randomness = vault, custodian, randomness
        self._writer, self._reading, self._clock = writer, reading, clock

    async def preserve(self, found: Sequence[Erasure]) -> None:
        """Hold what the law has kept of what is about to be erased; raises Unavailable where it cannot be held.

        Then nothing of it may go: what is overdue can be erased later, and what is gone cannot be held.
        """
        if not self._writer.keep.policy.has_minimum:
            return
        wanted = await self._wanted(found)
        if not wanted:
            return
        try:
            custodian = self.custodian()
        except (Refused, ConfigError) as error:
            raise Unavailable(
                f"the law has kept what is to be erased, and it cannot be held: {error.reason}",
                next_step=error.next_step,
            ) from error
        for made in minimum.holds(wanted, custodian, self._clock.now_ms(), self.randomness):
            await self._hold(made)

    async def _wanted(self, found: Sequence[Erasure]) -> list[Wanted]:
        keep, reader, known = self._writer.keep, self._writer.reader, minimum.held(self._vault.holds)
        wanted: list[Wanted] = []
        for start in range(0, len(found), LOOKED_AT_A_TIME):
            part = found[start : start + LOOKED_AT_A_TIME]
            wanted += await self._reading.run(
                partial(minimum.wanted, found=part, keep=keep, reader=reader, known=known)
            )
        return wanted

    async def _hold(self, made: Hold) -> None:
        async with self.whole(made):
            covers = [one for one in made.covers if await self._is_sealed(made, one)]
            held = replace(made, covers=tuple(covers))
            if covers:
                await self._writer.run(partial(self._describe, made=held), BULK)
        if covers:
            _log.info("held by law", records=len(covers), ground=made.reference, end_ms=made.end_ms)

    @asynccontextmanager
    async def whole(self, made: Hold) -> AsyncIterator[None]:
        """Within, a hold is sealed and described; where that fails nothing of it stays sealed."""
        try:
            yield
        except NodeError:
            await self._writer.run(lambda _: self._vault.discard(made.id), BULK)
            raise

    async def _is_sealed(self, made: Hold, one: Covered) -> bool:
        """Whether there was anything to be held: what does not open as its author says it does was never read here."""
        try:
            await self.seal(made, one)
        except Refused as error:
            _log.warning("not held", entry=one.entry.hex(), reason=error.reason)
            return False
        return True

    async def seal(self, made: Hold, one: Covered) -> None:
        """Seal what a hold covers of one record; raises Refused for what is not here or not readable."""
        await self._writer.run(partial(self._seal, made=made, one=one), BULK)

    def _seal(self, exchange: Exchange, made: Hold, one: Covered) -> None:
        sealed = hold.seal(
            exchange.stores, one, made.id, made.custodian, exchange.trust, exchange.reader, self.randomness
        )
        self._vault.seal(made.id, one.entry, sealed)

    def _describe(self, exchange: Exchange, made: Hold) -> None:
        self._vault.describe(made)
        if exchange.acts is not None:
            tallies.held(exchange.acts, made)
