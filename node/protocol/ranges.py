"""Ranges under way: which feed is asked of whom, and who is asked next when nothing comes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from node import limits
from node.feed.chain import Head
from node.feed.keys import FeedId, MemberId
from node.protocol.effects import Effect, Send, Stream
from node.v1 import peer_pb2

Holders = Callable[[FeedId], Sequence[MemberId]]  # peers that are ready and claim more of a feed


@dataclass(slots=True)
class _Asked:
    """A range under way."""

    peer: MemberId
    last: int
    since: float


class Ranges:
    """Of every feed at most one range is asked for at a time."""

    def __init__(self, heads: Mapping[FeedId, Head], logs: Iterable[FeedId], holders: Holders, random: Random) -> None:
        self._heads, self._logs = heads, frozenset(logs)
        self._holders, self._random = holders, random
        self._asked: dict[FeedId, _Asked] = {}

    @property
    def wake_at(self) -> float:
        """When a range has waited long enough."""
        return min((asked.since + limits.STALL_S for asked in self._asked.values()), default=float("inf"))

    def takes_on(self, peer: MemberId) -> bool:
        """Whether this peer may be asked beside those that are: after a long absence each has the same to give."""
        asked = {one.peer for one in self._asked.values()}
        return peer in asked or len(asked) < limits.SYNC_PEERS_MAX

    def ask(self, now: float, peer: MemberId, targets: Mapping[FeedId, int]) -> list[Effect]:
        """Ask one peer for ranges that nobody was asked for yet; identity logs first."""
        wanted = [
            feed_id for feed_id in targets if feed_id not in self._asked or self._asked[feed_id].last < targets[feed_id]
        ]
        wanted.sort(key=lambda feed_id: (feed_id not in self._logs, feed_id not in self._heads, feed_id))
        ranges = []
        under_way = sum(asked.peer == peer for asked in self._asked.values())
        for feed_id in wanted[: min(limits.RANGES_PER_FRAME_MAX, limits.RANGES_PER_PEER_MAX - under_way)]:
            head = self._heads.get(feed_id)
            self._asked[feed_id] = _Asked(peer, targets[feed_id], now)
            first = head.seq + 1 if head else 1
            last = min(targets[feed_id], first + limits.RANGE_ENTRIES_MAX - 1)
            ranges.append(peer_pb2.Range(feed_id=feed_id, first=first, last=last))
        if not ranges:
            return []
        return [Send(peer, Stream.GOSSIP, peer_pb2.Frame(want=peer_pb2.Want(ranges=ranges)))]

    def moved(self, now: float, heads: Sequence[Head], connected: Callable[[MemberId], bool]) -> list[Effect]:
        """A range came in part: ask the same peer for the rest."""
        effects: list[Effect] = []
        for head in heads:
            asked = self._asked.pop(head.feed_id, None)
            if asked is not None and head.seq < asked.last and connected(asked.peer):
                effects += self.ask(now, asked.peer, {head.feed_id: asked.last})
        return effects

    def forget(self, feed_id: FeedId) -> None:
        """What came of it cannot be taken in yet."""
        self._asked.pop(feed_id, None)

    def leave(self, now: float, peer: MemberId) -> list[Effect]:
        """The peer is gone: what it owed is asked of others."""
        return self._ask_elsewhere(now, sorted(feed for feed, asked in self._asked.items() if asked.peer == peer))

    def wakeup(self, now: float) -> list[Effect]:
        """What does not move is asked of others."""
        stalled = sorted(feed for feed, asked in self._asked.items() if now >= asked.since + limits.STALL_S)
        return self._ask_elsewhere(now, stalled)

    def _ask_elsewhere(self, now: float, feeds: Sequence[FeedId]) -> list[Effect]:
        """Another peer that claims it, or the next exchange of heads."""
        effects: list[Effect] = []
        for feed_id in feeds:
            asked = self._asked.pop(feed_id)
            others = [peer for peer in self._holders(feed_id) if peer != asked.peer]
            if others:
                effects += self.ask(now, self._random.choice(others), {feed_id: asked.last})
        return effects
