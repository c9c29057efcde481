"""The audit log's lines: who did what, when, why and to whom, and never what it said (protos/README.md section 12).

A line has a salt, so that its hash lets nobody guess it, and the hash of the line before, so that it
stands in its place. Over all hashes grows one RFC 6962 tree, whose root peers witness in ANCHORs: the
chain shows what was changed by accident or in part, the witnesses what was written anew as a whole.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from types import MappingProxyType
from typing import Any

from node.feed import merkle, pae
from node.feed.pae import FederationId, Purpose

HASH_BYTES = 32
SALT_BYTES = 16
NEVER_MS = 2**63
NODE, ADMINISTRATOR = "node", "administrator"
STARTED, STOPPED, RESUMED = "start", "stop", "resume"  # the last: from a copy, so that later lines are lost
FROM = "from"  # which line, where it is not that of the resuming itself


class Operation(StrEnum):
    """What was done, by the Law Enforcement Directive's Article 25; and decisions about the node itself."""

    COLLECTION = "collection"
    ALTERATION = "alteration"
    CONSULTATION = "consultation"
    DISCLOSURE = "disclosure"
    COMBINATION = "combination"
    ERASURE = "erasure"
    ADMINISTRATION = "administration"


# What is done on a node's folder, whether the node runs or not.
FOLDER_ACTS = {
    "backup": Operation.DISCLOSURE,
    "hold custodian": Operation.ADMINISTRATION,
    "hold open": Operation.CONSULTATION,
    "key card": Operation.ADMINISTRATION,
    "tool issue": Operation.ADMINISTRATION,
}


@dataclass(frozen=True, slots=True)
class Why:
    """The caller's justification: a code of its organisation, and a few words."""

    code: str = ""
    text: str = ""


NO_REASON = Why()


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that was done. ``what`` has references and counts numbers; neither ever has a value."""

    at_ms: int
    operation: Operation
    act: str
    who: str = NODE  # or administrator, tool/NAME, person/NAME
    what: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    source: str = ""  # from whom it came
    to: str = ""
    why: Why = NO_REASON


@dataclass(frozen=True, slots=True)
class Line:
    """An act in its place, and the hash it is held by."""

    number: int
    previous: bytes
    hash: bytes
    act: Act
    body: bytes

    @property
    def row(self) -> bytes:
        """As the file has it."""
        return _row(self.hash, self.body)


@dataclass(frozen=True, slots=True)
class Preface:
    """What came before a segment: the number of its first line, the hash before it, and the tree so far."""

    first: int = 1
    previous: bytes = bytes(HASH_BYTES)
    subtrees: tuple[bytes, ...] = ()
    begun_ms: int = 0

    @property
    def row(self) -> bytes:
        """As the file has it."""
        said = {
            "first": self.first,
            "previous": self.previous.hex(),
            "subtrees": [one.hex() for one in self.subtrees],
            "begun_ms": self.begun_ms,
        }
        return _json(said) + b"\n"


def resumed(now_ms: int, words: str, counts: Mapping[str, int] = MappingProxyType({})) -> Act:
    """The log goes on from a copy: what came behind it is lost, and nobody changed it."""
    return Act(now_ms, Operation.ADMINISTRATION, RESUMED, counts=counts, why=Why("copy", words))


def line(act: Act, number: int, previous: bytes, salt: bytes, federation_id: FederationId) -> Line:
    """An act as the line of this number."""
    said = {
        "n": number,
        "at_ms": act.at_ms,
        "operation": act.operation.value,
        "act": act.act,
        "who": act.who,
        "what": list(act.what),
        "counts": dict(sorted(act.counts.items())),
        "from": act.source,
        "to": act.to,
        "why": [act.why.code, act.why.text],
        "salt": salt.hex(),
        "previous": previous.hex(),
    }
    body = _json(said)
    return Line(number, previous, line_hash(body, federation_id), act, body)


def line_hash(body: bytes, federation_id: FederationId) -> bytes:
    """What the next line and the tree hold a line by."""
    return pae.digest(Purpose.AUDIT, federation_id, body)


def read_line(row: bytes, federation_id: FederationId) -> Line | None:
    """The line of a row without its end; None where its hash is not of what it says."""
    shown, _, body = row.partition(b" ")
    try:
        hash_, said = bytes.fromhex(shown.decode("ascii")), json.loads(body)
        if line_hash(body, federation_id) != hash_ or shown != hash_.hex().encode():
            return None
        act = Act(
            int(said["at_ms"]),
            Operation(said["operation"]),
            str(said["act"]),
            str(said["who"]),
            tuple(map(str, said["what"])),
            {str(name): int(count) for name, count in said["counts"].items()},
            str(said["from"]),
            str(said["to"]),
            Why(*map(str, said["why"])),
        )
        return Line(int(said["n"]), bytes.fromhex(said["previous"]), hash_, act, body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def read_preface(row: bytes) -> Preface | None:
    """What a segment says of what came before it; None where that cannot be read."""
    try:
        said = json.loads(row)
        subtrees = tuple(map(bytes.fromhex, said["subtrees"]))
        return Preface(int(said["first"]), bytes.fromhex(said["previous"]), subtrees, int(said["begun_ms"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def _row(hash_: bytes, body: bytes) -> bytes:
    return hash_.hex().encode() + b" " + body + b"\n"


# ---- Verifying


class Fault(StrEnum):
    """What is wrong with a log."""

    CHANGED = "CHANGED"  # a line is not what was written
    REMOVED = "REMOVED"  # lines are missing, and later ones stand; or they went before their time
    REORDERED = "REORDERED"  # a line stands in another's place
    CUT = "CUT"  # the last line has no end
    LOST = "LOST"  # the log ends before what a witness saw, or all that stands in its place is of later


@dataclass(frozen=True, slots=True)
class Found:
    """The first thing that is wrong, and which lines it is about."""

    fault: Fault
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Witness:
    """What an ANCHOR says of the log at one time."""

    size: int
    root: bytes
    made_ms: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a log comes to. Lines before ``first`` were erased by their own time."""

    first: int
    size: int
    root: bytes
    matching: int  # witnesses that saw this very log
    erased: int  # witnesses of lines that are erased by now
    confirmed: int  # up to which line a witness saw what stands before what was found
    found: Found | None


