"""The erasure journal: a plain file of every address that was erased, durable before anything goes.

It has addresses and no values, so it may be copied elsewhere, and must be: stores that come back from
a copy are erased again by it. Each line is 4 bytes of length, the row, and the hash over the row and
the hash before it (protos/README.md section 2.1), so a line that is changed, moved or cut out shows.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Protocol

from node import limits
from node.errors import ConfigError
from node.feed import pae
from node.feed.keys import HeaderHash
from node.feed.pae import FederationId, Purpose
from node.store.appending import Appending

FILE = "erasures"
_HASH_BYTES = 32
_ROW_BYTES_MIN = _HASH_BYTES + 8 + 1
_ROW_BYTES_MAX = _ROW_BYTES_MIN + limits.ITEMS_MAX // 8
_COMPARED_BYTES = 2 * (4 + _ROW_BYTES_MAX + _HASH_BYTES)  # a whole line is in it, wherever it begins
CAUSE_BYTES = 11  # behind POLICY, which never erases a part


class Reason(IntEnum):
    """Why something was erased."""

    EXPIRY = 1
    WITHDRAWAL = 2
    POLICY = 3
    REQUEST = 4
    PURGE = 5
    HOLD = 6  # it went into the vault
    DEPARTURE = 7  # this member left the federation


@dataclass(frozen=True, slots=True)
class Erasure:
    """An address that was erased: a payload, or items of it by their places, as bits."""

    entry: HeaderHash
    erased_ms: int
    reason: Reason
    positions: bytes = b""  # empty: all of it
    cause: bytes = b""  # of POLICY: by which one, and by which rule of it


class Erasures(Protocol):
    """Every address that was ever erased here, durable before anything goes."""

    def append(self, rows: Sequence[Erasure]) -> None:
        """Make durable that these are erased from now on."""
        ...

    @property
    def whole(self) -> Mapping[HeaderHash, Reason]:
        """Payloads of which nothing is left."""
        ...

    @property
    def parts(self) -> Mapping[HeaderHash, int]:
        """Payloads of which some items are gone, and which, as bits."""
        ...


class FileErasures:
    """Append-only. Owned by the one writer; what it says of an address is held in memory."""

    def __init__(self, path: Path, federation_id: FederationId) -> None:
        self._federation_id = federation_id
        self._file = Appending(path)
        rows, self.end, self.head = read(path, federation_id)
        self._file.cut(self.end)
        self.size = len(rows)
        self._whole: dict[HeaderHash, Reason] = {}
        self._parts: dict[HeaderHash, int] = {}
        self._remember(rows)

    def append(self, rows: Sequence[Erasure]) -> None:
        """Make durable that these are erased from now on."""
        data = encode(rows, self.head, self._federation_id)
        head = data[-_HASH_BYTES:] or self.head
        self._file.append(data)
        self.head, self.size, self.end = head, self.size + len(rows), self.end + len(data)
        self._remember(rows)

    @property
    def whole(self) -> Mapping[HeaderHash, Reason]:
        """Payloads of which nothing is left."""
        return self._whole

    @property
    def parts(self) -> Mapping[HeaderHash, int]:
        """Payloads of which some items are gone, and which, as bits."""
        return self._parts

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _remember(self, rows: Sequence[Erasure]) -> None:
        for one in rows:
            if not one.positions:
                self._whole[one.entry] = one.reason
                self._parts.pop(one.entry, None)
            elif one.entry not in self._whole:
                bits = int.from_bytes(one.positions, "little")
                self._parts[one.entry] = self._parts.get(one.entry, 0) | bits


def encode(rows: Sequence[Erasure], head: bytes, federation_id: FederationId) -> bytes:
    """Lines that go on from this hash; each ends with its own."""
    data = bytearray()
    for one in rows:
        line, head = _line(one, head, federation_id)
        data += line
    return bytes(data)


class RolledBack(ConfigError):
    """The journal lacks lines that it had: its copy has them."""


def mirror(path: Path, copy: Path, end: int, federation_id: FederationId) -> int:
    """Add to the copy what the journal has more, durable when it returns; how many bytes that was.

    ``end``: of the journal's last whole line. Raises RolledBack where the copy goes on from there, ConfigError for
    one that is no beginning of this journal, and OSError where its place cannot be written.
    """
    with (
        path.open("rb") as source,
        os.fdopen(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b") as target,
    ):
        size = target.seek(0, os.SEEK_END)
        _require_beginning(source, target, size, end, federation_id, (path, copy))
        added = _between(source, size, end)
        target.seek(size)
        target.write(added)
        target.flush()
        os.fsync(target.fileno())
    return len(added)


def require_whole(path: Path, copy: Path, federation_id: FederationId) -> int:
    """Raise RolledBack and ConfigError as `mirror` does, and change nothing; how many bytes the copy lacks."""
    size = copy.stat().st_size  # first: a node that runs writes the journal before the copy
    end = read(path, federation_id)[1]
    with path.open("rb") as source, copy.open("rb") as target:
        _require_beginning(source, target, size, end, federation_id, (path, copy))
    return end - size


def _require_beginning(
    source: BinaryIO, target: BinaryIO, size: int, end: int, federation_id: FederationId, names: tuple[Path, Path]
) -> None:
    known = min(size, end)
    # The last line is hashed over all before it: where that is the same, everything is.
    first = max(0, known - _COMPARED_BYTES)
    is_same = _between(source, first, known) == _between(target, first, known)
    head = _between(source, max(0, end - _HASH_BYTES), end) or bytes(_HASH_BYTES)
    more = _whole_lines(_between(target, known, size), head, federation_id) if is_same else 0
    if more:
        raise RolledBack(
            f"the erasure journal {names[0]} lacks {more:,} lines that its copy {names[1]} has: it is an older one",
            next_step=f"Stopped, run `tocsin erase journal {names[1]}`: what these lines erased must not come back.",
        )
    if size > known or not is_same:
        raise ConfigError(
            f"{names[1]} is no beginning of this node's erasure journal",
            next_step="Nothing was written. Is it this node's, `tocsin erase journal FILE` takes in what it has more, "
            "with the node stopped; is it another's, name another file in erasures.copy, or move it away.",
        )


def _whole_lines(data: bytes, head: bytes, federation_id: FederationId) -> int:
    count = 0
    for row, hash_, _ in _lines(data):
        if pae.digest(Purpose.JOURNAL, federation_id, head + row) != hash_:
            break
        head, count = hash_, count + 1
    return count


def _between(file: BinaryIO, first: int, end: int) -> bytes:
    file.seek(first)
    return file.read(end - first)


def read(path: Path, federation_id: FederationId) -> tuple[list[Erasure], int, bytes]:
    """The rows, where the last whole line ends, and the last hash; raises ConfigError for a changed file."""
    rows: list[Erasure] = []
    end, head = 0, bytes(_HASH_BYTES)
    for made, hash_, at in _verified(path, federation_id):
        rows.append(made)
        head, end = hash_, at
    return rows, end, head


def heads(path: Path, federation_id: FederationId) -> Iterator[bytes]:
    """The hash of each line: what an ANCHOR has of a journal that ends there; raises ConfigError at a changed one."""
    return (hash_ for _, hash_, _ in _verified(path, federation_id))


def _verified(path: Path, federation_id: FederationId) -> Iterator[tuple[Erasure, bytes, int]]:
    """Each whole line, its hash, and where it ends."""
    data, head = path.read_bytes(), bytes(_HASH_BYTES)
    for number, (row, hash_, at) in enumerate(_lines(data), 1):
        made = _decode(row)
        if made is None or pae.digest(Purpose.JOURNAL, federation_id, head + row) != hash_:
            if at == len(data):
                return  # torn: the length reached the disk and what follows did not
            raise ConfigError(
                f"{path}: line {number} does not follow from the one before",
                next_step="The file was changed outside of Tocsin. Put its copy back: what it says must stay erased.",
            )
        head = hash_
        yield made, hash_, at


def _lines(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Each row, its hash, and where its line ends; a line without an end is torn."""
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        end = at + 4 + size + _HASH_BYTES
        if end > len(data) and size <= _ROW_BYTES_MAX:
            return
        yield data[at + 4 : at + 4 + size], data[at + 4 + size : end], min(end, len(data))
        at = end


def _line(one: Erasure, head: bytes, federation_id: FederationId) -> tuple[bytes, bytes]:
    row = one.entry + one.erased_ms.to_bytes(8) + bytes((one.reason,)) + one.positions + one.cause
    hash_ = pae.digest(Purpose.JOURNAL, federation_id, head + row)
    return len(row).to_bytes(4) + row + hash_, hash_


def _decode(row: bytes) -> Erasure | None:
    try:
        reason = Reason(row[_ROW_BYTES_MIN - 1])
    except (IndexError, ValueError):
        return None
    entry, erased_ms = HeaderHash(row[:_HASH_BYTES]), int.from_bytes(row[_HASH_BYTES : _HASH_BYTES + 8])
    rest = row[_ROW_BYTES_MIN:]
    if reason is Reason.POLICY:
        return Erasure(entry, erased_ms, reason, cause=rest) if len(rest) == CAUSE_BYTES else None
    return Erasure(entry, erased_ms, reason, rest)


def covers(one: Erasure, entry: HeaderHash, position: int | None) -> bool:
    """Whether a line is about this record, or about this item of it."""
    if one.entry != entry:
        return False
    bits = int.from_bytes(one.positions, "little")
    return not one.positions or (position is not None and bool(bits >> position & 1))
