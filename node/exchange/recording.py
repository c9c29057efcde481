"""The audit log as it grows: one line an act, in segments that are erased whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from node import limits
from node.errors import ConfigError
from node.exchange import audit
from node.exchange.audit import Act, Operation, Preface, Why
from node.feed import merkle
from node.feed.box import Randomness
from node.feed.pae import FederationId

_WATCHED = "Somebody changed it outside of Tocsin. Move {} away, as evidence: a new log begins, and says so."


class Segments(Protocol):
    """Where the rows lie; what was appended is durable."""

    def names(self) -> list[int]:
        """The first lines of all segments, rising."""
        ...

    def read(self, first: int) -> bytes:
        """All that a segment has."""
        ...

    def go_on(self, first: int, size: int) -> None:
        """Append to a segment from now on, a torn end taken off."""
        ...

    def begin(self, first: int, preface: bytes) -> None:
        """Append to a new segment from now on."""
        ...

    def append(self, data: bytes) -> None:
        """Add this and make it durable."""
        ...

    def drop(self, first: int) -> None:
        """Erase a segment."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log is: all that the next line needs."""

    size: int = 0
    head: bytes = bytes(audit.HASH_BYTES)
    subtrees: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """Over the hashes of all lines there ever were."""
        return merkle.root_of_subtrees(self.subtrees)


class AuditLog:
    """Owned by one writer. Raises ConfigError for a last segment that is not as it was written."""

    def __init__(self, segments: Segments, federation_id: FederationId, randomness: Randomness) -> None:
        self._segments, self._federation_id, self._randomness = segments, federation_id, randomness
        self.place = Place()
        self.last: Act | None = None
        self._begun = Preface()
        self._go_on()

    def append(self, acts: Sequence[Act], now_ms: int) -> None:
        """Note these; durable when it returns, or none of those behind the last segment that became full."""
        start = 0
        while start < len(acts):
            room = self._room(now_ms)
            part = acts[start : start + room]
            place, rows = self.place, bytearray()
            for act in part:
                salt = self._randomness(audit.SALT_BYTES)
                made = audit.line(act, place.size + 1, place.head, salt, self._federation_id)
                subtrees = merkle.grow(place.subtrees, place.size, merkle.leaf(made.hash))
                place = Place(place.size + 1, made.hash, subtrees)
                rows += made.row
            self._segments.append(bytes(rows))
            self.place, self.last = place, part[-1]
            start += len(part)

    def erase(self, before_ms: int) -> tuple[int, int] | None:
        """Erase the segments that ended before this; the lines that went, if any. The present one stays."""
        names = self._segments.names()
        gone = []
        for first, following in pairwise(names):
            preface = audit.read_preface(self._segments.read(following).partition(b"\n")[0])
            if preface is None or preface.begun_ms > before_ms:
                break
            gone.append((first, following - 1))
        for first, _ in gone:
            self._segments.drop(first)
        return (gone[0][0], gone[-1][1]) if gone else None

    def close(self) -> None:
        """Close the file."""
        self._segments.close()

    def _room(self, now_ms: int) -> int:
        """How many lines the present segment takes; there is another one where it is full or a day old."""
        held = self.place.size + 1 - self._begun.first
        is_old = held and not 0 <= now_ms - self._begun.begun_ms < limits.AUDIT_SEGMENT_MS_MAX
        if held >= limits.AUDIT_SEGMENT_LINES_MAX or is_old or not self._segments.names():
            place = self.place
            self._begun = Preface(place.size + 1, place.head, place.subtrees, now_ms)
            self._segments.begin(place.size + 1, self._begun.row)
            held = 0
        return limits.AUDIT_SEGMENT_LINES_MAX - held

    def _go_on(self) -> None:
        names = self._segments.names()
        if names and b"\n" not in self._segments.read(names[-1]):  # the machine stopped while it began
            self._segments.drop(names.pop())
        if not names:
            return
        data = self._segments.read(names[-1])
        end = data.rfind(b"\n") + 1
        preface = audit.read_preface(data.partition(b"\n")[0])
        report = audit.verify([data[:end]], (), self._federation_id)
        if preface is None or preface.first != names[-1] or report.found:
            at = report.found.first if report.found else names[-1]
            raise ConfigError(
                f"the audit log is not as it was written, from line {at:,} on",
                next_step=_WATCHED.format("data/audit"),
            )
        self._begun, self.place = preface, _place(data[:end], preface, self._federation_id)
        rows = data[:end].split(b"\n")[1:-1]
        line = audit.read_line(rows[-1], self._federation_id) if rows else None
        self.last = line.act if line else None
        self._segments.go_on(names[-1], end)


def _place(data: bytes, preface: Preface, federation_id: FederationId) -> Place:
    place = Place(preface.first - 1, preface.previous, preface.subtrees)
    for row in data.split(b"\n")[1:-1]:
        line = audit.read_line(row, federation_id)
        assert line is not None  # noqa: S101 - it was verified
        place = Place(line.number, line.hash, merkle.grow(place.subtrees, line.number - 1, merkle.leaf(line.hash)))
    return place


# ---- What is noted together


@dataclass(frozen=True, slots=True)
class Key:
    """Acts that are alike, and become one line."""

    operation: Operation
    act: str
    who: str = audit.NODE
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
        if sum(batch.counts.values()) >= limits.AUDIT_LOOK_UPS_MAX:
            self._finish(key, now_ms)
        return bool(self._full)

    def take(self, now_ms: int, *, everything: bool = False) -> list[Act]:
        """What is to be written by now, in an order that depends on nothing else."""
        for key in sorted(self._batches, key=lambda one: (one.operation, one.act, one.who, one.to, one.why.code)):
            batch = self._batches[key]
            if everything or not 0 <= now_ms - batch.begun_ms < batch.life_ms:
                self._finish(key, now_ms)
        taken, self._full = self._full, []
        return taken

    def _finish(self, key: Key, now_ms: int) -> None:
        batch = self._batches.pop(key)
        what = tuple(_reference(one, places) for one, places in batch.what.items())
        if batch.counts or what:
            self._full.append(Act(now_ms, key.operation, key.act, key.who, what, batch.counts, key.to, key.why))


def _reference(named: str, places: set[int]) -> str:
    return f"{named}:{','.join(map(str, sorted(places)))}" if places else named
