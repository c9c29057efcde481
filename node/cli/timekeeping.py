"""The node's clock, where the node doubts it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, options, printing

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import signing_pb2


@click.group(epilog=options.examples("tocsin clock confirm", "tocsin clock confirm --yes"))
def clock() -> None:
    """Say that this machine's clock is right."""


@clock.command(
    epilog=options.examples("tocsin clock confirm", "timedatectl && tocsin clock confirm --yes")
    + options.exit_codes("0 the clock is not in doubt now, 1 it was not confirmed, 4 the node does not run.")
)
@options.folder
@asking.yes
def confirm(folder: Path, yes: bool) -> None:
    """End the doubt: the node signs and erases by its clock again.

    A node doubts its clock when that jumps by more than an hour, or after a start is a day behind the last run. Look
    first whether the clock is right: what is erased by a wrong one does not come back.
    """
    place = calling.find(folder)
    seen = calling.ask(place, _look)
    if seen.state != "clock" and seen.may_erase:
        click.echo("The clock is not in doubt.")
        return
    click.echo(seen.reason or "No peer has told its time since the start, and the node stood still for long.")
    click.echo(f"This machine says it is {printing.moment(seen.now_ms)}.")
    asking.confirm("Is that right?", yes=yes)
    now = calling.ask(place, _confirm)
    click.echo(f"The clock counts again. Signing: {words(now)}")


async def _look(node: "Client") -> "signing_pb2.SigningView":
    from node.v1 import admin_pb2

    return (await node.admin.GetStatus(admin_pb2.GetStatusRequest())).signing


async def _confirm(node: "Client") -> "signing_pb2.SigningView":
    from node.v1 import signing_pb2

    return (await node.signing.ConfirmClock(signing_pb2.ConfirmClockRequest())).signing


def words(seen: "signing_pb2.SigningView") -> str:
    """Whether the node may sign, on one line."""
    return seen.state if not seen.reason else f"{seen.state}: {seen.reason}. {seen.next_step}"
