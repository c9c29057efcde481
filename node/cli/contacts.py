"""Whom to call at a member, as its profile has it: shown beside the member, a crisis, and all the others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from node.cli import clock, printing

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import profile_pb2, record_pb2

DAY_MS = 86_400_000
OUT_OF_HOURS = 2
WORDS = {1: "office hours", OUT_OF_HOURS: "out of hours"}


async def profiles(node: "Client", member: str = "") -> "profile_pb2.GetProfilesResponse":
    """Every member's, or of the one that is named."""
    from node.v1 import profile_pb2

    return await node.profiles.GetProfiles(profile_pb2.GetProfilesRequest(member=member))


def fields(found: "profile_pb2.ProfileView") -> list[tuple[str, str]]:
    """A line for each contact, and what else a caller wants to know."""
    if not found.entry:
        return [("contacts", "none: it has no profile")]
    return [
        *((WORDS[one.route], reached(one)) for one in found.contacts if one.route in WORDS),
        ("contacts", "" if found.contacts else "its profile names none"),
        ("languages", ", ".join(found.languages)),
        ("checked", checked(found) if found.contacts else ""),
    ]


def reached(one: "record_pb2.Contact") -> str:
    """A function, and how it is reached."""
    return ", ".join(part for part in (one.function, one.telephone, one.email) if part)


def checked(found: "profile_pb2.ProfileView") -> str:
    """When its member checked its contacts, and what to make of it."""
    if not found.checked_ms:
        return "never: the contacts may be wrong"
    old = ": the contacts may be out of date" if found.stale else ""
    return f"{printing.day(found.checked_ms)}, {age(found)}{old}"


def age(found: "profile_pb2.ProfileView") -> str:
    """How old the check is."""
    if not found.contacts:
        return "-"
    if not found.checked_ms:
        return "never"
    days = max(clock.now_ms() - found.checked_ms, 0) // DAY_MS
    return "today" if not days else f"{days:,} day{'' if days == 1 else 's'} ago"


def out_of_hours(found: "profile_pb2.ProfileView") -> str:
    """Whom to call at night, on one line; in office hours where there is nobody else; nothing of no contact."""
    by_night = [one for one in found.contacts if one.route == OUT_OF_HOURS]
    shown: Sequence[record_pb2.Contact] = by_night or found.contacts
    note = "" if by_night or not shown else " (in office hours: it names nobody else)"
    stale = f"; checked {age(found)}" if shown and found.stale else ""
    return "; ".join(reached(one) for one in shown) + note + stale
