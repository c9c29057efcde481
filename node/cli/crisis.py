"""Crises: declare one, see them, end one of our own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, clock, contacts, countries, options, printing, roster, rules, times
from node.cli.calling import Place
from node.content import personal
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import record_pb2, tools_pb2

LEVELS = ("low", "moderate", "high")  # by number, from 1
MARKS = ("clear", "green")  # of TLP, by number, from 1: what all members may read

OVER = frozenset(("ended", "expired"))
DECLARED = "it is declared"


def _places(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for place in value:
        if fault := countries.fault(place):
            raise click.BadParameter(fault, ctx, parameter)
    return value


_unconfirmed = click.option(
    "--unconfirmed",
    is_flag=True,
    help="It cannot wait: also where too few peers answered within a minute after the node's start. Where the node "
    "turns out to be an old copy, its feed ends there, and what was said stays in doubt.",
)


@click.group(
    epilog=options.examples(
        'tocsin crisis declare --framework eu-ocrf --title "Shooting, livestream" --place DE-ST --for 48h',
        "tocsin crisis list",
        "tocsin crisis end c-4k7q",
    )
)
def crisis() -> None:
    """Declare crises, and see those of all members."""


# ---- Declaring


@crisis.command(
    epilog=options.examples(
        'tocsin crisis declare --framework eu-ocrf --title "Shooting, livestream" --place DE-ST \\',
        "      --harm high --virality high --for 48h",
        'tocsin crisis declare --framework eu-ocrf --title "Drill 7" --place FR --for 2h --exercise --yes',
    )
)
@click.option("--framework", required=True, help="The rules it is declared under; `tocsin charter show` names them.")
@click.option("--title", required=True, help="What happened, in a few words.")
@click.option(
    "--place",
    "places",
    required=True,
    multiple=True,
    metavar="CODE",
    callback=_places,
    help="Where, as DE or DE-ST (ISO 3166); once for each.",
)
@click.option("--summary", default="", help="More of it.")
@click.option("--harm", type=click.Choice(LEVELS), help="How grave it is.")
@click.option("--virality", type=click.Choice(LEVELS), help="How fast it spreads.")
@times.ends
@click.option("--tlp", type=click.Choice(MARKS), default="green", show_default=True, help="Who may be told of it.")
@click.option("--exercise", is_flag=True, help="It is a drill: nothing of it is ever matched.")
@options.allow_personal
@click.option("--again", is_flag=True, help="Also where one of ours with the same title stands.")
@_unconfirmed
@options.folder
@options.as_json
@asking.yes
def declare(
    framework: str,
    title: str,
    places: tuple[str, ...],
    summary: str,
    harm: str | None,
    virality: str | None,
    life_ms: int | None,
    until_ms: int | None,
    tlp: str,
    exercise: bool,
    allow_personal: str,
    again: bool,
    unconfirmed: bool,
    folder: Path,
    as_json: bool,
    yes: bool,
) -> None:
    """Declare a crisis to all members.

    Its end is asked for: --for or --until. On a terminal you type the title's first word; elsewhere give
    --yes. One of our own with the same title that is not over is not declared a second time unless you say so.
    """
    ends_ms = times.end_ms(life_ms, until_ms, clock.now_ms())
    if ends_ms is None:
        raise click.UsageError("A crisis has an end: --for 48h, or --until 2026-11-25T03:10.")
    if not title.split():
        raise click.UsageError("A crisis needs a title.")
    place = calling.find(folder)
    rules.in_force(place)  # of the federation that was meant
    letter = _letter(framework, title, summary, places, harm, virality, ends_ms)
    if not again:
        _require_new(place, letter, exercise=exercise, yes=yes)
    if not yes:
        _confirm(place, letter, exercise=exercise)
    handling = _handling(tlp)
    made = calling.ask(
        place,
        lambda node: node.declare(
            letter, handling, exercise=exercise, unconfirmed=unconfirmed, allow_personal=allow_personal
        ),
    )
    if as_json:
        printing.print_json(printing.fields_of(made))
        return
    click.echo(_line(made))
    click.echo(f"`tocsin crisis end {made.reference}` ends it before its time.")


def _number(words: Sequence[str], word: str | None) -> int:
    return words.index(word) + 1 if word else 0


def _letter(
    framework: str,
    title: str,
    summary: str,
    places: tuple[str, ...],
    harm: str | None,
    virality: str | None,
    ends_ms: int,
) -> "record_pb2.Crisis":
    from node.v1 import record_pb2

    return record_pb2.Crisis(
        framework=record_pb2.Reference(name=framework),  # its version is that of the rules in force
        title=title,
        summary=summary,
        event=record_pb2.Event(places=places),
        harm=_number(LEVELS, harm),
        virality=_number(LEVELS, virality),
        ends_ms=ends_ms,
    )


def _handling(tlp: str) -> "record_pb2.Handling":
    from node.v1 import record_pb2

    return record_pb2.Handling(tlp=_number(MARKS, tlp))


def _require_new(place: Place, letter: "record_pb2.Crisis", *, exercise: bool, yes: bool) -> None:
    """Ask before the same is declared twice, as by a script that runs again; refuse where nobody answers."""

    def is_same(one: "tools_pb2.CrisisView") -> bool:
        ours = one.member_id == place.member_id and one.exercise == exercise and one.state not in OVER
        return ours and one.crisis.title.split() == letter.title.split()

    found = next(filter(is_same, calling.ask(place, lambda node: node.crises(exercises=True))), None)
    if found is None:
        return
    click.echo(f"Declared already {printing.moment(found.declared_ms)}:\n  {_line(found)}", err=True)
    if yes or not asking.is_terminal():
        raise Refused(
            f"{found.reference} has the same title and is not over, so nothing was declared",
            next_step="Give --again if this is another one.",
        )
    click.confirm("Declare another with the same title?", abort=True)


def _confirm(place: Place, letter: "record_pb2.Crisis", *, exercise: bool) -> None:
    asking.require_terminal(DECLARED)
    members = calling.ask(place, roster.members)
    click.echo(
        f"DECLARE to all members ({len(members)}), ends {printing.moment(letter.ends_ms)}. "
        f"{'An EXERCISE.' if exercise else 'Not an exercise.'}"
    )
    word = letter.title.split()[0].strip(",.:;!?") or letter.title.split()[0]
    asking.confirm_word("the title's first word", [word], DECLARED, "declared")


# ---- Looking


@crisis.command(name="list", epilog=options.examples("tocsin crisis list", "tocsin crisis list --exercises --json"))
@click.option("--exercises", is_flag=True, help="Also drills.")
@options.folder
@options.as_json
def list_(exercises: bool, folder: Path, as_json: bool) -> None:
    """List the crises of all members, the newest first."""
    found = calling.ask(calling.find(folder), lambda node: node.crises(exercises=exercises))
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("reference", "title", "by", "state", "ends"),
        [
            (
                one.reference,
                _title(one),
                one.member_name,
                _state(one),
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
    """Show one crisis, by its reference, id or title; and whom to call of its owner, out of hours too."""
    place = calling.find(folder)
    found = _named(place, reference)
    owner = calling.ask(place, lambda node: contacts.profiles(node, found.member_id.hex())).profiles[0]
    if as_json:
        printing.print_json({**printing.fields_of(found), "contacts": printing.fields_of(owner)["contacts"]})
        return
    click.echo(_line(found))
    said = found.crisis
    printing.print_fields(
        [
            ("warning", found.notice),
            ("by", found.member_name),
            ("call", contacts.out_of_hours(owner)),
            ("summary", personal.mask(said.summary)),
            ("framework", f"{said.framework.name} {said.framework.version}".strip()),
            ("places", ", ".join(said.event.places)),
            ("harm", _word(said.harm)),
            ("virality", _word(said.virality)),
            ("declared", printing.moment(found.declared_ms)),
            ("received", printing.moment(found.received_ms)),
            ("id", found.object_id.hex()),
        ]
    )


# ---- Ending


@crisis.command(
    epilog=options.examples("tocsin crisis end c-4k7q", 'tocsin crisis end c-4k7q --text "All copies are gone" --yes')
)
@click.argument("reference")
@click.option("--text", default="", help="Why, for all members.")
@options.allow_personal
@_unconfirmed
@options.folder
@options.as_json
@asking.yes
def end(
    reference: str, text: str, allow_personal: str, unconfirmed: bool, folder: Path, as_json: bool, yes: bool
) -> None:
    """End a crisis of our own now, before its time."""
    place = calling.find(folder)
    found = _named(place, reference)
    if found.state in OVER:
        raise Refused(f"{found.reference} is over already", next_step="Nothing has to be done.")
    asking.confirm(f"End {found.reference}, {_title(found)}, now, for all members?", yes=yes)
    named = found.object_id.hex()
    ended = calling.ask(
        place,
        lambda node: node.end_crisis(named, text, unconfirmed=unconfirmed, allow_personal=allow_personal),
    )
    if as_json:
        printing.print_json(printing.fields_of(ended))
        return
    click.echo(_line(ended))


# ---- Inside


def _named(place: Place, reference: str) -> "tools_pb2.CrisisView":
    if not reference.strip():
        raise click.UsageError("Which crisis? `tocsin crisis list` names them.")

    async def look(node: "Client") -> "tools_pb2.CrisisView":
        (found,) = await node.crises(reference, exercises=True)
        return found

    return calling.ask(place, look)


def _line(found: "tools_pb2.CrisisView") -> str:
    """A crisis in one line."""
    ends = "" if found.state in OVER else ", ends"
    return f"{found.reference}  {_title(found)}  {_state(found)}{ends} {printing.moment(found.ends_ms)}"


def _title(found: "tools_pb2.CrisisView") -> str:
    """What others say may name a machine that is somebody's; programs get it as it is."""
    return printing.shortened(f"{'EXERCISE ' if found.exercise else ''}{personal.mask(found.crisis.title)}")


def _state(found: "tools_pb2.CrisisView") -> str:
    """Why it stands as it does only where that is not plain."""
    return f"{found.state}: {printing.plain(found.reason)}" if found.state == "declared" else found.state


def _word(level: int) -> str:
    return LEVELS[level - 1] if 0 < level <= len(LEVELS) else ""
