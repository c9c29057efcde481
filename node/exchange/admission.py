"""One call of ``ingest.admit``: heads as they move, rows to write. Nothing here commits."""

from dataclasses import dataclass, replace

from node import limits
from node.exchange import forks, governing, owing, verification
from node.exchange import trust as trusts
from node.exchange.trust import Trust
from node.exchange.verified import Reader, Verified, learn
from node.feed import box as boxes
from node.feed import chain, entry, kinds, payload
from node.feed.chain import Head, Place
from node.feed.entry import Entry
from node.feed.header import SEALED_RELAY, URGENT, Header
from node.feed.keys import FeedId, HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.statements import Withdraw
from node.policy.following import Follows
from node.store import arrivals, halts, ledger, payloads, relays
from node.store.halts import Halt
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
    parted: tuple[tuple[FeedId, int], ...] = ()  # forks found above where the branches part
    settled: tuple[tuple[FeedId, int], ...] = ()  # feeds of which a fork was settled, and where one is still open, or 0
    wanted: bool = False  # whether payloads are wanted again that were not
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
        self.forks: dict[FeedId, ForkRow] = {}
        self.parted: set[tuple[FeedId, int]] = set()
        self.beside: set[HeaderHash] = set()
        self.shared: set[FeedId] = set()  # of which one place may have two entries by now
        self.chained: dict[tuple[FeedId, int], Entry] = {}
        self.seen: set[HeaderHash] = set()
        self.halts: list[Halt] = []

    def take(self, verified: Verified) -> None:
        """Find the entry's place and note what to write."""
        header = verified.header
        place = chain.place(self.head(header.feed_id), header)
        if place is Place.KNOWN and header.hash in self.seen:
            return
        if self._is_stored(header.hash):  # on whatever branch it is
            self._supplement(verified)
        elif self._is_elsewhere(header):
            self.keep_beside(verified)
            self._look_below(header)
        elif place is Place.NEXT:
            self._append(verified, chained=True)
            self.chain_ahead(header.feed_id)
        elif place is Place.KNOWN:
            self._take_known(verified)
        else:
            self._note_gap(header)
            if place is Place.BROKEN:
                self.keep_beside(verified)
            elif header.is_urgent and not kinds.is_identity(header.kind) and self._has_room_ahead(header):
                self._append(verified, chained=False)
            elif self.trust.marks.is_marked(header.feed_id) and self._governs(verified):
                self._put_beside(verified)  # what is between may never come

    def prove(self, one: Entry, other: Entry) -> bool:
        """Keep the proof that two entries of one place make, where it is lower than what is known; whether it is."""
        signers = trusts.signers(self.trust, one, other)
        if signers is None or not forks.is_news(self.trust, one.header, other.header):
            return False
        row = forks.row_of(chain.prove_fork(one, other, signers, self.trust.federation_id))
        ledger.put_fork(self.stores.ledger, row)
        self.forks[row.feed_id] = row
        parts = forks.parts(one.header, other.header)
        self.trust = trusts.with_fork(self.trust, row.feed_id, row.seq, parts=parts)
        if row.feed_id not in self.trust.feeds:  # what an identity log named at or above its fork is open again
            self.shared |= set(self.trust.feeds_of(MemberId(bytes(row.feed_id))))
        return True

    def prove_held(self) -> None:
        """Keep the proof of forks of which both entries are here, and neither came where it was compared."""
        logs = {feed_id for feed_id in self.shared if feed_id not in self.trust.feeds}
        for feed_id in (*sorted(logs), *sorted(self.shared - logs)):
            for one, other in forks.held(self.stores, self.trust, feed_id):
                if self.prove(one, other):
                    break

    def _is_stored(self, hash_: HeaderHash) -> bool:
        return hash_ in self.seen or bool(ledger.held(self.stores.ledger, [hash_]))

    def _is_elsewhere(self, header: Header) -> bool:
        """Whether an entry is on another branch than the chain, by what its root named or by what it follows."""
        if not self.trust.marks.is_marked(header.feed_id):
            return False
        if self.trust.marks.named_at(header.feed_id).get(header.seq, header.hash) != header.hash:
            return True
        previous = HeaderHash(header.previous)
        if previous in self.beside or ledger.is_beside(self.stores.ledger, previous):
            return True
        forked = self.trust.marks.forked_at(header.feed_id)  # of an identity log nobody says which branch stands
        return kinds.is_identity(header.kind) and forked is not None and header.seq >= forked

    def _note_gap(self, header: Header) -> None:
        """What is missing below is asked for; above a fork that nobody settled, nothing is."""
        head, forked = self.head(header.feed_id), self.trust.marks.forked_at(header.feed_id)
        if forked is None or (head.seq if head else 0) < forked - 1:
            self.gaps.add(Gap(header.feed_id, header.seq - 1, HeaderHash(header.previous)))

    def _look_below(self, header: Header) -> None:
        """What is beside may have parted from the chain above the place that was named: then that is a fork."""
        if self.trust.marks.forked_at(header.feed_id) is None:
            below = forks.unclear_from(self.stores, self.trust, header)
            self.parted |= {(header.feed_id, below)} if below else set()

    def keep_beside(self, verified: Verified, *, proves: bool = False) -> None:
        """Of another branch what proves the fork is kept, what is urgent, as far as there is room, and what governs."""
        if self._is_stored(verified.header.hash):
            return
        if self._has_room_beside(verified, proves=proves) or self._governs(verified):
            self._put_beside(verified)

    def _put_beside(self, verified: Verified) -> None:
        self.beside.add(verified.header.hash)
        self._append(verified, chained=False)

    def _has_room_beside(self, verified: Verified, *, proves: bool) -> bool:
        room = limits.AHEAD_PER_FEED_MAX * (2 if proves else 1)  # what floods it keeps no proof out
        is_wanted = proves or verified.header.is_urgent
        return is_wanted and self._count_beside(verified.header.feed_id, governing=False) < room

    def _governs(self, verified: Verified) -> bool:
        """Whether it decides with others who is known: all have to hold it, on whichever branch they are."""
        voice = governing.voice(self.trust, verified.member_id, verified.header, verified.read)
        if voice is None or voice.is_heard:
            return False
        beside = self._count_beside(verified.header.feed_id, governing=True)
        return voice.has_company or beside < governing.ALONE_PER_FEED_MAX

    def _count_beside(self, feed_id: FeedId, *, governing: bool) -> int:
        waiting = sum(
            1
            for row, kind, _ in self.rows
            if row.hash in self.beside and row.feed_id == feed_id and (kind in ledger.GOVERNING) is governing
        )
        return waiting + ledger.beside_count(self.stores.ledger, feed_id, governing=governing)

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
        self.shared |= set() if chained else {header.feed_id}
        if chained:
            self.heads[header.feed_id] = chain.head_of(header)
            self.moved.add(header.feed_id)
            self.chained[header.feed_id, header.seq] = verified.entry
        self.trust = learn(self.trust, verified)
        self.entries.append(verified)
        self._note_halt(header)
        if header.has_payload:
            self._add_payload(verified)
        else:
            self._spare_withdrawn(verified)
            owing.note(self.stores, verified, self.reader, self.trust, self.now_ms)
            self._arrive(verified)

    def _note_halt(self, header: Header) -> None:
        """What is critical and not known halts its object from the header on, whether or not it can ever be read."""
        is_shown = bool(header.object_id) and not kinds.is_identity(header.kind)
        if is_shown and kinds.is_halting(header.kind) and header.created_ms <= self.now_ms + limits.FUTURE_MS_NEVER:
            self.halts.append(halts.of(header))

    def _spare_withdrawn(self, verified: Verified) -> None:
        """What its author took back as a whole is not fetched any more."""
        statement = verified.read.statement if verified.read else None
        if not isinstance(statement, Withdraw) or not statement.entry or statement.positions:
            return
        target = ledger.entry(self.stores.ledger, HeaderHash(statement.entry))
        feed = self.trust.feeds.get(target.feed_id) if target else None
        if self.trust.marks.is_marked(verified.header.feed_id):
            return  # it may not stand
        if feed is not None and feed.member_id == verified.member_id:
            payloads.spare(self.stores.ledger, HeaderHash(statement.entry))

    def _add_payload(self, verified: Verified) -> None:
        header, verified = verified.header, self._without_what_is_over(verified)
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
            owing.note_opened(self.stores, header, verified.member_id, self.reader.member_id, self.now_ms)
            owing.note_told(self.stores, verified, self.trust, self.reader)
            self._arrive(verified)

    def _arrive(self, verified: Verified) -> None:
        self.arrived += arrival(self.stores, verified.header, verified.lane, self.now_ms)

    def chain_ahead(self, feed_id: FeedId) -> None:
        """Headers kept above the gap, before or in this batch, that now follow the head."""
        above: dict[tuple[int, bytes], tuple[Header, int | None]] = {}
        waiting = [(row, None) for row in ledger.ahead(self.stores.ledger, feed_id, self.heads[feed_id].seq - 1)]
        self.shared |= {feed_id} if waiting else set()
        pending = [
            (row, i)
            for i, (row, _, chained) in enumerate(self.rows)
            if not chained and row.feed_id == feed_id and row.hash not in self.beside
        ]
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
        waiting = sum(
            1
            for row, _, chained in self.rows
            if not chained and row.feed_id == header.feed_id and row.hash not in self.beside
        )
        return all(row.hash != header.hash for row in kept) and len(kept) + waiting < limits.AHEAD_PER_FEED_MAX

    def _take_known(self, verified: Verified) -> None:
        header = verified.header
        ours = self._entry_at(header.feed_id, header.seq)
        if ours is None:
            return
        self.keep_beside(verified, proves=self.prove(ours, verified.entry))
        forked = self.trust.marks.forked_at(header.feed_id)
        if not forks.parts(ours.header, header) and (forked is None or header.seq <= forked):
            self.parted.add((header.feed_id, header.seq))

    def _entry_at(self, feed_id: FeedId, seq: int) -> Entry | None:
        """What stands in a place of the chain, in the store or in this batch."""
        if (feed_id, seq) in self.chained:
            return self.chained[feed_id, seq]
        hash_ = ledger.hash_at(self.stores.ledger, feed_id, seq)
        row = ledger.entry(self.stores.ledger, hash_) if hash_ else None
        return entry.decode(row.body, row.signature, self.trust.federation_id) if row else None

    def _without_what_is_over(self, verified: Verified) -> Verified:
        """Who comes late with old payloads brings none back: past its end nothing is kept but the header."""
        return replace(verified, box=b"", payload=b"") if verified.header.expires_ms <= self.now_ms else verified

    def _supplement(self, verified: Verified) -> None:
        """The box or the payload of an entry that is stored already."""
        header, verified = verified.header, self._without_what_is_over(verified)
        if not header.has_payload or payloads.state(self.stores.ledger, header.hash) != State.MISSING:
            return
        if verified.payload:
            payloads.put_chunks(self.stores.ledger, header.hash, 0, payload.chunks(verified.payload))
        if verified.box:
            self.boxes.append((header.hash, verified.box))
            payloads.set_boxed(self.stores.ledger, header.hash)
        encoded = verified.box or payloads.box(self.stores.keys, header.hash)
        if encoded:
            readable = verified.readable if verified.box else opens(header, encoded, self.trust, self.reader)
            held = bool(verified.payload) or payloads.is_held(self.stores.ledger, header.hash)
            self.arrived += settle(self.stores, header, readable, held, self.trust, self.reader, self.now_ms)


def opens(header: Header, encoded: bytes, trust: Trust, reader: Reader) -> bool:
    """Whether a box is for this node: as many wraps are tried as it has."""
    author = trust.feeds[header.feed_id].member_id
    return verification.open_key(header, boxes.decode(encoded), author, trust.federation_id, reader) is not None


def settle(
    stores: Stores, header: Header, readable: bool, is_held: bool, trust: Trust, reader: Reader, now_ms: int
) -> list[tuple[bool, HeaderHash]]:
    """Where a payload stands now that its box is here, or chunks came; its arrival, if it can be read now."""
    author = trust.feeds[header.feed_id].member_id
    state = state_of(header, boxed=True, readable=readable, is_held=is_held)
    if state == State.PRESENT and relays.is_relayed(stores.ledger, header.hash):
        state = State.SEALED  # what a peer asked for, and nobody here, is not read here
    payloads.set_state(stores.ledger, header.hash, state)
    if state == State.PRESENT:
        owing.note_opened(stores, header, author, reader.member_id, now_ms)
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
