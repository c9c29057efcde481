"""Statements: content kept in the header itself (protos/README.md section 4).

Governance only: ids, hashes, keys, bounds and codes, never text and never the value of an item.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from google.protobuf.descriptor import Descriptor

from node.errors import Malformed
from node.feed import keys, quorum, walker
from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.v1 import header_pb2

BOUND_BYTES = 40  # of a revocation's row: a feed, and the last entry of it that stands


@dataclass(frozen=True, slots=True)
class Accept:
    """The member takes part in this federation."""

    inception: bytes
    inception_signature: bytes


@dataclass(frozen=True, slots=True)
class Rotate:
    """A new root key, committed to by the one before."""

    root_key: bytes
    next_root: bytes


@dataclass(frozen=True, slots=True)
class Node:
    """A node's keys, certified by the root."""

    node_id: bytes
    feed_key: bytes
    kem_key: bytes
    tls_issuer: bytes


@dataclass(frozen=True, slots=True)
class Bound:
    """RETIRE, SETTLE and SUPERSEDE: a feed up to one entry of it."""

    feed_id: FeedId
    seq: int = 0
    header_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Spare:
    """One-use keys, end to end."""

    keys: bytes


@dataclass(frozen=True, slots=True)
class Successor:
    """Who goes on in this member's place."""

    member_id: MemberId


@dataclass(frozen=True, slots=True)
class Leave:
    """The member's part in the federation is over, and so is the feed that its node told it by."""

    feed_id: FeedId
    seq: int = 0
    header_hash: bytes = b""
    reason: int = 0

    @property
    def bound(self) -> Bound:
        """The end of that feed."""
        return Bound(self.feed_id, self.seq, self.header_hash)


@dataclass(frozen=True, slots=True)
class Open:
    """The first entry of a node feed."""

    member_id: MemberId
    feed_key: bytes
    node_id: bytes = b""
    kem_key: bytes = b""
    tls_issuer: bytes = b""
    spare_key: bytes = b""
    spare_signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Endorse:
    """A member vouches for another in a role."""

    member_id: MemberId
    role: int
    predecessor: bytes = b""


@dataclass(frozen=True, slots=True)
class Unendorse:
    """Takes back one endorsement."""

    entry: HeaderHash


@dataclass(frozen=True, slots=True)
class Suspend:
    """Ends by itself."""

    member_id: MemberId
    until_ms: int
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Revoke:
    """Does not end."""

    member_id: MemberId
    reason: int = 0
    bounds: bytes = b""

    @property
    def rows(self) -> tuple[tuple[FeedId, int], ...]:
        """The feeds it leaves something of, each with the last entry that stands."""
        rows = (self.bounds[i : i + BOUND_BYTES] for i in range(0, len(self.bounds), BOUND_BYTES))
        return tuple((FeedId(row[:32]), int.from_bytes(row[32:])) for row in rows)


@dataclass(frozen=True, slots=True)
class Amend:
    """One signature under an amendment."""

    number: int
    document: bytes
    previous: bytes = b""
    quorums: bytes = b""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Names what no longer stands, never its value."""

    reason: int
    entry: bytes = b""
    positions: bytes = b""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a member did about withdrawals: one, or all of a feed from one place up to it."""

    entry: HeaderHash
    restricted_ms: int = 0
    erased_ms: int = 0
    ground: int = 0
    first_seq: int = 0
    until_ms: int = 0


