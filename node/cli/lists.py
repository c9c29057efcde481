"""Hash lists: see those of all members, publish our own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
from click.core import ParameterSource

from node.cli import calling, clock, crisis, digests, options, printing, times
from node.content import formats, hashes, lines
from node.content.hashes import HashKind
from node.content.lines import Bad, Item, Layout
from node.errors import ConfigError, Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2

ADVICE = ("block", "review", "monitor", "ignore")
LIST_BYTES_MAX = 640 << 20  # what a node takes in one publication: ten million SHA-512
LINES_PER_LOOK = 1 << 14  # between two steps of the bar

Reject = Callable[[Bad], None]


@click.group(
    name="list",
    invoke_without_command=True,
    epilog=options.examples(
        "tocsin list", "tocsin list show europol/halle", "tocsin list publish halle.csv --label attack-footage"
    ),
)
@click.option("--exercises", is_flag=True, help="Also those of drills.")
@options.folder
@options.as_json
@click.pass_context
def list_(ctx: click.Context, exercises: bool, folder: Path, as_json: bool) -> None:
    """List the hash lists of all members; show and publish them."""
    if ctx.invoked_subcommand is not None:
        _require_nothing_before(ctx, ctx.invoked_subcommand)
        return
    found = calling.ask(calling.find(folder), lambda node: node.lists(exercises=exercises))
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("name", "by", "kind", "items", "to come", "updated", "ends"),
        [
            (
                printing.shortened(f"EXERCISE {one.name}" if one.exercise else one.name),
                one.member_name,
                ", ".join(one.list.kinds),
                f"{one.items:,}",
                f"{one.missing:,}" if one.missing else "-",
                printing.day(one.updated_ms),
                printing.day(one.expires_ms),
            )
            for one in found
        ],
        numbers=("items", "to come"),
        wrapped=("by",),
    )


def _require_nothing_before(ctx: click.Context, subcommand: str) -> None:
    """An option of the table means nothing to a subcommand; a --folder passed over would be another node."""
    for parameter in ctx.command.params:
        if parameter.name and ctx.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{parameter.opts[0]} stands behind {subcommand}.")


@list_.command(epilog=options.examples("tocsin list show europol/halle", "tocsin list show l-4k7q --json"))
@click.argument("name")
@options.folder
@options.as_json
def show(name: str, folder: Path, as_json: bool) -> None:
    """Show one list, by its name, reference or id."""
    if not name.strip():
        raise click.UsageError("Which list? `tocsin list` names them.")

    async def look(node: "Client") -> "tools_pb2.ListView":
        (one,) = await node.lists(name, exercises=True)
        return one

    found = calling.ask(calling.find(folder), look)
    if as_json:
        printing.print_json(printing.fields_of(found))
        return
    click.echo(f"{printing.plain(found.name)}  {found.reference}{'  EXERCISE' if found.exercise else ''}")
    printing.print_fields(
        [
            ("by", found.member_name),
            ("description", found.list.description),
            ("kind", ", ".join(found.list.kinds)),
            ("labels", ", ".join(found.list.labels)),
            ("advice", found.list.advice),
            ("items", f"{found.items:,} in {found.records:,} records"),
            ("to come", f"{found.missing:,} records of its owner" if found.missing else ""),
            ("updated", printing.moment(found.updated_ms)),
            ("ends", printing.moment(found.expires_ms)),
            ("id", found.object_id.hex()),
        ]
    )


# ---- Publishing


@dataclass(frozen=True, slots=True)
class Loaded:
    """The digests of a file, end to end, and how many of its lines were left out."""

    packed: bytearray
    rejected: int


@list_.command(
    epilog=options.examples(
        "tocsin list publish halle.csv --label attack-footage --advice review",
        "tocsin list publish dump.txt.gz --name halle --kind md5 --crisis c-4k7q --skip-bad",
        "zcat *.gz | tocsin list publish - --name all --for 90d --json",
    )
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE|-")
@click.option("--name", help="What it is called. Default: made of the file's name.")
@click.option(
    "--kind", default="sha256", show_default=True, type=click.Choice(list(hashes.KINDS)), help="The kind of hash."
)
@click.option("--label", "labels", multiple=True, help="What the items are; once for each.")
@click.option("--description", default="", help="What the list is, for people.")
@click.option("--advice", type=click.Choice(ADVICE), help="What to do with a match. Default: review.")
@times.ends
@click.option("--crisis", "crisis_", default="", metavar="REFERENCE", help="The crisis it belongs to.")
@click.option("--tlp", type=click.Choice(crisis.MARKS), default="green", show_default=True, help="Who may have it.")
@click.option("--exercise", is_flag=True, help="It is a drill: nothing of it is ever matched.")
@click.option("--skip-bad", is_flag=True, help="Leave out the lines that are no digest, and publish the others.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Where to write those lines. Default: FILE.rejects.")
@options.folder
@options.as_json
def publish(
    file: Path,
    name: str | None,
    kind: str,
    labels: tuple[str, ...],
    description: str,
    advice: str | None,
    life_ms: int | None,
    until_ms: int | None,
    crisis_: str,
    tlp: str,
    exercise: bool,
    skip_bad: bool,
    rejects: Path | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Publish a list to all members, or what is new in one of ours.

    The file has a digest a line, in its first column; it may be compressed with gzip. Nothing is
    published where a line is wrong, unless --skip-bad. A list ends after 180 days unless it says so itself.
    """
    from node.v1 import record_pb2, tools_pb2

    where = _rejects(file, rejects, skip_bad=skip_bad)
    draft = tools_pb2.ListDraft(
        name=name or _name(file),
        kind=kind,
        labels=labels,
        description=description,
        advice=advice or "",
        expires_ms=times.end_ms(life_ms, until_ms, clock.now_ms()) or 0,
        handling=record_pb2.Handling(tlp=crisis.MARKS.index(tlp) + 1),
        crisis=crisis_,
        exercise=exercise,
    )
    place = calling.find(folder)
    loaded = _load(file, hashes.KINDS[kind], where)
    answer = calling.ask(place, lambda node: _send(node, draft, loaded.packed, hashes.KINDS[kind].digest_bytes))
    if as_json:
        printing.print_json({**printing.fields_of(answer), "rejected": loaded.rejected})
        return
    made = answer.list
    click.echo(
        f"{printing.plain(made.name)}: {made.items:,} items in {made.records:,} records "
        f"(+{answer.added:,}, {answer.unchanged:,} were there already), until {printing.moment(made.expires_ms)}"
    )
    if skip_bad:
        click.echo(f"left out: {loaded.rejected:,} bad lines{f', see {where}' if loaded.rejected else ''}")


