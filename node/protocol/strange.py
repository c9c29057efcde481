"""Strange feeds: what a node that is no member was offered, and can not take in until more is certified."""

from node.feed.keys import FeedId
from node.protocol.circle import Circle
from node.protocol.news import Growth

STRANGE_MAX = 65536  # what is beyond is asked for again, a few hundred at a time


class Strange:
    """Feeds that are not asked for again, until an identity log or the roster says more."""

    def __init__(self) -> None:
        self._feeds: set[FeedId] = set()

    def __contains__(self, feed_id: bytes) -> bool:
        return feed_id in self._feeds

    def clear(self) -> None:
        """All are asked for again."""
        self._feeds.clear()

    def note(self, growth: Growth, circle: Circle) -> bool:
        """Remember what could not be taken in; whether heads should be compared with the sender again soon."""
        if circle.members:
            return bool(growth.unknown or growth.ignored or growth.settled)
        certifies = bool(self._feeds) and any(head.feed_id in circle.logs for head in growth.heads)
        if certifies:
            self._feeds.clear()
        self._feeds.update(growth.unknown[: STRANGE_MAX - len(self._feeds)])
        return certifies
