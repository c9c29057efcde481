"""A command on a terminal of its own, so that it asks what it asks people."""

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
from types import TracebackType
from typing import Self

GUARD_S = 60  # ten times what a command under load takes


class Terminal:
    """Type and read as somebody in front of it would."""

    def __init__(self, *arguments: str, colour: bool = False) -> None:
        colours = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self._near, far = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "node.cli.main", *arguments],
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
            # getpass opens the controlling terminal, whatever stdin is.
            preexec_fn=lambda: fcntl.ioctl(far, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one call into the kernel
            env={**colours, "PYTHONPATH": ":".join(filter(None, sys.path)), **({} if colour else {"NO_COLOR": "1"})},
        )
        os.close(far)
        self.shown = ""
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._near)

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until this is shown, behind what was waited for before."""
        while not (found := re.search(pattern, self.shown[self._read :])):
            assert self._more(), f"{pattern!r} was never shown:\n{self.shown}"
        self._read += found.end()
        return found

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._near, f"{line}\n".encode())

    def press(self, key: str) -> None:
        """Press one key, as ``\\x03`` for Ctrl-C."""
        os.write(self._near, key.encode())

    def end(self) -> int:
        """Wait for the end; the exit code."""
        while self._more():
            pass
        return self._process.wait(GUARD_S)

    def _more(self) -> bool:
        ready, _, _ = select.select([self._near], [], [], GUARD_S)
        assert ready, f"nothing for {GUARD_S} s:\n{self.shown}"
        try:
            data = os.read(self._near, 4096)
        except OSError:  # the other end is closed
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)
