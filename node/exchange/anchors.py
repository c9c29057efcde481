"""ANCHORs as anybody reads them, an auditor on another machine too: needs no store."""

from collections.abc import Iterable

from node.errors import Refused
from node.exchange.audit import Witness
from node.exchange.trust import Trust
from node.feed import entry, statements
from node.feed.keys import FeedId, MemberId
from node.feed.statements import Anchor
from node.v1 import header_pb2


def feeds_of_node(trust: Trust, member_id: MemberId, node_id: bytes) -> frozenset[FeedId]:
    """The feeds that one node of a member had, one after the other."""
    own = trust.feeds_of(member_id)
    return frozenset(feed_id for feed_id in own if trust.feeds[feed_id].certificate.node_id == node_id)


def seen(letters: Iterable[header_pb2.SignedEntry], trust: Trust, feeds: frozenset[FeedId]) -> list[Witness]:
    """What ANCHORs of these feeds say of the audit log; raises Refused for one that the feed's key did not sign."""
    found = []
    for letter in letters:
        one = entry.decode(letter.header, letter.signature, trust.federation_id)
        if one.header.feed_id not in feeds:
            continue
        feed = trust.feeds[one.header.feed_id]
        if not entry.is_signed_by(one, feed.certificate.feed_key, trust.federation_id):
            raise Refused(
                f"entry {one.header.seq} among the anchors is not signed by the node it is about",
                next_step="Have the file written again: `tocsin audit anchors`.",
                field="anchors",
            )
        read = statements.read(one.header)
        if read is not None and isinstance(read.statement, Anchor):
            found.append(Witness(read.statement.audit_size, read.statement.audit_root, one.header.created_ms))
    return found
