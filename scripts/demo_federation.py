"""Five nodes in a folder, and the commands given to them, as their users give them."""

import asyncio
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

BIN = Path(sys.executable).parent
LINE_BYTES_MAX = 8 << 20  # of a watch: 4,096 digests in hex are 300 kB
LOG_SHOWN_BYTES = 2000
STOP_S = 30.0
LOOK_EVERY_S = 0.02
ALIVE_EVERY_S = 1.0
FOUNDERS = (
    ("ministry-a", "Ministry A", "authority", "FR"),
    ("ministry-b", "Ministry B", "authority", "DE"),
    ("europol", "Europol", "europol", "EU"),
    ("acme-video", "Acme Video", "platform", "IE"),
    ("bolt-social", "Bolt Social", "platform", "NL"),
)

Answer = Callable[[str], Awaitable[str]]

console = Console(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


class Failed(Exception):
    """The nodes did not do what this shows."""


def now_ms() -> float:
    return time.time_ns() / 1e6  # noqa: TID251 - what people see is timed here


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry as a watch wrote it."""

    kind: str
    created_ms: int  # when its author signed it
    received_ms: int  # when the node had its header
    shown_ms: float  # when the watch wrote it: all of it is here and was checked
    position: int  # of the entry among all that became readable on this node
    items: int


@dataclass
class Node:
    """One founder's node: its folder, its daemon, and what its watch has shown."""

    slug: str
    name: str
    role: str
    country: str
    folder: Path
    peers: str
    tools: str
    daemon: subprocess.Popen[bytes] | None = None
    stopping: bool = False  # as it was told to
    watching: bool = False  # the watch is at the end of what was there
    ended: bool = False
    seen: dict[str, Seen] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def of_kind(self, kind: str) -> list[Seen]:
        return [one for one in self.seen.values() if one.kind == kind]

    @property
    def items(self) -> int:
        return sum(one.items for one in self.of_kind("items"))


# ---- Commands


class Federation:
    """Five nodes in a folder, and the commands given to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes = {
            slug: Node(slug, name, role, country, folder / slug, peers, tools)
            for (slug, name, role, country), (peers, tools) in zip(FOUNDERS, _free_addresses(), strict=True)
        }
        self.step = "nothing yet"
        self._started_ms = now_ms()

    def say(self, who: str, typed: str, remark: str = "") -> None:
        """One line for a step: when, who, and what they type."""
        self.step = typed
        passed = f"{(now_ms() - self._started_ms) / 1000:5.1f} s  "
        line = Text.assemble((passed, "dim"), (f"{who}$ ".ljust(14), "cyan"), typed, (remark and f"   {remark}", "dim"))
        console.print(line)

    async def run(self, node: Node | None, *command: str | Path, said: bool = True) -> str:
        """Run a command to its end; its standard output."""
        if said:
            self.say(node.slug if node else "lead", _typed(command))
        process = await self._begin(node, command, subprocess.DEVNULL)
        return await _end(process, node, command)

    @asynccontextmanager
    async def asking(self, node: Node, command: Sequence[str], question: str) -> AsyncIterator[Answer]:
        """Run a command on a terminal up to its question; typing the answer gives what it writes then."""
        self.say(node.slug, _typed(command), "[asks, and waits]")
        ours, theirs = os.openpty()
        process = await self._begin(node, command, theirs)

        async def answer(text: str) -> str:
            os.write(ours, f"{text}\n".encode())
            return await _end(process, node, command)

        try:
            assert process.stderr is not None
            try:
                await process.stderr.readuntil(question.encode())
            except asyncio.IncompleteReadError as cut:
                await _end(process, node, command)
                raise Failed(f"`{_typed(command)}` did not ask, but said {cut.partial.decode()}") from cut
            yield answer
        finally:
            if process.returncode is None:
                process.kill()
            os.close(ours)
            os.close(theirs)

    async def _begin(self, node: Node | None, command: Sequence[str | Path], stdin: int) -> Process:
        return await asyncio.create_subprocess_exec(
            BIN / "tocsin",
            *command,
            cwd=self.folder,
            env=self.environment(node),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    async def each(self, *command: str, said: bool = True) -> list[str]:
        """Run the same command for every node at once; what each said, in their order."""
        if said:
            self.say("each", _typed(command))
        return await asyncio.gather(*(self.run(node, *command, said=False) for node in self.nodes.values()))

    def environment(self, node: Node | None) -> dict[str, str]:
        """Nothing of the caller's own node; instead of --folder and typing a passphrase."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        kept["TOCSIN_PASSPHRASE_FILE"] = str(self.folder / "passphrase")
        return {**kept, "TOCSIN_CONFIG": str(node.folder)} if node else kept

    # ---- Daemons and watches

    async def start(self, node: Node) -> None:
        """Start a daemon; return when it says that it is ready."""
        before = node.log.stat().st_size if node.log.exists() else 0
        node.daemon = daemon = self._spawn(node)
        node.stopping = False
        while b"] ready " not in (written := node.log.read_bytes()[before:]):
            if daemon.poll() is not None:
                raise Failed(f"{node.name}'s node ended with {daemon.returncode}: {_end_of(written)}")
            await asyncio.sleep(LOOK_EVERY_S)

    def _spawn(self, node: Node) -> subprocess.Popen[bytes]:
        with node.log.open("ab") as log:
            return subprocess.Popen(
                [BIN / "tocsin", "run"],
                env=self.environment(node),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this program, which stops it or keeps it
            )

    async def stop(self, node: Node) -> None:
        """Stop a daemon as systemd does; return when it is gone."""
        assert node.daemon is not None
        node.stopping = True
        node.daemon.terminate()
        try:
            ended = await asyncio.to_thread(node.daemon.wait, STOP_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{node.name}'s node has not stopped after {STOP_S:.0f} s") from None
        if ended:
            raise Failed(f"{node.name}'s node stopped with {ended}: {_end_of(node.log.read_bytes())}")

    async def watch(self, node: Node, command: Sequence[str]) -> None:
        """Keep what arrives at a node, for as long as this task lives."""
        with (node.folder / "watch.errors").open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                BIN / "tocsin",
                *command,
                env=self.environment(node),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                limit=LINE_BYTES_MAX,
                start_new_session=True,
            )
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                shown_ms, event = now_ms(), json.loads(line)
                async with node.news:
                    if event["event"] == "received":
                        node.seen[event["entry"]] = _seen(event, shown_ms)
                    node.watching |= event["event"] == "caught_up"
                    node.news.notify_all()
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            async with node.news:
                node.ended = True
                node.news.notify_all()

    async def until(self, node: Node, holds: Callable[[], bool]) -> None:
        """Wait until a node's watch has shown so much; raises Failed where it cannot any more."""
        async with node.news:
            while not holds():
                if node.ended:
                    raise Failed(f"the watch on {node.name} ended: {(node.folder / 'watch.errors').read_text()}")
                try:
                    async with asyncio.timeout(ALIVE_EVERY_S):
                        await node.news.wait()
                except TimeoutError:
                    self._require_alive()

    def _require_alive(self) -> None:
        for node in self.nodes.values():
            if node.daemon and not node.stopping and node.daemon.poll() is not None:
                log = _end_of(node.log.read_bytes())
                raise Failed(f"{node.name}'s node ended by itself with {node.daemon.returncode}: {log}")

    def close(self) -> None:
        """Stop every daemon and remove the folder."""
        daemons = [node.daemon for node in self.nodes.values() if node.daemon]
        for daemon in daemons:
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(STOP_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder)


def _free_addresses() -> list[tuple[str, str]]:
    """Two addresses for each node, all held until the last is found, so that none comes twice."""
    with ExitStack() as held:
        found = []
        for _ in range(2 * len(FOUNDERS)):
            one = held.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            found.append(f"127.0.0.1:{one.getsockname()[1]}")
    return list(zip(found[::2], found[1::2], strict=True))


def _typed(command: Sequence[str | Path]) -> str:
    return shlex.join(["tocsin", *map(str, command)])


async def _end(process: Process, node: Node | None, command: Sequence[str | Path]) -> str:
    """What a command still wrote; raises Failed where it did not succeed."""
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        where = f" on {node.name}" if node else ""
        said = (errors or output).decode().strip()
        raise Failed(f"`{_typed(command)}`{where} ended with {process.returncode}: {said}")
    return output.decode()


def _end_of(log: bytes) -> str:
    return log[-LOG_SHOWN_BYTES:].decode(errors="replace").strip()


def _seen(event: dict[str, Any], shown_ms: float) -> Seen:
    items = len(event["record"]["items"]["digests"]) if event["kind"] == "items" else 0
    position = event["cursor"]["urgent" if event["urgent"] else "bulk"]
    return Seen(event["kind"], event["created_ms"], event["received_ms"], shown_ms, position, items)
