"""Crises: those of all members, and what was said of them. The rest of the family stands beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import (
    acknowledging,
    calling,
    contacts,
    crises,
    declaring,
    leading,
    options,
    participating,
    printing,
    watching,
)
from node.content import personal

if TYPE_CHECKING:
    from node.v1 import tools_pb2


@click.group(
    epilog=options.examples(
        'tocsin crisis declare --framework eu-ocrf --title "Shooting, livestream" --place DE-ST --for 48h',
        "tocsin crisis declare --from-alert a-9d2k --edit",
        "tocsin crisis list",
        "tocsin crisis cosign c-4k7q --code 518204",
        "tocsin crisis join c-4k7q --will review --will report",
        "tocsin crisis watch c-4k7q",
        "tocsin crisis end c-4k7q",
    )
)
def crisis() -> None:
    """Warn of crises, declare them, take part in them, and see those of all members."""


for _family in (declaring, leading, participating, acknowledging):
    for _command in _family.COMMANDS:
        crisis.add_command(_command)
crisis.add_command(watching.watch)


@crisis.command(name="list", epilog=options.examples("tocsin crisis list", "tocsin crisis list --exercises --json"))
@click.option("--exercises", is_flag=True, help="Also drills.")
@options.folder
@options.as_json
def list_(exercises: bool, folder: Path, as_json: bool) -> None:
    """List the crises and alerts of all members, the newest first."""
    found = calling.ask(calling.find(folder), lambda node: node.crises(exercises=exercises))
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("reference", "title", "by", "state", "ends"),
        [
            (
                one.reference,
                crises.title(one),
                one.member_name,
                crises.state(one),
                printing.moment(one.ends_ms),
            )
            for one in found
        ],
        wrapped=("title", "by", "state"),
        without="No crisis is or was declared."
        if exercises
        else "No crisis is or was declared; --exercises has drills.",
    )


@crisis.command(epilog=options.examples("tocsin crisis show c-4k7q", "tocsin crisis show c-4k7q --json"))
@click.argument("reference")
@options.folder
@options.as_json
def show(reference: str, folder: Path, as_json: bool) -> None:
    """Show one crisis, by its reference, id or title: where it stands, who does what, and whom to call.

    What was said of it follows, oldest first, with what has no effect and why.
    """
    place = calling.find(folder)
    found = crises.named(place, reference)
    owner = calling.ask(place, lambda node: contacts.profiles(node, found.member_id.hex())).profiles[0]
    if as_json:
        printing.print_json({**printing.fields_of(found), "contacts": printing.fields_of(owner)["contacts"]})
        return
    click.echo(crises.line(found))
    printing.print_fields(_fields(found, contacts.out_of_hours(owner)))
    rows = participating.rows(found)
    if rows:
        click.echo()
        printing.print_table(("member", "takes part", "will"), rows, wrapped=("member", "will"))
    if found.acts:
        click.echo()
        printing.print_table(("said", "by", "what", ""), [_act(one) for one in found.acts], wrapped=("what", ""))


def _fields(found: "tools_pb2.CrisisView", call: str) -> list[tuple[str, str]]:
    said = found.crisis
    return [
        ("warning", found.notice),
        ("why", found.reason),
        *(("contested", one) for one in found.contested if one not in found.reason),
        ("by", found.member_name),
        ("led by", found.lead_name if found.lead_id != found.member_id else ""),
        ("verified", _verified(found)),
        ("call", call),
        ("lead", contacts.reached(said.lead)),
        ("summary", personal.mask(said.summary)),
        ("framework", f"{said.framework.name} {said.framework.version}".strip()),
        ("level", found.level),
        ("kind", said.event.kind),
        ("places", ", ".join([*said.event.places, *([said.event.place_name] if said.event.place_name else [])])),
        ("began", printing.moment(said.event.began_ms) if said.event.began_ms else ""),
        ("ongoing", "yes" if said.event.ongoing else ""),
        ("harm", crises.word(crises.LEVELS, said.harm)),
        ("virality", crises.word(crises.LEVELS, said.virality)),
        ("criteria", ", ".join(_criteria(found))),
        ("asks for", ", ".join(said.measures)),
        ("keywords", ", ".join(said.keywords)),
        ("legal basis", said.legal_basis),
        ("co-signed", _cosigned(found)),
        ("refused", ", ".join(found.refused_by)),
        ("proposed end", printing.moment(found.proposed_ends_ms) if found.proposed_ends_ms else ""),
        ("linked", ", ".join(found.linked)),
        ("declared", printing.moment(found.declared_ms)),
        ("received", printing.moment(found.received_ms)),
        ("id", found.object_id.hex()),
    ]


def _criteria(found: "tools_pb2.CrisisView") -> Sequence[str]:
    return [f"{one.name}: {crises.word(crises.ANSWERS, one.answer)}" for one in found.crisis.criteria]


def _verified(found: "tools_pb2.CrisisView") -> str:
    if found.verified_ms:
        return f"by {found.verified_by}, {printing.moment(found.verified_ms)}"
    graves = found.crisis.harm == len(crises.LEVELS) and found.state not in crises.OVER
    return (
        "NOT: call its owner and give the code to `tocsin crisis verify`"
        if graves and found.cosignatures_needed
        else ""
    )


def _cosigned(found: "tools_pb2.CrisisView") -> str:
    names = ", ".join(found.cosigned_by)
    if not found.cosignatures_needed:
        return names
    return f"{len(found.cosigned_by)} of {found.cosignatures_needed}{f': {names}' if names else ''}"


def _act(one: "tools_pb2.CrisisActView") -> tuple[str, str, str, str]:
    return printing.moment(one.created_ms), one.member_name, participating.act_words(one.act), one.obstacle
