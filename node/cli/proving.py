"""Verifying the audit log: whether it is what was written, by its own lines and by what peers witnessed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import calling, clock, options, printing, segments
from node.errors import Refused

if TYPE_CHECKING:
    from node.cli.calling import Place
    from node.custody.journals import Compared
    from node.exchange.audit import Report
    from node.v1.header_pb2 import SignedEntry

FAULTY = 1
ANCHORS_BYTES_MAX = 64 << 20  # of a file: ten years of hourly anchors have 40 MB


@click.command(
    epilog=options.examples(
        "tocsin audit verify",
        "tocsin audit verify --anchors acme.anchors",
        "tocsin audit verify --as auditor.pem --anchors acme.anchors --keep-days 366",
    )
    + options.exit_codes("0 log and journal are as they were written, 1 one is not.")
)
@click.option(
    "--anchors",
    "file",
    type=click.Path(path_type=Path),
    help="What a peer kept, by `tocsin audit anchors` on its node: then this node's own ledger need not be believed.",
)
@click.option(
    "--keep-days",
    type=click.IntRange(min=1),
    help="For how long every line must be there. Not said: as the node that is audited says.",
)
@options.folder
@options.as_json
@click.pass_context
def verify(ctx: click.Context, file: Path | None, keep_days: int | None, folder: Path, as_json: bool) -> None:
    """Check that no line was changed, removed or moved, and that the whole is what peers witnessed.

    \b
    CHANGED    a line is not what was written, or all from there on was written anew
    REMOVED    lines are missing, and later ones stand; or they went before their time
    REORDERED  a line stands in another's place
    CUT        the last line has no end: the machine stopped, or somebody cut it
    LOST       lines that were witnessed are not there, and nothing claims to be them: a copy was restored

    On the node's own machine the erasure journal is compared with what the same anchors say of it, too.
    """  # noqa: D301 - click's own mark
    from node import config as configs
    from node.exchange import audit as lines

    place = calling.find(folder)
    letters = _anchors_of(file) if file else None
    shown = segments.witnessed(place, letters)
    if file and not any(one.size for one in shown.witnesses):
        raise _uncounted(file)
    kept = kept_by(keep_days, None if place.remote else place.config.audit_life_ms, shown.keep_days)
    kept_from_ms = clock.now_ms() - kept.days * configs.DAY_MS
    report = lines.verify(shown.segments, shown.witnesses, place.federation_id, kept_from_ms)
    journal = None if place.remote else _journal(place, letters)
    if as_json:
        printing.print_json(_plain(report, len(shown.witnesses), kept, journal))
    else:
        _show(report, len(shown.witnesses), file)
        if letters and len(letters) > len(shown.witnesses):
            click.echo(f"  {len(letters) - len(shown.witnesses):,} others in {file} are about other nodes")
        click.echo(f"  every line of the last {kept.days:,} days must be there: {_WORD[kept.word]}")
        _show_journal(journal)
    ctx.exit(FAULTY if report.found or (journal and journal.found) else 0)


def _uncounted(file: Path) -> Refused:
    return Refused(
        f"no anchor in {file} is about this node's log",
        next_step="Have a peer write it, by the name of this node's member: `tocsin audit anchors NAME`. If that was "
        "done, this node does not say which feeds are its own, and nothing is proven of its log.",
        field="anchors",
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days a line is kept, and by whose word."""

    days: int
    word: str


_WORD = {
    "option": "--keep-days says so",
    "folder": "audit.keep_days in node.toml says so",
    "node": "the node says so itself; --keep-days N is your own word for it",
}


def kept_by(option: int | None, life_ms: int | None, stated: int) -> Kept:
    """What was typed, or what the folder says, or what the node states; raises Refused where nobody says it."""
    from node import config as configs

    if option is not None:
        return Kept(option, "option")
    if life_ms is not None:
        return Kept(life_ms // configs.DAY_MS, "folder")
    if not stated:
        raise Refused(
            "this node does not say for how many days it keeps its audit log",
            next_step="Give what its member told you: --keep-days N. Else lines could have been erased early, unseen.",
            field="keep_days",
        )
    return Kept(stated, "node")


def _show(report: "Report", witnesses: int, file: Path | None) -> None:
    whose = f"anchors in {file}" if file else "anchors in this node's own ledger"
    if report.found:
        click.echo(f"{report.found.fault}: {_lines(report.found.first, report.found.last)}.")
        click.echo(f"  {_MEANING[report.found.fault.value]}")
        if report.found.fault == "LOST" and report.confirmed + 1 < report.found.first:
            click.echo(f"  {_lines(report.confirmed + 1, report.found.first - 1)} before them stand unwitnessed")
    else:
        click.echo(f"The log is as it was written: {_lines(report.first, report.size)}.")
    how = "erased" if report.found else "erased by their own time"
    gone = f", {_lines(1, report.first - 1)} {how}" if report.first > 1 else ""
    click.echo(f"  root {report.root.hex()[:16]} over {report.size:,}{gone}")
    saw = f"{report.matching:,} of {witnesses:,} {whose} saw this very log"
    click.echo(f"  {saw}{f', {report.erased:,} what is erased by now' if report.erased else ''}")
    if not witnesses:
        click.echo("  nobody has witnessed it yet: a log written anew as a whole would not show")


def _journal(place: "Place", letters: "list[SignedEntry] | None") -> "Compared":
    from node.custody import journals

    return journals.compare(place.config, letters)


def _show_journal(journal: "Compared | None") -> None:
    if journal is None:
        click.echo("The erasure journal was not looked at: that is done on the node's own machine.")
    elif journal.found:
        from node.custody import journals

        click.echo(f"Erasure journal {journal.found.fault}: {_lines(journal.found.first, journal.found.last)}.")
        how = "Anchors saw them." if journal.found.fault == "LOST" else "They do not follow, or anchors saw other ones."
        click.echo(f"  {how} {journals.MEND}")
    else:
        saw = f"as {journal.witnesses:,} anchors saw it" if journal.witnesses else "and nobody has witnessed it yet"
        click.echo(f"The erasure journal has {journal.size:,} lines, {saw}.")


_MEANING = {
    "CHANGED": "It is not what was written then. What stands before it is.",
    "REMOVED": "Somebody took them out, or erased them before their days were over.",
    "REORDERED": "Another line stands there.",
    "CUT": "It has no end. A machine that stops may leave this; the node's next start takes it off.",
    "LOST": "They were witnessed and are not there. The log ends before them, or says that it goes on from a copy.",
}


def _lines(first: int, last: int) -> str:
    return f"line {first:,}" if first == last else f"lines {first:,} to {last:,}"


def _plain(report: "Report", witnesses: int, kept: Kept, journal: "Compared | None") -> dict[str, object]:
    found = report.found
    return {
        "first": report.first,
        "size": report.size,
        "root": report.root.hex(),
        "witnesses": witnesses,
        "matching": report.matching,
        "erased": report.erased,
        "confirmed": report.confirmed,
        "keep_days": kept.days,
        "keep_days_word": kept.word,
        "fault": found.fault.value if found else "",
        "from": found.first if found else 0,
        "to": found.last if found else 0,
        "journal": _plain_journal(journal) if journal else None,
    }


def _plain_journal(journal: "Compared") -> dict[str, object]:
    found = journal.found
    return {
        "size": journal.size,
        "witnesses": journal.witnesses,
        "fault": found.fault.value if found else "",
        "from": found.first if found else 0,
        "to": found.last if found else 0,
    }


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
