"""A program that joins, or changes keys, and dies on the way: each line of stdin says what, where and at which step.

It forks for every line, and is a process of its own because a fork of a test run would take the
locks of other threads with it.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from nacl.signing import SigningKey

from node import config
from node.custody import ceremonies, joining, passphrase, reopening, spares
from tests.custody.federations import NOW_MS, WORDS

# What makes something durable, or may: functions in C by their names.
STEPS = {"fsync", "commit", "write", "pwrite", "replace", "rename", "link", "ftruncate", "mkdir", "unlink", "rmdir"}
DIED = 9


def join(folder: Path, charter: Path) -> Callable[[], object]:
    root = SigningKey(passphrase.open_file(folder / "root.key", "root", WORDS))
    settings, data = config.load(folder / "node.toml"), charter.read_bytes()
    return lambda: joining.join(settings, data, lambda _: root, NOW_MS)


def reopen(folder: Path, file: Path) -> Callable[[], object]:
    spare, settings = spares.read(file, WORDS), config.load(folder / "node.toml")
    return lambda: reopening.reopen(settings, spare, NOW_MS)


def rotate(folder: Path, file: Path) -> Callable[[], object]:
    root = SigningKey(passphrase.open_file(file, "root", WORDS))
    settings = config.load(folder / "node.toml")
    ceremony = ceremonies.rotate_node(settings)
    return lambda: ceremonies.carry_out(settings, ceremony, lambda _: root, NOW_MS)


def spare(folder: Path, file: Path) -> Callable[[], object]:
    root = SigningKey(passphrase.open_file(file, "root", WORDS))
    settings = config.load(folder / "node.toml")
    ceremony = ceremonies.certify_spares(ceremonies.make_spares(settings, 1))
    return lambda: ceremonies.carry_out(settings, ceremony, lambda _: root, NOW_MS)


def finish_tls(folder: Path, _: Path) -> Callable[[], object]:
    settings = config.load(folder / "node.toml")
    return lambda: ceremonies.finish_tls(settings, NOW_MS)


ACTIONS = {"join": join, "reopen": reopen, "rotate": rotate, "spare": spare, "finish_tls": finish_tls}


def die(action: str, folder: Path, file: Path, step: int, event: str) -> int:
    """Act in a child that dies at this step, before (c_call) or after it (c_return); its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seen = 0

    def watch(_: FrameType, what: str, function: object) -> None:
        nonlocal seen
        if what == event and getattr(function, "__name__", "") in STEPS:
            seen += 1
            if seen == step:
                os._exit(DIED)

    try:
        act = ACTIONS[action](folder, file)
        sys.setprofile(watch)
        act()
        sys.setprofile(None)
    except BaseException as error:  # noqa: BLE001 - the child must not go on as a second parent
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


class Dying:
    """The program as a test talks to it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def die(self, action: str, folder: Path, file: Path, step: int, event: str) -> bool:
        """Act in another process that dies at this step; whether there was such a step."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{action}\t{folder}\t{file}\t{step}\t{event}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in (0, DIED)
        return code == DIED


@contextmanager
def running() -> Iterator[Dying]:
    """The program, for a test."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.custody.dying"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
    ) as process:
        yield Dying(process)
        process.kill()


if __name__ == "__main__":
    for line in sys.stdin:
        action, where, what, number, when = line.rstrip("\n").split("\t")
        print(die(action, Path(where), Path(what), int(number), when), flush=True)
