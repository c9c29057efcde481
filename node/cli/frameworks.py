"""Which framework is meant, by its name, and what its document says."""

from typing import TYPE_CHECKING

from node.cli import calling
from node.cli.calling import Place
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.crisis.frameworks import Framework
    from node.v1 import charter_pb2


def named(place: Place, name: str, version: str = "") -> "charter_pb2.FrameworkView | None":
    """The framework of this name that is in force, the newest where no version is given; None where there is none."""
    from node.v1 import charter_pb2

    async def look(node: "Client") -> "list[charter_pb2.FrameworkView]":
        asked = charter_pb2.ListFrameworksRequest(name=name, text=True)
        return list((await node.charters.ListFrameworks(asked)).frameworks)

    try:
        every = calling.ask(place, look)
    except Refused:  # there is none of this name at all
        return None
    return next((one for one in reversed(every) if one.state == "in force" and version in ("", one.version)), None)


def document_of(place: Place, name: str, version: str = "") -> "Framework | None":
    """Its document; None where there is none."""
    return document(named(place, name, version))


def document(view: "charter_pb2.FrameworkView | None") -> "Framework | None":
    """What its document says; None where it has none."""
    from node.crisis import frameworks

    return frameworks.read(view.text) if view is not None and view.text else None


def in_force(place: Place) -> list[str]:
    """The names of those to declare under."""
    from node.v1 import charter_pb2

    async def look(node: "Client") -> list[str]:
        found = (await node.charters.ListFrameworks(charter_pb2.ListFrameworksRequest())).frameworks
        return [one.name for one in found if one.state == "in force"]

    return sorted(set(calling.ask(place, look)))


def only(place: Place) -> str:
    """The one that is in force, if it is the only one to declare under."""
    names = in_force(place)
    return names[0] if len(names) == 1 else ""


def consequence(under: "Framework | None") -> str:
    """What follows from a declaration, as far as its framework says."""
    from node.crisis.frameworks import cosigned

    if under is not None and under.cosign.quorum is not None:
        return f"It is proposed, and active once {cosigned(under)} it."
    return "Nobody has to co-sign it: it is in effect wherever it comes."
