"""What leaves a node, and what it asks for: by what is trusted, who may hear it, and what is set aside."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from node import limits
from node.exchange import circles, disclose, governing, membership, records, sparing, standing
from node.exchange.admission import Admitted
from node.exchange.budgets import Budgets
from node.exchange.publish import Author
from node.exchange.quarantine import Aside
from node.exchange.trust import Trust
from node.exchange.verified import Reader, Verified
from node.feed import header as headers
from node.feed import identity
from node.feed.chain import Head
from node.feed.header import URGENT
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.known import Known
from node.feed.quorum import Act
from node.feed.roster import Roster
from node.protocol import news
from node.protocol.circle import Circle
from node.store import ledger, payloads, relays
from node.store.ledger import Row
from node.store.payloads import State
from node.store.stores import Stores
from node.v1 import header_pb2, peer_pb2

SERVED_PAYLOADS_MAX = 64  # of which the leaf hashes are remembered: 8 KiB each at most
UNCONFIRMED_AT_A_TIME = 1024  # asked of peers at once; a list of four million
VOICES_MS = 60_000  # what is looked at of a feed with many, another part each time; a peer is told as often
RELAYED_CHUNKS_MAX = 16384  # that are here for peers alone: a gigabyte, whatever size their records have
RELAYED_MS = 3_600_000
RELAYED_AGAIN_MS = 4 * RELAYED_MS  # or members that do not follow would ask each other for ever
RELAYED_KEPT = 65_536
WANTS_AT_A_TIME = 256  # of the stored want-list; the rest follows as these come in
DRILLS_WANTED_MIN = 32  # of these, if there are any: what is real and to be had nowhere keeps none away for ever
LATE_FEEDS_MAX = 1024  # named in one question; of a member with more the others wait for their turn like all feeds


class Outgoing:
    """The stores, what is trusted, and the half of an exchange that changes nothing of what members said."""

    def __init__(self, stores: Stores, trust: Trust, author: Author) -> None:
        self.stores = stores
        self.author = author
        self._trust = trust
        self.budgets = Budgets(author.reader.member_id, lambda: self.trust)
        self.aside = Aside(stores)
        self._untold: frozenset[FeedId] = frozenset()  # stored here, and nobody takes them in any more
        self._circle: tuple[tuple[Known, Roster], Circle] | None = None
        self._voices: tuple[Trust, int, Sequence[Row]] | None = None
        self._relayed: OrderedDict[HeaderHash, int] = OrderedDict()  # when each may be fetched for a peer again
        self._served: OrderedDict[HeaderHash, Sequence[bytes]] = OrderedDict()  # leaf hashes of what peers fetch

    @property
    def trust(self) -> Trust:
        """What is trusted as of now."""
        return self._trust

    @trust.setter
    def trust(self, learnt: Trust) -> None:
        self._trust = standing.weighed(self.stores, learnt, self._trust)

    def trust_after(self, admitted: Admitted) -> Admitted:
        """What is trusted once something came in, whether or not it said anything by itself; with all heads to tell."""
        before = self._trust
        grown = {one.header.feed_id for one in admitted.entries} | {head.feed_id for head in admitted.heads}
        self._trust = standing.weighed(self.stores, admitted.trust, before, sorted(grown))
        is_marked = self._trust.marks is not before.marks or self._trust.fallen is not before.fallen
        untold = self._untold
        if is_marked or (untold and self._trust.known is not before.known):
            self._untold = self._find_untold()
        if not untold and not self._untold:
            return admitted
        told = [head for head in admitted.heads if head.feed_id not in self._untold]
        again = [
            head for feed_id in sorted(untold - self._untold) if (head := ledger.head(self.stores.ledger, feed_id))
        ]
        gone = [Head(feed_id, 0, HeaderHash(b"")) for feed_id in sorted(self._untold - untold)]
        return replace(admitted, heads=(*told, *again, *gone))

    def heads(self) -> list[Head]:
        """All feeds, as far as peers are told of them."""
        self._untold = self._find_untold()
        return [head for head in self.aside.heads() if head.feed_id not in self._untold]

    def _find_untold(self) -> frozenset[FeedId]:
        """Feeds that are stored and that no node takes in which has heard what is heard here: it would ask in vain."""
        own = {*self.own_feeds, identity.log_id(self.reader.member_id)}
        held = (head.feed_id for head in ledger.heads(self.stores.ledger))
        return frozenset(feed_id for feed_id in held if feed_id not in own and not self.trust.takes(feed_id))

    @property
    def reader(self) -> Reader:
        """What this node can open."""
        return self.author.reader

    def author_of(self, feed_id: FeedId) -> MemberId | None:
        """The member whose feed this is, by what is trusted now; may be asked from any thread."""
        return self.trust.author(feed_id)

    def circle(self, now_ms: int) -> Circle:
        """Who is told what as of now; the same object until that changes."""
        about = self.trust.known, self.trust.roster(now_ms)
        if self._circle is None or any(one is not other for one, other in zip(about, self._circle[0], strict=True)):
            self._circle = about, circles.of(self.trust, self.reader.member_id, now_ms)
        return self._circle[1]

    def removal(self, peer: MemberId, now_ms: int) -> list[header_pb2.SignedEntry]:
        """What removed a peer: the statements that name it, of which it hears nowhere else, and nothing beside them."""
        if peer not in self.trust.roster(now_ms).revoked:
            return []
        said = membership.counted(self.trust, Act.REVOKE, peer, now_ms)[: limits.AHEAD_PER_FEED_MAX]
        rows = [row for one in said if (row := ledger.entry(self.stores.ledger, one.entry))]
        return [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows]

    def serve(self, peer: MemberId, want: peer_pb2.Want, now_ms: int) -> list[list[header_pb2.SignedEntry]]:
        """The answers to a want, a frame's worth each: what the peer may have of it."""
        circle = self.circle(now_ms)
        answers = [
            disclose.span(self.stores, feed_id, first, min(last, self.aside.below(feed_id)), self.trust, now_ms)
            for feed_id, first, last in ((FeedId(one.feed_id), one.first, one.last) for one in want.ranges)
            if circle.tells(peer, feed_id)
        ]
        wanted = [hash_ for hash_ in map(HeaderHash, want.entries) if not self.aside.has(hash_)]
        rows = (ledger.entry(self.stores.ledger, hash_) for hash_ in wanted)
        told = [row for row in rows if row and circle.tells(peer, row.feed_id)]
        single = [disclose.letter(self.stores, row, self.trust, now_ms) for row in told]
        return [answer for answer in [*answers, single] if answer]

    def tell_forks(
        self, peer: MemberId, feeds: Sequence[FeedId], now_ms: int, *, voices: bool = False
    ) -> list[peer_pb2.Frame]:
        """The proofs of these feeds, each with what is urgent above the fork; and what governs on whatever branch."""
        frames = []
        for feed_id in feeds:
            row = ledger.fork(self.stores.ledger, feed_id)
            if row is not None:
                frames.append(peer_pb2.Frame(fork=disclose.fork(row)))
                urgent = disclose.above_fork(self.stores, row, self.trust, now_ms)
                frames.append(peer_pb2.Frame(entries=peer_pb2.Entries(entries=urgent, lane=headers.HISTORY)))
        if voices and self.circle(now_ms).hears_all(peer):
            rows = governing.part(self._voices_of(now_ms // VOICES_MS), now_ms)
            told = [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows]
            parts = news.batches(told)
            frames += [peer_pb2.Frame(entries=peer_pb2.Entries(entries=one, lane=headers.HISTORY)) for one in parts]
        return frames

    def _voices_of(self, turn: int) -> Sequence[Row]:
        """Looked for once for all peers, as long as nothing more is known."""
        if self._voices is None or self._voices[0] is not self.trust or self._voices[1] != turn:
            self._voices = self.trust, turn, governing.voices(self.stores, self.trust, turn)
        return self._voices[2]

    def serve_chunk(self, hash_: HeaderHash, number: int, now_ms: int) -> peer_pb2.Frame | None:
        """One chunk, or that it is not to be had here; None past the end."""
        is_for_others = disclose.is_for_others(self.stores, hash_, self.trust, now_ms)
        if not is_for_others or self.aside.has(hash_):
            return peer_pb2.Frame(absent=peer_pb2.Absent(entry=hash_))
        found = disclose.chunk(self.stores, hash_, number, self._leaves(hash_))
        return peer_pb2.Frame(chunk=found) if found else None

    def relay(self, hash_: HeaderHash, now_ms: int) -> bool:
        """A peer wants what nobody here does: get it, if it is for all and there is room; whether that is new."""
        if payloads.state(self.stores.ledger, hash_) != State.UNWANTED or now_ms < self._relayed.get(hash_, 0):
            return False
        if relays.relayed_chunks(self.stores.ledger) >= RELAYED_CHUNKS_MAX or not disclose.may_relay(
            self.stores, hash_, self.trust.federation_id, now_ms
        ):
            return False
        relays.relay(self.stores.ledger, hash_, now_ms + RELAYED_MS)
        self._relayed[hash_] = now_ms + RELAYED_AGAIN_MS
        while len(self._relayed) > RELAYED_KEPT:
            self._relayed.popitem(last=False)
        self.stores.commit("ledger")
        return relays.is_relayed(self.stores.ledger, hash_)

    def end_relays(self, now_ms: int) -> None:
        """Let go what peers have had time to fetch."""
        relays.end_relay(self.stores.ledger, relays.relayed_until(self.stores.ledger, now_ms))
        self.stores.commit("ledger")

    def letter(self, verified: Verified) -> header_pb2.SignedEntry:
        """An entry as it is passed on, with what came along and any member may have."""
        header = verified.header
        sent = header_pb2.SignedEntry(header=header.body, signature=verified.entry.signature)
        if (
            header.has_payload
            and header.effective_carriage <= headers.SEALED_RELAY
            and records.is_marked(verified, self.trust, self.reader)
        ):
            sent.box = verified.box
            if len(verified.payload) <= limits.INLINE_BYTES_MAX:
                sent.payload = verified.payload
        return sent

    @property
    def own_feeds(self) -> list[FeedId]:
        """All feeds of this member."""
        return self.trust.feeds_of(self.reader.member_id)

    def unconfirmed(self, now_ms: int) -> list[HeaderHash]:
        """Records of our lists that nobody else is known to have."""
        return payloads.unconfirmed(self.stores.ledger, self.own_feeds, now_ms, UNCONFIRMED_AT_A_TIME)

    def held(self, hashes: Sequence[HeaderHash]) -> list[HeaderHash]:
        """Those of these payloads that are here."""
        return relays.held(self.stores.ledger, hashes)

    def boxless(self, now_ms: int) -> list[HeaderHash]:
        """Entries whose box is still to be asked for."""
        found = payloads.boxless(self.stores.ledger, now_ms, limits.RANGES_PER_FRAME_MAX)
        return [hash_ for hash_ in found if not self._is_spared(hash_)]

    def _is_spared(self, hash_: HeaderHash) -> bool:
        row = ledger.entry(self.stores.ledger, hash_)
        return row is not None and sparing.is_spared(self.stores, row, self.trust)

    def wants(self, now_ms: int) -> list[tuple[payloads.Want, MemberId]]:
        """What is missing, the most urgent first, each with its originator, and drills last."""
        drills = self._wants(now_ms, WANTS_AT_A_TIME, exercise=True)
        room = WANTS_AT_A_TIME - min(len(drills), DRILLS_WANTED_MIN)
        return [*self._wants(now_ms, room, exercise=False), *drills][:WANTS_AT_A_TIME]

    def _wants(self, now_ms: int, limit: int, *, exercise: bool) -> list[tuple[payloads.Want, MemberId]]:
        """Authors by turns, large ones last."""
        feeds, waits = self.trust.feeds, self.budgets.waits_in_bulk
        late = {feed_id for feed_id, feed in feeds.items() if waits(feed.member_id, now_ms, exercise=exercise)}
        turns: Counter[tuple[object, ...]] = Counter()
        found = []
        named = sorted(late)[:LATE_FEEDS_MAX]
        for want in payloads.wants(self.stores.ledger, now_ms, limit, named, exercise=exercise):
            row = ledger.entry(self.stores.ledger, want.hash)
            feed = feeds.get(row.feed_id) if row else None
            if row and sparing.is_spared(self.stores, row, self.trust):
                continue
            author = feed.member_id if feed else MemberId(b"")
            rank = (want.lane > URGENT, row is not None and row.feed_id in late, want.lane, want.for_peer)
            turns[rank, author] += 1
            found.append(((*rank, turns[rank, author]), (want, author)))
        return [one for _, one in sorted(found, key=lambda ranked: ranked[0])]

    def forget_served(self, hash_: HeaderHash) -> None:
        """A payload goes: nothing about it is remembered."""
        self._served.pop(hash_, None)

    def _leaves(self, hash_: HeaderHash) -> Sequence[bytes]:
        """Hashed once for a payload, not once for each chunk of it that goes out."""
        if hash_ not in self._served:
            self._served[hash_] = disclose.leaves(self.stores, hash_)
        self._served.move_to_end(hash_)
        while len(self._served) > SERVED_PAYLOADS_MAX:
            self._served.popitem(last=False)
        return self._served[hash_]
