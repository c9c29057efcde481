"""The audit log as it grows: one line an act, in segments that are erased whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from node import limits
from node.errors import ConfigError
from node.exchange import audit
from node.exchange.audit import Act, Line, Preface
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
        self._begun: Preface | None = None
        self._go_on()

    @property
    def begun_ms(self) -> int:
        """When the present segment began; 0 where there is none yet."""
        return self._begun.begun_ms if self._begun else 0

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
            self.place = place
            start += len(part)

    def last_of(self, *acts: str) -> Line | None:
        """The last line with one of these acts."""
        for first in reversed(self._segments.names()):
            for row in reversed(self._segments.read(first).split(b"\n")[1:-1]):
                line = audit.read_line(row, self._federation_id)
                if line is not None and line.act.act in acts:
                    return line
        return None

    def erase(self, before_ms: int) -> tuple[int, int] | None:
        """Erase the segments that ended before this; the lines that went, if any. The present one stays."""
        names = self._segments.names()
        gone = []
        for first, following in pairwise(names):
            if self._begun_of(following) > before_ms:
                break
            gone.append((first, following - 1))
        for first, _ in gone:
            self._segments.drop(first)
        return (gone[0][0], gone[-1][1]) if gone else None

    def wanted(self, since_ms: int, lines: int) -> list[int]:
        """The segments with lines since then, or with the last so many, by their first lines; 0: all."""
        names = self._segments.names()
        for at in range(len(names) - 1, -1, -1):
            is_enough = lines and self.place.size + 1 - names[at] >= lines
            if is_enough or (since_ms and self._begun_of(names[at]) < since_ms):
                return names[at:]
        return names

    def segment(self, first: int) -> bytes:
        """One of them, as it is; empty where it was erased meanwhile."""
        return self._segments.read(first) if first in self._segments.names() else b""

    def close(self) -> None:
        """Close the file."""
        self._segments.close()

    def _begun_of(self, first: int) -> int:
        """When a segment began; one that cannot be read any more is never over."""
        preface = audit.read_preface(self._segments.read(first).partition(b"\n")[0])
        return preface.begun_ms if preface else audit.NEVER_MS

    def _room(self, now_ms: int) -> int:
        """How many lines the present segment takes; there is another one where it is full or a day old."""
        place, begun = self.place, self._begun
        if begun is None or self._is_over(begun, now_ms):
            begun = Preface(place.size + 1, place.head, place.subtrees, now_ms)
            self._segments.begin(begun.first, begun.row)
            self._begun = begun  # not before: what is written without a preface before it cannot be read again
        return limits.AUDIT_SEGMENT_LINES_MAX - self._held(begun)

    def _held(self, begun: Preface) -> int:
        return self.place.size + 1 - begun.first

    def _is_over(self, begun: Preface, now_ms: int) -> bool:
        held = self._held(begun)
        is_old = held > 0 and not 0 <= now_ms - begun.begun_ms < limits.AUDIT_SEGMENT_MS_MAX
        return is_old or held >= limits.AUDIT_SEGMENT_LINES_MAX or not self._segments.names()

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
        self._segments.go_on(names[-1], end)


def _place(data: bytes, preface: Preface, federation_id: FederationId) -> Place:
    place = Place(preface.first - 1, preface.previous, preface.subtrees)
    for row in data.split(b"\n")[1:-1]:
        line = audit.read_line(row, federation_id)
        assert line is not None  # noqa: S101 - it was verified
        place = Place(line.number, line.hash, merkle.grow(place.subtrees, line.number - 1, merkle.leaf(line.hash)))
    return place
