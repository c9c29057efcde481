"""What may leave: the one place where a stored entry becomes a letter for a peer (section 6.4)."""

from collections.abc import Iterable, Sequence
from itertools import islice

from node import limits
from node.exchange import restricting
from node.exchange.trust import Trust
from node.feed import entry, merkle, payload
from node.feed.header import SEALED_RELAY, Header
from node.feed.keys import FeedId, HeaderHash
from node.feed.pae import FederationId
from node.store import index, ledger, payloads
from node.store.ledger import ForkRow, Row
from node.store.payloads import State
from node.store.stores import Stores
from node.v1 import header_pb2, peer_pb2

ABOVE_FORK_MAX = 256  # headers that are looked through for what is urgent
REPLY_BYTES_MAX = 128 << 10  # one answer to a range; the asker asks again from where it ends


def letter(stores: Stores, row: Row, trust: Trust, now_ms: int) -> header_pb2.SignedEntry:
    """One entry with the box and the inline payload that any member may have, while it has not expired."""
    sent = header_pb2.SignedEntry(header=row.body, signature=row.signature)
    header = entry.decode(row.body, row.signature, trust.federation_id).header
    if not header.has_payload or not _may_leave(stores, header, trust, now_ms):
        return sent
    state = payloads.state(stores.ledger, row.hash)
    if state in (State.PRESENT, State.SEALED, State.MISSING, State.UNWANTED):
        sent.box = payloads.box(stores.keys, row.hash) or b""
    if state in (State.PRESENT, State.SEALED) and header.payload_size <= limits.INLINE_BYTES_MAX:
        sent.payload = payloads.ciphertext(stores.ledger, row.hash)
    return sent


def span(
    stores: Stores, feed_id: FeedId, first: int, last: int, trust: Trust, now_ms: int
) -> list[header_pb2.SignedEntry]:
    """A run of a feed, as much as fits one answer."""
    rows = ledger.span(stores.ledger, feed_id, first, last, limits.ENTRIES_PER_FRAME_MAX)
    return list(fill(letter(stores, row, trust, now_ms) for row in rows))


def fill(letters: Iterable[header_pb2.SignedEntry]) -> Iterable[header_pb2.SignedEntry]:
    """As many as fit one answer, at least one."""
    size = 0
    for one in letters:
        size += one.ByteSize()
        if size > REPLY_BYTES_MAX and size != one.ByteSize():
            return
        yield one


def leaves(stores: Stores, hash_: HeaderHash) -> tuple[bytes, ...]:
    """The leaf hashes of a payload that is held whole."""
    return tuple(merkle.leaf(part) for part in payload.chunks(payloads.ciphertext(stores.ledger, hash_)))


def is_for_others(stores: Stores, hash_: HeaderHash, trust: Trust, now_ms: int) -> bool:
    """Whether this payload is held whole and may go to a peer."""
    row = ledger.entry(stores.ledger, hash_)
    if row is None or payloads.state(stores.ledger, hash_) not in (State.PRESENT, State.SEALED):
        return False
    return _may_leave(stores, entry.decode(row.body, row.signature, trust.federation_id).header, trust, now_ms)


def may_relay(stores: Stores, hash_: HeaderHash, federation_id: FederationId, now_ms: int) -> bool:
    """Whether this node may fetch a payload for another."""
    row = ledger.entry(stores.ledger, hash_)
    return row is not None and _is_for_others(entry.decode(row.body, row.signature, federation_id).header, now_ms)


def _may_leave(stores: Stores, header: Header, trust: Trust, now_ms: int) -> bool:
    """Not what nobody marked, and not what was taken back: whoever does not have it needs not erase it."""
    is_kept = index.is_unmarked(stores.index, header.hash) or restricting.is_taken_back(stores, header, trust)
    return _is_for_others(header, now_ms) and not is_kept


def _is_for_others(header: Header, now_ms: int) -> bool:
    return header.effective_carriage <= SEALED_RELAY and now_ms < header.expires_ms


def chunk(stores: Stores, hash_: HeaderHash, number: int, hashes: Sequence[bytes]) -> peer_pb2.Chunk | None:
    """One chunk with its path among the payload's leaf hashes; None past the end."""
    data = payloads.chunk(stores.ledger, hash_, number)
    if data is None or number >= len(hashes):
        return None
    return peer_pb2.Chunk(entry=hash_, number=number, data=data, path=merkle.path(hashes, number))


def is_chunk_of(header: Header, chunk: peer_pb2.Chunk) -> bool:
    """Whether the path leads from this chunk to the header's root."""
    count = payload.chunk_count(header.payload_size)
    last = chunk.number == count - 1
    size = header.payload_size - limits.CHUNK_BYTES * (count - 1) if last else limits.CHUNK_BYTES
    if len(chunk.data) != size:
        return False
    return merkle.root_of_path(merkle.leaf(chunk.data), chunk.number, count, chunk.path) == header.payload_root


def above_fork(stores: Stores, row: ForkRow, trust: Trust, now_ms: int) -> list[header_pb2.SignedEntry]:
    """What proves a fork and what is urgent above it, with box and payload: contested everywhere alike.

    Urgent is what its author asked that for: in which lane it came here depends on what had come before it.
    """
    hashes = [entry.decode(*each, trust.federation_id).header.hash for each in (row.first, row.second)]
    proving = [found for found in (ledger.entry(stores.ledger, hash_) for hash_ in hashes) if found]
    above = ledger.above(stores.ledger, row.feed_id, row.seq, ABOVE_FORK_MAX)
    urgent = (found for found in above if _is_urgent(found, trust.federation_id) and found.hash not in hashes)
    others = islice(urgent, 2 * limits.AHEAD_PER_FEED_MAX)
    return list(fill(letter(stores, found, trust, now_ms) for found in (*proving, *others)))


def _is_urgent(row: Row, federation_id: FederationId) -> bool:
    return entry.decode(row.body, row.signature, federation_id).header.is_urgent


def fork(row: ForkRow) -> header_pb2.ForkProof:
    """A proof as it travels."""
    first, second = (header_pb2.SignedEntry(header=body, signature=mark) for body, mark in (row.first, row.second))
    return header_pb2.ForkProof(first=first, second=second)
