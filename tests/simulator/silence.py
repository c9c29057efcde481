"""How fast what is urgent gets around when many members keep silent: a table for any number of nodes.

The gossip is the real one, with its mesh, ranges and comparing of heads, and so are headers, signatures and frames.
Stores are lists in memory, for a thousand SQLite ledgers with a thousand members each would not fit one machine, and
what they do takes no model time anyway. Links take 5 to 40 ms one way, and each hop 2 ms.
"""

import heapq
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from random import Random

from nacl.signing import SigningKey

from node import limits
from node.feed import chain, entry, keys
from node.feed import header as headers
from node.feed.chain import Place
from node.feed.header import HISTORY, URGENT, Header
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Hangup, Ingest, Send, Serve
from node.protocol.gossip import Gossip
from node.protocol.news import Fresh, Growth
from node.protocol.session import Self
from node.v1 import header_pb2, peer_pb2
from tests.simulator import memo
from tests.simulator.members import BASE_MS, seed

SHARES = (0.0, 0.05, 0.10, 0.20, 0.33)
DIALLED = 8  # by each, so that it has sixteen peers or so
LINK_S = (0.005, 0.040)
HOP_S = 0.002
WARNINGS = 20
FIRST_S, EVERY_S, ENDS_S = 20.0, 1.0, 90.0
FEDERATION = FederationId(seed("report"))
Letter = header_pb2.SignedEntry

memo.remember()


@dataclass(frozen=True, slots=True)
class Author:
    """A member that says things."""

    member_id: MemberId
    key: SigningKey
    feed_id: FeedId

    def say(self, seq: int, previous: bytes, urgency: int) -> Letter:
        """An entry of its feed."""
        opening = header_pb2.Open(member_id=self.member_id, feed_key=bytes(self.key.verify_key))
        withdraw = header_pb2.Withdraw(reason=1)
        fields = header_pb2.Header(
            feed_id=self.feed_id,
            seq=seq,
            previous=previous,
            created_ms=BASE_MS,
            urgency=urgency,
            kind=Kind.OPEN if seq == 1 else Kind.WITHDRAW,
            object_id=b"" if seq == 1 else seed(f"object {seq}")[:16],
            statement=(opening if seq == 1 else withdraw).SerializeToString(),
        )
        made = entry.create(fields, self.key, FEDERATION)
        return Letter(header=made.header.body, signature=made.signature)


@cache
def author(number: int) -> tuple[Author, Letter]:
    """A member, and the opening of its feed."""
    key, member_id = SigningKey(seed(f"report {number}")), MemberId(seed(f"reporting member {number}"))
    made = Author(member_id, key, keys.feed_id(FEDERATION, member_id, bytes(key.verify_key)))
    return made, made.say(1, b"", 1)


