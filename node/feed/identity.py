"""Identity: a member's own log, signed by its root key, which stays offline (section 5.2).

It travels as a feed whose id is the member id, so heads, gaps, forks and sync have one rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from nacl.signing import SigningKey

from node.errors import Malformed
from node.feed import entry as entries
from node.feed import keys, kinds, pae, statements, walker
from node.feed.entry import Entry
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.pae import NO_FEDERATION, FederationId, Purpose
from node.feed.statements import Bound
from node.v1 import header_pb2

_INCEPTION = walker.shape(header_pb2.Inception.DESCRIPTOR)
CARD_ROTATIONS_MAX = 16
_NO_ID = FederationId(b"")
_CARD = walker.shape(header_pb2.Card.DESCRIPTOR)
# Code points that are not shown or that turn the reading direction round: a name must look like itself.
_UNSHOWN = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x115F, 0x1160), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0xE0000, 0xE0FFF),
)  # fmt: skip


class Role(IntEnum):
    """Granted by the charter or by endorsements, never self-claimed."""

    AUTHORITY = 1
    EUROPOL = 2
    INDUSTRY_BODY = 3
    PLATFORM = 4
    OBSERVER = 5


@dataclass(frozen=True, slots=True)
class Inception:
    """How a member begins. Its id is the hash of these bytes."""

    body: bytes
    signature: bytes
    member_id: MemberId
    root_key: bytes
    next_root: bytes
    name: str
    role: int
    country: str


@dataclass(frozen=True, slots=True)
class NodeCertificate:
    """One node's keys, by the root or by a spare the root certified."""

    feed_id: FeedId
    node_id: bytes
    feed_key: bytes
    kem_key: bytes
    tls_issuer: bytes
    is_doubtful: bool = False  # what it says is contested: it was let in behind something that is not known here
    spare_key: bytes = b""  # by which it was let in, if not by the root itself


@dataclass(frozen=True, slots=True)
class Card:
    """What a new member hands over."""

    inception: Inception
    tls_issuer: bytes
    address: str
    root_key: bytes = b""  # by which it was signed


@dataclass(frozen=True, slots=True)
class Rotation:
    """The root keys from an entry on: the one in force behind it, and the commitment to the next."""

    seq: int
    root_key: bytes
    next_root: bytes


@dataclass(frozen=True, slots=True)
class Departure:
    """When a member left, by its own clock, and all its feeds that had an end by then: nothing else of it counts."""

    entry: HeaderHash
    left_ms: int
    reason: int
    feed_id: FeedId  # by which it was told: its node is still let in, to go on telling it
    ends: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """A member as its log says, entry by entry."""

    inception: Inception
    root_key: bytes
    next_root: bytes
    rotations: tuple[Rotation, ...] = ()
    nodes: tuple[NodeCertificate, ...] = ()
    retired: tuple[Bound, ...] = ()
    settled: tuple[Bound, ...] = ()
    spares: tuple[bytes, ...] = ()
    successor: MemberId | None = None
    is_halted: bool = False  # behind something critical that is not known here
    sure_spares: int = 0  # so many of the spares; what let the others in is not known here
    departure: Departure | None = None

    @property
    def member_id(self) -> MemberId:
        """Which member."""
        return self.inception.member_id

    @property
    def extent(self) -> "Extent":
        """How much of it there is: a log is long, and each place of it is remembered."""
        return Extent(
            len(self.rotations),
            len(self.nodes),
            len(self.retired),
            len(self.settled),
            len(self.spares),
            self.sure_spares,
            self.successor,
            self.is_halted,
            self.departure,
        )

    def within(self, extent: "Extent | None") -> "Identity":
        """As it was when there was so much of it; None: as it began."""
        if extent is None:
            return Identity(self.inception, self.inception.root_key, self.inception.next_root)
        rotations = self.rotations[: extent.rotations]
        root_key, next_root = self.inception.root_key, self.inception.next_root
        if rotations:
            root_key, next_root = rotations[-1].root_key, rotations[-1].next_root
        return Identity(
            self.inception,
            root_key,
            next_root,
            rotations,
            self.nodes[: extent.nodes],
            self.retired[: extent.retired],
            self.settled[: extent.settled],
            self.spares[: extent.spares],
            extent.successor,
            extent.is_halted,
            extent.sure_spares,
            extent.departure,
        )


class Extent(NamedTuple):
    """How much a log had said at one place: its parts only grow."""

    rotations: int
    nodes: int
    retired: int
    settled: int
    spares: int
    sure_spares: int
    successor: MemberId | None
    is_halted: bool
    departure: Departure | None


