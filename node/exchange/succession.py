"""Succession: a feed that was opened anew ends the ones before it at the highest entry that is known of them.

Said once, and only when what the peers hold has been heard: an end cannot be moved up afterwards, and
what stands above it, withdrawals too, would count no more.
"""

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from node.errors import Malformed
from node.exchange.publish import Author, Draft
from node.exchange.trust import Trust
from node.feed import entry
from node.feed.keys import FeedId, HeaderHash
from node.feed.kinds import Kind
from node.feed.marks import Marks
from node.store import ledger
from node.store.stores import Stores
from node.v1 import header_pb2

ECHO = "echo"  # in the ledger's meta: a SignedEntry of ours that a peer showed us


def drafts(stores: Stores, trust: Trust, author: Author) -> list[Draft]:
    """What this feed still has to say about those before it."""
    if is_ended(trust.marks, author.feed_id):  # it was succeeded itself: nothing more is said by it
        return []
    open_ = [feed_id for feed_id in author.former if not is_ended(trust.marks, feed_id)]
    bounds = [(feed_id, highest(stores, trust, feed_id)) for feed_id in open_]
    return [_draft(feed_id, *bound) for feed_id, bound in bounds if bound is not None]


def highest(stores: Stores, trust: Trust, feed_id: FeedId) -> tuple[int, HeaderHash] | None:
    """The highest entry of a feed that is known here: chained, kept ahead, or shown by a peer."""
    found = sorted(_known(stores, trust, feed_id), key=lambda place: place[0])
    return found[-1] if found else None


def is_ended(marks: Marks, feed_id: FeedId) -> bool:
    """Whether something was said about where this feed ends."""
    return any(bound.feed_id == feed_id for bound in marks.ends)


def _known(stores: Stores, trust: Trust, feed_id: FeedId) -> Iterator[tuple[int, HeaderHash]]:
    echo, certified = ledger.read_meta(stores.ledger, ECHO), trust.feeds.get(feed_id)
    if echo and certified:
        try:
            letter = header_pb2.SignedEntry.FromString(echo)
            one = entry.decode(letter.header, letter.signature, trust.federation_id)
        except (DecodeError, Malformed):
            pass
        else:
            if one.header.feed_id == feed_id and entry.is_signed_by(
                one, certified.certificate.feed_key, trust.federation_id
            ):
                yield one.header.seq, one.header.hash
    yield from ((row.seq, row.hash) for row in ledger.ahead(stores.ledger, feed_id))
    head = ledger.head(stores.ledger, feed_id)
    if head:  # last, so that of two entries at one place ours is named
        yield head.seq, head.hash


def _draft(feed_id: FeedId, seq: int, hash_: HeaderHash) -> Draft:
    bound = header_pb2.Supersede(feed_id=feed_id, seq=seq, header_hash=hash_)
    return Draft(Kind.SUPERSEDE, statement=bound.SerializeToString(deterministic=True))
