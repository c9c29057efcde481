"""Publishing lists: make one, make a file one, add to one of ours."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli import calling, clock, digests, items, marks, naming, options, printing, times
from node.cli.calling import Place
from node.cli.items import Reading, Source
from node.content import hashes
from node.errors import Refused
from node.policy.opinions import ADVICE

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2

REMOVED_PERCENT_MAX = 50  # more than half of a list gone at once is a wrong file more often than not
UNDONE = "Nothing was published."

Command = TypeVar("Command", bound=Callable[..., Any])

_DRAFT = (
    click.option("--label", "labels", multiple=True, help="What the items are; once for each."),
    click.option("--ground", default="", metavar="TEXT", help="Why they are that; for a list without a crisis."),
    click.option(
        "--exemption",
        "exemptions",
        multiple=True,
        metavar="WORD",
        help="What the same content may also be, as news or research, or none-known; once for each.",
    ),
    click.option("--description", default="", help="What the list is, for people."),
    click.option("--advice", type=click.Choice(ADVICE), help="What to do with a match. Default: review."),
    times.ends,
    click.option("--crisis", "crisis_", default="", metavar="REFERENCE", help="The crisis it belongs to."),
    marks.options("green, or as it is"),
    click.option("--algorithm-version", default="", help="Of what made the hashes, where that matters."),
    click.option("--media-type", default="", help="What they were made of, as video/mp4."),
    click.option("--exercise", is_flag=True, help="It is a drill: nothing of it is ever matched."),
    options.allow_personal,
)


def _draft(command: Command) -> Command:
    """The options of what a list is apart from its items, as ``draft: ListDraft`` without a name."""

    @functools.wraps(command)
    def with_draft(
        *arguments: Any,
        labels: tuple[str, ...],
        ground: str,
        exemptions: tuple[str, ...],
        description: str,
        advice: str | None,
        life_ms: int | None,
        until_ms: int | None,
        crisis_: str,
        algorithm_version: str,
        media_type: str,
        exercise: bool,
        allow_personal: str,
        **others: Any,
    ) -> Any:
        from node.v1 import tools_pb2

        given = marks.given({key: others.pop(key) for key in marks.KEYS})
        others["draft"] = tools_pb2.ListDraft(
            labels=labels,
            ground=ground,
            exemptions=exemptions,
            description=description,
            advice=advice or "",
            expires_ms=times.end_ms(life_ms, until_ms, clock.now_ms()) or 0,
            handling=marks.new(given) if given else None,
            crisis=crisis_,
            algorithm_version=algorithm_version,
            media_type=media_type,
            exercise=exercise,
            allow_personal=allow_personal,
        )
        return command(*arguments, **others)

    decorated: Any = with_draft
    for option in reversed(_DRAFT):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


# ---- Making one


@click.command(
    epilog=options.examples(
        "tocsin list create halle --label attack-footage --exemption none-known --crisis c-4k7q",
        "tocsin list create halle-images --advice block --quality-floor 80 --for 90d",
    )
)
@click.argument("name")
@_draft
@click.option(
    "--quality-floor",
    type=click.IntRange(0, hashes.QUALITY_MAX),
    help=f"A PDQ of lower quality is refused. Default: {hashes.QUALITY_FLOOR}.",
)
@options.folder
@options.as_json
def create(name: str, draft: "tools_pb2.ListDraft", quality_floor: int | None, folder: Path, as_json: bool) -> None:
    """Make an empty list, to be added to."""
    draft.name = _own_name(name)
    _set_floor(draft, quality_floor)
    _mark(draft)
    place = calling.find(folder)
    if known := calling.ask(place, lambda node: naming.find_mine(node, draft.name, exercise=draft.exercise)):
        raise Refused(
            f"{known.name} is there already",
            next_step=f"`tocsin list add {draft.name} FILE` adds to it, `tocsin list publish` replaces it.",
            field="name",
        )
    answer = calling.ask(place, lambda node: node.publish_list(draft, ()))
    if as_json:
        printing.print_json(printing.fields_of(answer))
        return
    made = answer.list
    click.echo(f"{printing.plain(made.name)}: an empty list, until {printing.moment(made.expires_ms)}")
    click.echo(f"`tocsin list add {printing.plain(draft.name)} FILE` adds items to it.")


# ---- Making a file one


@click.command(
    epilog=options.examples(
        "tocsin list publish halle.csv --label attack-footage --exemption news --exemption research --crisis c-4k7q",
        'tocsin list publish a.txt --label propaganda --exemption none-known --ground "calls to join a listed group"',
        "tocsin list publish dump.tsv.gz --name halle --kind md5 --column 2 --crisis c-4k7q --skip-bad",
        "tocsin list publish frames.jsonl --kind pdq --column hash --quality-column quality --dry-run",
        "zcat *.gz | tocsin list publish - --name all --detect --for 90d --json",
    )
)
@items.file
@click.option("--name", help="What it is called. Default: made of the file's name.")
@items.source
@_draft
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--wait", is_flag=True, help="Wait until other members hold every record.")
@click.option("--yes", is_flag=True, help=f"Also where more than {REMOVED_PERCENT_MAX} % of the list would go.")
@options.folder
@options.as_json
def publish(
    file: Path,
    name: str | None,
    source: Source,
    quality_floor: int | None,
    draft: "tools_pb2.ListDraft",
    dry_run: bool,
    wait: bool,
    yes: bool,
    folder: Path,
    as_json: bool,
) -> None:
    """Publish a file as a list, or what changed in it.

    The file is the list: what it no longer has no longer stands, of the kinds that it has. It is text
    with a value a line, CSV or TSV, or JSON Lines, and may be compressed with gzip. A text has the
    value in its first column; URLs, vPDQ and TMK are whole lines. What says no kind and is of no list
    yet is SHA-256. Nothing is published where a line is wrong, unless --skip-bad.
    A list ends after 180 days unless it says so itself. Labels and exemptions are words of the
    federation's rules: `tocsin charter show` has them. What may be exempt is for review everywhere.
    """
    draft.name = _own_name(name) if name else _name(file)
    draft.replace, draft.dry_run = True, dry_run
    draft.removed_percent_max = 0 if yes or dry_run else REMOVED_PERCENT_MAX
    _set_floor(draft, quality_floor)
    place = calling.find(folder)
    known = calling.ask(place, lambda node: _known(node, draft))
    if known is None:
        _mark(draft)
    source = source.for_others(draft.allow_personal)
    source = source.of_list(known.list.kinds, known.list.quality_floor) if known else source.of_list()
    with Reading(source, file, UNDONE) as reading:
        answer = _publish(place, draft, source, reading)
    _tell(place, answer, reading, dry_run=dry_run, wait=wait, as_json=as_json)


# ---- Adding to one


@click.command(
    epilog=options.examples(
        "tocsin list add halle new.csv",
        "tocsin list add halle --value 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sha256sum films/* | tocsin list add halle - --wait",
    )
)
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE|-]", required=False)
@click.option("--value", "written", multiple=True, help="An item, in the place of a file; once for each.")
@items.source
@_draft
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--wait", is_flag=True, help="Wait until other members hold every record.")
@options.folder
@options.as_json
def add(
    name: str,
    file: Path | None,
    written: tuple[str, ...],
    source: Source,
    draft: "tools_pb2.ListDraft",
    dry_run: bool,
    wait: bool,
    folder: Path,
    as_json: bool,
) -> None:
    """Add items to a list of ours. What stands in it stays.

    The kind is the list's, where it has one. Labels and advice given here are those of the new items.
    """
    require_one(file, written)
    place = calling.find(folder)
    known = calling.ask(place, lambda node: naming.find_own(node, naming.require(name)))
    source = source.for_others(draft.allow_personal).of_list(known.list.kinds, known.list.quality_floor)
    draft.name, draft.exercise, draft.dry_run = known.list.name, known.exercise, dry_run
    with Reading(source, file or digests.STDIN, UNDONE, written) as reading:
        answer = _publish(place, draft, source, reading)
    _tell(place, answer, reading, dry_run=dry_run, wait=wait, as_json=as_json)


def require_one(file: Path | None, written: tuple[str, ...]) -> None:
    """Items come from one place."""
    if bool(written) == bool(file):
        raise click.UsageError("Give a FILE (or - for stdin), or --value.")


# ---- Inside


def _own_name(name: str) -> str:
    """Without the owner, which the node knows."""
    return name.strip().rpartition("/")[2]


def _name(file: Path) -> str:
    from node.content import names

    found = "" if file == digests.STDIN else names.slug(Path(file.name.removesuffix(".gz")).stem)
    if not found:
        raise click.UsageError(f"{digests.name_of(file)} makes no name for a list: give --name.")
    return found


async def _known(node: "Client", draft: "tools_pb2.ListDraft") -> "tools_pb2.ListView | None":
    """Our list of this name; none for a tool that may share lists and not read them."""
    try:
        return await naming.find_mine(node, draft.name, exercise=draft.exercise)
    except Refused:
        return None


def _mark(draft: "tools_pb2.ListDraft") -> None:
    """A new list is for all members where nobody says otherwise."""
    if not draft.HasField("handling"):
        draft.handling.CopyFrom(marks.new({}))


def _set_floor(draft: "tools_pb2.ListDraft", quality_floor: int | None) -> None:
    if quality_floor is not None:
        draft.quality_floor = quality_floor


def _publish(
    place: Place, draft: "tools_pb2.ListDraft", source: Source, reading: Reading
) -> "tools_pb2.PublishListResponse":
    draft.kind = source.kind_name
    return calling.ask(place, lambda node: node.publish_list(draft, reading.items()))


def _tell(
    place: Place,
    answer: "tools_pb2.PublishListResponse",
    reading: Reading,
    *,
    dry_run: bool,
    wait: bool,
    as_json: bool,
) -> None:
    made = answer.list
    if not as_json:
        version = f", version {printing.plain(made.list.version)}" if made.list.version else ""
        numbers = f"+{answer.added:,} -{answer.removed:,}, {answer.unchanged:,} unchanged"
        ends = f", until {printing.moment(made.expires_ms)}"
        named = printing.plain(made.name) or "a new list"
        click.echo(f"{named}: {f'would be {numbers}' if dry_run else f'{numbers}{version}{ends}'}")
        for line in (*_lowered(answer), *_slowed(answer), *_repeated(answer, reading), *reading.summary()):
            click.echo(line)
    if wait and not dry_run:
        made = _wait(place, made, as_json=as_json)
    if as_json:
        answer.list.CopyFrom(made)
        printing.print_json({**printing.fields_of(answer), **reading.fields()})
    elif dry_run:
        click.echo("Nothing was published: it was a dry run.")
    else:
        where = f"{items.counted(made.items, 'item')} in {items.counted(made.records, 'record')}"
        click.echo(f"{where}, {elsewhere(made)}")


def _slowed(answer: "tools_pb2.PublishListResponse") -> Iterator[str]:
    if answer.slowed:
        yield (
            f"{answer.slowed:,} records and withdrawals are beyond this member's quota:"
            " others get them all, in their turn; that may take some minutes"
        )


def _lowered(answer: "tools_pb2.PublishListResponse") -> Iterator[str]:
    from node.policy import vocabulary

    said = answer.list.list
    words = vocabulary.exempting(said)
    if words and said.advice == ADVICE[0]:
        yield f"it may also be {' or '.join(words)}, so that a review is advised everywhere, and not to {ADVICE[0]}"


def _repeated(answer: "tools_pb2.PublishListResponse", reading: Reading) -> Iterator[str]:
    """So that the numbers add up: a list has each value once."""
    more = reading.good - answer.added - answer.unchanged
    if more > 0:
        yield f"{items.counted(more, 'line')} repeated what stood in another one"


def elsewhere(view: "tools_pb2.ListView") -> str:
    """Who holds our list besides us."""
    if not view.records:
        return "nothing to hold"
    if view.records_elsewhere >= view.records:
        return "all held by other members"
    if not view.records_elsewhere:
        return "on this node only"
    return f"{view.records_elsewhere:,} of {view.records:,} records held by other members"


def _wait(place: Place, made: "tools_pb2.ListView", *, as_json: bool) -> "tools_pb2.ListView":
    """Until other members hold every record. Ctrl-C leaves; the list is published either way."""

    async def watch(node: "Client") -> "tools_pb2.ListView":
        if made.records_elsewhere < made.records:
            words = "Waiting until other members hold all of it. Ctrl-C leaves; it is published either way."
            click.echo(words, err=True)
        with digests.progress() as bars:
            bar = bars.add_task("held by other members", total=made.records)
            async for view in node.watch_list(made.object_id.hex()):
                bars.update(bar, completed=view.records_elsewhere, total=view.records)
                if view.withdrawn:
                    raise Refused(
                        f"{view.name} was withdrawn meanwhile: {view.withdrawn}",
                        next_step=f"`tocsin withdraw status {view.reference}` says who has answered.",
                    )
                if view.records_elsewhere >= view.records and not view.unprojected:
                    return view
        raise AssertionError  # it ends with an answer or an error

    try:
        return calling.ask(place, watch)
    except KeyboardInterrupt:
        if not as_json:
            click.echo("Left before all of it was held elsewhere.", err=True)
        return made
