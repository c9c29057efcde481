"""What is between two nodes, and a frame on its way."""

from dataclasses import dataclass, field
from hashlib import sha256

from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.v1 import peer_pb2


@dataclass
class Link:
    """Two streams between two nodes. Frames of an older epoch never arrive."""

    pair: tuple[MemberId, MemberId]
    is_up: bool = False
    epoch: int = 0
    mute: MemberId | None = None  # what this one of the two sends is lost, whatever it is
    last_at: dict[tuple[MemberId, Stream], float] = field(default_factory=dict)
    hello_at: dict[tuple[MemberId, Stream], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Packed:
    """A frame as it travels. The frame itself is kept so that another never has its identity."""

    frame: peer_pb2.Frame
    data: bytes
    hash: bytes


def pack(frame: peer_pb2.Frame) -> Packed:
    data = frame.SerializeToString(deterministic=True)
    return Packed(frame, data, sha256(data).digest())
