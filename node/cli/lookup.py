"""Looking values up in all lists: digests, URLs, files of them, and media files."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node import limits
from node.cli import calling, digests, errors, marks, options, printing
from node.cli.calling import Place
from node.content import detection, formats, hashes, lines
from node.content.hashes import Item
from node.content.lines import Bad, Layout
from node.errors import NodeError

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2

WINDOW_MAX = 50_000  # of a file at once: sorted, neighbours stand in one record, which is checked once
COMPLAINTS_MAX = 20  # so many bad lines are named, the others counted
MATCH, NONE, ERROR = 0, 1, 2  # exit codes, as grep has them
MATCHED = ("own", "followed")  # the lists that look-ups reach


@dataclass(frozen=True, slots=True)
class Asked:
    """A value that is looked up: the line, argument or file it comes from, and what that is called."""

    number: int
    item: Item
    name: str = ""

    @property
    def written(self) -> str:
        """The value as it is typed."""
        return hashes.write(self.item.kind, self.item.value)


Found = tuple[Asked, "tools_pb2.Match"]


@dataclass
class Count:
    """What came of a look-up."""

    asked: int = 0
    matching: int = 0
    bad: int = 0
    ignored: int = 0

    @property
    def exit_code(self) -> int:
        """What could not be read might have matched, so nothing is claimed then."""
        return ERROR if self.bad else MATCH if self.matching else NONE

    def ignore(self, match: "tools_pb2.Match") -> None:
        """It would match, and this node's people said that it counts as none: that is told, and no match."""
        self.ignored += 1
        if self.ignored <= COMPLAINTS_MAX:
            until = f"until {printing.moment(match.ignored_until_ms)}" if match.ignored_until_ms else "for good"
            click.echo(printing.plain(f"ignored here {until} ({match.ignored_by}): {match.item}"), err=True)
        elif self.ignored == COMPLAINTS_MAX + 1:
            click.echo("and others: `tocsin ignore list` has what is ignored", err=True)


@click.command(
    epilog=options.examples(
        "tocsin lookup 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tocsin lookup --from digests.csv --column sha256 --json",
        "sha256sum uploads/* | tocsin lookup --from -",
        "tocsin lookup --file upload.mp4 --file other.mp4",
    )
    + "\n\n\b\nExit codes: 0 some match, 1 none, 2 an error, as with grep."
)
@click.argument("written", nargs=-1, metavar="[VALUE]...")
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="Look up the values in a file: a value a line, CSV or JSON Lines.",
)
@click.option(
    "--file",
    "media",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="MEDIA",
    help="Hash this file by every exact kind and look those up; may be given several times.",
)
@click.option(
    "--kind", type=click.Choice(list(hashes.KINDS)), help="The kind of the values. Default: by how each is written."
)
@click.option("--format", "format_", type=click.Choice(formats.FORMATS), help="Of --from. Default: by name or content.")
@click.option("--column", default="", metavar="NAME|NUMBER", help="Of --from: where the value stands.")
@click.option("--kind-column", default="", metavar="NAME|NUMBER", help="Of --from: where its kind stands.")
@options.justify
@options.folder
@options.as_json
@click.pass_context
def lookup(
    ctx: click.Context,
    written: tuple[str, ...],
    file: Path | None,
    media: tuple[Path, ...],
    kind: str | None,
    format_: str | None,
    column: str,
    kind_column: str,
    folder: Path,
    as_json: bool,
) -> None:
    """Say in which lists values stand, and what is advised.

    Where 64 digits may be SHA-256 or PDQ and nothing says which, they are looked up as both, which takes
    twice as long: say --kind where you know it. With --json, each match of a file is a document on a line.

    A match to which a member objects says so, and is for review at most. What this node ignores is no match;
    that it would be one is told on stderr.
    """
    if [bool(written), bool(file), bool(media)].count(True) != 1:
        raise click.UsageError("Give values, or --from FILE, or --file MEDIA.")
    if media and kind:
        raise click.UsageError("A file is hashed by every exact kind: leave out --kind.")
    if not file and (format_ or column or kind_column):
        raise click.UsageError("--format, --column and --kind-column are for --from.")
    # A picture of low quality is looked up all the same: the lists' own floors decide what matches.
    layout = Layout(hashes.KINDS[kind] if kind else None, column, kind_column, quality_floor=0)
    try:
        place = calling.find(folder)
        if file:
            count = calling.ask(place, lambda node: _scan(node, file, layout, format_ or "", as_json=as_json))
        elif media:
            count = calling.ask(place, lambda node: _hash(node, media, as_json=as_json))
        else:
            asked = parse(written, layout)
            count = calling.ask(place, lambda node: _ask(node, asked, as_json=as_json))
        code = count.exit_code
        if code == NONE and sys.stderr.isatty():
            _tell_if_nothing_can_match(place)
    except NodeError as error:
        errors.show(error)
        code = ERROR
    except BrokenPipeError:  # click would exit with 1, which says that nothing matches
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ERROR
    ctx.exit(code)


def _tell_if_nothing_can_match(place: Place) -> None:
    """Where no list is matched at all, "no match" would be taken for good news."""
    try:
        lists = calling.ask(place, lambda node: node.lists())
    except NodeError:
        return  # whoever may only match does not see the lists
    if not any(one.following in MATCHED and not one.withdrawn for one in lists):
        errors.warn(
            "nothing can match here: no list is followed, and none is our own",
            "`tocsin list` has those of all members, `tocsin list follow NAME` begins to match one.",
        )


# ---- Values on the command line


