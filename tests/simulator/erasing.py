"""Erasing in worlds: authors take back what they said, every node sweeps by its own clock, and nothing comes back.

I9: what is erased stays so, no key of it is left, and nobody serves it. I10: nothing outlives its time, unless
the clock is in doubt. I11: all of that holds right after a start from whatever disk. L3: what is wanted is held,
or erased.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from node.errors import Refused
from node.exchange import consult, drafts, due, erase, project, signing
from node.exchange.publish import Draft
from node.feed import box as boxes
from node.feed import entry, statements
from node.feed.header import NORMAL
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.store import driver, ledger, payloads, remainders, stores
from node.store.payloads import State
from node.v1 import header_pb2, peer_pb2, record_pb2
from tests.simulator.disk import raw
from tests.simulator.node import Node, ms

if TYPE_CHECKING:
    from tests.simulator.world import World

RARE = (
    "a record was taken back in part",
    "a record was taken back whole",
    "a list was taken back",
    "a record was gone when its time was over",
    "a remainder was made",
    "a payload was erased that was never here",
    "a start erased again what a disk brought back",
    "a node did not erase by a clock in doubt",
)
SWEEP_EVERY_S = 2.0
LIFE_MS = (6_000, 15_000)
LONG_MS = 86_400_000
AT_RISK = 6
ITEMS = 8
LIMIT = 1000


@dataclass
class Taken:
    """What was taken back: its values, its key, and a piece of its ciphertext. All of it in the end."""

    hash: HeaderHash
    secrets: list[bytes]


@dataclass
class Erasing:
    """What a world takes back, and what its nodes erased."""

    world: "World"
    taken: list[Taken] = field(default_factory=list)
    changes: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # of each node, when it was looked at last
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(f"erasing {self.world.seed}")  # what the worlds do besides stays as it is

    # ---- The plan

    def plan(self, authors: Sequence[Node]) -> None:
        """Records that are taken back in part and then whole, a list, and a record whose time is short."""
        for author in authors[:3]:
            self._later(1, 6, lambda author=author: self._publish(author, self.random.randbytes(16)))  # type: ignore[misc]
        self._later(1, 8, lambda: self._publish(authors[3], self.random.randbytes(16), whole_list=True))
        self._later(1, 8, lambda: self._publish(authors[4], self.random.randbytes(16), self.random.randint(*LIFE_MS)))
        for node in self.world.nodes.values():
            self._sweep_later(node, self.random.uniform(0, SWEEP_EVERY_S))

    def _later(self, low_s: float, high_s: float, what: Callable[[], None]) -> None:
        self.world.at(self.world.now + self.random.uniform(low_s, high_s), what)

    def _publish(self, author: Node, list_id: bytes, life_ms: int = 0, *, whole_list: bool = False) -> None:
        digests = sorted(self.random.randbytes(32) for _ in range(ITEMS))
        packed = record_pb2.Items(kind="sha256", digests=b"".join(digests))
        record = record_pb2.Record(
            kind=Kind.ITEMS, object_id=list_id, handling=record_pb2.Handling(tlp=2), items=packed
        ).SerializeToString()
        ends_ms = ms(self.world.now) + (life_ms or LONG_MS)
        draft = Draft(Kind.ITEMS, NORMAL, record=record, object_id=list_id, expires_ms=ends_ms)
        if not self._say(author, [draft]):
            return
        hash_ = last_record(author)
        encoded = payloads.box(author.disk.keys, hash_)
        assert encoded is not None
        ciphertext = payloads.ciphertext(author.disk.ledger, hash_)
        self.taken.append(Taken(hash_, [*digests, boxes.decode(encoded).data, ciphertext[64:128]]))
        if life_ms:
            self.world.counts["a record whose time is short"] += 1
        elif whole_list:
            withdrawal = drafts.object_withdrawal(list_id, AT_RISK)
            self._later(2, 6, lambda: self._take_back(author, withdrawal, "a list was taken back"))
        else:
            if (
                author is not self.world.authors[0]
            ):  # a copy that signs no more could not say the rest, which nobody serves
                part = drafts.withdrawal(hash_, 0b101, AT_RISK)
                self._later(2, 5, lambda: self._take_back(author, part, "a record was taken back in part"))
            whole = drafts.withdrawal(hash_, 0, AT_RISK)
            self._later(6, 10, lambda: self._take_back(author, whole, "a record was taken back whole"))

    def _take_back(self, author: Node, draft: Draft, what: str) -> None:
        if self._say(author, [draft]):
            self.world.counts[what] += 1
        else:
            self._later(1, 2, lambda: self._take_back(author, draft, what))

    def _say(self, author: Node, said: Sequence[Draft]) -> bool:
        """Whether it was said: the node may be off, not allowed to sign, or die of it."""
        if not author.is_up or author.exchange.signing.state is signing.State.STALE:
            return False
        try:
            return self.world.do(author, lambda: author.publish(self.world.now, said))
        except Refused:
            return False

    # ---- Sweeping

    def _sweep_later(self, node: Node, after_s: float) -> None:
        self.world.at(self.world.now + after_s, lambda: self._sweep(node))

    def _sweep(self, node: Node) -> None:
        if node.is_up:
            self.world.do(node, lambda: self.world.counts.update(sweep(node, self.world.now)))
            if node.is_up:
                self._check_time(node)
        self._sweep_later(node, SWEEP_EVERY_S)

    def _check_time(self, node: Node) -> None:
        """I10: right after it swept, a node has nothing whose time is over."""
        if node.exchange.signing.watch.may_erase:
            over = payloads.expired(node.disk.ledger, node.ms(self.world.now), LIMIT)
            assert not over, "I10: a payload outlived its time"

    # ---- What must hold

    def look(self, node: Node) -> None:
        """I9, where something of this node's keys or ledger has changed."""
        now = raw(node.disk.ledger).total_changes, raw(node.disk.keys).total_changes
        if self.changes.get(node.id) != now and node.erasures.rows:
            self.changes[node.id] = now
            absorbed(node)

    @staticmethod
    def brought_back(node: Node) -> int:
        """Before a start: how much is on its disk of what its journal says is erased."""
        erased = (payloads.state(node.disk.ledger, one) for one in node.erasures.whole)
        return sum(state not in (None, State.ERASED) for state in erased)

    def restarted(self, node: Node) -> None:
        """I11: nothing of what the journal says is there when a node has started, whatever disk it has."""
        self.changes.pop(node.id, None)
        absorbed(node)

    def sweep_all(self, nodes: Sequence[Node]) -> None:
        """Before nodes are compared: each does what it would within seconds."""
        for node in nodes:
            sweep(node, self.world.now)

    def check_end(self, nodes: Sequence[Node]) -> None:
        """L3, and no byte of what is erased can be read in any file of a node that erased it."""
        for node in self.random.sample(nodes, 2):
            gone = [one for one in self.taken if payloads.state(node.disk.ledger, one.hash) is State.ERASED]
            node.exchange.residue.compact()
            for file in (node.disk.index, node.disk.digests):
                stores.compact(file)
            for name, data in node.disk.image().items():
                for one in gone:
                    assert not any(secret in data for secret in one.secrets), f"an erased byte is readable in {name}"


