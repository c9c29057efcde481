"""Echoes: each side shows the other what it holds of the other's own feeds (protos/README.md section 8.2)."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from node import limits
from node.errors import Malformed
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import entry
from node.feed.entry import Entry
from node.feed.keys import FeedId, MemberId
from node.feed.pae import FederationId
from node.store import ledger
from node.store.ledger import ForkRow
from node.store.stores import Stores
from node.v1 import header_pb2, peer_pb2

_KEPT = "echo"  # in the ledger's table meta: the highest that any peer showed of our feed and that is not ours

_Signed = tuple[bytes, bytes]


def make(stores: Stores, trust: Trust, member_id: MemberId) -> peer_pb2.Echo:
    """The highest entries here of each node feed of a member, also above a gap; both branches where one forked."""
    forks = {fork.feed_id: fork for fork in ledger.forks(stores.ledger)}
    found = [_highest(stores, feed_id, forks.get(feed_id)) for feed_id in trust.feeds_of(member_id)]
    in_turn = [one for place in zip_longest(*found) for one in place if one is not None]
    shown = list(dict.fromkeys(in_turn))[: limits.RANGES_PER_FRAME_MAX]
    return peer_pb2.Echo(entries=[header_pb2.SignedEntry(header=body, signature=by) for body, by in shown])


def _highest(stores: Stores, feed_id: FeedId, fork: ForkRow | None) -> Sequence[_Signed]:
    head = ledger.head(stores.ledger, feed_id)
    at_head = ledger.entry(stores.ledger, head.hash) if head else None
    rows = [*ledger.ahead(stores.ledger, feed_id)[-1:], *([at_head] if at_head else [])]
    return [*((row.body, row.signature) for row in rows), *((fork.first, fork.second) if fork else ())]


def read(letters: Iterable[header_pb2.SignedEntry], trust: Trust, reader: Reader) -> list[Entry]:
    """What a peer shows of our feeds; raises Malformed for what is not ours. Of a feed not known yet: nothing."""
    found = []
    for letter in letters:
        one = entry.decode(letter.header, letter.signature, trust.federation_id)
        feed = trust.feeds.get(one.header.feed_id)
        if feed is None:
            continue  # of another node of this member, which was certified a moment ago
        if feed.member_id != reader.member_id:
            raise Malformed("echo-own", "an echo with an entry of another member")
        if not reader.verifies(one, feed.certificate.feed_key, trust.federation_id):
            raise Malformed("signature", f"the echo of seq {one.header.seq} is not signed by its feed")
        found.append(one)
    return found


def keep(stores: Stores, shown: Entry, federation_id: FederationId) -> None:
    """Keep what ended our feed, durable, if it is higher than what is kept: a new feed supersedes it there."""
    before = kept(stores, shown.header.feed_id, federation_id)
    if before is not None and before.header.seq >= shown.header.seq:
        return
    letter = header_pb2.SignedEntry(header=shown.header.body, signature=shown.signature)
    ledger.write_meta(stores.ledger, _KEPT, letter.SerializeToString(deterministic=True))
    stores.commit("ledger")


def kept(stores: Stores, feed_id: FeedId, federation_id: FederationId) -> Entry | None:
    """What ended this feed, if anything did."""
    data = ledger.read_meta(stores.ledger, _KEPT)
    if data is None:
        return None
    letter = header_pb2.SignedEntry.FromString(data)
    one = entry.decode(letter.header, letter.signature, federation_id)
    return one if one.header.feed_id == feed_id else None
