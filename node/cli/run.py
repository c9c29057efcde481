"""Running the node."""

from pathlib import Path

import click

from node.cli import options


@click.command(epilog=options.examples("tocsin run", "systemctl enable --now tocsin"))
@options.own_folder
def run(folder: Path) -> None:
    """Run the node until SIGTERM or Ctrl-C."""
    import asyncio

    from node import config as configs
    from node import daemon, logs

    settings = configs.load(options.config_file(folder))
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(daemon.serve(settings))
