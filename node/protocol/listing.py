"""Listings: what a peer says it holds, a page at a time (protos/README.md section 8.4).

However many pages there are, of what a peer may invent no more is kept than can be asked for. All else that is kept is
about feeds that are held here.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from node import limits
from node.feed.chain import Head
from node.feed.keys import FeedId
from node.protocol import sync
from node.protocol.sync import View
from node.v1 import peer_pb2

Choose = Callable[[Mapping[FeedId, int]], Sequence[FeedId]]  # the order in which feeds are asked for


class Listing:
    """What one listing has said so far, in rising order of feeds, beside what is held here.

    ``shown``: what of that the peer is shown. Where the listing is whole, what it passes over the peer does not hold.
    """

    def __init__(
        self, held: View, shown: View, takes: Callable[[FeedId], bool], choose: Choose, *, whole: bool
    ) -> None:
        self.claims: dict[FeedId, int] = {}  # of which feeds the peer has more, and up to where
        self.differing: list[Head] = []
        self.unproven: list[FeedId] = []
        self.ours: dict[FeedId, int] = {}  # of which feeds the peer should see our row, and how far they are held
        self.theirs: dict[FeedId, int] = {}  # and how far the peer says that it holds these
        self._held, self._shown, self._takes, self._choose = held, shown, takes, choose
        self._passed, self._feeds = b"", sync.shown_feeds(shown) if whole else []

    def page(self, said: peer_pb2.Heads) -> None:
        """One more page; raises Malformed."""
        rows = sync.claims(said.rows, behind=self._passed)
        here = self._pass(rows[-1].feed_id if rows else self._passed, last=said.last)
        listed = [row for row in rows if self._takes(FeedId(row.feed_id))]
        self._note_claims(sync.missing(self._held, listed), last=said.last)
        self.differing += sync.differing(self._held, listed)
        del self.differing[limits.RANGES_PER_FRAME_MAX // 2 :]
        self.unproven += sync.unproven(self._shown, [*here, *(FeedId(row.feed_id) for row in listed)], listed)
        del self.unproven[limits.RANGES_PER_FRAME_MAX :]
        ours, claimed = sync.ahead(self._shown, here, rows), {FeedId(row.feed_id): row.seq for row in listed}
        self.ours |= ours
        self.theirs |= {feed_id: claimed.get(feed_id, 0) for feed_id in ours}

    def _pass(self, feed_id: bytes, *, last: bool) -> Sequence[FeedId]:
        """The feeds here that the peer would have listed up to there, if it held them."""
        start, self._passed = bisect_right(self._feeds, self._passed), feed_id
        return self._feeds[start : None if last else bisect_right(self._feeds, feed_id)]

    def _note_claims(self, missing: Mapping[FeedId, int], *, last: bool) -> None:
        self.claims |= missing
        if last or len(self.claims) > 2 * limits.CLAIMS_PER_PEER_MAX:
            kept = self._choose(self.claims)[: limits.CLAIMS_PER_PEER_MAX]
            self.claims = {feed_id: self.claims[feed_id] for feed_id in kept}
