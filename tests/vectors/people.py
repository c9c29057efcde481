"""The members, keys and entries that all vectors speak of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from nacl.signing import SigningKey

from tests.vectors import wire

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000

HEADER_NUMBERS = {
    "version": 1,
    "feed_id": 2,
    "seq": 3,
    "previous": 4,
    "created_ms": 5,
    "expires_ms": 6,
    "urgency": 7,
    "kind": 8,
    "carriage": 9,
    "exercise": 10,
    "object_id": 11,
    "payload_id": 12,
    "payload_size": 13,
    "payload_root": 14,
    "box_hash": 15,
    "key_commit": 16,
    "audience_tag": 17,
    "statement": 18,
}


@dataclass(frozen=True)
class Vector:
    """One file: what goes in and what must come out."""

    folder: str
    name: str
    type: str
    about: str
    input: Mapping[str, Any]
    expect: str
    output: Mapping[str, Any] | None = None

    @property
    def content(self) -> dict[str, Any]:
        """As written."""
        made: dict[str, Any] = {
            "rule": self.name if self.expect == "valid" else self.expect,
            "about": self.about,
            "type": self.type,
            "input": plain(self.input),
            "expect": self.expect,
        }
        return made if self.output is None else {**made, "output": plain(self.output)}


def plain(value: Any) -> Any:
    """JSON's types only: bytes as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


@dataclass(frozen=True)
class Person:
    """A member and its one node."""

    label: str
    role: int
    country: str

    @property
    def root(self) -> SigningKey:
        """The first root key."""
        return wire.signing_key(self.label + " root")

    @property
    def next_root(self) -> SigningKey:
        """The key that the first one commits to."""
        return wire.signing_key(self.label + " next root")

    @property
    def feed(self) -> SigningKey:
        """The key of the node's feed."""
        return wire.signing_key(self.label + " feed")

    @cached_property
    def inception_fields(self) -> dict[int, int | bytes]:
        """The inception, field by field."""
        return {
            1: bytes(self.root.verify_key),
            2: wire.digest("next-root", wire.NO_FEDERATION, bytes(self.next_root.verify_key)),
            3: wire.seed(self.label + " nonce")[:16],
            4: f"Member {self.label}".encode(),
            5: self.role,
            6: self.country.encode(),
        }

    @cached_property
    def inception(self) -> bytes:
        """The inception's bytes."""
        return wire.message(self.inception_fields)

    @cached_property
    def inception_signature(self) -> bytes:
        """By its own root."""
        return wire.sign(self.root, "inception", wire.NO_FEDERATION, self.inception)

    @cached_property
    def member_id(self) -> bytes:
        """The hash of the inception."""
        return wire.digest("inception", wire.NO_FEDERATION, self.inception)

    @cached_property
    def feed_id(self) -> bytes:
        """The id of the node's feed."""
        return wire.digest("feed", FEDERATION_ID, self.member_id + bytes(self.feed.verify_key))

    @property
    def kem(self) -> bytes:
        """The private key for sealed payloads."""
        return wire.seed("x25519 " + self.label + " kem")

    @property
    def kem_public(self) -> bytes:
        """Its public half."""
        return wire.exchange_key(self.label + " kem").public_key().public_bytes_raw()

    @property
    def node(self) -> dict[int, int | bytes]:
        """The NODE statement's fields."""
        return {
            1: wire.seed(self.label + " node")[:16],
            2: bytes(self.feed.verify_key),
            3: self.kem_public,
            4: b"DER of the issuer of " + self.label.encode(),
        }


AUTHORITY = Person("authority-fr", 1, "FR")
SECOND = Person("authority-de", 1, "DE")
EUROPOL = Person("europol", 2, "EU")
INDUSTRY = Person("industry", 3, "")
PLATFORM = Person("platform", 4, "IE")
FOUNDERS = sorted((AUTHORITY, SECOND, EUROPOL, INDUSTRY, PLATFORM), key=lambda person: person.member_id)
CANDIDATE = Person("candidate", 4, "NL")

# act, role, count, countries, roles as bits
QUORUM_ROWS = [
    bytes((1, 0, 3, 2, 0x0F)),
    *(bytes((2, role, 2, 1, 0x07)) for role in range(1, 6)),
    bytes((3, 0, 2, 1, 0x03)),
    bytes((4, 0, 2, 1, 0x07)),
    bytes((5, 0, 3, 2, 0x0F)),
]
CHARTER_FIELDS: dict[int, int | bytes] = {
    1: 1,
    2: b"Vector federation",
    4: b"".join(QUORUM_ROWS),
    5: b"# the first document\n",
}


def founder(person: Person) -> bytes:
    """Field 3 of a charter."""
    return wire.field(3, wire.message({1: person.inception, 2: person.inception_signature}))


def charter(founders: list[Person], changes: Mapping[int, int | bytes] | None = None) -> bytes:
    """A charter over these founders, with some fields changed."""
    fields = {**CHARTER_FIELDS, **(changes or {})}
    low = {number: value for number, value in fields.items() if number < 3}
    high = {number: value for number, value in fields.items() if number > 3}
    return wire.message(low) + b"".join(map(founder, founders)) + wire.message(high)


CHARTER = charter(FOUNDERS)
FEDERATION_ID = sha256(CHARTER).digest()


def header(fields: Mapping[str, int | bytes]) -> bytes:
    """A header's bytes from its fields by name."""
    return wire.message({HEADER_NUMBERS[name]: value for name, value in fields.items()})


def header_hash(body: bytes) -> bytes:
    """What the next header names as its predecessor."""
    return wire.digest("header", FEDERATION_ID, body)


def signed(body: bytes, key: SigningKey) -> dict[str, bytes]:
    """A header with its signature."""
    return {"header": body, "signature": wire.sign(key, "header", FEDERATION_ID, body)}


def statement_header(
    kind: int, statement: bytes, changes: Mapping[str, int | bytes] | None = None
) -> dict[str, int | bytes]:
    """A header with a statement: the opening at seq 1, anything else at seq 7."""
    opens = kind in (2, 32)
    return {
        "version": 1,
        "feed_id": AUTHORITY.feed_id if kind > 31 else AUTHORITY.member_id,
        "seq": 1 if opens else 7,
        "previous": b"" if opens else wire.seed("previous"),
        "created_ms": NOW_MS,
        "kind": kind,
        "statement": statement,
        **(changes or {}),
    }
