"""The audit log: who did what here, when, why and to whom; and whether it is what was written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, exporting, options, printing, proving, segments, times
from node.exchange.audit import Operation

if TYPE_CHECKING:
    from node.client import Client
    from node.exchange.audit import Line
    from node.v1.header_pb2 import SignedEntry


@click.group(epilog=options.examples("tocsin audit show", "tocsin audit verify", "tocsin audit search --who anna"))
def audit() -> None:
    """See who did what here, and prove that nobody changed it since.

    Every hour the node says how far its log is, and its peers keep that. Reading the log is noted in it.
    """


# ---- Looking


@audit.command(epilog=options.examples("tocsin audit show", "tocsin audit show -n 100", "tocsin audit show --json"))
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(1, 100_000), help="How many lines.")
@options.folder
@options.as_json
def show(count: int, folder: Path, as_json: bool) -> None:
    """Show the last acts."""
    from node.exchange import extracts

    place = calling.find(folder)
    found = list(extracts.lines(segments.read(place, "show", lines=count), place.federation_id))
    _print(found[-count:], as_json=as_json)


@audit.command(
    epilog=options.examples(
        "tocsin audit search --who anna --since 30d",
        "tocsin audit search --operation disclosure --what member:5d41",
        "tocsin audit search --what 9f86d081 --json",
    )
)
@click.option("--who", default="", help="A tool's or person's name, administrator or node.")
@click.option(
    "--operation",
    default="",
    type=click.Choice(["", *(one.value for one in Operation)]),
    metavar="OPERATION",
    help="One kind.",
)
@click.option("--what", default="", metavar="REF", help="What it was about, from whom or to whom: how that begins.")
@times.since
@options.folder
@options.as_json
def search(who: str, operation: str, what: str, since_ms: int | None, folder: Path, as_json: bool) -> None:
    """Find acts, by who did them, what they were, and what they were about.

    Operations: collection, alteration, consultation, disclosure, combination, erasure, administration.
    """
    from node.exchange import extracts
    from node.exchange.extracts import Wanted

    place, wanted = calling.find(folder), Wanted(who, operation, what, since_ms or 0)
    lines = extracts.lines(segments.read(place, "search", since_ms=wanted.since_ms), place.federation_id)
    _print([line for line in lines if wanted.takes(line)], as_json=as_json)


def _print(lines: "Sequence[Line]", *, as_json: bool) -> None:
    from node.exchange import extracts

    if as_json:
        printing.print_json([extracts.plain(line) for line in lines])
        return
    printing.print_table(
        ("line", "when", "who", "operation", "act", "about", "numbers", "from or to", "why"),
        [
            (
                f"{line.number:,}",
                printing.moment(line.act.at_ms),
                line.act.who,
                line.act.operation.value,
                line.act.act,
                _about(line.act.what),
                ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in line.act.counts.items()),
                line.act.source or line.act.to,
                " ".join(filter(None, (line.act.why.code, line.act.why.text))),
            )
            for line in lines
        ],
        numbers=("line",),
        wrapped=("about", "numbers", "from or to", "why"),
        without="Nothing of that is in the log.",
    )


def _about(what: Sequence[str]) -> str:
    first = printing.shortened(what[0], 32) if what else ""
    return f"{first} and {len(what) - 1:,} more" if len(what) > 1 else first


# ---- Taking along


@audit.command(
    epilog=options.examples(
        "tocsin audit export --to audit.jsonl", "tocsin audit export --since 30d --to november.jsonl"
    )
)
@click.option("--to", "path", required=True, type=click.Path(path_type=Path), help="Where to write it, mode 0600.")
@times.since
@options.folder
def export(path: Path, since_ms: int | None, folder: Path) -> None:
    """Write the log with its proof for an auditor, a JSON document a line.

    First what came before it, then every line to the end, then the anchors that witness it. How an auditor
    checks it without this program: protos/README.md section 12.
    """
    from node.exchange import extracts

    place = calling.find(folder)
    letters, found = segments.with_anchors(place, "export", since_ms or 0)
    found = extracts.since(found, since_ms or 0, place.federation_id)
    count = 0
    with exporting.opened(path) as file:
        for data in found:
            file.write(f"{json.dumps({'preface': extracts.prefaces(data)}, separators=(',', ':'))}\n")
            for line in extracts.lines([data], place.federation_id):
                file.write(f"{json.dumps(extracts.plain(line), separators=(',', ':'))}\n")
                count += 1
        for letter in letters:
            file.write(_anchor_row(letter))
    click.echo(f"{path} (0600): {count:,} lines, witnessed by {len(letters):,} anchors", err=True)


@audit.command(epilog=options.examples("tocsin audit anchors acme-video --to acme.anchors"))
@click.argument("member")
@click.option("--to", "path", required=True, type=click.Path(path_type=Path), help="Where to write them.")
@options.folder
def anchors(member: str, path: Path, folder: Path) -> None:
    """Write the anchors of another member, as this node received them, for whoever audits it."""
    found = calling.ask(calling.find(folder), lambda node: node.anchors(member))
    with exporting.opened(path) as file:
        file.writelines(_anchor_row(one) for one in found.anchors)
    click.echo(f"{path}: {len(found.anchors):,} anchors of {printing.plain(found.name)}", err=True)


@audit.command(epilog=options.examples("tocsin audit witness"))
@options.folder
def witness(folder: Path) -> None:
    """Have the log witnessed now: else the node says every hour how far it is."""
    from node.v1 import audit_pb2

    async def ask(node: "Client") -> audit_pb2.WitnessResponse:
        return await node.audit.Witness(audit_pb2.WitnessRequest())

    said = calling.ask(calling.find(folder), ask)
    click.echo(f"Said to the peers: {said.audit_size:,} lines, root {said.audit_root.hex()[:16]}.")


def _anchor_row(letter: "SignedEntry") -> str:
    made = {"header": letter.header.hex(), "signature": letter.signature.hex()}
    return f"{json.dumps({'anchor': made}, separators=(',', ':'))}\n"


audit.add_command(proving.verify)
