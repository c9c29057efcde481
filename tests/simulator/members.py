"""Who is in a simulated federation, and the store every node starts from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from nacl.signing import SigningKey

from node.exchange import ingest, verification
from node.exchange import trust as trusts
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import charter as charters
from node.feed import entry, identity, keys
from node.feed.charter import Charter
from node.feed.identity import Card, Inception, Role
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.feed.quorum import Act, Quorum
from node.policy.retention import After, Class, Crisis, Policy, Rule
from node.store import ledger
from node.store.journal import Signed
from node.v1 import header_pb2, record_pb2
from tests.simulator.disk import Disk, empty_disk

BASE_MS = 1_800_000_000_000
FRAMEWORK = record_pb2.Reference(name="eu-ocrf")  # as the template has it: without a document
FOUNDERS = 25
GRACE_MS = 86_400_000
POLICY = Policy(  # of all nodes, so that what belongs to a crisis is kept by its end
    "simulated",
    (
        Rule(
            *(1, 0, "a day after its end"),
            classes=frozenset({Class.ALERT, Class.DECLARATION}),
            crises=frozenset({Crisis.DECLARED}),
            keep=GRACE_MS,
            after=After.CRISIS_END,
        ),
        Rule(2, 0, "the originator's ceiling"),
    ),
    b"simulated",
)
COUNTRIES = ("DE", "FR", "IE", "NL", "PT")


def seed(label: str) -> bytes:
    return sha256(b"simulator: " + label.encode()).digest()


class SeededWrapping:
    """In HPKE's place: as sealed, but without its randomness. XOR under a hash of the reader's key."""

    def wrap(self, key: bytes, public_key: bytes, context: bytes) -> bytes:
        mask = sha256(public_key + context).digest()
        body = bytes(a ^ b for a, b in zip(key, mask, strict=True))
        return sha256(body).digest() + body + sha256(public_key + body).digest()[:16]

    def unwrap(self, wrapped: bytes, private_key: bytes, context: bytes) -> bytes | None:
        public_key = self.public(private_key)
        body = wrapped[32:64]
        if sha256(public_key + body).digest()[:16] != wrapped[64:]:
            return None
        return bytes(a ^ b for a, b in zip(body, sha256(public_key + context).digest(), strict=True))

    def decoy(self, key: bytes, context: bytes) -> bytes:
        return self.wrap(key, sha256(b"nobody" + context).digest(), context)

    @staticmethod
    def public(private_key: bytes) -> bytes:
        return sha256(b"public" + private_key).digest()


@dataclass(frozen=True, slots=True)
class Member:
    """A member with the keys that only it has."""

    number: int
    inception: Inception
    root: SigningKey
    feed_key: SigningKey
    kem: bytes

    @property
    def member_id(self) -> MemberId:
        return self.inception.member_id

    def reader(self) -> Reader:
        return Reader(self.member_id, (self.kem,), SeededWrapping())

    def feed_id(self, federation_id: FederationId) -> FeedId:
        return keys.feed_id(federation_id, self.member_id, bytes(self.feed_key.verify_key))


@dataclass(frozen=True, slots=True)
class Federation:
    """Members, their charter, and what stands in every store at the start."""

    charter: Charter
    members: tuple[Member, ...]
    letters: tuple[header_pb2.SignedEntry, ...]
    image: dict[str, bytes]
    empty: dict[str, bytes]
    trust: Trust

    def signed_by(self, one: Member) -> list[Signed]:
        """What a member's node has in its sign journal at the start."""
        feed_id = one.feed_id(self.charter.federation_id)
        own = [letter for letter in self.letters if header_pb2.Header.FromString(letter.header).feed_id == feed_id]
        return [(letter.header, letter.signature) for letter in own]


def member(number: int) -> Member:
    root = SigningKey(seed(f"root {number}"))
    role = Role.AUTHORITY if number < 10 else Role.PLATFORM
    inception = identity.create_inception(
        root,
        bytes(SigningKey(seed(f"next {number}")).verify_key),
        seed(f"nonce {number}")[:16],
        f"Member {number}",
        role,
        COUNTRIES[number % len(COUNTRIES)],
    )
    return Member(number, inception, root, SigningKey(seed(f"feed {number}")), seed(f"kem {number}"))