def _name(file: Path) -> str:
    from node.content import names

    found = "" if file == digests.STDIN else names.slug(Path(file.name.removesuffix(".gz")).stem)
    if not found:
        raise click.UsageError(f"{digests.name_of(file)} makes no name for a list: give --name.")
    return found


def _rejects(file: Path, rejects: Path | None, *, skip_bad: bool) -> Path | None:
    """Where bad lines go; None where there must not be any."""
    if not skip_bad:
        if rejects:
            raise click.UsageError("--rejects is for --skip-bad.")
        return None
    found = rejects or Path(f"{'stdin' if file == digests.STDIN else file}.rejects")
    if found.exists() and file.exists() and found.samefile(file):
        raise click.UsageError("--rejects names the list itself.")
    return found


def _load(file: Path, kind: HashKind, rejects: Path | None) -> Loaded:
    """Read the whole file before anything is published."""
    source = digests.name_of(file)
    packed, rejected = bytearray(), 0
    with digests.opened(file) as (text, raw), digests.progress() as bars, _rejecting(source, rejects) as reject:
        size = digests.size_of(raw)
        bar = bars.add_task("reading", total=size)
        for number, found in enumerate(formats.read(lines.cut(text.read1), Layout(kind), source)):
            match found:
                case Item():
                    packed += hashes.key(found.value)
                case Bad():
                    reject(found)
                    rejected += 1
            if number % LINES_PER_LOOK == 0:
                if size:
                    bars.update(bar, completed=raw.tell())
                if len(packed) > LIST_BYTES_MAX:
                    raise Refused(
                        f"{source} has more than {LIST_BYTES_MAX >> 20} MiB of digests",
                        next_step="Publish it as several lists.",
                    )
    if not packed:
        raise Refused(f"{source} has no digests", next_step="One a line is wanted, in the first column.")
    return Loaded(packed, rejected)


@contextmanager
def _rejecting(source: str, path: Path | None) -> Iterator[Reject]:
    """What to do with a bad line: refuse it, or write it where somebody will look at it."""
    with ExitStack() as stack:
        file: BinaryIO | None = None

        def reject(bad: Bad) -> None:
            nonlocal file
            if path is None:
                raise Refused(
                    f"{source}:{bad.number}: {bad.reason}",
                    next_step="Nothing was published. Mend the line, or leave such lines out with --skip-bad.",
                )
            if file is None:
                file = stack.enter_context(_create(path))
            file.write(b"%d\t%s\t%s\n" % (bad.number, bad.reason.encode(), bad.line.rstrip(b"\r\n")))

        yield reject


def _create(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", next_step="Name another place with --rejects."
        ) from error
    return os.fdopen(descriptor, "wb")


async def _send(
    node: "Client", draft: "tools_pb2.ListDraft", packed: bytearray, size: int
) -> "tools_pb2.PublishListResponse":
    count = len(packed) // size
    each = (bytes(packed[i : i + size]) for i in range(0, len(packed), size))
    with digests.progress() as bars:
        bar = bars.add_task("sending", total=count)

        def sent(so_far: int) -> None:
            bars.update(bar, completed=so_far)
            if so_far == count:
                bars.add_task("the node publishes", total=None)

        return await node.publish_list(draft, each, sent)
