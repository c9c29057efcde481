"""Declare a crisis, or warn of one: by options, by a file, or in an editor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli import (
    asking,
    calling,
    clock,
    countries,
    crises,
    filling,
    frameworks,
    items,
    marks,
    options,
    printing,
    readers,
    roster,
    rules,
    times,
    watching,
)
from node.cli.calling import Place
from node.cli.editing import Page
from node.crisis import words
from node.crisis.states import OVER
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.crisis.forms import Form
    from node.v1 import admin_pb2, record_pb2, tools_pb2

Command = TypeVar("Command", bound=Callable[..., Any])


def _places(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for place in value:
        if fault := countries.fault(place):
            raise click.BadParameter(fault, ctx, parameter)
    return value


def _criteria(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, dict[str, str]]:
    found = {}
    for name, _, said in (one.partition("=") for one in value):
        answer, _, rest = said.partition(",")
        confidence, _, ground = rest.partition(",")
        if answer not in words.ANSWERS or confidence not in ("", *words.LEVELS):
            raise click.BadParameter(
                f"{name}={said}: write NAME=yes, =no or =unknown; behind it, if you like, ,low, ,moderate or ,high"
                " for how sure that is, and ,WHY",
                ctx,
                parameter,
            )
        parts = {"answer": answer, "confidence": confidence, "ground": ground.strip()}
        found[name] = {key: part for key, part in parts.items() if part}
    return found


unconfirmed = click.option(
    "--unconfirmed",
    is_flag=True,
    help="It cannot wait: also where too few peers answered within a minute after the node's start. Where the node "
    "turns out to be an old copy, its feed ends there, and what was said stays in doubt.",
)


_WHAT = (  # is declared: options by which a form is filled in
    click.option(
        "--framework",
        metavar="NAME[@VERSION]",
        help="Its rules; without a version the newest. A declaration without it: the only one in force.",
    ),
    click.option("--title", help="What happened, in a few words."),
    click.option(
        "--place",
        "places",
        multiple=True,
        metavar="CODE",
        callback=_places,
        help="Where, as DE or DE-ST (ISO 3166); once for each.",
    ),
    click.option("--town", "place_name", metavar="NAME", help="The place's name, as it is written there."),
    click.option("--kind", help="What it is, as shooting."),
    times.zoned("--began", "began", "When it began there."),
    click.option("--status", type=click.Choice(words.STATUSES), help="Whether it goes on."),
    click.option("--summary", help="More of it."),
    click.option("--harm", type=click.Choice(words.LEVELS), help="How grave it is."),
    click.option("--virality", type=click.Choice(words.LEVELS), help="How fast it spreads."),
    click.option(
        "--criterion",
        "criteria",
        multiple=True,
        metavar="NAME=ANSWER[,SURE[,WHY]]",
        callback=_criteria,
        help="The framework's question; yes, no or unknown; low, moderate or high; why. Once for each.",
    ),
    click.option("--measure", "measures", multiple=True, metavar="WORDS", help="What others are asked for."),
    click.option("--keyword", "keywords", multiple=True, metavar="WORD", help="What copies are found by."),
    click.option("--language", "languages", multiple=True, metavar="CODE", help="Of what is shared, as de."),
    click.option("--legal-basis", help="On what ground it is shared."),
    click.option("--reference", metavar="NUMBER", help="Its number in the own files."),
    click.option("--lead", "lead_function", metavar="DESK", help="The desk to call; no person's name."),
    click.option("--lead-telephone", metavar="NUMBER", help="Of that desk."),
    click.option("--lead-email", metavar="ADDRESS", help="Of that desk."),
)
_WHEN = (
    times.zoned("--starts", "starts", "From when on it holds; without it, at once."),
    times.ends,
)
_HOW = (  # it is declared
    click.option("--file", type=click.Path(path_type=Path), help="Take all this from a file, TOML or JSON."),
    click.option("--edit", is_flag=True, help="Fill it in in an editor, with what the framework asks for."),
    click.option("--exercise", is_flag=True, help="It is a drill: nothing of it is ever matched."),
    options.allow_personal,
    click.option("--again", is_flag=True, help="Also where one of ours with the same title stands."),
    unconfirmed,
    options.folder,
    options.as_json,
    asking.yes,
)


def _content(*, is_alert: bool) -> Callable[[Command], Command]:
    """What alerts and declarations have alike, as ``said: dict``."""
    of_all = "" if is_alert else f"; {readers.EVERYONE}, of an alert that was for some alone"
    to = click.option(
        "--to", multiple=True, metavar="ROLE|MEMBER", help=f"Who may read it; without it, all members{of_all}."
    )
    marked = marks.options("green" if is_alert else "green, or as its alert")

    def decorate(command: Command) -> Command:
        for option in reversed((*_WHAT, *_WHEN, to, marked, *_HOW)):
            command = option(command)
        return command

    return decorate


@click.command(
    epilog=options.examples(
        'tocsin crisis declare --framework eu-ocrf --title "Shooting, livestream" --place DE-ST \\',
        "      --harm high --virality high --for 48h --edit",
        "tocsin crisis declare --from-alert a-9d2k --edit",
        "tocsin crisis declare --file halle.toml --yes",
        'tocsin crisis declare --framework eu-ocrf --title "Drill 7" --place FR --for 2h --exercise --edit',
    )
)
@click.option("--from-alert", metavar="ALERT", help="Begin with what an alert says, and link to it.")
@_content(is_alert=False)
def declare(from_alert: str | None, **said: Any) -> None:
    """Declare a crisis to all members.

    Without --for or --until it lasts for its framework's default time. On a terminal you type the place, or the title's
    first word; elsewhere give --yes. One of our own with the same title that is not over is not declared a second time
    unless you say so. Then deliveries are shown until you leave with Ctrl-C: the declaration is out either way.
    """
    _say(said, from_alert, is_alert=False, pointer=None)


@click.command(
    epilog=options.examples(
        'tocsin crisis alert --title "Reports of a shooting" --place DE-ST --for 6h',
        'tocsin crisis alert --title "Threat to a school" --place DE --for 6h --told DE --channel PERCI',
        "tocsin crisis alert --file reports.toml --yes",
    )
)
@click.option("--told", multiple=True, metavar="COUNTRY", help="Of a threat to life: whose authority was told.")
@click.option("--channel", help="Where that notice is, as PERCI, SIENA or telephone.")
@click.option("--number", default="", help="Its number there.")
@_content(is_alert=True)
def alert(told: tuple[str, ...], channel: str | None, number: str, **said: Any) -> None:
    """Warn all members of what may become a crisis; most alerts never do.

    An alert asks for less and lasts for less: 72 hours at most. `tocsin crisis declare --from-alert` makes a
    declaration of it, at any member that may declare.

    With --told and --channel it says that authorities were told of an imminent threat to life (TCO Regulation, Article
    14(5)), and is shown before all else. Content, accounts and persons stand in that notice, and not here.
    """
    pointer = filling.pointer(told, channel, number) if told or channel or number else None
    _say(said, None, is_alert=True, pointer=pointer)


@click.command(
    epilog=options.examples(
        "tocsin crisis promote a-9d2k --edit", "tocsin crisis promote a-9d2k --file halle.toml --yes"
    )
)
@click.argument("alert_reference", metavar="ALERT")
@_content(is_alert=False)
def promote(alert_reference: str, **said: Any) -> None:
    """Make a declaration of an alert: the same as `declare --from-alert`."""
    _say(said, alert_reference, is_alert=False, pointer=None)


@click.command(epilog=options.examples("tocsin crisis template eu-ocrf > halle.toml"))
@click.argument("framework", required=False, metavar="[NAME[@VERSION]]")
@options.folder
def template(framework: str | None, folder: Path) -> None:
    """Print the file that `declare --file` takes, with all that a framework asks for."""
    from node.crisis import forms
    from node.v1 import record_pb2

    name, _, version = (framework or "").partition("@")
    found = frameworks.named(calling.find(folder), name, version) if framework else None
    if framework and found is None:
        raise Refused(
            f"no framework {framework!r} is in force", next_step="`tocsin framework list` has those that are."
        )
    crisis = record_pb2.Crisis(framework=record_pb2.Reference(name=name, version=version))
    click.echo(forms.write(crisis, frameworks.document(found)), nl=False)


COMMANDS = (declare, alert, promote, template)
NAMED_MAX = 8  # readers, in a question
DECLARED = "it is declared"


# ---- What is said


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes to the node. ``audience``: None for all members."""

    crisis: "record_pb2.Crisis"
    handling: "record_pb2.Handling"
    audience: "record_pb2.Audience | None"
    exercise: bool
    is_alert: bool


