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

First = Mapping[FeedId, int]  # of each feed that has some, the lowest entry that is set aside


def set_aside(stores: Stores, peer: Peer, held: First, own: Collection[FeedId]) -> list[HeaderHash]:
    """Set aside what only this peer brought, and no other holds; which entries."""
    before = set(quarantine.hashes(stores.ledger))
    through = quarantine.vouched(stores.ledger, peer.member_id)
    through = {feed_id: max(seq, held.get(feed_id, 0)) for feed_id, seq in through.items()}
    quarantine.vouch(stores.ledger, through | dict.fromkeys(own, limits.SEQ_MAX))
    peers.put(stores.ledger, peer)
    stores.commit("ledger")
    return [hash_ for hash_ in quarantine.hashes(stores.ledger) if hash_ not in before]


def release(stores: Stores, peer: Peer) -> list[HeaderHash]:
    """The peer is not quarantined any more; which entries count again."""
    before = quarantine.hashes(stores.ledger)
    peers.put(stores.ledger, peer)
    return _let_arrive(stores, before)


def vouch(stores: Stores, through: Mapping[FeedId, int], voucher: MemberId) -> list[HeaderHash]:
    """Another peer brought these feeds up to here; which entries count again."""
    before = quarantine.hashes(stores.ledger)
    quarantine.vouch(stores.ledger, through, voucher)
    return _let_arrive(stores, before)


def offered(stores: Stores, offers: Sequence[tuple[HeaderHash, MemberId]], first: First) -> list[HeaderHash]:
    """Entries that are stored were offered by these peers, too; which count again for that."""
    before = quarantine.hashes(stores.ledger) if first else []
    quarantine.offer(stores.ledger, offers)
    for hash_, voucher in offers if first else ():
        row = ledger.entry(stores.ledger, hash_)
        if row is not None and row.feed_id in first:
            quarantine.vouch(stores.ledger, {row.feed_id: row.seq}, voucher)
    return _let_arrive(stores, before)


def _let_arrive(stores: Stores, before: Sequence[HeaderHash]) -> list[HeaderHash]:
    still = set(quarantine.hashes(stores.ledger)) if before else set()
    released = [hash_ for hash_ in before if hash_ not in still]
    quarantine.arrive_again(stores.ledger, released)
    stores.commit("ledger")
    return released


def hide(stores: Stores, hashes: Sequence[HeaderHash]) -> None:
    """Readers do not find these records any more; when they arrive again they are shown again."""
    for hash_ in hashes:
        number = index.number(stores.index, hash_)
        if number is not None:
            index.hide(stores.index, number)
    stores.commit("index")


def heads(stores: Stores, feeds: Collection[FeedId], first: First) -> list[Head]:
    """How far these feeds are told to peers: below what is set aside; 0 where that is all."""
    found = []
    for feed_id in sorted(feeds):
        head = ledger.head(stores.ledger, feed_id)
        seq = first.get(feed_id, limits.SEQ_MAX) - 1
        if head is not None and head.seq > seq:
            head = Head(feed_id, seq, ledger.hash_at(stores.ledger, feed_id, seq) or HeaderHash(b""))
        if head is not None:
            found.append(head)
    return found
