"""What is held here, as rows and digests tell it (protos/README.md section 8.4)."""

from collections.abc import Collection, Iterable

from node.feed.chain import Head
from node.feed.keys import FeedId
from node.feed.pae import FederationId
from node.protocol import sync
from node.protocol.news import Growth
from node.protocol.sync import View


class Held:
    """The heads of all feeds, and where they have forked."""

    def __init__(
        self, heads: Iterable[Head], forks: dict[FeedId, int], logs: Collection[FeedId], federation_id: FederationId
    ) -> None:
        self.heads = {head.feed_id: head for head in heads}
        self.forks = dict(forks)
        self._logs, self._federation_id = logs, federation_id
        self._digests: dict[bool, bytes] = {}  # of everything, and of identity logs

    def remember(self, growth: Growth) -> None:
        """The store grew."""
        for head in growth.heads:
            self.heads[head.feed_id] = head
            if not head.seq:  # all of it was on a branch that its root did not name
                del self.heads[head.feed_id]
        self.forks |= {feed_id: seq for feed_id, seq, _ in growth.forks}
        for feed_id, seq in growth.settled:
            self.forks.pop(feed_id, None)
            self.forks |= {feed_id: seq} if seq else {}
        if growth.heads or growth.forks or growth.settled:
            self._digests.clear()

    def seat(self, logs: Collection[FeedId]) -> None:
        """Other feeds are what an outsider is shown."""
        self._logs = logs
        self._digests.clear()

    def height(self, feed_id: FeedId) -> int:
        """How far a feed is held."""
        head = self.heads.get(feed_id)
        return head.seq if head else 0

    def view(self, *, whole: bool = True) -> View:
        """All of it, or identity logs alone."""
        view = View(self.heads, self.forks)
        return view if whole else sync.of_logs(view, self._logs)

    def digest(self, *, whole: bool = True) -> bytes:
        """The hash over all rows of a view; computed once for as long as it holds."""
        if whole not in self._digests:
            self._digests[whole] = sync.digest(self.view(whole=whole), self._federation_id)
        return self._digests[whole]
