"""The rules in force, as a running node has them: asked for by whoever shows, amends or goes by them."""

from typing import TYPE_CHECKING

from node.cli import calling, printing
from node.cli.calling import Place
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import charter_pb2


def in_force(place: Place, *, text: bool = False) -> "charter_pb2.GetRulesResponse":
    """What the node says is in force; raises Refused where it is of another federation than was meant."""

    async def look(node: "Client") -> "charter_pb2.GetRulesResponse":
        from node.v1 import charter_pb2

        return await node.charters.GetRules(charter_pb2.GetRulesRequest(text=text))

    found = calling.ask(place, look)
    if found.federation_id != place.federation_id:
        where = f" at {place.remote.address}" if place.remote else ""
        raise Refused(
            f"the node{where} is of another federation than {place.federation_id.hex()[:16]}",
            next_step="Check which node you ask, and whose file --as names.",
        )
    return found


def which(found: "charter_pb2.GetRulesResponse") -> str:
    """What is in force, in words, and what stands in the way of going by it."""
    one = found.amendment
    by = ", ".join(printing.plain(signature.name) for signature in one.signatures)
    named = f"amendment {one.number} ({one.reference}) is in force, signed by {by}" if one.number else "never amended"
    match found.state:
        case "waiting":
            return f"{named}; its text has not come yet, so nobody may anything here"
        case "unreadable":
            return f"{named}; a newer version of this program is needed to read it, so nobody may anything here"
    return named
