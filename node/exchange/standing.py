"""Standing: whether a record, or an item of it, still counts, by forks, ends and what its author took back."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from node.exchange.trust import Trust
from node.feed import entry, identity, marks
from node.feed.facts import Facts
from node.feed.keys import FeedId, HeaderHash
from node.feed.marks import HashAt, Standing
from node.store import ledger
from node.store.stores import Stores

CONTESTED = "contested: its author's feed has forked, and its root has not said which branch stands"
DOUBTFUL = "contested: its author's identity log has something newer before it that this version does not understand"
SUPERSEDED = "superseded: it stands above the end of its author's feed, or on a branch that its root did not name"


class Placed(Protocol):
    """Whatever stands in a place of a feed: a stored entry, a record, a withdrawal, a replacement."""

    @property
    def hash(self) -> HeaderHash:
        """What the entry is called."""
        ...

    @property
    def feed_id(self) -> FeedId:
        """In which feed."""
        ...

    @property
    def seq(self) -> int:
        """Where."""
        ...


def standing_of(stores: Stores, placed: Placed, trust: Trust) -> Standing:
    """Whether an entry stands, by forks and ends of its feed, and by its own branch.

    Nothing that a member whose identity log has forked ever said counts in full: there is no root above its root.
    """
    found = Standing.STANDS
    if trust.marks.is_marked(placed.feed_id):
        found = marks.standing(trust.marks, placed.feed_id, placed.seq, _branch(stores, placed, trust))
        if found is Standing.CONTESTED and _is_passed(stores, placed, trust):
            found = Standing.SUPERSEDED
    if found is Standing.STANDS and is_frozen(placed.feed_id, trust):
        return Standing.CONTESTED
    return found


def is_frozen(feed_id: FeedId, trust: Trust) -> bool:
    """Whether the identity log of a feed's member has forked, or let it in behind something that is not known here."""
    feed = trust.feeds.get(feed_id)
    if feed is None:
        return False
    return feed.certificate.is_doubtful or trust.marks.forked_at(identity.log_id(feed.member_id)) is not None


def contested(feed_id: FeedId, trust: Trust) -> str:
    """Why what was said in a feed is contested, in words."""
    feed = trust.feeds.get(feed_id)
    return DOUBTFUL if feed is not None and feed.certificate.is_doubtful else CONTESTED


def _is_passed(stores: Stores, placed: Placed, trust: Trust) -> bool:
    """Whether the chain that was named has another entry in this place: then this one's branch matters no more."""
    if any(fork <= placed.seq for fork in trust.marks.open_forks(placed.feed_id)):
        return False
    return ledger.hash_at(stores.ledger, placed.feed_id, placed.seq) not in (None, placed.hash)


def _branch(stores: Stores, placed: Placed, trust: Trust) -> HashAt:
    """The header hash at a place at or below an entry on its own branch; None where that is not held."""
    down = {placed.seq: placed.hash}
    lowest = placed.seq

    def hash_at(seq: int) -> HeaderHash | None:
        nonlocal lowest
        while lowest > seq:
            if ledger.is_chained(stores.ledger, down[lowest]):
                return ledger.hash_at(stores.ledger, placed.feed_id, seq)
            row = ledger.entry(stores.ledger, down[lowest])
            if row is None:
                return None
            header = entry.decode(row.body, row.signature, trust.federation_id).header
            lowest -= 1
            down[lowest] = HeaderHash(header.previous)
        return down.get(seq)

    return hash_at


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement of the facts stands."""

    hash: HeaderHash
    feed_id: FeedId
    seq: int


def weighed(stores: Stores, trust: Trust, before: Trust, grown: Iterable[FeedId] = ()) -> Trust:
    """Trust with what forks and ends of feeds keep from counting. ``grown``: feeds of which something came in.

    Weighed anew is what is new, and what did not count: what stands goes on standing as long as the
    marks are the same, while what was contested may turn out to be on the branch that was named.
    """
    if trust.facts is before.facts and trust.marks is before.marks and not any(map(trust.marks.is_marked, grown)):
        return trust
    feeds = _doubtful(trust)
    said = [place for place in _places(trust.facts) if place.feed_id in feeds]
    if trust.marks is before.marks:
        stood = {place.hash for place in _places(before.facts) if place.feed_id in feeds} - trust.fallen
        said = [place for place in said if place.hash not in stood]
    fallen = frozenset(place.hash for place in said if standing_of(stores, place, trust) is not Standing.STANDS)
    return trust if fallen == trust.fallen else replace(trust, fallen=fallen)


def _doubtful(trust: Trust) -> set[FeedId]:
    """Feeds of which something may not stand: they are marked, or the log of their member leaves it in doubt."""
    found = {bound.feed_id for bound in (*trust.marks.settled, *trust.marks.ends)}
    found |= {feed_id for feed_id, _ in trust.marks.forks}
    return found | {
        feed_id
        for feed_id, feed in trust.feeds.items()
        if feed.certificate.is_doubtful or identity.log_id(feed.member_id) in found
    }


def _places(facts: Facts) -> Iterator[Place]:
    for said in (*facts.endorsements, *facts.suspensions, *facts.revocations):
        yield Place(said.entry, said.feed_id, said.seq)
    for back in facts.unendorsed:
        yield Place(back.by, back.feed_id, back.seq)
    for signed in facts.amendments:
        yield Place(signed.entry, signed.feed_id, signed.seq)