def _say(said: dict[str, Any], from_alert: str | None, *, is_alert: bool, pointer: "record_pb2.Pointer | None") -> None:
    import msgspec

    edit, file = said["edit"], said["file"]
    times.end_ms(said["life_ms"], said["until_ms"], 0)  # two ends are refused before anything is asked
    place = calling.find(said["folder"])
    rules.in_force(place)  # of the federation that was meant
    begun = crises.alert(place, from_alert, exercise=said["exercise"]) if from_alert else None
    form = filling.form(said, begun)
    if not form.framework and not is_alert:
        form = msgspec.structs.replace(form, framework=frameworks.only(place))
    starts_ms = int(form.starts.timestamp() * 1000) if form.starts else clock.now_ms()
    ends_ms = times.end_ms(said["life_ms"], said["until_ms"], starts_ms) or 0
    if file is not None and not edit:
        filling.require_complete(place, file, form, ends_ms, is_alert=is_alert)
    exercise = said["exercise"] or (begun.exercise if begun else False)

    def say(form: "Form", ends_ms: int = 0) -> "tools_pb2.CrisisView":
        form, default = filling.lasting(place, form, ends_ms, is_alert=is_alert)
        letter, handling = filling.letter(place, form, ends_ms, begun, is_alert=is_alert)
        if pointer is not None:
            letter.pointer.CopyFrom(pointer)
        sent = Sent(letter, handling, filling.audience(place, form, begun), exercise, is_alert)
        return _declared(place, sent, said, default)

    if edit:
        page, go_on = Page(filling.text(place, form, ends_ms)), "alert" if is_alert else "declare"
        go_on += f" --from-alert {begun.reference}" if begun else ""
        made = filling.said(place, page, say, f"tocsin crisis {go_on} --file FILE --edit", begun, is_alert=is_alert)
    else:
        try:
            made = say(form, ends_ms)
        except Refused as error:
            raise filling.words(file, error) from error
    _tell(place, made, as_json=said["as_json"])


