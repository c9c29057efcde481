"""One call of ``ingest.admit``: heads as they move, rows to write. Nothing here commits."""

from dataclasses import dataclass

from node import limits
from node.exchange import trust as trusts
from node.exchange import verification
from node.exchange.trust import Trust
from node.exchange.verified import Reader, Verified, learn
from node.feed import box as boxes
from node.feed import chain, entry, payload
from node.feed.chain import Head, Place
from node.feed.header import SEALED_RELAY, URGENT, Header
from node.feed.keys import FeedId, HeaderHash, ObjectId
from node.feed.kinds import Kind
from node.feed.statements import Withdraw
from node.policy.following import Follows
from node.store import arrivals, ledger, payloads
from node.store.ledger import ForkRow, Row
from node.store.payloads import State
from node.store.stores import Stores


@dataclass(frozen=True, slots=True)
class Gap:
    """A header stands above what is held: ``seq`` is the last one missing, ``previous`` its hash."""

    feed_id: FeedId
    seq: int
    previous: HeaderHash


@dataclass(frozen=True, slots=True)
class Admitted:
    """What came in: moved heads, entries to pass on, gaps to fetch. ``trust`` is what is trusted now."""

    trust: Trust
    heads: tuple[Head, ...] = ()
    entries: tuple[Verified, ...] = ()
    gaps: tuple[Gap, ...] = ()
    forks: tuple[ForkRow, ...] = ()
    arrived: frozenset[bool] = frozenset()  # whether something urgent, or something else, became readable


class Admission:
    """The feeds as they are while a batch comes in."""

    def __init__(self, stores: Stores, trust: Trust, reader: Reader, follows: Follows, now_ms: int) -> None:
        self.stores, self.trust, self.reader, self.now_ms = stores, trust, reader, now_ms
        self.follows = follows
        self.heads: dict[FeedId, Head] = {}
        self.moved: set[FeedId] = set()
        self.rows: list[tuple[Row, int, bool]] = []
        self.boxes: list[tuple[HeaderHash, bytes]] = []
        self.arrived: list[tuple[bool, HeaderHash]] = []
        self.entries: list[Verified] = []
        self.gaps: set[Gap] = set()
        self.forks: list[ForkRow] = []
        self.seen: set[HeaderHash] = set()

    def take(self, verified: Verified) -> None:
        """Find the entry's place and note what to write."""
        header = verified.header
        head = self.head(header.feed_id)
        match chain.place(head, header):
            case Place.NEXT:
                self._append(verified, chained=True)
                self.chain_ahead(header.feed_id)
            case Place.AHEAD:
                self.gaps.add(Gap(header.feed_id, header.seq - 1, HeaderHash(header.previous)))
                if verified.lane == URGENT and self._has_room_ahead(header):
                    self._append(verified, chained=False)
            case Place.BROKEN:
                self.gaps.add(Gap(header.feed_id, header.seq - 1, HeaderHash(header.previous)))
            case Place.KNOWN:
                self._take_known(verified)

    def head(self, feed_id: FeedId) -> Head | None:
        """The feed as it is while the batch comes in."""
        if feed_id not in self.heads:
            found = ledger.head(self.stores.ledger, feed_id)
            if found is None:
                return None
            self.heads[feed_id] = found
        return self.heads[feed_id]

    def _append(self, verified: Verified, *, chained: bool) -> None:
        header = verified.header
        if header.hash in self.seen:
            return
        self.seen.add(header.hash)
        row = Row(header.hash, header.feed_id, header.seq, header.body, verified.entry.signature, self.now_ms)
        self.rows.append((row, header.kind, chained))
        if chained:
            self.heads[header.feed_id] = chain.head_of(header)
            self.moved.add(header.feed_id)
        self.trust = learn(self.trust, verified)
        self.entries.append(verified)
        if header.has_payload:
            self._add_payload(verified)
        else:
            self._spare_withdrawn(verified)
            self._arrive(verified)

    def _spare_withdrawn(self, verified: Verified) -> None:
        """What its author took back as a whole is not fetched any more."""
        statement = verified.read.statement if verified.read else None
        if not isinstance(statement, Withdraw) or not statement.entry or statement.positions:
            return
        target = ledger.entry(self.stores.ledger, HeaderHash(statement.entry))
        feed = self.trust.feeds.get(target.feed_id) if target else None
        if feed is not None and feed.member_id == verified.member_id:
            payloads.spare(self.stores.ledger, HeaderHash(statement.entry))

    def _add_payload(self, verified: Verified) -> None:
        header = verified.header
        boxed, list_id = bool(verified.box), list_of(header)
        state = state_of(header, boxed=boxed, readable=verified.readable, is_held=bool(verified.payload))
        if list_id is not None and not self.follows.fetches(verified.member_id, list_id):
            state = State.UNWANTED
        chunks = payload.chunk_count(header.payload_size)
        payloads.add(self.stores.ledger, header, state, chunks, lane=verified.lane, boxed=boxed, list_id=list_id)
        if boxed and (state != State.UNWANTED or list_id is not None):  # who follows later needs it, here or elsewhere
            self.boxes.append((header.hash, verified.box))
        if state == State.UNWANTED:
            return
        if verified.payload:
            payloads.put_chunks(self.stores.ledger, header.hash, 0, payload.chunks(verified.payload))
        if state == State.PRESENT:
            self._arrive(verified)

    def _arrive(self, verified: Verified) -> None:
        self.arrived += arrival(self.stores, verified.header, verified.lane, self.now_ms)

    def chain_ahead(self, feed_id: FeedId) -> None:
        """Headers kept above the gap, before or in this batch, that now follow the head."""
        above: dict[tuple[int, bytes], tuple[Header, int | None]] = {}
        waiting = [(row, None) for row in ledger.ahead(self.stores.ledger, feed_id)]
        pending = [(row, i) for i, (row, _, chained) in enumerate(self.rows) if not chained and row.feed_id == feed_id]
        for row, place in [*waiting, *pending]:
            header = entry.decode(row.body, row.signature, self.trust.federation_id).header
            above[header.seq, header.previous] = (header, place)
        while found := above.get((self.heads[feed_id].seq + 1, self.heads[feed_id].hash)):
            header, place = found
            if place is None:
                ledger.chain(self.stores.ledger, [header.hash])
            else:
                row, kind, _ = self.rows[place]
                self.rows[place] = (row, kind, True)
            self.heads[feed_id] = chain.head_of(header)
            self.moved.add(feed_id)

    def _has_room_ahead(self, header: Header) -> bool:
        kept = ledger.ahead(self.stores.ledger, header.feed_id)
        waiting = sum(1 for row, _, chained in self.rows if not chained and row.feed_id == header.feed_id)
        return all(row.hash != header.hash for row in kept) and len(kept) + waiting < limits.AHEAD_PER_FEED_MAX

    def _take_known(self, verified: Verified) -> None:
        header = verified.header
        if header.hash in self.seen:
            return
        ours = ledger.hash_at(self.stores.ledger, header.feed_id, header.seq)
        if ours == header.hash:
            self._supplement(verified)
        elif ours is not None:
            self._prove_fork(ours, verified)

    def _supplement(self, verified: Verified) -> None:
        """The box or the payload of an entry that is stored already."""
        header = verified.header
        if not header.has_payload or payloads.state(self.stores.ledger, header.hash) != State.MISSING:
            return
        if verified.payload:
            payloads.put_chunks(self.stores.ledger, header.hash, 0, payload.chunks(verified.payload))
        if verified.box:
            self.boxes.append((header.hash, verified.box))
            payloads.set_boxed(self.stores.ledger, header.hash)
        encoded = verified.box or payloads.box(self.stores.keys, header.hash)
        if encoded:
            held = bool(verified.payload) or payloads.is_held(self.stores.ledger, header.hash)
            self.arrived += settle(self.stores, header, encoded, held, self.trust, self.reader, self.now_ms)

    def _prove_fork(self, ours: HeaderHash, verified: Verified) -> None:
        stored = ledger.entry(self.stores.ledger, ours)
        if stored is None:
            return
        other = entry.decode(stored.body, stored.signature, self.trust.federation_id)
        signers = trusts.signers(self.trust, other, verified.entry)
        if signers is None:
            return
        proof = chain.prove_fork(other, verified.entry, signers, self.trust.federation_id)
        row = fork_row(proof)
        if ledger.keep_fork(self.stores.ledger, row):
            self.forks.append(row)
            self.trust = trusts.with_fork(self.trust, row.feed_id, row.seq)


