"""Gossip: who holds what, whom to tell, what to ask for (protos/README.md sections 8.3 and 8.4).

Flood what is new, compare heads every few seconds with one peer, fetch what is missing. Nothing
here opens an entry, checks a signature or touches a store.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from random import Random

from node import limits
from node.errors import PeerFault
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.pae import FederationId
from node.protocol import session, sync
from node.protocol.circle import Circle
from node.protocol.effects import Asked, Effect, Hangup, Ingest, Keep, Send, Serve, Stream
from node.protocol.held import Held
from node.protocol.lag import Lag
from node.protocol.mesh import Mesh
from node.protocol.news import Growth, frames
from node.protocol.peer import Peer
from node.protocol.ranges import Authors, Ranges
from node.protocol.session import Self, State
from node.protocol.strange import Strange
from node.protocol.sync import View
from node.v1 import peer_pb2

KNOWN_PER_PEER_MAX = 8192
HEAD_ROWS_MAX = 65536  # rows of one listing that are remembered until its last page
FORKS_AGAIN_S = 60.0  # so often a peer is told at most what no comparing of heads finds: it stands on other branches


class Gossip:
    """All gossip streams of one node."""

    def __init__(
        self,
        me: Self,
        heads: Iterable[Head],
        forks: dict[FeedId, int],
        circle: Circle,
        random: Random,
        *,
        now: float,
        authors: Authors = lambda _: None,
    ) -> None:
        self._me = me
        self._held = Held(heads, forks, circle.logs, FederationId(me.federation_id))
        self._random = random
        self._peers: dict[MemberId, Peer] = {}
        self._circle = circle
        self._strange = Strange()
        self._ranges = Ranges(self._held.heads, circle.logs, self._holders, random, authors)
        self._mesh = Mesh(random, now=now)
        self.lag = Lag()
        self._waiting: dict[MemberId, None] = {}  # for their turn to be asked for ranges
        self.lacks_boxes = False
        self._sync_at = now + limits.SYNC_EVERY_S * random.random()

    @property
    def wake_at(self) -> float:
        """When `wakeup` has something to do."""
        resyncs = [peer.resync_at for peer in self._peers.values()]
        return min([self._sync_at, self._ranges.wake_at, *resyncs])

    @property
    def digest(self) -> bytes:
        """The hash over all rows."""
        return self._held.digest()

    def _digest_for(self, peer: MemberId) -> bytes:
        return self._held.digest(whole=self._circle.hears_all(peer))

    def ready(self) -> list[MemberId]:
        """Peers that said hello."""
        return sorted(peer for peer, link in self._peers.items() if link.is_ready)

    def in_step(self) -> list[MemberId]:
        """Peers whose last digest is ours of now."""
        return [peer for peer in self.ready() if self._peers[peer].digest == self._digest_for(peer)]

    def behind(self, peer: MemberId) -> int:
        """How many entries the peer, when last compared, claimed to hold that are not here."""
        link = self._peers.get(peer)
        claims = link.claims if link else {}
        return sum(max(seq - self._held.height(feed_id), 0) for feed_id, seq in claims.items())

    def held_by(self, peer: MemberId, feed_id: FeedId) -> int:
        """How far the peer, when last compared, held a feed, as far as that is here."""
        link, height = self._peers.get(peer), self._held.height(feed_id)
        return min(link.lacks.get(feed_id, height), height) if link and link.lacks is not None else 0

    def told(self) -> list[MemberId]:
        """Peers that, when last compared, held all of our own identity log."""
        height = self._held.height(FeedId(self._me.member_id))
        return [peer for peer in self.ready() if height and self._peers[peer].of_us >= height]

    def in_mesh(self, peer: MemberId) -> bool:
        """Whether new entries are pushed to this peer."""
        return peer in self._peers and self._mesh.holds(peer)

    # ---- Verbs

    def link_up(self, now: float, peer: MemberId, now_ms: int, *, dialled: bool = True) -> list[Effect]:
        """A stream is open, dialled by us or not: say hello. One that takes over from another goes on at once."""
        standing = self._peers.get(peer)
        self._peers[peer] = Peer(took_over=standing is not None and standing.is_ready)
        self._mesh.link_up(peer, dialled=dialled)
        hello = Send(peer, Stream.GOSSIP, session.hello(self._me, now_ms))
        return [hello, *(self._ranges.leave(now, peer) if standing else ())]

    def link_down(self, now: float, peer: MemberId) -> list[Effect]:
        """A stream ended: ask others for what it owed."""
        self._peers.pop(peer, None)
        self._mesh.link_down(peer)
        self._waiting.pop(peer, None)
        return [*self._ranges.leave(now, peer), *self._take_turns(now)]

    def frame(self, now: float, peer: MemberId, frame: peer_pb2.Frame, *, replaced: bool = False) -> list[Effect]:
        """The peer said something; over a link that another has replaced, entries alone still count."""
        link = self._peers.get(peer)
        if link is None:
            return []
        try:
            body = session.check(frame, Stream.GOSSIP, State.READY if replaced else link.state)
            return self._said(now, peer, link, body, frame) if body == "entries" or not replaced else []
        except PeerFault as fault:
            return [Hangup(peer, fault.reason, fault.rule)]

    def grown(self, now: float, growth: Growth) -> list[Effect]:
        """The store grew, or an urgent entry was verified and is about to be stored."""
        first = {feed_id for feed_id, _, _ in growth.forks if feed_id not in self._held.forks}
        self._held.remember(growth)
        self._mesh.came(now, growth.heads, growth.source)
        effects = [*self._flood(now, growth), *self._spread_forks(growth, first)]
        effects += self._fill_gaps(now, growth)
        effects += self._ranges.moved(now, growth.heads, self._peers.__contains__)
        for feed_id in growth.unknown:
            self._ranges.forget(feed_id)
        if self._strange.note(growth, self._circle) and growth.source in self._peers:
            self._schedule_resync(now, self._peers[growth.source])
        return effects + self._take_turns(now)

    def seat(self, circle: Circle) -> list[Effect]:
        """The roster changed: compare heads anew with whoever hears more or less; who hears less is told why."""
        before, self._circle = self._circle, circle
        self._ranges.logs = circle.logs
        self._held.seat(circle.logs)
        self._strange.clear()
        moved = [peer for peer in self.ready() if before.hears_all(peer) != circle.hears_all(peer)]
        told = [Serve(peer, peer_pb2.Hello()) for peer in moved if circle.members and before.hears_all(peer)]
        return [*(self._say_digest(peer) for peer in moved), *told]

    def compare(self) -> list[Effect]:
        """Ask every peer now whether it holds the same; `in_step` grows as they answer."""
        return [self._say_digest(peer) for peer in self.ready()]

    def want_boxes(self, entries: Sequence[HeaderHash]) -> list[Effect]:
        """Ask a peer drawn at random for entries that came without their box."""
        ready = [peer for peer in self.ready() if self._circle.hears_all(peer)]
        self.lacks_boxes = bool(entries)
        if not ready or not entries:
            return []
        frame = peer_pb2.Frame(want=peer_pb2.Want(entries=sorted(entries)))
        return [Send(self._random.choice(ready), Stream.GOSSIP, frame)]

    def wakeup(self, now: float) -> list[Effect]:
        """Time has passed."""
        effects: list[Effect] = []
        if now >= self._sync_at:
            self._sync_at = now + limits.SYNC_EVERY_S * (0.8 + 0.4 * self._random.random())
            ready = self.ready()
            if ready:
                effects.append(self._say_digest(self._random.choice(ready)))
        for peer in sorted(self._peers):
            if now >= self._peers[peer].resync_at:
                self._peers[peer].resync_at = float("inf")
                effects.append(self._say_digest(peer))
        return effects + self._ranges.wakeup(now) + self._take_turns(now)

    # ---- What was said

    def _said(self, now: float, peer: MemberId, link: Peer, body: str | None, frame: peer_pb2.Frame) -> list[Effect]:
        match body:
            case "hello":
                return self._on_hello(now, peer, link, frame.hello)
            case "entries":
                asked = Asked(self._ranges.asked_of(peer), link.probed)
                return [Ingest(peer, tuple(frame.entries.entries), frame.entries.lane, asked)]
            case "digest":
                return self._on_digest(now, peer, link, frame.digest)
            case "heads":
                return self._on_heads(now, peer, link, frame.heads)
            case "want":
                sync.check_ranges(frame.want.ranges)
                return [Serve(peer, frame.want)]
            case "fork":
                return [Keep(peer, frame.fork)]
            case "bye":
                return [Hangup(peer, f"peer said bye: {frame.bye.reason[:200]}")]
            case "echo":
                return [Keep(peer, frame.echo)]
            case _:  # a body that is not known is ignored
                return []

    def _on_hello(self, now: float, peer: MemberId, link: Peer, said: peer_pb2.Hello) -> list[Effect]:
        reason = session.check_hello(self._me, peer, said)
        if reason:
            bye = peer_pb2.Frame(bye=peer_pb2.Bye(code=1, reason=reason))
            return [Send(peer, Stream.GOSSIP, bye), Hangup(peer, reason)]
        link.state = State.READY
        return [Serve(peer, said, self._open_forks(now, peer, link), voices=True), self._say_digest(peer)]

    def _open_forks(self, now: float, peer: MemberId, link: Peer) -> tuple[FeedId, ...]:
        """Rows above a fork are alike whatever is held there: what was missed there is found by no comparing."""
        link.forks_told_at = now
        return tuple(sorted(self._view_for(peer).forks)[: limits.RANGES_PER_FRAME_MAX])

    def _on_digest(self, now: float, peer: MemberId, link: Peer, said: peer_pb2.Digest) -> list[Effect]:
        link.digest = said.hash
        is_due = now >= link.forks_told_at + FORKS_AGAIN_S
        again: list[Effect] = []
        if is_due:
            again = [Serve(peer, peer_pb2.Want(), self._open_forks(now, peer, link), voices=True)]
        if said.hash == self._digest_for(peer):
            link.claims, link.lacks = {}, {} if self._circle.hears_all(peer) else None
            link.of_us = self._held.height(FeedId(self._me.member_id))
            self.lag.agrees(peer)
            answer = [] if said.answer else [self._say_digest(peer, answer=True)]
            return [*answer, *again]
        if said.answer:
            return again
        frames = sync.pages(sync.rows(self._view_for(peer)), whole=True)
        return [*(Send(peer, Stream.GOSSIP, frame) for frame in frames), *again]

    def _on_heads(self, now: float, peer: MemberId, link: Peer, said: peer_pb2.Heads) -> list[Effect]:
        claims = sync.claims(said.rows)
        if len(link.listed) + len(said.rows) > HEAD_ROWS_MAX:
            return [Hangup(peer, "a listing of heads without an end", "frame-size")]
        link.listed += claims
        if not said.last:
            return []
        told, link.listed = link.listed, []
        link.of_us = max([link.of_us, *(row.seq for row in told if row.feed_id == self._me.member_id)])
        listed = [row for row in told if self._circle.takes(peer, row.feed_id) and row.feed_id not in self._strange]
        missing = sync.missing(self._held.view(), listed)
        kept = self._ranges.by_turns(missing)[: limits.CLAIMS_PER_PEER_MAX]
        link.claims = {feed_id: missing[feed_id] for feed_id in kept}
        effects = self._ask_in_turn(now, peer, link.claims)
        differing = sync.differing(self._held.view(), listed)[: limits.RANGES_PER_FRAME_MAX // 2]
        below = _below((one.feed_id, one.seq) for one in differing)  # where the peer's is here, beside, it is not news
        effects += self._probe(peer, [one.hash for one in differing], below)
        ours = sync.ahead(self._view_for(peer), told) if said.whole else []
        if said.whole and self._circle.hears_all(peer):
            theirs = {FeedId(row.feed_id): row.seq for row in listed}
            link.lacks = {FeedId(row.feed_id): theirs.get(FeedId(row.feed_id), 0) for row in ours}
            self.lag.listed(now, peer, {FeedId(row.feed_id): row.seq for row in ours}, link.lacks)
        if ours:
            effects += [Send(peer, Stream.GOSSIP, frame) for frame in sync.pages(ours, whole=False)]
        unproven = sync.unproven(self._view_for(peer), listed, whole=said.whole)[: limits.RANGES_PER_FRAME_MAX]
        if unproven:
            effects.append(Serve(peer, peer_pb2.Want(), tuple(unproven)))
        return effects

    # ---- Telling

    def _view_for(self, peer: MemberId) -> View:
        return self._held.view(whole=self._circle.hears_all(peer))

    def _say_digest(self, peer: MemberId, *, answer: bool = False) -> Send:
        rows = len(self._view_for(peer).heads)
        said = peer_pb2.Digest(hash=self._digest_for(peer), rows=rows, answer=answer)
        return Send(peer, Stream.GOSSIP, peer_pb2.Frame(digest=said))

    def _flood(self, now: float, growth: Growth) -> list[Effect]:
        if growth.source in self._peers:
            self._note(self._peers[growth.source], (fresh.hash for fresh in growth.fresh))
        effects: list[Effect] = []
        made: dict[tuple[HeaderHash, ...], list[peer_pb2.Frame]] = {}  # most peers lack the same
        for peer in self._mesh.chosen(now, self.ready()) if growth.fresh else ():
            link = self._peers[peer]
            told = [fresh for fresh in growth.fresh if self._circle.tells(peer, fresh.feed_id)]
            unknown = [fresh for fresh in told if fresh.hash not in link.knows]
            hashes = tuple([fresh.hash for fresh in unknown])
            self._note(link, hashes)
            if hashes not in made:
                made[hashes] = list(frames(unknown))
            effects += [Send(peer, Stream.GOSSIP, frame) for frame in made[hashes]]
        return effects

    def _note(self, link: Peer, hashes: Iterable[HeaderHash]) -> None:
        for hash_ in hashes:
            link.knows[hash_] = None
        while len(link.knows) > KNOWN_PER_PEER_MAX:
            link.knows.popitem(last=False)

    def _spread_forks(self, growth: Growth, first: Collection[FeedId]) -> list[Effect]:
        """The first proof of a feed goes to everybody; a lower one only where it is about what can be held here.

        Of the others there can be as many as there are numbers. Whoever compares heads is told of the lowest.
        """
        told = [
            (feed_id, proof)
            for feed_id, seq, proof in growth.forks
            if feed_id in first or seq <= self._held.height(feed_id) + 1
        ]
        return [
            Send(peer, Stream.GOSSIP, peer_pb2.Frame(fork=proof))
            for feed_id, proof in told
            for peer in self.ready()
            if peer != growth.source and self._circle.tells(peer, feed_id)
        ]

    # ---- Asking

    def _ask_in_turn(self, now: float, peer: MemberId, claims: Mapping[FeedId, int]) -> list[Effect]:
        """Ask for what the peer claims and is not here; where enough are asked already, when one of them is through."""
        if not self._ranges.takes_on(peer):
            self._waiting[peer] = None
            return []
        missing = {feed_id: seq for feed_id, seq in claims.items() if seq > self._held.height(feed_id)}
        effects = self._ranges.ask(now, peer, missing)
        sent = [effect for effect in effects if isinstance(effect, Send) and effect.peer == peer]
        asked = [FeedId(one.feed_id) for effect in sent for one in effect.frame.want.ranges]
        self._mesh.asked(now, peer, missing, asked)
        return effects

    def _take_turns(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        while self._waiting and self._ranges.takes_on(peer := next(iter(self._waiting))):
            del self._waiting[peer]
            effects += self._ask_in_turn(now, peer, self._peers[peer].claims)
        return effects

    def _fill_gaps(self, now: float, growth: Growth) -> list[Effect]:
        if growth.source is None or growth.source not in self._peers:
            return []
        claims, gaps, probes = self._peers[growth.source].claims, dict[FeedId, int](), []
        for feed_id, seq, previous in growth.gaps:
            if 0 < seq <= self._held.height(feed_id):
                probes.append(previous)  # another entry than ours stands there: it proves a fork
            else:
                gaps[feed_id] = max(gaps.get(feed_id, 0), claims.get(feed_id, 0), seq)
        for feed_id, seq in gaps.items():
            if feed_id in claims or len(claims) < limits.CLAIMS_PER_PEER_MAX:
                claims[feed_id] = seq
        ranges = _below(growth.parted[: limits.RANGES_PER_FRAME_MAX // 2])
        effects = self._ask_in_turn(now, growth.source, gaps) if gaps else []
        return [*effects, *self._probe(growth.source, probes, ranges)]

    def _probe(
        self, peer: MemberId, hashes: Iterable[HeaderHash], below: Sequence[peer_pb2.Range] = ()
    ) -> list[Effect]:
        """Ask for single entries, which may prove a fork, and for what lies below a place where branches differ."""
        probes = sorted(set(hashes))[: limits.RANGES_PER_FRAME_MAX - len(below)]
        if not probes and not below:
            return []
        self._peers[peer].probed = frozenset(probes)
        return [Send(peer, Stream.GOSSIP, peer_pb2.Frame(want=peer_pb2.Want(entries=probes, ranges=below)))]

    def _holders(self, feed_id: FeedId) -> dict[MemberId, int]:
        """Peers that, when last compared, claimed more of a feed than is here now."""
        claims = {peer: self._peers[peer].claims.get(feed_id, 0) for peer in self.ready()}
        return {peer: last for peer, last in claims.items() if last > self._held.height(feed_id)}

    def _schedule_resync(self, now: float, link: Peer) -> None:
        if link.resync_at == float("inf"):
            link.resync_at = now + link.resync_after_s
            link.resync_after_s = min(link.resync_after_s * 2, limits.SYNC_EVERY_S)


def _below(places: Iterable[tuple[FeedId, int]]) -> list[peer_pb2.Range]:
    """What lies below places in which branches differ."""
    return [
        peer_pb2.Range(feed_id=feed_id, first=max(seq - limits.ENTRIES_PER_FRAME_MAX, 1), last=seq - 1)
        for feed_id, seq in places
        if seq > 1
    ]
