"""Declare a crisis, or warn of one: by options, by a file, or in an editor."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli import asking, calling, clock, countries, crises, options, printing, roster, rules, times, watching
from node.cli.calling import Place
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.crisis.forms import Form
    from node.crisis.frameworks import Framework
    from node.v1 import record_pb2, tools_pb2

Command = TypeVar("Command", bound=Callable[..., Any])


def _places(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for place in value:
        if fault := countries.fault(place):
            raise click.BadParameter(fault, ctx, parameter)
    return value


def _criteria(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    found = dict(one.partition("=")[::2] for one in value)
    for name, answer in found.items():
        if answer not in crises.ANSWERS:
            raise click.BadParameter(f"{name}={answer}: write NAME=yes, =no or =unknown", ctx, parameter)
    return found


unconfirmed = click.option(
    "--unconfirmed",
    is_flag=True,
    help="It cannot wait: also where too few peers answered within a minute after the node's start. Where the node "
    "turns out to be an old copy, its feed ends there, and what was said stays in doubt.",
)


def _content(command: Command) -> Command:
    """What alerts and declarations have alike, as ``said: dict``."""
    for option in reversed(
        (
            click.option("--framework", help="The rules it is declared under: `tocsin framework list`."),
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
            click.option("--summary", help="More of it."),
            click.option("--harm", type=click.Choice(crises.LEVELS), help="How grave it is."),
            click.option("--virality", type=click.Choice(crises.LEVELS), help="How fast it spreads."),
            click.option(
                "--criterion",
                "criteria",
                multiple=True,
                metavar="NAME=ANSWER",
                callback=_criteria,
                help="The framework's question, and yes, no or unknown; once for each.",
            ),
            click.option("--measure", "measures", multiple=True, metavar="WORDS", help="What others are asked for."),
            click.option("--keyword", "keywords", multiple=True, metavar="WORD", help="What copies are found by."),
            click.option("--language", "languages", multiple=True, metavar="CODE", help="Of what is shared, as de."),
            click.option("--legal-basis", help="On what ground it is shared."),
            click.option("--lead", metavar="DESK", help="The desk to call about it; no person's name."),
            times.ends,
            click.option("--tlp", type=click.Choice(options.MARKS), help="Who may be told of it.  [default: green]"),
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
    ):
        command = option(command)
    return command


@click.command(
    epilog=options.examples(
        'tocsin crisis declare --framework eu-ocrf --title "Shooting, livestream" --place DE-ST \\',
        "      --harm high --virality high --for 48h --criterion cross-border=yes",
        "tocsin crisis declare --from-alert a-9d2k --edit",
        "tocsin crisis declare --file halle.toml --yes",
        'tocsin crisis declare --framework eu-ocrf --title "Drill 7" --place FR --for 2h --exercise --yes',
    )
)
@click.option("--from-alert", metavar="ALERT", help="Begin with what an alert says, and link to it.")
@_content
def declare(from_alert: str | None, **said: Any) -> None:
    """Declare a crisis to all members.

    Its end is asked for: --for or --until. On a terminal you type the place, or the title's first word; elsewhere
    give --yes. One of our own with the same title that is not over is not declared a second time unless you say so.
    Then deliveries are shown until you leave with Ctrl-C: the declaration is out either way.
    """
    _say(said, from_alert, is_alert=False)


@click.command(
    epilog=options.examples(
        'tocsin crisis alert --title "Reports of a shooting" --place DE-ST --for 6h',
        "tocsin crisis alert --file reports.toml --yes",
    )
)
@_content
def alert(**said: Any) -> None:
    """Warn all members of what may become a crisis; most alerts never do.

    An alert asks for less and lasts for less: 72 hours at most. `tocsin crisis declare --from-alert` makes a
    declaration of it, at any member that may declare.
    """
    _say(said, None, is_alert=True)


@click.command(
    epilog=options.examples("tocsin crisis promote a-9d2k --edit", "tocsin crisis promote a-9d2k --for 48h --yes")
)
@click.argument("alert_reference", metavar="ALERT")
@_content
def promote(alert_reference: str, **said: Any) -> None:
    """Make a declaration of an alert: the same as `declare --from-alert`."""
    _say(said, alert_reference, is_alert=False)


@click.command(epilog=options.examples("tocsin crisis template eu-ocrf > halle.toml"))
@click.argument("framework", required=False)
@options.folder
def template(framework: str | None, folder: Path) -> None:
    """Print the file that `declare --file` takes, with all that a framework asks for."""
    from node.crisis import forms
    from node.v1 import record_pb2

    found = _framework(calling.find(folder), framework) if framework else None
    crisis = record_pb2.Crisis(framework=record_pb2.Reference(name=framework or ""))
    click.echo(forms.write(crisis, found), nl=False)


COMMANDS = (declare, alert, promote, template)
DECLARED = "it is declared"


# ---- What is said


def _say(said: dict[str, Any], from_alert: str | None, *, is_alert: bool) -> None:
    folder, as_json, yes, edit = (said.pop(name) for name in ("folder", "as_json", "yes", "edit"))
    place = calling.find(folder)
    rules.in_force(place)  # of the federation that was meant
    begun = crises.named(place, from_alert) if from_alert else None
    form, ends_ms = _form(said, begun)
    if edit:
        form, ends_ms = _edited(place, form, ends_ms), 0
    letter, tlp = _letter(place, form, ends_ms, begun, is_alert=is_alert)
    exercise = said["exercise"] or (begun.exercise if begun else False)
    if not said["again"]:
        _require_new(place, letter, exercise=exercise, yes=yes, is_alert=is_alert)
    if not yes:
        _confirm(place, letter, exercise=exercise, is_alert=is_alert)
    made = _declare(place, letter, tlp, said, exercise=exercise, is_alert=is_alert)
    if as_json:
        printing.print_json(printing.fields_of(made))
        return
    click.echo(crises.line(made))
    if made.cosignatures_needed:
        click.echo(f"call-back code {_code(place, made.reference)}, for whoever calls to make sure")
    click.echo(f"`tocsin crisis end {made.reference}` ends it before its time.")
    watching.follow(place, made)


def _form(said: dict[str, Any], begun: "tools_pb2.CrisisView | None") -> "tuple[Form, int]":
    """What the file and the options say, the options first; and the end that was typed, or 0."""
    import msgspec

    from node.crisis import forms
    from node.custody import files

    file: Path | None = said["file"]
    if file is not None:
        text = files.read_public(file, forms.FILE_BYTES_MAX).decode("utf-8", "replace")
        form = forms.read(text, str(file), is_json=file.suffix == ".json")
    elif begun is not None:
        form = forms.read(forms.write(begun.crisis), "the alert")
        form = msgspec.structs.replace(form, ends=None, lasts="")  # an alert ends sooner than what it becomes
    else:
        form = forms.Form()
    kept = {name: said[name] for name in forms.OPTIONS if said.get(name)}
    for name in ("places", "measures", "keywords", "languages"):
        if name in kept:
            kept[name] = list(kept[name])
    form = msgspec.structs.replace(form, **kept)
    return forms.with_answers(form, said["criteria"], said["lead"] or ""), (
        times.end_ms(said["life_ms"], said["until_ms"], clock.now_ms()) or 0
    )


def _letter(
    place: Place, form: "Form", ends_ms: int, begun: "tools_pb2.CrisisView | None", *, is_alert: bool
) -> "tuple[record_pb2.Crisis, int]":
    from node.crisis import forms

    deputies = [member_id(place, name) for name in form.deputies]
    letter = forms.letter(form, clock.now_ms(), deputies)
    letter.ends_ms = ends_ms or letter.ends_ms
    if begun is not None:
        letter.linked.append(begun.object_id)
    missing = [
        name
        for name, is_there in (
            ("--framework", bool(letter.framework.name) or is_alert),
            ("--title", bool(letter.title.split())),
            ("--place", bool(letter.event.places)),
        )
        if not is_there
    ]
    if missing:
        raise click.UsageError(f"{' and '.join(missing)} missing: give it, or --file, or --edit.")
    for code in letter.event.places:
        if fault := countries.fault(code):
            raise click.UsageError(f"{code}: {fault}")
    if not letter.ends_ms:
        raise click.UsageError("A crisis has an end: --for 48h, or --until 2026-11-25T03:10.")
    return letter, options.MARKS.index(form.tlp) + 1


def member_id(place: Place, name: str) -> bytes:
    """The member of this name."""
    from node.v1 import membership_pb2

    async def look(node: "Client") -> bytes:
        found = await node.membership.GetMember(membership_pb2.GetMemberRequest(member=name))
        return found.standing.member.member_id

    return calling.ask(place, look)


def _framework(place: Place, name: str) -> "Framework | None":
    from node.crisis import frameworks
    from node.v1 import charter_pb2

    async def look(node: "Client") -> bytes:
        asked = charter_pb2.ListFrameworksRequest(name=name, text=True)
        found = (await node.charters.ListFrameworks(asked)).frameworks
        return next((one.text for one in found if one.state == "in force"), b"")

    return frameworks.read(calling.ask(place, look))


def _edited(place: Place, form: "Form", ends_ms: int) -> "Form":
    """What somebody made of it in an editor."""
    from node.crisis import forms

    framework = _framework(place, form.framework) if form.framework else None
    letter = forms.letter(form, clock.now_ms())
    letter.ends_ms = ends_ms or letter.ends_ms
    return _edit(place, forms.write(letter, framework, tlp=options.MARKS.index(form.tlp) + 1, deputies=form.deputies))


def _edit(place: Place, text: str) -> "Form":
    """The form that was saved; what is wrong stands above its line when the editor opens again."""
    from node.content import forms as marking
    from node.crisis import forms

    if not asking.is_terminal():
        raise click.UsageError("There is no terminal to edit on: --file takes what `tocsin crisis template` printed.")
    while True:
        saved = click.edit(text, extension=".toml")
        if saved is None:
            raise Refused("it was not saved, so nothing was said", next_step="Save it in the editor.")
        try:
            found = forms.read(marking.unmarked(saved), "the declaration")
            _require_complete(place, found)
        except Refused as error:
            click.echo(f"tocsin: {printing.plain(error.reason)}", err=True)
            if not click.confirm("Edit it again?", default=True, err=True):
                raise
            text = marking.marked(saved, error)
        else:
            return found


def _require_complete(place: Place, form: "Form") -> None:
    """Raise Refused where its framework asks for more."""
    from node.crisis import forms, frameworks

    asked = _framework(place, form.framework) if form.framework else None
    lacking = frameworks.shortcomings(asked, forms.letter(form, clock.now_ms())) if asked else []
    if lacking:
        raise Refused(f"{form.framework} asks for more: {'; '.join(lacking)}", next_step="Fill it in.")


def text_of(place: Place, found: "tools_pb2.CrisisView") -> str:
    """What a crisis says now, as a file that can be edited."""
    from node.crisis import forms

    names = [one.name for one in calling.ask(place, roster.members) if one.member_id in found.crisis.deputies]
    return forms.write(found.crisis, _framework(place, found.crisis.framework.name), deputies=names)


def updated(place: Place, found: "tools_pb2.CrisisView", file: Path | None) -> "tuple[record_pb2.Crisis, int]":
    """What a crisis is to say from now on, by a file or by an editor; and its mark."""
    from node.crisis import forms
    from node.custody import files

    if file is None:
        form = _edit(place, text_of(place, found))
    else:
        text = files.read_public(file, forms.FILE_BYTES_MAX).decode("utf-8", "replace")
        form = forms.read(text, str(file), is_json=file.suffix == ".json")
    letter, tlp = _letter(place, form, 0, None, is_alert=found.alert)
    letter.linked.extend(found.crisis.linked)
    if letter.framework.name == found.crisis.framework.name:
        letter.framework.CopyFrom(found.crisis.framework)  # of the version that it was declared under
    return letter, tlp


def _declare(
    place: Place, letter: "record_pb2.Crisis", tlp: int, said: dict[str, Any], *, exercise: bool, is_alert: bool
) -> "tools_pb2.CrisisView":
    from node.v1 import record_pb2

    handling = record_pb2.Handling(tlp=tlp)
    return calling.ask(
        place,
        lambda node: node.declare(
            letter,
            handling,
            exercise=exercise,
            alert=is_alert,
            unconfirmed=said["unconfirmed"],
            allow_personal=said["allow_personal"],
        ),
    )


def _code(place: Place, reference: str) -> str:
    async def ask(node: "Client") -> str:
        return (await node.verify(reference)).code

    return calling.ask(place, ask)


# ---- Before it is said


def _require_new(place: Place, letter: "record_pb2.Crisis", *, exercise: bool, yes: bool, is_alert: bool) -> None:
    """Ask before the same is declared twice, as by a script that runs again; refuse where nobody answers."""

    def is_same(one: "tools_pb2.CrisisView") -> bool:
        ours = one.member_id == place.member_id and (one.exercise, one.alert) == (exercise, is_alert)
        return ours and one.state not in crises.OVER and one.crisis.title.split() == letter.title.split()

    found = next(filter(is_same, calling.ask(place, lambda node: node.crises(exercises=True))), None)
    if found is None:
        return
    click.echo(f"Declared already {printing.moment(found.declared_ms)}:\n  {crises.line(found)}", err=True)
    if yes or not asking.is_terminal():
        raise Refused(
            f"{found.reference} has the same title and is not over, so nothing was declared",
            next_step="Give --again if this is another one.",
        )
    click.confirm("Declare another with the same title?", abort=True)


def _confirm(place: Place, letter: "record_pb2.Crisis", *, exercise: bool, is_alert: bool) -> None:
    """Have the place or the title's first word typed: no habit and no slip does that."""
    asking.require_terminal(DECLARED)
    members = calling.ask(place, roster.members)
    click.echo(
        f"{'WARN' if is_alert else 'DECLARE'} to all members ({len(members)}), ends {printing.moment(letter.ends_ms)}. "
        f"{'An EXERCISE.' if exercise else 'Not an exercise.'}"
    )
    first = letter.title.split()[0]
    what, word = "the title's first word", first.strip(",.:;!?") or first
    if letter.event.place_name:
        what, word = "the place", letter.event.place_name
    asking.confirm_word(what, [word], DECLARED, "declared")
