"""The life of a crisis: its state is a function of the set of what was said of it, and of the time.

Nothing has to arrive for a crisis to end: its end stands in the declaration. Only the owner ends it
earlier; what others say is shown beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a crisis stands."""

    DECLARED = "declared"  # said, and not in effect here
    ACTIVE = "active"
    ENDED = "ended"  # by its owner
    EXPIRED = "expired"  # by itself
    WITHDRAWN = "withdrawn"  # by its owner: it should not have been


@dataclass(frozen=True, slots=True)
class Declared:
    """What decides of one declaration. ``obstacle``: why its owner may not declare; empty if it may."""

    starts_ms: int
    ends_ms: int
    obstacle: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """The state, why, and when it ended or will."""

    state: State
    reason: str
    ends_ms: int


def standing(declared: Declared, ended_ms: Iterable[int], now_ms: int) -> Standing:
    """Where it stands now; ``ended_ms`` has the times of its owner's end statements, if there are any."""
    if declared.withdrawn:
        return Standing(State.WITHDRAWN, "withdrawn by its owner", min(declared.ends_ms, now_ms))
    end_ms = min((declared.ends_ms, *ended_ms))
    if end_ms < declared.ends_ms and end_ms <= now_ms:
        return Standing(State.ENDED, "ended by its owner", end_ms)
    if now_ms >= declared.ends_ms:
        return Standing(State.EXPIRED, "its time is over", declared.ends_ms)
    if declared.obstacle:
        return Standing(State.DECLARED, declared.obstacle, end_ms)
    if now_ms < declared.starts_ms:
        return Standing(State.DECLARED, "has not begun yet", end_ms)
    return Standing(State.ACTIVE, "", end_ms)
