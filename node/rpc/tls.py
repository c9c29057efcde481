"""Certificates as gRPC needs them: the names in them, the pinned roots, credentials made of both.

gRPC takes all pinned roots as one pool: any of them may vouch for any name. So nothing here says
who somebody is; the gate does, against the roots pinned for that one member. What is done here is
to keep a root out of the pool that would harm the others in it.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from node.errors import ConfigError, Refused
from node.feed import keys
from node.feed.keys import MemberId
from node.rpc import trial

ISSUER_BYTES_MAX = 400  # of DER: what a NODE statement, an OPEN and a card have room for
ROOTS_PER_MEMBER_MAX = 16  # one for each node and its successor; a member must not fill the pool
NAME_CHARACTERS = 20  # of the key's hash, five bits each
SCOPES = frozenset({"read", "match", "share", "declare", "refer", "protect", "admin", "audit"})
# Extension of a tool's leaf: its scopes as one DER UTF8String, rising, one blank between. Under 2.25
# every UUID is an arc of its own, with no registry to ask.
SCOPES_OID = x509.ObjectIdentifier("2.25.110455151722621037114599309820616008737")

# All that `cryptography` raises over a certificate that somebody else wrote.
UNREADABLE = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

_TOOL_NAME = r"[a-z0-9][a-z0-9._-]{0,62}"
_URI = re.compile(rf"spiffe://([0-9a-f]{{64}})/(?:(node)/([0-9a-f]{{32}})|(tool|person)/({_TOOL_NAME}))")


# ---- Names.


@dataclass(frozen=True, slots=True)
class Claim:
    """What a certificate says of its holder. Nothing is proven by it."""

    member_id: MemberId
    use: Literal["node", "tool", "person"]
    name: str


def node_uri(member_id: MemberId, node_id: bytes) -> str:
    """The SPIFFE id of one node; the trust domain is the member."""
    return _named(f"spiffe://{member_id.hex()}/node/{node_id.hex()}")


def tool_uri(member_id: MemberId, name: str, *, is_person: bool = False) -> str:
    """The SPIFFE id of one tool or person of the member; raises Refused for a name no URI can have."""
    if not re.fullmatch(_TOOL_NAME, name):
        raise Refused(
            f"{name!r} cannot be the name of a tool",
            next_step="Use up to 63 lower-case letters, digits, dots, dashes and underscores.",
            field="name",
        )
    return _named(f"spiffe://{member_id.hex()}/{'person' if is_person else 'tool'}/{name}")


def _named(uri: str) -> str:
    if read_uri(uri) is None:
        raise ValueError(f"{uri} is made of ids of the wrong length")
    return uri


def read_uri(uri: str) -> Claim | None:
    """The claim in a SPIFFE id, or None where it is not one of ours to the letter."""
    found = _URI.fullmatch(uri)
    if found is None:
        return None
    member, node, node_id, use, name = found.groups()
    member_id = MemberId(bytes.fromhex(member))
    if node:
        return Claim(member_id, "node", node_id)
    return Claim(member_id, "person" if use == "person" else "tool", name)


def dns_name(member_id: MemberId) -> str:
    """What a client asks for: gRPC compares DNS names only, and a whole member id is too long for a label."""
    return f"{member_id.hex()[:32]}.tocsin"


def issuer_name(key_id: bytes) -> x509.Name:
    """The subject of an issuer: it is made of its key, so no two have the same and nobody else can make one of it."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, keys.readable(key_id, NAME_CHARACTERS))])


# ---- Pinned roots.


@dataclass(frozen=True, slots=True)
class Root:
    """A member's TLS issuer that may go into the pool."""

    certificate: x509.Certificate
    subject: str  # as it is compared
    key_id: bytes
    der: bytes
    pem: bytes

    @property
    def has_own_name(self) -> bool:
        """Whether its subject is made of its key."""
        return self.subject == _compared(issuer_name(self.key_id))

    def is_beside(self, other: "Root") -> bool:
        """Whether both may be in the pool: of one name and key only copies, which differ in the signature at most."""
        if self.subject != other.subject and self.key_id != other.key_id:
            return True
        return self.certificate.tbs_certificate_bytes == other.certificate.tbs_certificate_bytes


