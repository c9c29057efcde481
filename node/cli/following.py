"""Following lists of other members, and trying one on what is one's own before that."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, clock, digests, items, naming, options, printing
from node.cli.items import Reading, Source
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2


@click.command(
    epilog=options.examples("tocsin list follow europol/halle", "tocsin list follow europol/halle --no-wait --json")
)
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Do not wait until all of it is here.")
@options.folder
@options.as_json
def follow(name: str, no_wait: bool, folder: Path, as_json: bool) -> None:
    """Fetch a list and match it from now on.

    Waits until all of it is here and matched. Ctrl-C leaves; the node goes on fetching.
    """
    place = calling.find(folder)
    begun_ms = clock.now_ms()

    async def begin(node: "Client") -> "tools_pb2.ListView":
        found = await naming.find(node, naming.require(name))
        return await node.follow_list(found.object_id.hex())

    view = calling.ask(place, begin)
    if not no_wait:
        try:
            view = calling.ask(place, lambda node: _fetched(node, view))
        except KeyboardInterrupt:
            click.echo("Left while it is fetched; the node goes on.", err=True)
            no_wait = True
    if as_json:
        printing.print_json(printing.fields_of(view))
        return
    named = printing.plain(view.name)
    if no_wait:
        click.echo(f"{named}: following, {items.counted(view.list.items, 'item')}")
    else:
        took_s = (clock.now_ms() - begun_ms) / 1000
        click.echo(f"{named}: following, {items.counted(view.items, 'item')} ... done {took_s:.1f} s")


async def _fetched(node: "Client", view: "tools_pb2.ListView") -> "tools_pb2.ListView":
    """As soon as nothing of it is missing, and everything is in the index."""
    with digests.progress() as bars:
        bar = bars.add_task(f"fetching {view.list.items:,}", total=None)
        async for one in node.watch_list(view.object_id.hex()):
            if one.withdrawn:
                raise Refused(
                    f"{one.name} was withdrawn meanwhile: {one.withdrawn}",
                    next_step="Nothing has to be done: it matches nothing any more.",
                )
            if not one.missing and not one.unprojected:
                return one
            whole = one.records + one.missing
            bars.update(bar, total=whole, completed=whole - one.missing - one.unprojected)
    raise AssertionError  # it ends with an answer or an error


@click.command(epilog=options.examples("tocsin list unfollow europol/halle", "tocsin list unfollow l-4k7q --json"))
@click.argument("name")
@options.folder
@options.as_json
def unfollow(name: str, folder: Path, as_json: bool) -> None:
    """Match a list no more; what is here of it goes."""

    async def end(node: "Client") -> "tools_pb2.ListView":
        found = await naming.find(node, naming.require(name))
        return await node.follow_list(found.object_id.hex(), follow=False)

    view = calling.ask(calling.find(folder), end)
    if as_json:
        printing.print_json(printing.fields_of(view))
        return
    click.echo(f"{printing.plain(view.name)}: no longer followed")


@click.command(
    epilog=options.examples(
        "tocsin list preview europol/halle --sample last-week.csv",
        "sha256sum uploads/* | tocsin list preview europol/halle --sample - --show",
    )
)
@click.argument("name")
@click.option(
    "--sample",
    "file",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="Values of one's own, as a list has them.",
)
@click.option("--show", is_flag=True, help="Also write those that would match, one a line.")
@items.source
@options.justify
@options.folder
@options.as_json
def preview(name: str, file: Path, show: bool, source: Source, folder: Path, as_json: bool) -> None:
    """Say how much of a sample of one's own a list would match.

    What is not here of the list is fetched for a day and matches nothing meanwhile. The sample stays
    on this node.
    """
    from node.v1 import tools_pb2

    place = calling.find(folder)
    known = calling.ask(place, lambda node: naming.find(node, naming.require(name)))
    source = source.of_list(known.list.kinds, known.list.quality_floor)
    asked = tools_pb2.Comparison(list=known.object_id.hex(), kind=source.kind_name, fetch=True, send_common=show)

    async def compare(node: "Client") -> "tools_pb2.Compared":
        async for part in node.compare_list(asked, reading.items()):
            match part.WhichOneof("part"):
                case "progress":
                    one = part.progress
                    reading.show("fetching", one.records + one.missing, one.records)
                case "common":
                    for kind, value, _ in items.of_letter(part.common, source.kind_name):
                        _print(kind, value, as_json=as_json)
                case "compared":
                    return part.compared
        raise AssertionError  # the last part is what was compared

    with Reading(source, file, "Nothing was compared.") as reading:
        found = calling.ask(place, compare)
    if as_json:
        print_document = printing.print_json_line if show else printing.print_json
        print_document({**printing.fields_of(found), **reading.fields()})
        return
    whole = found.common + found.only_sent
    click.echo(f"{found.common:,} of {whole:,} would match; {found.disputed:,} disputed")
    if found.reason:
        click.echo(f"All of it is for review only: {printing.plain(found.reason)}")
    for line in reading.summary():
        click.echo(line)


def _print(kind: str, value: str, *, as_json: bool) -> None:
    if as_json:
        printing.print_json_line({"kind": kind, "value": value})
    else:
        click.echo(printing.plain(value))
