"""What the running node writes to its log."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, options, printing

if TYPE_CHECKING:
    from node.client import Client

LEVELS = ("debug", "info", "warning", "error")


@click.group(epilog=options.examples("tocsin log level", "tocsin log level debug"))
def log() -> None:
    """Look after the node's log."""


@log.command(epilog=options.examples("tocsin log level", "tocsin log level debug", "tocsin log level --json"))
@click.argument("level", required=False, type=click.Choice(LEVELS))
@options.folder
@options.as_json
def level(level: str | None, folder: Path, as_json: bool) -> None:
    """Say from which level on the running node writes its log, or set it until the next start.

    The level at a start is log.level in node.toml.
    """

    async def work(node: "Client") -> str:
        from node.v1 import admin_pb2

        answer = await node.admin.SetLogLevel(admin_pb2.SetLogLevelRequest(level=level or ""))
        return str(answer.before)

    before = calling.ask(calling.find(folder), work)
    if as_json:
        printing.print_json({"level": level or before, "before": before})
    elif level is None:
        click.echo(before)
    else:
        click.echo(f"{level} until the next start; it was {before}.")
