"""Time, links and frames of a world: what is sent arrives late, twice, in another order, or not at all."""

import heapq
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection
from hashlib import sha256
from random import Random

from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.v1 import peer_pb2
from tests.simulator import erasing
from tests.simulator.checks import Checks
from tests.simulator.link import Link, Packed, pack
from tests.simulator.node import Node

NOTICED_S = 40.0  # a ping and its time: then a link on which nothing comes back is taken for dead


class Network(ABC):
    """What is between the nodes of a world."""

    nodes: dict[MemberId, Node]

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = 0.0
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.ties = 0
        self.trace = sha256(str(seed).encode())
        self.counts: Counter[str] = Counter()
        self.checks = Checks()
        self.frames = 0
        self.is_healed = False
        self.may_blame = False  # somebody sends what no honest peer does
        self.links: dict[tuple[MemberId, MemberId], Link] = {}
        self.between: dict[tuple[MemberId, MemberId], Link] = {}  # the same, from either side
        self.packed = pack(peer_pb2.Frame())

    def disturb(self, faults: Collection[str]) -> None:
        """How often frames are lost, come twice or in another order, and how long they take."""
        self.loss = self.random.uniform(0.01, 0.08) if "loss" in faults else 0.0
        self.repeat = self.random.uniform(0.02, 0.2) if "repeat" in faults else 0.0
        self.reorder = self.random.uniform(0.05, 0.4) if "reorder" in faults else 0.0
        self.latency_s = (0.005, 0.5) if "delay" in faults else (0.005, 0.04)

    @abstractmethod
    def do(self, node: Node, what: Callable[[], None]) -> bool:
        """One event of one node; whether it lived."""

    # ---- Time

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Do something later."""
        self.ties += 1
        heapq.heappush(self.queue, (when, self.ties, what))

    def _until(self, end: float, stop: Callable[[], bool] | None) -> None:
        check_at = self.now
        while self.queue and self.queue[0][0] <= end:
            self.now, _, what = heapq.heappop(self.queue)
            what()
            if stop and self.now >= check_at:
                if stop():
                    return
                check_at = self.now + 1.0
        if not stop:
            self.now = end

    # ---- Links and frames

    def _link(self, one: MemberId, other: MemberId) -> None:
        pair = (min(one, other), max(one, other))
        link = self.links.setdefault(pair, Link(pair))
        self.between[one, other] = self.between[other, one] = link

    def _dial(self, pair: tuple[MemberId, MemberId]) -> None:
        link, (one, other) = self.links[pair], pair
        if link.is_up:
            return
        if not (self.nodes[one].is_up and self.nodes[other].is_up):
            self.at(self.now + 1.0, lambda: self._dial(pair))
            return
        link.is_up, link.epoch = True, link.epoch + 1
        link.last_at, link.hello_at = {}, {}
        for node, peer in ((one, other), (other, one)):
            dialled = node == one  # of two that can dial each other the smaller id does
            self.do(self.nodes[node], lambda n=node, p=peer, d=dialled: self.nodes[n].link_up(self.now, p, dialled=d))  # type: ignore[misc]
        if link.mute:
            self._notice(link)

    def _hang_up(self, pair: tuple[MemberId, MemberId], until: float | None = None) -> None:
        link, (one, other) = self.links[pair], pair
        again = until or self.now + self.random.uniform(0.5, 1.5)
        if link.is_up:
            link.is_up = False
            for node, peer in ((one, other), (other, one)):
                if self.nodes[node].is_up:
                    self.do(self.nodes[node], lambda node=node, peer=peer: self.nodes[node].link_down(self.now, peer))  # type: ignore[misc]
            self.at(again, lambda: self._dial(pair))

    def mute(self, sender: MemberId, receiver: MemberId) -> None:
        """From now on one hears the other, and not the other way round (F5); each call ends when that is noticed."""
        link = self.between[sender, receiver]
        link.mute = sender
        self._notice(link)

    def _notice(self, link: Link) -> None:
        epoch = link.epoch
        self.at(self.now + NOTICED_S, lambda: self._hang_up(link.pair) if link.epoch == epoch else None)

    def _cut(self, one: MemberId, other: MemberId, reason: str) -> None:
        assert self.may_blame, f"I16: hung up on an honest peer: {reason}"
        self.counts[f"hang-up: {reason.split(':', maxsplit=1)[0]}"] += 1
        pair = self.between[one, other].pair
        self.at(self.now, lambda: self._hang_up(pair))

    def _carry(self, sender: MemberId, receiver: MemberId, stream: Stream, frame: peer_pb2.Frame) -> None:
        body = frame.WhichOneof("body")
        self.checks.sent(self.nodes[sender], stream, frame, body)
        erasing.unserved(self.nodes[sender], frame, body)
        link = self.between[sender, receiver]
        if not link.is_up:
            return
        if link.mute == sender:
            self.counts["fault: one way"] += 1
            return
        self.frames += 1
        if self.packed.frame is not frame:  # one frame often goes to several peers
            self.packed = pack(frame)
        packed = self.packed
        plain = body in ("hello", "bye")
        if not plain and not self.is_healed and self.random.random() < self.loss:
            self.counts["fault: loss"] += 1
            if stream is Stream.BULK:  # TCP loses nothing but the connection
                self.at(self.now, lambda: self._hang_up(link.pair))
            return
        copies = 1
        if stream is Stream.GOSSIP and not plain and self.random.random() < self.repeat:
            self.counts["fault: repeat"] += 1
            copies = 2
        for _ in range(copies):
            self._schedule(link, sender, receiver, stream, packed, in_order=plain or stream is Stream.BULK)

    def _schedule(
        self, link: Link, sender: MemberId, receiver: MemberId, stream: Stream, packed: Packed, *, in_order: bool
    ) -> None:
        when = self.now + self.random.uniform(*self.latency_s)
        if when > self.now + 0.1:
            self.counts["fault: delay"] += 1
        last = link.last_at.get((sender, stream), 0.0)
        if in_order or self.random.random() >= self.reorder:
            when = max(when, last)
        elif when < last:
            self.counts["fault: reorder"] += 1
        when = max(when, link.hello_at.setdefault((sender, stream), when))
        link.last_at[sender, stream] = max(when, last)
        epoch = link.epoch
        self.at(when, lambda: self._arrive(link, epoch, sender, receiver, stream, packed))

    def _arrive(
        self, link: Link, epoch: int, sender: MemberId, receiver: MemberId, stream: Stream, packed: Packed
    ) -> None:
        if not link.is_up or link.epoch != epoch:
            return
        self.trace.update(repr(self.now).encode() + sender[:4] + receiver[:4] + packed.hash)
        node = self.nodes[receiver]
        self.do(node, lambda: node.frame(self.now, sender, stream, packed.data))
