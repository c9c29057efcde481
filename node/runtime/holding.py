"""Holding: what is put under legal hold goes into the vault, then out of every store; and holds come to their end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from node.content import names
from node.errors import Refused, Unavailable
from node.exchange import consult, hold, references
from node.exchange.exchange import Exchange
from node.feed.box import Randomness
from node.feed.header import BULK
from node.runtime.link import Clock
from node.runtime.reading import Reading
from node.runtime.sweeping import Sweeping
from node.runtime.writer import Writer
from node.store import vault as vaults
from node.store.stores import Stores
from node.store.vault import Covered, Ground, Hold, Vault

LOOK_EVERY_S = 60.0
TEXT_CHARACTERS_MAX = 200
RECORDS_MAX = 16_384  # of one hold: a list of 66 million
NODE = "the node"  # who ends a hold whose time is over

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be held, for whom, why and how long."""

    items: Sequence[str]
    by: str
    authority: str
    reference: str
    ground: str
    review_ms: int
    end_ms: int


class Holding:
    """The one that moves into the vault. ``custodian`` reads the public key that is sealed to."""

    def __init__(
        self,
        vault: Vault,
        custodian: Callable[[], bytes],
        writer: Writer,
        reading: Reading,
        sweeping: Sweeping,
        clock: Clock,
        randomness: Randomness,
        may_erase: Callable[[], bool],
    ) -> None:
        self._vault, self._custodian, self._randomness = vault, custodian, randomness
        self._writer, self._reading, self._sweeping = writer, reading, sweeping
        self._clock, self._may_erase = clock, may_erase

    async def run(self) -> None:
        """End what is over, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.end_what_is_over()
            except Unavailable as error:
                _log.error("holds not looked at", reason=error.reason)

    async def resume(self) -> None:
        """At the start: go through with what the vault has and the stores have still."""
        await self._remove([one for each in self._vault.holds for one in each.covers])
        await self.end_what_is_over()

    async def end_what_is_over(self) -> None:
        """Destroy what was held until now; not while the clock is in doubt."""
        for one in self._vault.holds:
            if not one.is_over and one.end_ms <= self._clock.now_ms() and self._may_erase():
                await self._end(one, NODE, "its time is over")

    @property
    def holds(self) -> Sequence[Hold]:
        """All holds, the oldest first."""
        return self._vault.holds

    def reference(self, one: Hold) -> str:
        """What people call it."""
        return names.reference("h", one.id, sorted({one.id, *(each.id for each in self._vault.holds)}))

    def named(self, typed: str) -> Hold:
        """The hold that is meant; raises Refused for none and for several."""
        called = {one.id: (self.reference(one),) for one in self._vault.holds}
        wanted = names.resolve(typed, "hold", called)
        return next(one for one in self._vault.holds if one.id == wanted)

    async def add(self, asked: Asked, *, dry_run: bool = False) -> Hold:
        """Hold what is named; raises Refused for what is not here, dates that cannot be, and without a custodian."""
        ground, custodian = _check(asked, self._clock.now_ms()), self._custodian()
        covers = await self._reading.run(lambda stores: self._covers(stores, asked.items))
        made = Hold(
            id=self._randomness(vaults.ID_BYTES),
            made_ms=self._clock.now_ms(),
            by=asked.by,
            authority=asked.authority,
            reference=asked.reference,
            ground=ground,
            review_ms=asked.review_ms,
            end_ms=asked.end_ms,
            custodian=custodian,
            covers=covers,
        )
        if dry_run:
            return made
        for one in covers:
            await self._writer.run(partial(self._seal, made, one), BULK)
        await self._writer.run(lambda _: self._vault.describe(made), BULK)
        await self._remove(covers)
        _log.info("held", hold=self.reference(made), records=len(covers))
        return made

    async def review(self, one: Hold, review_ms: int) -> Hold:
        """It goes on, and is looked at again then; raises Refused for a date that cannot be."""
        if one.is_over or not self._clock.now_ms() < review_ms <= one.end_ms:
            raise Refused(
                "the next review lies between now and the end of a hold that goes on",
                next_step="Release the hold where it is not needed any more.",
                field="review",
            )
        changed = replace(one, review_ms=review_ms)
        await self._writer.run(lambda _: self._vault.describe(changed), BULK)
        return changed

    async def release(self, one: Hold, by: str, reason: str) -> Hold:
        """Destroy what is held; raises Refused where it is over."""
        if one.is_over:
            raise Refused("the hold is over", next_step="`tocsin hold list --all` says since when.", field="hold")
        return await self._end(one, by, _text(reason, "reason"))

    async def _end(self, one: Hold, by: str, note: str) -> Hold:
        now_ms = self._clock.now_ms()
        ended = await self._writer.run(lambda _: self._vault.end(one, now_ms, by, note), BULK)
        _log.info("hold over", hold=self.reference(one), by=by)
        return ended

    def _covers(self, stores: Stores, items: Sequence[str]) -> tuple[Covered, ...]:
        seen = consult.view(self._writer.trust, self._writer.follows, self._clock.now_ms())
        found = hold.cover(one for typed in items for one in references.find_all(stores, seen, typed))
        if not 0 < len(found) <= RECORDS_MAX:
            raise Refused(
                f"{len(found):,} records are named; a hold is of 1 to {RECORDS_MAX:,}",
                next_step="Name items, records, a list or a crisis.",
                field="items",
            )
        return found

    def _seal(self, made: Hold, one: Covered, exchange: Exchange) -> None:
        sealed = hold.seal(
            exchange.stores, one, made.id, made.custodian, exchange.trust, exchange.reader, self._randomness
        )
        self._vault.seal(made.id, one.entry, sealed)

    async def _remove(self, covers: Sequence[Covered]) -> None:
        now_ms = self._clock.now_ms()
        await self._sweeping.erase(await self._reading.run(lambda stores: hold.remaining(stores, covers, now_ms)))


def _check(asked: Asked, now_ms: int) -> Ground:
    for text, what in ((asked.authority, "authority"), (asked.reference, "reference")):
        _text(text, what)
    if asked.ground not in set(Ground) - {Ground.LEGAL_MINIMUM}:
        raise Refused(
            f"there is no ground {asked.ground!r}",
            next_step=f"Grounds are {', '.join(one for one in Ground if one is not Ground.LEGAL_MINIMUM)}.",
            field="ground",
        )
    if not now_ms < asked.review_ms <= asked.end_ms:
        raise Refused(
            "a hold has an end, and is reviewed before it",
            next_step="Give --review and --until, in this order, both ahead of now.",
            field="review",
        )
    return Ground(asked.ground)


def _text(text: str, what: str) -> str:
    if not 0 < len(text.strip()) <= TEXT_CHARACTERS_MAX or not text.isprintable():
        raise Refused(
            f"{what} has 1 to {TEXT_CHARACTERS_MAX} characters that can be printed",
            next_step=f"Say it as it stands in the file: --{what}.",
            field=what,
        )
    return text
