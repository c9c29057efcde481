"""Turns: an order in which nobody who says much keeps others from being heard."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

One = TypeVar("One")


def in_turn(every: Iterable[One], whose: Callable[[One], Hashable]) -> list[One]:
    """The first of each, then the second of each, and so on; those of one turn as they were given."""
    before, turns = Counter[Hashable](), list[tuple[int, One]]()
    for one in every:
        turns.append((before[whose(one)], one))
        before[whose(one)] += 1
    return [one for _, one in sorted(turns, key=lambda turn: turn[0])]
