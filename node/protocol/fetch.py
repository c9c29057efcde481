"""Fetching payloads over the bulk stream (protos/README.md section 8.5).

Either side wants, the other sends chunks, at most two of them unacknowledged. What is wanted is
the store's list; here is only who was asked for what, and when it last moved.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from node import limits
from node.errors import PeerFault
from node.feed.keys import HeaderHash, MemberId
from node.protocol import session
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Hangup, Keep, Send, ServeChunk, Stream
from node.protocol.session import Self, State
from node.v1 import peer_pb2

RETRY_S = 15.0  # a peer that did not have it is asked again after so long
PATIENT = float("-inf")  # waited long enough
PATIENCE_S = 1.0  # before peers are asked that did not say they have it: most would say no
ASK_AGAIN_S, ASK_AGAIN_S_MAX = 2.0, 3600.0  # who has our records, later and later: perhaps nobody follows the list
UNDER_WAY_PER_PEER_MAX = 2  # the second is asked for while the first still comes
LATE_S = 1.0  # a want under way for so long is asked of a second peer that has nothing else to give
ASKED_AT_A_TIME_MAX = 2  # so of one payload at most one copy travels in vain


@dataclass(frozen=True, slots=True)
class Wanted:
    """A payload that is missing here: its chunks, how many are held, and whose it is."""

    hash: HeaderHash
    chunks: int
    first: int
    originator: MemberId
    for_peer: bool = False  # nobody here reads it
    kind: int = 0


@dataclass(slots=True)
class _Asked:
    """Of one peer: when it last moved, and the chunk that comes next."""

    since: float
    next: int


@dataclass(slots=True)
class _UnderWay:
    """A payload that is asked for: of one peer, or of two where the first took long."""

    since: float
    held: int
    asked: dict[MemberId, _Asked]
    is_late: bool = False


@dataclass(slots=True)
class _Peer:
    state: State = State.HELLO
    absent: dict[HeaderHash, float] = field(default_factory=dict)  # it said so: not asked again until then
    stalled: dict[HeaderHash, float] = field(default_factory=dict)  # not asked again until then, whatever it says
    has: dict[HeaderHash, None] = field(default_factory=dict)  # said so, of what we want
    serving: deque[tuple[HeaderHash, int]] = field(default_factory=deque)
    unacknowledged: int = 0  # chunks sent
    keeping: int = 0  # chunks received, and not durable yet
    ask_at: float = float("inf")  # who has our records
    ask_after_s: float = ASK_AGAIN_S

    def may_have(self, hash_: HeaderHash) -> bool:
        """Whether it is worth asking."""
        return hash_ not in self.absent and hash_ not in self.stalled


class Fetch:
    """All bulk streams of one node."""

    def __init__(self, me: Self, random: Random, circle: Circle) -> None:
        self._circle = circle
        self.takes: Callable[[MemberId, int], bool] = lambda *_: True  # whether a peer is asked for this kind
        self._me = me
        self._random = random
        self._peers: dict[MemberId, _Peer] = {}
        self._wanted: dict[HeaderHash, Wanted] = {}  # in the store's order
        self._since: dict[HeaderHash, float] = {}
        self._under_way: dict[HeaderHash, _UnderWay] = {}
        self._own: dict[HeaderHash, None] = {}  # ours, and nobody else is known to have them

    @property
    def wake_at(self) -> float:
        """When `wakeup` has something to do."""
        times = [link.ask_at for link in self._peers.values()] if self._own else []
        for one in self._under_way.values():
            times += [asked.since + limits.STALL_S for asked in one.asked.values()]
            if not one.is_late:
                times.append(one.since + LATE_S)
        if len(self._under_way) < len(self._wanted):
            waiting = self._wanted.keys() - self._under_way.keys()
            times += [self._since[hash_] + PATIENCE_S for hash_ in waiting if self._since[hash_] != PATIENT]
            for link in self._peers.values():
                refusals = (*link.absent.items(), *link.stalled.items())
                times += [until for hash_, until in refusals if hash_ in waiting]
        return min(times, default=float("inf"))

    @property
    def want_count(self) -> int:
        """How many are wanted, of those that the store named."""
        return len(self._wanted)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is wanted."""
        return not self._wanted

    # ---- Verbs

    def link_up(self, now: float, peer: MemberId, now_ms: int) -> list[Effect]:
        """A bulk stream is open; of one before it, which may not be known to have ended, nothing comes any more."""
        self._forget(peer)
        self._peers[peer] = _Peer()
        return [Send(peer, Stream.BULK, session.hello(self._me, now_ms)), *self._ask(now)]

    def link_down(self, now: float, peer: MemberId) -> list[Effect]:
        """A bulk stream ended."""
        self._forget(peer)
        self._peers.pop(peer, None)
        return self._ask(now)

    def _forget(self, peer: MemberId) -> None:
        for hash_ in [hash_ for hash_, one in self._under_way.items() if peer in one.asked]:
            self._let_go(hash_, peer)

    def _let_go(self, hash_: HeaderHash, peer: MemberId) -> None:
        one = self._under_way[hash_]
        del one.asked[peer]
        if not one.asked:
            del self._under_way[hash_]

    def wanted(self, now: float, wants: Sequence[Wanted]) -> list[Effect]:
        """The store's list, the most urgent first; it replaces the one before."""
        self._wanted = {want.hash: want for want in wants}
        self._since = {want.hash: self._since.get(want.hash, now) for want in wants}
        for link in self._peers.values():
            link.has = {hash_: None for hash_ in link.has if hash_ in self._wanted}
            link.absent = {hash_: until for hash_, until in link.absent.items() if hash_ in self._wanted}
            link.stalled = {hash_: until for hash_, until in link.stalled.items() if hash_ in self._wanted}
        for hash_ in [hash_ for hash_ in self._under_way if hash_ not in self._wanted]:
            del self._under_way[hash_]
        return self._ask(now)

    def unconfirmed(self, now: float, hashes: Sequence[HeaderHash]) -> list[Effect]:
        """The store's list of our records that nobody else is known to have; it replaces the one before."""
        fresh = [hash_ for hash_ in hashes if hash_ not in self._own]
        self._own = dict.fromkeys(hashes)
        return self._ask_who_has(now, self._ready(), fresh) if fresh else []

    def seat(self, now: float, circle: Circle) -> list[Effect]:
        """The roster changed: ask those who are members now, and nobody else."""
        before, self._circle = self._ready(), circle
        for peer, link in sorted(self._peers.items()):
            if not circle.hears_all(peer):
                link.serving.clear()
                link.ask_at = float("inf")
                self._forget(peer)
        fresh = [peer for peer in self._ready() if peer not in before]
        return [*self._ask(now), *self._ask_who_has(now, fresh, list(self._own))]

    def _ready(self) -> list[MemberId]:
        ready = [peer for peer, link in self._peers.items() if link.state is State.READY]
        return sorted(peer for peer in ready if self._circle.hears_all(peer))

    def _ask_who_has(self, now: float, peers: Sequence[MemberId], hashes: Sequence[HeaderHash]) -> list[Effect]:
        """Ask now, and again soon: they may be about to get it."""
        for peer in peers:
            link = self._peers[peer]
            link.ask_after_s = ASK_AGAIN_S
            link.ask_at = min(link.ask_at, now + ASK_AGAIN_S)
        return [effect for peer in peers for effect in _who_has(peer, hashes)]

    def frame(self, now: float, peer: MemberId, frame: peer_pb2.Frame) -> list[Effect]:
        """The peer said something."""
        link = self._peers.get(peer)
        if link is None:
            return []
        try:
            body = session.check(frame, Stream.BULK, link.state)
        except PeerFault as fault:
            return [Hangup(peer, fault.reason, fault.rule)]
        match body:
            case "hello":
                reason = session.check_hello(self._me, peer, frame.hello)
                link.state = State.READY
                if reason:
                    return [Hangup(peer, reason)]
                found = [peer] if self._circle.hears_all(peer) else []
                return [*self._ask(now), *self._ask_who_has(now, found, list(self._own))]
            case "want_payload":
                return self._on_want(peer, link, frame.want_payload)
            case "chunk":
                return self._on_chunk(now, peer, link, frame.chunk)
            case "chunk_ack":
                if not link.unacknowledged:
                    return [Hangup(peer, "acknowledges a chunk that it was not sent", "frame-place")]
                link.unacknowledged -= 1
                return self._pump(peer, link)
            case "absent":
                return self._on_absent(now, peer, link, HeaderHash(frame.absent.entry))
            case "have":
                return self._on_have(now, peer, link, frame.have)
            case "bye":
                return [Hangup(peer, f"peer said bye: {frame.bye.reason[:200]}")]
            case _:
                return []

    def kept(self, now: float, peer: MemberId, chunk: peer_pb2.Chunk, *, complete: bool) -> list[Effect]:
        """A chunk is durable: acknowledge it, and go on."""
        hash_ = HeaderHash(chunk.entry)
        link, effects = self._peers.get(peer), list[Effect]()
        if link is not None and link.keeping:  # else it came over a link before this one
            link.keeping -= 1
            effects.append(_acknowledge(peer, chunk))
        one = self._under_way.get(hash_)
        if one is not None:
            one.held = max(one.held, chunk.number + 1)
            if peer in one.asked:
                one.asked[peer] = _Asked(now, chunk.number + 1)
        if complete:
            want = self._wanted.pop(hash_, None)
            self._since.pop(hash_, None)
            self._under_way.pop(hash_, None)
            effects += self._say_have(hash_, peer, want.originator if want and not want.for_peer else None)
        return effects + self._ask(now)

    def served(self, peer: MemberId, entry: HeaderHash, *, sent: bool) -> list[Effect]:
        """A chunk went out, or there was none: then the payload is through."""
        link = self._peers.get(peer)
        if link is None or sent:
            return []
        link.unacknowledged = max(link.unacknowledged - 1, 0)
        link.serving = deque((hash_, number) for hash_, number in link.serving if hash_ != entry)
        return self._pump(peer, link)

    def wakeup(self, now: float) -> list[Effect]:
        """Time has passed: what stalls goes to another peer, what takes long to a second one."""
        for hash_, one in sorted(self._under_way.items()):
            one.is_late = one.is_late or now >= one.since + LATE_S
            for peer in [peer for peer, asked in one.asked.items() if now >= asked.since + limits.STALL_S]:
                self._let_go(hash_, peer)
                self._peers[peer].stalled[hash_] = now + RETRY_S
        for hash_, since in self._since.items():
            if now >= since + PATIENCE_S:
                self._since[hash_] = PATIENT
        for link in self._peers.values():
            link.absent = {hash_: until for hash_, until in link.absent.items() if until > now}
            link.stalled = {hash_: until for hash_, until in link.stalled.items() if until > now}
        return [*self._ask(now), *self._ask_again(now)]

    def _ask_again(self, now: float) -> list[Effect]:
        """What came to a peer with its header, or to one that follows only now, nobody told us of."""
        effects: list[Effect] = []
        for peer in self._ready():
            link = self._peers[peer]
            if now >= link.ask_at:
                link.ask_after_s = min(link.ask_after_s * 2, ASK_AGAIN_S_MAX)
                link.ask_at = now + link.ask_after_s
                effects += _who_has(peer, list(self._own))
        return effects

    # ---- Giving

    def _on_want(self, peer: MemberId, link: _Peer, want: peer_pb2.WantPayload) -> list[Effect]:
        if len(link.serving) >= limits.WANTS_PER_LINK_MAX:
            return [Hangup(peer, "more payloads wanted at a time than is allowed", "frame-size")]
        if not self._circle.hears_all(peer):
            return [Send(peer, Stream.BULK, peer_pb2.Frame(absent=peer_pb2.Absent(entry=want.entry)))]
        link.serving.append((HeaderHash(want.entry), want.first))
        return self._pump(peer, link)

    def _say_have(self, hash_: HeaderHash, source: MemberId, author: MemberId | None) -> list[Effect]:
        """Tell those who may want it, and its author; whoever else gave it, or has it, need not hear."""
        frame = peer_pb2.Frame(have=peer_pb2.Have(entries=[hash_]))
        return [
            Send(peer, Stream.BULK, frame)
            for peer in self._ready()
            if peer == author or (peer != source and hash_ not in self._peers[peer].has)
        ]

    def _pump(self, peer: MemberId, link: _Peer) -> list[Effect]:
        effects: list[Effect] = []
        while link.serving and link.unacknowledged < limits.CHUNKS_UNACKNOWLEDGED_MAX:
            hash_, number = link.serving[0]
            link.serving[0] = (hash_, number + 1)
            link.unacknowledged += 1
            effects.append(ServeChunk(peer, hash_, number))
        return effects

    # ---- Taking

    def _on_chunk(self, now: float, peer: MemberId, link: _Peer, chunk: peer_pb2.Chunk) -> list[Effect]:
        one = self._under_way.get(HeaderHash(chunk.entry))
        asked = one.asked.get(peer) if one else None
        if one is None or asked is None or chunk.number != asked.next or chunk.number < one.held:
            if asked is not None and chunk.number == asked.next:  # the other peer was first
                asked.since, asked.next = now, chunk.number + 1
            return [_acknowledge(peer, chunk)]  # late: came from elsewhere
        link.keeping += 1
        return [Keep(peer, chunk)]

    def _on_absent(self, now: float, peer: MemberId, link: _Peer, hash_: HeaderHash) -> list[Effect]:
        one = self._under_way.get(hash_)
        if one is None or peer not in one.asked:
            return []  # nobody asked, or not any more
        link.absent[hash_] = now + RETRY_S
        self._let_go(hash_, peer)
        return self._ask(now)

    def _on_have(self, now: float, peer: MemberId, link: _Peer, have: peer_pb2.Have) -> list[Effect]:
        hashes = [HeaderHash(entry) for entry in have.entries]
        if have.ask:
            return [Keep(peer, have)] if self._circle.hears_all(peer) else []
        ours = [hash_ for hash_ in hashes if hash_ in self._own]
        for hash_ in ours:
            del self._own[hash_]
        for hash_ in hashes:
            link.absent.pop(hash_, None)
            if hash_ in self._wanted:
                link.has[hash_] = None
        confirmed: list[Effect] = [Keep(peer, peer_pb2.Have(entries=ours))] if ours else []
        return confirmed + self._ask(now)

    def _ask(self, now: float) -> list[Effect]:
        """Give free peers the next wants; when they are all given out, those that take long."""
        free = dict.fromkeys(self._ready(), UNDER_WAY_PER_PEER_MAX)
        for one in self._under_way.values():
            for peer in one.asked:
                free[peer] -= 1
        free = {peer: count for peer, count in free.items() if count > 0}
        fresh = [hash_ for hash_ in self._wanted if hash_ not in self._under_way] if free else []
        late = [hash_ for hash_, one in self._under_way.items() if one.is_late and len(one.asked) < ASKED_AT_A_TIME_MAX]
        effects: list[Effect] = []
        for hash_ in (*fresh, *late):
            if not free:
                break
            chosen = self._choose(self._wanted[hash_], free)
            if chosen is None:
                continue
            free[chosen] -= 1
            if not free[chosen]:
                del free[chosen]
            effects.append(self._ask_for(now, self._wanted[hash_], chosen))
        return effects

    def _ask_for(self, now: float, want: Wanted, peer: MemberId) -> Effect:
        one = self._under_way.setdefault(want.hash, _UnderWay(now, want.first, {}))
        one.asked[peer] = _Asked(now, one.held)
        message = peer_pb2.WantPayload(entry=want.hash, first=one.held)
        return Send(peer, Stream.BULK, peer_pb2.Frame(want_payload=message))

    def _choose(self, want: Wanted, free: Iterable[MemberId]) -> MemberId | None:
        """A peer that said it has it, else the originator, else after a while any that did not say no."""
        one = self._under_way.get(want.hash)
        asked = one.asked if one else {}
        able = sorted(
            peer
            for peer in free
            if peer not in asked and self._peers[peer].may_have(want.hash) and self.takes(peer, want.kind)
        )
        holders = [peer for peer in able if want.hash in self._peers[peer].has]
        if not holders and want.originator in able:
            return want.originator
        if not holders and self._since[want.hash] == PATIENT:
            holders = able
        return self._random.choice(holders) if holders else None


def _who_has(peer: MemberId, hashes: Sequence[HeaderHash]) -> list[Effect]:
    step = limits.RANGES_PER_FRAME_MAX
    parts = [peer_pb2.Have(entries=hashes[i : i + step], ask=True) for i in range(0, len(hashes), step)]
    return [Send(peer, Stream.BULK, peer_pb2.Frame(have=part)) for part in parts]


def _acknowledge(peer: MemberId, chunk: peer_pb2.Chunk) -> Send:
    message = peer_pb2.ChunkAck(entry=chunk.entry, number=chunk.number)
    return Send(peer, Stream.BULK, peer_pb2.Frame(chunk_ack=message))
