"""A crisis as it goes on, live on a terminal; lines where there is none."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, clock, crises, options, participating, printing
from node.cli.calling import Place
from node.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import RenderableType

    from node.client import Client
    from node.v1 import tools_pb2

LOOK_EVERY_S = 1.0  # the clocks go on where nothing is said
NEWEST = 8  # acts that are shown


@click.command(epilog=options.examples("tocsin crisis watch c-4k7q", "tocsin crisis watch c-4k7q > crisis.log"))
@crises.argument
@options.folder
@options.as_json
def watch(reference: str, folder: Path, as_json: bool) -> None:
    """Watch one crisis: its state, its clock, who takes part, and what is said, until Ctrl-C.

    On a terminal the picture is renewed in place; elsewhere every change is a line, with --json a document a line.
    """
    place = calling.find(folder)
    found = crises.named(place, reference)
    _run(place, found, as_json=as_json)


def follow(place: Place, found: "tools_pb2.CrisisView") -> None:
    """The same after a declaration, on a terminal only: a script goes on."""
    if sys.stdout.isatty() and sys.stdin.isatty():
        click.echo("[Ctrl-C leaves; what was said is out either way]", err=True)
        _run(place, found, as_json=False)


def _run(place: Place, found: "tools_pb2.CrisisView", *, as_json: bool) -> None:
    live = sys.stdout.isatty() and not as_json

    async def work(node: "Client") -> None:
        await (_live(node, found) if live else _lines(node, found, as_json=as_json))

    try:
        calling.ask(place, work)
    except KeyboardInterrupt:
        click.echo()


async def _views(node: "Client", found: "tools_pb2.CrisisView") -> "AsyncIterator[tools_pb2.CrisisView | None]":
    """The crisis as it is, again and again; None while the node does not answer."""
    while True:
        try:
            views = await node.crises(found.object_id.hex(), exercises=True)
            yield next((one for one in views if one.member_id == found.member_id), None)
        except Unavailable:
            yield None
        await asyncio.sleep(LOOK_EVERY_S)


# ---- Lines


async def _lines(node: "Client", found: "tools_pb2.CrisisView", *, as_json: bool) -> None:
    said, last = set[bytes](), ""
    async for view in _views(node, found):
        if view is None:
            continue
        state = crises.line(view)
        new = [one for one in view.acts if one.entry not in said]
        said |= {one.entry for one in new}
        if as_json and (new or state != last):
            printing.print_json_line(printing.fields_of(view))
        elif not as_json:
            for one in new:
                click.echo(f"{printing.moment(one.created_ms)}  {_words(one)}")
            if state != last:
                click.echo(f"{clock.readable(clock.now())}  {state}")
        last = state


def _words(one: "tools_pb2.CrisisActView") -> str:
    why = f" ({one.obstacle})" if one.obstacle else ""
    return printing.plain(f"{one.member_name}: {participating.act_words(one.act)}{why}")


# ---- A terminal


async def _live(node: "Client", found: "tools_pb2.CrisisView") -> None:
    from rich.console import Console
    from rich.live import Live

    view = found
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        async for now in _views(node, found):
            view = now or view
            live.update(_picture(view, is_answered=now is not None), refresh=True)


def _picture(view: "tools_pb2.CrisisView", *, is_answered: bool) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    style = crises.colour(view)
    parts = [Text(printing.plain(crises.line(view)), style=f"bold {style}".strip())]
    parts += [Text(f"  {name:<12}{printing.plain(value)}") for name, value in _facts(view) if value]
    newest = list(view.acts)[-NEWEST:]
    if newest:
        parts += [Text()]
        parts += [Text(f"  {printing.moment(one.created_ms)}  {_words(one)}", overflow="ellipsis") for one in newest]
    if not is_answered:
        parts.append(Text("  The node does not answer; waiting until it does.", style="yellow"))
    return Group(*parts)


def _facts(view: "tools_pb2.CrisisView") -> list[tuple[str, str]]:
    left_ms = view.ends_ms - clock.now_ms()
    stances = [one.stance for one in view.participation]
    said = [f"{stances.count(number)} {name}" for number, name in enumerate(crises.STANCES, 1) if stances.count(number)]
    needed = f" of {view.cosignatures_needed}" if view.cosignatures_needed else ""
    return [
        ("by", view.lead_name),
        ("why", view.reason),
        ("left", _duration(left_ms) if left_ms > 0 and view.state not in crises.OVER else ""),
        ("co-signed", f"{len(view.cosigned_by)}{needed}" if view.cosigned_by or needed else ""),
        ("takes part", ", ".join([*said, f"{stances.count(0)} no answer"]) if said else ""),
        ("linked", ", ".join(view.linked)),
    ]


def _duration(time_ms: int) -> str:
    minutes, seconds = divmod(time_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
