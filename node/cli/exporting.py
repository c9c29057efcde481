"""A list as a file: for people's programs, and for publishing again."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from node.cli import calling, clock, digests, items, marks, naming, options, printing
from node.content import formats, hashes
from node.policy import opinions

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2

FORMATS = (formats.TEXT, formats.CSV, formats.JSONL)
COLUMNS = ("kind", "value", "quality", "labels", "advice", "expires", "item", "opinion", "exemptions", "mark")

_FORMULA = ("=", "+", "-", "@")  # how a spreadsheet knows what it is to compute

Write = Callable[["tools_pb2.ListRecord"], int]


@dataclass(slots=True)
class Written:
    """What of a list went into a file, and what of it the file may not say."""

    count: int = 0
    odd: int = 0  # left out: no values of their kind
    disputed: int = 0  # items that members object to
    exempt: int = 0  # items that may also be what is exempt
    is_restricted: bool = False  # not all members may read all of it

    def add(self, record: "tools_pb2.ListRecord", count: int) -> None:
        """``count``: of its items so many were written."""
        self.count += count
        self.odd += len(record.positions) - count
        self.disputed += sum(one.objecting > 0 for one in record.judged)
        self.exempt += count if record.exemptions else 0
        self.is_restricted |= not is_for_all(record)


@click.command(
    epilog=options.examples(
        "tocsin list export europol/halle > halle.txt",
        "tocsin list export halle --format csv --output halle.csv",
        "tocsin list export europol/halle --format jsonl | jq -r 'select(.kind == \"pdq\") | .value'",
    )
)
@click.argument("name")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), help="Default: by the name of --output, or text: a value a line."
)
@click.option("--output", type=click.Path(path_type=Path), help="Where to write it, mode 0600. Default: stdout.")
@options.justify
@options.folder
@options.as_json
def export(name: str, format_: str | None, output: Path | None, folder: Path, as_json: bool) -> None:
    """Write all items of a list that stand here; a list of a drill is never exported.

    --json is the same as --format jsonl: a document a line.
    """
    if as_json and format_ not in (None, formats.JSONL):
        raise click.UsageError("Give --json or --format, not both.")
    known_by = formats.of_name(output.name) if output else ""
    chosen = formats.JSONL if as_json else format_ or (known_by if known_by in FORMATS else formats.TEXT)
    place = calling.find(folder)
    view = calling.ask(place, lambda node: naming.find(node, naming.require(name)))
    with opened(output) as file, digests.progress() as bars:
        bar = bars.add_task("writing", total=view.items, visible=output is not None)
        write = WRITERS[chosen](file)
        written = Written()

        async def receive(node: "Client") -> None:
            async for record in node.export_list(view.object_id.hex()):
                written.add(record, write(record))
                bars.update(bar, completed=written.count)

        calling.ask(place, receive)
    if output:
        click.echo(f"{printing.plain(view.name)}: {items.counted(written.count, 'item')} in {output}", err=True)
    for words in warnings(view, written, chosen):
        click.echo(f"warning: {words}", err=True)


def is_for_all(record: "tools_pb2.ListRecord") -> bool:
    """Whether all members may read it, by each of its marks."""
    from node.policy import border

    return border.strictness(record.handling) in border.FOR_ALL


def warnings(view: "tools_pb2.ListView", written: Written, format_: str) -> Iterator[str]:
    """What whoever uses the file has to know, and the file does not say."""
    name, odd = printing.plain(view.name), written.odd
    if odd:
        yield (
            f"{items.counted(odd, 'item')} of {name} cannot be of {'its' if odd == 1 else 'their'} kind: left "
            "out, and matched by nothing"
        )
    if view.withdrawn:
        yield f"{name} was withdrawn: {printing.plain(view.withdrawn)}"
    elif written.count + odd < view.list.items:
        yield (
            f"{name} has {items.counted(view.list.items, 'item')}; what is not here yet, withdrawn, "
            "restricted or expired was left out"
        )
    if written.is_restricted:
        yield "some of it may not be read by all members; keep the file to yourself"
    to_review = ((written.disputed, "that members object to"), (written.exempt, "that may also be news or else exempt"))
    for count, what in to_review if format_ == formats.TEXT else ():
        if count:
            yield (
                f"{items.counted(count, 'item')} of {name} {what}:"
                " to be reviewed first. This file does not say which, --format csv does"
            )


# ---- Formats


def _text(file: TextIO) -> Write:
    def write(record: "tools_pb2.ListRecord") -> int:
        rows = [f"{value}\n" if quality is None else f"{value},{quality}\n" for _, _, value, quality in _right(record)]
        file.writelines(rows)
        return len(rows)

    return write


def _csv(file: TextIO) -> Write:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(record: "tools_pb2.ListRecord") -> int:
        ends = clock.date(record.expires_ms)
        expires = ends.isoformat(timespec="seconds") if ends else ""
        labels, exemptions, judged = _words(record.labels), _words(record.exemptions), _judged(record)
        rows = [
            (
                kind,
                value,
                "" if quality is None else quality,
                labels,
                _cell(advice),
                expires,
                _item(record, at),
                opinion,
                exemptions,
                marks.words(record.handling),
            )
            for at, kind, value, quality in _right(record)
            for advice, opinion in [_advised(record, judged, at)]
        ]
        writer.writerows(rows)
        return len(rows)

    return write


def _jsonl(file: TextIO) -> Write:
    def write(record: "tools_pb2.ListRecord") -> int:
        same: dict[str, Any] = printing.fields_of(record)
        del same["values"], same["positions"], same["judged"], same["advice"]
        judged = _judged(record)
        rows = [
            json.dumps(
                {
                    "kind": kind,
                    "value": value,
                    "quality": quality,
                    "item": _item(record, at),
                    "advice": advice,
                    "opinion": opinion,
                    **same,
                },
                separators=(",", ":"),
            )
            for at, kind, value, quality in _right(record)
            for advice, opinion in [_advised(record, judged, at)]
        ]
        file.writelines(f"{row}\n" for row in rows)
        return len(rows)

    return write


def _right(record: "tools_pb2.ListRecord") -> Iterator[tuple[int, str, str, int | None]]:
    """By position: kind, value and quality of what is one. Any other text of others may be lines, or a formula."""
    kind = hashes.KINDS.get(record.values.kind)
    for at, (name, value, quality) in enumerate(items.of_letter(record.values)):
        if kind and (kind.is_fixed or hashes.is_right(kind, value)):
            yield at, name, value, quality


def _words(said: Iterable[str]) -> str:
    return _cell(" ".join(said))


def _cell(text: str) -> str:
    """What others wrote, as no spreadsheet computes it and no terminal is steered by it."""
    found = printing.plain(text)
    return f"'{found}" if found.startswith(_FORMULA) else found


def _judged(record: "tools_pb2.ListRecord") -> dict[int, "tools_pb2.Judged"]:
    return {one.position: one for one in record.judged}


def _advised(record: "tools_pb2.ListRecord", judged: dict[int, "tools_pb2.Judged"], at: int) -> tuple[str, str]:
    """What is advised of the item, a review at most where a member objects; and what members make of it."""
    one = judged.get(record.positions[at]) if at < len(record.positions) else None
    if one is None:
        return record.advice, ""
    return opinions.lowered(record.advice) if one.objecting else record.advice, one.opinion


def _item(record: "tools_pb2.ListRecord", at: int) -> str:
    """The item, by its record's header hash and its position there."""
    return f"{record.entry.hex()}:{record.positions[at] if at < len(record.positions) else at}"


WRITERS: dict[str, Callable[[TextIO], Write]] = {formats.TEXT: _text, formats.CSV: _csv, formats.JSONL: _jsonl}


# ---- The file


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """A draft beside it, which takes its place when it is whole: there is never half a file."""
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    from node.custody import files

    with files.writing(path, 0o600) as raw:
        file = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        yield file
        file.detach()  # flushed; what it stood on is closed where it was opened
