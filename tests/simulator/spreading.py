"""How one urgent entry spreads where nodes have more links than they push to, beside silent and hostile members.

The same world without its faults: what is measured is the mesh.
"""

from dataclasses import dataclass, field

from node.exchange.publish import Draft
from node.feed.header import HISTORY
from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.runtime import growth
from node.v1 import peer_pb2
from tests.simulator import workload
from tests.simulator.link import Link, Packed
from tests.simulator.node import Node, ms
from tests.simulator.world import World


@dataclass
class Spread:
    """When the entry was said, when each node had it, and how many copies came to each."""

    body: bytes
    said_at: float
    came_at: dict[MemberId, float] = field(default_factory=dict)
    copies: dict[MemberId, int] = field(default_factory=dict)

    def took_s(self, share: float, nodes: list[MemberId]) -> float:
        """Until so many of these nodes had it."""
        times = sorted(self.came_at.get(node, float("inf")) - self.said_at for node in nodes)
        return times[min(int(len(times) * share), len(times) - 1)]


class Spreading(World):
    """Nobody fails and nothing is lost, but for those that are silent: they take, compare, and hand nothing on."""

    def __init__(self, seed: int, count: int, degree: int, *, silent: float = 0.0) -> None:
        super().__init__(seed, count)
        self.degree = degree
        self.faults, self.loss, self.repeat, self.reorder, self.latency_s = (), 0.0, 0.0, 0.0, (0.005, 0.04)
        ids = list(self.nodes)
        self.silent = set(self.random.sample(ids, int(count * silent)))
        self.honest = [one for one in ids if one not in self.silent]
        self.spread = Spread(b"", 0.0)

    def connect(self) -> None:
        """As many links as are asked for, each dialled by one of the two."""
        ids = list(self.nodes)
        for i, one in enumerate(ids):
            self._link(one, ids[(i + 1) % len(ids)])
            others = [other for other in ids if other != one]
            for other in self.random.sample(others, self.degree // 2 - 1):
                self._link(one, other)
        for node in self.nodes.values():
            node.start(0.0, prepared=True)
        self.dial_all()

    def dial_all(self) -> None:
        for pair in sorted(self.links):
            self._dial(pair)

    def settle(self, seconds: float) -> None:
        """Let time pass."""
        self._until(self.now + seconds, None)

    def say(self, author: MemberId) -> None:
        """One urgent entry, and what becomes of it from here on."""
        node = self.nodes[author]
        drafts = [workload._crisis(self.random, ms(self.now) + 86_400_000, exercise=False)]
        self.do(node, lambda: self._publish(node, drafts[0]))

    def _publish(self, node: Node, draft: Draft) -> None:
        admitted = node.exchange.publish([draft], ms(self.now))
        self.spread = Spread(admitted.entries[0].header.body, self.now, {node.id: self.now})
        node._grown(self.now, growth.published(node.exchange, admitted))

    def until_all_have_it(self, nodes: list[MemberId], seconds: float) -> None:
        """Wait so long at most."""
        self._until(self.now + seconds, lambda: all(node in self.spread.came_at for node in nodes))

    # ---- What is on its way

    def _carry(self, sender: MemberId, receiver: MemberId, stream: Stream, frame: peer_pb2.Frame) -> None:
        if sender in self.silent and frame.HasField("entries"):
            return
        super()._carry(sender, receiver, stream, frame)

    def _arrive(
        self, link: Link, epoch: int, sender: MemberId, receiver: MemberId, stream: Stream, packed: Packed
    ) -> None:
        if any(letter.header == self.spread.body for letter in packed.frame.entries.entries):
            self.spread.came_at.setdefault(receiver, self.now)
            self.spread.copies[receiver] = self.spread.copies.get(receiver, 0) + 1
        super()._arrive(link, epoch, sender, receiver, stream, packed)


class Eclipse(Spreading):
    """One node to whom nobody pushes: those in its mesh are hostile, those that are honest do not have it in theirs.

    The hostile ones claim whatever anybody has, and give nothing.
    """

    def __init__(self, seed: int, count: int, degree: int, *, hostile: int) -> None:
        super().__init__(seed, count, degree)
        self.victim = self.honest[0]
        self._hostile = hostile

    def surround(self) -> None:
        """Of the victim's neighbours so many are hostile."""
        neighbours = sorted(peer for pair in self.links if self.victim in pair for peer in pair if peer != self.victim)
        self.silent = set(self.random.sample(neighbours, self._hostile))
        self.honest = [one for one in self.nodes if one not in self.silent]

    def _carry(self, sender: MemberId, receiver: MemberId, stream: Stream, frame: peer_pb2.Frame) -> None:
        if receiver == self.victim and frame.HasField("entries") and frame.entries.lane != HISTORY:
            return
        super()._carry(sender, receiver, stream, frame)
