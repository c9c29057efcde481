"""Tallies: acts that are alike and become one line of the audit log, by the minute or the hour."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field

from node import limits
from node.exchange import audit
from node.exchange.audit import Act, Operation, Why
from node.feed import kinds
from node.feed.header import Header
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.store.erasures import Erasure
from node.store.vault import Hold


@dataclass(frozen=True, slots=True)
class Key:
    """Acts that are alike, and become one line."""

    operation: Operation
    act: str
    who: str = audit.NODE
    source: str = ""
    to: str = ""
    why: Why = audit.NO_REASON


@dataclass(slots=True)
class _Batch:
    begun_ms: int
    life_ms: int
    counts: dict[str, int] = field(default_factory=dict)
    what: dict[str, set[int]] = field(default_factory=dict)
    named: int = 0


class Tallies:
    """Acts that are noted by the minute. Owned by one thread."""

    def __init__(self) -> None:
        self._batches: dict[Key, _Batch] = {}
        self._full: list[Act] = []

    def add(
        self,
        key: Key,
        now_ms: int,
        counts: Mapping[str, int],
        what: Sequence[tuple[str, int | None]] = (),
        *,
        life_ms: int = limits.AUDIT_BATCH_MS,
    ) -> bool:
        """Count these in, with references and the positions in each; whether something is ready to be written."""
        batch = self._batches.get(key)
        if batch is None:
            batch = self._batches[key] = _Batch(now_ms, life_ms)
        for name, count in counts.items():
            batch.counts[name] = batch.counts.get(name, 0) + count
        for reference, position in what:
            places = batch.what.setdefault(reference, set())
            if position not in places:
                batch.named += 1
                if position is not None:
                    places.add(position)
            if batch.named >= limits.AUDIT_REFERENCES_MAX:
                self._finish(key, now_ms)
                batch = self._batches[key] = _Batch(now_ms, life_ms)
        if batch.counts.get("asked", 0) >= limits.AUDIT_LOOK_UPS_MAX:
            self._finish(key, now_ms)
        return bool(self._full)

    def take_full(self) -> list[Act]:
        """What is to be written because there is much of it."""
        taken, self._full = self._full, []
        return taken

    def take(self, now_ms: int, *, everything: bool = False) -> list[Act]:
        """What is to be written by now, in an order that depends on nothing else."""
        for key in sorted(self._batches, key=astuple):
            batch = self._batches[key]
            if everything or not 0 <= now_ms - batch.begun_ms < batch.life_ms:
                self._finish(key, now_ms)
        return self.take_full()

    def _finish(self, key: Key, now_ms: int) -> None:
        batch = self._batches.pop(key)
        what = tuple(_reference(one, places) for one, places in batch.what.items())
        if batch.counts or what:
            made = Act(now_ms, key.operation, key.act, key.who, what, batch.counts, key.source, key.to, key.why)
            self._full.append(made)


def _reference(named: str, places: set[int]) -> str:
    return f"{named}:{','.join(map(str, sorted(places)))}" if places else named


# ---- What the node does by itself


def member(name: str, member_id: MemberId) -> str:
    """A member in a line: names change, ids do not."""
    return f"{name} {member_id.hex()[:16]}"


def received(tallies: Tallies, header: Header, author: str, now_ms: int) -> None:
    """A record came in whole."""
    tallies.add(Key(Operation.COLLECTION, f"receive {kinds.name(header.kind)}", source=author), now_ms, {"records": 1})


def published(tallies: Tallies, header: Header, now_ms: int) -> None:
    """A record of our own was said; who asked for it stands in a line of its own."""
    to = "the readers it names" if header.kind == Kind.SEALED else "all members"
    key = Key(Operation.DISCLOSURE, f"publish {kinds.name(header.kind)}", to=to)
    tallies.add(key, now_ms, {"records": 1}, [(f"feed {header.feed_id.hex()[:16]}", header.seq)])


def erased(tallies: Tallies, found: Sequence[Erasure]) -> None:
    """These went; where exactly, the erasure journal says."""
    for one in found:
        counts = {"items": int.from_bytes(one.positions, "little").bit_count()} if one.positions else {"payloads": 1}
        key = Key(Operation.ERASURE, "erase", why=Why(one.reason.name.lower()))
        tallies.add(key, one.erased_ms, counts, [(one.entry.hex(), None)])


def held(tallies: Tallies, made: Hold) -> None:
    """The law had this held as it was erased."""
    key = Key(Operation.ALTERATION, "hold add", to=made.authority, why=Why(made.ground, made.reference))
    tallies.add(key, made.made_ms, {"records": len(made.covers)}, [(f"hold:{made.id.hex()}", None)])


def hold_ended(tallies: Tallies, ended: Hold) -> None:
    """A hold came to its end by itself, and what it held is destroyed."""
    key = Key(Operation.ERASURE, "hold end", why=Why(ended.ground, ended.note))
    tallies.add(key, ended.over_ms, {"records": len(ended.covers)}, [(f"hold:{ended.id.hex()}", None)])
