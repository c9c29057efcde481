"""Marks: what later entries and proofs say of a feed; joins that only grow (section 5.4).

Merging is a union, so any order of arrival gives the same marks, and so the same standing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from node.feed.keys import FeedId, HeaderHash
from node.feed.statements import Bound


class Standing(Enum):
    """Whether an entry counts."""

    STANDS = "stands"
    CONTESTED = "contested"  # at or above a fork that the member's root has not settled
    SUPERSEDED = "superseded"  # above a bound, or on a branch that was not named


HashAt = Callable[[int], HeaderHash | None]


@dataclass(frozen=True, slots=True)
class Marks:
    """All that was said of feeds: where they forked, which branch stands, where they end."""

    forks: frozenset[tuple[FeedId, int]] = frozenset()
    settled: frozenset[Bound] = frozenset()
    ends: frozenset[Bound] = frozenset()

    def merge(self, other: "Marks") -> "Marks":
        """Both; idempotent, commutative, associative."""
        return Marks(self.forks | other.forks, self.settled | other.settled, self.ends | other.ends)

    def forked_at(self, feed_id: FeedId) -> int | None:
        """The earliest proven fork of the feed."""
        return min((seq for feed, seq in self.forks if feed == feed_id), default=None)


def standing(marks: Marks, feed_id: FeedId, seq: int, hash_at: HashAt) -> Standing:
    """How an entry stands; ``hash_at`` gives the header hash at a place on the entry's own branch."""
    for end in marks.ends:
        if end.feed_id != feed_id:
            continue
        if seq > end.seq or (seq == end.seq and hash_at(seq) != end.header_hash):
            return Standing.SUPERSEDED
    forks = sorted(fork for feed, fork in marks.forks if feed == feed_id and fork <= seq)
    contested = False
    for fork in forks:
        named = {bound.header_hash for bound in marks.settled if (bound.feed_id, bound.seq) == (feed_id, fork)}
        if not named:
            contested = True
        elif hash_at(fork) != min(named):
            return Standing.SUPERSEDED
    return Standing.CONTESTED if contested else Standing.STANDS
