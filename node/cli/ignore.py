"""What counts as no match at this node, by our own decision alone."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, clock, options, printing, times
from node.content import hashes, lines
from node.content.lines import Layout

if TYPE_CHECKING:
    from node.client import Client
    from node.content.hashes import Item
    from node.v1 import ignores_pb2

LIST, END = "list", "end"
DIGITS_MIN = 32  # of the shortest digest; no reference has so many


@click.command(
    epilog=options.examples(
        "tocsin ignore europol/halle/7f3k:1042 --for 7d --justify complaint 'a news report, ticket 4711'",
        "tocsin ignore 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tocsin ignore https://news.example/report --for 30d",
        "tocsin ignore europol/halle",
        "tocsin ignore list",
        "tocsin ignore end i-4k7q",
    )
)
@click.argument("what", metavar="ITEM|VALUE|LIST|CRISIS|list|end")
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--kind", type=click.Choice(list(hashes.KINDS)), help="Of a value. Default: by how it is written.")
@times.ends
@options.justify
@options.folder
@options.as_json
def ignore(
    what: str,
    reference: str | None,
    kind: str | None,
    life_ms: int | None,
    until_ms: int | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Count something as no match here, asking nobody.

    An item is one place of one list; a value (a digest or URL) is ignored whoever lists it. Of a list or a crisis
    all items are. Look-ups answer as if it were not listed, and say beside that it is ignored. No other member ever
    hears of it: to tell them what is wrong with it, `tocsin opine`.

    `list` shows what is ignored, `end REF` ends it before its time. A value is kept five years at most, is in no
    backup, and is not shown again. An owner that writes a record anew gives its items new places: ignore the value
    where that must not bring it back.
    """
    if what in (LIST, END):
        if life_ms or until_ms or kind or bool(reference) != (what == END):
            raise click.UsageError(
                "`tocsin ignore list` takes nothing." if what == LIST else "`tocsin ignore end REF`: which one?"
            )
        place = calling.find(folder)
        if what == LIST:
            _list(place, as_json=as_json)
        else:
            _end(place, str(reference), as_json=as_json)
        return
    if reference:
        raise click.UsageError(f"One at a time: {what} or {reference}?")
    end_ms = times.end_ms(life_ms, until_ms, clock.now_ms()) or 0
    _ignore(calling.find(folder), what, _value(what, kind), end_ms, as_json=as_json)


def _ignore(place: calling.Place, what: str, value: "Item | None", end_ms: int, *, as_json: bool) -> None:
    async def ask(node: "Client") -> "ignores_pb2.IgnoredView":
        from node.client.items import messages
        from node.v1 import ignores_pb2

        request = ignores_pb2.IgnoreRequest(until_ms=end_ms)
        if value is None:
            request.about = what
        else:
            request.value.CopyFrom(next(messages([value]))[1])
        return (await node.ignores.Ignore(request)).ignored

    made = calling.ask(place, ask)
    if as_json:
        printing.print_json(printing.fields_of(made))
        return
    click.echo(f"{made.reference}: {_what(made)} is ignored here {_until(made)}. No other member hears of it.")


def _value(typed: str, kind: str | None) -> "Item | None":
    """What was typed, if it is a value and no reference."""
    if kind is None and "://" not in typed and len(typed) < DIGITS_MIN:
        return None
    try:
        return lines.item(Layout(hashes.KINDS[kind] if kind else None, quality_floor=0), 1, typed.strip())
    except ValueError as error:
        if kind is None and "://" not in typed:
            return None
        raise click.UsageError(f"{printing.shortened(typed)}: {error}") from None


def _list(place: calling.Place, *, as_json: bool) -> None:
    async def ask(node: "Client") -> "list[ignores_pb2.IgnoredView]":
        from node.v1 import ignores_pb2

        return list((await node.ignores.ListIgnored(ignores_pb2.ListIgnoredRequest())).ignored)

    found = calling.ask(place, ask)
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("reference", "ignored", "until", "since", "by"),
        [(one.reference, _what(one), _until(one), printing.day(one.made_ms), one.by) for one in found],
        without="Nothing is ignored here.",
    )


def _end(place: calling.Place, reference: str, *, as_json: bool) -> None:
    async def ask(node: "Client") -> "ignores_pb2.IgnoredView":
        from node.v1 import ignores_pb2

        return (await node.ignores.EndIgnoring(ignores_pb2.EndIgnoringRequest(ignored=reference))).ignored

    ended = calling.ask(place, ask)
    if as_json:
        printing.print_json(printing.fields_of(ended))
        return
    click.echo(f"{ended.reference} has ended: {_what(ended)} counts here as elsewhere.")


def _what(one: "ignores_pb2.IgnoredView") -> str:
    return f"{one.what} {printing.plain(one.about)}"


def _until(one: "ignores_pb2.IgnoredView") -> str:
    return f"until {printing.moment(one.until_ms)}" if one.until_ms else "for good"
