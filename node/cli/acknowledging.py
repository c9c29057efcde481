"""Whom a crisis has reached: say that somebody here has seen it, and see what the others say."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, crises, options, printing

if TYPE_CHECKING:
    from node.v1 import tools_pb2


@click.command(
    epilog=options.examples(
        "tocsin crisis acknowledge c-4k7q",
        "tocsin crisis acknowledge c-4k7q --acted",
        "tocsin crisis acknowledge c-4k7q --as officer.pem",
    )
)
@click.argument("reference")
@click.option("--acted", is_flag=True, help="Not only seen: something was done about it.")
@options.folder
@options.as_json
def acknowledge(reference: str, acted: bool, folder: Path, as_json: bool) -> None:
    """Tell all members that somebody here has seen a crisis, and wake nobody else because of it.

    Who it was stands in this node's audit log and goes to nobody. Of a crisis for some alone nobody is told. For scopes
    declare and share.
    """
    if not reference.strip():
        raise click.UsageError("Which crisis? `tocsin crisis list` names them.")
    done = calling.ask(calling.find(folder), lambda node: node.confirm(reference, acted=acted))
    if as_json:
        printing.print_json(printing.fields_of(done))
        return
    click.echo(f"{_title(done.crisis)}: {'acted on' if acted else 'seen'} here{_told(done)}.")


def _told(done: "tools_pb2.ConfirmResponse") -> str:
    """Who is told that somebody here has seen it."""
    kept = f"{done.sealed} sealed to you {'wakes' if done.sealed == 1 else 'wake'} nobody here any more"
    if done.crisis.audience and not done.entries:
        return f"{f', {kept}' if done.sealed else ''}; it is for some alone, so nobody is told"
    told = "and all members are told" if done.entries else "as all members were told before"
    return f", {told}" + (f"; {kept}, of which nobody is told" if done.sealed else "")


@click.command(
    epilog=options.examples(
        "tocsin crisis receipts c-4k7q",
        "tocsin crisis receipts c-4k7q --json | jq '.members[] | select(.state == \"silent\")'",
    )
)
@click.argument("reference")
@options.folder
@options.as_json
def receipts(reference: str, folder: Path, as_json: bool) -> None:
    """Show which members a crisis has reached, and where somebody has seen it, as they say themselves.

    A node says by itself that a declaration came; a person that it was seen. Times count from the declaration
    on, each by the clock of the member that says it. Who says nothing may have been reached nevertheless. Of a crisis
    for some alone nobody says that it came: all members would learn who reads it.
    """
    if not reference.strip():
        raise click.UsageError("Which crisis? `tocsin crisis list` names them.")
    found = calling.ask(calling.find(folder), lambda node: node.acknowledgements(reference))
    if as_json:
        printing.print_json(printing.fields_of(found))
        return
    click.echo(f"{_title(found.crisis)}: {summary(found)}")
    if found.crisis.audience:
        return
    printing.print_table(
        ("member", "delivered", "seen", "acted", "routes tried", ""),
        [_row(one) for one in found.members],
        numbers=("delivered", "seen", "acted", "routes tried"),
        wrapped=("member",),
    )


def summary(found: "tools_pb2.ListAcknowledgementsResponse") -> str:
    """How far it came, in one line."""
    if found.crisis.audience:
        return "of a crisis for some alone nobody is told who has it"
    late = [one.delivered.after_ms for one in found.members if one.HasField("delivered") and not one.beside]
    within = f" in {span(max(late))}" if late else ""
    acted = f", acted on {found.acted}" if found.acted else ""
    return f"delivered {found.delivered}/{found.expected}{within}; seen {found.seen}{acted}"


def _row(one: "tools_pb2.AcknowledgementView") -> tuple[str, ...]:
    stages = [
        span(getattr(one, name).after_ms) if one.HasField(name) else "-" for name in ("delivered", "seen", "acted")
    ]
    note = "no answer" if one.state == "silent" else "no member then, or none now" if one.beside else ""
    return (one.member_name, *stages, str(one.route or "-"), note)


def span(after_ms: int) -> str:
    """How long after the declaration; below zero where the clocks differ."""
    sign, seconds = ("-" if after_ms < 0 else ""), abs(after_ms) / 1000
    if seconds < 120:
        return f"{sign}{seconds:.1f} s"
    return f"{sign}{seconds / 60:.0f} min" if seconds < 7200 else f"{sign}{seconds / 3600:.0f} h"


def _title(crisis: "tools_pb2.CrisisView") -> str:
    return click.style(f"{crisis.reference}  {crises.title(crisis)}", fg=crises.colour(crisis) or None)


COMMANDS = (acknowledge, receipts)
