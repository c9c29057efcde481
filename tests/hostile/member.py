"""A member's node as its files have it: keys, certificates, and whatever can be made with them.

Reads the files of a folder and imports nothing of ``node``.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256, sha512
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from nacl import bindings
from nacl.signing import SigningKey

from tests.hostile import letters
from tests.vectors import wire

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
SCOPES = ObjectIdentifier("2.25.110455151722621037114599309820616008737")
NAMED = {
    "version": 1, "feed_id": 2, "seq": 3, "previous": 4, "created_ms": 5, "expires_ms": 6, "urgency": 7, "kind": 8,
    "carriage": 9, "exercise": 10, "object_id": 11, "payload_id": 12, "payload_size": 13, "payload_root": 14,
    "box_hash": 15, "key_commit": 16, "audience_tag": 17, "statement": 18,
}  # fmt: skip


@dataclass(frozen=True)
class Leaf:
    """A key and a certificate for it, both PEM."""

    key: bytes = field(repr=False)
    certificate: bytes


@dataclass(frozen=True)
class Issuer:
    """A root certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """As a channel takes it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Said:
    """An entry: its header, what it is called, and all of it as it travels."""

    body: bytes
    hash: bytes
    letter: bytes


@dataclass(frozen=True)
class Head:
    """The last entry of a feed."""

    seq: int
    hash: bytes


@dataclass(frozen=True)
class Member:
    """Whose node it is, and what it signs with."""

    member_id: bytes
    node_id: bytes
    federation_id: bytes
    feed_key: SigningKey = field(repr=False)
    nodes: Issuer
    tools: Issuer

    @classmethod
    def of(cls, folder: Path) -> "Member":
        """As the files of a data folder have it."""

        def secret(name: str) -> bytes:
            return bytes.fromhex((folder / name).read_text().strip())

        charter = letters.octets(letters.read((folder / "charter.tocsin").read_bytes()), 1)  # then the founders' cards
        return cls(
            member_id=secret("node/member"),
            node_id=secret("node/id"),
            federation_id=sha256(charter).digest(),
            feed_key=SigningKey(secret("sign/feed.key")),
            nodes=_issuer(folder, "issuer"),
            tools=_issuer(folder, "tools"),
        )

    @property
    def dns_name(self) -> str:
        """What a client asks for."""
        return f"{self.member_id.hex()[:32]}.tocsin"

    @cached_property
    def feed_id(self) -> bytes:
        """Of its node feed (section 2)."""
        return wire.digest("feed", self.federation_id, self.member_id + bytes(self.feed_key.verify_key))

    @cached_property
    def leaf(self) -> Leaf:
        """As its node shows it."""
        return self.issue(self.nodes)

    def issue(self, issuer: Issuer, *, use: str = "", ends_in: timedelta = timedelta(hours=1)) -> Leaf:
        """A leaf of this member's by an issuer that may not be its own; expired, if that is asked for."""
        key = ec.generate_private_key(ec.SECP256R1())
        ends = datetime.now(UTC) + ends_in  # noqa: TID251 - daemons have the real clock
        uri = f"spiffe://{self.member_id.hex()}/{use or f'node/{self.node_id.hex()}'}"
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
        if not use:
            names.append(x509.DNSName(self.dns_name))
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - timedelta(days=1))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([CLIENT] if use else [SERVER, CLIENT]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(authority, critical=False)
        )
        if use:
            scopes = b"admin audit declare match protect read refer share"
            builder = builder.add_extension(
                x509.UnrecognizedExtension(SCOPES, b"\x0c" + bytes([len(scopes)]) + scopes), critical=False
            )
        made = builder.sign(issuer.key, hashes.SHA256())
        return Leaf(_key_pem(key), made.public_bytes(serialization.Encoding.PEM))

    def hello(self, **changed: int | bytes) -> bytes:
        """The first frame on each stream; with whatever is asked for instead."""
        said: dict[str, int | bytes] = {
            "federation_id": self.federation_id,
            "member_id": self.member_id,
            "node_id": self.node_id,
            "store_id": b"\x01" * 16,
            "version_min": 1,
            "version_max": 1,
            "program": b"hostile",
            "now_ms": now_ms(),
            **changed,
        }
        return letters.frame(letters.HELLO, wire.message(dict(enumerate(said.values(), start=1))))

    # ---- Entries

    def entry(self, head: Head, *, more: bytes = b"", key: SigningKey | None = None, **changed: int | bytes) -> Said:
        """An ANCHOR behind the head, or what is asked for instead; ``more`` follows the known fields."""
        said: dict[str, int | bytes] = {
            "version": 1,
            "feed_id": self.feed_id,
            "seq": head.seq + 1,
            "previous": head.hash,
            "created_ms": now_ms(),
            "urgency": 1,
            "kind": 51,
            "statement": wire.message({1: 1}),
            **changed,
        }
        return self.sign(wire.message({NAMED[name]: value for name, value in said.items()}) + more, key)

    def sign(self, body: bytes, key: SigningKey | None = None, **beside: bytes) -> Said:
        """Any bytes, as if they were a header."""
        signature = wire.sign(key or self.feed_key, "header", self.federation_id, body)
        return Said(body, wire.digest("header", self.federation_id, body), letters.signed(body, signature, **beside))

    def sign_again(self, said: Said) -> Said:
        """Another valid signature over the same header: Ed25519 has one for each nonce."""
        nonce = bindings.crypto_core_ed25519_scalar_reduce(sha512(b"a nonce" + said.body).digest())
        shown = bindings.crypto_scalarmult_ed25519_base_noclamp(nonce)
        signed_over = wire.pae("header", self.federation_id, said.body)
        asked = bindings.crypto_core_ed25519_scalar_reduce(
            sha512(shown + bytes(self.feed_key.verify_key) + signed_over).digest()
        )
        secret = bytearray(sha512(bytes(self.feed_key)).digest()[:32])
        secret[0], secret[31] = secret[0] & 248, secret[31] & 127 | 64
        secret_reduced = bindings.crypto_core_ed25519_scalar_reduce(bytes(secret) + bytes(32))
        answer = bindings.crypto_core_ed25519_scalar_add(
            nonce, bindings.crypto_core_ed25519_scalar_mul(asked, secret_reduced)
        )
        return replace(said, letter=letters.signed(said.body, shown + answer))

    def named(self, letter: bytes) -> Said:
        """A letter, however wrong, and what its header is called."""
        body = letters.octets(letters.read(letter), 1)
        return Said(body, wire.digest("header", self.federation_id, body), letter)

    def sealed(self, head: Head, kind: int, plaintext: bytes, *, more: bytes = b"", **changed: int | bytes) -> Said:
        """An entry with a payload that every member can read."""
        key, payload_id = wire.seed(f"key {head.hash.hex()}"), wire.seed(f"id {head.hash.hex()}")[:16]
        context = wire.payload_context(self.federation_id, self.member_id, 0, 0, payload_id)
        ciphertext, box = wire.stream(key, context, wire.pad(plaintext)), b"\x00" + key
        made = self.entry(
            head,
            kind=kind,
            expires_ms=now_ms() + 3_600_000,
            payload_id=payload_id,
            payload_size=len(ciphertext),
            payload_root=wire.payload_root(ciphertext),
            box_hash=wire.digest("box", self.federation_id, box),
            key_commit=wire.digest("key", self.federation_id, key),
            statement=b"",
            more=more,
            **changed,  # type: ignore[arg-type] # of fields only
        )
        return self.sign(made.body, box=box, payload=ciphertext)

    def elsewhere(self) -> "Member":
        """The same member in another federation."""
        return replace(self, federation_id=wire.seed("another federation"))


def now_ms() -> int:
    """As the daemons have it."""
    return int(datetime.now(UTC).timestamp() * 1000)  # noqa: TID251 - daemons have the real clock


def declaration(title: str, object_id: bytes) -> bytes:
    """A Record with a crisis that ends in half an hour, for everybody."""
    return crisis_record(title, object_id, ends_ms=now_ms() + 1_800_000)


def crisis_record(
    title: str,
    object_id: bytes = b"",
    *,
    ends_ms: int = 2**41,
    starts_ms: int = 0,
    framework: bytes = b"eu-ocrf",
    handling: bytes = b"\x08\x02",
    exercise: int = 0,
    more: bytes = b"",
) -> bytes:
    """A Record with a crisis, however odd."""
    reference = wire.message({1: framework, 2: b"1"})
    crisis = wire.message({1: reference, 2: title.encode(), 13: starts_ms, 14: ends_ms}) + more
    return wire.message({1: 82, 2: object_id, 3: exercise, 4: handling, 32: crisis})


def _issuer(folder: Path, name: str) -> Issuer:
    key = serialization.load_pem_private_key((folder / f"node/{name}.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Issuer(x509.load_pem_x509_certificate((folder / f"node/{name}.pem").read_bytes()), key)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
