"""The header: small, signed, chained, kept (protos/README.md section 3)."""

from dataclasses import dataclass

from node import limits
from node.errors import Malformed
from node.feed import kinds, pae, payload, walker
from node.feed.keys import FeedId, HeaderHash, ObjectId
from node.feed.kinds import Kind
from node.feed.pae import FederationId, Purpose
from node.v1 import header_pb2

URGENT, NORMAL, HISTORY, BULK = 0, 1, 2, 3
OPEN_RELAY, SEALED_RELAY, READERS_ONLY, AUTHOR_ONLY = 0, 1, 2, 3
URGENCIES = (URGENT, NORMAL, BULK)

_SHAPE = walker.shape(header_pb2.Header.DESCRIPTOR)
_PAYLOAD_FIELDS = ("expires_ms", "payload_id", "payload_size", "payload_root", "box_hash", "key_commit")


@dataclass(frozen=True, slots=True)
class Header:
    """One verified reading of header bytes. Absent bytes are empty, absent numbers zero."""

    body: bytes
    hash: HeaderHash
    feed_id: FeedId
    seq: int
    previous: bytes
    created_ms: int
    expires_ms: int
    urgency: int
    kind: int
    carriage: int
    exercise: bool
    object_id: ObjectId
    payload_id: bytes
    payload_size: int
    payload_root: bytes
    box_hash: bytes
    key_commit: bytes
    audience_tag: bytes
    statement: bytes
    understood: bool

    @property
    def has_payload(self) -> bool:
        """Whether the content is sealed outside the header."""
        return not kinds.is_statement(self.kind)

    @property
    def is_urgent(self) -> bool:
        """Whether it may go before all else; a drill yields to what is real, whatever it asks for."""
        return self.urgency == URGENT and not self.exercise

    @property
    def effective_carriage(self) -> int:
        """What a relay may do; what it does not know it treats as the strictest."""
        return min(self.carriage, AUTHOR_ONLY)


def decode(body: bytes, federation_id: FederationId) -> Header:
    """Read header bytes by the rules of section 3; raises Malformed."""
    if len(body) > limits.HEADER_BYTES_MAX:
        raise Malformed("header-size", f"{len(body)} bytes, at most {limits.HEADER_BYTES_MAX}")
    walked = walker.walk(_SHAPE, body)
    number, octets = walked.number, walked.octets
    header = Header(
        body=body,
        hash=HeaderHash(pae.digest(Purpose.HEADER, federation_id, body)),
        feed_id=FeedId(octets("feed_id")),
        seq=number("seq"),
        previous=octets("previous"),
        created_ms=number("created_ms"),
        expires_ms=number("expires_ms"),
        urgency=number("urgency"),
        kind=number("kind"),
        carriage=number("carriage"),
        exercise=bool(number("exercise")),
        object_id=ObjectId(octets("object_id")),
        payload_id=octets("payload_id"),
        payload_size=number("payload_size"),
        payload_root=octets("payload_root"),
        box_hash=octets("box_hash"),
        key_commit=octets("key_commit"),
        audience_tag=octets("audience_tag"),
        statement=octets("statement"),
        understood=walked.understood,
    )
    _check_place(header)
    _check_content(header, frozenset(walked.values))
    return header


def _check_place(header: Header) -> None:
    if (header.seq == 1) == bool(header.previous):
        raise Malformed("previous-place", f"previous must be absent at seq 1 and only there, seq {header.seq}")
    if header.urgency not in URGENCIES:
        raise Malformed("urgency-known", f"urgency {header.urgency} is for relays only")
    opens = header.kind in (Kind.ACCEPT, Kind.OPEN)
    if opens != (header.seq == 1):
        raise Malformed("opening-first", f"{kinds.name(header.kind)} at seq {header.seq}")


def _check_content(header: Header, present: frozenset[str]) -> None:
    if kinds.is_statement(header.kind):
        extra = present.intersection((*_PAYLOAD_FIELDS, "carriage", "audience_tag"))
        if extra:
            raise Malformed("statement-alone", f"{min(extra)} beside a statement kind")
        if not header.statement:
            raise Malformed("statement-required", f"{kinds.name(header.kind)} has no statement")
        return
    if header.statement:
        raise Malformed("payload-alone", f"{kinds.name(header.kind)} has a statement")
    missing = [name for name in _PAYLOAD_FIELDS if name not in present]
    if missing:
        raise Malformed("payload-whole", f"{missing[0]} is missing beside a payload kind")
    if not payload.is_bucket(header.payload_size):
        raise Malformed("payload-bucket", f"{header.payload_size} bytes are no bucket")
    if not header.created_ms < header.expires_ms <= header.created_ms + limits.LIFE_MS_MAX:
        raise Malformed("expiry-range", "expires_ms must be after created_ms, by at most five years")
    sealed = header.kind == Kind.SEALED
    if sealed == (header.carriage == OPEN_RELAY):
        raise Malformed("carriage-sealed", "carriage 0 is for all members, every other is for kind 64")
    if sealed and header.object_id:
        raise Malformed("sealed-object", "a sealed entry shows no object")
    if header.audience_tag and not sealed:
        raise Malformed("tag-sealed", "an audience tag without a sealed audience")
