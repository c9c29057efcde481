"""Whom to dial next, and when: back-off with full jitter, few at a time, and never two calls to one peer at a time."""

from collections import deque
from dataclasses import dataclass
from random import Random

from node.feed.keys import MemberId

RETRY_S_MIN = 0.25
RETRY_S_MAX = 30.0  # a peer that was off for a day is found again within half a minute
STEADY_S = 10.0  # a link that lasted so long was one; one that ends sooner is a call that failed
DIALS_PER_S_MAX = 10  # a thousand peers that come back at once are called within two minutes, not in one moment
COURTESY_S = 1.0  # of two that can dial each other, the one with the larger id waits so long

_NEVER = float("inf")


@dataclass(slots=True)
class _Dialled:
    due_at: float
    failures: int = 0
    up_since: float = _NEVER  # both said hello
    is_renewal: bool = False  # a link stands, and another is to take its place


class Dialing:
    """The peers that have an address. Links dialled by the other side count like our own."""

    def __init__(self, me: MemberId, random: Random) -> None:
        self._me = me
        self._random = random
        self._peers: dict[MemberId, _Dialled] = {}
        self._recent: deque[float] = deque(maxlen=DIALS_PER_S_MAX)  # when the last ones were named

    @property
    def wake_at(self) -> float:
        """When `due` has somebody to name."""
        due_at = min((peer.due_at for peer in self._peers.values()), default=_NEVER)
        return max(due_at, self._recent[0] + 1.0) if len(self._recent) == DIALS_PER_S_MAX else due_at

    def next_at(self, peer: MemberId) -> float:
        """When this peer is dialled; infinity: not before a call or a link ends, or never."""
        return self._peers[peer].due_at if peer in self._peers else _NEVER

    def add(self, now: float, peer: MemberId) -> None:
        """From now on this peer is dialled whenever there is no link."""
        if peer not in self._peers:
            self._peers[peer] = _Dialled(now if self._me < peer else now + COURTESY_S)

    def drop(self, peer: MemberId) -> None:
        """Never again."""
        self._peers.pop(peer, None)

    def hurry(self, now: float, peer: MemberId) -> None:
        """Do not wait any longer, unless a call is under way."""
        if peer in self._peers and self._peers[peer].due_at != _NEVER:
            self._peers[peer].due_at = now

    def renew(self, now: float, peer: MemberId, within_s: float) -> None:
        """A link stands that shall be replaced: dial beside it, not all at one time, until another has its place."""
        if peer in self._peers:
            dialled = self._peers[peer]
            dialled.is_renewal, dialled.due_at = True, now + within_s * self._random.random()

    def is_renewal(self, peer: MemberId) -> bool:
        """Whether the peer is dialled though a link to it stands."""
        return peer in self._peers and self._peers[peer].is_renewal

    def due(self, now: float) -> list[MemberId]:
        """Whom to dial now, who waited longest first; each is named once until `failed` or `link_down`."""
        due = [(dialled.due_at, peer) for peer, dialled in self._peers.items() if dialled.due_at <= now]
        in_last_second = sum(at > now - 1.0 for at in self._recent)
        named = [peer for _, peer in sorted(due)[: DIALS_PER_S_MAX - in_last_second]]
        for peer in named:
            self._peers[peer].due_at = _NEVER
            self._recent.append(now)
        return named

    def link_up(self, now: float, peer: MemberId) -> None:
        """Both said hello: nothing to do until the link is down."""
        if peer in self._peers:
            dialled = self._peers[peer]
            dialled.due_at, dialled.up_since = _NEVER, min(dialled.up_since, now)
            dialled.is_renewal = False

    def link_down(self, now: float, peer: MemberId) -> None:
        """The link ended: try again, soon at first and then more and more rarely."""
        dialled = self._peers.get(peer)
        if dialled is None or dialled.due_at != _NEVER:
            return
        if now >= dialled.up_since + STEADY_S:
            dialled.failures = 0
        dialled.up_since = _NEVER
        longest = min(RETRY_S_MIN * 2.0**dialled.failures, RETRY_S_MAX)
        dialled.due_at = now + longest * self._random.random()  # full jitter: not all at one time
        dialled.failures += 1
