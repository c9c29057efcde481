"""Opening a stored payload: from header, box and chunks to the record its author sealed."""

from dataclasses import dataclass, field

from node.errors import Malformed
from node.exchange import verification
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import box as boxes
from node.feed import entry
from node.feed.header import Header
from node.feed.keys import MemberId
from node.store import payloads
from node.store.ledger import Row
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


def open_record(stores: Stores, row: Row, trust: Trust, reader: Reader) -> Opened | None:
    """The record of one arrival; None for a statement, one that is erased, or one sealed wrongly."""
    header = entry.decode(row.body, row.signature, trust.federation_id).header
    feed = trust.feeds.get(header.feed_id)
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
