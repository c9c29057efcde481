"""What those say who lead a crisis, and co-signatures of others."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import (
    asking,
    calling,
    clock,
    crises,
    declaring,
    filling,
    marks,
    options,
    printing,
    proposing,
    times,
    watching,
)
from node.cli.calling import Place
from node.cli.editing import Page
from node.crisis.states import OVER
from node.crisis.words import REASONS
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.crisis.forms import Form
    from node.v1 import record_pb2, tools_pb2

    Say = Callable[[record_pb2.Crisis, record_pb2.Handling], None]

PROPOSING = frozenset({"update", "extend"})  # acts that may wait for co-signatures: each has a code of its own

_text = click.option("--text", default="", help="Why, for all who read the crisis.")


def _act(
    folder: Path,
    reference: str,
    act: "record_pb2.CrisisAct",
    question: tuple[str, str],
    *,
    as_json: bool,
    yes: bool,
    code: str = "",
    watch: bool = False,
    **asked: Any,
) -> None:
    """Say it once it is confirmed, and show what became of the crisis; ``watch``: and whom it reaches.

    ``question``: what stands before the crisis, and behind it before whoever is told.

    The node is given what was typed: an id alone does not say whose crisis it is, for anyone may take it.
    """
    place = calling.find(folder)
    found = crises.named(place, reference)
    if act.WhichOneof("act") in ("cosign", "refuse"):
        act.entry = found.proposal  # what is shown here, whatever is proposed until the question is answered
    if act.HasField("update"):
        filling.require_marks(asked["handling"], act.update, for_all=not found.audience)
    if not yes:
        proposing.show(place, found, act, asked.get("handling"))
    verb, how = question
    asking.confirm(f"{verb} {found.reference}, {crises.title(found)}, {how} {crises.whom(found)}?", yes=yes)
    made = calling.ask(place, lambda node: node.act(reference, act, code=code, **asked))
    if as_json:
        printing.print_json(printing.fields_of(made))
        return
    crises.show(made)
    waited = made.proposed_ends_ms or made.cosignatures_needed
    if waited and made.state in ("active", "de-escalating"):
        click.echo(f"It stays as it was until co-signed: {len(made.cosigned_by)} of {made.cosignatures_needed}.")
    if waited and act.WhichOneof("act") in PROPOSING and place.member_id in (made.member_id, made.lead_id):
        declaring.tell_code(place, made)
    if watch:
        ours = [one.entry for one in made.acts if one.member_id == place.member_id]
        watching.follow(place, made, ours[-1] if ours else b"")


# ---- Co-signing


@click.command(
    epilog=options.examples("tocsin crisis cosign c-4k7q --code 518204", "tocsin crisis cosign c-4k7q --without-code")
)
@crises.argument
@click.option("--code", default="", help="The call-back code, as its owner said it on the telephone.")
@click.option("--without-code", is_flag=True, help="Nobody was called: it is not said that it was.")
@declaring.unconfirmed
@options.folder
@options.as_json
@asking.yes
def cosign(
    reference: str, code: str, without_code: bool, unconfirmed: bool, folder: Path, as_json: bool, yes: bool
) -> None:
    """Co-sign what is proposed now, so that it becomes active.

    Call its owner first, at a number that you know or that `tocsin crisis show` has: whoever declares in somebody
    else's name cannot be where that telephone rings. A co-signature is for exactly this proposal. On a terminal it is
    shown whom it reaches, until Ctrl-C.
    """
    from node.v1 import record_pb2

    if not code and not without_code:
        raise click.UsageError(
            "Which code did its owner tell you? Give --code, or --without-code if nobody was called."
        )
    act = record_pb2.CrisisAct(cosign=record_pb2.Cosign())
    question = "Co-sign", "for"
    _act(folder, reference, act, question, as_json=as_json, yes=yes, code=code, watch=True, unconfirmed=unconfirmed)


@click.command(epilog=options.examples('tocsin crisis refuse c-4k7q --text "Not cross-border"'))
@crises.argument
@click.option("--text", required=True, help="Why, for all who read the crisis.")
@options.allow_personal
@options.folder
@options.as_json
@asking.yes
def refuse(reference: str, text: str, allow_personal: str, folder: Path, as_json: bool, yes: bool) -> None:
    """Refuse to co-sign what is proposed now, and say why."""
    from node.v1 import record_pb2

    act = record_pb2.CrisisAct(refuse=record_pb2.Refuse(ground=text))
    question = "Refuse to co-sign", "before"
    _act(folder, reference, act, question, as_json=as_json, yes=yes, allow_personal=allow_personal)


@click.command(
    epilog=options.examples("tocsin crisis verify c-4k7q --code 518204", "tocsin crisis verify c-4k7q")
    + options.exit_codes("0 it is the right code, 1 it is not.")
)
@crises.argument
@click.option("--code", default="", help="The code as its owner said it; without it, the code of our own is printed.")
@options.folder
@options.as_json
def verify(reference: str, code: str, folder: Path, as_json: bool) -> None:
    """Check a call-back code that you heard; or print that of our own, to tell whoever calls.

    That it was verified is shown here and told to nobody.
    """
    place = calling.find(folder)
    found = crises.named(place, reference)

    async def ask(node: "Client") -> "tools_pb2.VerifyCrisisResponse":
        return await node.verify(reference, code)

    answer = calling.ask(place, ask)
    if as_json:
        printing.print_json(printing.fields_of(answer))
        return
    click.echo(f"{found.reference}  {answer.code}" if answer.code else f"{found.reference} is verified.")


# ---- Leading


@click.command(
    epilog=options.examples(
        "tocsin crisis update c-4k7q --edit",
        "tocsin crisis update c-4k7q --file halle.toml --yes",
        "tocsin crisis update c-4k7q --text > halle.toml",
        "tocsin crisis update c-4k7q --pap green --handling H1",
    )
)
@crises.argument
@click.option("--edit", is_flag=True, help="Edit what it says now in an editor.")
@click.option("--file", type=click.Path(path_type=Path), help="Take it from a file, TOML or JSON.")
@click.option("--text", is_flag=True, help="Print what it says now as such a file, and change nothing.")
@click.option("--reason", type=click.Choice(REASONS), metavar="CODE", help=f"It is a correction: {', '.join(REASONS)}.")
@marks.options("as it is")
@options.allow_personal
@declaring.unconfirmed
@options.folder
@options.as_json
@asking.yes
def update(
    reference: str,
    edit: bool,
    file: Path | None,
    text: bool,
    reason: str | None,
    allow_personal: str,
    unconfirmed: bool,
    folder: Path,
    as_json: bool,
    yes: bool,
    **marked: Any,
) -> None:
    """Say anew what a crisis is about; or mark it otherwise, and leave the rest as it is.

    Another framework, other criteria, another end or another mark need new co-signatures where the framework asks for
    some; until then what was co-signed stands. A mark that is given goes before that of the file. --edit or --file
    takes one away.
    """
    from node.v1 import record_pb2

    given = marks.given(marked)
    if edit + text + (file is not None) > 1 or not (edit or text or file or given):
        raise click.UsageError("Give one of --edit, --file and --text, or a mark, as --tlp.")
    place = calling.find(folder)
    found = crises.named(place, reference)
    if text:
        printing.print_document(filling.text_of(place, found, marks.changed(found.handling, given)))
        return

    def say(letter: "record_pb2.Crisis", handling: "record_pb2.Handling") -> None:
        _act(
            folder,
            reference,
            record_pb2.CrisisAct(update=letter, reason=REASONS.index(reason) + 1 if reason else 0),
            ("Update", "for"),
            as_json=as_json,
            yes=yes,
            handling=handling,
            unconfirmed=unconfirmed,
            allow_personal=allow_personal,
        )

    if edit:
        _edit(place, found, given, say)
    else:
        try:
            say(*filling.anew(place, found, file, given))
        except Refused as error:
            raise filling.words(file, error) from error


def _edit(place: Place, found: "tools_pb2.CrisisView", given: dict[str, Any], say: "Say") -> None:
    def read(form: "Form") -> None:
        say(*filling.updated(place, found, form))

    page = Page(filling.text_of(place, found, marks.changed(found.handling, given)))
    filling.said(place, page, read, f"tocsin crisis update {found.reference} --file FILE", found, is_alert=found.alert)


@click.command(epilog=options.examples('tocsin crisis extend c-4k7q --for 24h --text "Copies still appear"'))
@crises.argument
@times.ends
@_text
@options.allow_personal
@declaring.unconfirmed
@options.folder
@options.as_json
@asking.yes
def extend(
    reference: str,
    life_ms: int | None,
    until_ms: int | None,
    text: str,
    allow_personal: str,
    unconfirmed: bool,
    folder: Path,
    as_json: bool,
    yes: bool,
) -> None:
    """Give a crisis a later end: --for counts from now on. One that de-escalates is active again."""
    from node.v1 import record_pb2

    ends_ms = times.end_ms(life_ms, until_ms, clock.now_ms())
    if ends_ms is None:
        raise click.UsageError("Until when? --for 24h, or --until 2026-11-25T03:10.")
    act = record_pb2.CrisisAct(extend=record_pb2.Extend(ends_ms=ends_ms, ground=text))
    question = "Extend", f"to {printing.moment(ends_ms)} for"
    _act(
        folder,
        reference,
        act,
        question,
        as_json=as_json,
        yes=yes,
        unconfirmed=unconfirmed,
        allow_personal=allow_personal,
    )


@click.command(name="hand-over", epilog=options.examples("tocsin crisis hand-over c-4k7q europol"))
@crises.argument
@click.argument("member")
@options.folder
@options.as_json
@asking.yes
def hand_over(reference: str, member: str, folder: Path, as_json: bool, yes: bool) -> None:
    """Give the lead of a crisis to another member; from then on only that one and its deputies change it."""
    from node.v1 import record_pb2

    to = filling.member_id(calling.find(folder), member)
    act = record_pb2.CrisisAct(hand_over=record_pb2.HandOver(member_id=to))
    question = "Hand over", f"to {printing.plain(member)}, for"
    _act(folder, reference, act, question, as_json=as_json, yes=yes)


def _noting(name: str, field: str, help_: str, question: tuple[str, str], example: str) -> click.Command:
    """A command that says one thing with a reason."""

    @click.command(name=name, help=help_, epilog=options.examples(example))
    @crises.argument
    @_text
    @options.allow_personal
    @declaring.unconfirmed
    @options.folder
    @options.as_json
    @asking.yes
    def command(
        reference: str, text: str, allow_personal: str, unconfirmed: bool, folder: Path, as_json: bool, yes: bool
    ) -> None:
        from node.v1 import record_pb2

        note = record_pb2.Note(text=text)
        act = record_pb2.CrisisAct(**{field: note})  # type: ignore[arg-type]
        _act(
            folder,
            reference,
            act,
            question,
            as_json=as_json,
            yes=yes,
            unconfirmed=unconfirmed,
            allow_personal=allow_personal,
        )

    return command


de_escalate = _noting(
    "de-escalate",
    "de_escalate",
    "Say that a crisis that we lead is calming down; it goes on to its end.",
    ("De-escalate", "for"),
    'tocsin crisis de-escalate c-4k7q --text "No new copies for two hours"',
)
review = _noting(
    "review",
    "review",
    "Put a crisis that is over under review.",
    ("Put", "under review for"),
    "tocsin crisis review c-4k7q",
)
close = _noting(
    "close",
    "close",
    "Close a crisis that is over, with its review or without one.",
    ("Close", "for"),
    'tocsin crisis close c-4k7q --text "Report sent to the Forum"',
)


@click.command(
    epilog=options.examples("tocsin crisis end c-4k7q", 'tocsin crisis end c-4k7q --text "All copies are gone" --yes')
)
@crises.argument
@_text
@options.allow_personal
@declaring.unconfirmed
@options.folder
@options.as_json
@asking.yes
def end(
    reference: str, text: str, allow_personal: str, unconfirmed: bool, folder: Path, as_json: bool, yes: bool
) -> None:
    """End a crisis that we lead now, before its time."""
    from node.v1 import record_pb2

    found = crises.named(calling.find(folder), reference)
    if found.state in OVER:
        raise Refused(f"{found.reference} is over already", next_step="Nothing has to be done.")
    act = record_pb2.CrisisAct(end=record_pb2.Note(text=text))
    _act(
        folder,
        reference,
        act,
        ("End", "now, for"),
        as_json=as_json,
        yes=yes,
        unconfirmed=unconfirmed,
        allow_personal=allow_personal,
    )
    if not as_json:
        ref = found.reference
        click.echo(f"`tocsin crisis review {ref}` puts it under review, `tocsin crisis close {ref}` closes it.")


COMMANDS = (cosign, refuse, verify, update, extend, hand_over, de_escalate, end, review, close)
