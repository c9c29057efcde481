"""Certificates for the member's own programs."""

from datetime import timedelta
from pathlib import Path

import click

from node.cli import clock, options


@click.group(epilog=options.examples("tocsin tool issue scanner --scope match"))
def tool() -> None:
    """Let the member's own programs in."""


@tool.command(
    epilog=options.examples(
        "tocsin tool issue scanner --scope match",
        "tocsin tool issue importer --scope read --scope share --days 90 --output /srv/importer.pem",
    )
)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help="What it may do, once for each: read, match, share, declare, refer, protect, admin, audit.",
)
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 366), help="How long it is good for.")
@click.option("--output", type=click.Path(path_type=Path), help="Where to write it. Default: NAME.pem.")
@options.folder
def issue(name: str, scopes: tuple[str, ...], days: int, output: Path | None, folder: Path) -> None:
    """Make a certificate and key for a tool, in one file that only its owner may read."""
    from node import config as configs
    from node.custody import files, tools

    settings = configs.load(options.config_file(folder))
    now, life = clock.now(), timedelta(days=days)
    pem = tools.issue(settings.data_folder, name, scopes, now, life)
    path = output or Path(f"{name}.pem")
    files.create_secret(path, pem)
    click.echo(f"{path} (0600): {', '.join(sorted(set(scopes)))}, {days} days, until {clock.readable(now + life)}")