class Light:
    """One node: the real gossip over a store that is a list of entries for each feed."""

    def __init__(self, number: int, net: "Net") -> None:
        self.author, _ = author(number)
        self.id = self.author.member_id
        self.net = net
        self.random = Random(f"{net.seed} {number}")
        self.feeds = {feed_id: list(letters) for feed_id, letters in net.openings.items()}
        self.ahead: set[HeaderHash] = set()
        me = Self(FEDERATION, self.id, self.id[:16], self.id[:16], "report")
        heads = [chain.head_of(read(letters[-1])) for letters in self.feeds.values()]
        self.gossip = Gossip(me, heads, {}, net.circle, self.random, now=0, authors=net.owners.get)

    def say(self, now: float) -> HeaderHash:
        """Something urgent."""
        feed = self.feeds[self.author.feed_id]
        letter = self.author.say(len(feed) + 1, read(feed[-1]).hash, URGENT)
        feed.append(letter)
        header = read(letter)
        self.net.warn(header.hash, self)
        fresh = [Fresh(header.hash, header.feed_id, URGENT, letter)]
        self.apply(now, self.gossip.grown(now, Growth(heads=[chain.head_of(header)], fresh=fresh)))
        return header.hash

    def apply(self, now: float, effects: Sequence[Effect]) -> None:
        """Do what the machine wants done."""
        for effect in effects:
            match effect:
                case Send(peer, _, frame):
                    self.net.carry(self, peer, frame)
                case Ingest(peer, letters):
                    self._take(now, peer, letters)
                case Serve(peer, peer_pb2.Want() as want):
                    for answer in self._answers(want):
                        frame = peer_pb2.Frame(entries=peer_pb2.Entries(entries=answer, lane=HISTORY))
                        self.net.carry(self, peer, frame)
                case Hangup(_, reason):
                    raise AssertionError(reason)

    def _answers(self, want: peer_pb2.Want) -> Iterator[Sequence[Letter]]:
        for part in want.ranges:
            last = min(part.last, part.first + limits.ENTRIES_PER_FRAME_MAX - 1)
            yield self.feeds[FeedId(part.feed_id)][part.first - 1 : last]

    def _take(self, now: float, peer: MemberId, letters: Sequence[Letter]) -> None:
        heads, fresh, gaps = [], [], []
        for letter in letters:
            header = read(letter)
            self.net.came(self, header.hash)
            feed = self.feeds[header.feed_id]
            match chain.place(chain.head_of(read(feed[-1])), header):
                case Place.NEXT:
                    feed.append(letter)
                    heads.append(chain.head_of(header))
                case Place.AHEAD if header.hash not in self.ahead:
                    self.ahead.add(header.hash)
                    gaps.append((header.feed_id, header.seq - 1, HeaderHash(header.previous)))
                case _:
                    continue
            fresh.append(Fresh(header.hash, header.feed_id, header.urgency, letter))
        if fresh:
            self.apply(now, self.gossip.grown(now, Growth(heads=heads, fresh=fresh, gaps=gaps, source=peer)))


def read(letter: Letter) -> Header:
    """Its header, read once for all nodes."""
    return headers.decode(letter.header, FEDERATION)


@dataclass
class Warned:
    """One urgent entry: when it was said, when it came where, and how many copies of it came."""

    at: float
    came_s: dict[MemberId, float] = field(default_factory=dict)
    copies: int = 0


