"""Stores of an older program become this one's."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import options, printing

if TYPE_CHECKING:
    from node.custody.upgrading import Plan, Step

NEEDED = 1  # the exit code of --check where there is something to do

WORDS = {
    "none": "nothing to do",
    "made": "not there yet: the next start makes it",
    "marked": "written: the node signs on this machine",
    "noted": "only its version is noted",
    "migrated": "migrated in one transaction",
    "rebuilt": "made anew from ledger and keys",
}


@click.command(
    epilog=options.examples(
        "tocsin upgrade --check",
        "systemctl stop tocsin && tocsin upgrade && systemctl start tocsin",
    )
    + options.exit_codes(
        "0 done or nothing to do, 1 with --check: there is something to do,\n"
        "3 a newer program's store, no room for it, or the node runs, 4 the disk failed: as it was."
    )
)
@click.option("--check", is_flag=True, help="Change nothing: say what would be done, how long it may take, what room.")
@options.own_folder
@options.as_json
@click.pass_context
def upgrade(context: click.Context, check: bool, folder: Path, as_json: bool) -> None:
    """Bring the stores to this program's version.

    The node must be stopped; --check may run beside it. A store never goes back to an older version.
    """
    from node import config as configs
    from node.custody import upgrading

    settings = configs.load(options.config_file(folder))
    found = upgrading.plan(settings) if check else upgrading.upgrade(settings)
    if as_json:
        printing.print_json(_fields(found))
    else:
        _show(found, check=check)
    context.exit(NEEDED if check and found.is_needed else 0)


def _show(found: "Plan", *, check: bool) -> None:
    from node.store import schema

    rows = [(str(step.path), _versions(step, schema.VERSION), WORDS[step.action]) for step in found.steps]
    printing.print_table(("file", "version", "what"), rows)
    if not found.is_needed:
        click.echo("Nothing to do.")
    elif check:
        click.echo(
            f"It may take {found.seconds or 1} s and {found.room_bytes >> 20:,} MiB of room,"
            f" of {found.free_bytes >> 20:,} MiB that are free."
        )
        click.echo("Next: stop the node, `tocsin upgrade`, start it.")
    else:
        click.echo("Done. Next: start the node.")


def _versions(step: "Step", version: int) -> str:
    return f"{step.version or '-'}" if step.version in (0, version) else f"{step.version} -> {version}"


def _fields(found: "Plan") -> dict[str, Any]:
    from node.store import schema

    return {
        "version": schema.VERSION,
        "needed": found.is_needed,
        "seconds": found.seconds,
        "room_bytes": found.room_bytes,
        "free_bytes": found.free_bytes,
        "stores": [{"path": str(step.path), "version": step.version, "action": step.action} for step in found.steps],
    }