class _Walk:
    """A log, read line by line up to the first fault."""

    def __init__(self, witnesses: Sequence[Witness], federation_id: FederationId) -> None:
        self._federation_id = federation_id
        self._by_size: dict[int, list[Witness]] = {}
        for one in witnesses:
            self._by_size.setdefault(one.size, []).append(one)
        self.first, self.size = 0, 0
        self.previous, self.subtrees = bytes(HASH_BYTES), tuple[bytes, ...]()
        self.resumed: list[tuple[int, int]] = []  # from which line on it goes on from a copy, and since when
        self.matching, self.confirmed = 0, [0]  # and the sizes that witnesses confirmed, rising
        self._times: list[int] = []  # when each line was written, by its own word
        self._earliest: dict[int, list[int]] = {}  # of them, from one on to each
        self.differing: list[tuple[Witness, int]] = []  # witnesses of another log, with the size confirmed before

    def begin(self, row: bytes, later: Callable[[], set[int]]) -> Found | None:
        due, preface = self.size + 1, read_preface(row)
        if preface is None:
            return Found(Fault.CHANGED, due, due)
        if not self.first:
            self.first, self.size = preface.first, preface.first - 1
            self.previous, self.subtrees = preface.previous, preface.subtrees
            self._compare()
            return None
        if preface.first > due:
            return Found(Fault.REMOVED, due, min(later(), default=preface.first) - 1)
        if (preface.first, preface.previous, preface.subtrees) != (due, self.previous, self.subtrees):
            return Found(Fault.CHANGED, self.size, self.size)  # or what the next segment says of it
        return None

    def take(self, row: bytes, later: Callable[[], set[int]]) -> Found | None:
        due, read = self.size + 1, read_line(row, self._federation_id)
        if read is None:
            return Found(Fault.CHANGED, due, due)
        if read.number != due:
            if read.number < due or due in later():
                return Found(Fault.REORDERED, due, due)
            return Found(Fault.REMOVED, due, read.number - 1)
        if read.previous != self.previous:  # the one before was changed, and its hash with it
            return Found(Fault.CHANGED, max(due - 1, 1), max(due - 1, 1))
        self.subtrees = merkle.grow(self.subtrees, self.size, merkle.leaf(read.hash))
        self.size, self.previous = due, read.hash
        self._times.append(read.act.at_ms)
        if read.act.act == RESUMED:
            self.resumed.append((read.act.counts.get(FROM, due), read.act.at_ms))
        self._compare()
        return None

    def _compare(self) -> None:
        for one in self._by_size.get(self.size, ()):
            if merkle.root_of_subtrees(self.subtrees) == one.root:
                self.matching += 1
                self.confirmed.append(self.size)
            else:
                self.differing.append((one, self.confirmed[-1]))

    def changed(self) -> Found | None:
        """What was written anew, as the first witness shows to whom nothing else explains it."""
        for one, confirmed in self.differing:
            if self.lost_from(one) is None:
                return Found(Fault.CHANGED, confirmed + 1, one.size)
        return None

    def lost_from(self, one: Witness) -> int | None:
        """The first line that a witness saw and that is not here, because a copy of before took its place.

        A log that was written anew may say so as well. It shows by any line in their place that claims to be of before.
        """
        known = (
            number
            for number, at_ms in self.resumed
            if number <= one.size and one.made_ms < min(at_ms, self._written(number, one.size))
        )
        return min(known, default=self.size + 1 if one.size > self.size else None)

    def _written(self, first: int, last: int) -> int:
        """When the earliest of these lines was written that still stand."""
        start = max(first - self.first, 0)
        if start not in self._earliest:
            self._earliest[start] = list(accumulate(self._times[start:], min))
        count = min(last, self.size) - self.first + 1 - start
        return self._earliest[start][count - 1] if count > 0 else NEVER_MS


