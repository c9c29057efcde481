"""X.509: a member's own TLS issuers, and the leaves they make for its nodes, tools and people.

A member has two issuers. One is pinned by the other members and makes the leaves of nodes; the
other is known to the member's own nodes only and makes those of tools, so that no tool can pose as
a node and no peer need know of it. All keys are P-256: gRPC cannot use Ed25519 in a leaf.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from node.errors import ConfigError, Refused
from node.feed.keys import MemberId
from node.rpc import tls

ISSUER_LIFE = timedelta(days=3652)  # ten years: handshakes fail when it is over, so it is a real end
NODE_LIFE = timedelta(days=1)  # there is no list of revoked leaves; a stolen one is good for so long
TOOL_LIFE = timedelta(days=90)  # renewed by hand
CLOCKS_APART = timedelta(minutes=10)  # a receiver's clock may be so far behind, as for entries
SERIAL_BYTES = 8  # unguessable enough with SHA-256, and a root must fit into ISSUER_BYTES_MAX

_CLIENT, _SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
_UTF8_STRING = 0x0C


@dataclass(frozen=True, slots=True)
class Issuer:
    """A root certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def der(self) -> bytes:
        """As it stands in statements and cards."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """As a channel takes it."""
        return certificate_pem(self.certificate)


def create_key() -> ec.EllipticCurvePrivateKey:
    """A new key for an issuer or a leaf. Made where it is used; it is in no backup."""
    return ec.generate_private_key(ec.SECP256R1())


def create_issuer(now: datetime) -> Issuer:
    """A new self-signed root; its subject is made of its key."""
    key = create_key()
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    subject = tls.issuer_name(key_id.digest)
    certificate = (
        _builder(subject, subject, key.public_key(), now, now + ISSUER_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_KEY_USAGE_OF_ISSUER, critical=True)
        .add_extension(key_id, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Issuer(certificate, key)


def issue_node(
    issuer: Issuer,
    member_id: MemberId,
    node_id: bytes,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    *,
    life: timedelta = NODE_LIFE,
) -> x509.Certificate:
    """A node's leaf: it serves and dials, so it has both usages and the name that clients ask for."""
    names = x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier(tls.node_uri(member_id, node_id)),
            x509.DNSName(tls.dns_name(member_id)),
        ]
    )
    leaf = _leaf(issuer, names, (_SERVER, _CLIENT), public_key, now, life)
    return leaf.sign(issuer.key, hashes.SHA256())


def issue_tool(
    issuer: Issuer,
    member_id: MemberId,
    name: str,
    scopes: Collection[str],
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    *,
    life: timedelta = TOOL_LIFE,
    is_person: bool = False,
) -> x509.Certificate:
    """A tool's leaf, by the second issuer: it only dials, has no DNS name, and says what it may do.

    Raises Refused for a name or a scope that cannot be.
    """
    names = x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(tls.tool_uri(member_id, name, is_person=is_person))]
    )
    leaf = _leaf(issuer, names, (_CLIENT,), public_key, now, life)
    return leaf.add_extension(_scopes(scopes), critical=False).sign(issuer.key, hashes.SHA256())


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """As files and gRPC have it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """In clear: only for a secret file (`files.create_secret`) or gRPC."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_issuer(certificate: bytes, key: bytes) -> Issuer:
    """An issuer from its two PEM files; raises ConfigError unless they belong together."""
    tls.Leaf(key, certificate)  # the same two questions: readable, and of one key
    private = serialization.load_pem_private_key(key, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise ConfigError("the key of this issuer is not P-256", next_step="Restore the file that belongs there.")
    return Issuer(x509.load_pem_x509_certificate(certificate), private)


_KEY_USAGE_OF_ISSUER = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number() >> (160 - 8 * SERIAL_BYTES))
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(ends)
    )


def _leaf(
    issuer: Issuer,
    names: x509.SubjectAlternativeName,
    usages: Iterable[ObjectIdentifier],
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    if not isinstance(public_key.curve, ec.SECP256R1):
        raise ConfigError("the key of a TLS leaf must be P-256", next_step="Make a new one.")
    ends = min(now + life, issuer.certificate.not_valid_after_utc)
    if ends <= now:
        raise ConfigError(
            f"this TLS issuer expired on {issuer.certificate.not_valid_after_utc:%Y-%m-%d}",
            next_step="Make a new one and have the root key certify it.",
        )
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        _builder(x509.Name([]), issuer.certificate.subject, public_key, now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(names, critical=True)  # as it must be where the subject is empty
        .add_extension(authority, critical=False)
    )


def _scopes(scopes: Collection[str]) -> x509.UnrecognizedExtension:
    unknown = sorted(set(scopes) - tls.SCOPES)
    if unknown or not scopes:
        raise Refused(
            f"there is no scope {', '.join(unknown)}" if unknown else "a tool without a scope can do nothing",
            next_step=f"Choose of {', '.join(sorted(tls.SCOPES))}.",
            field="scope",
        )
    listed = " ".join(sorted(set(scopes))).encode()
    # A DER string of fewer than 128 bytes; all scopes together have 51.
    return x509.UnrecognizedExtension(tls.SCOPES_OID, bytes((_UTF8_STRING, len(listed))) + listed)
