"""Who is woken here when a crisis is declared: whether that works, and trying it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, options, printing

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import alarms_pb2

FAILED = 1


@click.group(epilog=options.examples("tocsin alarm list", "tocsin alarm test", "tocsin alarm test --route 2"))
def alarm() -> None:
    """See who is woken here when a crisis is declared, and try it.

    The routes stand in node.toml, under [alarm]. They are tried one after the other, until somebody
    acknowledges the crisis: `tocsin crisis acknowledge`.
    """


@alarm.command(name="list", epilog=options.examples("tocsin alarm list", "tocsin alarm list --json"))
@options.folder
@options.as_json
def list_(folder: Path, as_json: bool) -> None:
    """List the routes: when each is tried, when it was last used, and what came back."""

    async def work(node: "Client") -> "alarms_pb2.ListRoutesResponse":
        from node.v1 import alarms_pb2

        return await node.alarms.ListRoutes(alarms_pb2.ListRoutesRequest())

    found = calling.ask(calling.find(folder), work)
    if as_json:
        printing.print_json(printing.fields_of(found))
        return
    printing.print_table(
        ("route", "name", "what", "after", "last used", "failed", "came back"),
        [_row(one) for one in found.routes],
        numbers=("route", "failed"),
        wrapped=("came back",),
        without="Nobody is woken here: [alarm] of node.toml has no route.",
    )
    if found.waiting:
        click.echo(f"{found.waiting:,} more crises wake nobody before an hour is over: alarm.per_hour.")


@alarm.command(
    epilog=options.examples("tocsin alarm test", "tocsin alarm test --route 2 --json")
    + options.exit_codes("0 all came through, 1 one or more did not.")
)
@click.option("--route", type=click.IntRange(min=1), metavar="N", help="Only this one, by its number.")
@options.folder
@options.as_json
@click.pass_context
def test(ctx: click.Context, route: int | None, folder: Path, as_json: bool) -> None:
    """Wake everybody now, and say that it is a test; print what came back.

    All routes are used at once, each once. The exit code is 1 where one does not come through.
    """

    async def work(node: "Client") -> "alarms_pb2.TestRoutesResponse":
        from node.v1 import alarms_pb2

        return await node.alarms.TestRoutes(alarms_pb2.TestRoutesRequest(route=route or 0))

    found = calling.ask(calling.find(folder), work)
    if as_json:
        printing.print_json(printing.fields_of(found))
    else:
        for one in found.trials:
            word = "came through" if one.through else "DID NOT COME THROUGH"
            answer = f": {printing.plain(one.answer)}" if one.answer else ""
            click.echo(f"route {one.number} ({printing.plain(one.name)}) {word} in {one.took_ms / 1000:.1f} s{answer}")
    ctx.exit(0 if all(one.through for one in found.trials) else FAILED)


def _row(one: "alarms_pb2.RouteView") -> tuple[str, ...]:
    used = printing.moment(one.used_ms) if one.used_ms else "never"
    failed = f"{one.failures:,} of {one.tries:,}" if one.tries else "-"
    came = one.answer or ("through" if one.through else "under way" if one.used_ms else "")
    after = f"{one.after_ms // 1000} s" if one.after_ms < 120_000 else f"{one.after_ms // 60_000} min"
    return (str(one.number), one.name, f"{one.kind} {one.target}", after, used, failed, came)
