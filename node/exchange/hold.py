"""Legal hold: what is held leaves every store and is sealed to a custodian, whom this node cannot stand in for.

So what is under hold matches nothing, is listed nowhere, goes to no peer, and nobody here can read it.
A hold says nothing to anyone else, and lengthens nothing that another keeps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from node.content import hashes, items
from node.errors import ConfigError, Malformed, Refused
from node.exchange import erase, records, verification
from node.exchange.duties import Kept
from node.exchange.records import Opened
from node.exchange.references import Address
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import entry, payload
from node.feed.box import Randomness, Wrapping
from node.feed.header import Header
from node.feed.keys import HeaderHash, MemberId
from node.policy import receipts
from node.store import ledger, payloads, remainders, vault
from node.store.erasures import Erasure, Reason
from node.store.ledger import Row
from node.store.payloads import State
from node.store.stores import Stores
from node.store.vault import Covered, Hold
from node.v1 import record_pb2

WRAP_BYTES = 32 + 2 * payload.KEY_BYTES + 16  # encapsulated key, a fresh key and the author's, tag
NO_KEY = bytes(payload.KEY_BYTES)  # of what is not all that the author sealed
SAID = {  # of a hold, to whoever took back what it is about
    vault.Ground.COURT_ORDER: receipts.Ground.ORDER,
    vault.Ground.INVESTIGATION: receipts.Ground.EVIDENCE,
    vault.Ground.PRESERVATION: receipts.Ground.KEPT_BY_LAW,
    vault.Ground.LEGAL_CLAIM: receipts.Ground.CLAIM,
    vault.Ground.SUPERVISION: receipts.Ground.SUPERVISION,
    vault.Ground.LEGAL_MINIMUM: receipts.Ground.KEPT_BY_LAW,
}


@dataclass(frozen=True, slots=True)
class Held:
    """What a custodian sees of one record. ``is_proven``: its author signed for these very bytes."""

    header: Header
    member_id: MemberId
    received_ms: int
    record: record_pb2.Record
    positions: int  # of its items that are held, as bits; 0: all
    is_proven: bool


# ---- Into the vault


def cover(addresses: Iterable[Address]) -> tuple[Covered, ...]:
    """Each record once: items of it by their places, unless all of it is meant."""
    whole, parts = set[HeaderHash](), dict[HeaderHash, int]()
    for one in addresses:
        if one.position is None:
            whole.add(one.entry)
        else:
            parts[one.entry] = parts.get(one.entry, 0) | 1 << one.position
    found = [Covered(hash_) for hash_ in whole]
    found += [Covered(hash_, bits) for hash_, bits in parts.items() if hash_ not in whole]
    return tuple(sorted(found, key=lambda one: one.entry))


def seal(
    stores: Stores,
    covered: Covered,
    hold_id: bytes,
    custodian: bytes,
    trust: Trust,
    reader: Reader,
    randomness: Randomness,
) -> bytes:
    """What is held of one record, for the custodian alone; raises Refused for what is not here or not readable."""
    row = ledger.entry(stores.ledger, covered.entry)
    opened = records.open_record(stores, row, trust, reader) if row else None
    if row is None or opened is None:
        raise Refused(
            f"nothing of {covered.entry.hex()[:16]} is here that could be held",
            next_step="What is erased, never came or cannot be opened cannot be held; `tocsin erase prove` says more.",
            field="item",
        )
    author_key, plaintext = _part(opened, covered) if covered.positions else _whole(stores, opened, trust)
    key, context = randomness(payload.KEY_BYTES), payload.vault_context(trust.federation_id, hold_id, covered.entry)
    return reader.wrapping.wrap(key + author_key, custodian, context) + payload.seal(key, context, plaintext)


def _whole(stores: Stores, opened: Opened, trust: Trust) -> tuple[bytes, bytes]:
    """With the author's key the very payload that the header names can be made again, and so proven."""
    if opened.gone:
        return NO_KEY, opened.record.SerializeToString(deterministic=True)
    context = _context(opened.header, opened.member_id, trust)
    return opened.key, payload.unseal(opened.key, context, payloads.ciphertext(stores.ledger, opened.header.hash))


