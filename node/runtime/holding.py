"""Holding: what is put under legal hold goes into the vault, then out of every store; and holds come to their end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from node.content import names
from node.errors import Refused, Unavailable
from node.exchange import consult, hold, references, tallies
from node.exchange.exchange import Exchange
from node.exchange.minimum import RECORDS_MAX
from node.exchange.references import Address
from node.feed.header import BULK
from node.runtime.link import Clock
from node.runtime.preserving import Preserving
from node.runtime.reading import Reading
from node.runtime.sweeping import Sweeping
from node.runtime.work import Work
from node.runtime.writer import Writer
from node.store import vault as vaults
from node.store.stores import Stores
from node.store.vault import Covered, Ground, Hold, Vault

LOOK_EVERY_S = 60.0
TEXT_CHARACTERS_MAX = 200

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
    """Holds that people ask for, and the end of all holds."""

    def __init__(
        self,
        vault: Vault,
        preserving: Preserving,
        writer: Writer,
        reading: Reading,
        sweeping: Sweeping,
        clock: Clock,
        may_erase: Callable[[], bool],
    ) -> None:
        self._vault, self._preserving = vault, preserving
        self._writer, self._reading, self._sweeping = writer, reading, sweeping
        self._clock, self._may_erase = clock, may_erase
        self._work = Work()
        self._unremoved: tuple[Covered, ...] = ()  # in the vault, and perhaps in the stores still

    async def run(self) -> None:
        """End what is over, and go through with what could not be taken out of the stores, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Do both once; the log says where the disk has no room for it."""
        try:
            await self._remove(())
            await self.end_what_is_over()
        except Unavailable as error:
            _log.error("holds not looked at", reason=error.reason)

    async def resume(self) -> None:
        """At the start: go through with what the vault has and the stores have still. Raises Unavailable."""
        await self._remove([one for each in self._vault.holds for one in each.covers])
        await self.look()

    async def end_what_is_over(self) -> None:
        """Destroy what was held until now; not while the clock is in doubt."""
        for one in self._vault.holds:
            if not one.is_over and one.end_ms <= self._clock.now_ms() and self._may_erase():
                await self._end(one, vaults.NODE, "its time is over")

    @property
    def holds(self) -> Sequence[Hold]:
        """All holds, the oldest first."""
        return self._vault.holds

    def reference(self, one: Hold) -> str:
        """What people call it."""
        return names.reference("h", one.id, sorted({one.id, *(each.id for each in self._vault.holds)}))

    def longest(self, address: Address) -> Hold | None:
        """Of the holds that go on and cover this, the one that ends last."""
        bit = -1 if address.position is None else 1 << address.position
        found = [
            one
            for one in self._vault.holds
            if not one.is_over
            and any(each.entry == address.entry and (each.positions or -1) & bit for each in one.covers)
        ]
        return max(found, key=lambda one: one.end_ms, default=None)

    def named(self, typed: str) -> Hold:
        """The hold that is meant; raises Refused for none and for several."""
        called = {one.id: (self.reference(one),) for one in self._vault.holds}
        wanted = names.resolve(typed, "hold", called)
        return next(one for one in self._vault.holds if one.id == wanted)

    async def add(self, asked: Asked, *, dry_run: bool = False) -> Hold:
        """Hold what is named; raises Refused for what is not here, dates that cannot be, and without a custodian."""
        ground, custodian = _check(asked, self._clock.now_ms()), self._preserving.custodian()
        covers = await self._reading.run(lambda stores: self._covers(stores, asked.items))
        made = Hold(
            id=self._preserving.randomness(vaults.ID_BYTES),
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
        return made if dry_run else await self._work.through(self._hold(made))

    async def _hold(self, made: Hold) -> Hold:
        async with self._preserving.whole(made):
            for one in made.covers:
                await self._preserving.seal(made, one)
            await self._writer.run(lambda _: self._vault.describe(made), BULK)
        await self._remove(made.covers)
        _log.info("held", hold=self.reference(made), records=len(made.covers))
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
        ended = await self._writer.run(partial(self._destroy, one=one, now_ms=now_ms, by=by, note=note), BULK)
        _log.info("hold over", hold=self.reference(one), by=by)
        return ended

    def _destroy(self, exchange: Exchange, one: Hold, now_ms: int, by: str, note: str) -> Hold:
        ended = self._vault.end(one, now_ms, by, note)
        if by == vaults.NODE and exchange.acts is not None:  # a call has a line of its own
            tallies.hold_ended(exchange.acts, ended)
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

    async def _remove(self, covers: Sequence[Covered]) -> None:
        """Take these out of the stores, and what was left before; what is left now is tried again."""
        now_ms, removed = self._clock.now_ms(), (*self._unremoved, *covers)
        self._unremoved = removed
        if removed:
            await self._sweeping.erase(await self._reading.run(lambda stores: hold.remaining(stores, removed, now_ms)))
        gone = set(removed)
        self._unremoved = tuple(one for one in self._unremoved if one not in gone)


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
