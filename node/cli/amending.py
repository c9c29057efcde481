"""Amending the charter: what would change, who signed, and signing it here."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, options, printing
from node.cli.calling import Place
from node.errors import ConfigError

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import charter_pb2

TEXT_BYTES_MAX = 256 << 10  # that are read of a file; the node says how much a text may have
NAMES_SHOWN = 8


@click.command(
    epilog=options.examples(
        "tocsin charter show --text > parameters.toml        (then edit it)",
        "tocsin charter amend parameters.toml",
        "tocsin charter amend --agree 1",
        "tocsin charter amend --agree 4k7q --yes",
    )
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--agree", metavar="N|REFERENCE", help="Sign what another member proposed; `tocsin charter history`.")
@click.option(
    "--force",
    is_flag=True,
    help="Also where the present members cannot meet a quorum that it changes, or where it undoes later amendments.",
)
@options.folder
@options.as_json
@asking.yes
def amend(file: Path | None, agree: str | None, force: bool, folder: Path, as_json: bool, yes: bool) -> None:
    """Change the rules for all members: propose a whole new text, or sign one that was proposed.

    Shows what changes, in words and line by line, and who must sign; then signs for this member. The amendment
    is in force on every node, without a restart, when as many have signed as the rules in force ask for. A
    signature cannot be taken back. Of two complete ones of one number the smaller hash wins.
    """
    if (file is None) == (agree is None):
        raise click.UsageError("Give either the file of a new text, or --agree with what another member proposed.")
    from node.v1 import charter_pb2

    request = charter_pb2.AmendRequest(force=force)
    if file is not None:
        request.text = read_text(file)
    else:
        request.agree = agree or ""
    place = calling.find(folder)
    meant = _ask(place, request, dry_run=True)
    if not as_json:
        _show(meant)
    if not meant.repeated_call:
        asking.confirm(f"Sign amendment {_name(meant.amendment)}, for all members?", yes=yes)
        request.expected_hash = meant.amendment.hash
        meant = _ask(place, request)
    if as_json:
        printing.print_json(_plain(meant))
        return
    click.echo(_outcome(meant))


def read_text(file: Path) -> bytes:
    """A charter's text from a file; raises ConfigError and Refused, naming the file, for what is none."""
    from node.custody import files
    from node.policy import parameters

    text = files.read_public(file, TEXT_BYTES_MAX)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no UTF-8 text", next_step="Begin with `tocsin charter template`.") from error
    parameters.decode(text, str(file))
    return text


def _ask(place: Place, request: "charter_pb2.AmendRequest", *, dry_run: bool = False) -> "charter_pb2.AmendResponse":
    async def amend(node: "Client") -> "charter_pb2.AmendResponse":
        request.dry_run = dry_run
        return await node.charters.Amend(request)

    return calling.ask(place, amend)


def _plain(done: "charter_pb2.AmendResponse") -> dict[str, object]:
    return {
        **printing.fields_of(done.amendment),
        "changes": list(done.changes),
        "warnings": list(done.warnings),
        "repeated_call": done.repeated_call,
    }


def _show(meant: "charter_pb2.AmendResponse") -> None:
    click.echo(f"Amendment {_name(meant.amendment)}")
    for line in meant.changes or ["  Nothing of what this program knows."]:
        click.echo(f"  {printing.plain(line)}")
    before, after = (text.decode(errors="replace").splitlines() for text in (meant.text_before, meant.text_after))
    named = f"amendment {meant.amendment.number}"
    for line in difflib.unified_diff(before, after, "in force", named, lineterm="", n=1):
        click.echo(f"    {printing.plain(line)}")
    for warning in meant.warnings:
        click.echo(f"  Mind: {printing.plain(warning)}")
    click.echo(f"  It takes {needed(meant.amendment)}. {_signed(meant.amendment)}")


def _outcome(done: "charter_pb2.AmendResponse") -> str:
    one, signed = done.amendment, "Signed already." if done.repeated_call else "Signed."
    if one.state == "in force":
        return f"{signed} Amendment {_name(one)} is in force."
    then = f" They run `tocsin charter amend --agree {one.reference}`." if one.may_sign else ""
    return f"{signed} {_signed(one)}{then}"


def _signed(one: "charter_pb2.AmendmentView") -> str:
    """Who signed, and what is missing."""
    by = _names([signature.name for signature in one.signatures]) or "nobody yet"
    missing = max(one.missing, one.missing_countries)
    if not missing:
        return f"Signed by {by}."
    further = one.missing_countries
    countries = f", from {further} further {'country' if further == 1 else 'countries'}" if further else ""
    return f"Signed by {by}. Missing: {missing} more{countries}. Who may: {_names(one.may_sign) or 'nobody here'}."


def _names(found: Sequence[str]) -> str:
    shown = [printing.plain(name) for name in found[:NAMES_SHOWN]]
    more = [f"{len(found) - NAMES_SHOWN} more"] if len(found) > NAMES_SHOWN else []
    return ", ".join([*shown, *more])


def _name(one: "charter_pb2.AmendmentView") -> str:
    return f"{one.number} ({one.reference})"


def needed(one: "charter_pb2.AmendmentView") -> str:
    """What an amendment takes, in words."""
    from node.feed.quorum import Quorum
    from node.policy import wording

    return wording.words(Quorum(one.count, one.countries, frozenset(one.roles)))


async def signed(node: "Client", member_id: bytes, signed_ms: int) -> list[str]:
    """What a member signed then, and how far it is now; nothing where the node does not say."""
    for one in await _amendments(node):
        if any((by.member_id, by.signed_ms) == (member_id, signed_ms) for by in one.signatures):
            missing = max(one.missing, one.missing_countries)
            return [_name(one), f"{one.state}, {missing} more to sign" if missing else one.state]
    return []


async def _amendments(node: "Client") -> "list[charter_pb2.AmendmentView]":
    from node.v1 import charter_pb2

    return list((await node.charters.ListAmendments(charter_pb2.ListAmendmentsRequest())).amendments)


@click.command(epilog=options.examples("tocsin charter history", "tocsin charter history --json"))
@options.folder
@options.as_json
def history(folder: Path, as_json: bool) -> None:
    """List every amendment: by whom it is signed, what is missing, and how it ended.

    in force; replaced by later ones; proposed, to follow what is in force; beaten by another complete one of
    its number; overtaken: incomplete, and another of its number is in force.
    """
    found = calling.ask(calling.find(folder), _amendments)
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("number", "reference", "state", "signed by", "missing", "last signed"),
        [
            (
                str(one.number),
                one.reference,
                one.state if one.text_here else f"{one.state}, its text is not here yet",
                _names([signature.name for signature in one.signatures]),
                str(max(one.missing, one.missing_countries) or "-"),
                printing.moment(max((signature.signed_ms for signature in one.signatures), default=0)),
            )
            for one in found
        ],
        numbers=("number",),
        wrapped=("state", "signed by"),
        without="The charter was never amended.",
    )