def settle(
    stores: Stores, header: Header, encoded: bytes, is_held: bool, trust: Trust, reader: Reader, now_ms: int
) -> list[tuple[bool, HeaderHash]]:
    """Where a payload stands now that box or chunks came; its arrival, if it is readable now."""
    author = trust.feeds[header.feed_id].member_id
    key = verification.open_key(header, boxes.decode(encoded), author, trust.federation_id, reader)
    state = state_of(header, boxed=True, readable=key is not None, is_held=is_held)
    if state == State.PRESENT and payloads.is_relayed(stores.ledger, header.hash):
        state = State.SEALED  # what a peer asked for, and nobody here, is not read here
    payloads.set_state(stores.ledger, header.hash, state)
    return arrival(stores, header, payloads.lane(stores.ledger, header.hash), now_ms) if state == State.PRESENT else []


def arrival(stores: Stores, header: Header, lane: int, now_ms: int) -> list[tuple[bool, HeaderHash]]:
    """The arrival of what became readable; none where its date is ahead: then it waits, or never arrives."""
    ahead_ms = header.created_ms - now_ms
    if ahead_ms <= limits.FUTURE_MS_MAX:
        return [(lane == URGENT, header.hash)]
    if ahead_ms <= limits.FUTURE_MS_NEVER:
        due_ms = header.created_ms - limits.FUTURE_MS_MAX
        arrivals.defer(stores.ledger, header.hash, urgent=lane == URGENT, due_ms=due_ms)
    return []


def list_of(header: Header) -> ObjectId | None:
    """The list whose items an entry has, where its header says so."""
    return ObjectId(header.object_id) if header.kind == Kind.ITEMS else None


def state_of(header: Header, *, boxed: bool, readable: bool, is_held: bool) -> State:
    """Where a payload stands by what this node can and may do with it (section 6.4)."""
    if not boxed:
        return State.MISSING
    if readable:
        return State.PRESENT if is_held else State.MISSING
    if header.effective_carriage == SEALED_RELAY:
        return State.SEALED if is_held else State.MISSING
    return State.UNWANTED  # under carriage 0, a box that does not hold its key: the author's fault


def fork_row(proof: chain.ForkProof) -> ForkRow:
    """A proof as it is stored and passed on."""
    first, second = ((one.header.body, one.signature) for one in (proof.first, proof.second))
    return ForkRow(proof.feed_id, proof.seq, first, second)