@dataclass(frozen=True, slots=True)
class Anchor:
    """Heads of local logs, for peers to witness."""

    journal_size: int = 0
    journal_head: bytes = b""
    audit_size: int = 0
    audit_root: bytes = b""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree over the feed so far."""

    size: int
    root: bytes


Statement = (
    Accept
    | Rotate
    | Node
    | Bound
    | Spare
    | Successor
    | Leave
    | Open
    | Endorse
    | Unendorse
    | Suspend
    | Revoke
    | Amend
    | Withdraw
    | Receipt
    | Anchor
    | Checkpoint
)


def _entry(descriptor: Descriptor, made: type[Any]) -> tuple[walker.Shape, type[Any]]:
    return walker.shape(descriptor), made


_KINDS: dict[int, tuple[walker.Shape, type[Any]]] = {
    Kind.ACCEPT: _entry(header_pb2.Accept.DESCRIPTOR, Accept),
    Kind.ROTATE: _entry(header_pb2.Rotate.DESCRIPTOR, Rotate),
    Kind.NODE: _entry(header_pb2.Node.DESCRIPTOR, Node),
    Kind.RETIRE: _entry(header_pb2.Retire.DESCRIPTOR, Bound),
    Kind.SETTLE: _entry(header_pb2.Settle.DESCRIPTOR, Bound),
    Kind.SPARE: _entry(header_pb2.Spare.DESCRIPTOR, Spare),
    Kind.SUCCESSOR: _entry(header_pb2.Successor.DESCRIPTOR, Successor),
    Kind.LEAVE: _entry(header_pb2.Leave.DESCRIPTOR, Leave),
    Kind.OPEN: _entry(header_pb2.Open.DESCRIPTOR, Open),
    Kind.ENDORSE: _entry(header_pb2.Endorse.DESCRIPTOR, Endorse),
    Kind.UNENDORSE: _entry(header_pb2.Unendorse.DESCRIPTOR, Unendorse),
    Kind.SUSPEND: _entry(header_pb2.Suspend.DESCRIPTOR, Suspend),
    Kind.REVOKE: _entry(header_pb2.Revoke.DESCRIPTOR, Revoke),
    Kind.AMEND: _entry(header_pb2.Amend.DESCRIPTOR, Amend),
    Kind.SUPERSEDE: _entry(header_pb2.Supersede.DESCRIPTOR, Bound),
    Kind.WITHDRAW: _entry(header_pb2.Withdraw.DESCRIPTOR, Withdraw),
    Kind.RECEIPT: _entry(header_pb2.Receipt.DESCRIPTOR, Receipt),
    Kind.ANCHOR: _entry(header_pb2.Anchor.DESCRIPTOR, Anchor),
    Kind.CHECKPOINT: _entry(header_pb2.Checkpoint.DESCRIPTOR, Checkpoint),
}


@dataclass(frozen=True, slots=True)
class Read:
    """A statement and whether all of it is understood here."""

    statement: Statement
    understood: bool


def read(header: Header) -> Read | None:
    """The header's statement, or None where the kind is not known; raises Malformed."""
    known = _KINDS.get(header.kind)
    if known is None:
        return None
    shape, made = known
    walked = walker.walk(shape, header.statement)
    statement: Statement = made(**walked.values)
    _check(header, statement)
    return Read(statement, walked.understood and header.understood)


def _check(header: Header, statement: Statement) -> None:
    match statement:
        case Node(feed_key=feed_key, kem_key=kem_key):
            _check_keys(feed_key, kem_key)
        case Rotate(root_key=root_key):
            _check_signing_key(root_key)
        case Spare(keys=joined):
            for start in range(0, len(joined), 32):
                _check_signing_key(joined[start : start + 32])
        case Open():
            _check_open(statement)
        case Bound(seq=seq, header_hash=header_hash) | Leave(seq=seq, header_hash=header_hash):
            if bool(seq) != bool(header_hash):
                raise Malformed("bound-whole", "a sequence number without its header hash, or the reverse")
        case Amend(number=number, previous=previous, quorums=rows):
            quorum.decode(rows)
            if (number == 1) == bool(previous):
                raise Malformed("amend-previous", "previous must be absent in amendment 1 and only there")
        case Withdraw(entry=target, positions=positions):
            _check_withdraw(header, target, positions)
        case Revoke(bounds=bounds):
            feeds = [bounds[i : i + 32] for i in range(0, len(bounds), BOUND_BYTES)]
            if any(a >= b for a, b in pairwise(feeds)):
                raise Malformed("bounds-rising", "the feeds of a revocation do not rise")
        case Checkpoint(size=size):
            if size != header.seq - 1:
                raise Malformed("checkpoint-size", f"size {size} at seq {header.seq}")
        case _:
            pass


def _check_open(statement: Open) -> None:
    spare = (
        statement.node_id,
        statement.kem_key,
        statement.tls_issuer,
        statement.spare_key,
        statement.spare_signature,
    )
    if any(spare) and not all(spare):
        raise Malformed("open-whole", "a feed opened by a spare names all of its keys")
    _check_signing_key(statement.feed_key)
    if statement.kem_key:
        _check_keys(statement.spare_key, statement.kem_key)


def _check_withdraw(header: Header, target: bytes, positions: bytes) -> None:
    if bool(target) == bool(header.object_id):
        raise Malformed("withdraw-target", "a withdrawal names an entry or the header's object, not both")
    if positions and not target:
        raise Malformed("withdraw-target", "positions without the entry they are in")
    if positions and not positions[-1]:
        raise Malformed("bitmap-minimal", "the last byte of a bitmap is zero")


def _check_signing_key(public_key: bytes) -> None:
    if not keys.is_signing_key(public_key):
        raise Malformed("key-order", "an Ed25519 key is no point of the main subgroup")


def _check_keys(signing: bytes, exchange: bytes) -> None:
    _check_signing_key(signing)
    if not keys.is_exchange_key(exchange):
        raise Malformed("key-order", "an X25519 key is of small order")


def bitmap(positions: list[int]) -> bytes:
    """Positions as a bitmap: bit i of byte i / 8, lowest first, no zero byte at the end."""
    octets = bytearray(max(positions) // 8 + 1 if positions else 0)
    for position in positions:
        octets[position // 8] |= 1 << position % 8
    return bytes(octets)


def positions(bits: bytes) -> list[int]:
    """The positions a bitmap names, rising."""
    return [i for i in range(len(bits) * 8) if bits[i // 8] >> i % 8 & 1]
