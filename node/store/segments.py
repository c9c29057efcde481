"""Segments: a folder of plain files that only grow, one after the other, each erased whole.

A file is named after the number of its first line. Its first row is a preface, which says what came
before it, so that it stands once the ones before it are gone. What the rows say is not known here.
"""

from contextlib import suppress
from pathlib import Path

from node.store import appending
from node.store.appending import Appending

FOLDER = "audit"
_DIGITS = 12


def names(folder: Path) -> list[int]:
    """The first lines of all segments, rising."""
    return sorted(int(path.name) for path in folder.glob("[0-9]" * _DIGITS))


def path_of(folder: Path, first: int) -> Path:
    """Where a segment lies."""
    return folder / f"{first:0{_DIGITS}}"


class FileSegments:
    """Owned by one writer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self._file: Appending | None = None

    def names(self) -> list[int]:
        """The first lines of all segments, rising."""
        return names(self._folder)

    def read(self, first: int) -> bytes:
        """All that a segment has."""
        return path_of(self._folder, first).read_bytes()

    def go_on(self, first: int, size: int) -> None:
        """Append to a segment from now on, a torn end taken off."""
        self.close()
        self._file = Appending(path_of(self._folder, first))
        self._file.cut(size)

    def begin(self, first: int, preface: bytes) -> None:
        """Append to a new segment from now on; raises OSError, all as before, where the disk does not take it."""
        begun = Appending(path_of(self._folder, first))
        try:
            begun.cut(0)
            begun.append(preface)
            appending.sync_folder(self._folder)
        except BaseException:
            begun.close()
            with suppress(OSError):  # else the next start does it, or whoever begins it again
                self.drop(first)
            raise
        self.close()
        self._file = begun

    def append(self, data: bytes) -> None:
        """Add this and make it durable; raises OSError, all as before, where the disk does not take it whole."""
        assert self._file is not None  # noqa: S101 - the owner began one
        self._file.append(data)

    def drop(self, first: int) -> None:
        """Erase a segment."""
        path_of(self._folder, first).unlink()
        appending.sync_folder(self._folder)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
