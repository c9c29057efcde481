"""The durable half of the door in: ``admit`` is the only caller of the ledger's append.

A missing predecessor and a date in the future are nobody's fault: they are fetched, or wait.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from node.exchange import admission, disclose, forks, verification
from node.exchange import trust as trusts
from node.exchange.admission import Admission, Admitted
from node.exchange.trust import Trust
from node.exchange.verified import Checked, Reader, Verified, learn
from node.feed import chain, entry, kinds, statements
from node.feed.chain import ForkProof
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.policy.following import Follows
from node.store import arrivals, halts, ledger, payloads
from node.store.ledger import Row
from node.store.payloads import State
from node.store.stores import Stores
from node.v1 import header_pb2

Choose = Callable[[ForkProof], ForkProof | None]  # the proof of its feed to take in now


def unseen(
    stores: Stores, letters: Sequence[header_pb2.SignedEntry], federation_id: FederationId
) -> list[header_pb2.SignedEntry]:
    """The entries that are not stored, or that bring a box or payload that is missing.

    A box that is here already is none: whether it opens was tried once, with a thousand wraps if it has so many.
    """
    hashes = [verification.header_hash(letter, federation_id) for letter in letters]
    held = ledger.held(stores.ledger, sorted(set(hashes)))
    return [
        letter
        for letter, hash_ in zip(letters, hashes, strict=True)
        if hash_ not in held or _completes(stores, letter, hash_)
    ]


def _completes(stores: Stores, letter: header_pb2.SignedEntry, hash_: HeaderHash) -> bool:
    if not (letter.box or letter.payload) or payloads.state(stores.ledger, hash_) != State.MISSING:
        return False
    return bool(letter.payload) or not payloads.is_boxed(stores.ledger, hash_)


def admit(
    stores: Stores,
    checked: Checked,
    trust: Trust,
    reader: Reader,
    now_ms: int,
    follows: Follows | None = None,
    source: MemberId | None = None,
) -> Admitted:
    """Store what follows its feed, keys before ledger, each in one commit. ``source``: the peer it came from.

    Without decisions about lists all of them are wanted. A crash between the two commits leaves
    boxes without headers; the start removes them.
    """
    work = Admission(stores, trust, reader, follows or Follows(reader.member_id), now_ms)
    for verified in checked.entries:
        work.take(verified)
    return _store(work, trust, source)


def _store(work: Admission, before: Trust, source: MemberId | None = None) -> Admitted:
    """Keys before ledger; which branch of a fork is the chain changes in the commit that learns it."""
    stores = work.stores
    payloads.put_boxes(stores.keys, work.boxes)
    stores.commit("keys")
    ledger.append(stores.ledger, work.rows, source)
    halts.add(stores.ledger, work.halts)
    ledger.put_beside(stores.ledger, sorted(work.beside))
    ledger.set_heads(stores.ledger, (work.heads[feed] for feed in sorted(work.moved)))
    newly = {bound.feed_id for bound in work.trust.marks.settled ^ before.marks.settled}
    _settle(work, newly | {bound.feed_id for bound in work.trust.marks.settled if bound.feed_id in work.moved})
    newly |= {bound.feed_id for bound in work.trust.marks.settled ^ before.marks.settled}
    arrivals.add(stores.ledger, work.arrived)
    stores.commit("ledger")
    return Admitted(
        heads=tuple(work.heads[feed] for feed in sorted(work.moved)),
        entries=tuple(work.entries),
        gaps=tuple(sorted(work.gaps, key=lambda gap: (gap.feed_id, gap.seq))),
        forks=tuple(work.forks[feed] for feed in sorted(work.forks)),
        parted=tuple(sorted(work.parted)),
        settled=tuple((feed, work.trust.marks.forked_at(feed) or 0) for feed in sorted(newly)),
        arrived=frozenset(urgent for urgent, _ in work.arrived),
        trust=work.trust,
    )


def _settle(work: Admission, settled: AbstractSet[FeedId]) -> None:
    """Make the branches that were named the chains; what is left of others may prove that a named one parts above."""
    for feed_id in sorted(settled):
        head = forks.settle(work.stores, work.trust, feed_id)
        if head is not None:
            work.heads[feed_id] = head
            work.moved.add(feed_id)
    work.shared |= settled
    for feed_id in sorted(work.shared & work.heads.keys()):
        ledger.pass_by(work.stores.ledger, feed_id, work.heads[feed_id].seq)
    work.prove_held()
    for feed_id in sorted(settled):
        forks.set_aside(work.stores, work.trust, feed_id)


def take_fork(
    stores: Stores, letter: header_pb2.ForkProof, trust: Trust, reader: Reader, now_ms: int, choose: Choose
) -> Admitted:
    """Take a proof from a peer, and both of its entries; raises PeerFault where it proves nothing.

    One of a feed that is not known here proves nothing yet, and what is beyond its author's quota waits: peers send
    it again when they compare heads.
    """
    shown = (letter.first, letter.second)
    one, other = (entry.decode(each.header, each.signature, trust.federation_id) for each in shown)
    signers = trusts.signers(trust, one, other)
    if signers is None:
        return Admitted(trust)
    proof = choose(chain.prove_fork(one, other, signers, trust.federation_id))
    work = Admission(stores, trust, reader, Follows(reader.member_id), now_ms)
    if proof is None or not work.prove(proof.first, proof.second):
        return Admitted(trust)
    proving, head = disclose.fork(forks.row_of(proof)), work.head(proof.feed_id)
    is_near = proof.seq <= (head.seq if head else 0) + 1  # there is no end of places above it, and little room
    for verified in verification.verify((proving.first, proving.second), trust, reader).entries:
        work.keep_beside(verified, proves=is_near)
    return _store(work, trust)


def load(stores: Stores, trust: Trust, me: MemberId | None = None) -> Trust:
    """Everything the ledger's governance amounts to, whatever the order in which it is read.

    A member that others let in says things that are read before what let it in: so again and again
    over what is left, until nothing more is learnt.
    """
    waiting = ledger.statements(stores.ledger)
    while waiting:
        left = []
        for row in waiting:
            verified = _stored(row, trust, me)
            if verified is None:
                left.append(row)
            else:
                trust = learn(trust, verified)
        if len(left) == len(waiting):
            break
        waiting = left
    for fork in ledger.forks(stores.ledger):
        one, other = forks.entries_of(fork, trust.federation_id)
        parts = forks.parts(one.header, other.header)
        trust = trusts.with_fork(trust, fork.feed_id, fork.seq, parts=parts)
    return trust


def _stored(row: Row, trust: Trust, me: MemberId | None) -> Verified | None:
    """A statement that was verified before it was stored; None where its author is not known yet."""
    one = entry.decode(row.body, row.signature, trust.federation_id)
    author = MemberId(bytes(row.feed_id))
    if not kinds.is_identity(one.header.kind):
        found = trusts.feed_key(trust, one.header, statements.read(one.header), me)
        if found is None:
            return None
        author = found[0]
    elif author not in trust.logs and (one.header.kind != Kind.ACCEPT or not trust.admits_log(author)):
        return None
    return Verified(one, author, statements.read(one.header), b"", b"", readable=False)


def mend(stores: Stores, trust: Trust, reader: Reader, now_ms: int) -> Trust:
    """At the start: chain what was kept above a gap that is closed by now or was named, settle what is whole.

    What is trusted then: two entries of one place, of which an earlier version had seen no fork, prove it.
    """
    work = Admission(stores, trust, reader, Follows(reader.member_id), now_ms)
    for feed_id in ledger.feeds_ahead(stores.ledger):
        work.shared.add(feed_id)
        if work.head(feed_id) is not None:
            work.chain_ahead(feed_id)
            ledger.set_heads(stores.ledger, [work.heads[feed_id]])
    _settle(work, {bound.feed_id for bound in trust.marks.settled})
    settle_whole(stores, work.trust, reader, now_ms)
    stores.commit("ledger")
    return work.trust


def settle_whole(stores: Stores, trust: Trust, reader: Reader, now_ms: int) -> None:
    """Give what is here whole, and still counts as missing, its state; the caller commits."""
    for hash_ in payloads.unsettled(stores.ledger):
        row, encoded = ledger.entry(stores.ledger, hash_), payloads.box(stores.keys, hash_)
        if row and encoded:
            header = entry.decode(row.body, row.signature, trust.federation_id).header
            readable = admission.opens(header, encoded, trust, reader)
            arrivals.add(stores.ledger, admission.settle(stores, header, readable, True, trust, reader, now_ms))
