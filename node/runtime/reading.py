"""Reading: the stores beside their writers, over read-only aiosqlite connections.

An operation is a synchronous function of the stores, the same that a writer's thread would run; few
statements each, because every statement is a hop to a thread. A reader has all four files attached
to one connection, so one statement may join them.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import StaticPool

from node.store.stores import NAMES, Stores

Result = TypeVar("Result")

READERS = 3  # sets of connections: as many reads run at a time, the others wait


class Reading:
    """A few connections, each with all four files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connections: list[AsyncConnection] = []
        self._free: asyncio.Queue[tuple[AsyncConnection, Stores]] = asyncio.Queue()

    async def open(self) -> None:
        """Open all connections; the files are there already."""
        for _ in range(READERS):
            connection = await self._connect()
            found = connection.sync_connection
            assert found is not None  # noqa: S101 - it was opened in the line before
            self._free.put_nowait((connection, Stores(**dict.fromkeys(NAMES, found))))

    async def run(self, operation: Callable[[Stores], Result]) -> Result:
        """Run one operation over what is committed now."""
        connection, stores = await self._free.get()
        try:
            return await connection.run_sync(lambda _: operation(stores))
        finally:
            self._free.put_nowait((connection, stores))

    async def close(self) -> None:
        """Close all connections; their threads would keep the process alive."""
        for connection in self._connections:
            await connection.close()
            await connection.engine.dispose()

    async def _connect(self) -> AsyncConnection:
        engine = create_async_engine("sqlite+aiosqlite://", async_creator=self._create, poolclass=StaticPool)
        connection = await engine.connect()
        self._connections.append(connection)
        for name in NAMES[1:]:
            await connection.exec_driver_sql(f"ATTACH DATABASE ? AS {name}_file", (_uri(self._folder, name),))
        return connection

    def _create(self) -> aiosqlite.Connection:
        # Each statement sees what was committed when it began: there is no transaction around them.
        return aiosqlite.connect(_uri(self._folder, NAMES[0]), uri=True, isolation_level=None)


def _uri(folder: Path, name: str) -> str:
    return f"{(folder / name).absolute().as_uri()}.db?mode=ro"
