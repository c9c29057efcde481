"""Lag: which peers go on lacking what they could have had (protos/README.md section 8.4)."""

from collections.abc import Mapping

from node.feed.keys import FeedId, MemberId

LATE_S = 300.0  # twenty rounds of comparing; whoever takes in what it is offered has it after one


class Lag:
    """Of each peer, the feeds in which it is behind us, how far we were when that began, and when.

    It is kept over links: who hangs up now and then is not up to date by that.
    """

    def __init__(self) -> None:
        self._of: dict[MemberId, dict[FeedId, tuple[int, float]]] = {}

    def listed(self, now: float, peer: MemberId, ours: Mapping[FeedId, int], theirs: Mapping[FeedId, int]) -> None:
        """The peer listed all that it holds, or says so; these are the feeds of which we hold other than it does."""
        before = self._of.get(peer, {})
        self._of[peer] = {
            feed_id: before[feed_id] if feed_id in before and seq < before[feed_id][0] else (ours[feed_id], now)
            for feed_id, seq in theirs.items()
            if seq < ours[feed_id]
        }

    def agrees(self, peer: MemberId) -> None:
        """The peer holds what we hold."""
        self._of.pop(peer, None)

    def late(self, now: float, peer: MemberId) -> tuple[int, float]:
        """In how many feeds it has been behind for long, and since when."""
        found = [since for _, since in self._of.get(peer, {}).values() if now - since >= LATE_S]
        return len(found), min(found, default=now)