def sweep(node: Node, now: float) -> Counter[str]:
    """What the sweeper of the daemon does, in one event."""
    counts, exchange, now_ms = Counter[str](), node.exchange, node.ms(now)
    exchange.look(now, now_ms)
    if not exchange.signing.watch.may_erase:
        counts["a node did not erase by a clock in doubt"] += 1
        return counts
    over = due.expired(node.disk, exchange.keep, now_ms, LIMIT)
    back = due.withdrawn(node.disk, consult.view(exchange.trust, exchange.follows, now_ms))
    found = [*over.erasures, *back.erasures]
    if not found:
        return counts
    exchange.begin_erasing(found)
    for one in found:
        row = ledger.entry(node.disk.ledger, one.entry)
        if one.positions and row:
            counts["a remainder was made"] += 1
            project.thin(node.disk, row, statements.positions(one.positions), exchange.trust, exchange.reader)
        else:
            erase.leave_index(node.disk, one.entry, exchange.keep, exchange.reader)
    exchange.finish_erasing(found)
    exchange.carry_out(back.carried_out, now_ms)
    reasons = [_reason(node, one.entry) for one in found if not one.positions]
    counts["a payload was erased that was never here"] += reasons.count(payloads.NEVER_HELD)
    counts["a record was gone when its time was over"] += reasons.count("expiry")
    return counts


def absorbed(node: Node) -> None:
    """I9: of what the journal says is erased nothing is held, nor any key."""
    disk = node.disk
    for hash_ in node.erasures.whole:
        state = payloads.state(disk.ledger, hash_)
        assert state in (None, State.ERASED), f"I9: what was erased is {state!r} again"
        assert payloads.box(disk.keys, hash_) is None, "I9: a key of what was erased is left"
        assert not payloads.has_chunks(disk.ledger, hash_), "I9: ciphertext of what was erased is left"
    for hash_, gone in node.erasures.parts.items():
        left = remainders.find(disk.ledger, hash_)
        held = payloads.state(disk.ledger, hash_) in (State.PRESENT, State.REMAINDER)
        assert not held or (left is not None and not gone & ~left.positions), "I9: items that were erased are back"
        assert not held or payloads.box(disk.keys, hash_) is None, "I9: the key of the whole record is left"


def unserved(node: Node, frame: peer_pb2.Frame, body: str | None) -> None:
    """I9: no byte of what a node erased leaves it."""
    if body == "chunk":
        assert frame.chunk.entry not in node.erasures.gone, "I9: a chunk of what was erased was served"
    elif body == "entries" and node.erasures.rows:
        for letter in frame.entries.entries:
            if letter.box or letter.payload:
                header = header_pb2.Header.FromString(letter.header)
                is_gone = header.payload_id in erased_ids(node)
                assert not is_gone, "I9: box or payload of what was erased was served"


def erased_ids(node: Node) -> set[bytes]:
    """The payload ids of what a node erased."""
    federation_id = node.exchange.trust.federation_id
    rows = (ledger.entry(node.disk.ledger, HeaderHash(one)) for one in node.erasures.gone)
    return {entry.decode(row.body, row.signature, federation_id).header.payload_id for row in rows if row}


def last_record(author: Node) -> HeaderHash:
    """The record that an author said last."""
    feed_id = author.member.feed_id(author.exchange.trust.federation_id)
    return ledger.records_of(author.disk.ledger, feed_id, Kind.ITEMS)[-1]


def _reason(node: Node, hash_: HeaderHash) -> str:
    found: str | None = driver.scalar(node.disk.ledger, "SELECT reason FROM payload WHERE hash = ?", (hash_,))
    return found or ""
