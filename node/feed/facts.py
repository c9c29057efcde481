"""Facts: the governance statements that decide who is a member (protos/README.md section 5.3)."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields

from node.feed.growing import Element, Growing, Index
from node.feed.identity import Inception
from node.feed.keys import FeedId, HeaderHash, MemberId

NO_FEED, NO_ENTRY = FeedId(b""), HeaderHash(b"")  # of what nobody said yet


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
    feed_id: FeedId = NO_FEED


@dataclass(frozen=True, slots=True)
class Retracted:
    """An endorsement that its author took back, and the statement that did it."""

    author: MemberId
    entry: HeaderHash
    by: HeaderHash
    feed_id: FeedId = NO_FEED
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Amended:
    """One member's signature under an amendment."""

    author: MemberId
    number: int
    previous: bytes
    hash: bytes
    quorums: bytes
    document: bytes
    entry: HeaderHash = NO_ENTRY
    feed_id: FeedId = NO_FEED
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Departed:
    """A member that left, and up to where each of its feeds stands."""

    member_id: MemberId
    entry: HeaderHash
    left_ms: int
    bounds: tuple[tuple[FeedId, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ByMember:
    """Statements by the member that they are about, and those that are asked for by their author."""

    endorsements: Index[MemberId, Said]
    suspensions: Index[MemberId, Said]
    revocations: Index[MemberId, Said]
    suspended: Index[MemberId, Said]  # by author
    retracted: Index[tuple[MemberId, HeaderHash], Retracted]  # by author and endorsement


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the two functions read. Joins by union."""

    inceptions: AbstractSet[Inception] = frozenset()  # of identity logs that began here
    endorsements: AbstractSet[Said] = frozenset()
    unendorsed: AbstractSet[Retracted] = frozenset()
    suspensions: AbstractSet[Said] = frozenset()
    revocations: AbstractSet[Said] = frozenset()
    amendments: AbstractSet[Amended] = frozenset()
    departures: AbstractSet[Departed] = frozenset()
    _by_member: list[ByMember] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def by_member(self) -> ByMember:
        """The statements about members. Sorted once, when somebody asks: no flood is gone through for each of them."""
        if not self._by_member:
            self._by_member[:] = [
                ByMember(
                    Index((one.member_id, one) for one in self.endorsements),
                    Index((one.member_id, one) for one in self.suspensions),
                    Index((one.member_id, one) for one in self.revocations),
                    Index((one.author, one) for one in self.suspensions),
                    Index(((one.author, one.entry), one) for one in self.unendorsed),
                )
            ]
        return self._by_member[0]

    def merge(self, other: "Facts") -> "Facts":
        """Both; idempotent, commutative, associative. Costs as much as there is in the other."""
        return Facts(*(_join(getattr(self, name), getattr(other, name)) for name in _NAMES))

    def without(self, feeds: AbstractSet[FeedId], stayed: MemberId | None) -> "Facts":
        """Without what these feeds said, and without that this member left; itself where it has none of that."""
        left = frozenset(one for one in self.departures if one.member_id != stayed)
        said = {name: getattr(self, name) for name in _NAMES if name not in ("inceptions", "departures")}
        kept = {name: frozenset(one for one in found if one.feed_id not in feeds) for name, found in said.items()}
        if len(left) == len(self.departures) and all(len(kept[name]) == len(said[name]) for name in said):
            return self
        return Facts(inceptions=self.inceptions, departures=left, **kept)


_NAMES = tuple(one.name for one in fields(Facts) if one.init)


def _join(one: AbstractSet[Element], other: AbstractSet[Element]) -> AbstractSet[Element]:
    return Growing.of(one).grown(other) if other else one
