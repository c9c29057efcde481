"""What arrives, as it arrives: for people, and for scripts."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import amending, calling, crises, masses, options, printing, records, situation
from node.content import personal
from node.crisis.words import EXERCISE, IMMINENT
from node.feed import kinds as kind_names
from node.feed.kinds import Kind
from node.policy.opinions import Verdict

if TYPE_CHECKING:
    from node.client import Client, Received
    from node.v1 import record_pb2, tools_pb2

ALARM_EVERY_S = 5.0
WATCH = "watch"  # its name as a subscriber; it never acknowledges, so it has no place of its own

_kinds = click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(list(kind_names.NAMES.values())),
    metavar="KIND",
    help="Only this kind, as declaration or items; once for each.",
)


@click.command(
    epilog=options.examples(
        "tocsin watch",
        "tocsin watch --kind declaration --kind crisis_act",
        "tocsin watch --from-start --json | jq .member_name",
    )
)
@_kinds
@click.option("--from-start", is_flag=True, help="First everything that is here already.")
@options.folder
@options.as_json
def watch(kinds: tuple[str, ...], from_start: bool, folder: Path, as_json: bool) -> None:
    """Show what arrives, a line each. Ctrl-C leaves.

    Goes on when the node restarts. With --json each line is a document: received has the record,
    caught_up says that everything before
    was sent, interrupted that the node does not answer, reset that all begins anew.
    """
    place = calling.find(folder)
    wanted = _numbers(kinds)
    try:
        if as_json:
            calling.ask(place, lambda node: _stream(node, WATCH, wanted, from_now=not from_start))
        else:
            calling.ask(place, lambda node: _show(node, wanted, from_now=not from_start))
    except KeyboardInterrupt:
        return


@click.command(
    epilog=options.examples(
        "tocsin subscribe importer --ack | ./import",
        "tocsin subscribe siren --kind declaration --ack",
    )
)
@click.argument("name")
@_kinds
@click.option("--ack", is_flag=True, help="Each line that was written counts as done; the next start goes on behind.")
@options.folder
def subscribe(name: str, kinds: tuple[str, ...], ack: bool, folder: Path) -> None:
    """Write what arrives as JSON, a line each, for scripts.

    From where this name has left off, at first from the beginning. With --ack at least once: what
    was written just before a crash may be written again.
    """
    if not name.strip():
        raise click.UsageError("A subscription needs a name.")
    place = calling.find(folder)
    wanted = _numbers(kinds)
    try:
        calling.ask(place, lambda node: _stream(node, name, wanted, ack=ack))
    except KeyboardInterrupt:
        return


def _numbers(kinds: Sequence[str]) -> list[int]:
    return [Kind[name.upper()].value for name in kinds]


# ---- For programs


async def _stream(
    node: "Client", name: str, kinds: Sequence[int], *, from_now: bool = False, ack: bool = False
) -> None:
    from node.client import CaughtUp, Interrupted, Received, Reset

    async for event in node.subscribe(name, kinds_wanted=kinds, from_now=from_now):
        match event:
            case Received():
                printing.print_json_line(_plain(event))
            case CaughtUp():
                printing.print_json_line({"event": "caught_up"})
            case Interrupted():
                printing.print_json_line({"event": "interrupted"})
            case Reset():
                printing.print_json_line({"event": "reset"})
        if ack and isinstance(event, Received | CaughtUp):
            await node.acknowledge(name, event.cursor)


def _plain(event: "Received") -> dict[str, Any]:
    return {
        "event": "received",
        "kind": kind_names.name(event.kind),
        "member_id": event.member_id.hex(),
        "member_name": event.member_name,
        "object_id": event.object_id.hex(),
        "entry": event.entry.hex(),
        "exercise": event.exercise,
        "urgent": event.urgent,
        "created_ms": event.created_ms,
        "expires_ms": event.expires_ms,
        "received_ms": event.received_ms,
        "cursor": printing.fields_of(event.cursor),
        "record": records.fields(event.record) if event.record else None,
    }


# ---- For people


async def _show(node: "Client", kinds: Sequence[int], *, from_now: bool) -> None:
    import asyncio

    alarms = asyncio.create_task(_alarm(node))
    try:
        await _show_all(node, kinds, from_now=from_now)
    finally:
        alarms.cancel()


async def _alarm(node: "Client") -> None:
    """Tell people of mass withdrawals, of each once."""
    import asyncio

    from grpc.aio import AioRpcError

    from node.errors import Unavailable

    told = set[tuple[bytes, int]]()
    while True:
        with suppress(AioRpcError, Unavailable):  # it is not there, or does not know of them
            for one in await masses.ask(node):
                if (one.member_id, one.began_ms) not in told:
                    told.add((one.member_id, one.began_ms))
                    click.echo(click.style(masses.words(one), bold=True))
        await asyncio.sleep(ALARM_EVERY_S)


async def _show_all(node: "Client", kinds: Sequence[int], *, from_now: bool) -> None:
    from node.client import CaughtUp, Interrupted, Received, Reset

    caught_up = False
    lists: dict[bytes, str] = {}
    async for event in node.subscribe(WATCH, kinds_wanted=kinds, from_now=from_now):
        match event:
            case Received(kind=Kind.RECEIPT | Kind.ACKNOWLEDGEMENT) if not kinds:
                pass  # every member sends one: `tocsin withdraw status` and `tocsin crisis receipts` count them
            case Received():
                line = await _line(node, event, lists)
                colour = crises.DRILL_COLOUR if event.exercise else None
                click.echo(click.style(line, bold=_is_urgent(event), fg=colour))
            case CaughtUp() if not caught_up:  # it comes again behind every batch
                caught_up = True
                click.echo("Watching. Ctrl-C leaves.", err=True)
            case Interrupted() if caught_up:
                caught_up = False
                click.echo("The node does not answer; waiting until it does.", err=True)
            case Reset():
                click.echo("The node has another store: everything is shown again.", err=True)


def _is_urgent(event: "Received") -> bool:
    """What somebody should look at who has looked away: never a drill."""
    record = event.record
    threat = record and (record.crisis.HasField("pointer") or record.crisis_act.HasField("pointer"))
    return not event.exercise and (event.kind == Kind.DECLARATION or bool(threat))


async def _line(node: "Client", event: "Received", lists: dict[bytes, str]) -> str:
    kind = "CRISIS" if event.kind == Kind.CRISIS_ACT else kind_names.name(event.kind).upper().replace("_", " ")
    what = [kind, *await _what(node, event, lists)]
    if event.kind != Kind.CRISIS_ACT or len(what) == 1:  # else its author stands before what it says
        what.append(f"by {printing.plain(event.member_name)}")
    if event.record and event.record.HasField("crisis"):
        what[-1] += f", ends {printing.moment(event.record.crisis.ends_ms)}"
    return f"{printing.moment(event.received_ms)}  {EXERCISE + ' ' if event.exercise else ''}{' '.join(what)}"


async def _what(node: "Client", event: "Received", lists: dict[bytes, str]) -> list[str]:
    """What stands between the kind and its author."""
    from node.content import names
    from node.feed import keys

    record = event.record
    if event.kind == Kind.AMEND:
        return await amending.signed(node, event.member_id, event.created_ms)
    match record.WhichOneof("content") if record else None, record:
        case "crisis", found if found:
            return await _declared(node, event, found)
        case "crisis_act", found if found:
            words = f"{event.member_name}: {situation.act(found.crisis_act)}"
            return [await _reference(node, event.object_id), printing.plain(words)]
        case "list", found if found:
            owner = names.slug(event.member_name) or keys.readable(event.member_id, 5).lower()
            return [printing.plain(f"{owner}/{found.list.name}")]
        case "items", found if found:
            return [
                await _list_name(node, event, lists),
                f"{len(records.values(found.items)):,}",
                printing.plain(found.items.kind),
            ]
        case "opinion", found if found:
            verdict = found.opinion.verdict
            return [Verdict(verdict).words] if verdict in set(Verdict) else []
        case _:
            return []


async def _declared(node: "Client", event: "Received", found: "record_pb2.Record") -> list[str]:
    """Which crisis, what decides whether somebody gets up, and whether it may be believed."""
    from node.crisis import wording

    view = await _crisis(node, event.object_id, event.member_id)
    title = printing.shortened(personal.mask(found.crisis.title))
    marks = [IMMINENT] if found.crisis.HasField("pointer") else []
    about = printing.plain(wording.crisis(found.crisis, situation.manner()))
    doubts = f"NOT VERIFIED ({printing.plain(view.unverified)})" if view and view.unverified else ""
    reference = view.reference if view else _by_itself(event.object_id)
    return [*marks, reference, title, *filter(None, [f"({about})" if about else "", doubts])]


async def _list_name(node: "Client", event: "Received", lists: dict[bytes, str]) -> str:
    """As the node says it; asked once for each list, for a large one has hundreds of records."""
    from node.content import names
    from node.errors import Refused

    key = event.member_id + event.object_id
    if key not in lists:
        try:
            found = await node.lists(event.object_id.hex(), exercises=True)
        except Refused:
            return names.reference("l", event.object_id, [event.object_id])
        # Another member may have taken the same id.
        lists.update({one.member_id + one.object_id: printing.plain(one.name) for one in found})
    return lists.get(key, "")


async def _reference(node: "Client", object_id: bytes) -> str:
    """As the node says it, which knows all the others; by itself where the node does not show it yet."""
    found = await _crisis(node, object_id)
    return found.reference if found else _by_itself(object_id)


def _by_itself(object_id: bytes) -> str:
    from node.content import names

    return names.reference("c", object_id, [object_id])


async def _crisis(node: "Client", object_id: bytes, member_id: bytes = b"") -> "tools_pb2.CrisisView | None":
    from node.errors import Refused

    try:
        found = await node.crises(object_id.hex(), exercises=True)
    except Refused:
        return None
    return next((one for one in found if one.member_id == member_id), found[0])