def _part(opened: Opened, covered: Covered) -> tuple[bytes, bytes]:
    """Only the items that are held: the others are not the custodian's to see."""
    kind = hashes.KINDS.get(opened.record.items.kind)
    total = items.count(kind, opened.record.items) if kind else 0
    standing = ((1 << total) - 1) & ~opened.gone
    if kind is None or covered.positions & ~standing:
        missing = erase.places(covered.positions & ~standing)
        raise Refused(
            f"{opened.header.hash.hex()[:16]} has no item {missing[0] if missing else 0:,} that stands",
            next_step="`tocsin list export` shows what a list has.",
            field="item",
        )
    items.blank(kind, opened.record.items, erase.places(standing & ~covered.positions))
    return NO_KEY, opened.record.SerializeToString(deterministic=True)


def remaining(stores: Stores, covered: Iterable[Covered], now_ms: int) -> list[Erasure]:
    """What of this is still in the stores, and has to leave them."""
    found: list[Erasure] = []
    for one in covered:
        if payloads.state(stores.ledger, one.entry) in (None, State.ERASED):
            continue
        left = remainders.find(stores.ledger, one.entry)
        bits = one.positions & ~(left.positions if left else 0)
        if bits or not one.positions:
            positions = bits.to_bytes(-(-bits.bit_length() // 8), "little")
            found.append(Erasure(one.entry, now_ms, Reason.HOLD, positions))
    return found


def kept(holds: Iterable[Hold]) -> dict[HeaderHash, Kept]:
    """What goes on being held, and what is said of it: of two holds on one record the longer."""
    found: dict[HeaderHash, Kept] = {}
    for one in sorted(holds, key=lambda hold: hold.end_ms):
        for covered in one.covers if not one.is_over else ():
            before = found.get(covered.entry)
            positions = (covered.positions or -1) | (before.positions if before else 0)
            found[covered.entry] = Kept(positions, SAID[one.ground], one.end_ms)
    return found


# ---- Out of it


def open_sealed(
    sealed: bytes, hold: Hold, covered: Covered, row: Row, trust: Trust, private_key: bytes, wrapping: Wrapping
) -> Held:
    """What the custodian reads; raises ConfigError for another's key, or a file that was changed."""
    header = entry.decode(row.body, row.signature, trust.federation_id).header
    feed = trust.feeds.get(header.feed_id)
    context = payload.vault_context(trust.federation_id, hold.id, covered.entry)
    keys = wrapping.unwrap(sealed[:WRAP_BYTES], private_key, context)
    if keys is None or feed is None:
        raise ConfigError(
            f"the custodian's key does not open what is held of {covered.entry.hex()[:16]}",
            next_step=f"It is sealed to {hold.custodian.hex()[:16]}; if that is this key, the file was changed.",
        )
    key, author_key = keys[: payload.KEY_BYTES], keys[payload.KEY_BYTES :]
    try:
        plaintext = payload.unseal(key, context, sealed[WRAP_BYTES:])
        record = verification.read_record(header, plaintext)
    except Malformed as error:
        raise ConfigError(
            f"what is held of {covered.entry.hex()[:16]} was changed: {error}", next_step="Take another copy of it."
        ) from error
    proven = author_key != NO_KEY and _is_of(header, feed.member_id, author_key, plaintext, trust)
    return Held(header, feed.member_id, row.received_ms, record, covered.positions, proven)


def _is_of(header: Header, author: MemberId, key: bytes, plaintext: bytes, trust: Trust) -> bool:
    """Whether sealing these bytes again gives the payload that the header names."""
    again = payload.seal(key, _context(header, author, trust), plaintext)
    committed = payload.commit(trust.federation_id, key) == header.key_commit
    return committed and payload.fits(header.payload_size, header.payload_root, again)


def _context(header: Header, author: MemberId, trust: Trust) -> bytes:
    return payload.context(trust.federation_id, author, header.carriage, header.exercise, header.payload_id)


def values(held: Held) -> list[str]:
    """The items that are held, as they are written; those that were erased before are blank, and left out."""
    kind = hashes.KINDS.get(held.record.items.kind)
    if kind is None:
        return []
    found = items.values(kind, held.record.items)
    places = erase.places(held.positions) if held.positions else range(len(found))
    return [hashes.write(kind, found[place]) for place in places if any(found[place])]
