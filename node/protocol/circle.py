"""The circle: who is told everything, and of what all others are told (protos/README.md section 8.3)."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from node.feed.keys import FeedId, MemberId


@dataclass(frozen=True, slots=True)
class Circle:
    """Members hear everything. Outsiders, who are candidates or no longer members, hear identity logs only."""

    members: frozenset[MemberId]  # nobody, where this node is no member itself
    candidates: AbstractSet[MemberId]  # of whom their log alone is taken; nobody, where this node is no member yet
    logs: frozenset[FeedId]  # and the own feeds of a node whose member is no longer one

    def hears_all(self, peer: MemberId) -> bool:
        """Whether the peer is a member among members."""
        return peer in self.members

    def tells(self, peer: MemberId, feed_id: FeedId) -> bool:
        """Whether the peer may hear of this feed."""
        return peer in self.members or feed_id in self.logs

    def takes(self, peer: MemberId, feed_id: bytes) -> bool:
        """Whether anything of this feed is taken from the peer: of a candidate, its identity log."""
        return peer not in self.candidates or feed_id == peer
