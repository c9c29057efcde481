"""Opening a stored payload: from header, box and chunks to the record its author sealed."""

from dataclasses import dataclass, field

from node.errors import Malformed
from node.exchange import verification
from node.exchange.trust import Trust
from node.exchange.verified import Reader, Verified
from node.feed import box as boxes
from node.feed import entry, payload
from node.feed.header import Header
from node.feed.keys import MemberId
from node.feed.pae import FederationId
from node.policy import border
from node.store import payloads, remainders
from node.store.ledger import Row
from node.store.remainders import Remainder
from node.store.stores import Stores
from node.v1 import record_pb2


@dataclass(frozen=True, slots=True)
class Opened:
    """A record beside the header that signed for it. The record is a letter: used at once, not kept."""

    header: Header
    member_id: MemberId
    received_ms: int
    record: record_pb2.Record
    key: bytes = field(repr=False)
    gone: int = 0  # the places of items that were erased, as bits: they hold no value any more


def open_record(stores: Stores, row: Row, trust: Trust, reader: Reader) -> Opened | None:
    """The record of one arrival; None for a statement, one that is erased, or one sealed wrongly."""
    header = entry.decode(row.body, row.signature, trust.federation_id).header
    feed = trust.feeds.get(header.feed_id)
    if feed is not None and (left := remainders.find(stores.ledger, row.hash)) is not None:
        return _open_remainder(stores, row, header, feed.member_id, left, trust.federation_id)
    encoded = payloads.box(stores.keys, row.hash) if header.has_payload else None
    if feed is None or encoded is None:
        return None
    key = verification.open_key(header, boxes.decode(encoded), feed.member_id, trust.federation_id, reader)
    if key is None:
        return None
    try:
        record = verification.unseal(header, feed.member_id, key, payloads.ciphertext(stores.ledger, row.hash), trust)
    except Malformed:
        return None
    return Opened(header, feed.member_id, row.received_ms, record, key)


def is_marked(verified: Verified, trust: Trust, reader: Reader) -> bool:
    """Whether what came along with an entry says what readers may do with it; what cannot be read here may."""
    if not verified.payload or not verified.readable or verified.header.kind in border.MARKED_BY_KIND:
        return True
    header, author = verified.header, verified.member_id
    key = verification.open_key(header, boxes.decode(verified.box), author, trust.federation_id, reader)
    try:
        return key is None or border.is_marked(verification.unseal(header, author, key, verified.payload, trust))
    except Malformed:
        return True


def _open_remainder(
    stores: Stores, row: Row, header: Header, member_id: MemberId, left: Remainder, federation_id: FederationId
) -> Opened | None:
    encoded = payloads.box(stores.keys, left.box)
    if encoded is None:
        return None
    key, context = boxes.decode(encoded).data, payload.remainder_context(federation_id, row.hash)
    plaintext = payload.unseal(key, context, payloads.ciphertext(stores.ledger, row.hash))
    record = verification.read_record(header, plaintext)
    return Opened(header, member_id, row.received_ms, record, key, left.positions)
