"""Addressees: which members were to hear of what was said at some time, and are here still."""

from node.exchange.consult import View
from node.feed.keys import MemberId
from node.policy import cooling


class Addressees:
    """By the rosters of then, each computed once for a day, and of now."""

    def __init__(self, seen: View) -> None:
        self._seen = seen
        self._then: dict[int, frozenset[MemberId]] = {}

    def expected(self, at_ms: int, author: MemberId) -> frozenset[MemberId]:
        """Seated then, by the day, and now, and not gone; but for whoever said it."""
        day = at_ms // cooling.DAY_MS
        if day not in self._then:
            seats = self._seen.trust.roster_at(at_ms).seats
            self._then[day] = frozenset(one for one in self._seen.roster.seats if one in seats)
        return self._then[day] - {author}