@cache
def federation(count: int, document: bytes = b"") -> Federation:
    """A federation of so many members; above 25 the others are endorsed by the first three."""
    members = tuple(member(number) for number in range(count))
    cards = [Card(one.inception, b"", "") for one in members[:FOUNDERS]]
    few = Quorum(3, 2, frozenset({Role.AUTHORITY, Role.EUROPOL}))
    quorums: dict[tuple[int, int], Quorum] = {(act, 0): few for act in Act if act != Act.ADMIT}
    quorums |= {(Act.ADMIT, role): few for role in Role}
    charter = charters.create("simulated", cards, quorums, document)
    letters = tuple(_genesis(charter, members))
    disk = empty_disk()
    empty = disk.image()
    trust = take_all(disk, charter, members[0], letters)
    return Federation(charter, members, letters, disk.image(), empty, trust)


def take_all(disk: Disk, charter: Charter, one: Member, letters: tuple[header_pb2.SignedEntry, ...]) -> Trust:
    """Build a store the long way."""
    trust = trusts.begin(charter)
    checked = verification.verify(letters, trust, one.reader())
    assert checked.fault is None
    assert not checked.unknown
    ledger.write_meta(disk.ledger, "store_id", seed("store"))
    return ingest.admit(disk, checked, trust, one.reader(), BASE_MS).trust


def take_all_again(disk: Disk, federation: Federation, one: Member, letter: header_pb2.SignedEntry) -> None:
    """One entry more into a store, with all that it says already trusted."""
    checked = verification.verify([letter], federation.trust, one.reader())
    ingest.admit(disk, checked, federation.trust, one.reader(), BASE_MS)


def own_letters(charter: Charter, one: Member) -> list[header_pb2.SignedEntry]:
    """A member's identity log and the opening of its node's feed."""
    federation_id = charter.federation_id
    accept = header_pb2.Accept(inception=one.inception.body, inception_signature=one.inception.signature)
    node = header_pb2.Node(
        node_id=seed(f"node {one.number}")[:16],
        feed_key=bytes(one.feed_key.verify_key),
        kem_key=SeededWrapping.public(one.kem),
        tls_issuer=b"issuer",
    )
    log = _chained(federation_id, one.root, one.member_id)
    feed = _chained(federation_id, one.feed_key, one.feed_id(federation_id))
    opened = header_pb2.Open(member_id=one.member_id, feed_key=bytes(one.feed_key.verify_key))
    return [
        log(Kind.ACCEPT, accept.SerializeToString()),
        log(Kind.NODE, node.SerializeToString()),
        feed(Kind.OPEN, opened.SerializeToString()),
    ]


def _chained(
    federation_id: FederationId, key: SigningKey, feed_id: bytes
) -> Callable[[int, bytes], header_pb2.SignedEntry]:
    said: list[bytes] = []

    def say(kind: int, statement: bytes) -> header_pb2.SignedEntry:
        fields = header_pb2.Header(
            feed_id=feed_id,
            seq=len(said) + 1,
            previous=said[-1] if said else b"",
            created_ms=BASE_MS,
            urgency=1,
            kind=kind,
            statement=statement,
        )
        made = entry.create(fields, key, federation_id)
        said.append(made.header.hash)
        return header_pb2.SignedEntry(header=made.header.body, signature=made.signature)

    return say


def _genesis(charter: Charter, members: tuple[Member, ...]) -> list[header_pb2.SignedEntry]:
    letters = [letter for one in members[:FOUNDERS] for letter in own_letters(charter, one)]
    for sponsor in members[:3]:
        feed = _chained(charter.federation_id, sponsor.feed_key, sponsor.feed_id(charter.federation_id))
        opened = header_pb2.Open(member_id=sponsor.member_id, feed_key=bytes(sponsor.feed_key.verify_key))
        feed(Kind.OPEN, opened.SerializeToString())
        for one in members[FOUNDERS:]:
            endorse = header_pb2.Endorse(member_id=one.member_id, role=one.inception.role)
            letters.append(feed(Kind.ENDORSE, endorse.SerializeToString()))
    return letters + [letter for one in members[FOUNDERS:] for letter in own_letters(charter, one)]
