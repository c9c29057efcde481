"""What may follow a head, and what proves a fork (protos/README.md section 5)."""

from dataclasses import dataclass
from enum import Enum

from node.errors import Malformed
from node.feed import entry as entries
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash
from node.feed.pae import FederationId


@dataclass(frozen=True, slots=True, order=True)
class Head:
    """The last contiguous entry of a feed."""

    feed_id: FeedId
    seq: int
    hash: HeaderHash


class Place(Enum):
    """Where a header stands relative to a head."""

    NEXT = "next"
    KNOWN = "known"  # at or below the head: the same, or a fork
    AHEAD = "ahead"  # its predecessor is not here
    BROKEN = "broken"  # it names another predecessor than the head


def place(head: Head | None, header: Header) -> Place:
    """Where the header stands; an empty feed is at sequence number 0."""
    seq, hash_ = (head.seq, head.hash) if head else (0, b"")
    if header.seq <= seq:
        return Place.KNOWN
    if header.seq > seq + 1:
        return Place.AHEAD
    return Place.NEXT if header.previous == hash_ else Place.BROKEN


def head_of(header: Header) -> Head:
    """The head that this header makes."""
    return Head(header.feed_id, header.seq, header.hash)


@dataclass(frozen=True, slots=True)
class ForkProof:
    """Two entries of one feed with one sequence number, smaller header hash first."""

    first: Entry
    second: Entry

    @property
    def feed_id(self) -> FeedId:
        """The feed that forked."""
        return self.first.header.feed_id

    @property
    def seq(self) -> int:
        """Where it forked."""
        return self.first.header.seq


def prove_fork(one: Entry, other: Entry, public_keys: tuple[bytes, bytes], federation_id: FederationId) -> ForkProof:
    """The proof, or Malformed where the two do not make one. Two signatures over one body are no fork.

    Each has the key that must have signed it: in an identity log a rotation is signed by the key it brings.
    """
    if (one.header.feed_id, one.header.seq) != (other.header.feed_id, other.header.seq):
        raise Malformed("fork-place", "the two entries stand in different places")
    if one.header.hash == other.header.hash:
        raise Malformed("fork-differs", "the two headers are the same")
    signed = zip((one, other), public_keys, strict=True)
    if not all(entries.is_signed_by(entry, public_key, federation_id) for entry, public_key in signed):
        raise Malformed("fork-signed", "one of the two is not signed by the feed's key")
    first, second = sorted((one, other), key=lambda entry: entry.header.hash)
    return ForkProof(first, second)
