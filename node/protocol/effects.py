"""What a machine wants done. Six kinds; two places match over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.v1 import header_pb2, peer_pb2


class Stream(StrEnum):
    """Which of the two connections."""

    GOSSIP = "gossip"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Send:
    """Put a frame into the peer's outbox."""

    peer: MemberId
    stream: Stream
    frame: peer_pb2.Frame


@dataclass(frozen=True, slots=True)
class Asked:
    """What a peer was asked for: the last of each range, and single entries. All else it pushes."""

    ranges: Mapping[FeedId, int] = field(default_factory=dict)
    entries: frozenset[HeaderHash] = frozenset()

    def covers(self, header: Header) -> bool:
        """Whether this entry was asked for."""
        return header.seq <= self.ranges.get(header.feed_id, 0) or header.hash in self.entries


PUSHED = Asked()  # nobody here asked for it


@dataclass(frozen=True, slots=True)
class Ingest:
    """Take these entries in."""

    peer: MemberId
    letters: Sequence[header_pb2.SignedEntry]
    lane: int
    asked: Asked = Asked()


@dataclass(frozen=True, slots=True)
class Serve:
    """Read what the peer wants from the store and send it: entries, proofs of forks, an echo where it said hello."""

    peer: MemberId
    want: peer_pb2.Want | peer_pb2.Hello
    forks: Sequence[FeedId] = ()
    voices: bool = False  # and what governs on branches of forks


@dataclass(frozen=True, slots=True)
class ServeChunk:
    """Send one chunk, or Absent; then say so to the machine by `served`."""

    peer: MemberId
    entry: HeaderHash
    number: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Check and store what the peer sent beside entries: a chunk, a fork proof, or what it has of ours."""

    peer: MemberId
    found: peer_pb2.Chunk | peer_pb2.Have | peer_pb2.Echo | header_pb2.ForkProof


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the link. With a rule it was the peer's fault, and is remembered."""

    peer: MemberId
    reason: str
    rule: str = ""


Effect = Send | Ingest | Serve | ServeChunk | Keep | Hangup
