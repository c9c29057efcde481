"""The mesh: to whom new entries are pushed (protos/README.md section 8.3)."""

from collections.abc import Sequence
from random import Random

from node import limits
from node.feed.keys import MemberId


class Mesh:
    """All peers up to twelve; above, eight of them drawn anew each time, and comparing heads covers the rest."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def chosen(self, ready: Sequence[MemberId]) -> Sequence[MemberId]:
        """Of the peers that are ready, those that hear of something new."""
        if len(ready) <= limits.FLOOD_PEERS_MAX:
            return ready
        return sorted(self._random.sample(ready, limits.MESH_PEERS))
