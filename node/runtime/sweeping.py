"""Sweeping: what is over, or was taken back and has cooled, is erased within minutes, from every file."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from node.errors import Unavailable
from node.exchange import consult, due
from node.exchange.due import Due, Mass
from node.exchange.exchange import Exchange
from node.exchange.residue import SEALED
from node.feed.header import BULK
from node.feed.marks import Marks
from node.policy.ignoring import Ignored
from node.runtime.link import Clock
from node.runtime.preserving import Preserving
from node.runtime.projecting import Projecting
from node.runtime.reading import Reading
from node.runtime.writer import News, Writer
from node.store import restrictions
from node.store.erasures import Erasure

SWEEP_EVERY_S = 30.0
PAUSE_S = 1.0  # between two sweeps, whatever comes
SEALED_EVERY_S = 300.0  # what only others can read is looked through
COMPACT_EVERY_S = 600.0  # a file of a gigabyte is written anew in ten seconds
EXPIRED_AT_A_TIME = 1024
ERASED_AT_A_TIME = 16  # between two of them the writer does what is urgent
SEALED_AT_A_TIME = 4  # of these, what is left of

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was known when somebody last looked for what was taken back, and when that changes by itself."""

    said: tuple[int, Marks] = (0, Marks())
    version: int = -1
    at_s: float = float("-inf")
    next_ms: int = 0


