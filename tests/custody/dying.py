"""A program that joins and dies on the way: each line of stdin says where, when and at which step.

It forks for every line, and is a process of its own because a fork of a test run would take the
locks of other threads with it.
"""

import os
import sys
from pathlib import Path
from types import FrameType

from nacl.signing import SigningKey

from node import config
from node.custody import joining, passphrase
from tests.custody.federations import NOW_MS, WORDS

# What makes something durable, or may: functions in C by their names.
STEPS = {"fsync", "commit", "write", "pwrite", "replace", "rename", "link", "ftruncate", "mkdir"}
DIED = 9


def die(folder: Path, charter: Path, step: int, event: str) -> int:
    """Join in a child that dies at this step, before (c_call) or after it (c_return); its exit code."""
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
        root = SigningKey(passphrase.open_file(folder / "root.key", "root", WORDS))
        settings, data = config.load(folder / "node.toml"), charter.read_bytes()
        sys.setprofile(watch)
        joining.join(settings, data, lambda _: root, NOW_MS)
        sys.setprofile(None)
    except BaseException as error:  # noqa: BLE001 - the child must not go on as a second parent
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    for line in sys.stdin:
        where, what, number, when = line.rstrip("\n").split("\t")
        print(die(Path(where), Path(what), int(number), when), flush=True)
