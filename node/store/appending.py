"""Files that only grow, and their folders: what was appended is durable, or is not there."""

import os
from contextlib import suppress
from pathlib import Path


class Appending:
    """Owned by one writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._failed_at: int | None = None  # where bytes begin that could not be taken back

    def cut(self, size: int) -> None:
        """Take off a torn end."""
        os.ftruncate(self._file, size)

    def append(self, data: bytes) -> None:
        """Add this and make it durable; raises OSError, all as before, where the disk does not take it whole.

        Nothing may leave, and nothing may go, on the strength of this before it returned.
        """
        if self._failed_at is not None:
            self._take_back(self._failed_at)
        size = os.fstat(self._file).st_size
        try:
            self._write(data)
        except BaseException:
            # A power cut may bring this back, whole, unless something was appended meanwhile: that is durable in its
            # place. It harms none of the three. A signature: it left for nobody, and no other was given for that
            # place; the start takes it in and signs behind it. An erasure: it was due, and the start goes through
            # with it. A line of the audit log: it says what was asked for, and in no ANCHOR how far it went.
            self._failed_at = size
            with suppress(OSError):  # else before anything is appended again
                self._take_back(size)
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        written = os.write(self._file, data)
        if written != len(data):
            raise OSError(f"{self._path}: only {written} of {len(data)} bytes could be written")
        os.fsync(self._file)

    def _take_back(self, size: int) -> None:
        self.cut(size)
        self._failed_at = None


def sync_folder(folder: Path) -> None:
    """Make durable which names stand in a folder."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
