"""Quorums: how many members of which roles from how many countries an act needs (section 2.3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from node.errors import Malformed

ROW_BYTES = 5
ROLES_MAX = 8


class Act(IntEnum):
    """What needs a quorum."""

    ACCEPT = 1
    ADMIT = 2
    SUSPEND = 3
    REVOKE = 4
    AMEND = 5


@dataclass(frozen=True, slots=True)
class Quorum:
    """So many members of these roles, from so many countries."""

    count: int
    countries: int
    roles: frozenset[int]


Quorums = Mapping[tuple[int, int], Quorum]  # by act and, for admissions, the role asked for


def decode(rows: bytes) -> Quorums:
    """Rows of act, role, count, countries, roles as bits; rising by act and role. Raises Malformed."""
    parts = [rows[i : i + ROW_BYTES] for i in range(0, len(rows), ROW_BYTES)]
    if len(rows) % ROW_BYTES or any(a[:2] >= b[:2] for a, b in pairwise(parts)):
        raise Malformed("quorums-rising", "the quorum rows do not rise by act and role")
    if any(part[2] == 0 or part[4] == 0 for part in parts):
        raise Malformed("quorum-empty", "a quorum of nobody")
    return {(part[0], part[1]): Quorum(part[2], part[3], _roles(part[4])) for part in parts}


def encode(quorums: Quorums) -> bytes:
    """The rows, rising."""
    return b"".join(
        bytes((act, role, quorum.count, quorum.countries, sum(1 << (r - 1) for r in quorum.roles)))
        for (act, role), quorum in sorted(quorums.items())
    )


def is_met(quorum: Quorum | None, signers: Iterable[tuple[Iterable[int], str]]) -> bool:
    """Whether the signers, each with its roles and its country, make the quorum. No quorum: never."""
    if quorum is None:
        return False
    countries = [country for roles, country in signers if quorum.roles.intersection(roles)]
    return len(countries) >= quorum.count and len(set(countries) - {""}) >= quorum.countries


def _roles(bits: int) -> frozenset[int]:
    return frozenset(role for role in range(1, ROLES_MAX + 1) if bits >> (role - 1) & 1)
