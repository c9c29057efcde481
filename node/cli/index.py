"""The index: what can be made anew from the ledger."""

from pathlib import Path

import click

from node.cli import options


@click.group(epilog=options.examples("tocsin index rebuild"))
def index() -> None:
    """Look after the index of records and digests."""


@index.command(epilog=options.examples("tocsin index rebuild", "tocsin index rebuild --folder /srv/tocsin"))
@options.own_folder
def rebuild(folder: Path) -> None:
    """Make the whole index anew from ledger and keys; the node must be stopped.

    Nothing is fetched and nothing is lost: the index holds only what the other files say.
    """
    from node import config as configs
    from node.custody import rebuilding

    settings = configs.load(options.config_file(folder))
    records, items = rebuilding.rebuild_index(settings)
    click.echo(f"{records:,} records, {items:,} items. Next: `tocsin run`.")
