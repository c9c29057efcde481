"""The audit log: who did what here, when, why and to whom; and whether it is what was written."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli import calling, clock, exporting, options, printing, times
from node.errors import Refused, Unavailable
from node.exchange.audit import Operation

if TYPE_CHECKING:
    from node.cli.calling import Place, Work
    from node.client import Client
    from node.exchange.audit import Line, Report, Witness
    from node.v1.header_pb2 import SignedEntry

FAULTY = 1
ANCHORS_BYTES_MAX = 64 << 20  # of a file: ten years of hourly anchors have 40 MB

Found = TypeVar("Found")


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
    found = list(extracts.lines(_read(place, "show", lines=count), place.federation_id))
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
    lines = extracts.lines(_read(place, "search", since_ms=wanted.since_ms), place.federation_id)
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


# ---- Verifying


@audit.command(
    epilog=options.examples(
        "tocsin audit verify",
        "tocsin audit verify --anchors acme.anchors",
        "tocsin audit verify --as auditor.pem --json",
    )
    + options.exit_codes("0 the log is as it was written, 1 it is not.")
)
@click.option(
    "--anchors",
    "file",
    type=click.Path(path_type=Path),
    help="What a peer kept, by `tocsin audit anchors` on its node: then this node's own ledger need not be believed.",
)
@options.folder
@options.as_json
@click.pass_context
def verify(ctx: click.Context, file: Path | None, folder: Path, as_json: bool) -> None:
    """Check that no line was changed, removed or moved, and that the whole is what peers witnessed.

    \b
    CHANGED    a line is not what was written, or all from there on was written anew
    REMOVED    lines are missing, and later ones stand; or they went before their time
    REORDERED  a line stands in another's place
    CUT        the last line has no end: the machine stopped, or somebody cut it
    LOST       lines that were witnessed are not there, and none that is was changed: a copy was restored
    """  # noqa: D301 - click's own mark
    from node.exchange import audit as lines

    place = calling.find(folder)
    letters = _anchors_of(file) if file else None
    segments, witnesses = _witnessed(place, letters)
    kept_from_ms = 0 if place.remote else clock.now_ms() - place.config.audit_life_ms
    report = lines.verify(segments, witnesses, place.federation_id, kept_from_ms)
    if as_json:
        printing.print_json(_plain(report, len(witnesses)))
    else:
        _show(report, len(witnesses), file)
    ctx.exit(FAULTY if report.found else 0)


def _show(report: "Report", witnesses: int, file: Path | None) -> None:
    whose = f"anchors in {file}" if file else "anchors in this node's own ledger"
    if report.found:
        click.echo(f"{report.found.fault}: {_lines(report.found.first, report.found.last)}.")
        click.echo(f"  {_MEANING[report.found.fault.value]}")
    else:
        click.echo(f"The log is as it was written: {_lines(report.first, report.size)}.")
    gone = f", {_lines(1, report.first - 1)} erased by their own time" if report.first > 1 else ""
    click.echo(f"  root {report.root.hex()[:16]} over {report.size:,}{gone}")
    saw = f"{report.matching:,} of {witnesses:,} {whose} saw this very log"
    click.echo(f"  {saw}{f', {report.erased:,} what is erased by now' if report.erased else ''}")
    if not witnesses:
        click.echo("  nobody has witnessed it yet: a log written anew as a whole would not show")


_MEANING = {
    "CHANGED": "It is not what was written then. What stands before it is.",
    "REMOVED": "Somebody took them out, or erased them before the days that audit.keep_days keeps them.",
    "REORDERED": "Another line stands there.",
    "CUT": "It has no end. A machine that stops may leave this; the node's next start takes it off.",
    "LOST": "They were witnessed and are not there; no line that stands was changed. A copy was brought back.",
}


def _lines(first: int, last: int) -> str:
    return f"line {first:,}" if first == last else f"lines {first:,} to {last:,}"


def _plain(report: "Report", witnesses: int) -> dict[str, object]:
    found = report.found
    return {
        "first": report.first,
        "size": report.size,
        "root": report.root.hex(),
        "witnesses": witnesses,
        "matching": report.matching,
        "erased": report.erased,
        "fault": found.fault.value if found else "",
        "from": found.first if found else 0,
        "to": found.last if found else 0,
    }


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
    letters, segments = _with_anchors(place, "export", since_ms or 0)
    segments = extracts.since(segments, since_ms or 0, place.federation_id)
    count = 0
    with exporting.opened(path) as file:
        for data in segments:
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


def _anchors_of(path: Path) -> "list[SignedEntry]":
    """The anchors in a file of `anchors`, or of `export`."""
    from node.v1.header_pb2 import SignedEntry

    found = []
    try:
        with path.open("rb") as file:
            for row in file.read(ANCHORS_BYTES_MAX).splitlines():
                said: Any = json.loads(row).get("anchor")
                if said:
                    header, signature = bytes.fromhex(said["header"]), bytes.fromhex(said["signature"])
                    found.append(SignedEntry(header=header, signature=signature))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(
            f"{path} has no anchors that can be read: {error}",
            next_step="Name a file that `tocsin audit anchors` wrote on a peer's node.",
            field="anchors",
        ) from error
    return found


# ---- Where the log is: with the node that runs, or in the folder of one that does not


def _ask(place: "Place", ask: "Work[Found]", without: Callable[[], Found]) -> Found:
    try:
        return calling.ask(place, ask)
    except Unavailable:
        if place.remote:
            raise
    return without()


def _read(place: "Place", use: str, *, since_ms: int = 0, lines: int = 0) -> list[bytes]:
    return _ask(
        place, lambda node: node.audit_log(use, since_ms=since_ms, lines=lines), lambda: _read_folder(place, use)
    )


def _read_folder(place: "Place", use: str) -> list[bytes]:
    from node.custody import auditing

    return auditing.read(place.config, place.federation_id, use, clock.now_ms())


def _witnessed(place: "Place", letters: "Sequence[SignedEntry] | None") -> "tuple[list[bytes], list[Witness]]":
    """The log, and what these anchors say of it, or those that the node holds."""

    async def ask(node: "Client") -> "tuple[list[bytes], list[Witness]]":
        held = await node.anchors()
        seen = await node.witnesses(held.anchors if letters is None else letters, held.own_feeds)
        return await node.audit_log("verify"), seen

    def without() -> "tuple[list[bytes], list[Witness]]":
        from node.custody import auditing

        return _read_folder(place, "verify"), auditing.witnessed(place.config, letters)

    return _ask(place, ask, without)


def _with_anchors(place: "Place", use: str, since_ms: int) -> "tuple[Sequence[SignedEntry], list[bytes]]":
    async def ask(node: "Client") -> "tuple[Sequence[SignedEntry], list[bytes]]":
        return (await node.anchors()).anchors, await node.audit_log(use, since_ms=since_ms)

    def without() -> "tuple[Sequence[SignedEntry], list[bytes]]":
        from node.custody import auditing

        return auditing.held(place.config), _read_folder(place, use)

    return _ask(place, ask, without)
