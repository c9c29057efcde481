"""Quotas: how much of what each member says goes the fast way. What is beyond is delayed, never dropped.

A bucket stands for an author, whichever peer, feed or copy its entries come by. Time is an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass

from node.feed.identity import Role
from node.feed.keys import MemberId
from node.policy.parameters import Parameters, Quotas

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many more by and by."""

    burst: int
    per_ms: float


@dataclass(frozen=True, slots=True)
class Rates:
    """What one member may push, have carried in lane 0, and have fetched of its payloads before others'."""

    headers: Rate
    urgent: Rate
    bulk_bytes: Rate


def rates(role: int, rules: Parameters | None) -> Rates:
    """By the rules in force and the member's role, 0 for none. Rules that cannot be read: as much as anybody may."""
    quotas = rules.quotas if rules else Quotas()
    publishes = rules is None or _may_publish(role, rules)
    day_bytes = (quotas.publisher_bulk_mib_per_day if publishes else quotas.bulk_mib_per_day) * MIB
    return Rates(
        headers=Rate(
            max(quotas.publisher_headers_burst, quotas.headers_burst) if publishes else quotas.headers_burst,
            quotas.headers_per_hour / HOUR_MS,
        ),
        urgent=Rate(quotas.urgent_burst, quotas.urgent_per_hour / HOUR_MS),
        bulk_bytes=Rate(day_bytes, day_bytes / DAY_MS),
    )


def _may_publish(role: int, rules: Parameters) -> bool:
    return role in set(Role) and Role(role).name.lower() in rules.rights.publish


class Buckets:
    """One kind of bucket for every member: full at first. The rate is asked for anew, for it may be amended."""

    def __init__(self, rate_of: Callable[[MemberId], Rate]) -> None:
        self._rate_of = rate_of
        self._left: dict[MemberId, tuple[float, int]] = {}  # as of then

    def left(self, member_id: MemberId, now_ms: int) -> float:
        """What is in it now; below zero after more was spent than there was."""
        rate = self._rate_of(member_id)
        held = self._left.get(member_id)
        if held is None:
            return rate.burst
        amount, then_ms = held
        return min(rate.burst, amount + max(now_ms - then_ms, 0) * rate.per_ms)

    def take(self, member_id: MemberId, now_ms: int) -> bool:
        """Take one out; whether there was one."""
        if self.left(member_id, now_ms) < 1:
            return False
        self.spend(member_id, now_ms, 1)
        return True

    def spend(self, member_id: MemberId, now_ms: int, amount: float) -> None:
        """Take out what was used already, down to an empty bucket's depth below the bottom and no further."""
        rate = self._rate_of(member_id)
        self._left[member_id] = max(self.left(member_id, now_ms) - amount, -rate.burst), now_ms
