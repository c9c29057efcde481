"""Taking back items of a list of ours, by their values."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, digests, items, naming, options, printing, publishing
from node.cli.items import Reading, Source
from node.crisis.words import REASONS
from node.errors import ConfigError

if TYPE_CHECKING:
    from node.v1 import tools_pb2

_reason = click.option(
    "--reason", type=click.Choice(REASONS), default="outdated", show_default=True, help="Why, for all members."
)


@click.command(
    epilog=options.examples(
        "tocsin list remove halle wrong.csv --reason false-positive",
        "tocsin list remove halle --value 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tocsin list diff halle new.csv | grep ^- | cut -c2- | tocsin list remove halle -",
    )
)
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE|-]", required=False)
@click.option("--value", "written", multiple=True, help="An item, in the place of a file; once for each.")
@_reason
@items.source
@options.folder
@options.as_json
def remove(
    name: str, file: Path | None, written: tuple[str, ...], reason: str, source: Source, folder: Path, as_json: bool
) -> None:
    """Say of items of a list of ours that they no longer stand.

    They stop matching at all members as soon as those hear of it. Values that the list does not have
    are counted, and harm nothing.
    """
    publishing.require_one(file, written)
    if file and file != digests.STDIN and not file.exists():
        raise ConfigError(f"{file} is not there", next_step="Check the path; an item itself is given by --value ITEM.")
    place = calling.find(folder)
    known = calling.ask(place, lambda node: naming.find_own(node, naming.require(name)))
    source = source.of_list(known.list.kinds)
    with Reading(source, file or digests.STDIN, "Nothing was removed.", written) as reading:
        removal = _removal(known, reason, source)
        answer = calling.ask(place, lambda node: node.remove_items(removal, reading.items()))
    if as_json:
        printing.print_json({**printing.fields_of(answer), **reading.fields()})
        return
    version = f", version {printing.plain(answer.list.list.version)}" if answer.list.list.version else ""
    click.echo(
        f"{printing.plain(answer.list.name)}: -{answer.removed:,}, {answer.absent:,} were not in it{version}; "
        f"{items.counted(answer.list.items, 'item')} left"
    )
    for line in reading.summary():
        click.echo(line)


def _removal(known: "tools_pb2.ListView", reason: str, source: Source) -> "tools_pb2.Removal":
    from node.v1 import tools_pb2

    return tools_pb2.Removal(list=known.object_id.hex(), reason=REASONS.index(reason) + 1, kind=source.kind_name)
