"""Auditing: acts into the audit log, at once or by the minute; and the hourly ANCHOR by which peers witness it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

import structlog

from node import limits
from node.errors import Refused, Unavailable
from node.exchange import audit, tallies, verification, witnesses
from node.exchange.audit import Act, Operation, Why
from node.exchange.exchange import Exchange
from node.exchange.recording import AuditLog, Place
from node.exchange.restored import Journal
from node.exchange.tallies import Key, Tallies
from node.feed.header import NORMAL
from node.feed.keys import MemberId
from node.feed.statements import Anchor
from node.runtime.saying import Saying
from node.runtime.work import Work
from node.store import stores
from node.store.erasures import FileErasures
from node.v1 import peer_pb2

CRASHED = "the last stop was none: up to {look_ups:,} look-ups, and an hour of what went to peers, were not noted"

PAUSE_S = 5.0  # where the disk takes nothing

Result = TypeVar("Result")

_log = structlog.get_logger()


class Auditing:
    """Owned by the event loop; the log itself by a thread of its own, in order."""

    def __init__(self, log: AuditLog, saying: Saying, life_ms: int, may_erase: Callable[[], bool]) -> None:
        self._file, self._saying, self._clock = log, saying, saying.clock
        self._life_ms, self._may_erase = life_ms, may_erase
        self._tallies = Tallies()
        self._unwritten: list[Act] = []  # what the disk did not take
        self._full = asyncio.Event()
        self._work, self._writing = Work(), asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._anchored: tuple[Anchor, int] | None = None
        saying.peering.disclosed = self.disclosed

    @property
    def now_ms(self) -> int:
        """For the acts."""
        return self._clock.now_ms()

    async def note(self, *acts: Act) -> None:
        """Durable when it returns; raises Unavailable where the disk does not take it."""
        now_ms = self.now_ms
        await self._run(lambda log: log.append(acts, now_ms))

    def tally(
        self, key: Key, counts: Mapping[str, int], what: Sequence[tuple[str, int | None]] = (), life_ms: int = 0
    ) -> None:
        """Note it with others of its kind, within a minute or as soon as there are many."""
        life_ms = life_ms or limits.AUDIT_BATCH_MS
        if self._tallies.add(key, self.now_ms, counts, what, life_ms=life_ms):
            self._full.set()

    def disclosed(self, peer: MemberId, frame: peer_pb2.Frame) -> None:
        """A frame is to leave: what of it is somebody's content is a disclosure to that member."""
        trust = self._saying.writer.trust
        if frame.HasField("entries"):
            sent = [one for one in frame.entries.entries if one.payload]
            what = [(verification.header_hash(one, trust.federation_id).hex(), None) for one in sent]
        elif frame.HasField("chunk"):
            what = [(frame.chunk.entry.hex(), None)]
        else:
            return
        if what:
            key = Key(Operation.DISCLOSURE, "send to a peer", to=tallies.member(trust.name_of(peer), peer))
            self.tally(
                key, {"payloads" if frame.HasField("entries") else "chunks": len(what)}, what, limits.AUDIT_RELAY_MS
            )

    # ---- Life

    async def start(self) -> None:
        """Say that the node starts, whether it was stopped in order, and whether this is the log it had."""
        await self._saying.writer.run(_keep_acts)
        now_ms = self.now_ms
        before = await self._run(lambda log: log.last_of(audit.STARTED, audit.STOPPED, audit.RESUMED))
        said = [Act(now_ms, Operation.ADMINISTRATION, audit.STARTED)]
        if before is not None and before.act.act == audit.STARTED:
            words = CRASHED.format(look_ups=limits.AUDIT_LOOK_UPS_MAX)
            said = [Act(now_ms, Operation.ADMINISTRATION, audit.STARTED, why=Why("crash", words))]
        witnessed = (await self._saying.writer.run(_last_anchor))[0].audit_size
        if witnessed > self._file.place.size:
            _log.error("audit log is shorter than it was", lines=self._file.place.size, witnessed=witnessed)
            said.insert(0, audit.resumed(now_ms, f"{witnessed:,} lines were witnessed"))
        await self.note(*said)

    async def run(self) -> None:
        """Write what is due, erase what is over, and have the log witnessed every hour, for ever."""
        await asyncio.gather(self.keep(), self._witness())

    async def keep(self) -> None:
        """Write what is due and erase what is over, for ever."""
        while True:
            try:
                await self.flush()
                await self.erase()
                await self._write_full(self._clock.monotonic_s() + limits.AUDIT_BATCH_MS / 1000)
            except Unavailable as error:
                _log.error("audit log not written", reason=error.reason)
                await asyncio.sleep(PAUSE_S)

    async def _write_full(self, until_s: float) -> None:
        """Until then, whatever there is much of: at a hundred look-ups of a thousand values a second, ten times."""
        while await self._is_full(until_s - self._clock.monotonic_s()):
            self._full.clear()
            await self._work.through(self._write(self._tallies.take_full()))

    async def _is_full(self, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                return await self._full.wait()
        return False

    async def _witness(self) -> None:
        while True:
            try:
                await self.anchor_in_time()
            except (Refused, Unavailable) as error:  # nothing may be signed now
                _log.warning("audit log not witnessed", reason=error.reason, next_step=error.next_step)
            await asyncio.sleep(limits.AUDIT_BATCH_MS / 1000)

    async def flush(self, *, everything: bool = False) -> None:
        """Write what was noted together; all of it, or what is due. Whoever is cancelled meanwhile loses none of it."""
        await self._work.through(self._flush(everything=everything))

    async def _flush(self, *, everything: bool) -> None:
        now_ms = self.now_ms
        ours = await self._saying.writer.run(lambda exchange: _taken(exchange, now_ms, everything=everything))
        await self._write([*ours, *self._tallies.take(now_ms, everything=everything)])

    async def _write(self, more: Sequence[Act]) -> None:
        self._unwritten += more
        async with self._writing:  # at the end, whoever closes waits here for what was begun
            acts, self._unwritten = self._unwritten, []
            try:
                if acts:
                    await self.note(*acts)
            except Unavailable:
                self._unwritten = [*acts, *self._unwritten]
                raise

    async def close(self) -> None:
        """After everything else has ended, with the writer still there."""
        try:
            await self.flush(everything=True)
            await self.note(Act(self.now_ms, Operation.ADMINISTRATION, audit.STOPPED))
        except Unavailable as error:
            _log.error("audit log not written", reason=error.reason)
        await self._run(AuditLog.close)
        self._thread.shutdown()

    async def read(self, since_ms: int = 0, lines: int = 0) -> AsyncIterator[tuple[int, bytes]]:
        """The segments that have lines since then, or the last so many, one after the other; 0: all."""
        for first in await self._run(lambda log: log.wanted(since_ms, lines)):
            yield first, await self._run(partial(AuditLog.segment, first=first))

    # ---- Being witnessed

    async def anchor(self) -> Anchor:
        """Say now how far journal and log are, unless that was said; raises Refused where nothing may be signed."""
        await self.flush(everything=True)
        place = await self._run(lambda log: log.place)
        now = await self._saying.writer.run(lambda exchange: _anchor(exchange, place))
        before, _ = await self._last()
        if now != before:
            await self._saying.say([witnesses.draft(now)], NORMAL)
            self._anchored = now, self.now_ms
        return now

    async def anchor_in_time(self) -> None:
        """An hour after the last time, or after the log began."""
        _, made_ms = await self._last()
        since_ms = made_ms or await self._run(lambda log: log.begun_ms)
        if not 0 <= self.now_ms - since_ms < limits.ANCHOR_EVERY_S * 1000:
            await self.anchor()

    async def _last(self) -> tuple[Anchor, int]:
        if self._anchored is None:
            self._anchored = await self._saying.writer.run(_last_anchor)
        return self._anchored

    async def erase(self) -> None:
        """Erase segments that are over, and note that."""
        if not self._may_erase():
            return
        now_ms = self.now_ms
        gone = await self._run(lambda log: log.erase(now_ms - self._life_ms))
        if gone:
            what = (f"lines {gone[0]}-{gone[1]}",)
            await self.note(Act(now_ms, Operation.ERASURE, "erase audit log", what=what, why=Why("age")))

    async def _run(self, operation: Callable[[AuditLog], Result]) -> Result:
        running = asyncio.get_running_loop().run_in_executor(self._thread, operation, self._file)
        try:
            return await asyncio.shield(running)
        except OSError as error:
            stores.explain(error)
            raise


def _keep_acts(exchange: Exchange) -> None:
    exchange.acts = Tallies()


def _taken(exchange: Exchange, now_ms: int, *, everything: bool) -> list[Act]:
    return exchange.acts.take(now_ms, everything=everything) if exchange.acts is not None else []


def _last_anchor(exchange: Exchange) -> tuple[Anchor, int]:
    return witnesses.last(exchange.stores, exchange.trust, exchange.author.feed_id)


def _anchor(exchange: Exchange, place: Place) -> Anchor:
    """Of a journal that waits for its copy nothing is said: what it has is to stand behind what that has."""
    journal = exchange.erasures
    if not isinstance(journal, FileErasures) or exchange.restored.journal is Journal.PENDING:
        return witnesses.anchor(place, 0, b"")
    return witnesses.anchor(place, journal.size, journal.head)
