"""What any member says of a crisis: whether it takes part, what it sees, doubts, and was told elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import asking, calling, clock, crises, filling, marks, options, printing, situation, times
from node.cli.calling import Place
from node.crisis.words import CLOCKS
from node.errors import Refused

if TYPE_CHECKING:
    from node.v1 import record_pb2, tools_pb2

LEAVING = frozenset({3, 4})  # declined and left, as the options below have them
KEPT = frozenset({"followed", "previewed"})
NAMES_MAX = 5


def _say(
    folder: Path,
    reference: str,
    act: "record_pb2.CrisisAct",
    *,
    as_json: bool,
    handling: "record_pb2.Handling | None" = None,
    **asked: str,
) -> "tools_pb2.CrisisView":
    made = calling.ask(calling.find(folder), lambda node: node.speak(reference, act, handling=handling, **asked))
    if as_json:
        printing.print_json(printing.fields_of(made))
    else:
        crises.show(made)
    return made


# ---- Taking part


_will = click.option("--will", multiple=True, metavar="WORDS", help="What this member will do; once for each.")


def _taking_part(name: str, stance: int, help_: str) -> click.Command:
    @click.command(name=name, help=help_, epilog=options.examples(f"tocsin crisis {name} c-4k7q"))
    @crises.argument
    @options.folder
    @options.as_json
    def command(reference: str, folder: Path, as_json: bool, will: tuple[str, ...] = ()) -> None:
        from node.v1 import record_pb2

        said = record_pb2.Participation(stance=stance, measures=will)
        _say(folder, reference, record_pb2.CrisisAct(participation=said), as_json=as_json)
        if stance in LEAVING and not as_json:
            _tell_what_stays(crises.named(calling.find(folder), reference))

    return command if stance in LEAVING else _will(command)


def _tell_what_stays(found: "tools_pb2.CrisisView") -> None:
    """Lists of a crisis that were followed by something else than joining it: else one would think they are gone."""
    kept = [printing.plain(one.name) for one in found.lists if one.following in KEPT]
    if kept:
        more = f" and {len(kept) - NAMES_MAX} more" if len(kept) > NAMES_MAX else ""
        click.echo(
            f"Followed as before, for joining did not begin it: {', '.join(kept[:NAMES_MAX])}{more}. "
            '`tocsin list unfollow NAME` lets one go; with lists.follow = "all" nothing goes by itself.'
        )


join = _taking_part("join", 1, "Say that this member takes part. Its lists are followed from now on.")
observe = _taking_part("observe", 2, "Say that this member watches and does nothing yet. Its lists are followed.")
decline = _taking_part(
    "decline",
    3,
    "Say that this member takes no part: that is voluntary. What was followed by joining is let go; with"
    ' lists.follow = "all" that is nothing.',
)
leave = _taking_part(
    "leave",
    4,
    "Say that this member takes part no more. What was followed by joining is let go; with"
    ' lists.follow = "all" that is nothing.',
)


# ---- Seeing and doubting


def _noting(name: str, field: str, help_: str) -> click.Command:
    @click.command(name=name, help=help_, epilog=options.examples(f'tocsin crisis {name} c-4k7q "What is to be said"'))
    @crises.argument
    @click.argument("text")
    @options.allow_personal
    @options.folder
    @options.as_json
    def command(reference: str, text: str, allow_personal: str, folder: Path, as_json: bool) -> None:
        from node.v1 import record_pb2

        act = record_pb2.CrisisAct(**{field: record_pb2.Note(text=text)})  # type: ignore[arg-type]
        _say(folder, reference, act, as_json=as_json, allow_personal=allow_personal)

    return command


comment = _noting("comment", "comment", "Say something about a crisis to all who read it.")


@click.command(
    epilog=options.examples('tocsin crisis dispute c-4k7q "An old video"', "tocsin crisis dispute c-4k7q --take-back")
)
@crises.argument
@click.argument("text", required=False)
@click.option("--take-back", is_flag=True, help="This member disputes it no more.")
@options.allow_personal
@options.folder
@options.as_json
def dispute(
    reference: str, text: str | None, take_back: bool, allow_personal: str, folder: Path, as_json: bool
) -> None:
    """Say that a crisis should not be one, and why; or no longer. It changes nothing by itself.

    It goes to all who read the crisis, and to nobody else.
    """
    from node.v1 import record_pb2

    if text is None and not take_back:
        raise click.UsageError("Why should it not be one? Or give --take-back.")
    if take_back:
        _require_disputed(calling.find(folder), reference)
    note = record_pb2.Note(text=text or "")
    act = record_pb2.CrisisAct(agree=note) if take_back else record_pb2.CrisisAct(dispute=note)
    _say(folder, reference, act, as_json=as_json, allow_personal=allow_personal)


def _require_disputed(place: Place, reference: str) -> None:
    """Raise Refused where nothing of ours is to be taken back."""
    found = crises.named(place, reference)
    if all(one.member_id != place.member_id for one in found.disputes):
        raise Refused(f"{found.reference} is not disputed by this member", next_step="Nothing has to be done.")


def _counts(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, int]:
    found = dict(one.partition("=")[::2] for one in value)
    if not all(name and count.isdecimal() and len(count) < 16 for name, count in found.items()):
        raise click.BadParameter("write NAME=NUMBER, as removed=120", ctx, parameter)
    return {name: int(count) for name, count in found.items()}


@click.command(
    epilog=options.examples('tocsin crisis report c-4k7q "Slowing down" --count removed=120 --count new-variants=3')
)
@crises.argument
@click.argument("text")
@click.option("--count", "counts", multiple=True, metavar="NAME=NUMBER", callback=_counts, help="Once for each.")
@marks.options("as of the crisis")
@options.allow_personal
@options.folder
@options.as_json
def report(
    reference: str,
    text: str,
    counts: dict[str, int],
    allow_personal: str,
    folder: Path,
    as_json: bool,
    **marked: Any,
) -> None:
    """Tell all who read a crisis how it looks from here, in words and counts."""
    from node.v1 import record_pb2

    act = record_pb2.CrisisAct(situation=record_pb2.Situation(text=text, counts=counts))
    given = marks.given(marked)
    handling = marks.changed(crises.named(calling.find(folder), reference).handling, given) if given else None
    _say(folder, reference, act, as_json=as_json, handling=handling, allow_personal=allow_personal)


@click.command(epilog=options.examples("tocsin crisis link c-4k7q c-9d2m"))
@crises.argument
@click.argument("other", metavar="CRISIS")
@options.folder
@options.as_json
def link(reference: str, other: str, folder: Path, as_json: bool) -> None:
    """Say that two crises are about one event. Each stays its owner's."""
    from node.v1 import record_pb2

    linked = crises.named(calling.find(folder), other).object_id
    _say(folder, reference, record_pb2.CrisisAct(link=record_pb2.Link(object_id=linked)), as_json=as_json)


