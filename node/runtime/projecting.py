"""Projecting: a reader of arrivals beside the writer. Bulk holds up neither the writer nor what is urgent.

The index has one thread and the digests another, each with connections of its own; all else they read beside
its writer. The kernel runs the digests' thread only where nobody else wants the processor: a record that is
found a little later is worth less than a declaration that arrives now.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from node.errors import Unavailable
from node.exchange import keeping, project, quarantine
from node.exchange.endings import Endings
from node.exchange.project import Heavy, Into
from node.feed import statements
from node.feed.header import BULK, URGENT
from node.feed.keys import HeaderHash
from node.runtime.writer import News, Writer
from node.store import ledger, payloads, stores
from node.store.stores import Stores

Result = TypeVar("Result")

BULK_NICENESS = 19
RETRY_S = 2.0

_log = structlog.get_logger()


class _Thread:
    """One thread, the file that it writes, and the others as it reads them."""

    def __init__(self, folder: Path, own: str, begin: Callable[[], None] = lambda: None) -> None:
        self._held, self._own = stores.open_to_write(folder, own), own
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=own, initializer=begin)

    async def run(self, operation: Callable[[Stores], Result]) -> Result:
        """All or nothing in its file, also where the caller goes; raises Unavailable where the disk was at fault."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, self._whole, operation))

    def _whole(self, operation: Callable[[Stores], Result]) -> Result:
        try:
            return operation(self._held)
        except BaseException as error:
            getattr(self._held, self._own).rollback()
            stores.explain(error)
            raise

    async def compact(self) -> bool:
        """Write its file anew; whether nothing stood in the way."""
        return await self.run(lambda held: stores.compact(getattr(held, self._own)))

    def close(self) -> None:
        """Wait for the step under way."""
        self._pool.shutdown()
        self._held.close()


class Projecting:
    """Owns the connections that write index and digests; the writer's own read these meanwhile."""

    def __init__(self, folder: Path, writer: Writer) -> None:
        self.news = News()
        self._writer = writer
        writer.leave_projection()
        self._index = _Thread(folder, "index")
        self._digests = _Thread(folder, "digests", yield_to_others)
        self._endings = Endings()  # of the index's thread
        self._lanes = {True: asyncio.Lock(), False: asyncio.Lock()}  # nothing leaves while it is half written

    async def run(self) -> None:
        """Project whatever arrives, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(urgent=True))
            tasks.create_task(self._follow(urgent=False))
            tasks.create_task(self._keep())

    async def _follow(self, *, urgent: bool) -> None:
        seen = -1
        while True:
            seen = await self._writer.news_in_lane[urgent].newer(seen)
            try:
                while await self._advance(urgent=urgent):
                    self.news.tell()
            except Unavailable as error:
                _log.error("index not written", reason=error.reason)
                await asyncio.sleep(RETRY_S)  # the disk does not say when it has room again
                seen = -1
            self.news.tell()

    async def _advance(self, *, urgent: bool) -> bool:
        def begin(held: Stores) -> Heavy | bool:
            writer = self._writer
            into = Into.now(writer.keep, writer.reader, writer.follows, writer.erasures, self._endings)
            return project.begin(held, into, urgent=urgent)

        async with self._lanes[urgent]:
            step = await self._index.run(begin)
            if not isinstance(step, Heavy):
                return step
            await self._writer.bulk_turn()
            await self._digests.run(lambda held: project.write_keys(held, step))
            await self._index.run(lambda held: project.finish(held, step))
        if step.replaces:
            replaces = step.replaces
            await self._writer.run(lambda exchange: exchange.spare(replaces), BULK)
        return True

    async def _keep(self) -> None:
        """Decide anew until when records are kept, whatever asks for it, for ever."""
        seen = -1
        while True:
            seen = await self.news.newer(seen)
            some = False
            try:
                while await self._index.run(self._keep_some):
                    some = True
                    await self._writer.bulk_turn()
                if some:
                    self.news.tell()  # whoever erases by it
            except Unavailable as error:
                _log.error("deadlines not written", reason=error.reason)
                await asyncio.sleep(RETRY_S)
                seen = -1

    def _keep_some(self, held: Stores) -> bool:
        return keeping.step(held, self._writer.keep)

    async def drop(self, hashes: Sequence[HeaderHash]) -> None:
        """Take records out of the index, while their payloads are still here to say what they hold.

        What is erased was journalled before: a step that began later does not bring it in.
        """
        for hash_ in hashes:
            await self._writer.bulk_turn()
            async with await self._lane_of(hash_):
                number = await self._index.run(partial(self._hide, hash_=hash_))
                if number is not None:
                    await self._digests.run(partial(self._erase_keys, hash_=hash_, number=number))
                    await self._index.run(partial(self._forget, hash_=hash_, number=number))
        self.news.tell()

    async def set_aside(self, hashes: Sequence[HeaderHash]) -> None:
        """Records that readers do not find from now on, until they arrive again."""
        async with self._lanes[False], self._lanes[True]:  # nothing urgent waits until bulk has come to an end
            await self._index.run(partial(self._set_aside, hashes=hashes))
        self.news.tell()

    async def thin(self, parts: Sequence[tuple[HeaderHash, bytes]]) -> None:
        """Take some items of records out of the index, while their payloads still say what they are."""
        for hash_, positions in parts:
            await self._writer.bulk_turn()
            async with await self._lane_of(hash_):
                await self._digests.run(partial(self._thin, hash_=hash_, positions=positions))
        self.news.tell()

    async def compact(self) -> bool:
        """Write both files anew, so that no page shows what was erased; whether nothing stood in the way."""
        digests = await self._digests.compact()
        return await self._index.compact() and digests

    async def _lane_of(self, hash_: HeaderHash) -> asyncio.Lock:
        """Of the only one in which a record may be half written; records of lists are mostly bulk, so nobody waits."""
        lane = await self._index.run(lambda held: payloads.lane(held.ledger, hash_))
        return self._lanes[lane == URGENT]

    def _thin(self, held: Stores, hash_: HeaderHash, positions: bytes) -> None:
        row, writer = ledger.entry(held.ledger, hash_), self._writer
        if row is not None:
            project.thin(held, row, statements.positions(positions), writer.trust, writer.reader)

    def _hide(self, held: Stores, hash_: HeaderHash) -> int | None:
        self._endings.forget()
        return project.hide(held, hash_)

    def _set_aside(self, held: Stores, hashes: Sequence[HeaderHash]) -> None:
        self._endings.forget()
        quarantine.hide(held, hashes)

    def _forget(self, held: Stores, hash_: HeaderHash, number: int) -> None:
        writer = self._writer
        project.forget(held, number, writer.keep, is_erased=hash_ in writer.erasures.whole)

    def _erase_keys(self, held: Stores, hash_: HeaderHash, number: int) -> None:
        row = ledger.entry(held.ledger, hash_)
        assert row is not None  # noqa: S101 - what the index holds has an entry
        project.erase_keys(held, row, number, self._writer.trust, self._writer.reader)

    async def close(self) -> None:
        """Wait for the steps under way; what is not projected will be at the next start.

        Whoever closes a file last folds its log into it: the writer does, which may write all of them again.
        """
        self._index.close()
        self._digests.close()
        await self._writer.take_projection()


def yield_to_others() -> None:
    """Let the calling thread run only where nobody else wants the processor."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BULK_NICENESS)
