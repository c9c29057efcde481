"""Whom to dial next, and when: back-off with jitter, and never two calls to one peer at a time."""

from dataclasses import dataclass
from random import Random

from node.feed.keys import MemberId

RETRY_S_MIN = 0.25
RETRY_S_MAX = 30.0  # a peer that was off for a day is found again within half a minute
STEADY_S = 10.0  # a link that lasted so long was one; one that ends sooner is a call that failed
COURTESY_S = 1.0  # of two that can dial each other, the one with the larger id waits so long

_NEVER = float("inf")


@dataclass(slots=True)
class _Dialled:
    due_at: float
    failures: int = 0
    up_since: float = _NEVER  # both said hello


class Dialing:
    """The peers that have an address. Links dialled by the other side count like our own."""

    def __init__(self, me: MemberId, random: Random) -> None:
        self._me = me
        self._random = random
        self._peers: dict[MemberId, _Dialled] = {}

    @property
    def wake_at(self) -> float:
        """When `due` has somebody to name."""
        return min((peer.due_at for peer in self._peers.values()), default=_NEVER)

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

    def due(self, now: float) -> list[MemberId]:
        """Whom to dial now; each is named once until `failed` or `link_down`."""
        due = sorted(peer for peer, dialled in self._peers.items() if dialled.due_at <= now)
        for peer in due:
            self._peers[peer].due_at = _NEVER
        return due

    def link_up(self, now: float, peer: MemberId) -> None:
        """Both said hello: nothing to do until the link is down."""
        if peer in self._peers:
            dialled = self._peers[peer]
            dialled.due_at, dialled.up_since = _NEVER, min(dialled.up_since, now)

    def link_down(self, now: float, peer: MemberId) -> None:
        """The link ended: try again, soon at first and then more and more rarely."""
        dialled = self._peers.get(peer)
        if dialled is None or dialled.due_at != _NEVER:
            return
        if now >= dialled.up_since + STEADY_S:
            dialled.failures = 0
        dialled.up_since = _NEVER
        longest = min(RETRY_S_MIN * 2.0**dialled.failures, RETRY_S_MAX)
        dialled.due_at = now + longest * (0.5 + 0.5 * self._random.random())
        dialled.failures += 1