def decode_inception(body: bytes, signature: bytes) -> Inception:
    """Read an inception and check its own signature; raises Malformed."""
    walked = walker.walk(_INCEPTION, body)
    root_key, name, country = walked.octets("root_key"), walked.text("name"), walked.text("country")
    if not keys.is_signing_key(root_key):
        raise Malformed("key-order", "the root key is no point of the main subgroup")
    if not keys.verify(root_key, signature, Purpose.INCEPTION, NO_FEDERATION, body):
        raise Malformed("inception-signed", "not signed by its own root key")
    if name != name.strip() or any(low <= ord(c) <= high for c in name for low, high in _UNSHOWN):
        raise Malformed("name-plain", "the name has control characters or blanks around it")
    if country and not (country.isascii() and country.isalpha() and country.isupper()):
        raise Malformed("country-code", f"{country!r} is not two capital letters")
    return Inception(
        body=body,
        signature=signature,
        member_id=MemberId(pae.digest(Purpose.INCEPTION, NO_FEDERATION, body)),
        root_key=root_key,
        next_root=walked.octets("next_root"),
        name=name,
        role=walked.number("role"),
        country=country,
    )


def create_inception(
    root: SigningKey, next_root_key: bytes, nonce: bytes, name: str, role: Role, country: str
) -> Inception:
    """A new member's inception, signed by its root; raises Malformed for a name that is not plain."""
    message = header_pb2.Inception(
        root_key=bytes(root.verify_key),
        next_root=next_root_commitment(next_root_key),
        nonce=nonce,
        name=name,
        role=role,
        country=country,
    )
    body = message.SerializeToString(deterministic=True)
    return decode_inception(body, keys.sign(root, Purpose.INCEPTION, NO_FEDERATION, body))


def next_root_commitment(public_key: bytes) -> bytes:
    """What is published of the next root key: stealing the present one does not allow a rotation."""
    return pae.digest(Purpose.NEXT_ROOT, NO_FEDERATION, public_key)


def create_card(
    inception: Inception,
    tls_issuer: bytes,
    address: str,
    root: SigningKey,
    rotations: Sequence[Entry] = (),
    federation_id: FederationId | None = None,
) -> bytes:
    """A card file, signed by the root; with all rotations that lead to it from the inception's."""
    card = header_pb2.Card(
        inception=inception.body,
        inception_signature=inception.signature,
        tls_issuer=tls_issuer,
        address=address,
    ).SerializeToString(deterministic=True)
    signature = keys.sign(root, Purpose.CARD, NO_FEDERATION, card)
    letter = header_pb2.SignedCard(card=card, signature=signature, federation_id=federation_id or b"")
    letter.rotations.extend(
        header_pb2.SignedEntry(header=one.header.body, signature=one.signature) for one in rotations
    )
    return letter.SerializeToString(deterministic=True)


def read_card(letter: header_pb2.SignedCard) -> Card:
    """Read a card file's content and check all of its signatures; raises Malformed."""
    if len(letter.rotations) > CARD_ROTATIONS_MAX:
        raise Malformed("card-rotations", f"more than {CARD_ROTATIONS_MAX} rotations")
    rotations = [(one.header, one.signature) for one in letter.rotations]
    return decode_card(letter.card, letter.signature, rotations, FederationId(letter.federation_id))


def decode_card(
    body: bytes, signature: bytes, rotations: Sequence[tuple[bytes, bytes]] = (), federation_id: FederationId = _NO_ID
) -> Card:
    """Read a card and check its signatures, and that the rotations lead to its root key; raises Malformed."""
    walked = walker.walk(_CARD, body)
    inception = decode_inception(walked.octets("inception"), walked.octets("inception_signature"))
    root_key = _root_after(inception, [entries.decode(*one, federation_id) for one in rotations], federation_id)
    if not keys.verify(root_key, signature, Purpose.CARD, NO_FEDERATION, body):
        raise Malformed("card-signed", "not signed by the member's root key")
    return Card(inception, walked.octets("tls_issuer"), walked.text("address"), root_key)


def _root_after(inception: Inception, rotations: Sequence[Entry], federation_id: FederationId) -> bytes:
    """The root key that rotations lead to; what else the log has between them needs not be known."""
    root_key, next_root, last = inception.root_key, inception.next_root, 1
    for one in rotations:
        read = statements.read(one.header)
        statement = read.statement if read else None
        in_place = one.header.feed_id == log_id(inception.member_id) and one.header.seq > last
        if not in_place or not isinstance(statement, statements.Rotate):
            raise Malformed("card-rotations", "a card's rotations are the ROTATE entries of its member's log, rising")
        signer = _signer(root_key, next_root, statement)
        if not entries.is_signed_by(one, signer, federation_id):
            raise Malformed("signature", "a rotation is not signed by the key that it brings")
        root_key, next_root, last = statement.root_key, statement.next_root, one.header.seq
    return root_key


def log_id(member_id: MemberId) -> FeedId:
    """The feed id of a member's identity log is its member id."""
    return FeedId(bytes(member_id))


def begin(entry: Entry, federation_id: FederationId) -> Identity:
    """The first entry of an identity log; raises Malformed."""
    read = statements.read(entry.header)
    if read is None or not isinstance(read.statement, statements.Accept):
        raise Malformed("identity-opening", "an identity log begins with an acceptance")
    inception = decode_inception(read.statement.inception, read.statement.inception_signature)
    if entry.header.feed_id != log_id(inception.member_id):
        raise Malformed("identity-member", "the feed id is not the member id of its inception")
    if not entries.is_signed_by(entry, inception.root_key, federation_id):
        raise Malformed("signature", "the acceptance is not signed by the member's root key")
    return Identity(inception, inception.root_key, inception.next_root)


