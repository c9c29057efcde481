"""Faults: what peers sent that they alone could have known, and when it is rather we who are wrong."""

from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from node.feed.keys import MemberId

RULES_PER_PEER_MAX = 32  # there are about so many; the one that was broken longest ago is forgotten
WINDOW_S = 60.0
SHARE_MAX = 0.3  # of the peers: no third of a federation turns hostile in a minute, but a disk does turn bad
CONVICTED_MIN = 3  # fewer prove nothing in a small federation


@dataclass(slots=True)
class Fault:
    """One rule that one peer broke."""

    rule: str
    times: int = 0
    last_ms: int = 0


class Faults:
    """Of all peers, over all their links, since the start."""

    def __init__(self) -> None:
        self.by_rule: Counter[str] = Counter()
        self._peers: dict[MemberId, OrderedDict[str, Fault]] = {}
        self._convicted_at: dict[MemberId, float] = {}

    def note(self, now: float, now_ms: int, peer: MemberId, rule: str) -> None:
        """The peer broke this rule."""
        self.by_rule[rule] += 1
        found = self._peers.setdefault(peer, OrderedDict())
        one = found.setdefault(rule, Fault(rule))
        one.times, one.last_ms = one.times + 1, now_ms
        found.move_to_end(rule)
        if len(found) > RULES_PER_PEER_MAX:
            found.popitem(last=False)
        self._convicted_at[peer] = now

    def of(self, peer: MemberId) -> list[Fault]:
        """What one peer broke, the latest first."""
        return list(reversed(self._peers.get(peer, {}).values()))

    def are_ours(self, now: float, connected: Collection[MemberId]) -> bool:
        """Whether so many peers were at fault in the last minute that it must be this node."""
        recent = {peer for peer, at in self._convicted_at.items() if at > now - WINDOW_S}
        return len(recent) >= CONVICTED_MIN and len(recent) > SHARE_MAX * len(recent | set(connected))