def _declared(place: Place, sent: "Sent", said: dict[str, Any], default: str) -> "tools_pb2.CrisisView":
    """Once it is confirmed; raises Refused. ``default``: whose the end is, if nobody said one."""
    filling.require_marks(sent.handling, sent.crisis, for_all=sent.audience is None)
    if not said["again"]:
        _require_new(place, sent.crisis, exercise=sent.exercise, yes=said["yes"], is_alert=sent.is_alert)
    if not said["yes"]:
        _confirm(place, sent, default)
    return _declare(place, sent, said)


def _tell(place: Place, made: "tools_pb2.CrisisView", *, as_json: bool) -> None:
    if as_json:
        printing.print_json(printing.fields_of(made))
        return
    crises.show(made)
    if not made.alert or made.pointers:
        tell_code(place, made)
    if made.alert:
        click.echo(f"`tocsin crisis promote {made.reference} --edit` makes a declaration of it, where one may declare.")
    click.echo(f"`tocsin crisis end {made.reference}` ends it before its time.")
    watching.follow(place, made)


def _declare(place: Place, sent: "Sent", said: dict[str, Any]) -> "tools_pb2.CrisisView":
    return calling.ask(
        place,
        lambda node: node.declare(
            sent.crisis,
            sent.handling,
            exercise=sent.exercise,
            alert=sent.is_alert,
            audience=sent.audience,
            unconfirmed=said["unconfirmed"],
            allow_personal=said["allow_personal"],
        ),
    )


