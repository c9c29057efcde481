"""One simulated node: the real machines and stores, and the second of the two matches over effects."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from statistics import median

from node.errors import PeerFault
from node.exchange import circles, documents, project
from node.exchange import trust as trusts
from node.exchange.admission import Admitted
from node.exchange.exchange import Exchange
from node.exchange.publish import Author, Draft
from node.exchange.verified import Checked
from node.feed.header import HISTORY, URGENT
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.protocol.effects import PUSHED, Asked, Effect, Hangup, Ingest, Keep, Pages, Send, Serve, ServeChunk, Stream
from node.protocol.fetch import Fetch, Wanted
from node.protocol.gossip import Gossip
from node.protocol.news import Growth
from node.protocol.session import Self
from node.runtime import growth
from node.v1 import header_pb2, peer_pb2
from tests.simulator.disk import Disk, MemoryErasures, MemoryJournal
from tests.simulator.members import BASE_MS, POLICY, Federation, Member, seed

Carry = Callable[[MemberId, MemberId, Stream, peer_pb2.Frame], None]
Cut = Callable[[MemberId, MemberId, str], None]


class Node:
    """A member's node. `exchange` is None while it is off; disk and journal stay."""

    def __init__(self, world_seed: int, one: Member, federation: Federation, disk: Disk) -> None:
        self.member = one
        self.id = one.member_id
        self.federation = federation
        self.disk = disk
        self.journal = MemoryJournal(disk.power, lambda _: None, federation.signed_by(one))
        self.in_place = True
        self.clock_ahead_ms = 0
        self.heard: dict[MemberId, int] = {}  # how far peers' clocks are ahead
        self.erasures = MemoryErasures(disk.power)
        self.random = Random(f"{world_seed} {one.number}")
        self.links: set[MemberId] = set()
        self.counts: Counter[str] = Counter()
        self.moved: set[FeedId] = set()
        self.decided: tuple[object, ...] = (None, None, None)  # by which texts were looked for last
        self.lacks_texts = True
        self.checked = 0  # entries whose signature was looked at
        self.heights: dict[FeedId, int] = {}
        self.exchange: Exchange
        self.is_up = False
        self.tells: Callable[[Node, Growth], None] = lambda _, __: None
        self.carry: Carry
        self.cut: Cut

    @property
    def wake_at(self) -> float:
        return min(self.gossip.wake_at, self.fetch.wake_at)

    def ms(self, now: float) -> int:
        """The date by this node's own clock."""
        return ms(now) + self.clock_ahead_ms

    # ---- Life

    def start(self, now: float, *, prepared: bool) -> None:
        """From the disk: with the prepared trust, or by reading everything again."""
        trust = self.federation.trust if prepared else trusts.begin(self.federation.charter)
        author = Author(
            self.member.feed_id(trust.federation_id),
            self.member.feed_key,
            self.member.reader(),
            self.random.randbytes,
            self.journal,
            in_place=self.in_place,
        )
        self.lacks_texts = True
        self.exchange = Exchange(self.disk, trust, author, self.erasures, policy=POLICY)
        if prepared:
            self.exchange.begin_signing(self.ms(now))
        else:
            self.exchange.start(self.ms(now))
        self.exchange.look(now, self.ms(now))
        store_id = project.store_id(self.disk)
        me = Self(trust.federation_id, self.id, seed(f"node {self.member.number}")[:16], store_id, "simulated")
        forks = self.exchange.trust.marks.forked()
        circle = self.exchange.circle(self.ms(now))
        self.gossip = Gossip(
            me, self.exchange.heads(), forks, circle, self.random, now=now, authors=self.exchange.author_of
        )
        self.fetch = Fetch(me, self.random, circle)
        self.circle = circle
        self.links = set()
        self.is_up = True
        self._refresh_wants(now)

    def publish(self, now: float, drafts: Sequence[Draft]) -> None:
        self.exchange.look(now, self.ms(now))
        admitted = self.exchange.publish(drafts, self.ms(now))
        news = growth.published(self.exchange, admitted)
        self._grown(now, news)
        self._project()

    def confirm_clock(self, now: float) -> None:
        self.exchange.confirm_clock(now, self.ms(now))

    # ---- What comes in

    def link_up(self, now: float, peer: MemberId, *, dialled: bool) -> None:
        self.links.add(peer)
        self.apply(now, self.gossip.link_up(now, peer, self.ms(now), dialled=dialled))
        self.apply(now, self.fetch.link_up(now, peer, self.ms(now)))

    def link_down(self, now: float, peer: MemberId) -> None:
        self.links.discard(peer)
        self.apply(now, self.gossip.link_down(now, peer))
        self.apply(now, self.fetch.link_down(now, peer))

    def frame(self, now: float, peer: MemberId, stream: Stream, data: bytes) -> None:
        frame = peer_pb2.Frame.FromString(data)
        machine = self.gossip if stream is Stream.GOSSIP else self.fetch
        if frame.HasField("hello"):
            self.heard[peer] = frame.hello.now_ms - self.ms(now)
        self.apply(now, machine.frame(now, peer, frame))
        if frame.HasField("hello"):
            self._look(now)  # before its echo

    def _look(self, now: float) -> None:
        ahead = [self.heard[peer] for peer in self.gossip.ready()]
        self.exchange.look(now, self.ms(now), int(median(ahead)) if ahead else None)

    def wakeup(self, now: float) -> None:
        self._look(now)
        self.mature(now)
        if now >= self.fetch.wake_at and not self.fetch.is_idle:
            self.counts["a fetch was retried or moved"] += 1
        self.apply(now, [*self._reseat(now), *self.gossip.wakeup(now)])
        self.apply(now, self.fetch.wakeup(now))

    def mature(self, now: float) -> None:
        """Let in what was dated ahead and is due."""
        if self.exchange.mature(self.ms(now)):
            self.counts["a future entry matured"] += 1
            self._project()

    # ---- Effects

    def apply(self, now: float, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(peer, stream, frame):
                    self.carry(self.id, peer, stream, frame)
                case Ingest(peer, letters, _, asked):
                    self.ingest(now, peer, letters, asked)
                case Serve(peer, Pages(frames)):
                    for page in frames:
                        self.carry(self.id, peer, Stream.GOSSIP, page)
                case Serve(peer, peer_pb2.Hello(), forks, voices):
                    self.carry(self.id, peer, Stream.GOSSIP, peer_pb2.Frame(echo=self.exchange.echo(peer)))
                    if removal := self.exchange.removal(peer, self.ms(now)):
                        entries = peer_pb2.Entries(entries=removal, lane=URGENT)
                        self.carry(self.id, peer, Stream.GOSSIP, peer_pb2.Frame(entries=entries))
                    self._tell_forks(now, peer, forks, voices=voices)
                case Serve(peer, peer_pb2.Want() as want, forks, voices):
                    self._tell_forks(now, peer, forks, voices=voices)
                    for answer in self.exchange.serve(peer, want, self.ms(now)):
                        entries = peer_pb2.Entries(entries=answer, lane=HISTORY)
                        self.carry(self.id, peer, Stream.GOSSIP, peer_pb2.Frame(entries=entries))
                case ServeChunk(peer, entry, number):
                    self._serve_chunk(now, peer, entry, number)
                case Keep(peer, peer_pb2.Chunk() as chunk):
                    self._keep(now, peer, chunk)
                case Keep(peer, peer_pb2.Have() as have):
                    self._keep_have(peer, have)
                case Keep(peer, peer_pb2.Echo() as shown):
                    try:
                        self.exchange.take_echo(peer, shown)
                    except PeerFault as fault:
                        self.cut(self.id, peer, fault.reason)
                case Keep(peer, header_pb2.ForkProof() as proof):
                    if not circles.taken(self.exchange.trust, self.id, peer, [proof.first]):
                        continue
                    put_off = self.exchange.budgets.ignored.total()
                    admitted = self.exchange.take_fork(proof, self.ms(now))
                    self.counts["a proof of a fork was put off"] += self.exchange.budgets.ignored.total() - put_off
                    if admitted.forks:
                        self._grown(now, growth.proven(admitted, peer))
                        self._refresh_wants(now)
                        self._project()
                case Hangup(peer, reason):
                    self.cut(self.id, peer, reason)

    def _tell_forks(self, now: float, peer: MemberId, forks: Sequence[FeedId], *, voices: bool) -> None:
        for told in self.exchange.tell_forks(peer, forks, self.ms(now), voices=voices) if forks or voices else ():
            self.carry(self.id, peer, Stream.GOSSIP, told)

    def _keep_have(self, peer: MemberId, have: peer_pb2.Have) -> None:
        hashes = [HeaderHash(entry) for entry in have.entries]
        if not have.ask:
            self.exchange.confirm(hashes)
        elif held := self.exchange.held(hashes):
            self.carry(self.id, peer, Stream.BULK, peer_pb2.Frame(have=peer_pb2.Have(entries=held)))

    def ingest(
        self, now: float, peer: MemberId, letters: Sequence[header_pb2.SignedEntry], asked: Asked = PUSHED
    ) -> None:
        worth, over = self.exchange.worth_checking(
            circles.taken(self.exchange.trust, self.id, peer, letters), asked, self.ms(now)
        )
        if not worth and not over:
            return
        verified = self.exchange.verify(worth)
        checked, beyond = self.exchange.rule(verified, asked, self.ms(now))
        early = growth.urgent(self.exchange, checked, peer)
        if early:
            self._grown(now, early)
        admitted = self.exchange.admit(checked, self.ms(now), peer)
        self._count(verified, checked, admitted, len(over | beyond))
        self._grown(now, growth.committed(self.exchange, admitted, checked, peer, ignored=bool(over | beyond)))
        if admitted.wanted or admitted.settled or any(one.header.has_payload for one in admitted.entries):
            self._refresh_wants(now)
        if admitted.arrived:
            self._project()
        if any(one.header.kind == Kind.WITHDRAW for one in admitted.entries):
            self._refresh_wants(now)  # as a node does when it answers
        if checked.fault:
            self.counts["a faulty frame was refused"] += 1
            self.cut(self.id, peer, checked.fault.reason)

    def _serve_chunk(self, now: float, peer: MemberId, entry: HeaderHash, number: int) -> None:
        frame = self.exchange.serve_chunk(entry, number, self.ms(now))
        if frame is not None:
            self.carry(self.id, peer, Stream.BULK, frame)
            if frame.WhichOneof("body") == "absent":
                self.counts["a payload was absent"] += 1
        sent = frame is not None and frame.WhichOneof("body") == "chunk"
        self.apply(now, self.fetch.served(peer, entry, sent=sent))

    def _keep(self, now: float, peer: MemberId, chunk: peer_pb2.Chunk) -> None:
        try:
            complete = self.exchange.keep_chunk(chunk, self.ms(now))
        except PeerFault as fault:
            self.cut(self.id, peer, fault.reason)
            return
        self.counts["a chunk was kept"] += 1
        self.apply(now, self.fetch.kept(now, peer, chunk, complete=complete))
        if complete:
            self._refresh_wants(now)
            self._project()

    def _grown(self, now: float, news: Growth) -> None:
        self.tells(self, news)
        self.moved |= {head.feed_id for head in news.heads}
        self.apply(now, [*self._reseat(now), *self.gossip.grown(now, news)])

    def _reseat(self, now: float) -> list[Effect]:
        circle = self.exchange.circle(self.ms(now))
        if circle is self.circle:
            return []
        self.circle = circle
        self.counts["the circle changed"] += 1
        return [*self.gossip.seat(circle), *self.fetch.seat(now, circle)]

    def _refresh_wants(self, now: float) -> None:
        wants = [
            Wanted(want.hash, want.chunks, want.first, originator, kind=want.kind)
            for want, originator in self.exchange.wants(self.ms(now))
        ]
        self.apply(now, self.gossip.want_boxes(self.exchange.boxless(self.ms(now))))
        self.apply(now, self.fetch.wanted(now, wants))
        self.apply(now, self.fetch.unconfirmed(now, self.exchange.unconfirmed(self.ms(now))))

    def _project(self) -> None:
        while self.exchange.project():
            pass
        trust = self.exchange.trust
        decides = (trust.facts, trust.marks, trust.fallen)
        if self.lacks_texts or any(one is not other for one, other in zip(decides, self.decided, strict=True)):
            self.exchange.load_documents()
            self.decided, self.lacks_texts = decides, bool(documents.lacking(self.exchange.trust))

    def _count(self, verified: Checked, checked: Checked, admitted: Admitted, ignored: int) -> None:
        self.checked += len(verified.entries)
        self.counts["a push beyond a quota was not taken in"] += ignored
        self.counts["an urgent entry went in lane 1"] += sum(one.demoted for one in checked.entries)
        if admitted.gaps:
            self.counts["a gap was seen"] += 1
        if admitted.forks:
            self.counts["a fork was proven"] += 1
        if admitted.settled:
            self.counts["a fork was settled"] += 1
        for head in admitted.heads:
            if head.seq < self.heights.get(head.feed_id, 0):
                self.counts["a chain gave way to the branch that was named"] += 1
            self.heights[head.feed_id] = head.seq
        if checked.unknown:
            self.counts["a feed was not certified yet"] += 1


def ms(now: float) -> int:
    return BASE_MS + int(now * 1000)
