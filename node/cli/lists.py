"""Hash lists: see those of all members, and everything else that is done with one."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import (
    calling,
    comparing,
    exporting,
    following,
    items,
    marks,
    naming,
    options,
    printing,
    publishing,
    withdrawing,
)
from node.policy import vocabulary

if TYPE_CHECKING:
    from node.v1 import record_pb2, tools_pb2


@click.group(
    name="list",
    invoke_without_command=True,
    epilog=options.examples(
        "tocsin list",
        "tocsin list follow europol/halle",
        "tocsin list publish halle.csv --label attack-footage --exemption none-known --crisis c-4k7q",
        "tocsin list diff halle halle.csv",
    ),
)
@click.option("--exercises", is_flag=True, help="Also those of drills.")
@options.folder
@options.as_json
@click.pass_context
def list_(ctx: click.Context, exercises: bool, folder: Path, as_json: bool) -> None:
    """List the hash lists of all members; follow and publish them."""
    if ctx.invoked_subcommand is not None:
        options.require_nothing_before(ctx, ctx.invoked_subcommand)
        return
    found = calling.ask(calling.find(folder), lambda node: node.lists(exercises=exercises))
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("name", "kind", "items", "version", "following", "to come", "updated", "ends"),
        [
            (
                printing.shortened(f"EXERCISE {one.name}" if one.exercise else one.name),
                ", ".join(one.list.kinds) or "-",
                f"{_items(one):,}",
                one.list.version or "-",
                "withdrawn" if one.withdrawn else one.following or "-",
                f"{one.missing:,}" if one.missing else "-",
                printing.day(one.updated_ms),
                printing.day(one.expires_ms),
            )
            for one in found
        ],
        numbers=("items", "version", "to come"),
        wrapped=("kind",),
        without="No member has published a list yet.",
    )


def _opinions(view: "tools_pb2.ListView") -> str:
    return f"`tocsin opine list {shlex.quote(view.name)}`"  # its owner chose it, and somebody will paste it


def _judged(view: "tools_pb2.ListView") -> str:
    """What other members make of the list as a whole."""
    return f"{view.opinion}, {view.agreeing} for it, {view.objecting} against it"


def _advice(said: "record_pb2.HashList") -> str:
    """What its owner advises, and what follows from that here where that is another thing."""
    advised, reason = vocabulary.advice_of(said), vocabulary.reason_of(said)
    if not reason or advised == said.advice:
        return said.advice
    return "; ".join(filter(None, (said.advice, f"{advised}, since it {reason}")))


def _items(view: "tools_pb2.ListView") -> int:
    """What stands here; of a list that is only offered, what its owner says."""
    return view.list.items if view.following == "offered" else view.items


@list_.command(
    epilog=options.examples(
        "tocsin list show europol/halle", "tocsin list show halle", "tocsin list show l-4k7q --json"
    )
)
@click.argument("name")
@options.folder
@options.as_json
def show(name: str, folder: Path, as_json: bool) -> None:
    """Show one list, by its name, reference or id.

    One of ours is found by its name without the owner.
    """
    naming.require(name)
    found = calling.ask(calling.find(folder), lambda node: naming.find(node, name))
    if as_json:
        printing.print_json(printing.fields_of(found))
        return
    said = found.list
    click.echo(f"{printing.plain(found.name)}  {found.reference}{'  EXERCISE' if found.exercise else ''}")
    here = f"{found.items:,} in {items.counted(found.records, 'record')}"
    if said.items > found.items:
        here += f", of {said.items:,} that its owner counts"
    printing.print_fields(
        [
            ("withdrawn", found.withdrawn),
            ("warning", found.notice),
            ("by", found.member_name),
            ("description", said.description),
            ("kind", ", ".join(said.kinds)),
            ("labels", ", ".join(said.labels)),
            ("ground", said.ground),
            ("crisis", found.crisis),
            ("mark", marks.words(found.handling)),
            ("exemptions", ", ".join(said.exemptions)),
            ("advice", _advice(said)),
            ("version", said.version),
            ("following", found.following),
            ("items", here),
            ("disputed", f"{items.counted(found.disputed, 'item')}: see {_opinions(found)}" if found.disputed else ""),
            ("opinions", f"{_judged(found)}: see {_opinions(found)}" if found.opinion else ""),
            ("quality floor", str(said.quality_floor) if "pdq" in said.kinds else ""),
            ("to come", f"{items.counted(found.missing, 'record')} of its owner" if found.missing else ""),
            ("not matched yet", items.counted(found.unprojected, "record") if found.unprojected else ""),
            ("held elsewhere", publishing.elsewhere(found) if found.following == naming.OWN and found.records else ""),
            ("updated", printing.moment(found.updated_ms)),
            ("ends", printing.moment(found.expires_ms)),
            ("id", found.object_id.hex()),
        ]
    )


for _command in (
    publishing.create,
    publishing.publish,
    publishing.add,
    withdrawing.remove,
    comparing.diff,
    exporting.export,
    following.follow,
    following.unfollow,
    following.preview,
):
    list_.add_command(_command)
