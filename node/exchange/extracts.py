"""What auditors take out of the audit log: some of its lines, and all of it with the proof."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from node.exchange import audit
from node.exchange.audit import Line
from node.feed.pae import FederationId


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines; what is empty asks for all."""

    who: str = ""
    operation: str = ""
    what: str = ""
    since_ms: int = 0

    def takes(self, line: Line) -> bool:
        """Whether this is one of them. References match by how they begin, or by what stands behind the colon."""
        act = line.act
        named = (*act.what, act.source, act.to)
        return (
            act.at_ms >= self.since_ms
            and self.operation in ("", act.operation)
            and (not self.who or self.who in (act.who, act.who.rpartition("/")[2]))
            and (not self.what or any(_is_about(one.lower(), self.what.lower()) for one in named))
        )


def _is_about(named: str, wanted: str) -> bool:
    return bool(named) and (named.startswith(wanted) or named.partition(":")[2].startswith(wanted))


def lines(segments: Sequence[bytes], federation_id: FederationId) -> Iterator[Line]:
    """All lines that can be read, in the order in which they stand; what is wrong with others `verify` says."""
    for data in segments:
        for row in data.split(b"\n")[1:]:
            line = audit.read_line(row, federation_id)
            if line is not None:
                yield line


def plain(line: Line) -> dict[str, Any]:
    """A line for programs: its object as it was hashed, and the hash."""
    made: dict[str, Any] = json.loads(line.body)
    return {**made, "hash": line.hash.hex()}


def since(segments: Sequence[bytes], since_ms: int, federation_id: FederationId) -> list[bytes]:
    """The segments from the one on that has the first line of then: they prove themselves from their preface on."""
    for at, data in enumerate(segments):
        if any(line.act.at_ms >= since_ms for line in lines([data], federation_id)):
            return list(segments[at:])
    return []


def prefaces(data: bytes) -> dict[str, Any]:
    """What a segment says of what came before it, for programs."""
    preface = audit.read_preface(data.partition(b"\n")[0])
    made: dict[str, Any] = json.loads(preface.row) if preface else {}
    return made
