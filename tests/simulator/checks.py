"""The invariants (tests/README.md has a table of them), each a sentence that must hold after every event."""

from dataclasses import dataclass, field

from nacl.signing import SigningKey

from node import limits
from node.errors import Malformed
from node.exchange import governing, verification, watch
from node.feed import entry
from node.feed.header import URGENT
from node.feed.keys import FeedId, MemberId
from node.feed.pae import FederationId
from node.policy.effect import URGENT_OF_ANYBODY, WARNING
from node.protocol.effects import Stream
from node.protocol.gossip import KNOWN_PER_PEER_MAX
from node.store import driver, ledger, payloads
from node.store.digests import TABLES
from node.v1 import header_pb2, peer_pb2
from tests.simulator.disk import Disk
from tests.simulator.node import Node


@dataclass
class Checks:
    """What the world has seen, to compare with what comes."""

    places: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    owners: dict[bytes, MemberId] = field(default_factory=dict)
    signatures: dict[bytes, bytes] = field(default_factory=dict)
    checked: dict[tuple[MemberId, FeedId], int] = field(default_factory=dict)
    told: dict[tuple[MemberId, bytes], int] = field(default_factory=dict)
    acknowledged: dict[MemberId, set[tuple[bytes, int]]] = field(default_factory=dict)
    declaring: frozenset[bytes] = frozenset()  # feeds of members that may declare
    is_amended: bool = False  # then rules are not readable for a while, which keeps nobody's warning back

    def signed(self, owner: MemberId, body: bytes, now_ms: int) -> None:
        """I1: no feed key signs two bodies for one place, whatever came back; and none is dated by a wrong clock."""
        header = header_pb2.Header.FromString(body)
        off_ms = abs(header.created_ms - now_ms)  # a start takes less than a day for granted
        assert off_ms <= watch.BEFORE_MS_MAX, "an entry was dated by a clock in doubt"
        place = (header.feed_id, header.seq)
        assert self.places.setdefault(place, body) == body, f"I1: two entries at {place}"
        self.owners[body] = owner

    def sent(self, node: Node, stream: Stream, frame: peer_pb2.Frame, body: str | None) -> None:
        """I2 journal first, I13 relayed intact, I23, I24; and what is told becomes a promise (I12)."""
        if body == "entries":
            for letter in frame.entries.entries:
                if frame.entries.lane == URGENT:
                    self._urgent(node, header_pb2.Header.FromString(letter.header))
                if self.owners.get(letter.header) == node.id:
                    assert letter.header in node.journal.headers, "I2: sent before the journal had it"
                first = self.signatures.setdefault(letter.header, letter.signature)
                assert first == letter.signature, "I13: another signature than at first"
        elif body == "heads":
            for row in frame.heads.rows:
                assert row.floor == 1, "I23: a feed does not begin at its beginning any more"
                self._tell(node, row.feed_id, row.seq)
        elif body == "chunk_ack" and stream is Stream.BULK:
            acknowledged = self.acknowledged.setdefault(node.id, set())
            acknowledged.add((frame.chunk_ack.entry, frame.chunk_ack.number))

    def _urgent(self, node: Node, header: header_pb2.Header) -> None:
        """I24: nothing is passed on in lane 0 that its author did not ask to, nor of whom has no right to it."""
        assert header.urgency == URGENT, "I24: carried in a more urgent lane than its author asked for"
        is_own = header.feed_id == node.exchange.author.feed_id  # as it left; it is for others to judge
        allowed = is_own or header.kind in (*URGENT_OF_ANYBODY, *WARNING) or header.feed_id in self.declaring
        assert allowed or self.is_amended, "I24: passed on in lane 0 without a right"

    def _tell(self, node: Node, feed_id: bytes, seq: int) -> None:
        key = (node.id, feed_id)
        if self.told.get(key, 0) >= seq:
            return
        self.told[key] = seq
        head = ledger.head(node.disk.ledger, FeedId(feed_id))
        assert head is not None, "I12: a head was told that is not stored"
        assert head.seq >= seq, "I12: a head was told that is not stored"

    def moved(self, node: Node, federation_id: FederationId) -> None:
        """I3: what is stored of a feed is contiguous, and each names the one before. Looks at what moved."""
        if not node.moved:
            return
        for feed_id in sorted(node.moved):
            start = self.checked.get((node.id, feed_id), 0)
            rows = ledger.span(node.disk.ledger, feed_id, max(start, 1), 2**40, 100_000)
            previous = rows[0].hash if start and rows else b""
            for seq, row in enumerate(rows[1:] if start else rows, start + 1):
                header = entry.decode(row.body, row.signature, federation_id).header
                assert row.seq == seq, f"I3: {row.seq} where {seq} is due"
                assert header.previous == previous, f"I3: broken chain at {seq}"
                previous = row.hash
            if rows:
                self.checked[node.id, feed_id] = rows[-1].seq
        node.moved.clear()

    def forget(self, node: Node) -> None:
        """Its disk is another one: what was told from it is no promise any more."""
        self.told = {key: seq for key, seq in self.told.items() if key[0] != node.id}
        self.checked = {key: seq for key, seq in self.checked.items() if key[0] != node.id}
        self.acknowledged.pop(node.id, None)

    def restarted(self, node: Node) -> None:
        """I12: what was told or acknowledged survived; I1: our own head is where the journal is."""
        heads = {head.feed_id: head.seq for head in ledger.heads(node.disk.ledger)}
        for (owner, feed_id), seq in self.told.items():
            if owner == node.id and not node.exchange.trust.marks.named_at(FeedId(feed_id)):
                assert heads.get(FeedId(feed_id), 0) >= seq, "I12: a told head is gone after a crash"
        for hash_, number in self.acknowledged.get(node.id, ()):
            kept = payloads.chunk(node.disk.ledger, hash_, number) is not None  # type: ignore[arg-type]
            assert kept, "I12: an acknowledged chunk is gone after a crash"
        boxed(node)
        for body, _ in node.journal.lines()[-1:]:
            header = header_pb2.Header.FromString(body)
            assert heads.get(FeedId(header.feed_id), 0) >= header.seq, "a signed entry is gone after a crash"


