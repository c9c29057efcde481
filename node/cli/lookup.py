"""Looking digests up in all lists."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, digests, errors, options, printing
from node.content import formats, hashes, lines
from node.content.hashes import HashKind
from node.content.lines import Bad, Item, Layout
from node.errors import NodeError

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2

VALUES_MAX = 1000  # a node answers so many at a time
WINDOW_MAX = 50_000  # of a file at once: sorted, neighbours stand in one record, which is checked once
COMPLAINTS_MAX = 20  # so many bad lines are named, the others counted
MATCH, NONE, ERROR = 0, 1, 2  # exit codes, as grep has them

Found = tuple[Item, "tools_pb2.Match"]


@dataclass
class Count:
    """What came of a look-up."""

    items: int = 0
    matching: int = 0
    bad: int = 0

    @property
    def exit_code(self) -> int:
        """A line that could not be read might have matched, so nothing is claimed then."""
        return ERROR if self.bad else MATCH if self.matching else NONE


@click.command(
    epilog=options.examples(
        "tocsin lookup 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tocsin lookup --from digests.txt --json",
        "sha256sum uploads/* | tocsin lookup --from -",
    )
    + "\n\n\b\nExit codes: 0 some match, 1 none, 2 an error, as with grep."
)
@click.argument("written", nargs=-1, metavar="[DIGEST]...")
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="Look up a file's digests, one a line; with --json each match is a document on a line.",
)
@click.option("--kind", type=click.Choice(list(hashes.KINDS)), help="The kind of hash. Default: by its length.")
@options.folder
@options.as_json
@click.pass_context
def lookup(
    ctx: click.Context, written: tuple[str, ...], file: Path | None, kind: str | None, folder: Path, as_json: bool
) -> None:
    """Say in which lists digests stand, and what is advised."""
    if bool(written) == bool(file):
        raise click.UsageError("Give digests, or --from FILE.")
    try:
        place = calling.find(folder)
        wanted = hashes.KINDS[kind] if kind else None
        if file is None:
            asked = _parse(written, wanted)
            found = calling.ask(place, lambda node: _look_up(node, asked))
            _print(found, len(asked), as_json=as_json)
            code = MATCH if found else NONE
        else:
            count = calling.ask(place, lambda node: _scan(node, file, wanted, as_json=as_json))
            click.echo(f"{count.matching:,} of {count.items:,} match", err=True)
            code = count.exit_code
    except NodeError as error:
        errors.show(error)
        code = ERROR
    except BrokenPipeError:  # click would exit with 1, which says that nothing matches
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ERROR
    ctx.exit(code)


# ---- Digests on the command line


def _parse(written: Sequence[str], kind: HashKind | None) -> list[Item]:
    found = []
    for number, text in enumerate(written, 1):
        try:
            found.append(lines.item(Layout(kind), number, text))
        except ValueError as error:
            raise click.UsageError(f"{printing.shortened(text)}: {error}") from None
    return found


def _print(found: Sequence[Found], asked: int, *, as_json: bool) -> None:
    if as_json:
        printing.print_json([_plain(item, match) for item, match in found])
        return
    for item, match in found:
        click.echo(_line(item, match, alone=asked == 1))
    if not found:
        click.echo("no match")


# ---- Digests in a file


async def _scan(node: "Client", file: Path, kind: HashKind | None, *, as_json: bool) -> Count:
    """Part by part; a pipe, which may have no end, is answered as it comes."""
    count = Count()
    with digests.opened(file) as (text, raw):
        size_max = VALUES_MAX if digests.size_of(raw) is None else WINDOW_MAX
        name = digests.name_of(file)
        good = _good(formats.read(lines.cut(text.read1), Layout(kind), name), name, count)
        while batch := list(islice(good, size_max)):
            found = await _look_up(node, batch)
            count.items += len(batch)
            count.matching += len({item.number for item, _ in found})
            for item, match in found:
                if as_json:
                    printing.print_json_line({"line": item.number, **_plain(item, match)})
                else:
                    click.echo(_line(item, match, alone=False))
    if count.bad > COMPLAINTS_MAX:
        click.echo(f"{digests.name_of(file)}: {count.bad:,} lines in all are no digest", err=True)
    return count


def _good(read: Iterable[Item | Bad], source: str, count: Count) -> Iterator[Item]:
    """One bad line stops nothing, and is not passed over in silence."""
    for found in read:
        match found:
            case Item():
                yield found
            case Bad():
                count.bad += 1
                if count.bad <= COMPLAINTS_MAX:
                    click.echo(f"{source}:{found.number}: {printing.plain(found.reason)}", err=True)


# ---- Inside


async def _look_up(node: "Client", asked: Sequence[Item]) -> list[Found]:
    """All matches, in the order in which they were asked for; one question for each kind and thousand."""
    found: list[Found] = []
    for kind in hashes.KINDS.values():
        same = sorted((item for item in asked if item.kind == kind), key=lambda item: hashes.key(item.value))
        for start in range(0, len(same), VALUES_MAX):
            part = same[start : start + VALUES_MAX]
            matches = await node.look_up(kind.name, [hashes.key(item.value) for item in part])
            found += [(part[match.index], match) for match in matches]
    return sorted(found, key=lambda one: (one[0].number, one[1].list, one[1].entry, one[1].position))


def _line(item: Item, match: "tools_pb2.Match", *, alone: bool) -> str:
    parts = [
        f"MATCH {printing.plain(match.list)}",
        printing.plain(", ".join(match.labels)),
        f"advice: {match.advice}{f' ({printing.plain(match.reason)})' if match.reason else ''}",
        f"until {printing.day(match.expires_ms)}",
        "" if alone else hashes.write(item.kind, item.value),
    ]
    return "  ".join(part for part in parts if part)


def _plain(item: Item, match: "tools_pb2.Match") -> dict[str, object]:
    letter = printing.fields_of(match)
    del letter["index"]
    return {"digest": hashes.write(item.kind, item.value), "kind": item.kind.name, **letter}
