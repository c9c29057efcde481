"""Facts: the governance statements that decide who is a member (protos/README.md section 5.3)."""

from dataclasses import dataclass

from node.feed.identity import Inception
from node.feed.keys import FeedId, HeaderHash, MemberId

_NO_FEED = FeedId(b"")


@dataclass(frozen=True, slots=True)
class Said:
    """One governance statement about a member, and who said it where."""

    entry: HeaderHash
    author: MemberId
    member_id: MemberId
    created_ms: int
    role: int = 0
    until_ms: int = 0
    predecessor: bytes = b""
    seq: int = 0  # in its author's feed
    bounds: tuple[tuple[FeedId, int], ...] = ()
    feed_id: FeedId = _NO_FEED  # of its author


@dataclass(frozen=True, slots=True)
class Retracted:
    """An endorsement that its author took back, and the statement that did it."""

    author: MemberId
    entry: HeaderHash
    by: HeaderHash


@dataclass(frozen=True, slots=True)
class Amended:
    """One member's signature under an amendment."""

    author: MemberId
    number: int
    previous: bytes
    hash: bytes
    quorums: bytes
    document: bytes


@dataclass(frozen=True, slots=True)
class Departed:
    """A member that left, and up to where each of its feeds stands."""

    member_id: MemberId
    entry: HeaderHash
    left_ms: int
    bounds: tuple[tuple[FeedId, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the two functions read. Joins by union."""

    inceptions: frozenset[Inception] = frozenset()  # of identity logs that began here
    endorsements: frozenset[Said] = frozenset()
    unendorsed: frozenset[Retracted] = frozenset()
    suspensions: frozenset[Said] = frozenset()
    revocations: frozenset[Said] = frozenset()
    amendments: frozenset[Amended] = frozenset()
    departures: frozenset[Departed] = frozenset()

    def merge(self, other: "Facts") -> "Facts":
        """Both; idempotent, commutative, associative."""
        return Facts(*(getattr(self, name) | getattr(other, name) for name in self.__slots__))
