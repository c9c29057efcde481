"""Crises: those of all members, and what was said of them. The rest of the family stands beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import (
    acknowledging,
    calling,
    contacts,
    crises,
    declaring,
    facts,
    leading,
    options,
    participating,
    printing,
    proposing,
    roster,
    situation,
    watching,
)
from node.cli.calling import Place
from node.crisis.states import OVER

if TYPE_CHECKING:
    from node.v1 import tools_pb2


@click.group(
    epilog=options.examples(
        'tocsin crisis declare --framework eu-ocrf --title "Shooting, livestream" --place DE-ST --edit',
        "tocsin crisis declare --from-alert a-9d2k --edit",
        'tocsin crisis alert --title "Threat to a school" --place DE --for 6h --told DE --channel PERCI',
        "tocsin crisis list",
        "tocsin crisis cosign c-4k7q --code 518204",
        "tocsin crisis join c-4k7q --will review --will report",
        "tocsin crisis watch c-4k7q",
        "tocsin crisis end c-4k7q",
    )
)
def crisis() -> None:
    """Warn of crises, declare them, and take part in them."""


for _family in (declaring, leading, participating, acknowledging):
    for _command in _family.COMMANDS:
        crisis.add_command(_command)
crisis.add_command(watching.watch)


@crisis.command(name="list", epilog=options.examples("tocsin crisis list", "tocsin crisis list --exercises --json"))
@click.option("--exercises", is_flag=True, help="Also drills.")
@options.folder
@options.as_json
def list_(exercises: bool, folder: Path, as_json: bool) -> None:
    """List the crises and alerts of all members, the newest first.

    NOT VERIFIED: nobody here has called its owner. Who disputes it advises, and changes nothing. A mark stands there
    where it is another than TLP:GREEN, and `for some` where not all members read it.
    """
    asked = calling.ask(calling.find(folder), lambda node: node.crises(exercises=exercises))
    found = sorted(asked, key=lambda one: not one.pointers or one.state in OVER)  # threats to life before all else
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("reference", "title", "by", "state", "ends", "said last"),
        [
            (
                one.reference,
                crises.title(one),
                one.member_name,
                crises.state(one) + crises.unusual(one),
                crises.end(one),
                printing.shortened(situation.said(one.last, one)) if one.HasField("last") else "",
            )
            for one in found
        ],
        wrapped=("title", "by", "state", "said last"),
        colours=[crises.colour(one) for one in found],
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

    Each member has a line: whether it takes part, how long after the declaration it had it and a person there saw
    it, by its own clock, and how many ways to wake somebody it had tried by then. Of one for some alone its readers
    have a line, and nobody is told who has it. What was said of it follows, oldest first, with what has no effect and
    why.
    """
    place = calling.find(folder)
    found = crises.named(place, reference)
    lead = found.lead_id or found.member_id
    leader = calling.ask(place, lambda node: contacts.profiles(node, lead.hex())).profiles[0]
    reached = calling.ask(place, lambda node: node.acknowledgements(entry=found.entry))
    if as_json:
        more = {"contacts": printing.fields_of(leader)["contacts"], "reached": situation.reached(reached)}
        printing.print_json({**printing.fields_of(found), **more})
        return
    for one in situation.first(found):
        click.echo(click.style(one, fg=crises.colour(found) or None, bold=True))
    crises.show(found)
    printing.print_fields(_fields(place, found, contacts.out_of_hours(leader), acknowledging.summary(reached)))
    waiting = proposing.proposal(place, found)
    if waiting:
        click.echo("\nproposed, in words:")
        printing.print_fields(waiting)
    rows = situation.members(found, reached)
    if rows:
        click.echo()
        columns = situation.columns(found)
        numbers = [one for one in columns if one in situation.NUMBERS]
        printing.print_table(
            columns, [one[: len(columns)] for one in rows], numbers=numbers, wrapped=("member", "will")
        )
    if found.acts:
        click.echo()
        printing.print_table(("said", "by", "what", ""), [_act(one, found) for one in found.acts], wrapped=("what", ""))


def _fields(place: Place, found: "tools_pb2.CrisisView", call: str, reached: str) -> list[tuple[str, str]]:
    return [
        ("warning", found.notice),
        *situation.facts(found),
        *(("order", situation.order(one)) for one in found.orders),
        *(("list", situation.list_(one)) for one in found.lists),
        ("reached", reached),
        ("call", call),
        ("level", found.level),
        *facts.of(found.crisis, found.handling, roster.names(place, found.crisis.deputies), crises.whom(found)),
        ("linked", ", ".join(found.linked)),
        ("declared", printing.moment(found.declared_ms)),
        ("received", printing.moment(found.received_ms)),
        ("id", found.object_id.hex()),
    ]


def _act(one: "tools_pb2.CrisisActView", found: "tools_pb2.CrisisView") -> tuple[str, str, str, str]:
    return printing.moment(one.created_ms), one.member_name, situation.marked(one, found), one.obstacle
