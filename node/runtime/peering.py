"""Peering: links in, frames to the machines, effects out. One of the two matches over effects."""

import asyncio
import statistics
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import structlog

from node.errors import PeerFault, Unavailable
from node.exchange import circles
from node.exchange.admission import Admitted
from node.exchange.exchange import Exchange
from node.exchange.outgoing import WANTS_AT_A_TIME
from node.exchange.publish import Draft
from node.feed.header import NORMAL, URGENT
from node.feed.keys import FeedId, MemberId
from node.protocol.dialing import Dialing
from node.protocol.effects import Effect, Hangup, Ingest, Keep, Send, Serve, ServeChunk, Stream
from node.protocol.fetch import Fetch, Wanted
from node.protocol.gossip import Gossip
from node.protocol.news import Growth
from node.runtime import growth
from node.runtime.answering import Answering
from node.runtime.carrying import Carrying
from node.runtime.convicting import Convicting
from node.runtime.embargo import Embargo
from node.runtime.intake import Intake
from node.runtime.limiting import PAUSED, Limiting
from node.runtime.link import CUT, FAREWELL_S, HUNG_UP, SLOW, Clock, Heard, Link, Outbox
from node.runtime.work import Work
from node.runtime.writer import News, Writer
from node.v1 import header_pb2, peer_pb2

_log = structlog.get_logger()

REPLACED = "replaced by a newer link"
COMPARISON_S = 0.5  # a round trip over the world takes less


