"""Staging: items that a caller sends, checked as they come and kept on disk until all are here.

Each call has a thread of its own, which yields to everything else: SQLite holds no interpreter while
it sorts and compares, so a list of ten million delays nobody.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from node.content import hashes, personal
from node.content.hashes import HashKind
from node.errors import Refused
from node.exchange import drafts
from node.runtime.projecting import yield_to_others
from node.store import staging, stores
from node.v1 import tools_pb2

Result = TypeVar("Result")

CALLS_MAX = 4  # at a time; the others wait
ITEMS_MAX = 1 << 24  # of one call: 1.7 times what one machine is planned for


class Staged:
    """The items of one call."""

    def __init__(self, connection: sa.Connection, thread: ThreadPoolExecutor) -> None:
        self.counts: dict[HashKind, int] = {}  # once settled
        self.sent = 0  # items, as often as they came
        self.for_others = False  # what is personal in a URL is refused
        self.accounts = False  # but for the pages of accounts
        self._connection, self._thread = connection, thread
        self._holders = 1  # the call, and whatever goes on without it

    async def add(self, values: tools_pb2.Values, kind_name: str) -> None:
        """Take some items, of the kind they name or of this one; raises Refused for what cannot be."""
        kind = drafts.kind_named(values.kind or kind_name)
        self.sent += _count(kind, values)
        if self.sent > ITEMS_MAX:
            raise Refused(f"more than {ITEMS_MAX:,} items", next_step="Publish them as several lists.", field="values")
        if kind.is_fixed and not values.qualities:
            await self.run(lambda connection: staging.add_packed(connection, kind, values.digests))
        else:
            rows = _rows(kind, values)
            if kind is hashes.URL and self.for_others:
                self._look_through(values.texts)
            await self.run(lambda connection: staging.add_rows(connection, kind, rows))

    def _look_through(self, urls: Sequence[str]) -> None:
        for number, url in enumerate(urls, self.sent - len(urls) + 1):
            if fault := personal.url_fault(url, allowed=self.accounts):
                raise Refused(
                    f"item {number:,}: {fault}", next_step="Nothing was published. Leave it out.", field="values"
                )

    async def settle(self) -> None:
        """All are here: sort them."""
        found = await self.run(staging.settle)
        self.counts = {hashes.BY_NUMBER[number]: count for number, count in sorted(found.items())}

    @property
    def count(self) -> int:
        """How many different items there are."""
        return sum(self.counts.values())

    async def run(self, operation: Callable[[sa.Connection], Result]) -> Result:
        """Run something over the items; raises Unavailable where the disk is at fault."""

        def whole() -> Result:
            try:
                return operation(self._connection)
            except BaseException as error:
                stores.explain(error)
                raise

        return await asyncio.get_running_loop().run_in_executor(self._thread, whole)

    def held_by(self, work: Coroutine[object, object, Result]) -> Coroutine[object, object, Result]:
        """The same work; the items are here until its end, even where the call ends before."""
        self._holders += 1

        async def whole() -> Result:
            try:
                return await work
            finally:
                self.let_go()

        return whole()

    def let_go(self) -> None:
        """One that needed the items is done; with the last one they go."""
        self._holders -= 1
        if not self._holders:
            self._thread.submit(_close, self._connection)
            self._thread.shutdown(wait=False)


class Staging:
    """Where calls that bring items keep them meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = asyncio.Semaphore(CALLS_MAX)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Staged]:
        """Room for the items of one call."""
        async with self._places:
            thread = ThreadPoolExecutor(1, thread_name_prefix="staging", initializer=yield_to_others)
            loop = asyncio.get_running_loop()
            staged = Staged(await loop.run_in_executor(thread, staging.open_staging, self._folder), thread)
            try:
                yield staged
            finally:
                staged.let_go()


def _close(connection: sa.Connection) -> None:
    connection.close()
    connection.engine.dispose()


def _count(kind: HashKind, values: tools_pb2.Values) -> int:
    """How many there are; raises Refused where they are not whole."""
    count, rest = divmod(len(values.digests), kind.digest_bytes) if kind.is_fixed else (len(values.texts), 0)
    if rest or (values.texts if kind.is_fixed else values.digests):
        what = f"{kind.digest_bytes} bytes each, end to end" if kind.is_fixed else "as texts"
        raise Refused(f"these are no whole items of {kind.name}", next_step=f"Send them {what}.", field="values")
    if len(values.qualities) not in (0, count) or any(
        hashes.QUALITY_MAX < quality != hashes.QUALITY_UNKNOWN for quality in values.qualities
    ):
        raise Refused(
            "qualities do not fit the items", next_step="Send one byte for each: 0 to 100, or 255.", field="qualities"
        )
    return count


def _rows(kind: HashKind, values: tools_pb2.Values) -> list[tuple[bytes, hashes.Value, int]]:
    size = kind.digest_bytes
    found: list[hashes.Value] = (
        [values.digests[i : i + size] for i in range(0, len(values.digests), size)]
        if kind.is_fixed
        else [_in_form(kind, text) for text in values.texts]
    )
    qualities = values.qualities or bytes([hashes.QUALITY_UNKNOWN]) * len(found)
    return [(hashes.key(value), value, quality) for value, quality in zip(found, qualities, strict=True)]


def _in_form(kind: HashKind, text: str) -> hashes.Value:
    try:
        return hashes.parse(kind, text)
    except ValueError as error:
        raise Refused(str(error), next_step="Nothing was published. Mend this item.", field="values") from None