def tell_code(place: Place, made: "tools_pb2.CrisisView") -> None:
    """Of what is proposed now: whoever calls to make sure is told it."""

    async def ask(node: "Client") -> str:
        return (await node.verify(made.object_id.hex())).code

    click.echo(f"call-back code {calling.ask(place, ask)}, for whoever calls to make sure")


# ---- Before it is said


def _require_new(place: Place, letter: "record_pb2.Crisis", *, exercise: bool, yes: bool, is_alert: bool) -> None:
    """Ask before the same is declared twice, as by a script that runs again; refuse where nobody answers."""

    def is_same(one: "tools_pb2.CrisisView") -> bool:
        ours = one.member_id == place.member_id and (one.exercise, one.alert) == (exercise, is_alert)
        return ours and one.state not in OVER and one.crisis.title.split() == letter.title.split()

    found = next(filter(is_same, calling.ask(place, lambda node: node.crises(exercises=True))), None)
    if found is None:
        return
    click.echo(f"Declared already {printing.moment(found.declared_ms)}:\n  {crises.line(found)}", err=True)
    if yes or not asking.is_terminal():
        raise Refused(
            f"{found.reference} has the same title and is not over, so nothing was declared",
            next_step="Give --again if this is another one.",
        )
    asking.confirm("Declare another with the same title?", yes=False)


def _about(letter: "record_pb2.Crisis") -> list[str]:
    event, framework = letter.event, letter.framework
    said = [f"{framework.name} {framework.version}".strip() or "no framework", *event.places, event.place_name]
    return [printing.plain(one) for one in said if one]


def _confirm(place: Place, sent: "Sent", default: str) -> None:
    """Have the place or the title's first word typed: no habit and no slip does that."""
    asking.require_terminal(DECLARED)
    letter, readers = sent.crisis, whom(calling.ask(place, roster.members), sent.audience)
    threat = f" of an {words.IMMINENT}" if letter.HasField("pointer") else ""
    verb = f"WARN{threat}" if sent.is_alert else "DECLARE"
    click.echo(f"  {printing.plain(letter.title)} ({', '.join(_about(letter))})", err=True)
    begins = f"begins {printing.moment(letter.starts_ms)}, " if letter.starts_ms else ""
    ends = printing.moment(letter.ends_ms) + (f" ({default})" if default else "")
    click.echo(
        f"{verb} to {readers}, {begins}ends {ends}. {'An EXERCISE.' if sent.exercise else 'Not an exercise.'}",
        err=True,
    )
    for one in _marks(sent.handling):
        click.echo(one, err=True)
    if not sent.is_alert:
        named = letter.framework
        under = frameworks.document_of(place, named.name, named.version) if named.name else None
        click.echo(frameworks.consequence(under), err=True)
    first = letter.title.split()[0]
    what, word = "the title's first word", first.strip(",.:;!?") or first
    if letter.event.place_name:
        what, word = "the place", letter.event.place_name
    asking.confirm_word(what, [word], DECLARED, "declared")


def _marks(handling: "record_pb2.Handling") -> list[str]:
    from node.policy import handling as marking

    return [f"Marked {marking.words(handling)}.", *(f"  {one}" for one in marking.meanings(handling))]


def whom(members: "Sequence[admin_pb2.MemberView]", audience: "record_pb2.Audience | None") -> str:
    """Who will read it, and how many those are but for ourselves; raises Refused where that is nobody."""
    present = [one for one in members if one.state in roster.PRESENT]
    if audience is None:
        return f"all members ({len(present)})"
    named = [one for one in present if one.member_id in audience.member_ids or one.role in audience.roles]
    readers = [one for one in named if not one.own]  # who declares it reads it anyhow
    if not readers:
        raise Refused(
            "nobody else would read it", next_step="`tocsin member` has who could; name others with --to.", field="to"
        )
    names = ", ".join(printing.plain(one.name) for one in readers[:NAMED_MAX])
    more = f" and {len(readers) - NAMED_MAX} more" if len(readers) > NAMED_MAX else ""
    return f"{items.counted(len(readers), 'member')} alone ({names}{more})"
