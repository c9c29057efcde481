"""Cables between nodes: a TCP relay before each node, in which every pair's connections can be cut and slowed."""

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

READ_BYTES = 32 << 10
QUEUED_MAX = 8  # reads that wait in a direction; more, and the sender feels it
NO_LINGER = struct.pack("ii", 1, 0)  # closing resets

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Direction:
    """What passes one way between two nodes, on all of their connections together."""

    def __init__(self) -> None:
        self.bytes_per_s = 0  # 0: as fast as they come
        self.delay_s = 0.0
        self.passed_bytes = 0
        self._open = asyncio.Event()
        self._open.set()
        self._free_at = 0.0

    def hold(self) -> None:
        """Nothing passes from now on, and nothing is closed."""
        self._open.clear()

    def let_go(self) -> None:
        """What was held passes, and what follows."""
        self._open.set()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection's bytes to its end."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_MAX)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(reader, queue))
            tasks.create_task(self._write(writer, queue))

    async def _read(self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await self._open.wait()
            data = await reader.read(READ_BYTES)
            if self.bytes_per_s:
                self._free_at = max(self._free_at, now()) + len(data) / self.bytes_per_s
                await asyncio.sleep(self._free_at - now())
            await queue.put((now() + self.delay_s, data))
            if not data:
                return

    async def _write(self, writer: asyncio.StreamWriter, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(due - now(), 0))
            await self._open.wait()
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
            self.passed_bytes += len(data)


@dataclass(slots=True)
class Cable:
    """Between two nodes, whoever dials."""

    ways: dict[int, Direction]  # by the node that the bytes go to
    is_cut: bool = False  # connections are reset
    refused: int = 0  # so many, because it was cut
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def reset(self) -> None:
        """Break every connection, as a firewall that forgot them."""
        for writer in self.writers:
            _reset(writer)


class Cables:
    """All cables of a federation. Nodes are told the relays' addresses, and listen elsewhere."""

    def __init__(self, nodes: int, pids: Callable[[], Sequence[int | None]]) -> None:
        pairs = [(one, other) for one in range(nodes) for other in range(one + 1, nodes)]
        self._cables = {frozenset(pair): Cable({to: Direction() for to in pair}) for pair in pairs}
        self._pids = pids
        self._servers: list[asyncio.Server] = []
        self._running: set[asyncio.Task[None]] = set()

    def between(self, one: int, other: int) -> Cable:
        return self._cables[frozenset((one, other))]

    async def lay(self, node: int, port: int, target: int) -> None:
        """From now on whoever connects to the port reaches the target's, which is this node's."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._running.add(task)
            try:
                await self._carry(node, target, (reader, writer))
            finally:
                self._running.discard(task)

        self._servers.append(await asyncio.start_server(accept, "127.0.0.1", port))

    async def _carry(self, node: int, target: int, dialler: Stream) -> None:
        caller = self._caller(dialler[1])
        if caller is None or caller == node:  # it died as it dialled
            _reset(dialler[1])
            return
        cable = self.between(caller, node)
        if cable.is_cut:
            cable.refused += 1
            _reset(dialler[1])
            return
        try:
            answering = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            _reset(dialler[1])
            return
        writers = {dialler[1], answering[1]}
        cable.writers |= writers
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(cable.ways[node].pump(dialler[0], answering[1]))
                tasks.create_task(cable.ways[caller].pump(answering[0], dialler[1]))
        except* OSError:  # either end is gone, so the other hears it
            pass
        finally:
            cable.writers -= writers
            for writer in writers:
                _reset(writer)

    def _caller(self, writer: asyncio.StreamWriter) -> int | None:
        """Which node dialled: whose process has the other end of the connection."""
        inode = _inode(writer.get_extra_info("peername")[1], writer.get_extra_info("sockname")[1])
        if inode is None:
            return None
        return next((i for i, pid in enumerate(self._pids()) if pid and _has_socket(pid, inode)), None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and not writer.is_closing():
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()


def _inode(local_port: int, remote_port: int) -> str | None:
    """Of the TCP socket on 127.0.0.1 with these ports, as its own side sees them."""
    wanted = (f"0100007F:{local_port:04X}", f"0100007F:{remote_port:04X}")
    mapped = tuple(f"0000000000000000FFFF0000{one}" for one in wanted)
    for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            if tuple(fields[1:3]) in {wanted, mapped}:
                return fields[9]
    return None


def _has_socket(pid: int, inode: str) -> bool:
    with suppress(OSError):  # it ended meanwhile
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(path.readlink()) == f"socket:[{inode}]":
                    return True
    return False
