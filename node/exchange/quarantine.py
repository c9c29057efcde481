"""Quarantine: what came only from one peer is set aside: not matched, shown, served or relayed. Nothing is erased.

It is always the end of a feed: whoever brings an entry vouches for all before it.
"""

from collections.abc import Collection, Mapping, Sequence

from node import limits
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.store import index, ledger, peers, quarantine
from node.store.peers import Peer
from node.store.stores import Stores


class Aside:
    """What is set aside in one node's stores. Owned by their writer."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._first: Mapping[FeedId, int] = {}  # of each feed that has some, the lowest entry that is set aside

    def start(self) -> None:
        """Look what is set aside, and hide of it what the last stop left in sight."""
        self._first = quarantine.first(self._stores.ledger)
        if self._first:
            hide(self._stores, quarantine.hashes(self._stores.ledger))

    # ---- The administrator's decisions

    def feeds_from(self, member_id: MemberId) -> list[FeedId]:
        """Feeds of which this peer brought something that nobody else has brought yet."""
        return list(quarantine.vouched(self._stores.ledger, member_id))

    def set_aside(
        self, peer: Peer, held: Mapping[FeedId, int], own: Collection[FeedId]
    ) -> tuple[list[HeaderHash], list[Head]]:
        """What only this peer brought does not count any more; which entries, and the heads that are told now.

        ``held``: how far others hold what it brought.
        """
        before, connection = set(quarantine.hashes(self._stores.ledger)), self._stores.ledger
        through = quarantine.vouched(connection, peer.member_id)
        through = {feed_id: max(seq, held.get(feed_id, 0)) for feed_id, seq in through.items()}
        quarantine.vouch(connection, through | dict.fromkeys(own, limits.SEQ_MAX))
        peers.put(connection, peer)
        self._stores.commit("ledger")
        return [hash_ for hash_ in quarantine.hashes(connection) if hash_ not in before], self._look_again()

    def release(self, peer: Peer) -> tuple[list[HeaderHash], list[Head]]:
        """The peer is not quarantined any more; which entries count again, and the heads that are told now."""
        before = quarantine.hashes(self._stores.ledger)
        peers.put(self._stores.ledger, peer)
        return self._let_arrive(before), self._look_again()

    # ---- What others bring

    def vouch(self, heads: Sequence[Head], voucher: MemberId | None) -> bool:
        """A peer brought these feeds up to here; whether something counts again for it."""
        through = {head.feed_id: head.seq for head in heads if head.feed_id in self._first}
        if not through or voucher is None:
            return False
        before = quarantine.hashes(self._stores.ledger)
        quarantine.vouch(self._stores.ledger, through, voucher)
        released = self._let_arrive(before)
        self._look_again()
        return bool(released)

    def note_offers(self, offers: Sequence[tuple[HeaderHash, MemberId]]) -> list[Head]:
        """Peers offered what is stored: it did not come only from its first source. Heads that may be told for it."""
        before = quarantine.hashes(self._stores.ledger) if self._first else []
        quarantine.offer(self._stores.ledger, offers)
        for hash_, voucher in offers if self._first else ():
            row = ledger.entry(self._stores.ledger, hash_)
            if row is not None and row.feed_id in self._first:
                quarantine.vouch(self._stores.ledger, {row.feed_id: row.seq}, voucher)
        return self._look_again() if self._let_arrive(before) else []

    def _let_arrive(self, before: Sequence[HeaderHash]) -> list[HeaderHash]:
        still = set(quarantine.hashes(self._stores.ledger)) if before else set()
        released = [hash_ for hash_ in before if hash_ not in still]
        quarantine.arrive_again(self._stores.ledger, released)
        self._stores.commit("ledger")
        return released

    def _look_again(self) -> list[Head]:
        before, self._first = self._first, quarantine.first(self._stores.ledger)
        return self._heads(before.keys() | self._first.keys())

    # ---- What is told and served

    def below(self, feed_id: FeedId) -> int:
        """The last entry of a feed that is served, where some of it is set aside."""
        return self._first.get(feed_id, limits.SEQ_MAX) - 1

    def has(self, hash_: HeaderHash) -> bool:
        """Whether this entry is set aside, or stands behind one that is."""
        row = ledger.entry(self._stores.ledger, hash_) if self._first else None
        return row is not None and row.seq > self.below(row.feed_id)

    def heads(self) -> list[Head]:
        """All feeds, as far as peers are told of them."""
        held = {head.feed_id: head for head in ledger.heads(self._stores.ledger)}
        held |= {head.feed_id: head for head in self._heads(self._first.keys())}
        return [head for head in held.values() if head.seq]

    def _heads(self, feeds: Collection[FeedId]) -> list[Head]:
        """How far these feeds are told to peers: below what is set aside; 0 where that is all."""
        found = []
        for feed_id in sorted(feeds):
            head, seq = ledger.head(self._stores.ledger, feed_id), self.below(feed_id)
            if head is not None and head.seq > seq:
                head = Head(feed_id, seq, ledger.hash_at(self._stores.ledger, feed_id, seq) or HeaderHash(b""))
            if head is not None:
                found.append(head)
        return found


def hide(stores: Stores, hashes: Sequence[HeaderHash]) -> None:
    """Readers do not find these records any more; when they arrive again they are shown again."""
    for hash_ in hashes:
        number = index.number(stores.index, hash_)
        if number is not None:
            index.hide(stores.index, number)
    stores.commit("index")