def parse(written: Sequence[str], layout: Layout) -> list[Asked]:
    """Values as they were typed, as every kind that they may be of; raises UsageError for what is none."""
    found = []
    for number, text in enumerate(written, 1):
        try:
            found.append(Asked(number, lines.item(layout, number, text.strip())))
        except ValueError as error:
            raise click.UsageError(f"{printing.shortened(text)}: {error}") from None
    return _with_twins(found, layout)


async def _ask(node: "Client", asked: Sequence[Asked], *, as_json: bool) -> Count:
    count = Count(asked[-1].number)
    found = await look_up(node, asked, count.ignore)
    count.matching = len({one.number for one, _ in found})
    if as_json:
        printing.print_json([_plain(one, match) for one, match in found])
        return count
    for one, match in found:
        click.echo(_line(match, "" if count.asked == 1 else one.written))
    if not found:
        click.echo("no match")
    return count


# ---- Values in a file


async def _scan(node: "Client", file: Path, layout: Layout, format_: str, *, as_json: bool) -> Count:
    """Part by part; a pipe, which may have no end, is answered as it comes."""
    count, name = Count(), digests.name_of(file)
    with digests.opened(file) as (text, raw):
        size_max = limits.VALUES_PER_LOOK_UP_MAX if digests.size_of(raw) is None else WINDOW_MAX
        good = _good(formats.read(lines.cut(text.read1), layout, name, format_), name, count)
        while batch := list(islice(good, size_max)):
            found = await look_up(node, _with_twins(batch, layout), count.ignore)
            count.asked += len(batch)
            count.matching += len({one.number for one, _ in found})
            for one, match in found:
                if as_json:
                    printing.print_json_line({"line": one.number, **_plain(one, match)})
                else:
                    click.echo(_line(match, one.written))
    if count.bad > COMPLAINTS_MAX:
        click.echo(f"{name}: {count.bad:,} lines in all are no value", err=True)
    click.echo(f"{count.matching:,} of {count.asked:,} match", err=True)
    return count


def _good(read: "Iterable[lines.Item | Bad]", source: str, count: Count) -> Iterator[Asked]:
    """One bad line stops nothing, and is not passed over in silence."""
    for found in read:
        match found:
            case Bad():
                count.bad += 1
                if count.bad <= COMPLAINTS_MAX:
                    click.echo(f"{source}:{found.number}: {printing.plain(found.reason)}", err=True)
            case _:
                yield Asked(found.number, found)


# ---- Media files


async def _hash(node: "Client", paths: Sequence[Path], *, as_json: bool) -> Count:
    """One after the other; one that cannot be read stops none of the others."""
    from node.cli import media

    count = Count()
    for number, path in enumerate(paths, 1):
        try:
            asked = [Asked(number, item, str(path)) for item in media.items_of(path)]
        except NodeError as error:
            errors.show(error)
            count.bad += 1
            continue
        found = await look_up(node, asked, count.ignore)
        count.asked += 1
        count.matching += bool(found)
        for one, match in found:
            if as_json:
                printing.print_json_line({"file": one.name, **_plain(one, match)})
            else:
                click.echo(_line(match, f"{one.name} ({one.item.kind.name})"))
    click.echo(
        f"{count.matching:,} of {count.asked:,} {'file matches' if count.asked == 1 else 'files match'}", err=True
    )
    return count


# ---- Inside


def _with_twins(asked: list[Asked], layout: Layout) -> list[Asked]:
    """What was guessed may be of another kind that is written alike."""
    if layout.kind or layout.kind_column:
        return asked
    alike = detection.LOOKS_ALIKE
    return asked + [
        Asked(one.number, Item(alike[one.item.kind], one.item.value), one.name)
        for one in asked
        if one.item.kind in alike
    ]


async def look_up(
    node: "Client", asked: Sequence[Asked], ignored: Callable[["tools_pb2.Match"], None] = lambda _: None
) -> list[Found]:
    """All matches, in the order in which they were asked for; a stream of questions for each kind."""
    found: list[Found] = []
    by_kind: dict[str, list[Asked]] = {}
    for one in asked:
        by_kind.setdefault(one.item.kind.name, []).append(one)
    for kind, same in by_kind.items():
        same.sort(key=lambda one: one.item.value)
        step = limits.VALUES_PER_LOOK_UP_MAX
        parts = [same[start : start + step] for start in range(0, len(same), step)]
        batches = ([one.item.value for one in part] for part in parts)
        number = 0
        async for matches in node.look_up_stream(kind, batches, ignored):
            found += [(parts[number][match.index], match) for match in matches]
            number += 1
    return sorted(found, key=lambda one: (one[0].number, one[1].list, one[1].entry, one[1].position))


def _line(match: "tools_pb2.Match", about: str) -> str:
    parts = [
        f"MATCH {match.list}",
        ", ".join(match.labels),
        f"advice: {match.advice}{f' ({match.reason})' if match.reason else ''}",
        f"{match.agreeing} agree{'s' if match.agreeing == 1 else ''}" if match.agreeing else "",
        f"until {printing.day(match.expires_ms)}",
        match.item,
        match.crisis,
        marks.words(match.handling, of_all=False),
        f"listed by {match.sources} members" if match.sources > 1 else "",
        about,
    ]
    return printing.plain("  ".join(part for part in parts if part))


def _plain(asked: Asked, match: "tools_pb2.Match") -> dict[str, object]:
    letter = printing.fields_of(match)
    del letter["index"]
    return {"value": asked.written, "kind": asked.item.kind.name, **letter}
