"""A small federation with seeded keys: members, their charter, and entries in their feeds."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from random import Random

from nacl.signing import SigningKey

from node.feed import charter as charters
from node.feed import entry, identity, keys
from node.feed.charter import Charter
from node.feed.entry import Entry
from node.feed.facts import Said
from node.feed.header import Header
from node.feed.identity import Card, Inception, Role
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.pae import FederationId
from node.feed.quorum import Act, Quorum, Quorums
from node.v1 import header_pb2

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
EVERY_ROLE = frozenset(Role) - {Role.OBSERVER}


def seed(label: str) -> bytes:
    """32 bytes that are the same each time."""
    return sha256(b"tests/feed: " + label.encode()).digest()


@dataclass(frozen=True, slots=True)
class Actor:
    """A member with the keys that only it has."""

    inception: Inception
    root: SigningKey
    next_root: SigningKey
    feed: SigningKey
    kem: bytes

    @property
    def member_id(self) -> MemberId:
        return self.inception.member_id

    def feed_id(self, federation_id: FederationId) -> FeedId:
        return keys.feed_id(federation_id, self.member_id, bytes(self.feed.verify_key))


@cache
def actor(name: str, role: Role, country: str) -> Actor:
    """The member of this name."""
    root, next_root = SigningKey(seed(name + " root")), SigningKey(seed(name + " next root"))
    inception = identity.create_inception(
        root, bytes(next_root.verify_key), seed(name + " nonce")[:16], name, role, country
    )
    return Actor(inception, root, next_root, SigningKey(seed(name + " feed")), seed(name + " kem"))


def quorums() -> Quorums:
    """Two admit, suspend and revoke; three from two countries accept and amend."""
    heavy, two = Quorum(3, 2, EVERY_ROLE), Quorum(2, 1, EVERY_ROLE)
    admissions = {(int(Act.ADMIT), int(role)): two for role in Role}
    return {
        (Act.ACCEPT, 0): heavy,
        **admissions,
        (Act.SUSPEND, 0): two,
        (Act.REVOKE, 0): two,
        (Act.AMEND, 0): heavy,
    }


@dataclass(frozen=True, slots=True)
class World:
    """Five founders, five who would like to join, one charter."""

    charter: Charter
    founders: tuple[Actor, ...]
    others: tuple[Actor, ...]

    @property
    def federation_id(self) -> FederationId:
        return self.charter.federation_id

    @property
    def everyone(self) -> tuple[Actor, ...]:
        return (*self.founders, *self.others)


@cache
def world() -> World:
    """The one that most tests live in."""
    founders = (
        actor("Ministry A", Role.AUTHORITY, "FR"),
        actor("Ministry B", Role.AUTHORITY, "DE"),
        actor("Agency", Role.EUROPOL, "EU"),
        actor("Body", Role.INDUSTRY_BODY, ""),
        actor("Platform", Role.PLATFORM, "IE"),
    )
    others = tuple(actor(f"Newcomer {number}", Role.PLATFORM, "NL") for number in range(5))
    cards = [Card(founder.inception, b"an issuer", "") for founder in founders]
    return World(charters.create("Test federation", cards, quorums(), b"# document\n"), founders, others)


def said(label: str, author: Actor, member: Actor, *, role: int = 0, until_ms: int = 0) -> Said:
    """A governance statement as the roster reads it."""
    entry_hash = HeaderHash(seed(f"said {label} {author.inception.name} {member.inception.name} {role}"))
    return Said(entry_hash, author.member_id, member.member_id, NOW_MS, role, until_ms)


def entry_of(author: Actor, fields: header_pb2.Header, previous: Header | None = None) -> Entry:
    """The next entry of the author's node feed."""
    federation_id = world().federation_id
    fields.feed_id = author.feed_id(federation_id)
    fields.seq = previous.seq + 1 if previous else 1
    fields.previous = previous.hash if previous else b""
    fields.created_ms = fields.created_ms or NOW_MS
    return entry.create(fields, author.feed, federation_id)


def opening(author: Actor) -> Entry:
    """The first entry of the author's node feed."""
    opened = header_pb2.Open(member_id=author.member_id, feed_key=bytes(author.feed.verify_key))
    return entry_of(author, header_pb2.Header(kind=32, statement=opened.SerializeToString(deterministic=True)))


def flips(data: bytes, positions: Iterable[int] | None = None) -> Iterable[bytes]:
    """The data with each single bit turned, or the bits named."""
    for position in range(len(data) * 8) if positions is None else positions:
        turned = bytearray(data)
        turned[position // 8] ^= 1 << position % 8
        yield bytes(turned)


def randomness(label: str) -> Random:
    """Seeded chance."""
    return Random(seed(label))
