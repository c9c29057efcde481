"""Effect: whether what a member says counts here. What does not is stored, passed on and shown all the same."""

from enum import StrEnum
from functools import lru_cache

from node.errors import Refused
from node.feed.charter import Charter
from node.feed.identity import Role
from node.feed.keys import FeedId, MemberId
from node.feed.roster import Roster
from node.policy import parameters
from node.policy.parameters import Parameters


class Right(StrEnum):
    """What a role may do, by the charter's word for it."""

    DECLARE = "declare"
    PUBLISH = "publish"
    REFER = "refer"


Place = tuple[FeedId, int]  # a feed, and a sequence number in it


def obstacle(right: Right, member_id: MemberId, roster: Roster, charter: Charter, place: Place | None = None) -> str:
    """Why the member may not, in words; empty if it may. With a place: whether what it said there counts."""
    if not roster.in_force:
        return "the charter is not in force yet"
    seat = roster.seat_of(member_id, *place) if place else roster.seats.get(member_id)
    if seat is None:
        return "its author is not a member" if member_id not in roster.revoked else "its author was removed"
    if seat.suspended:
        return f"{seat.name} is suspended"
    try:
        entitled: list[parameters.RoleName] = getattr(rules_of(charter).rights, right)
    except Refused:
        return "this program cannot read who may do what in the charter"
    if seat.role not in set(Role) or Role(seat.role).name.lower() not in entitled:
        return f"a {parameters.role_name(seat.role)} may not {right}"
    return ""


def rules_of(charter: Charter) -> Parameters:
    """What the charter's document says; raises Refused where it is no such document."""
    return _read(charter.document)


@lru_cache(maxsize=4)
def _read(document: bytes) -> Parameters:
    return parameters.decode(document, "the charter")
