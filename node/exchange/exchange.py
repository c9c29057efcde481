"""Everything one node holds, and the few things that can be done to it. Owned by one writer."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from node import limits
from node.errors import Malformed, Refused
from node.exchange import admission, disclose, erase, following, ingest, project, publish, verification
from node.exchange.admission import Admitted
from node.exchange.erase import Erasures
from node.exchange.publish import Author, Draft
from node.exchange.quarantine import Aside
from node.exchange.trust import Trust
from node.exchange.verified import Checked, Reader, Verified
from node.feed import entry
from node.feed import header as headers
from node.feed.keys import FeedId, HeaderHash, MemberId, ObjectId
from node.policy.following import Choice, Follows
from node.store import arrivals, ledger, payloads, peers, stores
from node.store.arrivals import Cursor
from node.store.erasures import Erasure
from node.store.ledger import ForkRow
from node.store.payloads import State
from node.store.peers import Peer
from node.store.restrictions import Replacement
from node.store.stores import Stores
from node.v1 import header_pb2, peer_pb2

SERVED_PAYLOADS_MAX = 64  # of which the leaf hashes are remembered: 8 KiB each at most
UNCONFIRMED_AT_A_TIME = 1024  # asked of peers at once; a list of four million
RELAYED_CHUNKS_MAX = 16384  # that are here for peers alone: a gigabyte, whatever size their records have
RELAYED_MS = 3_600_000
RELAYED_AGAIN_MS = 4 * RELAYED_MS  # or members that do not follow would ask each other for ever
RELAYED_KEPT = 65_536
COMPACTED_BYTES_MAX = 64 << 20  # written anew in half a second, while the writer waits
WANTS_AT_A_TIME = 256  # of the stored want-list; the rest follows as these come in


class Exchange:
    """The stores, what is trusted, and who signs here."""

    def __init__(
        self, stores: Stores, trust: Trust, author: Author, erasures: Erasures, *, follow_all: bool = True
    ) -> None:
        self.stores = stores
        self.erasures = erasures
        self.author = author
        self.trust = trust
        self.follows = Follows(author.reader.member_id, everything=follow_all)
        self.aside = Aside(stores)
        self._signed_unstored = False
        self._relayed: OrderedDict[HeaderHash, int] = OrderedDict()  # when each may be fetched for a peer again
        self._served: OrderedDict[HeaderHash, Sequence[bytes]] = OrderedDict()  # leaf hashes of what peers fetch

    @property
    def reader(self) -> Reader:
        """What this node can open."""
        return self.author.reader

    # ---- In

    def start(self, now_ms: int) -> None:
        """Before anyone is let in: read the governance, mend what the last stop left half done."""
        self.stores.rollback()
        self.trust = ingest.load(self.stores, self.trust)
        self.trust = publish.recover(self.stores, self.author, self.trust, now_ms).trust
        ingest.mend(self.stores, self.trust, self.reader, now_ms)
        self.follows = following.load(self.stores, self.trust, self.reader, self.follows, now_ms)
        project.mend(self.stores, self.trust, self.reader)
        self.aside.start()
        erase.apply(self.stores, self.erasures, self.trust, self.reader, self.author.randomness)
        while self.project():
            pass

    def unseen(self, letters: Sequence[header_pb2.SignedEntry]) -> list[header_pb2.SignedEntry]:
        """What of a frame is news."""
        return ingest.unseen(self.stores, letters, self.trust.federation_id)

    def verify(self, letters: Sequence[header_pb2.SignedEntry]) -> Checked:
        """The pure half; may run in another thread."""
        return verification.verify(letters, self.trust, self.reader)

    def admit(self, checked: Checked, now_ms: int, source: MemberId | None = None) -> Admitted:
        """The durable half. ``source``: the peer it came from."""
        admitted = ingest.admit(self.stores, checked, self.trust, self.reader, now_ms, self.follows, source)
        self.trust = admitted.trust
        self._keep_erased([one.header.hash for one in checked.entries if one.payload])
        if self.aside.vouch(admitted.heads, source):
            return replace(admitted, arrived=frozenset({True, False}))
        return admitted

    def publish(self, drafts: Sequence[Draft], now_ms: int) -> Admitted:
        """Say something of our own; durable when it returns."""
        if self._signed_unstored:  # a place that is signed is never signed again
            self.trust = publish.recover(self.stores, self.author, self.trust, now_ms).trust
        self._signed_unstored = True
        admitted = publish.publish(self.stores, drafts, self.author, self.trust, now_ms)
        self._signed_unstored = False
        self.trust = admitted.trust
        return admitted

    def take_fork(self, letter: header_pb2.ForkProof) -> ForkRow | None:
        """A proof from a peer; raises PeerFault. None: nothing new."""
        self.trust, row = ingest.take_fork(self.stores, letter, self.trust)
        return row

    def keep_chunk(self, chunk: peer_pb2.Chunk, now_ms: int) -> bool:
        """Store a chunk of a wanted payload; whether it is whole now. Raises PeerFault for a wrong one."""
        hash_ = HeaderHash(chunk.entry)
        row = ledger.entry(self.stores.ledger, hash_)
        if row is None or payloads.state(self.stores.ledger, hash_) != State.MISSING:
            return True
        header = entry.decode(row.body, row.signature, self.trust.federation_id).header
        if not disclose.is_chunk_of(header, chunk):
            raise Malformed("payload-root", "the chunk is not part of the payload the header names")
        payloads.put_chunks(self.stores.ledger, hash_, chunk.number, [chunk.data])
        complete = payloads.is_held(self.stores.ledger, hash_)
        encoded = payloads.box(self.stores.keys, hash_)
        if complete and encoded:
            arrived = admission.settle(self.stores, header, encoded, True, self.trust, self.reader, now_ms)
            arrivals.add(self.stores.ledger, arrived)
        self.stores.commit("ledger")
        if complete:
            self._keep_erased([hash_])
        return complete

    def choose(self, member_id: MemberId, object_id: ObjectId, choice: Choice | None, now_ms: int) -> None:
        """Keep a decision about a list, or forget it, and want its records or not any more."""
        about = member_id, object_id
        self.follows = following.choose(self.stores, self.trust, self.reader, self.follows, about, choice, now_ms)

    def let_go(self, hashes: Sequence[HeaderHash], now_ms: int) -> None:
        """Records of lists that have left the index are not kept, unless they are followed again by now."""
        following.let_go(self.stores, self.trust, self.follows, hashes, now_ms)

    def spare(self, replacements: Sequence[Replacement]) -> None:
        """Records of the same list took the place of others, which are not fetched any more."""
        for one in replacements:
            row = ledger.entry(self.stores.ledger, one.target)
            feed = self.trust.feeds.get(row.feed_id) if row else None
            if feed is not None and feed.member_id == one.member_id:  # nobody speaks for another's records
                payloads.spare(self.stores.ledger, one.target, one.object_id)
        self.stores.commit("ledger")

    def confirm(self, hashes: Sequence[HeaderHash]) -> None:
        """A peer has these records of ours."""
        payloads.set_elsewhere(self.stores.ledger, hashes)
        self.stores.commit("ledger")

    def mature(self, now_ms: int) -> bool:
        """Let entries dated ahead arrive when they are due."""
        due = arrivals.mature(self.stores.ledger, now_ms)
        if due:
            self.stores.commit("ledger")
        return bool(due)

    def acknowledge(self, name: str, cursor: Cursor) -> None:
        """Keep how far a named reader is done; raises Refused for a cursor of another store."""
        if cursor.store_id != project.store_id(self.stores):
            raise Refused("the cursor is of another store", next_step="Go on from the Reset that Subscribe answered.")
        arrivals.acknowledge(self.stores.ledger, name, cursor)
        self.stores.commit("ledger")

    def keep_peers(self, changed: Sequence[Peer]) -> None:
        """Remember the administrator's decisions about peers."""
        for one in changed:
            peers.put(self.stores.ledger, one)
        self.stores.commit("ledger")

    def drop_peer(self, member_id: MemberId) -> None:
        """Forget a decision."""
        peers.drop(self.stores.ledger, member_id)
        self.stores.commit("ledger")

    def begin_erasing(self, found: Sequence[Erasure]) -> None:
        """Make durable that these are erased, before anything of them goes."""
        self.erasures.append(found)

    def finish_erasing(self, found: Sequence[Erasure]) -> None:
        """Let go what has left the index."""
        erase.drop_whole(self.stores, {one.entry: one.reason for one in found if not one.positions})
        for one in found:
            self._served.pop(one.entry, None)
            if one.positions:
                gone = int.from_bytes(one.positions, "little")
                erase.drop_part(self.stores, one.entry, gone, self.trust, self.reader, self.author.randomness)

    def compact(self) -> bool:
        """So that no page of keys or ledger shows what was erased; whether nothing stood in the way.

        A large ledger is not written anew: what a page of it may still show has no key any more.
        """
        small = stores.size_bytes(self.stores.ledger) <= COMPACTED_BYTES_MAX
        return stores.compact(self.stores.keys) and stores.compact(self.stores.ledger, whole=small)

    def project(self) -> bool:
        """One step of the projection; whether there may be more."""
        return project.advance(self.stores, self.trust, self.reader, self.follows)

    # ---- Out

    def serve(self, want: peer_pb2.Want, now_ms: int) -> list[list[header_pb2.SignedEntry]]:
        """The answers to a want, a frame's worth each."""
        federation_id = self.trust.federation_id
        answers = [
            disclose.span(self.stores, feed_id, first, min(last, self.aside.below(feed_id)), federation_id, now_ms)
            for feed_id, first, last in ((FeedId(one.feed_id), one.first, one.last) for one in want.ranges)
        ]
        wanted = [hash_ for hash_ in map(HeaderHash, want.entries) if not self.aside.has(hash_)]
        rows = (ledger.entry(self.stores.ledger, hash_) for hash_ in wanted)
        single = [disclose.letter(self.stores, row, federation_id, now_ms) for row in rows if row]
        return [answer for answer in [*answers, single] if answer]

    def serve_chunk(self, hash_: HeaderHash, number: int, now_ms: int) -> peer_pb2.Frame | None:
        """One chunk, or that it is not to be had here; None past the end."""
        is_for_others = disclose.is_for_others(self.stores, hash_, self.trust.federation_id, now_ms)
        if not is_for_others or self.aside.has(hash_):
            return peer_pb2.Frame(absent=peer_pb2.Absent(entry=hash_))
        found = disclose.chunk(self.stores, hash_, number, self._leaves(hash_))
        return peer_pb2.Frame(chunk=found) if found else None

    def relay(self, hash_: HeaderHash, now_ms: int) -> bool:
        """A peer wants what nobody here does: get it, if it is for all and there is room; whether that is new."""
        if payloads.state(self.stores.ledger, hash_) != State.UNWANTED or now_ms < self._relayed.get(hash_, 0):
            return False
        if payloads.relayed_chunks(self.stores.ledger) >= RELAYED_CHUNKS_MAX or not disclose.may_relay(
            self.stores, hash_, self.trust.federation_id, now_ms
        ):
            return False
        payloads.relay(self.stores.ledger, hash_, now_ms + RELAYED_MS)
        self._relayed[hash_] = now_ms + RELAYED_AGAIN_MS
        while len(self._relayed) > RELAYED_KEPT:
            self._relayed.popitem(last=False)
        self.stores.commit("ledger")
        return payloads.is_relayed(self.stores.ledger, hash_)

    def end_relays(self, now_ms: int) -> None:
        """Let go what peers have had time to fetch."""
        payloads.end_relay(self.stores.ledger, payloads.relayed_until(self.stores.ledger, now_ms))
        self.stores.commit("ledger")

    def letter(self, verified: Verified) -> header_pb2.SignedEntry:
        """An entry as it is passed on, with what came along and any member may have."""
        header = verified.header
        sent = header_pb2.SignedEntry(header=header.body, signature=verified.entry.signature)
        if header.has_payload and header.effective_carriage <= headers.SEALED_RELAY:
            sent.box = verified.box
            if len(verified.payload) <= limits.INLINE_BYTES_MAX:
                sent.payload = verified.payload
        return sent

    @property
    def own_feeds(self) -> list[FeedId]:
        """All feeds of this member."""
        return following.feeds_of(self.trust, self.reader.member_id)

    def unconfirmed(self, now_ms: int) -> list[HeaderHash]:
        """Records of our lists that nobody else is known to have."""
        return payloads.unconfirmed(self.stores.ledger, self.own_feeds, now_ms, UNCONFIRMED_AT_A_TIME)

    def held(self, hashes: Sequence[HeaderHash]) -> list[HeaderHash]:
        """Those of these payloads that are here."""
        return payloads.held(self.stores.ledger, hashes)

    def boxless(self, now_ms: int) -> list[HeaderHash]:
        """Entries whose box is still to be asked for."""
        return payloads.boxless(self.stores.ledger, now_ms, limits.RANGES_PER_FRAME_MAX)

    def wants(self, now_ms: int) -> list[tuple[payloads.Want, MemberId]]:
        """What is missing, the most urgent first, each with its originator."""
        found = []
        for want in payloads.wants(self.stores.ledger, now_ms, WANTS_AT_A_TIME):
            row = ledger.entry(self.stores.ledger, want.hash)
            feed = self.trust.feeds.get(row.feed_id) if row else None
            found.append((want, feed.member_id if feed else MemberId(b"")))
        return found

    # ---- Inside

    def _keep_erased(self, hashes: Sequence[HeaderHash]) -> None:
        """What was erased here before, and came again from a peer or out of a copy, goes again."""
        again = {hash_: reason for hash_ in hashes if (reason := self.erasures.whole.get(hash_))}
        if again:
            erase.drop_whole(self.stores, again)
        for hash_ in hashes:
            if gone := self.erasures.parts.get(hash_):
                erase.drop_part(self.stores, hash_, gone, self.trust, self.reader, self.author.randomness)

    def _leaves(self, hash_: HeaderHash) -> Sequence[bytes]:
        """Hashed once for a payload, not once for each chunk of it that goes out."""
        if hash_ not in self._served:
            self._served[hash_] = disclose.leaves(self.stores, hash_)
        self._served.move_to_end(hash_)
        while len(self._served) > SERVED_PAYLOADS_MAX:
            self._served.popitem(last=False)
        return self._served[hash_]
