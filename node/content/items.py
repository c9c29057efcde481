"""Items of a list, cut into records: sorted over the whole list, then at most 4,096 a record."""

from collections.abc import Iterable, Iterator, Sequence

from node import limits
from node.content.hashes import HashKind


def cut(digests: Iterable[bytes]) -> Iterator[bytes]:
    """Distinct digests, rising, packed end to end, a record's worth at a time."""
    rising = sorted(set(digests))
    for start in range(0, len(rising), limits.ITEMS_MAX):
        yield b"".join(rising[start : start + limits.ITEMS_MAX])


def split(kind: HashKind, packed: bytes) -> Sequence[bytes]:
    """The digests of a record by position; raises ValueError where they do not fill it."""
    size = kind.digest_bytes
    count, rest = divmod(len(packed), size)
    if rest or count > limits.ITEMS_MAX:
        raise ValueError(f"{len(packed)} bytes are no whole record of {kind.name}")
    return [packed[i : i + size] for i in range(0, len(packed), size)]