# ---- What goes by other channels


@click.command(epilog=options.examples("tocsin crisis point c-4k7q --told DE --channel PERCI --number 2026-118"))
@crises.argument
@click.option("--told", "places", multiple=True, required=True, metavar="COUNTRY", help="Whose authority was told.")
@click.option("--channel", required=True, help="Where the notice itself is, as PERCI, SIENA or telephone.")
@click.option("--number", default="", help="Its number there.")
@options.folder
@options.as_json
@asking.yes
def point(
    reference: str, places: tuple[str, ...], channel: str, number: str, folder: Path, as_json: bool, yes: bool
) -> None:
    """Say that authorities were told of an imminent threat to life, and where. Urgent; the notice itself is not here.

    What this points to is the notice of Article 14(5) of the TCO Regulation: content, accounts and persons stand
    there and only there.
    """
    from node.v1 import record_pb2

    said = filling.pointer(places, channel, number)
    if not yes:
        readers = crises.whom(crises.named(calling.find(folder), reference))
        asking.confirm(f"Point {readers} to an imminent threat to life?", yes=False)
    _say(folder, reference, record_pb2.CrisisAct(pointer=said), as_json=as_json)


@click.command(
    epilog=options.examples(
        "tocsin crisis order c-4k7q 2026-DE-77 --channel PERCI",
        "tocsin crisis order c-4k7q 2026-DE-78 --channel PERCI --hours 72 --at 2026-11-25T03:10",
        'tocsin crisis order c-4k7q 2026-DE-77 --state paused --text "The URL leads nowhere"',
        "tocsin crisis order c-4k7q 2026-DE-77 --state done",
    )
)
@crises.argument
@click.argument("number")
@click.option("--channel", default="", help="By which it came, as PERCI.")
@click.option("--hours", type=click.Choice(("1", "72")), help="Removal, or scrutiny.  [default: 1]")
@times.moment("--at", "at_ms", "When that was, as 2026-11-25T03:10 (local time).  [default: now]")
@click.option(
    "--state", type=click.Choice(CLOCKS), default="running", show_default=True, help="Of its clock, from now on."
)
@click.option("--text", default="", help="Of a pause: what is impossible, or has to be made clear.")
@options.allow_personal
@options.folder
@options.as_json
def order(
    reference: str,
    number: str,
    channel: str,
    hours: str | None,
    at_ms: int | None,
    state: str,
    text: str,
    allow_personal: str,
    folder: Path,
    as_json: bool,
) -> None:
    """Refer to a removal order that this member received elsewhere, and say how its clock runs.

    It is no order, and nothing of it is here but its number. Its clock runs from when it was first said to; while it
    is paused it stands still, and goes on when it is said to run again. `crisis show` has what is left of it.
    """
    from node.v1 import record_pb2

    place, now_ms = calling.find(folder), clock.now_ms()
    if at_ms is not None and at_ms > now_ms:
        raise click.UsageError("--at is still to come: say it when it is so.")
    runs, since_ms = state == "running", at_ms or now_ms
    if not runs:
        _require_known(place, crises.named(place, reference), number)
    said = record_pb2.Order(
        reference=number,
        channel=channel,
        received_ms=since_ms if runs else 0,
        hours=int(hours or 1) if runs else 0,
        state=CLOCKS.index(state) + 1,
        at_ms=since_ms,
        ground=text,
    )
    made = _say(folder, reference, record_pb2.CrisisAct(order=said), as_json=as_json, allow_personal=allow_personal)
    for one in () if as_json else _ours(place, made):
        if one.reference == number:
            click.echo(printing.plain(situation.order(one)))


def _ours(place: Place, found: "tools_pb2.CrisisView") -> "list[tools_pb2.OrderView]":
    return [one for one in found.orders if one.member_id == place.member_id]


def _require_known(place: Place, found: "tools_pb2.CrisisView", number: str) -> None:
    """Raise Refused where no clock of this number runs: with a slip in it the true one would run on unseen."""
    known = [one.reference for one in _ours(place, found)]
    if number not in known:
        names = ", ".join(map(printing.plain, known)) or "none"
        raise Refused(
            f"{found.reference} has no order {printing.plain(number)} of ours; it has {names}",
            next_step="Check the number; an order is begun without --state.",
            field="order",
        )


COMMANDS = (join, observe, decline, leave, comment, dispute, report, link, point, order)
