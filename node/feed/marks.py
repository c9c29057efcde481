"""Marks: what later entries and proofs say of a feed; joins that only grow (section 5.4).

Merging is a union, so any order of arrival gives the same marks, and so the same standing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
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
    above: frozenset[tuple[FeedId, int]] = frozenset()  # of the forks, those proven above where the branches part

    def merge(self, other: "Marks") -> "Marks":
        """Both; idempotent, commutative, associative."""
        return Marks(*(getattr(self, name) | getattr(other, name) for name in self.__slots__))

    def with_fork(self, feed_id: FeedId, seq: int, *, parts: bool) -> "Marks":
        """With this fork as the one that is kept of the feed."""
        forks = frozenset(fork for fork in self.forks if fork[0] != feed_id)
        above = frozenset(fork for fork in self.above if fork[0] != feed_id)
        here = frozenset({(feed_id, seq)})
        return replace(self, forks=forks | here, above=above if parts else above | here)

    def named_at(self, feed_id: FeedId) -> dict[int, HeaderHash]:
        """The branch that stands, by the place of each fork that is settled: the smallest hash of those named."""
        said = sorted((bound.header_hash, bound.seq) for bound in self.settled if bound.feed_id == feed_id)
        return {seq: HeaderHash(hash_) for hash_, seq in reversed(said)}

    def counts(self, feed_id: FeedId, seq: int, *, parts: bool) -> bool:
        """Whether a fork there is one that nobody settled.

        Branches that were settled differ at every place above; only where they part again is a new fork.
        """
        settled = [bound.seq for bound in self.settled if bound.feed_id == feed_id]
        return seq not in settled and (parts or not settled or seq < min(settled))

    def forked_at(self, feed_id: FeedId) -> int | None:
        """The earliest proven fork of the feed that is not settled."""
        return min(self.open_forks(feed_id), default=None)

    def forked(self) -> dict[FeedId, int]:
        """All feeds that have forked and are not settled, and where."""
        found = {feed_id: self.forked_at(feed_id) for feed_id, _ in self.forks}
        return {feed_id: seq for feed_id, seq in sorted(found.items()) if seq is not None}

    def is_marked(self, feed_id: FeedId) -> bool:
        """Whether anything at all was said of the feed."""
        bounds = (*self.settled, *self.ends)
        return any(feed_id == feed for feed, _ in self.forks) or any(feed_id == bound.feed_id for bound in bounds)

    def open_forks(self, feed_id: FeedId) -> list[int]:
        """Where the feed has forked and nobody settled it, rising."""
        forks = [seq for feed, seq in self.forks if feed == feed_id]
        return sorted(seq for seq in forks if self.counts(feed_id, seq, parts=(feed_id, seq) not in self.above))


def standing(marks: Marks, feed_id: FeedId, seq: int, hash_at: HashAt) -> Standing:
    """How an entry stands; ``hash_at`` gives the header hash at a place on the entry's own branch, where it is held."""
    for end in marks.ends:
        if end.feed_id != feed_id:
            continue
        if seq > end.seq or (seq == end.seq and hash_at(seq) != end.header_hash):
            return Standing.SUPERSEDED
    named = marks.named_at(feed_id)
    if seq in named and hash_at(seq) != named[seq]:
        return Standing.SUPERSEDED
    if any(fork <= seq for fork in marks.open_forks(feed_id)):
        return Standing.CONTESTED  # on whatever branch: which of them is held down to the named place differs
    found = [(named[fork], hash_at(fork)) for fork in sorted(named) if fork < seq]
    if any(here not in (None, hash_) for hash_, here in found):
        return Standing.SUPERSEDED
    return Standing.CONTESTED if any(here is None for _, here in found) else Standing.STANDS
