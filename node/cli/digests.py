"""Files of digests: opened wherever they come from, unpacked, with a bar on a terminal while they are read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from node.errors import ConfigError, Refused

if TYPE_CHECKING:
    import io

    from rich.progress import Progress

STDIN = Path("-")
GZIP = b"\x1f\x8b"


def name_of(path: Path) -> str:
    """What a message calls it."""
    return "stdin" if path == STDIN else str(path)


@contextmanager
def opened(path: Path) -> "Iterator[tuple[io.BufferedIOBase, io.BufferedReader]]":
    """The text to read lines of, and the file below it, whose position is the progress.

    What is compressed shows that by how it begins, whatever it is called. Raises Refused for a damaged one.
    """
    import gzip
    import zlib

    try:
        with _raw(path) as raw:
            yield (gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == GZIP else raw), raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refused(f"{name_of(path)} is damaged: {error}", next_step="Get it again, whole.") from error


@contextmanager
def _raw(path: Path) -> "Iterator[io.BufferedReader]":
    if path == STDIN:
        yield cast("io.BufferedReader", sys.stdin.buffer)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", next_step="Check the path.") from error
    with file:
        yield file


def size_of(raw: "io.BufferedReader") -> int | None:
    """In bytes; None for a pipe."""
    import os
    import stat

    try:
        found = os.fstat(raw.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


@contextmanager
def progress() -> "Iterator[Progress]":
    """Bars on stderr, on a terminal only; gone when it is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars
