"""What sync says when there is nothing new: one exchange of digests, by the machines themselves."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Send
from node.protocol.gossip import Gossip
from node.protocol.session import Self
from node.v1 import peer_pb2
from tests.bench.results import Measure, Reference

HEADS = (10, 1_000, 10_000)
ASKER, ANSWERER = MemberId(b"\x01" * 32), MemberId(b"\x02" * 32)
FEDERATION_ID = bytes(32)


@dataclass(frozen=True, slots=True)
class _Exchange:
    said_bytes: int
    round_trips: int


def measure() -> list[Measure]:
    """Stores of very different size should say the same."""
    found = {heads: _compare(heads) for heads in HEADS}
    return [
        one
        for heads, exchange in found.items()
        for one in _measures(heads, exchange, None if heads == HEADS[0] else found[HEADS[0]])
    ]


def _measures(heads: int, exchange: _Exchange, least: _Exchange | None) -> list[Measure]:
    name, few = f"sync with nothing new, {heads:,} feeds", f"{HEADS[0]} feeds"
    size = Reference(least.said_bytes, few) if least else None
    trips = Reference(least.round_trips, few) if least else None
    return [
        Measure(f"{name}: bytes said", exchange.said_bytes, "B", "under 300", size),
        Measure(f"{name}: round trips", exchange.round_trips, "", "1", trips),
    ]


def _compare(heads: int) -> _Exchange:
    """Two nodes that hold the same: hello, and then one of them asks whether they still do."""
    machines = {one: _machine(one, heads) for one in (ASKER, ANSWERER)}
    greetings = [(one, machines[one].link_up(0, other, 0)) for one, other in ((ASKER, ANSWERER), (ANSWERER, ASKER))]
    _talk(machines, [(speaker, effect) for speaker, effects in greetings for effect in effects])
    said = _talk(machines, [(ASKER, effect) for effect in machines[ASKER].compare()])
    sizes = [
        peer_pb2.GossipRequest(frame=frame).ByteSize()
        if speaker == ASKER
        else peer_pb2.GossipResponse(frame=frame).ByteSize()
        for speaker, frame in said
    ]
    return _Exchange(sum(sizes), sum(speaker == ASKER for speaker, _ in said))


def _machine(member_id: MemberId, count: int) -> Gossip:
    seeds = [number.to_bytes(8, "big") for number in range(count)]
    heads = [
        Head(FeedId(sha256(b"feed" + seed).digest()), 100_000 + i, HeaderHash(sha256(b"head" + seed).digest()))
        for i, seed in enumerate(seeds)
    ]
    me = Self(FEDERATION_ID, member_id, member_id[:16], member_id[:16], "bench")
    return Gossip(me, heads, {}, Circle(frozenset({ASKER, ANSWERER}), frozenset(), frozenset()), Random(0), now=0)


def _talk(
    machines: dict[MemberId, Gossip], first: Sequence[tuple[MemberId, Effect]]
) -> list[tuple[MemberId, peer_pb2.Frame]]:
    """Carry what is said until nobody answers; all of it, in order."""
    waiting = deque(first)
    said = []
    while waiting:
        speaker, effect = waiting.popleft()
        if not isinstance(effect, Send):
            raise TypeError(f"nodes that hold the same only talk, but this wants {effect}")
        said.append((speaker, effect.frame))
        waiting.extend((effect.peer, answer) for answer in machines[effect.peer].frame(0, speaker, effect.frame))
    return said
