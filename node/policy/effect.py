"""Effect: whether what a member says counts here. What does not is stored, passed on and shown all the same."""

from enum import StrEnum
from functools import lru_cache

from node.errors import Refused
from node.feed.identity import Role
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.roster import Roster
from node.policy import parameters
from node.policy.parameters import Parameters

UNREAD = "the rules in force have not come yet, or this program cannot read them"
URGENT_OF_ANYBODY = frozenset({Kind.WITHDRAW, Kind.SUSPEND, Kind.REVOKE})
WARNING = frozenset({Kind.ALERT, Kind.CRISIS_ACT})  # either may point to a threat to life


class Right(StrEnum):
    """What a role may do, by the charter's word for it."""

    DECLARE = "declare"
    PUBLISH = "publish"
    REFER = "refer"
    COSIGN = "cosign"
    ALERT = "alert"


Place = tuple[FeedId, int]  # a feed, and a sequence number in it


def obstacle(
    right: Right, member_id: MemberId, roster: Roster, rules: Parameters | None, place: Place | None = None
) -> str:
    """Why the member may not, in words; empty if it may. Without rules nobody may anything.

    With a place: whether what it said there counts.
    """
    if not roster.in_force:
        return "the charter is not in force yet"
    seat = roster.seat_of(member_id, *place) if place else roster.seats.get(member_id)
    if seat is None:
        return unseated(member_id, roster)
    if seat.suspended:
        return f"{seat.name} is suspended"
    if rules is None:
        return UNREAD
    entitled: list[parameters.RoleName] = getattr(rules.rights, right)
    if seat.role not in set(Role) or Role(seat.role).name.lower() not in entitled:
        return f"{parameters.role_name(seat.role, article=True)} may not {right}"
    return ""


def unseated(member_id: MemberId, roster: Roster) -> str:
    """Why an author has no seat, in words."""
    if member_id in roster.revoked:
        return "its author was removed"
    return "its author has left" if member_id in roster.left else "its author is not a member"


def may_be_urgent(kind: int, role: int, rules: Parameters | None) -> bool:
    """Whether an entry is carried in lane 0 when its author asks for that; else it goes in lane 1, and counts as much.

    A role that it was once admitted to is enough, suspended or not; 0: none. Rules that cannot be read keep nobody's
    warning back: the quota still stands.
    """
    if kind in URGENT_OF_ANYBODY or rules is None:
        return True
    entitled = rules.rights.alert if kind in WARNING else rules.rights.declare
    return role in set(Role) and Role(role).name.lower() in entitled


@lru_cache(maxsize=4)
def read(document: bytes) -> Parameters | None:
    """What the text of the charter or of an amendment says; None where this program cannot read it."""
    try:
        return parameters.decode(document, "the rules")
    except Refused:
        return None
