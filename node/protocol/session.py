"""One stream's rules: which frames are allowed when, and how large they may be (section 8.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from node import limits
from node.errors import Malformed
from node.protocol.effects import Stream
from node.v1 import peer_pb2

VERSION = 1
HASH_BYTES = 32


class State(StrEnum):
    """A stream begins with a Hello from each side."""

    HELLO = "hello"
    READY = "ready"


ALLOWED: dict[tuple[Stream, State], frozenset[str]] = {
    (Stream.GOSSIP, State.HELLO): frozenset({"hello", "bye"}),
    (Stream.GOSSIP, State.READY): frozenset({"echo", "entries", "digest", "heads", "want", "fork", "bye"}),
    (Stream.BULK, State.HELLO): frozenset({"hello", "bye"}),
    (Stream.BULK, State.READY): frozenset({"want_payload", "chunk", "chunk_ack", "absent", "have", "bye"}),
}

_COUNTS: dict[str, tuple[Callable[[peer_pb2.Frame], int], int]] = {
    "entries": (lambda frame: len(frame.entries.entries), limits.ENTRIES_PER_FRAME_MAX),
    "echo": (lambda frame: len(frame.echo.entries), limits.RANGES_PER_FRAME_MAX),
    "heads": (lambda frame: len(frame.heads.rows), limits.HEAD_ROWS_PER_FRAME_MAX),
    "want": (lambda frame: len(frame.want.ranges) + len(frame.want.entries), limits.RANGES_PER_FRAME_MAX),
    "have": (lambda frame: len(frame.have.entries), limits.RANGES_PER_FRAME_MAX),
    "chunk": (lambda frame: len(frame.chunk.path), 32),
}

_NAMING = ("want_payload", "chunk", "chunk_ack", "absent")  # each names one entry


@dataclass(frozen=True, slots=True)
class Self:
    """Who speaks here: what goes into every Hello."""

    federation_id: bytes
    member_id: bytes
    node_id: bytes
    store_id: bytes
    program: str


def hello(me: Self, now_ms: int) -> peer_pb2.Frame:
    """The first frame of each side on each stream."""
    return peer_pb2.Frame(
        hello=peer_pb2.Hello(
            federation_id=me.federation_id,
            member_id=me.member_id,
            node_id=me.node_id,
            store_id=me.store_id,
            version_min=VERSION,
            version_max=VERSION,
            program=me.program,
            now_ms=now_ms,
        )
    )


def check(frame: peer_pb2.Frame, stream: Stream, state: State) -> str | None:
    """The frame's body if it may be said now; None for a body that is not known. Raises Malformed."""
    body = frame.WhichOneof("body")
    if body is None:
        return None
    if body not in ALLOWED[stream, state]:
        raise Malformed("frame-place", f"{body} on {stream.value} in state {state.value}")
    if body in _NAMING and len(getattr(frame, body).entry) != HASH_BYTES:
        raise Malformed("frame-size", f"{body} names no entry")
    count = _COUNTS.get(body)
    if count is not None and count[0](frame) > count[1]:
        raise Malformed("frame-size", f"{body} with {count[0](frame)} rows, at most {count[1]}")
    return str(body)


def check_hello(me: Self, peer: bytes, said: peer_pb2.Hello) -> str:
    """Why the two cannot talk, in words for both operators; empty: they can."""
    if said.federation_id != me.federation_id:
        return "another federation: compare the charters' federation ids"
    if said.member_id != peer:
        return "the certificate is another member's than the one that says hello"
    if not said.version_min <= VERSION <= said.version_max:
        return f"no common version: {said.program} speaks {said.version_min} to {said.version_max}, here {VERSION}"
    return ""