@dataclass(frozen=True, slots=True)
class Pins:
    """Which roots stand for which member: a snapshot that never changes."""

    _roots: Mapping[MemberId, tuple[Root, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, member_id: MemberId) -> tuple[Root, ...]:
        """The member's roots; none where it is not pinned."""
        return self._roots.get(member_id, ())

    def pin(self, member_id: MemberId, der: bytes, now: datetime) -> "Pins":
        """The pins with one more root; raises Refused, naming what is wrong with it.

        A log may name a certificate whose key its member never had. So a copy takes nothing: it is pinned for both, and
        only who has the key makes leaves. Of two others with one name or key stays the one whose name is made of its
        key, or else the earlier.
        """
        root = read_root(der, now)
        held = self.of(member_id)
        if any(root.der == other.der for other in held):
            return self
        if len(held) >= ROOTS_PER_MEMBER_MAX:
            raise Refused(
                f"member {member_id.hex()} has {len(held)} pinned roots already",
                next_step="Retire nodes it no longer runs, or un-pin it and pin what it uses today.",
            )
        return Pins(MappingProxyType({**self._roots, **self._left_by(member_id, root), member_id: (*held, root)}))

    def unpin(self, member_id: MemberId) -> "Pins":
        """The pins without the member. Its open streams end by `Gate.cut`."""
        return Pins(MappingProxyType({m: held for m, held in self._roots.items() if m != member_id}))

    @property
    def pool(self) -> bytes:
        """All roots as PEM, in one order whatever the order of pinning; empty where there are none."""
        pems = (root.pem for member_id in sorted(self._roots) for root in self._roots[member_id])
        return b"".join(dict.fromkeys(pems))

    def _left_by(self, member_id: MemberId, root: Root) -> dict[MemberId, tuple[Root, ...]]:
        """What others have left beside a root of this member, where that is less; raises Refused where theirs stays."""
        # A root of the same name and key id in front of the honest one fails every handshake under it.
        left: dict[MemberId, tuple[Root, ...]] = {}
        for other_id, held in self._roots.items():
            rivals = [other for other in held if not root.is_beside(other)] if other_id != member_id else []
            if any(other.has_own_name or not root.has_own_name for other in rivals):
                raise Refused(
                    f"the root of member {member_id.hex()} has the subject or key id of the one "
                    f"pinned for member {other_id.hex()}",
                    next_step="Ask both, over a second channel, whose it is; un-pin the other if it lied.",
                )
            if rivals:
                left[other_id] = tuple(other for other in held if other not in rivals)
        return left


def read_root(der: bytes, now: datetime) -> Root:
    """Read a TLS issuer and check that it can be pinned at that time; raises Refused."""
    root = _read_root(der)
    if now >= root.certificate.not_valid_after_utc:
        raise _unfit(f"it expired on {root.certificate.not_valid_after_utc:%Y-%m-%d}")
    return root


@lru_cache(trial.ROOTS_REMEMBERED)
def _read_root(der: bytes) -> Root:
    try:
        certificate = x509.load_der_x509_certificate(der)
        fault = _root_fault(certificate)
        subject = _compared(certificate.subject)
        key_id = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    except UNREADABLE as error:
        raise _unfit(f"it cannot be read: {error}") from error
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    if not fault and not trial.loads(pem):
        fault = "gRPC's TLS library cannot load it"
    if fault:
        raise _unfit(fault)
    return Root(certificate, subject, key_id, der, pem)


def _compared(subject: x509.Name) -> str:
    """A subject without what TLS libraries pass over: kinds of strings, letters in upper case, and blanks."""
    return "".join(subject.rfc4514_string().casefold().split())


def _root_fault(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    extensions = certificate.extensions
    key_id = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    if not _is_known_key(key):
        return "its key is neither P-256 nor Ed25519"
    if key_id != x509.SubjectKeyIdentifier.from_public_key(key):
        return "its subject key identifier is not the hash of its key"
    if not extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        return "it is not the certificate of an issuer"
    if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
        return "its key may not sign certificates"
    if not certificate.subject.rdns:
        return "it has no subject"
    if certificate.version != x509.Version.v3:
        return "it is not of version 3"
    certificate.verify_directly_issued_by(certificate)
    return ""


def _is_known_key(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1)
    return isinstance(key, ed25519.Ed25519PublicKey)


def _unfit(fault: str) -> Refused:
    return Refused(
        f"this TLS issuer cannot be pinned: {fault}",
        next_step="Ask its member for a new one.",
        field="tls_issuer",
    )


# ---- Credentials.


@dataclass(frozen=True, slots=True)
class Leaf:
    """A private key and its certificate, both PEM; raises ConfigError unless they belong together."""

    key_pem: bytes = field(repr=False)
    certificate_pem: bytes

    def __post_init__(self) -> None:
        # gRPC keeps what it had when it is given something it cannot use, and says nothing.
        try:
            key = serialization.load_pem_private_key(self.key_pem, password=None)
            (certificate,) = x509.load_pem_x509_certificates(self.certificate_pem)
            belong = key.public_key() == certificate.public_key()
        except UNREADABLE as error:
            raise _mismatched(f"cannot be read: {error}") from error
        if not belong:
            raise _mismatched("do not belong together")


def _mismatched(fault: str) -> ConfigError:
    return ConfigError(
        f"a TLS key and its certificate {fault}",
        next_step="Have the issuer make a new certificate for this key.",
    )


class TlsState:
    """What our ports show and whom they let shake hands, changeable while they serve.

    Only the fetchers run on gRPC's threads; everything else belongs to the event loop's.
    """

    def __init__(self, leaf: Leaf, pins: Pins) -> None:
        self._lock = threading.Lock()
        self._leaf, self._pins, self._acquainted = leaf, pins, pins
        self._generation = 0
        self._configuration = _configuration(leaf, pins)

    @property
    def pins(self) -> Pins:
        """The pins of this moment; the gate asks here on every call."""
        return self._pins

    @property
    def acquainted(self) -> Pins:
        """The pins, and the roots of those who may shake hands only to be told at the gate that they may not in."""
        return self._acquainted

    def pin(self, pins: Pins, acquainted: Pins | None = None) -> None:
        """Use these roots for the next handshakes. Who was let in before stays until `Gate.sweep`."""
        self._publish(self._leaf, pins, acquainted or pins)

    def renew(self, leaf: Leaf) -> None:
        """Show this certificate from the next handshake on."""
        self._publish(leaf, self._pins, self._acquainted)

    def _publish(self, leaf: Leaf, pins: Pins, acquainted: Pins) -> None:
        configuration = _configuration(leaf, acquainted)
        with self._lock:
            self._leaf, self._pins, self._acquainted, self._configuration = leaf, pins, acquainted, configuration
            self._generation += 1

    def server_credentials(self) -> grpc.ServerCredentials:
        """Credentials for one port; a second port that shared them could not bind."""
        with self._lock:
            seen, first = self._generation, self._configuration

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            # Asked for every connection. None says "as before": a configuration costs 76 ms of parsing
            # with a thousand roots. Nothing here can raise, for gRPC would go on with the old roots.
            nonlocal seen
            with self._lock:
                if seen == self._generation:
                    return None
                seen = self._generation
                return self._configuration

        return _dynamic(first, fetch)


def _configuration(leaf: Leaf, pins: Pins) -> grpc.ServerCertificateConfiguration:
    # An empty pool would not mean "nobody" everywhere in gRPC, so it is never handed over.
    pool = pins.pool or trial.nobody()
    return grpc.ssl_server_certificate_configuration([(leaf.key_pem, leaf.certificate_pem)], pool)


def _dynamic(
    first: grpc.ServerCertificateConfiguration,
    fetch: Callable[[], grpc.ServerCertificateConfiguration | None],
) -> grpc.ServerCredentials:
    # The stubs do not know that a fetcher may say None; gRPC's documentation does.
    return grpc.dynamic_ssl_server_credentials(
        first,
        fetch,  # type: ignore[arg-type]
        require_client_authentication=True,
    )


def channel_credentials(root_pem: bytes, leaf: Leaf) -> grpc.ChannelCredentials:
    """Credentials that trust exactly one root; raises ConfigError for none or several.

    With none gRPC would trust the web's certificate authorities, with two either could pose as the other.
    """
    roots = _read_all(root_pem)
    if len(roots) != 1:
        raise ConfigError(
            f"a channel trusts exactly one root, not {len(roots)}",
            next_step="Give the TLS issuer of the node that is dialled, and nothing else.",
        )
    # Written anew: gRPC's reader knows PEM labels that the one above passes over.
    pem = roots[0].public_bytes(serialization.Encoding.PEM)
    return grpc.ssl_channel_credentials(pem, leaf.key_pem, leaf.certificate_pem)


def _read_all(pem: bytes) -> list[x509.Certificate]:
    if not pem.strip():
        return []
    try:
        return x509.load_pem_x509_certificates(pem)
    except UNREADABLE as error:
        raise ConfigError(f"the root certificate of the channel cannot be read: {error}") from error