class Sweeping:
    """The one that erases while the node runs. ``may_erase`` is false while the clock is not trusted."""

    def __init__(
        self,
        writer: Writer,
        projecting: Projecting,
        reading: Reading,
        preserving: Preserving,
        clock: Clock,
        may_erase: Callable[[], bool],
    ) -> None:
        self._writer, self._projecting, self._reading = writer, projecting, reading
        self._preserving, self._clock, self._may_erase = preserving, clock, may_erase
        self._looked = _Looked()
        self.masses: tuple[Mass, ...] = ()  # as last looked for
        self._turn = asyncio.Lock()
        self.news = News()  # that something was erased
        self._compacted_s = self._sealed_s = float("-inf")
        self.swept_ms = 0  # when everything that was due was last gone
        self.erased: Counter[str] = Counter()  # since the start, by reason

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            seen = self._projecting.news.version
            try:
                await self.sweep()
            except Unavailable as error:
                _log.error("not erased", reason=error.reason)
            await self._until_news(seen)

    async def sweep(self) -> None:
        """Erase all that is due now, then what the files still show of it."""
        if not self._may_erase():
            return
        while self._may_erase() and (found := await self._expired()):
            await self.erase(found)
        if self._may_erase():
            taken_back = await self._withdrawn()
            try:
                await self.erase(taken_back.erasures)
            except Unavailable:
                self._looked = _Looked()  # looked for again, though nothing new is said
                raise
            if done := taken_back.carried_out:
                now_ms = self._clock.now_ms()
                await self._writer.run(lambda exchange: exchange.carry_out(done, now_ms), BULK)
        await self._sweep_sealed()
        if self._may_erase():
            await self.end_ignoring(self._writer.ignores.over(self._clock.now_ms()))
            self.swept_ms = self._clock.now_ms()
        now_s = self._clock.monotonic_s()
        if self._writer.has_residue and now_s >= self._compacted_s + COMPACT_EVERY_S:
            self._compacted_s = now_s
            _log.info("compacted", whole=await self._compact())

    async def _expired(self) -> Sequence[Erasure]:
        """What is over, by its end, by our own policy, or because this member left."""
        now_ms, keep = self._clock.now_ms(), self._writer.keep
        found = await self._reading.run(lambda stores: due.expired(stores, keep, now_ms, EXPIRED_AT_A_TIME))
        return found.erasures or (await self._departed())

    async def _departed(self) -> Sequence[Erasure]:
        now_ms, trust, me = self._clock.now_ms(), self._writer.trust, self._writer.reader.member_id
        found = await self._reading.run(lambda stores: due.departed(stores, trust, me, now_ms, EXPIRED_AT_A_TIME))
        return found.erasures

    async def _sweep_sealed(self) -> None:
        now_s, keep, after = self._clock.monotonic_s(), self._writer.keep, 0
        if now_s < self._sealed_s + SEALED_EVERY_S:
            return
        self._sealed_s = now_s
        while self._may_erase():
            look = partial(due.sealed, keep=keep, now_ms=self._clock.now_ms(), after=after)
            found, after = await self._reading.run(look)
            await self.erase(found.erasures)
            if not after:
                return

    async def _withdrawn(self) -> Due:
        """Looked for only where something new was said, something has cooled, or some time has passed."""
        now_ms, now_s = self._clock.now_ms(), self._clock.monotonic_s()
        said = await self._reading.run(lambda stores: restrictions.count(stores.index)), self._writer.trust.marks
        last, version = self._looked, self._projecting.news.version
        is_old = version != last.version and now_s >= last.at_s + SWEEP_EVERY_S
        if said == last.said and now_ms < last.next_ms and not is_old:
            return Due(())
        seen = consult.view(self._writer.trust, self._writer.follows, now_ms)
        found = await self._reading.run(lambda stores: due.withdrawn(stores, seen))
        self._looked = _Looked(said, version, now_s, found.next_ms)
        self._tell(found.masses)
        return found

    def _tell(self, masses: Sequence[Mass]) -> None:
        """What a thief may have taken back; said in the log once."""
        known = {one.member_id for one in self.masses}
        self.masses = tuple(masses)
        for one in masses:
            if one.member_id not in known:
                _log.warning(
                    "mass withdrawal",
                    member=self._writer.trust.name_of(one.member_id),
                    items=one.items,
                    erased_at=datetime.fromtimestamp(one.ends_ms / 1000, UTC).isoformat(),
                    next_step="Is it meant? If not, its root must end that feed before: `tocsin key retire`.",
                )

    async def _until_news(self, seen: int) -> None:
        """Some time, or less where something new is shown: a withdrawal that presses is carried out at once."""
        await asyncio.sleep(PAUSE_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(SWEEP_EVERY_S):
                await self._projecting.news.newer(seen)

    async def erase(self, found: Sequence[Erasure]) -> None:
        """Erase these, one caller at a time; they are gone when it returns, and what the law has kept is held.

        Raises Unavailable, with nothing of it erased, where that cannot be held.
        """
        async with self._turn:
            await self._preserving.preserve(found)
            await self._erase(found)
        if found:
            self.news.tell()

    async def _erase(self, found: Sequence[Erasure]) -> None:
        for start in range(0, len(found), ERASED_AT_A_TIME):
            part = found[start : start + ERASED_AT_A_TIME]
            await self._writer.run(lambda exchange: exchange.begin_erasing(part), BULK)  # noqa: B023 - awaited
            await self._projecting.drop([one.entry for one in part if not one.positions])
            await self._projecting.thin([(one.entry, one.positions) for one in part if one.positions])
            for piece in _pieces(part):
                await self._writer.run(lambda exchange: exchange.finish_erasing(piece), BULK)  # noqa: B023 - awaited
            self.erased.update(one.reason.name.lower() for one in part)
        if found:
            parts = sum(bool(one.positions) for one in found)
            _log.info("erased", payloads=len(found) - parts, parts=parts)

    async def end_ignoring(self, found: Sequence[Ignored]) -> None:
        """Forget decisions to ignore something, with the values that they are about."""
        if found:
            await self._writer.run(lambda exchange: exchange.end_ignoring(found), BULK)

    async def _compact(self) -> bool:
        """Write the files anew where pages may still show what was in them; whether all of it was possible."""
        async with self._turn:  # what is erased meanwhile leaves its own behind
            sealed = [await self._writer.run(partial(_write_anew, name=name), BULK) for name in SEALED]
            is_whole = await self._projecting.compact() and all(sealed)
            if is_whole:
                await self._writer.run(lambda exchange: exchange.residue.forget(), BULK)
        return is_whole


def _write_anew(exchange: Exchange, name: str) -> bool:
    return exchange.residue.compact([name])


def _pieces(part: Sequence[Erasure]) -> Iterator[Sequence[Erasure]]:
    """What is let go at once: sealing what is left of a record takes the writer longer than dropping all of it."""
    whole, parts = ([one for one in part if bool(one.positions) is is_part] for is_part in (False, True))
    if whole:
        yield whole
    for start in range(0, len(parts), SEALED_AT_A_TIME):
        yield parts[start : start + SEALED_AT_A_TIME]
