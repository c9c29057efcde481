"""Projecting: a reader of arrivals beside the writer. Bulk holds up neither the writer nor what is urgent.

The index has one thread and the digests another; ledger and keys are read beside their writer. The
kernel runs the digests' thread only where nobody else wants the processor: a record that is found a
little later is worth less than a declaration that arrives now.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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


class Projecting:
    """Owns the connections that write index and digests."""

    def __init__(self, held: Stores, writer: Writer) -> None:
        self.news = News()
        self._stores, self._writer = held, writer
        self._index = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._digests = ThreadPoolExecutor(1, thread_name_prefix="digests", initializer=yield_to_others)
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
        def begin() -> Heavy | bool:
            writer = self._writer
            into = Into.now(writer.keep, writer.reader, writer.follows, writer.erasures, self._endings)
            return project.begin(self._stores, into, urgent=urgent)

        async with self._lanes[urgent]:
            step = await self._run(self._index, begin)
            if not isinstance(step, Heavy):
                return step
            await self._writer.bulk_turn()
            await self._run(self._digests, lambda: project.write_keys(self._stores, step))
            await self._run(self._index, lambda: project.finish(self._stores, step))
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
                while await self._run(self._index, self._keep_some):
                    some = True
                    await self._writer.bulk_turn()
                if some:
                    self.news.tell()  # whoever erases by it
            except Unavailable as error:
                _log.error("deadlines not written", reason=error.reason)
                await asyncio.sleep(RETRY_S)
                seen = -1

    def _keep_some(self) -> bool:
        return keeping.step(self._stores, self._writer.keep)

    async def drop(self, hashes: Sequence[HeaderHash]) -> None:
        """Take records out of the index, while their payloads are still here to say what they hold.

        What is erased was journalled before: a step that began later does not bring it in.
        """
        for hash_ in hashes:
            await self._writer.bulk_turn()
            async with await self._lane_of(hash_):
                number = await self._run(self._index, partial(self._hide, hash_))
                if number is not None:
                    await self._run(self._digests, partial(self._erase_keys, hash_, number))
                    await self._run(self._index, partial(self._forget, hash_, number))
        self.news.tell()

    async def set_aside(self, hashes: Sequence[HeaderHash]) -> None:
        """Records that readers do not find from now on, until they arrive again."""
        async with self._lanes[True], self._lanes[False]:
            await self._run(self._index, partial(self._set_aside, hashes))
        self.news.tell()

    async def thin(self, parts: Sequence[tuple[HeaderHash, bytes]]) -> None:
        """Take some items of records out of the index, while their payloads still say what they are."""
        for hash_, positions in parts:
            await self._writer.bulk_turn()
            async with await self._lane_of(hash_):
                await self._run(self._digests, partial(self._thin, hash_, positions))
        self.news.tell()

    async def compact(self) -> bool:
        """Write both files anew, so that no page shows what was erased; whether nothing stood in the way."""
        held = self._stores
        digests = await self._run(self._digests, lambda: stores.compact(held.digests))
        index = await self._run(self._index, lambda: stores.compact(held.index))
        return digests and index

    async def _lane_of(self, hash_: HeaderHash) -> asyncio.Lock:
        """Of the only one in which a record may be half written; records of lists are mostly bulk, so nobody waits."""
        lane = await self._run(self._index, partial(payloads.lane, self._stores.ledger, hash_))
        return self._lanes[lane == URGENT]

    def _thin(self, hash_: HeaderHash, positions: bytes) -> None:
        row, writer = ledger.entry(self._stores.ledger, hash_), self._writer
        if row is not None:
            project.thin(self._stores, row, statements.positions(positions), writer.trust, writer.reader)

    def _hide(self, hash_: HeaderHash) -> int | None:
        self._endings.forget()
        return project.hide(self._stores, hash_)

    def _set_aside(self, hashes: Sequence[HeaderHash]) -> None:
        self._endings.forget()
        quarantine.hide(self._stores, hashes)

    def _forget(self, hash_: HeaderHash, number: int) -> None:
        writer = self._writer
        project.forget(self._stores, number, writer.keep, is_erased=hash_ in writer.erasures.whole)

    def _erase_keys(self, hash_: HeaderHash, number: int) -> None:
        row = ledger.entry(self._stores.ledger, hash_)
        assert row is not None  # noqa: S101 - what the index holds has an entry
        project.erase_keys(self._stores, row, number, self._writer.trust, self._writer.reader)

    async def _run(self, thread: ThreadPoolExecutor, operation: Callable[[], Result]) -> Result:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(thread, self._whole, thread, operation))

    def _whole(self, thread: ThreadPoolExecutor, operation: Callable[[], Result]) -> Result:
        """All or nothing in the file that the thread owns; raises Unavailable where the disk was at fault."""
        try:
            return operation()
        except BaseException as error:
            (self._stores.index if thread is self._index else self._stores.digests).rollback()
            stores.explain(error)
            raise

    def close(self) -> None:
        """Wait for the steps under way; what is not projected will be at the next start.

        Whoever closes a file last folds its log into it: that must be its writer, for a reader cannot.
        """
        self._index.shutdown()
        self._digests.shutdown()
        for reading in (self._stores.ledger, self._stores.keys):
            reading.close()
            reading.engine.dispose()


def yield_to_others() -> None:
    """Let the calling thread run only where nobody else wants the processor."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BULK_NICENESS)
