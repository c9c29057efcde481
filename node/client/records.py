"""Verified records of lists that matches stand in: the latest few, within a bound."""

from collections import OrderedDict
from dataclasses import dataclass

from node.feed.keys import HeaderHash, MemberId
from node.v1 import record_pb2

KEPT_MAX = 512  # of digests at most 131 kB each: two million SHA-256
BYTES_MAX = 64 << 20  # of the largest that there can be: four


@dataclass(frozen=True, slots=True)
class Kept:
    """The values of a record, and who signed it. What it was opened from is not kept."""

    member_id: MemberId
    object_id: bytes
    kind: str
    digests: bytes
    texts: tuple[str, ...]
    size: int
    remainder: bool = False  # checked against what its node says is left of it


class Records:
    """What was asked for last stays longest."""

    def __init__(self, kept_max: int = KEPT_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._kept: OrderedDict[HeaderHash, Kept] = OrderedDict()
        self._kept_max, self._bytes_max = kept_max, bytes_max
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, entry: HeaderHash) -> Kept | None:
        """The record, which now stays longest."""
        if entry in self._kept:
            self._kept.move_to_end(entry)
        return self._kept.get(entry)

    def put(
        self, entry: HeaderHash, member_id: MemberId, record: record_pb2.Record, *, remainder: bool = False
    ) -> Kept:
        """Keep one more, and no longer what it leaves no room for; itself it stays, whatever its size."""
        items = record.items
        texts, size = tuple(items.values), record.ByteSize()
        kept = Kept(member_id, record.object_id, items.kind, items.digests, texts, size, remainder)
        self._kept[entry] = kept
        self.size += kept.size
        while len(self._kept) > 1 and (len(self._kept) > self._kept_max or self.size > self._bytes_max):
            self.size -= self._kept.popitem(last=False)[1].size
        return kept