def bounded(node: Node) -> None:
    """I18: what is kept for others, and above gaps, has its bounds."""
    for feed_id in sorted({head.feed_id for head in ledger.heads(node.disk.ledger)}):
        assert len(ledger.ahead(node.disk.ledger, feed_id)) <= limits.AHEAD_PER_FEED_MAX, "I18: too much above a gap"
        assert ledger.beside_count(node.disk.ledger, feed_id) <= 2 * limits.AHEAD_PER_FEED_MAX, "I18: too much beside"
        governing_count = ledger.beside_count(node.disk.ledger, feed_id, governing=True)
        assert governing_count <= 2 * governing.ALONE_PER_FEED_MAX, "I18: too much governance beside"
    for link in node.gossip._peers.values():
        assert len(link.knows) <= KNOWN_PER_PEER_MAX, "I18: too many remembered of one peer"
        assert not link.listings, "I18: a listing is kept for ever"


def converged(nodes: list[Node]) -> None:
    """I4: all hold the same, byte for byte."""
    first = _agreed(nodes[0])
    for node in nodes[1:]:
        assert _agreed(node) == first, "I4: two nodes hold different entries"


def _agreed(node: Node) -> list[tuple[bytes, bytes, bytes]]:
    """What the chains hold below forks that nobody settled."""
    forked = node.exchange.trust.marks.forked()
    found = driver.rows(
        node.disk.ledger, "SELECT hash, body, signature, feed_id, seq FROM entry WHERE chained ORDER BY hash"
    )
    return [(one[0], one[1], one[2]) for one in found if one[4] < forked.get(one[3], 2**41)]


def admitted(disk: Disk) -> list[tuple[bytes, bytes, bytes]]:
    found = driver.rows(disk.ledger, "SELECT hash, body, signature FROM entry ORDER BY hash")
    return [(hash_, body, signature) for hash_, body, signature in found]


def readable(node: Node) -> list[tuple[object, ...]]:
    """The whole index, in an order of its own content."""
    records = list(
        driver.rows(
            node.disk.index,
            "SELECT record, hash, shown, feed_id, seq, member_id, object_id, kind, exercise, created_ms, expires_ms,"
            " items, content FROM any_record ORDER BY hash",
        )
    )
    names = {row[0]: row[1] for row in records}
    digests = [
        (name, *row)
        for name in TABLES
        for row in driver.rows(node.disk.digests, f"SELECT kind, value, record, position FROM {name}")  # noqa: S608 - ours
    ]
    found = sorted((row[0], row[1], row[2], names[row[3]], row[4]) for row in digests)
    return [*(tuple(row[1:]) for row in records), *found]


def rebuilt(node: Node) -> None:
    """A rebuilt index equals the live one."""
    live = readable(node)
    node.exchange.rebuild()
    assert readable(node) == live, "the rebuilt index differs from the live one"


def unreadable(node: Node, published: list[bytes]) -> None:
    """No published digest stands readable in the ledger's file, nor in that of the keys."""
    image = node.disk.image()
    for name in ("ledger", "keys"):
        for digest in published:
            assert digest not in image[name], f"a published digest is readable in the {name} file"


def boxed(node: Node) -> None:
    """Keys before ledger: whatever the ledger calls present can be opened."""
    present = driver.rows(node.disk.ledger, "SELECT hash FROM payload WHERE state = 3")
    boxes = set(payloads.box_hashes(node.disk.keys))
    assert all(row[0] in boxes for row in present), "a payload is present whose box never reached the disk"


def unbroken(node: Node) -> None:
    """I3: an entry that names another predecessor than the head does not come in, though it is signed."""
    federation_id = node.exchange.trust.federation_id
    feed_id = node.member.feed_id(federation_id)
    before = ledger.head(node.disk.ledger, feed_id)
    assert before is not None
    fields = header_pb2.Header(
        feed_id=feed_id,
        seq=before.seq + 1,
        previous=bytes(31) + b"\x01",
        created_ms=1,
        urgency=1,
        kind=61,
        statement=b"x",
    )
    made = entry.create(fields, node.member.feed_key, federation_id)
    letter = header_pb2.SignedEntry(header=made.header.body, signature=made.signature)
    node.exchange.admit(node.exchange.verify([letter]), 1)
    assert ledger.head(node.disk.ledger, feed_id) == before, "I3: a broken chain came in"


def separated(node: Node, key: SigningKey) -> None:
    """I14: what was signed for another federation or by another key is accepted in no frame."""
    feed_id = node.member.feed_id(node.exchange.trust.federation_id)
    head = ledger.head(node.disk.ledger, feed_id)
    assert head is not None
    fields = header_pb2.Header(
        feed_id=feed_id, seq=head.seq + 1, previous=head.hash, created_ms=1, urgency=1, kind=61, statement=b"x"
    )
    own = node.exchange.trust.federation_id
    for signer, federation_id in ((node.member.feed_key, FederationId(bytes(31) + b"\x01")), (key, own)):
        forged = entry.create(fields, signer, federation_id)
        letter = header_pb2.SignedEntry(header=forged.header.body, signature=forged.signature)
        checked = verification.verify([letter], node.exchange.trust, node.exchange.reader)
        assert isinstance(checked.fault, Malformed), "I14: a forged entry was accepted"
        assert not checked.entries