def follow(identity: Identity, entry: Entry, federation_id: FederationId) -> Identity:
    """The identity after one more entry, which must be signed by the root in force; raises Malformed."""
    if not kinds.is_identity(entry.header.kind):
        raise Malformed("identity-kind", f"kind {entry.header.kind} in an identity log")
    read = statements.read(entry.header)
    signer = _signer(identity.root_key, identity.next_root, read.statement if read else None)
    if not entries.is_signed_by(entry, signer, federation_id):
        raise Malformed("signature", "the entry is not signed by the root key in force")
    # Applied even where it has more fields than are known here: who signs the log, and which feeds
    # it certifies, decides what is stored, and that must be alike on every version of this program.
    if read is not None:
        return _apply(identity, read.statement, entry, federation_id)
    return replace(identity, is_halted=identity.is_halted or kinds.is_halting(entry.header.kind))


def signer_at(identity: Identity, entry: Entry) -> bytes:
    """The root key that must have signed an entry in the log's past; raises Malformed as `follow` does."""
    root_key, next_root = identity.inception.root_key, identity.inception.next_root
    for rotation in identity.rotations:
        if rotation.seq < entry.header.seq:
            root_key, next_root = rotation.root_key, rotation.next_root
    read = statements.read(entry.header)
    return _signer(root_key, next_root, read.statement if read else None)


def _signer(root_key: bytes, next_root: bytes, statement: statements.Statement | None) -> bytes:
    if not isinstance(statement, statements.Rotate):
        return root_key
    if next_root_commitment(statement.root_key) != next_root:
        raise Malformed("rotation-committed", "the new root key is not the one committed to")
    return statement.root_key


def _apply(identity: Identity, statement: statements.Statement, entry: Entry, federation_id: FederationId) -> Identity:
    match statement:
        case statements.Rotate(root_key=root_key, next_root=next_root):
            rotation = Rotation(entry.header.seq, root_key, next_root)
            rotations = (*identity.rotations, rotation)
            return replace(identity, root_key=root_key, next_root=next_root, rotations=rotations)
        case statements.Node():
            made = certificate(identity.member_id, statement, federation_id)
            is_sure = any(one.feed_id == made.feed_id and not one.is_doubtful for one in identity.nodes)
            made = replace(made, is_doubtful=identity.is_halted and not is_sure)
            return replace(identity, nodes=(*identity.nodes, made))
        case statements.Spare(keys=joined):
            spares = tuple(joined[i : i + 32] for i in range(0, len(joined), 32))
            sure = identity.sure_spares + (0 if identity.is_halted else len(spares))
            return replace(identity, spares=(*identity.spares, *spares), sure_spares=sure)
        case Bound() if entry.header.kind == Kind.RETIRE:
            return replace(identity, retired=(*identity.retired, statement))
        case Bound():
            return replace(identity, settled=(*identity.settled, statement))
        case statements.Successor(member_id=member_id):
            return identity if identity.is_halted else replace(identity, successor=member_id)
        case statements.Leave() if identity.departure is None:  # nobody leaves twice
            return _leave(identity, statement, entry)
        case _:
            return identity


def _leave(identity: Identity, statement: statements.Leave, entry: Entry) -> Identity:
    retired = (*identity.retired, statement.bound)
    made = Departure(
        entry.header.hash, entry.header.created_ms, statement.reason, statement.feed_id, tuple(dict.fromkeys(retired))
    )
    return replace(identity, retired=retired, departure=made)


def certificate(
    member_id: MemberId, keys_of: statements.Node | statements.Open, federation_id: FederationId
) -> NodeCertificate:
    """The certificate that a NODE entry or an OPEN by a spare makes."""
    return NodeCertificate(
        feed_id=keys.feed_id(federation_id, member_id, keys_of.feed_key),
        node_id=keys_of.node_id,
        feed_key=keys_of.feed_key,
        kem_key=keys_of.kem_key,
        tls_issuer=keys_of.tls_issuer,
    )


def spare_message(opened: statements.Open) -> bytes:
    """What a spare key signs: the keys it lets in."""
    return opened.member_id + opened.feed_key + opened.node_id + opened.kem_key + opened.tls_issuer


def opened_by_spare(identity: Identity, opened: statements.Open, federation_id: FederationId) -> NodeCertificate | None:
    """The certificate of a feed that a spare of this member opened, if one did."""
    if opened.member_id != identity.member_id or opened.spare_key not in identity.spares:
        return None
    message = spare_message(opened)
    if not keys.verify(opened.spare_key, opened.spare_signature, Purpose.SPARE, federation_id, message):
        return None
    made = certificate(identity.member_id, opened, federation_id)
    is_sure = opened.spare_key in identity.spares[: identity.sure_spares]
    return replace(made, is_doubtful=not is_sure, spare_key=opened.spare_key)
