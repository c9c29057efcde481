"""The mesh: to whom new entries are pushed (protos/README.md section 8.3).

Each node draws its own, and nobody is told: what is urgent depends on no announcement. Comparing heads
covers the rest.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random

from node import limits
from node.feed.chain import Head
from node.feed.keys import FeedId, MemberId

REDRAWN_EVERY_S = 600.0  # one place, so that no peer is left out for long
WITHHELD_S = 5.0  # who claims an entry and was asked for it has given it by then


@dataclass(slots=True)
class _Peer:
    is_dialled: bool  # by us: nobody can take these places by calling
    owes: dict[FeedId, tuple[int, float]] = field(default_factory=dict)  # claimed up to where, and asked for when
    is_demoted: bool = False


class Mesh:
    """All peers up to twelve; above, eight of them, at least four of whom this node dialled."""

    def __init__(self, random: Random, *, now: float) -> None:
        self._random = random
        self._peers: dict[MemberId, _Peer] = {}
        self._drawn: list[MemberId] = []
        self._redraw_at = now + REDRAWN_EVERY_S

    def link_up(self, peer: MemberId, *, dialled: bool) -> None:
        """A link is open, and who dialled it."""
        standing = self._peers.get(peer)
        self._peers[peer] = _Peer(dialled, is_demoted=standing is not None and standing.is_demoted)

    def link_down(self, peer: MemberId) -> None:
        """A link ended; what the peer was demoted for is forgotten with it."""
        self._peers.pop(peer, None)

    def chosen(self, now: float, ready: Sequence[MemberId]) -> Sequence[MemberId]:
        """Of the peers that are ready, those that hear of something new."""
        if len(ready) <= limits.FLOOD_PEERS_MAX:
            self._drawn = []
            return ready
        able = set(ready)
        self._drawn = [peer for peer in self._drawn if peer in able and not self._peers[peer].is_demoted]
        if now >= self._redraw_at:
            self._redraw_at = now + REDRAWN_EVERY_S
            if len(self._drawn) == limits.MESH_PEERS:
                self._drawn.remove(self._random.choice(self._drawn))
        while len(self._drawn) < limits.MESH_PEERS:
            self._drawn.append(self._random.choice(self._candidates(ready)))
        return sorted(self._drawn)

    def _candidates(self, ready: Sequence[MemberId]) -> Sequence[MemberId]:
        """Who may take the next place: one of those we dialled while these have too few, and no demoted one."""
        free = [peer for peer in ready if peer not in self._drawn]
        honest = [peer for peer in free if not self._peers[peer].is_demoted] or free
        own = [peer for peer in honest if self._peers[peer].is_dialled]
        places_left = limits.MESH_PEERS - len(self._drawn)
        own_missing = limits.MESH_DIALLED_MIN - sum(self._peers[peer].is_dialled for peer in self._drawn)
        return own if own and own_missing >= places_left else honest

    # ---- Withholding

    def asked(self, now: float, peer: MemberId, claimed: dict[FeedId, int], feeds: Collection[FeedId]) -> None:
        """The peer claims more of these feeds, and was asked for it just now."""
        owes = self._peers[peer].owes
        owes |= {feed_id: (claimed[feed_id], now) for feed_id in feeds}
        for feed_id in list(owes)[: max(len(owes) - limits.RANGES_PER_PEER_MAX, 0)]:
            del owes[feed_id]  # claims may be invented

    def came(self, now: float, heads: Sequence[Head], source: MemberId | None) -> None:
        """A feed grew: who claimed and owed that, and let another give it, loses its place and keeps its link."""
        for head in heads:
            for peer, one in self._peers.items():
                owed = one.owes.get(head.feed_id)
                if owed is None or (head.seq < owed[0] and peer != source):
                    continue
                del one.owes[head.feed_id]
                if source is not None and peer != source and now >= owed[1] + WITHHELD_S:
                    one.is_demoted = True

    def holds(self, peer: MemberId) -> bool:
        """Whether the peer has a place; below thirteen peers all have."""
        return peer in self._drawn if self._drawn else peer in self._peers

    def is_demoted(self, peer: MemberId) -> bool:
        """Whether the peer lost its place for withholding."""
        return peer in self._peers and self._peers[peer].is_demoted
