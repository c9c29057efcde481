"""What a crisis says, field by field: to look at, and to see what a proposal would change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.cli import clock, contacts, crises, printing
from node.content import personal
from node.crisis.words import ANSWERS, LEVELS, word

if TYPE_CHECKING:
    from node.v1 import record_pb2, tools_pb2

Facts = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be in effect with all co-signatures."""

    crisis: "record_pb2.Crisis"
    handling: "record_pb2.Handling"
    ends_ms: int


def of(said: "record_pb2.Crisis", handling: "record_pb2.Handling", names: Mapping[bytes, str], whom: str) -> Facts:
    """All of it but its title and its end. ``names``: of the members that it names, by id; ``whom``: for whom it is."""
    from node.content.names import unmistakable
    from node.crisis import events
    from node.policy import handling as marks

    event = said.event
    return [
        ("mark", f"{marks.words(handling)}, to {whom}"),
        ("which means", "; ".join(marks.meanings(handling))),
        ("summary", personal.mask(said.summary)),
        ("framework", f"{said.framework.name} {said.framework.version}".strip()),
        ("kind", event.kind),
        ("places", ", ".join(map(unmistakable, filter(None, [*event.places, event.place_name])))),
        ("began", _began(event)),
        ("status", events.status(event)),
        ("harm", word(LEVELS, said.harm)),
        ("virality", word(LEVELS, said.virality)),
        *((f"criterion {one.name}", _criterion(one)) for one in said.criteria),
        ("asks for", ", ".join(said.measures)),
        ("keywords", ", ".join(said.keywords)),
        ("languages", ", ".join(said.languages)),
        ("legal basis", said.legal_basis),
        ("their number", said.reference),
        ("lead", contacts.reached(said.lead)),
        ("deputies", ", ".join(names.get(one, one.hex()) for one in said.deputies)),
        ("starts", printing.moment(said.starts_ms) if said.starts_ms else ""),
    ]


def _began(event: "record_pb2.Event") -> str:
    """As people here read it, and as it was there."""
    from node.crisis import events

    if not event.began_ms:
        return ""
    here = printing.moment(event.began_ms)
    is_dated = event.time_zone and clock.date(event.began_ms)
    return f"{here}, {events.zoned(event.began_ms, event.time_zone):%H:%M} there" if is_dated else here


def _criterion(one: "record_pb2.Criterion") -> str:
    sure = f", confidence {word(LEVELS, one.confidence)}" if one.confidence else ""
    return f"{word(ANSWERS, one.answer)}{sure}{f': {personal.mask(one.ground)}' if one.ground else ''}"


# ---- What is proposed


def proposed(found: "tools_pb2.CrisisView") -> Proposal | None:
    """What waits for co-signatures beside what is in effect; None where that is the declaration, or too long."""
    act = next((one for one in found.acts if one.entry == found.proposal), None)
    match act.act.WhichOneof("act") if act and found.cosignatures_needed else None:
        case "update" if act and act.act.update.title:
            return Proposal(act.act.update, act.handling, found.proposed_ends_ms or found.ends_ms)
        case "extend":
            return Proposal(found.crisis, found.handling, found.proposed_ends_ms)
    return None


def changes(found: "tools_pb2.CrisisView", after: Proposal, names: Mapping[bytes, str]) -> Facts:
    """What would be otherwise, and how."""
    old = {"title": found.crisis.title, **dict(of(found.crisis, found.handling, names, crises.whom(found)))}
    new = {"title": after.crisis.title, **dict(of(after.crisis, after.handling, names, crises.whom(found)))}
    old["ends"], new["ends"] = printing.moment(found.ends_ms), printing.moment(after.ends_ms)
    every = [*new, *(name for name in old if name not in new)]
    return [
        (name, f"{old.get(name) or '-'} -> {new.get(name) or '-'}") for name in every if old.get(name) != new.get(name)
    ]


def is_other_to_cosigners(found: "tools_pb2.CrisisView", after: Proposal) -> bool:
    """Whether anything changes that co-signers answer for (protos/README.md section 7.2)."""
    before = Proposal(found.crisis, found.handling, found.ends_ms)
    return _answered_for(before) != _answered_for(after)


def _answered_for(one: Proposal) -> tuple[object, ...]:
    said = one.crisis
    answers = {each.name: each.answer for each in said.criteria}
    return said.framework, answers, said.harm, said.virality, said.starts_ms, one.handling, one.ends_ms
