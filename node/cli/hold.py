"""Legal holds: what must be kept for a court or an authority, and may not be used."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli import asking, calling, clock, noting, options, printing, records, times

if TYPE_CHECKING:
    from node.client import Client
    from node.custody.custodian import Opened
    from node.v1 import holds_pb2

Command = TypeVar("Command", bound=Callable[..., Any])

GROUNDS = ("court-order", "investigation", "preservation", "legal-claim", "supervision")
REVIEW_MS = 90 * 86_400_000
HASH_DIGITS = 16


@click.group(
    epilog=options.examples(
        "tocsin hold custodian /media/stick/custodian.key",
        'tocsin hold add europol/halle/7f3k:1042 --authority "AG Halle" --reference "12 Gs 34/26" --ground court-order'
        " --for 180d",
        "tocsin hold list",
    )
)
def hold() -> None:
    """Keep something for a court or an authority without using it.

    What is held leaves the node's stores and lies in data/vault, sealed to a custodian. It matches nothing, is on no
    list, goes to no peer, and the node cannot read it. A hold ends by itself, and lengthens nothing others keep.
    """


@hold.command(
    epilog=options.examples(
        'tocsin hold add europol/halle/7f3k:1042 --authority "AG Halle" --reference "12 Gs 34/26" --ground court-order'
        " --for 180d --review 30d",
        "tocsin hold add europol/halle --authority BKA --reference ST35 --ground investigation --for 90d --dry-run",
    )
)
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--authority", required=True, metavar="NAME", help="For whom it is kept.")
@click.option("--reference", required=True, metavar="TEXT", help="What it calls its order or request.")
@click.option("--ground", required=True, type=click.Choice(GROUNDS), help="Why it may be kept.")
@times.ends
@times.within("--review", "review_ms", "How soon somebody looks whether it is still needed; 90d unless it ends before.")
@click.option("--dry-run", is_flag=True, help="Say what would be held; hold nothing.")
@options.folder
@options.as_json
@asking.yes
def add(
    items: tuple[str, ...],
    authority: str,
    reference: str,
    ground: str,
    life_ms: int | None,
    until_ms: int | None,
    review_ms: int | None,
    dry_run: bool,
    folder: Path,
    as_json: bool,
    yes: bool,
) -> None:
    """Hold items, records, whole lists or crises. ITEM as `tocsin lookup` prints it, a list or a crisis.

    It leaves the stores for good: when the hold ends, it is destroyed and does not come back.
    """
    from node.v1 import holds_pb2

    now_ms = clock.now_ms()
    end_ms = times.end_ms(life_ms, until_ms, now_ms)
    if end_ms is None:
        raise click.UsageError("Until when? A hold has an end: give --for or --until.")
    request = holds_pb2.AddHoldRequest(
        items=items,
        authority=authority,
        reference=reference,
        ground=ground,
        review_ms=min(now_ms + (review_ms or REVIEW_MS), end_ms),
        end_ms=end_ms,
        dry_run=True,
    )
    place = calling.find(folder)
    meant = calling.ask(place, lambda node: _add(node, request))
    if not as_json or not dry_run:
        click.echo(
            f"Holds {_amount(meant)} for {printing.plain(authority)} until {printing.moment(end_ms)}, sealed to "
            f"{meant.custodian.hex()[:HASH_DIGITS]}.\nIt leaves look-ups, lists, exports and peers, and never comes "
            "back to them.",
            err=as_json,
        )
    if not dry_run:
        asking.confirm("Hold it?", yes=yes)
        request.dry_run = False
        meant = calling.ask(place, lambda node: _add(node, request))
    _show(meant, as_json=as_json, words="Nothing was changed." if dry_run else f"Held: {meant.reference}.")


@hold.command(name="list", epilog=options.examples("tocsin hold list", "tocsin hold list --all --json"))
@click.option("--all", "all_", is_flag=True, help="Those that are over, too.")
@options.folder
@options.as_json
def list_(all_: bool, folder: Path, as_json: bool) -> None:
    """List the holds: for whom, why, and when somebody has to look at each."""
    found = calling.ask(calling.find(folder), lambda node: _every(node, all_=all_))
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("hold", "what", "for", "reference", "ground", "review", "until", "state"),
        [
            (
                one.reference,
                _amount(one),
                one.authority,
                one.authority_reference,
                one.ground,
                printing.day(one.review_ms),
                printing.day(one.end_ms),
                f"over since {printing.day(one.over_ms)}: {one.note}" if one.over_ms else _state(one),
            )
            for one in found
        ],
        wrapped=("for", "reference", "state"),
        without="Nothing is held.",
    )


@hold.command(epilog=options.examples("tocsin hold review h-4k7q", "tocsin hold review h-4k7q --next 30d"))
@click.argument("name", metavar="HOLD")
@times.within("--next", "review_ms", "How soon to look again; 90d unless it ends before.")
@options.folder
@options.as_json
def review(name: str, review_ms: int | None, folder: Path, as_json: bool) -> None:
    """Say that a hold is still needed, and when somebody looks again."""

    async def ask(node: "Client") -> "holds_pb2.HoldView":
        from node.v1 import holds_pb2

        found = _meant(await _every(node, all_=False), name)
        next_ms = min(clock.now_ms() + (review_ms or REVIEW_MS), found.end_ms)
        request = holds_pb2.ReviewHoldRequest(hold=found.reference, review_ms=next_ms)
        return (await node.holds.ReviewHold(request)).hold

    changed = calling.ask(calling.find(folder), ask)
    _show(changed, as_json=as_json, words=f"{changed.reference}: next review {printing.moment(changed.review_ms)}.")


@hold.command(epilog=options.examples('tocsin hold release h-4k7q --reason "proceedings closed, 2 Js 7/26"'))
@click.argument("name", metavar="HOLD")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is not needed any more.")
@options.folder
@options.as_json
@asking.yes
def release(name: str, reason: str, folder: Path, as_json: bool, yes: bool) -> None:
    """Destroy what is held: its end before its time. It does not come back into the lists."""
    place = calling.find(folder)
    found = calling.ask(place, lambda node: _one(node, name))
    asking.confirm(f"Destroy what {found.reference} holds, {_amount(found)} for {found.authority}?", yes=yes)

    async def ask(node: "Client") -> "holds_pb2.HoldView":
        from node.v1 import holds_pb2

        return (await node.holds.ReleaseHold(holds_pb2.ReleaseHoldRequest(hold=found.reference, reason=reason))).hold

    ended = calling.ask(place, ask)
    _show(ended, as_json=as_json, words=f"{ended.reference} is over; what it held is destroyed.")


@hold.command(epilog=options.examples("tocsin hold custodian /media/stick/custodian.key"))
@click.argument("file", type=click.Path(path_type=Path))
@options.own_folder
@asking.passphrase_file
def custodian(file: Path, folder: Path, passphrase_file: str | None) -> None:
    """Make the custodian's key into FILE, under a passphrase of the custodian's.

    The custodian is a person, and not the node's administrator: whoever has FILE and the passphrase reads what is
    held. Beside node.toml stays only what things are sealed with.
    """
    from node import config as configs
    from node.custody import custodian as custodians

    settings = configs.load(options.config_file(folder))
    words = asking.passphrase("Custodian's passphrase", passphrase_file, new=True)
    custodians.require_none(settings)
    noting.note(settings, "hold custodian")
    made = custodians.create(settings, file, words)
    click.echo(
        f"Wrote {file} (0600) and {settings.folder / custodians.PUBLIC}: holds are sealed to "
        f"{made.hex()[:HASH_DIGITS]}.\nNext: the custodian takes {file.name} away, twice, in two places."
    )


@hold.command(
    name="open",
    epilog=options.examples(
        "tocsin hold open h-4k7q --key /media/stick/custodian.key",
        "tocsin hold open h-4k7q --key /media/stick/custodian.key --json > for-the-court.json",
    ),
)
@click.argument("name", metavar="HOLD")
@click.option("--key", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The custodian's key.")
@options.own_folder
@asking.passphrase_file
@options.as_json
def open_(name: str, key: Path, folder: Path, passphrase_file: str | None, as_json: bool) -> None:
    """Show what is held, as its custodian. Works on the folder, the node up or down; changes nothing."""
    from node import config as configs
    from node.content import names
    from node.custody import custodian as custodians
    from node.custody import passphrase
    from node.store import vault

    config = configs.load(options.config_file(folder))
    every = vault.read(config.data_folder)
    rising = sorted(one.id for one in every)
    wanted = names.resolve(name, "hold", {id_: (names.reference("h", id_, rising),) for id_ in rising})
    meant = next(one for one in every if one.id == wanted)
    secret = passphrase.open_file(key, "custodian", asking.passphrase("Custodian's passphrase", passphrase_file))
    noting.note(config, "hold open", f"hold:{meant.id.hex()}")
    found = list(custodians.open_hold(config, meant, secret))
    if as_json:
        printing.print_json([_plain(one) for one in found])
        return
    for one in found:
        said = "its author signed for these bytes" if one.held.is_proven else "a part of what its author signed for"
        click.echo(f"{one.held.header.hash.hex()}  {printing.plain(one.member_name)}, {said}")
        for value in _values(one):
            click.echo(f"  {printing.plain(value)}")


# ---- Inside


def _plain(one: "Opened") -> dict[str, object]:
    held = one.held
    return {
        "entry": held.header.hash.hex(),
        "member_id": held.member_id.hex(),
        "member": one.member_name,
        "created_ms": held.header.created_ms,
        "received_ms": held.received_ms,
        "proven": held.is_proven,
        "values": _values(one),
        "record": records.fields(held.record),
    }


def _values(one: "Opened") -> list[str]:
    from node.exchange import hold as holds

    return holds.values(one.held)


async def _add(node: "Client", request: "holds_pb2.AddHoldRequest") -> "holds_pb2.HoldView":
    return (await node.holds.AddHold(request)).hold


async def _every(node: "Client", *, all_: bool) -> "list[holds_pb2.HoldView]":
    from node.v1 import holds_pb2

    return list((await node.holds.ListHolds(holds_pb2.ListHoldsRequest(all=all_))).holds)


async def _one(node: "Client", name: str) -> "holds_pb2.HoldView":
    return _meant(await _every(node, all_=True), name)


def _meant(found: "list[holds_pb2.HoldView]", name: str) -> "holds_pb2.HoldView":
    from node.content import names

    wanted = names.resolve(name, "hold", {one.id: (one.reference,) for one in found})
    return next(one for one in found if one.id == wanted)


def _show(one: "holds_pb2.HoldView", *, as_json: bool, words: str) -> None:
    if as_json:
        printing.print_json(printing.fields_of(one))
    else:
        click.echo(words)


def _amount(one: "holds_pb2.HoldView") -> str:
    if one.items:
        return f"{one.items:,} item{'' if one.items == 1 else 's'} of {_counted(one.records)}"
    return _counted(one.records)


def _counted(records: int) -> str:
    return f"{records:,} record{'' if records == 1 else 's'}"


def _state(one: "holds_pb2.HoldView") -> str:
    return "review is due" if one.state == "review" else one.state
