"""A crisis as it goes on, live on a terminal; lines where there is none."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import acknowledging, calling, clock, crises, options, picture, printing, situation
from node.cli.calling import Place
from node.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from node.client import Client
    from node.v1 import tools_pb2

LOOK_EVERY_S = 1.0  # the clocks go on where nothing is said
ANSWER_S = 5.0  # so long a node may take before it is said that it does not answer


@dataclass(frozen=True, slots=True)
class Look:
    """A crisis as it is, and whom it, or what is watched of it, has reached."""

    view: "tools_pb2.CrisisView"
    reached: "tools_pb2.ListAcknowledgementsResponse"

    def fields(self) -> dict[str, Any]:
        """For programs."""
        return {**printing.fields_of(self.view), "reached": situation.reached(self.reached)}


@click.command(epilog=options.examples("tocsin crisis watch c-4k7q", "tocsin crisis watch c-4k7q > crisis.log"))
@crises.argument
@options.folder
@options.as_json
def watch(reference: str, folder: Path, as_json: bool) -> None:
    """Watch one crisis: its state and clocks, whom it has reached, who takes part, what is said, until Ctrl-C.

    On a terminal the picture is renewed in place; elsewhere every change is a line, the first of which is its mark;
    with --json a document a line.
    Goes on when the node restarts.
    """
    place = calling.find(folder)
    found = crises.named(place, reference)
    _run(place, found, b"", as_json=as_json)


def follow(place: Place, found: "tools_pb2.CrisisView", entry: bytes = b"") -> None:
    """The same after something was said, on a terminal only: a script goes on. ``entry``: whose deliveries to show."""
    if sys.stdout.isatty() and sys.stdin.isatty():
        click.echo("[Ctrl-C leaves; what was said is out either way]", err=True)
        _run(place, found, entry, as_json=False)


def _run(place: Place, found: "tools_pb2.CrisisView", entry: bytes, *, as_json: bool) -> None:
    live = sys.stdout.isatty() and not as_json

    async def work(node: "Client") -> None:
        await (_live(node, found, entry) if live else _lines(node, found, entry, as_json=as_json))

    try:
        calling.ask(place, work)
    except KeyboardInterrupt:
        click.echo()


async def _looks(node: "Client", found: "tools_pb2.CrisisView", entry: bytes) -> "AsyncIterator[Look | None]":
    """The crisis as it is, again and again; None while the node does not answer."""
    import asyncio

    while True:
        try:
            async with asyncio.timeout(ANSWER_S):
                views = await node.crises(found.object_id.hex(), exercises=True)
                view = next((one for one in views if one.member_id == found.member_id), None)
                reached = await node.acknowledgements(entry=entry or found.entry)
            yield Look(view, reached) if view else None
        except (Unavailable, TimeoutError):
            yield None
        await asyncio.sleep(LOOK_EVERY_S)


# ---- Lines


async def _lines(node: "Client", found: "tools_pb2.CrisisView", entry: bytes, *, as_json: bool) -> None:
    told, last, marking = set[bytes](), list[str](), ""
    is_answered = True
    async for look in _looks(node, found, entry):
        if look is None:
            if is_answered:
                click.echo("The node does not answer; waiting until it does.", err=True)
            is_answered = False
            continue
        is_answered = True
        new = [one for one in look.view.acts if one.entry not in told]
        told |= {one.entry for one in new}
        lines = _standing(look)
        if as_json and (new or lines != last):
            printing.print_json_line(look.fields())
        elif not as_json:
            if marking != (marking := crises.marking(look.view)):  # first of all: what follows is under it
                click.echo(f"{clock.readable(clock.now())}  {marking}")
            for one in new:
                click.echo(f"{printing.moment(one.created_ms)}  {situation.said(one, look.view)}")
            for line in lines:
                if line not in last:
                    click.echo(f"{clock.readable(clock.now())}  {line}")
        last = lines


def _standing(look: Look) -> list[str]:
    """What is told again where it changes: not the clocks."""
    view = look.view
    return [
        *situation.first(view),
        crises.line(view),
        acknowledging.summary(look.reached),
        *(f"co-signed {one}" for one in filter(None, [situation.cosigned(view)])),
        *(f"list {printing.plain(situation.list_(one))}" for one in view.lists),
    ]


# ---- A terminal


async def _live(node: "Client", found: "tools_pb2.CrisisView", entry: bytes) -> None:
    from rich.console import Console
    from rich.live import Live

    look: Look | None = None
    shown = list[picture.Line]()
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        async for now in _looks(node, found, entry):
            look = now or look
            view, reached = (look.view, look.reached) if look else (found, None)
            lines = picture.lines(view, reached, console, is_answered=now is not None)
            if lines != shown:  # else the screen would flicker every second
                live.update(picture.drawn(lines), refresh=True)
            shown = lines