def verify(
    segments: Iterable[bytes],
    witnesses: Sequence[Witness],
    federation_id: FederationId,
    kept_from_ms: int | None = None,
) -> Report:
    """Read a whole log, oldest segment first, and compare it with what witnesses saw.

    Whatever was written at ``kept_from_ms`` or later must still be there; None: what went early is not looked for.
    """
    seen = [one for one in witnesses if one.size]
    walk = _Walk(seen, federation_id)
    torn = _walk(walk, iter(segments))
    known = [found for found in (walk.changed(), torn) if found]
    found = min(known, key=lambda one: one.first, default=None)
    found = found or _gone_early(walk, seen, kept_from_ms) or _lost(walk, seen)
    erased = sum(one.size < walk.first - 1 for one in seen)
    confirmed = walk.confirmed[bisect_left(walk.confirmed, found.first if found else walk.size + 1) - 1]
    return Report(
        walk.first, walk.size, merkle.root_of_subtrees(walk.subtrees), walk.matching, erased, confirmed, found
    )


def _walk(walk: _Walk, segments: Iterable[bytes]) -> Found | None:
    for data in segments:
        rows = data.split(b"\n")
        torn = rows.pop()
        if not rows:
            return Found(Fault.CUT, walk.size + 1, walk.size + 1)
        found = walk.begin(rows[0], lambda: _numbers(rows[1:], segments))  # noqa: B023 - called at once
        for at, row in enumerate(rows[1:], 2):
            found = found or walk.take(row, lambda: _numbers(rows[at:], segments))  # noqa: B023 - called at once
            if found:
                return found
        if found or torn:
            return found or Found(Fault.CUT, walk.size + 1, walk.size + 1)
    return None


def _numbers(rows: Sequence[bytes], segments: Iterable[bytes]) -> set[int]:
    """The numbers of all lines from here on."""
    found = set()
    for part in (rows, *(data.split(b"\n")[1:] for data in segments)):
        for row in part:
            try:
                found.add(int(json.loads(row.partition(b" ")[2])["n"]))
            except (ValueError, KeyError, TypeError):
                continue
    return found


def _gone_early(walk: _Walk, witnesses: Sequence[Witness], kept_from_ms: int | None) -> Found | None:
    """Lines that are erased although a witness saw the log end before them, when its lines were to be kept."""
    if kept_from_ms is None:
        return None
    gone = walk.first - 1
    early = [one.size for one in witnesses if one.size < gone and one.made_ms >= kept_from_ms]
    return Found(Fault.REMOVED, min(early) + 1, gone) if early else None


def _lost(walk: _Walk, witnesses: Sequence[Witness]) -> Found | None:
    unseen = [*walk.differing, *((one, 0) for one in witnesses if one.size > walk.size)]
    lost = [
        (max(first, confirmed + 1), one.size) for one, confirmed in unseen if (first := walk.lost_from(one)) is not None
    ]
    return Found(Fault.LOST, min(first for first, _ in lost), max(last for _, last in lost)) if lost else None
