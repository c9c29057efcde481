"""ANCHORs as anybody reads them, an auditor on another machine too: needs no store."""

from collections.abc import Collection, Iterable, Iterator

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


def feeds_beside(trust: Trust, named: Collection[FeedId]) -> frozenset[FeedId]:
    """All feeds of the nodes that had these, as their member's root certified them: who names one hides no other."""
    nodes = {_node_of(trust, feed_id) for feed_id in named if feed_id in trust.feeds}
    return frozenset(feed_id for feed_id in trust.feeds if _node_of(trust, feed_id) in nodes)


def _node_of(trust: Trust, feed_id: FeedId) -> tuple[MemberId, bytes]:
    feed = trust.feeds[feed_id]
    return feed.member_id, feed.certificate.node_id


def seen(letters: Iterable[header_pb2.SignedEntry], trust: Trust, feeds: frozenset[FeedId]) -> list[Witness]:
    """What ANCHORs of these feeds say of the audit log; raises Refused as `_read` does."""
    return [Witness(said.audit_size, said.audit_root, made_ms) for said, made_ms in _read(letters, trust, feeds)]


def seen_of_journal(letters: Iterable[header_pb2.SignedEntry], trust: Trust, feeds: frozenset[FeedId]) -> list[Witness]:
    """What they say of the erasure journal, likewise: its last line's hash for the root."""
    return [Witness(said.journal_size, said.journal_head, made_ms) for said, made_ms in _read(letters, trust, feeds)]


def _read(
    letters: Iterable[header_pb2.SignedEntry], trust: Trust, feeds: frozenset[FeedId]
) -> Iterator[tuple[Anchor, int]]:
    """ANCHORs of these feeds and when they were made; those of feeds of other nodes are passed over.

    Raises Refused for one that its feed's key did not sign, and for one of a feed that no root certified: whoever
    shows less of the governance than there is would else be rid of its witnesses.
    """
    for letter in letters:
        one = entry.decode(letter.header, letter.signature, trust.federation_id)
        feed = trust.feeds.get(one.header.feed_id)
        if feed is None:
            raise Refused(
                f"nothing in this federation certifies feed {one.header.feed_id.hex()[:16]}, of which an anchor is",
                next_step="If a peer of this federation wrote the file, the node that is audited holds back who its "
                "feeds are: ask that peer for `tocsin roster`, and do not take the log for proven.",
                field="anchors",
            )
        if one.header.feed_id not in feeds:
            continue
        if not entry.is_signed_by(one, feed.certificate.feed_key, trust.federation_id):
            raise Refused(
                f"entry {one.header.seq} among the anchors is not signed by the node it is about",
                next_step="Have the file written again: `tocsin audit anchors`.",
                field="anchors",
            )
        read = statements.read(one.header)
        if read is not None and isinstance(read.statement, Anchor):
            yield read.statement, one.header.created_ms
