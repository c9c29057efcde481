"""Receipts: when a withdrawal of another member is answered, and what an answer may give as its ground.

Answers wait a little and gather: a list that loses a thousand items costs each member one, and a
federation of 250 does not answer in one second.
"""

from collections.abc import Sequence
from enum import IntEnum

from node.policy.cooling import HOUR_MS

SPREAD_MS = 60_000  # members answer at different moments of it, each always at the same
DELAY_MS = 30_000
EVERY_MS = HOUR_MS  # about one feed, from one member
PRESSING_DELAY_MS = 2_000
PRESSING_EVERY_MS = 60_000
PER_HOUR_MAX = 120  # a fifth of what a member may push in an hour: the rest of it is for what it has to say itself
OWED_MS = 90 * 24 * HOUR_MS  # nobody asks for an answer after that


class Ground(IntEnum):
    """Why something was not erased (protos/README.md section 4). From 2 to 15: it is kept sealed and not used."""

    NONE = 0
    HELD_NOTHING = 1
    KEPT_BY_LAW = 2
    ORDER = 3
    CLAIM = 4
    EVIDENCE = 5
    SUPERVISION = 6


HOLDS = range(2, 16)


def due_ms(since_ms: Sequence[int], pressing_ms: Sequence[int], last_ms: int, spread: bytes) -> int:
    """When to answer what one feed took back.

    What there is to say has been so since then; ``pressing_ms`` has those of them that cannot wait,
    ``last_ms`` is of the answer before. ``spread`` tells members apart.
    """
    found = [max(min(since_ms) + DELAY_MS + int.from_bytes(spread[:4]) % SPREAD_MS, last_ms + EVERY_MS)]
    if pressing_ms:
        found.append(max(min(pressing_ms) + PRESSING_DELAY_MS, last_ms + PRESSING_EVERY_MS))
    return min(found)