class Net:
    """All nodes, and what is between them."""

    def __init__(self, count: int, share: float, number: int = 0) -> None:
        self.seed = number
        self.random = Random(number)
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wakes: dict[MemberId, float] = {}
        authors = [author(i) for i in range(count)]
        self.openings = {one.feed_id: [opening] for one, opening in authors}
        self.owners = {one.feed_id: one.member_id for one, _ in authors}
        self.circle = Circle(frozenset(self.owners.values()), frozenset(), frozenset())
        self.nodes = {one.id: one for one in (Light(i, self) for i in range(count))}
        self.silent = set(self.random.sample(sorted(self.nodes), round(count * share)))
        self.warned: dict[HeaderHash, Warned] = {}
        self.sync_bytes: Counter[MemberId] = Counter()

    def run(self) -> None:
        """Link up, warn, and let heads be compared for a while."""
        ids = list(self.nodes)
        links = {tuple(sorted((one, other))) for one in ids for other in self._dialled(one, ids)}
        for one, other in sorted(links):
            for node, peer in ((one, other), (other, one)):
                self.nodes[node].apply(0, self.nodes[node].gossip.link_up(0, peer, BASE_MS))
        for each in self.nodes.values():
            self._wake_later(each)
        honest = [node for node in self.nodes.values() if node.id not in self.silent]
        for i, speaker in enumerate(self.random.sample(honest, min(WARNINGS, len(honest)))):
            self._at(FIRST_S + i * EVERY_S, partial(self._speak, speaker))
        while self._queue and self._queue[0][0] <= ENDS_S:
            self.now, _, what = heapq.heappop(self._queue)
            what()

    def _speak(self, speaker: Light) -> None:
        speaker.say(self.now)

    def _dialled(self, one: MemberId, ids: Sequence[MemberId]) -> list[MemberId]:
        return [other for other in self.random.sample(ids, min(DIALLED, len(ids))) if other != one]

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), what))

    def _wake_later(self, node: Light) -> None:
        when = node.gossip.wake_at
        if when < self._wakes.get(node.id, float("inf")):
            self._wakes[node.id] = when
            self._at(max(when, self.now), lambda: self._wake(node, when))

    def _wake(self, node: Light, when: float) -> None:
        if self._wakes.get(node.id) == when:
            del self._wakes[node.id]
            node.apply(self.now, node.gossip.wakeup(self.now))
            self._wake_later(node)

    def carry(self, sender: Light, peer: MemberId, frame: peer_pb2.Frame) -> None:
        """Over a link; whoever keeps silent says hello and nothing more."""
        body = frame.WhichOneof("body")
        if sender.id in self.silent and body != "hello":
            return
        if body != "hello" and (body != "entries" or frame.entries.lane == HISTORY):
            self.sync_bytes[sender.id] += frame.ByteSize()
        delay_s = 0.0 if body == "hello" else self.random.uniform(*LINK_S) + HOP_S
        self._at(self.now + delay_s, lambda: self._arrive(sender.id, self.nodes[peer], frame))

    def _arrive(self, sender: MemberId, node: Light, frame: peer_pb2.Frame) -> None:
        node.apply(self.now, node.gossip.frame(self.now, sender, frame))
        self._wake_later(node)

    def warn(self, hash_: HeaderHash, node: Light) -> None:
        """Something urgent was said."""
        self.warned[hash_] = Warned(self.now, {node.id: 0.0})

    def came(self, node: Light, hash_: HeaderHash) -> None:
        """A copy of it came."""
        warned = self.warned.get(hash_)
        if warned is not None and node.id not in self.silent:
            warned.copies += 1
            warned.came_s.setdefault(node.id, self.now - warned.at)


@dataclass(frozen=True, slots=True)
class Line:
    """What one share of silent members makes of it. Times in milliseconds of the model."""

    share: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    reached: float
    copies: float
    sync_bytes_per_minute: float
    took_s: float


def measure(count: int, share: float) -> Line:
    """One run."""
    began = time.perf_counter()
    net = Net(count, share)
    net.run()
    honest = [one for one in net.nodes if one not in net.silent]
    came_ms = sorted(1000 * s for warned in net.warned.values() for s in warned.came_s.values() if s)
    others = len(net.warned) * (len(honest) - 1)
    cuts = statistics.quantiles(came_ms, n=100, method="inclusive")
    return Line(
        share,
        cuts[49],
        cuts[98],
        came_ms[-1],
        len(came_ms) / others,
        sum(warned.copies for warned in net.warned.values()) / others,
        sum(net.sync_bytes[one] for one in honest) / len(honest) / ENDS_S * 60,
        time.perf_counter() - began,
    )


def table(count: int, hostile: float) -> Iterator[str]:
    """Line by line, as each is measured."""
    began = time.perf_counter()
    yield f"{count} nodes, {WARNINGS} urgent entries each time; links of 5 to 40 ms one way, 2 ms a hop"
    yield "silent   p50 ms   p99 ms   most ms   reached   copies   sync bytes/min   took s"
    for share in (share for share in SHARES if share <= hostile):
        one = measure(count, share)
        yield (
            f"{one.share:6.0%} {one.p50_ms:8.0f} {one.p99_ms:8.0f} {one.most_ms:9.0f} {one.reached:9.2%}"
            f" {one.copies:8.2f} {one.sync_bytes_per_minute:16,.0f} {one.took_s:8.0f}"
        )
    yield f"{time.perf_counter() - began:.0f} s in all"
