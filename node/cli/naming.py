"""Which list is meant: by owner and name, by reference or id, and our own by their name alone."""

from typing import TYPE_CHECKING

import click

from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2

OWN = "own"


def require(name: str) -> str:
    """What was typed, if anything was."""
    if not name.strip():
        raise click.UsageError("Which list? `tocsin list` names them.")
    return name.strip()


async def find(node: "Client", name: str) -> "tools_pb2.ListView":
    """The one list that is meant; raises Refused for none and for several.

    Who took the id of another one's list is meant only where we have none of it.
    """
    found = await node.lists(name, exercises=True)
    return next((one for one in found if one.following == OWN), found[0])


async def find_mine(node: "Client", name: str, *, exercise: bool) -> "tools_pb2.ListView | None":
    """That of our lists, or of our drills, which is called just so, without its owner."""
    found = await node.lists(exercises=True)
    mine = (one for one in found if one.following == OWN and one.exercise == exercise and not one.withdrawn)
    return next((one for one in mine if one.list.name == name.lower()), None)


async def find_own(node: "Client", name: str) -> "tools_pb2.ListView":
    """The one list of ours that is meant; raises Refused for that of another member."""
    try:
        found = await find(node, name)
    except Refused as error:
        if error.field != "list" or "/" in name:
            raise
        raise Refused(
            error.reason,
            next_step=f"{error.next_step}\n`tocsin list create {name}` makes a list of ours.",
            field="list",
        ) from error
    if found.following != OWN:
        raise Refused(
            f"{found.name} is not ours: only {found.member_name} changes it",
            next_step="Say what is wrong with it to its owner.",
            field="list",
        )
    return found
