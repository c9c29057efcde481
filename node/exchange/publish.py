"""Our own entries: sealed, staged, journalled, signed; then the same door in as everyone's.

Order, each step durable before the next: boxes and staged ciphertext; the sign journal; the
header. A crash behind the journal leaves a signed entry whose box and payload are on disk, and the
start takes it in from the journal. A crash before it leaves staged bytes that nothing names, and
the start removes them. So no sequence number is ever signed twice, and nothing signed is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nacl.signing import SigningKey

from node import limits
from node.errors import ConfigError, Refused
from node.exchange import ingest, signing, verification
from node.exchange.admission import Admitted
from node.exchange.signing import Signing
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import box as boxes
from node.feed import chain, entry, kinds, merkle, payload
from node.feed.box import Box, Randomness
from node.feed.chain import Head
from node.feed.header import NORMAL, OPEN_RELAY, URGENT
from node.feed.identity import log_id
from node.feed.keys import FeedId, HeaderHash
from node.feed.kinds import Kind
from node.policy import border
from node.store import ledger, payloads, remainders
from node.store.journal import Signed
from node.store.stores import Stores
from node.v1 import header_pb2, record_pb2


class Journal(Protocol):
    """Every signature this node ever gave, durable before it leaves. Not in any backup."""

    def append(self, signed: Sequence[Signed]) -> None:
        """Make durable that these were signed."""
        ...

    def lines(self) -> list[Signed]:
        """All of them, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Author:
    """Who signs here: the node's feed and its key."""

    feed_id: FeedId
    key: SigningKey
    reader: Reader
    randomness: Randomness
    journal: Journal
    in_place: bool  # the key lies where it was made: it is no copy
    former: tuple[FeedId, ...] = ()  # feeds of this node, before its present one


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be said. A statement has ``statement``; a record ``record`` and an end."""

    kind: int
    urgency: int = NORMAL
    statement: bytes = b""
    record: bytes = b""
    object_id: bytes = b""
    exercise: bool = False
    expires_ms: int = 0
    carriage: int = OPEN_RELAY
    readers: tuple[bytes, ...] = ()  # KEM keys; none: all members
    allowed: str = ""  # why what is personal in it may be said
    looked_through: bool = False  # its text was where it came in, or when it was said first

    @property
    def lane(self) -> int:
        """The lane that it asks for: no drill asks to go before what is real."""
        return max(self.urgency, NORMAL) if self.exercise else self.urgency


@dataclass(frozen=True, slots=True)
class _Prepared:
    fields: header_pb2.Header
    box: bytes = b""
    ciphertext: bytes = b""


def publish(
    stores: Stores,
    drafts: Sequence[Draft],
    author: Author,
    trust: Trust,
    may: Signing,
    now_ms: int,
    *,
    unconfirmed: bool = False,
) -> Admitted:
    """Say these things, in this order, in one go; what it returns is durable.

    Raises Refused where nothing may be signed now, for what is over, and ValueError for a record too large to seal.
    """
    for draft in drafts:
        _require_readers(draft)
        _require_life(draft, now_ms)
    urgent = all(draft.lane == URGENT for draft in drafts)
    signing.require(may, trust, [draft.kind for draft in drafts], urgent=urgent, unconfirmed=unconfirmed)
    prepared = [_prepare(draft, author, trust, now_ms) for draft in drafts]
    letters = _sign(stores, prepared, author, trust, now_ms)
    _stage(stores, letters, trust)
    author.journal.append([(one.header, one.signature) for one in letters])
    checked = verification.verify(letters, trust, author.reader)
    if checked.fault is not None:
        raise checked.fault
    return ingest.admit(stores, checked, trust, author.reader, now_ms)


def _require_readers(draft: Draft) -> None:
    """Raises Refused where nobody said who may read a record, or fewer than could."""
    if kinds.is_statement(draft.kind):
        return
    record = record_pb2.Record.FromString(draft.record)
    border.require_audience(record, for_all=not draft.readers)
    if record.kind not in border.MARKED_BY_KIND:
        border.require_mark(record.handling, for_all=not draft.readers)


def _require_life(draft: Draft, now_ms: int) -> None:
    """Raises Refused for a record that is over: time goes on while a draft waits to be signed."""
    if not kinds.is_statement(draft.kind) and draft.expires_ms <= now_ms:
        raise Refused("it is over before it could be said", next_step="Say it with a later end.", field="ends_ms")


def _prepare(draft: Draft, author: Author, trust: Trust, now_ms: int) -> _Prepared:
    fields = header_pb2.Header(
        feed_id=author.feed_id,
        created_ms=now_ms,
        urgency=draft.lane,
        kind=draft.kind,
        exercise=int(draft.exercise),
        object_id=draft.object_id,
        statement=draft.statement,
    )
    if kinds.is_statement(draft.kind):
        return _Prepared(fields)
    return _seal(draft, fields, author, trust)


def _seal(draft: Draft, fields: header_pb2.Header, author: Author, trust: Trust) -> _Prepared:
    key, fields.payload_id = author.randomness(payload.KEY_BYTES), author.randomness(16)
    fields.expires_ms, fields.carriage = draft.expires_ms, draft.carriage
    context = payload.context(
        trust.federation_id, author.reader.member_id, draft.carriage, draft.exercise, fields.payload_id
    )
    ciphertext = payload.seal(key, context, draft.record)
    box = _box(draft, key, context, author)
    if draft.readers:
        fields.kind, fields.object_id, fields.audience_tag = Kind.SEALED, b"", author.randomness(16)
    fields.payload_size = len(ciphertext)
    fields.payload_root = payload.root(ciphertext)
    fields.box_hash = boxes.box_hash(trust.federation_id, box)
    fields.key_commit = payload.commit(trust.federation_id, key)
    return _Prepared(fields, box.encoded, ciphertext)


def _box(draft: Draft, key: bytes, context: bytes, author: Author) -> Box:
    if not draft.readers:
        return boxes.clear(key)
    return boxes.wrapped(key, draft.readers, context, author.reader.wrapping, author.randomness)


def _sign(
    stores: Stores, prepared: Sequence[_Prepared], author: Author, trust: Trust, now_ms: int
) -> list[header_pb2.SignedEntry]:
    """Chain and sign, with a checkpoint after every so many entries."""
    head = ledger.head(stores.ledger, author.feed_id)
    letters: list[header_pb2.SignedEntry] = []
    hashes: list[HeaderHash] = []
    for one in prepared:
        if head and head.seq % limits.CHECKPOINT_ENTRIES == 0:
            head = _append(letters, hashes, _checkpoint(stores, head, hashes, author, now_ms), head, author, trust)
        head = _append(letters, hashes, one, head, author, trust)
    return letters


def _append(
    letters: list[header_pb2.SignedEntry],
    hashes: list[HeaderHash],
    one: _Prepared,
    head: Head | None,
    author: Author,
    trust: Trust,
) -> Head:
    one.fields.seq = head.seq + 1 if head else 1
    one.fields.previous = head.hash if head else b""
    signed = entry.create(one.fields, author.key, trust.federation_id)
    hashes.append(signed.header.hash)
    letters.append(
        header_pb2.SignedEntry(
            header=signed.header.body, signature=signed.signature, box=one.box, payload=one.ciphertext
        )
    )
    return chain.head_of(signed.header)


def _checkpoint(stores: Stores, head: Head, signed: Sequence[HeaderHash], author: Author, now_ms: int) -> _Prepared:
    stored = [row.hash for row in ledger.span(stores.ledger, author.feed_id, 1, head.seq, head.seq)]
    root = merkle.root([merkle.leaf(hash_) for hash_ in (*stored, *signed)])
    statement = header_pb2.Checkpoint(size=head.seq, root=root).SerializeToString(deterministic=True)
    return _prepare_statement(Kind.CHECKPOINT, statement, author, now_ms)


def _prepare_statement(kind: Kind, statement: bytes, author: Author, now_ms: int) -> _Prepared:
    return _Prepared(
        header_pb2.Header(feed_id=author.feed_id, created_ms=now_ms, urgency=NORMAL, kind=kind, statement=statement)
    )


def _stage(stores: Stores, letters: Sequence[header_pb2.SignedEntry], trust: Trust) -> None:
    sealed = [(verification.header_hash(one, trust.federation_id), one) for one in letters if one.box]
    if not sealed:
        return
    payloads.put_boxes(stores.keys, [(hash_, one.box) for hash_, one in sealed])
    stores.commit("keys")
    for hash_, one in sealed:
        payloads.put_chunks(stores.ledger, hash_, 0, payload.chunks(one.payload))
    stores.commit("ledger")


def recover(stores: Stores, author: Author, trust: Trust, now_ms: int) -> Admitted:
    """At the start: take in what was signed and not stored, and drop what was staged and not signed.

    Raises ConfigError for a journal that is not of this federation.
    """
    checked = verification.verify(_unstored(stores, author, trust), trust, author.reader)
    if checked.fault is not None:
        raise ConfigError(
            f"the sign journal does not fit the charter: {checked.fault.reason}",
            next_step="It was made under another charter or changed. Set this node up anew in another folder.",
        ) from checked.fault
    admitted = ingest.admit(stores, checked, trust, author.reader, now_ms)
    payloads.drop_chunks(stores.ledger, payloads.orphans(stores.ledger))
    stores.commit("ledger")
    own = remainders.boxes(stores.ledger)
    named = [hash_ for hash_ in payloads.box_hashes(stores.keys) if hash_ not in own]
    held = ledger.held(stores.ledger, named) if len(named) < _BATCH else _held(stores, named)
    payloads.drop_boxes(stores.keys, [hash_ for hash_ in named if hash_ not in held])
    stores.commit("keys")
    return admitted


def _unstored(stores: Stores, author: Author, trust: Trust) -> list[header_pb2.SignedEntry]:
    """What the journal has above the heads of our log and of our feed; the log first, for it certifies the feed."""
    own = (log_id(author.reader.member_id), author.feed_id)
    heads = {feed_id: ledger.head(stores.ledger, feed_id) for feed_id in own}
    found: dict[FeedId, list[header_pb2.SignedEntry]] = {feed_id: [] for feed_id in own}
    for body, signature in author.journal.lines():
        header = entry.decode(body, signature, trust.federation_id).header
        head = heads.get(header.feed_id)
        if header.feed_id in found and header.seq > (head.seq if head else 0):
            letter = header_pb2.SignedEntry(header=body, signature=signature)
            found[header.feed_id].append(_with_staged(stores, letter, trust))
    return [letter for feed_id in own for letter in found[feed_id]]


_BATCH = 500


def _held(stores: Stores, hashes: Sequence[HeaderHash]) -> set[HeaderHash]:
    held: set[HeaderHash] = set()
    for start in range(0, len(hashes), _BATCH):
        held |= ledger.held(stores.ledger, hashes[start : start + _BATCH])
    return held


def _with_staged(stores: Stores, line: header_pb2.SignedEntry, trust: Trust) -> header_pb2.SignedEntry:
    hash_ = verification.header_hash(line, trust.federation_id)
    return header_pb2.SignedEntry(
        header=line.header,
        signature=line.signature,
        box=payloads.box(stores.keys, hash_) or b"",
        payload=payloads.ciphertext(stores.ledger, hash_),
    )
