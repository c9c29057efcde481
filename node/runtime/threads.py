"""Threads that read: for look-ups, and for what grows with a flood. Operations run whole in one of them.

Everything else reads through `reading`, where all but the statements themselves runs on the event loop.
A thousand digests with ten matches are 36 statements, and the hops that aiosqlite makes for each of them
took four fifths of a look-up.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from node.store import stores
from node.store.stores import Stores

Result = TypeVar("Result")

THREADS = 3  # threads: as many reads run at a time, the others wait


class ReadingThreads:
    """A few threads, each with a connection of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="reading")
        self._own = threading.local()
        self._opened: list[Stores] = []

    async def open(self) -> None:
        """Open the first connection: files that cannot be read should be found out at the start."""
        await self.run(lambda _: None)

    async def run(self, operation: Callable[[Stores], Result]) -> Result:
        """Run one operation; each of its statements sees what was committed when it began."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, operation)

    async def close(self) -> None:
        """Close all connections, after the reads under way."""
        await asyncio.to_thread(self._threads.shutdown)
        for opened in self._opened:
            opened.close()

    def _read(self, operation: Callable[[Stores], Result]) -> Result:
        held: Stores | None = getattr(self._own, "stores", None)
        if held is None:
            held = self._own.stores = stores.open_to_read(self._folder)
            self._opened.append(held)
        return operation(held)
