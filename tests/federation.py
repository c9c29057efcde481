"""A federation of real daemons on this machine: each a process of its own, in a folder of its own.

with federation(tmp_path, 2) as nodes:
    nodes[0].cli("peer", "add", "--founders", "--yes")
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import IO, Any, Self

from nacl.signing import SigningKey

from node import config
from node.config import Config
from node.custody import charters, joining, member, passphrase
from node.custody.member import Made
from node.custody.passphrase import MINIMAL
from node.feed.identity import Role
from tests.rules import PLAIN

GUARD_S = 60  # ten times what anything here takes on a busy machine
WORDS = "correct horse battery staple"
_PROCESSES_MAX = 8  # of one test run
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", f"gw{_PROCESSES_MAX - 1}").removeprefix("gw"))
_PORTS = range(10_000, 32_000)[_PROCESS % _PROCESSES_MAX :: _PROCESSES_MAX]
_GIVEN: deque[int] = deque(maxlen=1000)
MEMBERS = (  # the first ones: all that a charter's quorums ask for
    ("Ministry A", Role.AUTHORITY, "FR"),
    ("Ministry B", Role.AUTHORITY, "DE"),
    ("Europol", Role.EUROPOL, "EU"),
    ("Acme Video", Role.PLATFORM, "IE"),
    ("Bolt Social", Role.PLATFORM, "NL"),
    ("Tech Forum", Role.INDUSTRY_BODY, ""),
)


class Lines:
    """What a process writes, line by line, read as it comes so that it never waits for us."""

    def __init__(self, stream: IO[str]) -> None:
        self.read: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._drain, args=(stream,), daemon=True)
        self._thread.start()

    def _drain(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._queue.put(line)
        self._queue.put(None)

    def until(self, wanted: Callable[[str], bool]) -> str:
        """Wait for the next line of which this is true."""
        while True:
            line = self._queue.get(timeout=GUARD_S)
            assert line is not None, "it ended instead:\n" + "".join(self.read)
            self.read.append(line)
            if wanted(line):
                return line

    def end(self) -> list[str]:
        """Everything that was written, once there will be no more."""
        self._thread.join(GUARD_S)
        while (line := self._queue.get(timeout=GUARD_S)) is not None:
            self.read.append(line)
        self._queue.put(None)
        return self.read


class Command:
    """A command that runs on, as `tocsin watch`."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            program(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        assert self._process.stdout
        assert self._process.stderr
        self.output, self.errors = Lines(self._process.stdout), Lines(self._process.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(GUARD_S)
        self.output.end()
        self.errors.end()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit code. One that goes on says, as it is ended, what it was at."""
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(GUARD_S)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)
            raise AssertionError("\n".join(self.errors.end())) from None


@dataclass
class Node:
    """One member's node: its folder, and its daemon while it runs."""

    folder: Path
    made: Made
    _process: subprocess.Popen[str] | None = None
    log: list[str] = field(default_factory=list)
    _lines: Lines | None = None

    @property
    def config(self) -> Config:
        """As it stands in the folder."""
        return config.load(self.folder / config.FILE_NAME)

    @property
    def name(self) -> str:
        """Its member's."""
        return self.made.card.inception.name

    @property
    def root_key(self) -> SigningKey:
        """Its member's, out of the file that is kept offline."""
        return SigningKey(passphrase.open_file(self.folder / member.ROOT_KEY, "root", WORDS))

    def start(self) -> None:
        """Run the daemon, and wait until its log says that it is ready."""
        assert self._process is None
        self._process = subprocess.Popen(
            program("run", "--folder", str(self.folder)), stderr=subprocess.PIPE, text=True, env=environment()
        )
        assert self._process.stderr
        self._lines = Lines(self._process.stderr)
        self.wait_for("ready")

    def wait_for(self, event: str) -> dict[str, Any]:
        """Wait until the log has this event from now on; the whole line."""
        assert self._lines

        def is_wanted(line: str) -> bool:
            return line.startswith("{") and json.loads(line)["event"] == event

        found: dict[str, Any] = json.loads(self._lines.until(is_wanted))
        return found

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self._process
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended."""
        return self._process is not None

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> int:
        """SIGKILL, and wait."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, and do not wait."""
        assert self._process
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        assert self._process
        assert self._lines
        code = self._process.wait(GUARD_S)
        self.log += self._lines.end()
        self._process = self._lines = None
        return code

    def cli(self, *arguments: str | Path, input: str | None = None, check: bool = True) -> "Result":  # noqa: A002 - subprocess's word
        """Run a command on this folder."""
        done = subprocess.run(
            program(*map(str, arguments), "--folder", str(self.folder)),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=GUARD_S,
            check=False,
            env=environment(),
        )
        assert not check or done.returncode == 0, (
            f"{done.args}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def json(self, *arguments: str | Path) -> Any:
        """What a reading command says to programs."""
        return json.loads(self.cli(*arguments, "--json").stdout)

    def until(self, is_so: Callable[[Any], bool], *arguments: str | Path) -> Any:
        """Ask again until this is true of the answer: what arrived is shown a moment later."""
        deadline = time.monotonic() + GUARD_S  # noqa: TID251 - a guard, not a wait
        while not is_so(found := self.json(*arguments)):
            assert time.monotonic() < deadline, found  # noqa: TID251 - the same
        return found

    def command(self, *arguments: str) -> Command:
        """Start a command that runs on."""
        return Command(*arguments, "--folder", str(self.folder))


Result = subprocess.CompletedProcess[str]


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "node.cli.main", *arguments]


def environment() -> dict[str, str]:
    path = ":".join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": path, "PYTHONFAULTHANDLER": "1", "NO_COLOR": "1", "TZ": "UTC"}


@contextmanager
def federation(
    folder: Path, count: int, *, text: str = PLAIN, hidden: int = 0, choosing: int = 0
) -> Iterator[Sequence[Node]]:
    """So many members that have joined, with their daemons running; nobody has approved anybody."""
    nodes = make(folder, count, text=text, hidden=hidden, choosing=choosing)
    try:
        for node in nodes:
            node.start()
        yield nodes
        running = [node for node in nodes if node.runs]
        for node in running:
            node.signal(signal.SIGTERM)  # to all before waiting for one: each takes its time
        failed = {node.name: code for node in running if (code := node.wait())}
        assert not failed, "\n".join(
            [str(failed), *(line for node in running if node.name in failed for line in node.log)]
        )
    finally:
        for node in nodes:
            if node.runs:
                node.kill()


def make(
    folder: Path,
    count: int,
    *,
    text: str = PLAIN,
    accept: int = 0,
    hidden: int = 0,
    choosing: int = 0,
) -> Sequence[Node]:
    """Folders as `init`, `charter create` and `join` make them, with passphrases that protect nothing.

    The last ones, `hidden`, have no address: they dial, and nobody dials them. The last ones,
    `choosing`, follow the lists that they chose; all others every list.
    """
    now = datetime.now(UTC)  # noqa: TID251 - daemons have the real clock
    ports = free_ports(2 * count)
    nodes = [
        _create(
            folder / f"n{i + 1}",
            i,
            now,
            *ports[2 * i : 2 * i + 2],
            hidden=i >= count - hidden,
            follow="chosen" if i >= count - choosing else "all",
        )
        for i in range(count)
    ]
    needed = accept or count
    small = f"accept = {{ count = {needed}, countries = {min(needed, 2)}"
    large = "accept = { count = 4, countries = 2"
    assert large in text
    cards = [charters.read_card(node.made.card_path) for node in nodes]
    charter = charters.create(text.replace(large, small), cards)
    for node in nodes:
        _join(node, charter, int(now.timestamp() * 1000))
    return nodes


def newcomer(folder: Path, name: str, role: Role, country: str) -> Node:
    """A folder as `init` makes it, of a member that is no founder and that nobody can dial."""
    now = datetime.now(UTC)  # noqa: TID251 - daemons have the real clock
    return _made(folder, name, role, country, now, *free_ports(2), hidden=True, follow="all")


def _create(folder: Path, number: int, now: datetime, port: int, tools_port: int, *, hidden: bool, follow: str) -> Node:
    name, role, country = MEMBERS[number % len(MEMBERS)]
    called = name if number < len(MEMBERS) else f"{name} {number}"
    return _made(folder, called, role, country, now, port, tools_port, hidden=hidden, follow=follow)


def _made(
    folder: Path,
    name: str,
    role: Role,
    country: str,
    now: datetime,
    port: int,
    tools_port: int,
    *,
    hidden: bool,
    follow: str,
) -> Node:
    made = member.create(
        folder,
        name=name,
        role=role,
        country=country,
        words=WORDS,
        now=now,
        address="" if hidden else f"127.0.0.1:{port}",
        listen=f"127.0.0.1:{port}",
        tools_listen=f"127.0.0.1:{tools_port}",
        cost=MINIMAL,
    )
    file = folder / config.FILE_NAME
    file.write_text(
        file.read_text()
        .replace('format = "console"', 'format = "json"')
        .replace('follow = "chosen"', f'follow = "{follow}"')
    )
    return Node(folder, made)


def _join(node: Node, charter: bytes, now_ms: int) -> None:
    joining.join(node.config, charter, lambda _: node.root_key, now_ms)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different, and none that the system gives to outgoing connections.

    Nor any that another process of this test run gives, or this one gave lately: whoever has it may be stopped now.
    """
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            port = SystemRandom().choice(_PORTS)
            with suppress(OSError):
                if port not in _GIVEN:
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                    found.append(port)
    _GIVEN.extend(found)
    return found
