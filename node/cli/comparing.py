"""A list beside a file: what each has that the other has not."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, errors, items, naming, options, printing
from node.cli.calling import Place
from node.cli.items import Reading, Source
from node.errors import NodeError

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2

SAME, DIFFERENT, ERROR = 0, 1, 2  # exit codes, as diff has them
ELSEWHERE = ("offered", "previewed")  # what is not here of these is fetched for a day


@click.command(
    epilog=options.examples(
        "tocsin list diff halle halle.csv",
        "tocsin list diff europol/halle last-week.csv --json | jq .value",
        "tocsin list diff halle - --brief < halle.csv",
    )
    + "\n\n\b\nExit codes: 0 the same, 1 different, 2 an error, as with diff."
)
@click.argument("name")
@items.file
@click.option("--brief", is_flag=True, help="Only the numbers.")
@items.source
@options.justify
@options.folder
@options.as_json
@click.pass_context
def diff(ctx: click.Context, name: str, file: Path, brief: bool, source: Source, folder: Path, as_json: bool) -> None:
    """Show what only a list has (-) and only a file (+).

    With --json each is a document on a line, and the last line has the numbers.
    """
    try:
        found = _compare(calling.find(folder), naming.require(name), file, source, brief=brief, as_json=as_json)
        code = DIFFERENT if found.only_sent or found.only_listed else SAME
    except NodeError as error:
        errors.show(error)
        code = ERROR
    except BrokenPipeError:  # click would exit with 1, which says that they differ
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ERROR
    ctx.exit(code)


def _compare(
    place: Place, name: str, file: Path, source: Source, *, brief: bool, as_json: bool
) -> "tools_pb2.Compared":
    from node.v1 import tools_pb2

    known = calling.ask(place, lambda node: naming.find(node, name))
    source = source.of_list(known.list.kinds, known.list.quality_floor)
    asked = tools_pb2.Comparison(
        list=known.object_id.hex(),
        kind=source.kind_name,
        fetch=known.following in ELSEWHERE,
        send_only_sent=not brief,
        send_only_listed=not brief,
    )

    async def compare(node: "Client") -> "tools_pb2.Compared":
        async for part in node.compare_list(asked, reading.items()):
            match part.WhichOneof("part"):
                case "progress":
                    reading.show("fetching", part.progress.records + part.progress.missing, part.progress.records)
                case "only_sent":
                    reading.hide()
                    _print("+", source, part.only_sent, as_json=as_json)
                case "only_listed":
                    reading.hide()
                    _print("-", source, part.only_listed, as_json=as_json)
                case "compared":
                    return part.compared
        raise AssertionError  # the last part is what was compared

    with Reading(source, file, "Nothing was compared.") as reading:
        found = calling.ask(place, compare)
    _tell(found, reading, as_json=as_json)
    return found


def _print(sign: str, source: Source, values: "tools_pb2.Values", *, as_json: bool) -> None:
    for kind, value, quality in items.of_letter(values, source.kind_name):
        if as_json:
            printing.print_json_line({"change": sign, "kind": kind, "value": value, "quality": quality})
        else:
            click.echo(f"{sign}{printing.plain(value)}")


def _tell(found: "tools_pb2.Compared", reading: Reading, *, as_json: bool) -> None:
    if as_json:
        printing.print_json_line({**printing.fields_of(found), **reading.fields()})
    else:
        numbers = f"+{found.only_sent:,} -{found.only_listed:,}, {found.common:,} in both"
        click.echo(f"{printing.plain(found.list.name)} and {reading.name}: {numbers}", err=True)
        for line in reading.summary():
            click.echo(line, err=True)
    if found.list.missing:
        click.echo(f"{items.counted(found.list.missing, 'record')} of the list not here yet: not compared.", err=True)
