"""What a subscription brings."""

from dataclasses import dataclass

from node.feed.keys import HeaderHash, MemberId
from node.v1 import record_pb2, tools_pb2


@dataclass(frozen=True, slots=True)
class Received:
    """One entry that was checked, and its record; None for a statement, and where its author sealed it wrongly."""

    entry: HeaderHash
    member_id: MemberId
    member_name: str
    kind: int
    object_id: bytes
    exercise: bool
    urgent: bool
    created_ms: int
    expires_ms: int
    received_ms: int
    record: record_pb2.Record | None
    cursor: tools_pb2.Cursor


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything that the node held has been received; what follows is new."""

    cursor: tools_pb2.Cursor


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The node does not answer; the subscription goes on behind the last one received when it does again."""

    cursor: tools_pb2.Cursor | None


@dataclass(frozen=True, slots=True)
class Reset:
    """The node has another store than the cursor's: everything is received again from the beginning."""

    cursor: tools_pb2.Cursor
