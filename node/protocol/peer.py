"""What gossip remembers of one peer while a link to it stands."""

from collections import OrderedDict
from dataclasses import dataclass, field

from node.feed.keys import FeedId, HeaderHash
from node.protocol.listing import Listing
from node.protocol.session import State

RESYNC_S = 0.2  # after entries of a feed that is not certified yet, doubled each time


@dataclass(slots=True)
class Peer:
    """One link's other end."""

    state: State = State.HELLO
    took_over: bool = False  # from a link that stood: it may be sent to at once, behind our hello
    knows: OrderedDict[HeaderHash, None] = field(default_factory=OrderedDict)
    listings: dict[bool, Listing] = field(default_factory=dict)  # that it has begun: of all it holds, or of some
    lists: set[bool] = field(default_factory=set)  # that it is being sent, alike
    claims: dict[FeedId, int] = field(default_factory=dict)
    probed: frozenset[HeaderHash] = frozenset()  # single entries that it was asked for last
    lacks: dict[FeedId, int] | None = None  # where it was behind us when it listed all, and how far it was there
    digest: bytes = b""
    of_us: int = 0  # how far it, when last compared, held our own identity log
    forks_told_at: float = 0.0
    resync_at: float = float("inf")
    resync_after_s: float = RESYNC_S

    @property
    def is_ready(self) -> bool:
        """Whether it may be told things."""
        return self.took_over or self.state is State.READY
