"""Items of a list in a record: sorted over the whole list, then cut."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from node import limits
from node.content import hashes
from node.content.hashes import QUALITY_UNKNOWN, HashKind, Value

if TYPE_CHECKING:
    from node.v1 import record_pb2

RECORD_ITEMS = 4032  # with all 4,096 a record of digests lies just above a step of its padding, 12 % larger
RECORD_BYTES_MAX = 512 << 10  # of values of varying length in a record; one that is longer stands alone

Row: TypeAlias = tuple[Value, int]  # a value and its quality, QUALITY_UNKNOWN where there is none


def cut(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows, which come rising, a record's worth at a time."""
    part: list[Row] = []
    size = 0
    for row in rows:
        length = len(row[0])
        if part and (len(part) == RECORD_ITEMS or size + length > RECORD_BYTES_MAX):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def pack(letter: "record_pb2.Items", kind: HashKind, rows: Sequence[Row]) -> None:
    """Put rows into a letter (protos/README.md section 7)."""
    if kind.is_fixed:
        letter.digests = b"".join(value for value, _ in rows if isinstance(value, bytes))
    else:
        letter.values.extend(value for value, _ in rows if isinstance(value, str))
    if kind.has_quality and any(quality != QUALITY_UNKNOWN for _, quality in rows):
        letter.qualities = bytes(quality for _, quality in rows)


def blank(kind: HashKind, letter: "record_pb2.Items", positions: Collection[int]) -> None:
    """Take the values at these places out of a letter; the others keep theirs."""
    size = kind.digest_bytes
    digests, qualities = bytearray(letter.digests), bytearray(letter.qualities)
    for position in positions:
        if kind.is_fixed:
            digests[position * size : (position + 1) * size] = bytes(size)
        else:
            letter.values[position] = ""
        if qualities:
            qualities[position] = QUALITY_UNKNOWN
    letter.digests, letter.qualities = bytes(digests), bytes(qualities)


def count(kind: HashKind, letter: "record_pb2.Items") -> int:
    """How many items a letter has; raises ValueError where it is not as the format demands."""
    found, rest = divmod(len(letter.digests), kind.digest_bytes) if kind.is_fixed else (len(letter.values), 0)
    other = letter.values if kind.is_fixed else letter.digests
    if rest or other or found > limits.ITEMS_MAX or len(letter.qualities) not in (0, found):
        raise ValueError(f"no whole record of {kind.name}")
    return found


def values(kind: HashKind, letter: "record_pb2.Items") -> Sequence[Value]:
    """The values of a letter by position; raises ValueError as `count` does."""
    count(kind, letter)
    size = kind.digest_bytes
    if kind.is_fixed:
        return [letter.digests[i : i + size] for i in range(0, len(letter.digests), size)]
    return list(letter.values)


def rows(kind: HashKind, letter: "record_pb2.Items") -> list[Row]:
    """Values with their qualities by position; raises ValueError as `count` does."""
    found = values(kind, letter)
    return list(zip(found, letter.qualities or bytes([QUALITY_UNKNOWN]) * len(found), strict=True))


def keys(kind: HashKind, letter: "record_pb2.Items") -> bytes:
    """The values as they stand in the index, by position, end to end."""
    return letter.digests if kind.is_fixed else b"".join(map(hashes.key, letter.values))
