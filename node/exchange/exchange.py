"""Everything one node holds, and the few things that can be done to it. Owned by one writer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from node.errors import Malformed, Refused
from node.exchange import (
    admission,
    disclose,
    documents,
    echo,
    erase,
    following,
    ignoring,
    ingest,
    keeping,
    project,
    publish,
    restored,
    signing,
    sparing,
    standing,
    succession,
    tallies,
    verification,
    watch,
)
from node.exchange import trust as trusts
from node.exchange.admission import Admitted
from node.exchange.keeping import Keep
from node.exchange.outgoing import Outgoing
from node.exchange.project import Into
from node.exchange.publish import Author, Draft
from node.exchange.residue import Residue
from node.exchange.restored import Restored
from node.exchange.signing import Signing
from node.exchange.tallies import Tallies
from node.exchange.trust import Trust
from node.exchange.verified import Checked
from node.feed import entry
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.policy import retention
from node.policy.following import Choice, Follows
from node.policy.ignoring import Ignored, Ignores
from node.policy.retention import Policy
from node.protocol.effects import Asked
from node.store import arrivals, deadlines, deliveries, duties, ledger, payloads, peers
from node.store.arrivals import Cursor
from node.store.erasures import Erasure, Erasures
from node.store.payloads import State
from node.store.peers import Peer
from node.store.restrictions import Replacement
from node.store.stores import Stores
from node.v1 import header_pb2, peer_pb2


class Exchange(Outgoing):
    """The stores, what is trusted, and who signs here."""

    def __init__(
        self,
        stores: Stores,
        trust: Trust,
        author: Author,
        erasures: Erasures,
        *,
        follow_all: bool = True,
        policy: Policy = retention.AS_AUTHORED,
    ) -> None:
        super().__init__(stores, trust, author)
        self.erasures = erasures
        self.policy = policy
        self.follows = Follows(author.reader.member_id, everything=follow_all)
        self.ignores = Ignores()
        self.signing = Signing()
        self.residue = Residue(stores)
        self.restored = Restored()
        self.acts: Tallies | None = None  # where an audit log is kept
        self._signed_unstored = False

    # ---- In

    def start(self, now_ms: int) -> None:
        """Before anyone is let in: read the governance, mend what the last stop left half done."""
        self.stores.rollback()
        self.residue.mend()
        self.trust = ingest.load(self.stores, self.trust, self.reader.member_id)
        self.trust_after(publish.recover(self.stores, self.author, self.trust, now_ms))
        self.restored = restored.begin(self.stores, self.erasures, restored.load(self.stores), self.trust, now_ms)
        self.trust = ingest.mend(self.stores, self.trust, self.reader, now_ms)
        self.trust = standing.weighed(self.stores, self.trust, trusts.begin(self.trust.charter))  # by what was mended
        self.follows = following.load(self.stores, self.trust, self.reader, self.follows, now_ms)
        self.ignores = ignoring.load(self.stores)
        sparing.want_again(self.stores, self.trust, self.follows)  # a stop may have come before it was
        self.stores.commit("ledger")
        project.mend(self.stores, self.trust, self.reader)
        self.aside.start()
        if erase.is_unfinished(self.stores, self.erasures):
            self.residue.note()
        erase.apply(self.stores, self.erasures, self.keep, self.reader, self.author.randomness)
        keeping.remember(self.stores, self.policy)
        while self.project():
            pass
        self.load_documents()
        self.begin_signing(now_ms)

    @property
    def keep(self) -> Keep:
        """By what it is decided until when records are kept."""
        return Keep(self.policy, self.reader.member_id, self.trust)

    def begin_signing(self, now_ms: int) -> None:
        """Nothing is signed before peers have shown what they hold of ours."""
        author, approved = self.author, signing.approved(self.stores, self.trust, now_ms)
        looking = watch.start(self.stores, now_ms, has_peers=bool(approved))
        signed, me = author.journal.lines(), self.reader.member_id
        self.signing = signing.begin(
            self.stores, me, author.feed_id, signed, self.trust, looking, approved, in_place=author.in_place
        )

    def unseen(self, letters: Sequence[header_pb2.SignedEntry]) -> list[header_pb2.SignedEntry]:
        """What of a frame is news."""
        return ingest.unseen(self.stores, letters, self.trust.federation_id)

    def worth_checking(
        self, letters: Sequence[header_pb2.SignedEntry], asked: Asked, now_ms: int
    ) -> tuple[list[header_pb2.SignedEntry], frozenset[HeaderHash]]:
        """What of a frame is news, and within its author's quota or asked for; and what is beyond."""
        held = partial(ledger.held, self.stores.ledger)
        return self.budgets.affordable(self.unseen(letters), asked, held, now_ms)

    def verify(self, letters: Sequence[header_pb2.SignedEntry]) -> Checked:
        """The pure half; may run in another thread."""
        return verification.verify(letters, self.trust, self.reader)

    def rule(self, checked: Checked, asked: Asked, now_ms: int) -> tuple[Checked, frozenset[HeaderHash]]:
        """What comes in of these, each in its lane; and what does not, because its author has nothing left."""
        return self.budgets.rule(checked, asked, now_ms)

    def admit(self, checked: Checked, now_ms: int, source: MemberId | None = None) -> Admitted:
        """The durable half. ``source``: the peer it came from."""
        self._meet(one.entry for one in checked.entries)
        checked = restored.without_older(checked, self.restored)
        admitted = ingest.admit(self.stores, checked, self.trust, self.reader, now_ms, self.follows, source)
        admitted = self._trust_again(admitted)
        self.signing = self.signing.leave(self.trust, self.reader.member_id, self.author.feed_id)
        self._keep_erased([one.header.hash for one in checked.entries if one.header.has_payload])
        restored.keep_back(self.stores, self.erasures, self.restored, checked.entries, now_ms)
        self._spare(admitted, now_ms)
        self._note_received([one.header for one in admitted.entries if one.payload and source], now_ms)
        if self.aside.vouch(admitted.heads, source):
            return replace(admitted, arrived=frozenset({True, False}))
        return admitted

    def publish(self, drafts: Sequence[Draft], now_ms: int, *, unconfirmed: bool = False) -> Admitted:
        """Say something of our own; durable when it returns. Raises Refused where nothing may be signed now."""
        if self._signed_unstored:  # a place that is signed is never signed again
            self.trust_after(publish.recover(self.stores, self.author, self.trust, now_ms))
        self._signed_unstored = True
        admitted = publish.publish(
            self.stores, drafts, self.author, self.trust, self.signing, now_ms, unconfirmed=unconfirmed
        )
        self._signed_unstored = False
        admitted = self.trust_after(admitted)
        self.budgets.published(admitted.entries, now_ms)
        if self.acts is not None:
            for one in admitted.entries:
                if one.header.has_payload:
                    tallies.published(self.acts, one.header, now_ms)
        return admitted

    def succession(self) -> list[Draft]:
        """What is still to be said about the feeds that this node had before its present one."""
        return succession.drafts(self.stores, self.trust, self.author)

    def take_fork(self, letter: header_pb2.ForkProof, now_ms: int) -> Admitted:
        """A proof from a peer, and what it brings; raises PeerFault."""
        choose = partial(self.budgets.next_proof, now_ms=now_ms)
        admitted = self._trust_again(ingest.take_fork(self.stores, letter, self.trust, self.reader, now_ms, choose))
        federation_id = self.trust.federation_id
        shown = (entry.decode(one.header, one.signature, federation_id) for one in (letter.first, letter.second))
        self._end_if_unsigned([one for one in shown if one.header.feed_id == self.author.feed_id])
        return admitted

    def echo(self, member_id: MemberId) -> peer_pb2.Echo:
        """What is here of a member's own feeds, for that member."""
        return echo.make(self.stores, self.trust, member_id)

    def take_echo(self, peer: MemberId, shown: peer_pb2.Echo) -> None:
        """What a peer holds of our feeds; raises PeerFault for what is not ours."""
        self._meet(echo.read(shown.entries, self.trust, self.reader))
        self.signing = self.signing.echo(peer)

    def _meet(self, shown: Iterable[Entry]) -> None:
        """Entries that came from elsewhere: one of our own feed that was not signed here ends it."""
        own = [one for one in shown if one.header.feed_id == self.author.feed_id]
        held = ledger.held(self.stores.ledger, [one.header.hash for one in own])
        self._end_if_unsigned([one for one in own if one.header.hash not in held])

    def _end_if_unsigned(self, own: Sequence[Entry]) -> None:
        foreign = signing.unsigned(own, self.author.journal.lines()) if own else None
        if foreign is not None:
            self.signing = self.signing.end(foreign)
            echo.keep(self.stores, foreign, self.trust.federation_id)

    def look(self, now_s: float, now_ms: int, ahead_ms: int | None = None) -> None:
        """Look at the clocks; ``ahead_ms`` is of the peers', by the median, if any is known."""
        before = self.signing.watch
        seen = watch.note(self.stores, before, watch.look(before, now_s, now_ms, ahead_ms))
        self.signing = replace(self.signing, watch=seen)

    def confirm_clock(self, now_s: float, now_ms: int) -> str:
        """The administrator says that the clock is right; what was doubted, if anything."""
        doubted = self.signing.watch.suspicion
        self.signing = replace(self.signing, watch=watch.confirm(self.stores, self.signing.watch, now_s, now_ms))
        return doubted

    def keep_chunk(self, chunk: peer_pb2.Chunk, now_ms: int) -> bool:
        """Store a chunk of a wanted payload; whether it is whole now. Raises PeerFault for a wrong one."""
        hash_ = HeaderHash(chunk.entry)
        row = ledger.entry(self.stores.ledger, hash_)
        if row is None or payloads.state(self.stores.ledger, hash_) != State.MISSING:
            return True
        header = entry.decode(row.body, row.signature, self.trust.federation_id).header
        if header.expires_ms <= now_ms:
            return True  # it was under way when its time was over
        if not disclose.is_chunk_of(header, chunk):
            raise Malformed("payload-root", "the chunk is not part of the payload the header names")
        payloads.put_chunks(self.stores.ledger, hash_, chunk.number, [chunk.data])
        if feed := self.trust.feeds.get(row.feed_id):
            self.budgets.fetched_bytes(feed.member_id, len(chunk.data), now_ms, exercise=header.exercise)
        complete = payloads.is_held(self.stores.ledger, hash_)
        encoded = payloads.box(self.stores.keys, hash_)
        if complete and encoded:
            readable = admission.opens(header, encoded, self.trust, self.reader)
            arrived = admission.settle(self.stores, header, readable, True, self.trust, self.reader, now_ms)
            arrivals.add(self.stores.ledger, arrived)
        self.stores.commit("ledger")
        if complete:
            self._keep_erased([hash_])
            self._note_received([header], now_ms)
        return complete

    def choose(self, member_id: MemberId, object_id: ObjectId, choice: Choice | None, now_ms: int) -> None:
        """Keep a decision about a list, or forget it, and want its records or not any more."""
        about = member_id, object_id
        self.follows = following.choose(self.stores, self.trust, self.reader, self.follows, about, choice, now_ms)

    def ignore(self, one: Ignored, now_ms: int) -> Ignored:
        """Keep a decision, in the place of an earlier one about the same; raises Refused where there are too many."""
        self.ignores, kept = ignoring.add(self.stores, self.ignores, one, now_ms)
        return kept

    def end_ignoring(self, found: Sequence[Ignored]) -> None:
        """Forget decisions, with the values that they are about."""
        self.residue.note()
        self.ignores = ignoring.end(self.stores, self.ignores, found)

    def let_go(self, hashes: Sequence[HeaderHash], now_ms: int) -> None:
        """Records of lists that have left the index are not kept, unless they are followed again by now."""
        following.let_go(self.stores, self.trust, self.follows, hashes, now_ms)

    def change_policy(self, policy: Policy, now_ms: int) -> None:
        """Keep records by this policy from now on; until when, is decided anew by and by."""
        counts = self.policy.counts_from_creation or policy.counts_from_creation
        self.policy = policy
        keeping.remember(self.stores, self.policy)
        if counts:
            following.spare_over(self.stores, self.keep, self.follows, now_ms)

    def spare(self, replacements: Sequence[Replacement]) -> None:
        """Records of the same list took the place of others, which are not fetched any more."""
        for one in replacements:
            row = ledger.entry(self.stores.ledger, one.target)
            feed = self.trust.feeds.get(row.feed_id) if row else None
            if feed is not None and feed.member_id == one.member_id:  # nobody speaks for another's records
                payloads.spare(self.stores.ledger, one.target, one.object_id)
        self.stores.commit("ledger")

    def load_documents(self) -> None:
        """Find the texts that amendments name, where nobody else writes the index."""
        self.trust = documents.load(self.stores, self.trust)

    def keep_documents(self, texts: Sequence[bytes]) -> None:
        """Texts that amendments name have been found."""
        self.trust = documents.keep(self.stores, self.trust, texts)

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
        self.residue.note()

    def finish_erasing(self, found: Sequence[Erasure]) -> None:
        """Let go what has left the index."""
        erase.drop_whole(self.stores, {one.entry: one.reason for one in found if not one.positions})
        parts: dict[HeaderHash, int] = {}
        for one in found:
            self.forget_served(one.entry)
            if one.positions:
                parts[one.entry] = parts.get(one.entry, 0) | int.from_bytes(one.positions, "little")
        self._drop_parts(parts)
        if self.acts is not None:
            tallies.erased(self.acts, found)

    def carry_out(self, hashes: Sequence[HeaderHash], now_ms: int) -> None:
        """Of what these withdrawals take back nothing is here any more."""
        duties.set_erased(self.stores.ledger, hashes, now_ms)
        self.stores.commit("ledger")

    def tidy_duties(self, owed_ms: int, told_ms: int, lasts_ms: int) -> None:
        """Nobody waits any more for answers to what came before that, or to hear that it came, or of what is over."""
        dropped = duties.drop_before(self.stores.ledger, owed_ms)
        if deliveries.drop_before(self.stores.ledger, told_ms, lasts_ms) or dropped:
            self.stores.commit("ledger")

    def project(self) -> bool:
        """One step of the projection; whether there may be more."""
        return project.advance(self.stores, self._into)

    def rebuild(self) -> None:
        """Make index and digests anew."""
        project.rebuild(self.stores, self._into)

    # ---- Inside

    @property
    def _into(self) -> Into:
        return Into.now(self.keep, self.reader, self.follows, self.erasures)

    def _trust_again(self, admitted: Admitted) -> Admitted:
        """With what came in; where that marks feeds, what was taken back in them may be wanted again."""
        before, admitted = self.trust.marks, self.trust_after(admitted)
        if self.trust.marks is before or not sparing.want_again(self.stores, self.trust, self.follows):
            return admitted
        self.stores.commit("ledger")
        return replace(admitted, wanted=True)

    def _spare(self, admitted: Admitted, now_ms: int) -> None:
        """What would be over at once is not fetched at all."""
        if not self.policy.counts_from_creation:
            return
        waiting = (one.header for one in admitted.entries if one.header.has_payload and not one.payload)
        over = [one.hash for one in waiting if keeping.is_over_by_header(self.keep, one, now_ms, now_ms)]
        if over:
            deadlines.spare(self.stores.ledger, over)
            self.stores.commit("ledger")

    def _note_received(self, headers: Sequence[Header], now_ms: int) -> None:
        for header in headers if self.acts is not None else ():
            author = self.trust.author(header.feed_id)
            if author is not None and self.acts is not None:
                tallies.received(self.acts, header, tallies.member(self.trust.name_of(author), author), now_ms)

    def _keep_erased(self, hashes: Sequence[HeaderHash]) -> None:
        """What was erased here before, and came again from a peer or out of a copy, goes again."""
        whole, parts = self.erasures.whole, self.erasures.parts
        again = {hash_: reason for hash_ in hashes if (reason := whole.get(hash_))}
        thinner = {hash_: gone for hash_ in hashes if (gone := parts.get(hash_))}
        if again or thinner:
            self.residue.note()
        if again:
            erase.drop_whole(self.stores, again)
        self._drop_parts(thinner)

    def _drop_parts(self, parts: Mapping[HeaderHash, int]) -> None:
        if parts:
            erase.drop_parts(self.stores, parts, self.trust, self.reader, self.author.randomness)
