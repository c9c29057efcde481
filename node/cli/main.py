"""The command line: which commands there are. Each is loaded when it is named, or for the list in --help."""

import importlib
import os
from typing import Any

import click

from node.cli import errors, options
from node.errors import NodeError

COMMANDS = {  # name: module, attribute
    "init": ("node.cli.member", "init"),
    "charter": ("node.cli.charter", "charter"),
    "join": ("node.cli.member", "join"),
    "config": ("node.cli.configuration", "config"),
    "tool": ("node.cli.tool", "tool"),
    "run": ("node.cli.run", "run"),
    "index": ("node.cli.index", "index"),
    "status": ("node.cli.status", "status"),
    "doctor": ("node.cli.doctor", "doctor"),
    "member": ("node.cli.roster", "member"),
    "peer": ("node.cli.peer", "peer"),
    "crisis": ("node.cli.crisis", "crisis"),
    "list": ("node.cli.lists", "list_"),
    "lookup": ("node.cli.lookup", "lookup"),
    "watch": ("node.cli.watch", "watch"),
    "subscribe": ("node.cli.watch", "subscribe"),
}


class Commands(click.Group):
    """Commands by name in the table above; the one place where an error becomes an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which they are needed."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Load the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except NodeError as error:
            errors.show(error)
            ctx.exit(errors.exit_code(error))


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "color": False if os.environ.get("NO_COLOR") else None},
    epilog=options.examples(
        'tocsin init --name "Acme Video" --role platform --country IE',
        "tocsin join charter.tocsin",
        "tocsin config check",
    )
    + "\n\n\b\nExit codes: 0 done, 1 refused, 2 not a command, 3 something to mend on this machine,\n"
    "4 not now, 5 a peer's fault.",
)
def tocsin() -> None:
    """Exchange crisis declarations and hash lists with the members of a federation."""


def main() -> None:
    """Run the command line."""
    tocsin(prog_name="tocsin")


if __name__ == "__main__":
    main()
