"""Ranges under way and waiting: which feed is asked of whom, and whose turn is next (section 8.4).

Turns go around the authors, a bounded number of entries each: who has a million entries to be fetched delays nobody
but itself, however many feeds it has.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from node import limits
from node.feed.chain import Head
from node.feed.keys import FeedId, MemberId
from node.feed.turns import in_turn
from node.protocol.effects import Effect, Send, Stream
from node.v1 import peer_pb2

Holders = Callable[[FeedId], Mapping[MemberId, int]]  # peers that are ready and claim more of a feed, up to where
Authors = Callable[[FeedId], MemberId | None]  # whose feed it is, as far as that is known


@dataclass(slots=True)
class _Turn:
    """What is to be fetched of a feed: from whom, and up to where. ``until``: the last one of this turn."""

    peer: MemberId
    last: int
    since: float = 0.0
    until: int = 0


class Ranges:
    """Of every author at most one range is asked for at a time."""

    def __init__(
        self, heads: Mapping[FeedId, Head], logs: frozenset[FeedId], holders: Holders, random: Random, authors: Authors
    ) -> None:
        self._heads, self.logs = heads, logs
        self._holders, self._random, self._authors = holders, random, authors
        self._asked: dict[FeedId, _Turn] = {}
        self._waiting: dict[FeedId, _Turn] = {}  # in the order of their turns

    @property
    def wake_at(self) -> float:
        """When a range has waited long enough."""
        return min((turn.since + limits.STALL_S for turn in self._asked.values()), default=float("inf"))

    def takes_on(self, peer: MemberId) -> bool:
        """Whether this peer may be asked beside those that are: after a long absence each has the same to give."""
        asked = {turn.peer for turn in self._asked.values()}
        return peer in asked or len(asked) < limits.SYNC_PEERS_MAX

    def asked_of(self, peer: MemberId) -> dict[FeedId, int]:
        """The last entry of each range that the peer is to send."""
        return {feed_id: turn.until for feed_id, turn in self._asked.items() if turn.peer == peer}

    def by_turns(self, targets: Mapping[FeedId, int]) -> list[FeedId]:
        """Of each author one feed, then of each a second; identity logs and feeds that are held before others."""
        turns = in_turn(sorted(targets), self._author)
        return sorted(turns, key=lambda feed_id: (feed_id not in self.logs, feed_id not in self._heads))

    def ask(self, now: float, peer: MemberId, targets: Mapping[FeedId, int]) -> list[Effect]:
        """Note what a peer has more of, and ask for what has its turn; identity logs first."""
        noted = {**self._asked, **self._waiting}
        room = limits.RANGES_PER_PEER_MAX - sum(turn.peer == peer for turn in noted.values())
        of_author = Counter(map(self._author, noted))
        for feed_id in self.by_turns(targets):
            turn = noted.get(feed_id)
            if turn is not None:
                turn.last = max(turn.last, targets[feed_id]) if turn.peer == peer else turn.last
            elif room > 0 and of_author[self._author(feed_id)] < limits.FEEDS_PER_AUTHOR_MAX:
                self._waiting[feed_id] = _Turn(peer, targets[feed_id])
                of_author[self._author(feed_id)] += 1
                room -= 1
        return self._take_turns(now)

    def moved(self, now: float, heads: Sequence[Head], connected: Callable[[MemberId], bool]) -> list[Effect]:
        """A range came, or part of it: the rest waits for its author's next turn."""
        for head in heads:
            turn = self._asked.pop(head.feed_id, None)
            if turn is not None and head.seq < turn.last and connected(turn.peer):
                self._waiting[head.feed_id] = _Turn(turn.peer, turn.last)
        return self._take_turns(now)

    def forget(self, feed_id: FeedId) -> None:
        """What came of it cannot be taken in yet."""
        self._asked.pop(feed_id, None)
        self._waiting.pop(feed_id, None)

    def leave(self, now: float, peer: MemberId) -> list[Effect]:
        """The peer is gone: what it owed is asked of others."""
        owed = [feed_id for turns in (self._asked, self._waiting) for feed_id in turns if turns[feed_id].peer == peer]
        return self._ask_elsewhere(now, owed)

    def wakeup(self, now: float) -> list[Effect]:
        """What does not move is asked of others."""
        stalled = [feed_id for feed_id, turn in self._asked.items() if now >= turn.since + limits.STALL_S]
        return self._ask_elsewhere(now, stalled)

    def _author(self, feed_id: FeedId) -> bytes:
        return self._authors(feed_id) or feed_id

    def _take_turns(self, now: float) -> list[Effect]:
        """Ask for what waits, of authors of whom nothing is under way."""
        if not self._waiting:
            return []
        busy = {self._author(feed_id) for feed_id in self._asked}
        under_way = Counter(turn.peer for turn in self._asked.values())
        ranges: dict[MemberId, list[peer_pb2.Range]] = {}
        for feed_id, turn in list(self._waiting.items()):
            author = self._author(feed_id)
            if author in busy or under_way[turn.peer] >= limits.RANGES_PER_FRAME_MAX:
                continue
            del self._waiting[feed_id]
            first = self._heads[feed_id].seq + 1 if feed_id in self._heads else 1
            if first > turn.last:
                continue  # it came meanwhile
            turn.since, turn.until = now, min(turn.last, first + limits.TURN_ENTRIES_MAX - 1)
            self._asked[feed_id] = turn
            busy.add(author)
            under_way[turn.peer] += 1
            ranges.setdefault(turn.peer, []).append(peer_pb2.Range(feed_id=feed_id, first=first, last=turn.until))
        return [
            Send(peer, Stream.GOSSIP, peer_pb2.Frame(want=peer_pb2.Want(ranges=part))) for peer, part in ranges.items()
        ]

    def _ask_elsewhere(self, now: float, feeds: Sequence[FeedId]) -> list[Effect]:
        """Another peer that claims it, as far as that claims; or the next exchange of heads."""
        for feed_id in sorted(feeds):
            turn = self._asked.pop(feed_id, None) or self._waiting.pop(feed_id)
            claims = {peer: last for peer, last in self._holders(feed_id).items() if peer != turn.peer}
            if claims:
                peer = self._random.choice(sorted(claims))
                self._waiting[feed_id] = _Turn(peer, claims[peer])
        return self._take_turns(now)
