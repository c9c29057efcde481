"""What a proposal would change, in words, before whoever makes or signs it."""

from typing import TYPE_CHECKING

from node.cli import crises, facts, frameworks, printing, roster
from node.cli.calling import Place
from node.cli.facts import Proposal

if TYPE_CHECKING:
    from node.crisis.frameworks import Framework
    from node.v1 import record_pb2, tools_pb2

REPLACED = "what waits for co-signatures now: say that again in this, if it is still meant"


def show(
    place: Place, found: "tools_pb2.CrisisView", act: "record_pb2.CrisisAct", handling: "record_pb2.Handling | None"
) -> None:
    """What is signed, in words, before it is asked whether it is meant."""
    match act.WhichOneof("act"):
        case "cosign" | "refuse":
            named = roster.names(place, found.crisis.deputies)
            words = proposal(place, found) or facts.of(found.crisis, found.handling, named, crises.whom(found))
        case "update":
            words = _announced(place, found, Proposal(act.update, handling or found.handling, act.update.ends_ms))
        case "extend":
            words = _announced(place, found, Proposal(found.crisis, found.handling, act.extend.ends_ms))
        case _:
            return
    printing.print_fields(words, err=True)


def proposal(place: Place, found: "tools_pb2.CrisisView") -> facts.Facts:
    """What would be otherwise with the co-signatures that are waited for; nothing where the declaration waits."""
    after = facts.proposed(found)
    return _changes(place, found, after) if after else []


def _changes(place: Place, found: "tools_pb2.CrisisView", after: Proposal) -> facts.Facts:
    return facts.changes(found, after, roster.names(place, (*found.crisis.deputies, *after.crisis.deputies)))


def _announced(place: Place, found: "tools_pb2.CrisisView", after: Proposal) -> facts.Facts:
    """What an update or an extension changes, and whether it waits for others."""
    named = after.crisis.framework
    under = frameworks.document_of(place, named.name, named.version) if named.name else None
    return [*_changes(place, found, after), *needs(found, after, under)]


def needs(found: "tools_pb2.CrisisView", after: Proposal, under: "Framework | None") -> facts.Facts:
    """Whose co-signatures it waits for, as far as its framework says; nothing where it is in effect at once."""
    from node.crisis.frameworks import cosigners

    if under is None or under.cosign.quorum is None or not facts.is_other_to_cosigners(found, after):
        return []
    asks = ("needs", f"co-signatures: {cosigners(under)}; until then it stays as it is")
    return [asks, ("instead of", REPLACED)] if facts.proposed(found) else [asks]
