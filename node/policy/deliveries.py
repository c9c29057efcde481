"""Deliveries: what an acknowledgement says, and when members are told that what they said of a crisis came here.

It is told a moment later, so that the members of a federation do not all speak in one instant, and what
comes soon after the first of a crisis is told together.
"""

from enum import IntEnum

from node.feed import keys
from node.policy.cooling import DAY_MS, HOUR_MS
from node.v1 import record_pb2

ENTRIES_MAX = 256  # of one record

DELAY_MS = 200
SPREAD_MS = 2_800  # members tell it at different moments of it, each always at the same
EVERY_MS = 10_000  # about one crisis, from one member
PER_HOUR_MAX = 120  # a fifth of what a member may push in an hour; receipts of withdrawals have as much; drills, too
PER_AUTHOR_MAX = 30  # of them: whoever says much delays nobody else
WAITING_PER_AUTHOR_MAX = 1024  # what comes beyond is not told: nobody's backlog makes others wait
LEFT_MS_MIN = 60_000  # of what is told of: less would be over before it is said everywhere
OWED_MS = 30 * DAY_MS  # nobody asks for it after that
KEPT_MS = 30 * DAY_MS  # after the longest crisis that there can be


class Stage(IntEnum):
    """How far something came at a member."""

    DELIVERED = 1
    SEEN = 2  # by a person
    ACTED = 3


def is_whole(said: record_pb2.Acknowledgement) -> bool:
    """Whether it acknowledges something; else that is its author's fault, and it counts for nothing."""
    sizes = {len(one) for one in said.entries}
    return said.stage in set(Stage) and sizes == {keys.HASH_BYTES} and len(said.entries) <= ENTRIES_MAX


def due_ms(came_ms: int, last_ms: int, spread: bytes) -> int:
    """When to tell of a crisis what came first then, and last told then. ``spread`` tells members apart."""
    return max(came_ms + DELAY_MS + int.from_bytes(spread[:4]) % SPREAD_MS, last_ms + EVERY_MS)


def expires_ms(about_ms: int, longest_hours: int, now_ms: int) -> int:
    """An acknowledgement ends with what it is about, and with any crisis at the latest."""
    return min(about_ms, now_ms + longest_hours * HOUR_MS + KEPT_MS)
