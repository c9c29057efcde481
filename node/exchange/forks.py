"""Forks: which proof of a feed is kept, and which branch is the chain once the root named one (section 5.5)."""

from collections.abc import Iterator
from itertools import combinations

from node.exchange.trust import Trust
from node.feed import chain, entry
from node.feed.chain import ForkProof, Head
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.pae import FederationId
from node.store import ledger, payloads
from node.store.ledger import ForkRow, Row
from node.store.stores import Stores


def row_of(proof: ForkProof) -> ForkRow:
    """A proof as it is stored and passed on."""
    first, second = ((one.header.body, one.signature) for one in (proof.first, proof.second))
    return ForkRow(proof.feed_id, proof.seq, first, second)


def entries_of(row: ForkRow, federation_id: FederationId) -> tuple[Entry, Entry]:
    """The two entries of a stored proof."""
    one, other = (entry.decode(*each, federation_id) for each in (row.first, row.second))
    return one, other


def parts(one: Header, other: Header) -> bool:
    """Whether two branches part right where these two stand, and not further down."""
    return one.previous == other.previous


def author(trust: Trust, feed_id: FeedId) -> MemberId:
    """Whose feed it is, member or not."""
    feed = trust.feeds.get(feed_id)
    return feed.member_id if feed else MemberId(bytes(feed_id))


def is_news(trust: Trust, one: Header, other: Header) -> bool:
    """Whether two headers of one place prove a fork that is lower than what is known, and that nobody settled."""
    if not trust.marks.counts(one.feed_id, one.seq, parts=parts(one, other)):
        return False
    known = trust.marks.forked_at(one.feed_id)
    return known is None or one.seq < known


def settle(stores: Stores, trust: Trust, feed_id: FeedId) -> Head | None:
    """Make the branch that the root named the chain, as far as it is held; where the head is then, if it moved.

    The other branch is kept beside: served by hash, and found again should a later word of the root name it.
    The caller commits.
    """
    named = trust.marks.named_at(feed_id)
    before = head = ledger.head(stores.ledger, feed_id) or Head(feed_id, 0, HeaderHash(b""))
    held = ((seq, ledger.hash_at(stores.ledger, feed_id, seq)) for seq in sorted(named))
    wrong = next((seq for seq, hash_ in held if hash_ not in (None, named[seq])), None)
    if wrong is not None:
        ledger.part(stores.ledger, feed_id, wrong)
        below = ledger.hash_at(stores.ledger, feed_id, wrong - 1)
        head = Head(feed_id, wrong - 1, below or HeaderHash(b""))
    while (follower := _follower(stores, trust, head, named)) is not None:
        ledger.chain(stores.ledger, [follower.hash])
        payloads.want_again(stores.ledger, [follower.hash], payloads.SUPERSEDED)
        head = chain.head_of(follower)
    if head == before:
        return None
    ledger.set_heads(stores.ledger, [head])
    return head


def set_aside(stores: Stores, trust: Trust, feed_id: FeedId) -> None:
    """Where all is settled, nothing more is fetched of the branches beside; else all above. The caller commits."""
    named, forked = trust.marks.named_at(feed_id), trust.marks.forked_at(feed_id)
    if forked is not None:
        payloads.want_above_again(stores.ledger, feed_id, forked)
    elif named:
        payloads.set_aside(stores.ledger, feed_id, min(named))


def held(stores: Stores, trust: Trust, feed_id: FeedId) -> Iterator[tuple[Entry, Entry]]:
    """Two entries of one place, wherever more than one is here: the lowest first."""
    for rows in ledger.shared_places(stores.ledger, feed_id):
        found = [entry.decode(row.body, row.signature, trust.federation_id) for row in rows]
        yield from combinations(found, 2)


def unclear_from(stores: Stores, trust: Trust, header: Header) -> int | None:
    """The lowest place that is held of an entry's own branch, where that leaves open which one it is."""
    named = trust.marks.named_at(header.feed_id)
    while header.seq > 1 and header.seq not in named:
        previous = HeaderHash(header.previous)
        if ledger.is_chained(stores.ledger, previous):
            return None
        row = ledger.entry(stores.ledger, previous)
        if row is None:
            return header.seq
        header = _header(row, trust)
    return None


def _follower(stores: Stores, trust: Trust, head: Head, named: dict[int, HeaderHash]) -> Header | None:
    """What is held and follows the head: the entry that was named, or any where nothing forked."""
    seq, forked = head.seq + 1, trust.marks.forked_at(head.feed_id)
    for row, is_beside in ledger.unchained_at(stores.ledger, head.feed_id, seq):
        header = _header(row, trust)
        if (header.previous or b"") != head.hash or named.get(seq, row.hash) != row.hash:
            continue
        if not is_beside or seq in named or forked is None or seq < forked:
            return header
    return None


def _header(row: Row, trust: Trust) -> Header:
    return entry.decode(row.body, row.signature, trust.federation_id).header
