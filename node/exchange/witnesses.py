"""ANCHORs: what a node says of its own erasure journal and audit log, so that its peers witness both."""

from node.exchange.publish import Draft
from node.exchange.recording import Place
from node.exchange.trust import Trust
from node.feed import entry, statements
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.statements import Anchor
from node.store import ledger
from node.store.ledger import Row
from node.store.stores import Stores
from node.v1 import header_pb2


def of_member(stores: Stores, trust: Trust, member_id: MemberId) -> list[header_pb2.SignedEntry]:
    """All ANCHORs of a member's feeds that are held here, as they were received."""
    return [
        _letter(row)
        for feed_id in trust.feeds_of(member_id)
        for row in ledger.of_kind(stores.ledger, feed_id, Kind.ANCHOR)
    ]


def last(stores: Stores, trust: Trust, feed_id: FeedId) -> tuple[Anchor, int]:
    """The last ANCHOR of a feed and when it was made; an empty one of long ago where there is none."""
    rows = ledger.of_kind(stores.ledger, feed_id, Kind.ANCHOR)
    if not rows:
        return Anchor(), 0
    row = rows[-1]
    header = entry.decode(row.body, row.signature, trust.federation_id).header
    read = statements.read(header)
    assert read is not None  # noqa: S101 - it was verified
    assert isinstance(read.statement, Anchor)  # noqa: S101 - it is of this kind
    return read.statement, header.created_ms


def anchor(audit: Place, journal_size: int, journal_head: bytes) -> Anchor:
    """What is to be witnessed now; of what is empty, nothing."""
    return Anchor(
        journal_size,
        journal_head if journal_size else b"",
        audit.size,
        audit.root if audit.size else b"",
    )


def draft(said: Anchor) -> Draft:
    """An anchor as an entry of lane 1."""
    letter = header_pb2.Anchor(
        journal_size=said.journal_size,
        journal_head=said.journal_head,
        audit_size=said.audit_size,
        audit_root=said.audit_root,
    )
    return Draft(Kind.ANCHOR, statement=letter.SerializeToString(deterministic=True))


def _letter(row: Row) -> header_pb2.SignedEntry:
    return header_pb2.SignedEntry(header=row.body, signature=row.signature)
