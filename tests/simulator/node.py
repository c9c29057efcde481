"""One simulated node: the real machines and stores, and the second of the two matches over effects."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from node.errors import PeerFault
from node.exchange import project
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Author, Draft
from node.exchange.verified import Checked
from node.feed.header import HISTORY
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol.effects import Effect, Hangup, Ingest, Keep, Send, Serve, ServeChunk, Stream
from node.protocol.fetch import Fetch, Wanted
from node.protocol.gossip import Gossip, Growth
from node.protocol.session import Self
from node.runtime import growth
from node.store import ledger
from node.v1 import header_pb2, peer_pb2
from tests.simulator.disk import Disk, MemoryErasures, MemoryJournal
from tests.simulator.members import BASE_MS, Federation, Member, seed

Carry = Callable[[MemberId, MemberId, Stream, peer_pb2.Frame], None]
Cut = Callable[[MemberId, MemberId, str], None]


class Node:
    """A member's node. `exchange` is None while it is off; disk and journal stay."""

    def __init__(self, world_seed: int, one: Member, federation: Federation, disk: Disk) -> None:
        self.member = one
        self.id = one.member_id
        self.federation = federation
        self.disk = disk
        self.journal = MemoryJournal(disk.power, lambda _: None)
        self.erasures = MemoryErasures(disk.power)
        self.random = Random(f"{world_seed} {one.number}")
        self.links: set[MemberId] = set()
        self.counts: Counter[str] = Counter()
        self.moved: set[FeedId] = set()
        self.exchange: Exchange
        self.is_up = False
        self.carry: Carry
        self.cut: Cut

    @property
    def wake_at(self) -> float:
        return min(self.gossip.wake_at, self.fetch.wake_at)

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
        )
        self.exchange = Exchange(self.disk, trust, author, self.erasures)
        if not prepared:
            self.exchange.start(ms(now))
        store_id = project.store_id(self.disk)
        me = Self(trust.federation_id, self.id, seed(f"node {self.member.number}")[:16], store_id, "simulated")
        forks = {row.feed_id: row.seq for row in ledger.forks(self.disk.ledger)}
        founders = [founder.member_id for founder in self.federation.charter.founders]
        self.gossip = Gossip(me, ledger.heads(self.disk.ledger), forks, founders, self.random, now=now)
        self.fetch = Fetch(me, self.random)
        self.links = set()
        self.is_up = True
        self._refresh_wants(now)

    def publish(self, now: float, drafts: Sequence[Draft]) -> None:
        admitted = self.exchange.publish(drafts, ms(now))
        news = growth.published(self.exchange, admitted)
        self._grown(now, news)
        self._project()

    # ---- What comes in

    def link_up(self, now: float, peer: MemberId, *, dialled: bool) -> None:
        self.links.add(peer)
        self.apply(now, self.gossip.link_up(now, peer, ms(now), dialled=dialled))
        self.apply(now, self.fetch.link_up(now, peer, ms(now)))

    def link_down(self, now: float, peer: MemberId) -> None:
        self.links.discard(peer)
        self.apply(now, self.gossip.link_down(now, peer))
        self.apply(now, self.fetch.link_down(now, peer))

    def frame(self, now: float, peer: MemberId, stream: Stream, data: bytes) -> None:
        frame = peer_pb2.Frame.FromString(data)
        machine = self.gossip if stream is Stream.GOSSIP else self.fetch
        self.apply(now, machine.frame(now, peer, frame))

    def wakeup(self, now: float) -> None:
        if self.exchange.mature(ms(now)):
            self.counts["a future entry matured"] += 1
            self._project()
        if now >= self.fetch.wake_at and not self.fetch.is_idle:
            self.counts["a fetch was retried or moved"] += 1
        self.apply(now, self.gossip.wakeup(now))
        self.apply(now, self.fetch.wakeup(now))

    # ---- Effects

    def apply(self, now: float, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(peer, stream, frame):
                    self.carry(self.id, peer, stream, frame)
                case Ingest(peer, letters):
                    self._ingest(now, peer, letters)
                case Serve(peer, want):
                    for answer in self.exchange.serve(want, ms(now)):
                        entries = peer_pb2.Entries(entries=answer, lane=HISTORY)
                        self.carry(self.id, peer, Stream.GOSSIP, peer_pb2.Frame(entries=entries))
                case ServeChunk(peer, entry, number):
                    self._serve_chunk(now, peer, entry, number)
                case Keep(peer, peer_pb2.Chunk() as chunk):
                    self._keep(now, peer, chunk)
                case Keep(peer, peer_pb2.Have() as have):
                    self._keep_have(peer, have)
                case Keep(peer, header_pb2.ForkProof() as proof):
                    row = self.exchange.take_fork(proof)
                    if row:
                        self._grown(now, growth.forked(row, peer))
                case Hangup(peer, reason):
                    self.cut(self.id, peer, reason)

    def _keep_have(self, peer: MemberId, have: peer_pb2.Have) -> None:
        hashes = [HeaderHash(entry) for entry in have.entries]
        if not have.ask:
            self.exchange.confirm(hashes)
        elif held := self.exchange.held(hashes):
            self.carry(self.id, peer, Stream.BULK, peer_pb2.Frame(have=peer_pb2.Have(entries=held)))

    def _ingest(self, now: float, peer: MemberId, letters: Sequence[header_pb2.SignedEntry]) -> None:
        unseen = self.exchange.unseen(letters)
        if not unseen:
            return
        checked = self.exchange.verify(unseen)
        early = growth.urgent(self.exchange, checked, peer)
        if early:
            self._grown(now, early)
        admitted = self.exchange.admit(checked, ms(now), peer)
        self._count(checked, admitted.gaps)
        self._grown(now, growth.committed(self.exchange, admitted, checked, peer))
        if any(one.header.has_payload for one in admitted.entries):
            self._refresh_wants(now)
        if admitted.arrived:
            self._project()
        if checked.fault:
            self.counts["a faulty frame was refused"] += 1
            self.cut(self.id, peer, checked.fault.reason)

    def _serve_chunk(self, now: float, peer: MemberId, entry: HeaderHash, number: int) -> None:
        frame = self.exchange.serve_chunk(entry, number, ms(now))
        if frame is not None:
            self.carry(self.id, peer, Stream.BULK, frame)
            if frame.WhichOneof("body") == "absent":
                self.counts["a payload was absent"] += 1
        sent = frame is not None and frame.WhichOneof("body") == "chunk"
        self.apply(now, self.fetch.served(peer, entry, sent=sent))

    def _keep(self, now: float, peer: MemberId, chunk: peer_pb2.Chunk) -> None:
        try:
            complete = self.exchange.keep_chunk(chunk, ms(now))
        except PeerFault as fault:
            self.cut(self.id, peer, fault.reason)
            return
        self.counts["a chunk was kept"] += 1
        self.apply(now, self.fetch.kept(now, peer, chunk, complete=complete))
        if complete:
            self._refresh_wants(now)
            self._project()

    def _grown(self, now: float, news: Growth) -> None:
        self.moved |= {head.feed_id for head in news.heads}
        self.apply(now, self.gossip.grown(now, news))

    def _refresh_wants(self, now: float) -> None:
        wants = [
            Wanted(want.hash, want.chunks, want.first, originator, kind=want.kind)
            for want, originator in self.exchange.wants(ms(now))
        ]
        self.apply(now, self.gossip.want_boxes(self.exchange.boxless(ms(now))))
        self.apply(now, self.fetch.wanted(now, wants))
        self.apply(now, self.fetch.unconfirmed(now, self.exchange.unconfirmed(ms(now))))

    def _project(self) -> None:
        while self.exchange.project():
            pass

    def _count(self, checked: Checked, gaps: Sequence[object]) -> None:
        if gaps:
            self.counts["a gap was seen"] += 1
        if checked.unknown:
            self.counts["a feed was not certified yet"] += 1


def ms(now: float) -> int:
    return BASE_MS + int(now * 1000)
