"""The sign journal: a plain file of every signature this node gave, durable before it leaves.

Each line is 4 bytes of length, the header, 64 bytes of signature, and 8 bytes of SHA-256 over both.
A torn last line was never told to anyone, so it is cut off; anything else that does not read is an
error: the file was changed, and signing on could sign one place twice.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from node import limits
from node.errors import ConfigError
from node.store.appending import Appending

Signed = tuple[bytes, bytes]  # header, signature

_SIGNATURE_BYTES, _CHECK_BYTES = 64, 8


class FileJournal:
    """Append-only. Owned by the one writer."""

    def __init__(self, path: Path) -> None:
        self._file = Appending(path)
        self._lines, end = read(path)
        self._file.cut(end)

    def append(self, signed: Sequence[Signed]) -> None:
        """Make durable that these were signed."""
        self._file.append(b"".join(_line(header, signature) for header, signature in signed))
        self._lines += signed

    def lines(self) -> list[Signed]:
        """All of them, oldest first."""
        return list(self._lines)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(header: bytes, signature: bytes) -> bytes:
    return len(header).to_bytes(4) + header + signature + sha256(header + signature).digest()[:_CHECK_BYTES]


def read(path: Path) -> tuple[list[Signed], int]:
    """The whole lines, and where the last of them ends; raises ConfigError for a file that was changed."""
    data, lines, at = path.read_bytes(), [], 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        end = at + 4 + size + _SIGNATURE_BYTES + _CHECK_BYTES
        if end > len(data) and size <= limits.HEADER_BYTES_MAX:
            break
        header, signature = data[at + 4 : at + 4 + size], data[at + 4 + size : end - _CHECK_BYTES]
        if data[at:end] != _line(header, signature):
            if end >= len(data):
                break  # torn: the length reached the disk and what follows did not
            raise ConfigError(
                f"{path}: byte {at} is not the beginning of a whole line",
                next_step="The file was changed outside of Tocsin. Do not sign on with it: open a new feed.",
            )
        lines.append((header, signature))
        at = end
    return lines, at
