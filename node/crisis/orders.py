"""Clocks of removal orders: how long is left of each, by all that its member said of it, in any order.

What is said here refers to an order that went by its own channel (TCO Regulation, Article 3): an hour to remove,
72 for scrutiny. While it is impossible to comply, or something has to be made clear, the clock stands still.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from node.crisis.words import CLOCKS, word
from node.feed.keys import HeaderHash

HOUR_MS = 3_600_000
HOURS = (1, 72)  # no other clocks are known: what says another runs for the shorter


class Clock(IntEnum):
    """What a clock does, by its number on the wire."""

    RUNNING = 1
    PAUSED = 2
    DONE = 3

    @property
    def word(self) -> str:
        """As people say it."""
        return word(CLOCKS, self)


@dataclass(frozen=True, slots=True)
class Said:
    """One act about an order. ``received_ms``, ``hours``: 0 where it says nothing of them."""

    hash: HeaderHash
    said_ms: int  # when the act was
    clock: Clock
    at_ms: int  # from when on it does that
    received_ms: int = 0
    hours: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """How one order's clock stands now."""

    clock: Clock
    hours: int
    received_ms: int
    left_ms: int  # below 0: it is late, or was when it was done
    due_ms: int  # 0: it does not run, and nobody knows when it will
    since_ms: int  # from when on it does what it does


def read(said: Iterable[Said], now_ms: int) -> Order | None:
    """Of all acts of one member about one order, each once; None of none.

    The clock runs from when the order was received, by the earliest that anybody said; for how long, the first act
    says that names it. Pauses are taken out. Nothing begins later than it was said.
    """
    each = {one.hash: one for one in said}.values()
    acts = sorted(each, key=lambda one: (_since_ms(one), one.said_ms, one.hash))
    if not acts:
        return None
    received_ms = min([one.received_ms for one in acts if one.received_ms > 0] or [_since_ms(acts[0])])
    hours = next((one.hours for one in acts if one.hours in HOURS), HOURS[0])
    left_ms = hours * HOUR_MS - _run_ms(acts, received_ms, now_ms)
    last = acts[-1]
    return Order(
        clock=last.clock,
        hours=hours,
        received_ms=received_ms,
        left_ms=left_ms,
        due_ms=max(now_ms, received_ms, _since_ms(last)) + left_ms if last.clock is Clock.RUNNING else 0,
        since_ms=max(_since_ms(last), received_ms),
    )


def _since_ms(one: Said) -> int:
    return min(one.at_ms or one.said_ms, one.said_ms)


def _run_ms(acts: Sequence[Said], received_ms: int, now_ms: int) -> int:
    """How long it ran until now: it runs from the first, and whenever the last word is that it does."""
    run_ms, runs_from_ms = 0, received_ms
    is_running = True
    for one in acts:
        at_ms = max(_since_ms(one), received_ms)
        if is_running:
            run_ms += max(min(at_ms, now_ms) - runs_from_ms, 0)
        is_running, runs_from_ms = one.clock is Clock.RUNNING, at_ms
    return run_ms + (max(now_ms - runs_from_ms, 0) if is_running else 0)
