"""A cable that can be cut: what a tool and its node say to each other passes through it."""

import asyncio
from types import TracebackType
from typing import Self


class Relay:
    """Listens beside the node and passes on, byte by byte, as long as it is let."""

    def __init__(self, node: str) -> None:
        host, _, port = node.rpartition(":")
        self._node = (host, int(port))
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._heard = asyncio.Event()
        self._heard.set()
        self.asked = asyncio.Event()  # set when the tool says something
        self.connections = 0
        self.bytes_down = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        if self._passing:
            await asyncio.wait(self._passing)

    def cut(self) -> None:
        """End all connections at once; new ones are let through."""
        for writer in self._writers:
            writer.transport.abort()
        self._heard.set()

    def deafen(self) -> None:
        """From now until the cut nothing that the node says arrives."""
        self._heard.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.create_task(self._pass_on(reader, writer))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_node, to_node = await asyncio.open_connection(*self._node)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        self._writers |= {writer, to_node}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._up(reader, to_node))
                tasks.create_task(self._down(from_node, writer))
        except* OSError:
            pass
        finally:
            self._writers -= {writer, to_node}
            writer.transport.abort()
            to_node.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
            self.asked.set()
        raise ConnectionResetError  # one side left, and the other hears of it

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if not self._heard.is_set():
                await self._heard.wait()  # for the cut: these bytes never arrive
                break
            self.bytes_down += len(data)
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError
