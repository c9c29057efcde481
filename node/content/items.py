"""Items of a list, cut into records: sorted over the whole list, then at most 4,096 a record."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from node import limits
from node.content.hashes import HashKind

Gathered = dict[int, set[bytes]]  # by first byte


def gather(digests: Iterable[bytes]) -> Gathered:
    """Distinct digests, in parts: sorting a million at once would hold the interpreter for a second."""
    found: Gathered = {}
    for digest in digests:
        found.setdefault(digest[0], set()).add(digest)
    return found


def cut(gathered: Gathered) -> Iterator[bytes]:
    """All of them, rising, packed end to end, a record's worth at a time."""
    rising = chain.from_iterable(sorted(gathered[first]) for first in sorted(gathered))
    while part := list(islice(rising, limits.ITEMS_MAX)):
        yield b"".join(part)


def count(kind: HashKind, packed: bytes) -> int:
    """How many digests a record has; raises ValueError where they do not fill it."""
    found, rest = divmod(len(packed), kind.digest_bytes)
    if rest or found > limits.ITEMS_MAX:
        raise ValueError(f"{len(packed)} bytes are no whole record of {kind.name}")
    return found


def split(kind: HashKind, packed: bytes) -> Sequence[bytes]:
    """The digests of a record by position; raises ValueError where they do not fill it."""
    size = kind.digest_bytes
    return [packed[i * size : (i + 1) * size] for i in range(count(kind, packed))]
