"""Reading: the stores beside their writers, over read-only aiosqlite connections.

An operation is a synchronous function of the stores, the same that a writer's thread would run; few
statements each, because every statement is a hop to a thread.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from node.store.stores import NAMES, Stores

Result = TypeVar("Result")

READERS = 3  # sets of connections: as many reads run at a time, the others wait


class Reading:
    """A few sets of connections to the four files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engines: list[AsyncEngine] = []
        self._free: asyncio.Queue[tuple[AsyncConnection, Stores]] = asyncio.Queue()

    async def open(self) -> None:
        """Open all connections; the files are there already."""
        for _ in range(READERS):
            connections = {name: await self._connect(self._folder / f"{name}.db") for name in NAMES}
            stores = Stores(**{name: _synchronous(one) for name, one in connections.items()})
            self._free.put_nowait((connections["ledger"], stores))

    async def run(self, operation: Callable[[Stores], Result]) -> Result:
        """Run one operation over what is committed now."""
        connection, stores = await self._free.get()
        try:
            return await connection.run_sync(lambda _: operation(stores))
        finally:
            self._free.put_nowait((connection, stores))

    async def close(self) -> None:
        """Close all connections."""
        for engine in self._engines:
            await engine.dispose()

    async def _connect(self, path: Path) -> AsyncConnection:
        # Each statement sees what was committed when it began: there is no transaction around them.
        def create() -> aiosqlite.Connection:
            return aiosqlite.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)

        engine = create_async_engine("sqlite+aiosqlite://", async_creator=create, poolclass=StaticPool)
        self._engines.append(engine)
        return await engine.connect()


def _synchronous(connection: AsyncConnection) -> sa.Connection:
    found = connection.sync_connection
    assert found is not None  # noqa: S101 - it was opened above
    return found
