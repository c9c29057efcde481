"""Files that only grow, and their folders: what was appended is durable, or is not there."""

import os
from pathlib import Path


class Appending:
    """Owned by one writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def cut(self, size: int) -> None:
        """Take off a torn end."""
        os.ftruncate(self._file, size)

    def append(self, data: bytes) -> None:
        """Add this and make it durable; raises OSError, all as before, where the disk does not take it whole."""
        written = os.write(self._file, data)
        if written != len(data):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(f"{self._path}: only {written} of {len(data)} bytes could be written")
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def sync_folder(folder: Path) -> None:
    """Make durable which names stand in a folder."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