class Peering:
    """All links of one node. Owned by the event loop; the machines are called from nowhere else."""

    def __init__(self, gossip: Gossip, fetch: Fetch, dialing: Dialing, writer: Writer, clock: Clock) -> None:
        self.dialing = dialing
        self.limiting = Limiting(clock)
        self.convicting = Convicting(clock, gossip.ready)
        self.links = News()
        self.heard: dict[MemberId, Heard] = {}
        self.ended: dict[MemberId, str] = {}  # why there is no link, in words
        self.told, self.lag = gossip.told, gossip.lag
        self.needed_sync = 0  # times that a peer read too slowly
        self.last_end: dict[MemberId, str] = {}  # why the link before ended, in words
        self.since_ms: dict[MemberId, int] = {}  # when the peer was connected last
        self.disclosed: Callable[[MemberId, peer_pb2.Frame], None] = lambda _peer, _frame: None  # of all that leaves
        self._gossip, self._fetch = gossip, fetch
        fetch.takes = self.limiting.takes
        self._writer, self._clock = writer, clock
        self._outboxes: dict[tuple[MemberId, Stream], Outbox] = {}
        self._work, self._frames = Work(), News()
        self._intake = Intake(writer, clock, self._work, self)
        self._circle = writer.circle(clock.now_ms())
        self.embargo = Embargo(writer, clock)
        self._answering = Answering(writer, clock, partial(self.standing, stream=Stream.GOSSIP))
        self._carrying = Carrying(fetch, writer, clock, self.limiting, self, self._apply)
        self._wake_at = 0.0
        self._earlier = asyncio.Event()

    @property
    def digest(self) -> bytes:
        """The hash over all heads: equal on nodes that hold the same."""
        return self._gossip.digest

    @property
    def connected(self) -> list[MemberId]:
        """Peers that said hello."""
        return self._gossip.ready()

    @property
    def in_step(self) -> list[MemberId]:
        """Connected peers that, when last compared, held what is held here now."""
        return self._gossip.in_step()

    @property
    def clock_ahead_ms(self) -> int | None:
        """How far the connected peers' clocks are ahead of ours, by the median."""
        ahead = [self.heard[peer].clock_ahead_ms for peer in self.connected]
        return int(statistics.median(ahead)) if ahead else None

    async def linked(self, peer: MemberId, timeout_s: float) -> bool:
        """Wait so long for the peer to be connected; whether it is."""
        try:
            async with asyncio.timeout(timeout_s):
                while peer not in self.connected:
                    await self.links.newer(self.links.version)
        except TimeoutError:
            return False
        return True

    def behind(self, peer: MemberId) -> int:
        """How many entries the peer, when last compared, held that are not here."""
        return self._gossip.behind(peer)

    async def held_elsewhere(self, feeds: Iterable[FeedId], but: MemberId) -> dict[FeedId, int]:
        """How far the connected peers but one, asked just now, hold feeds that are here."""
        await self._intake.note_offers(now=True)
        await self.compare()
        others = [peer for peer in self.connected if peer != but]  # its link may not have ended yet
        return {feed_id: max((self._gossip.held_by(peer, feed_id) for peer in others), default=0) for feed_id in feeds}

    def in_mesh(self, peer: MemberId) -> bool:
        """Whether new entries are pushed to this peer."""
        return self._gossip.in_mesh(peer)

    def dialled(self, peer: MemberId) -> bool:
        """Whether we opened the link that stands."""
        outbox = self._outboxes.get((peer, Stream.GOSSIP))
        return outbox is not None and outbox.link.dialler != peer

    def backlog(self, peer: MemberId, stream: Stream) -> tuple[int, int]:
        """Frames and bytes that the peer has still to be sent over one of its streams."""
        outbox = self._outboxes.get((peer, stream))
        return outbox.waiting if outbox else (0, 0)

    async def compare(self) -> None:
        """Ask all peers whether they hold the same; over when all do, or when those that do had time to say so."""
        await self._apply(self._gossip.compare())
        try:
            async with asyncio.timeout(COMPARISON_S):
                while len(self.in_step) < len(self.connected):
                    await self._frames.newer(self._frames.version)
        except TimeoutError:
            return

    async def serve(self, link: Link) -> str:
        """Run one link to its end; what the peer is to hear about it, which may be nothing."""
        outbox = Outbox(link, lambda frame: self.disclosed(link.peer, frame))
        place = (link.peer, link.stream)
        if not self._writer.trust.admits_log(link.peer):
            self.ended[link.peer] = "not a member yet"
            return "not a member of this federation, as far as this node has heard"
        if self.limiting.of(link.peer).is_paused:
            self.ended[link.peer] = "paused here"
            return PAUSED
        standing = self._outboxes.get(place)
        if standing is not None:
            if standing.link.dialler < link.dialler:
                return "a link that the other side's rule prefers stands already"
            standing.end(REPLACED)
        self._outboxes[place] = outbox
        told = ""
        try:
            await self._run(link, outbox)
            told = outbox.reason
        except Unavailable as error:  # ours to know: a peer is not told about our disk
            outbox.end(error.reason)
        except asyncio.CancelledError:  # so gRPC ends what the other side opened, whatever broke it
            outbox.end(CUT)
            raise
        finally:
            if self._outboxes.get(place) is outbox:
                await self._leave(link, outbox)
        return told

    def renew_links(self, within_s: float) -> None:
        """Our certificate is new: dial anew, beside the links that show the old one, whatever we dialled."""
        for peer in filter(self.dialled, self.connected):
            self.dialing.renew(self._clock.monotonic_s(), peer, within_s)
        self.links.tell()

    def hang_up(self, peer: MemberId, reason: str) -> int:
        """End the peer's links; how many there were."""
        found = [self._outboxes[peer, stream] for stream in Stream if (peer, stream) in self._outboxes]
        for outbox in found:
            outbox.end(reason)
            if outbox.link.dialler != peer:  # whom we called reads no status of ours
                outbox.put(peer_pb2.Frame(bye=peer_pb2.Bye(reason=reason)))
        return len(found)

    async def publish(self, drafts: Sequence[Draft], lane: int = NORMAL, *, unconfirmed: bool = False) -> Admitted:
        """Say something of our own; durable here when it returns, and on its way. Raises Refused."""
        return await self._work.through(self._publish(drafts, lane, unconfirmed=unconfirmed))

    async def _publish(self, drafts: Sequence[Draft], lane: int, *, unconfirmed: bool) -> Admitted:
        if lane == URGENT:
            self._writer.pause_bulk()
        now, now_ms = self._clock.monotonic_s(), self._clock.now_ms()

        def publish_all(exchange: Exchange) -> tuple[Admitted, Growth]:
            exchange.look(now, now_ms)  # a clock that has just jumped dates nothing
            before = exchange.budgets.slowed
            admitted = exchange.publish(drafts, now_ms, unconfirmed=unconfirmed)
            if slowed := exchange.budgets.slowed - before:
                _log.warning("over our own quota: others take their time with it", entries=slowed)
            return admitted, growth.published(exchange, admitted)

        admitted, news = await self._writer.run(publish_all, lane)
        self._writer.arrived(admitted.arrived)
        await self.grown(news)
        return admitted

    async def tick(self) -> None:
        """Wake the machines when they asked for it, for ever."""
        await self.refresh_wants()
        while True:
            self._wake_at = min(self._gossip.wake_at, self._fetch.wake_at)
            self._earlier.clear()
            try:
                async with asyncio.timeout(max(self._wake_at - self._clock.monotonic_s(), 0)):
                    await self._earlier.wait()
            except TimeoutError:
                await self._wake()

    async def _wake(self) -> None:
        now, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        try:
            await self.embargo.look(self.clock_ahead_ms)
            if await self._writer.run(lambda exchange: exchange.mature(now_ms)):
                self._writer.arrived()
            await self._apply([*self._reseat(), *self._gossip.wakeup(now), *self._fetch.wakeup(now)])
            await self._intake.note_offers()
            if self._gossip.lacks_boxes:
                await self.refresh_wants()
        except Unavailable as error:
            _log.error("store not written", reason=error.reason)

    # ---- Effects

    def _machine(self, stream: Stream) -> Gossip | Fetch:
        return self._gossip if stream is Stream.GOSSIP else self._fetch

    async def _run(self, link: Link, outbox: Outbox) -> None:
        tasks = [asyncio.create_task(self._listen(link)), asyncio.create_task(outbox.drain())]
        try:
            await self._apply(self._link_up(link))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # Nothing can be sent: why may still come, and it is the better reason. What was on its way when another
            # link took over may come, too.
            if outbox.reason in ("", REPLACED):
                await asyncio.wait(tasks[:1], timeout=FAREWELL_S)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _link_up(self, link: Link) -> list[Effect]:
        now, now_ms = self._clock.monotonic_s(), self._clock.now_ms()
        if link.stream is Stream.BULK:
            return self._fetch.link_up(now, link.peer, now_ms)
        return self._gossip.link_up(now, link.peer, now_ms, dialled=link.dialler != link.peer)

    async def _leave(self, link: Link, outbox: Outbox) -> None:
        """The link that stood last is gone: what it owed is asked for elsewhere, and the peer dialled again."""
        del self._outboxes[link.peer, link.stream]
        if outbox.reason == SLOW:
            self.needed_sync += 1
            _log.warning("needs sync", name=self._name(link.peer), peer=link.peer.hex(), stream=link.stream.value)
        now, was_up = self._clock.monotonic_s(), link.peer in self.connected
        await self._apply(self._machine(link.stream).link_down(now, link.peer))
        if link.stream is Stream.BULK:
            beside = self._outboxes.get((link.peer, Stream.GOSSIP))
            if beside and beside.link.dialler == link.dialler != link.peer:  # one call of two: both end, for one reason
                self.hang_up(link.peer, outbox.reason or HUNG_UP)
            return
        before = self.ended.get(link.peer)
        self.ended[link.peer] = self.last_end[link.peer] = reason = outbox.reason or HUNG_UP
        self.dialing.link_down(now, link.peer)
        self.links.tell()
        if was_up or reason != before:  # a peer that is dialled in vain is dialled for days
            _log.info("link down", name=self._name(link.peer), peer=link.peer.hex(), reason=reason)

    def _name(self, peer: MemberId) -> str:
        return self._writer.trust.name_of(peer)

    async def _listen(self, link: Link) -> None:
        machine, place = self._machine(link.stream), (link.peer, link.stream)
        async for frame in link.frames():
            standing = self._outboxes.get(place)
            if standing is None or standing.link is not link:
                if link.stream is Stream.GOSSIP:  # replaced by a newer one, over which the rest is said anew
                    now = self._clock.monotonic_s()
                    await self._work.through(self._apply(self._gossip.frame(now, link.peer, frame, replaced=True)))
                continue
            _log.debug("heard", peer=link.peer.hex(), stream=link.stream.value, frame=frame.WhichOneof("body"))
            says_hello = link.stream is Stream.GOSSIP and frame.HasField("hello")
            was_up = says_hello and link.peer in self.connected
            if says_hello:
                self.heard[link.peer] = Heard.of(frame.hello, self._clock.now_ms())
            await self._work.through(self._apply(machine.frame(self._clock.monotonic_s(), link.peer, frame)))
            self._frames.tell()
            if says_hello and link.peer in self._gossip.ready():
                self.ended.pop(link.peer, None)
                self.dialing.link_up(self._clock.monotonic_s(), link.peer)
                self.links.tell()
                await self.embargo.look(self.clock_ahead_ms)  # before its echo
                if not was_up:
                    self._log_up(link.peer)

    def _log_up(self, peer: MemberId) -> None:
        self.since_ms[peer] = self._clock.now_ms()
        _log.info("link up", name=self._name(peer), peer=peer.hex(), program=self.heard[peer].program)

    def standing(self, peer: MemberId, stream: Stream) -> Outbox | None:
        """What the link that stands now has still to send."""
        return self._outboxes.get((peer, stream))

    async def _apply(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(peer, stream, frame):
                    self._send(peer, stream, frame)
                case Ingest(peer, letters, lane, asked):
                    taken = self.limiting.taken(peer, letters, self._writer.trust.federation_id)
                    await self._intake.take(peer, taken, lane, asked)
                case Serve() as wanted:
                    await self._answering.answer(wanted)
                case ServeChunk(peer, entry, number):
                    await self._carrying.serve_chunk(peer, entry, number)
                case Keep(peer, peer_pb2.Chunk() as chunk):
                    await self._carrying.keep_chunk(peer, chunk)
                case Keep(peer, peer_pb2.Have() as have):
                    await self._carrying.keep_have(peer, have)
                case Keep(peer, peer_pb2.Echo() as shown):
                    await self._keep_echo(peer, shown)
                case Keep(peer, header_pb2.ForkProof() as proof):
                    await self._keep_fork(peer, proof)
                case Hangup(peer, reason, ""):
                    self.hang_up(peer, reason)
                case Hangup(peer, reason, rule):
                    self._convict(peer, reason, rule)
        if min(self._gossip.wake_at, self._fetch.wake_at) < self._wake_at:
            self._earlier.set()

    def _send(self, peer: MemberId, stream: Stream, frame: peer_pb2.Frame) -> None:
        outbox = self._outboxes.get((peer, stream))
        if outbox is not None:
            _log.debug("said", peer=peer.hex(), stream=stream.value, frame=frame.WhichOneof("body"))
            outbox.put(frame)

    async def _keep_fork(self, peer: MemberId, proof: header_pb2.ForkProof) -> None:
        if not circles.taken(self._writer.trust, self._writer.reader.member_id, peer, [proof.first]):
            return
        now_ms = self._clock.now_ms()
        try:
            admitted = await self._writer.run(lambda exchange: exchange.take_fork(proof, now_ms))
        except PeerFault as fault:
            self.convict(peer, fault)
            return
        if admitted.forks:
            self._writer.arrived(admitted.arrived)
            await self.grown(growth.proven(admitted, peer))
            await self.refresh_wants()

    async def _keep_echo(self, peer: MemberId, shown: peer_pb2.Echo) -> None:
        try:
            await self.embargo.take(peer, shown)
        except PeerFault as fault:
            self.convict(peer, fault)

    def convict(self, peer: MemberId, fault: PeerFault) -> None:
        """The peer alone could have known: hang up, and count it."""
        self._convict(peer, fault.reason, fault.rule)

    def _convict(self, peer: MemberId, reason: str, rule: str) -> None:
        if self.convicting.convicts(peer, reason, rule):
            self.hang_up(peer, reason)

    async def grown(self, news: Growth) -> None:
        """The store grew, or is about to: tell the peers."""
        await self._apply([*self._reseat(), *self._gossip.grown(self._clock.monotonic_s(), news)])

    def _reseat(self) -> Sequence[Effect]:
        """Let who hears what be as the roster is now: links that stand need not be made anew."""
        circle = self._writer.circle(self._clock.now_ms())
        if circle is self._circle:
            return ()
        self._circle = circle
        return [*self._gossip.seat(circle), *self._fetch.seat(self._clock.monotonic_s(), circle)]

    async def refresh_wants(self) -> None:
        """Ask for what the store says is missing, and who has what is ours."""
        now_ms = self._clock.now_ms()
        found, boxless, own = await self._writer.run(
            lambda exchange: (exchange.wants(now_ms), exchange.boxless(now_ms), exchange.unconfirmed(now_ms))
        )
        self._carrying.few = WANTS_AT_A_TIME // 2 if len(found) == WANTS_AT_A_TIME else 0
        await self._apply(self._gossip.want_boxes(boxless))
        wants = [
            Wanted(want.hash, want.chunks, want.first, originator, want.for_peer, want.kind)
            for want, originator in found
        ]
        now = self._clock.monotonic_s()
        await self._apply([*self._fetch.wanted(now, wants), *self._fetch.unconfirmed(now, own)])
