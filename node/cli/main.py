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
    "clock": ("node.cli.timekeeping", "clock"),
    "upgrade": ("node.cli.upgrade", "upgrade"),
    "backup": ("node.cli.backup", "backup"),
    "restore": ("node.cli.backup", "restore"),
    "reopen": ("node.cli.backup", "reopen"),
    "key": ("node.cli.key", "key"),
    "leave": ("node.cli.leave", "leave"),
    "identity": ("node.cli.identity", "identity"),
    "log": ("node.cli.log", "log"),
    "index": ("node.cli.index", "index"),
    "policy": ("node.cli.policy", "policy"),
    "erase": ("node.cli.erase", "erase"),
    "hold": ("node.cli.hold", "hold"),
    "audit": ("node.cli.audit", "audit"),
    "subject": ("node.cli.subject", "subject"),
    "report": ("node.cli.report", "report"),
    "status": ("node.cli.status", "status"),
    "doctor": ("node.cli.doctor", "doctor"),
    "member": ("node.cli.roster", "member"),
    "profile": ("node.cli.profile", "profile"),
    "peer": ("node.cli.peer", "peer"),
    "fork": ("node.cli.fork", "fork"),
    "framework": ("node.cli.framework", "framework"),
    "crisis": ("node.cli.crisis", "crisis"),
    "alarm": ("node.cli.alarm", "alarm"),
    "list": ("node.cli.lists", "list_"),
    "withdraw": ("node.cli.withdraw", "withdraw"),
    "opine": ("node.cli.opine", "opine"),
    "ignore": ("node.cli.ignore", "ignore"),
    "lookup": ("node.cli.lookup", "lookup"),
    "watch": ("node.cli.watch", "watch"),
    "subscribe": ("node.cli.watch", "subscribe"),
    "help": ("node.cli.topics", "help_"),
    "completion": ("node.cli.completion", "completion"),
}
COMPLETE = "_TOCSIN_COMPLETE"  # set by a shell that asks how a line may go on


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
        if COMPLETE in os.environ:
            from node.cli import completion

            completion.name_things(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say what it may have been meant to be."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            nested = self._nested(ctx, error.command_name)
            if not nested:
                raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None
            meant = " or ".join(f"'{ctx.command_path} {group} {error.command_name}'" for group in nested)
            raise click.UsageError(f"{error.message} Did you mean {meant}?", ctx) from None

    def _nested(self, ctx: click.Context, name: str) -> list[str]:
        """The groups that have a command of this name."""
        groups = [(group, self.get_command(ctx, group)) for group in COMMANDS]
        return [group for group, found in groups if isinstance(found, click.Group) and name in found.commands]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the options of the program itself; those of its commands stand behind them."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name not in options.EVERYWHERE:
                raise
            raise click.UsageError(
                f"{error.option_name} stands behind the command, as in `tocsin status {error.option_name} ...`.", ctx
            ) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            if error.option_name not in options.REMOTE or error.ctx is None:
                raise
            raise click.UsageError(
                f"No such option {error.option_name!r}: this works on the node's own folder, on its machine.", error.ctx
            ) from None
        except NodeError as error:
            errors.show(error)
            ctx.exit(errors.exit_code(error))


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "color": False if os.environ.get("NO_COLOR") else None},
    epilog=options.examples(
        'tocsin init --name "Acme Video" --role platform --country IE',
        "tocsin join charter.tocsin",
        "tocsin status",
        "tocsin crisis list --node node.acme.example:7444 --as officer.pem",
        'eval "$(tocsin completion bash)"',
    )
    + "\n\n\b\nExit codes:"
    + "".join(f"\n  {code}  {word}" for code, (word, _) in errors.MEANINGS.items())
    + "\n\n\b\nMore: `tocsin help exit-codes`, `tocsin help node`, `tocsin help environment`, `tocsin help json`.",
)
@click.version_option(package_name="tocsin", message="%(prog)s %(version)s")
def tocsin() -> None:
    """Exchange crisis declarations and hash lists with the members of a federation."""


def main() -> None:
    """Run the command line."""
    tocsin(prog_name="tocsin")


if __name__ == "__main__":
    main()
