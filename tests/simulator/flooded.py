"""A fifth of the members flood, on machines that take their time: what honest members say arrives all the same (I15).

Looking at a signature and storing takes time here, one frame after the other, the more urgent lane first, as in the
daemon. So a flood that others let through would show.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from node.feed.header import HISTORY, NORMAL, URGENT
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol.effects import Stream
from node.protocol.news import Growth
from node.v1 import peer_pb2
from tests.simulator import floods
from tests.simulator.link import Link, Packed
from tests.simulator.node import Node, ms
from tests.simulator.world import World

CHECK_S = 0.002  # for each entry whose signature is looked at: twenty times what it takes
SHARE = 0.2
FRAMES, ENTRIES, URGENT_ENTRIES = 20, 40, 25  # of each flooder, at once in every frame
BEGINS_S, FLOOD_S, SAYING_S, ENDS_S = 1.0, 2.0, 10.0, 90.0
URGENT_S_MAX = 1.0  # without quotas it takes seven
NORMAL_S_MAX = 5.0  # a minute is promised; without quotas it takes twelve seconds here


@dataclass
class Reached:
    """One honest entry: when it was said, and when it came to each member."""

    feed_id: FeedId
    seq: int
    urgency: int
    at: float
    came_s: dict[MemberId, float] = field(default_factory=dict)


class FloodedWorld(World):
    """No other faults: what delays an entry here is the flood."""

    def __init__(self, seed: int, count: int = 15) -> None:
        super().__init__(seed, count)
        self.faults = ("flood",)
        self.loss = self.repeat = self.reorder = 0.0
        self.latency_s = (0.005, 0.04)
        self.said: dict[HeaderHash, Reached] = {}
        self._at_place: dict[FeedId, list[Reached]] = {}
        self._queues: dict[MemberId, list[tuple[int, int, Callable[[], None]]]] = {one: [] for one in self.nodes}
        self._busy: set[MemberId] = set()
        self._order = itertools.count()
        for node in self.nodes.values():
            node.tells = self._heard

    def flooded(self) -> list[Reached]:
        """Run it; what honest members said."""
        self._connect()
        members = list(self.nodes.values())
        flooders = self.random.sample(members, round(len(members) * SHARE))
        honest = [node for node in members if node not in flooders]
        for node in flooders:
            for _ in range(FRAMES):
                at = self.random.uniform(BEGINS_S, BEGINS_S + FLOOD_S)
                self.at(at, lambda node=node: self._flood(node))  # type: ignore[misc]
        for node in honest:
            self.at(self.random.uniform(BEGINS_S, BEGINS_S + FLOOD_S), lambda node=node: self._speak(node, 1))  # type: ignore[misc]
            self.at(self.random.uniform(BEGINS_S, SAYING_S), lambda node=node: self._speak(node, 0))  # type: ignore[misc]
        self._until(ENDS_S, None)
        for node in members:
            self.counts += node.counts
        return list(self.said.values())

    def _flood(self, node: Node) -> None:
        self.do(node, lambda: node.publish(self.now, floods.drafts(self.random, ENTRIES, URGENT_ENTRIES)))

    def _speak(self, node: Node, urgent: int) -> None:
        self.do(node, lambda: self._publish(node, urgent))

    def _publish(self, node: Node, urgent: int) -> None:
        """As the node does, but what it makes is written down."""
        before = self.now
        feed_id = node.member.feed_id(self.federation.charter.federation_id)
        head = node.gossip._held.heads[feed_id].seq
        reached = Reached(feed_id, head + 1, URGENT if urgent else NORMAL, before)
        self._at_place.setdefault(feed_id, []).append(reached)
        node.publish(self.now, floods.drafts(self.random, 1, urgent))
        row = node.gossip._held.heads[feed_id]
        self.said[row.hash] = reached

    def _heard(self, node: Node, news: Growth) -> None:
        for fresh in news.fresh:
            if fresh.hash in self.said:
                self.said[fresh.hash].came_s.setdefault(node.id, self.now - self.said[fresh.hash].at)
        for head in news.heads:
            for reached in self._at_place.get(head.feed_id, ()):
                if head.seq >= reached.seq:
                    reached.came_s.setdefault(node.id, self.now - reached.at)

    # ---- A machine that takes its time

    def _arrive(
        self, link: Link, epoch: int, sender: MemberId, receiver: MemberId, stream: Stream, packed: Packed
    ) -> None:
        arrive = super()._arrive
        turn = (self._lane(receiver, packed.frame), next(self._order))
        heapq.heappush(self._queues[receiver], (*turn, lambda: arrive(link, epoch, sender, receiver, stream, packed)))
        self._work(receiver)

    def _lane(self, receiver: MemberId, frame: peer_pb2.Frame) -> int:
        if not frame.entries.entries:
            return URGENT
        budgets, now_ms = self.nodes[receiver].exchange.budgets, ms(self.now)
        lane = min(budgets.lane_of(letter, now_ms) for letter in frame.entries.entries)
        return max(lane, min(frame.entries.lane, HISTORY))

    def _work(self, receiver: MemberId) -> None:
        if receiver in self._busy or not self._queues[receiver]:
            return
        *_, take = heapq.heappop(self._queues[receiver])
        before = self.nodes[receiver].checked
        self._busy.add(receiver)
        take()
        self.at(self.now + (self.nodes[receiver].checked - before) * CHECK_S, lambda: self._rest(receiver))

    def _rest(self, receiver: MemberId) -> None:
        self._busy.discard(receiver)
        self._work(receiver)


def worst_s(said: list[Reached], urgency: int) -> float:
    """How long the slowest took to the last member."""
    return max(max(one.came_s.values()) for one in said if one.urgency == urgency)
