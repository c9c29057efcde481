"""What we make of things of other members, and what they make of each other's and of ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, items, lookup, options, printing
from node.content import hashes
from node.content.lines import Layout
from node.errors import Refused
from node.policy.opinions import OBJECTING, Verdict

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import opinions_pb2

LIST = "list"
VERDICTS = {verdict.words.replace(" ", "-"): verdict for verdict in Verdict}
REASONS = {  # of a withdrawal, by what others say
    Verdict.FALSE_POSITIVE: "false-positive",
    Verdict.OUT_OF_SCOPE: "out-of-scope",
    Verdict.WRONG_LABEL: "mistake",
}
COMMANDS_MAX = 20  # so many ways to take something back are written out


@click.command(
    epilog=options.examples(
        'tocsin opine europol/halle/7f3k:1042 false-positive --note "a news report"',
        "tocsin opine europol/halle/7f3k:1042 europol/halle/7f3k:1043 wrong-label --label propaganda",
        "tocsin opine --value 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 seen-too",
        "tocsin opine list europol/halle/7f3k:1042",
        "tocsin opine list --mine",
    )
    + f"\n\n\b\nVerdicts: {', '.join(VERDICTS)}."
)
@click.argument("words", nargs=-1, metavar="[WHAT]... VERDICT|list [WHAT]")
@click.option("--value", "written", multiple=True, metavar="HASH|URL", help="Wherever others list this value.")
@click.option("--kind", type=click.Choice(list(hashes.KINDS)), help="Of --value. Default: by how it is written.")
@click.option("--note", default="", metavar="TEXT", help="For all members, in few words.")
@click.option("--label", default="", metavar="LABEL", help="With wrong-label: the one that is meant.")
@click.option("--mine", is_flag=True, help="With list: about what is ours, and how to take it back.")
@click.option("--own", is_flag=True, help="With list: those that we said ourselves.")
@options.allow_personal
@options.folder
@options.as_json
def opine(
    words: tuple[str, ...],
    written: tuple[str, ...],
    kind: str | None,
    note: str,
    label: str,
    mine: bool,
    own: bool,
    allow_personal: str,
    folder: Path,
    as_json: bool,
) -> None:
    """Tell all members what we make of what others share.

    WHAT is named as a look-up shows it. The last opinion of a member about the same thing counts. An item to which
    somebody objects (false-positive, out-of-scope, wrong-label) is disputed: look-ups everywhere advise a review at
    most. Nothing is removed by it: its owner alone takes it back.
    """
    from node.v1 import opinions_pb2

    if words[:1] == (LIST,):
        if written or note or label or len(words) > 2:
            raise click.UsageError("With list: one thing at most, or --mine, or --own.")
        if [len(words) > 1, mine, own].count(True) != 1:
            raise click.UsageError("Opinions about what? Name it, or give --mine or --own.")
        asked = opinions_pb2.ListOpinionsRequest(about="".join(words[1:]), mine=mine, own=own)
        _list(calling.find(folder), asked, as_json=as_json)
        return
    if mine or own:
        raise click.UsageError("--mine and --own are for `tocsin opine list`.")
    if not words or words[-1] not in VERDICTS:
        raise click.UsageError(f"What of it? Say one of {', '.join(VERDICTS)} behind it.")
    if bool(words[:-1]) == bool(written):
        raise click.UsageError("Of what? Name it as a look-up shows it, or give --value.")
    request = opinions_pb2.OpineRequest(
        about=words[:-1], verdict=VERDICTS[words[-1]], note=note, label=label, allow_personal=allow_personal
    )
    _say(calling.find(folder), request, written, kind, as_json=as_json)


def _say(
    place: calling.Place,
    request: "opinions_pb2.OpineRequest",
    written: Sequence[str],
    kind: str | None,
    *,
    as_json: bool,
) -> None:
    async def say(node: "Client") -> "opinions_pb2.OpineResponse":
        if written:
            request.about.extend(await _listed(node, written, kind))
        return await node.opinions.Opine(request)

    answer = calling.ask(place, say)
    if as_json:
        printing.print_json(printing.fields_of(answer))
        return
    told = "said to all members" if answer.said else "said before"
    for one in answer.opinions:
        why = f"; it does not count: {printing.plain(one.obstacle)}" if one.obstacle else ""
        click.echo(f"{_about(one)}: {_verdict(one)}, {told}{why}")


async def _listed(node: "Client", written: Sequence[str], kind: str | None) -> list[str]:
    """The items of other members that are these values; raises Refused where there is none."""
    layout = Layout(hashes.KINDS[kind] if kind else None, quality_floor=0)
    found = await lookup.look_up(node, lookup.parse(written, layout))
    ours = {one.name for one in await node.lists() if one.following == "own"}
    named = [match.item for _, match in found if match.list not in ours]
    if not named:
        raise Refused(
            "no list of another member has it, as far as this node matches them",
            next_step="`tocsin lookup` says where it stands.",
            field="value",
        )
    return named


# ---- Who said what


def _list(place: calling.Place, asked: "opinions_pb2.ListOpinionsRequest", *, as_json: bool) -> None:
    async def ask(node: "Client") -> "opinions_pb2.ListOpinionsResponse":
        return await node.opinions.ListOpinions(asked)

    found = calling.ask(place, ask)
    if as_json:
        printing.print_json(printing.fields_of(found))
        return
    printing.print_table(
        ("about", "verdict", "by", "counts", "note", "said"),
        [
            (
                _about(one),
                _verdict(one),
                one.member_name,
                f"no: {one.obstacle}" if one.obstacle else "yes",
                printing.shortened(one.note) or "-",
                printing.day(one.created_ms),
            )
            for one in found.opinions
        ],
        wrapped=("counts", "note"),
        without="Nobody has an opinion about it.",
    )
    if found.more:
        click.echo("There are more than these.")
    _show_ways_back(found.opinions)


def _show_ways_back(found: "Sequence[opinions_pb2.OpinionView]") -> None:
    """What is ours and objected to is taken back by hand alone: how, for each."""
    against = [one for one in found if one.mine and not one.obstacle and one.verdict in OBJECTING]
    ways = list(
        dict.fromkeys(
            f"tocsin withdraw {name} --reason {REASONS[Verdict(one.verdict)]}" for one in against for name in _each(one)
        )
    )
    if ways:
        click.echo("Where they are right, what is ours is taken back by:")
    for way in ways[:COMMANDS_MAX]:
        click.echo(f"  {way}")
    if len(ways) > COMMANDS_MAX:
        click.echo(f"  and so on, for {items.counted(len(ways) - COMMANDS_MAX, 'item')} more")


def _each(one: "opinions_pb2.OpinionView") -> list[str]:
    """All that it is about, as it is typed."""
    record = printing.plain(one.about.rpartition(":")[0])
    return [f"{record}:{at}" for at in one.positions] or [printing.plain(one.about)]


def _about(one: "opinions_pb2.OpinionView") -> str:
    more = len(one.positions) - 1
    return printing.plain(one.about) + (f" and {more:,} more" if more > 0 else "")


def _verdict(one: "opinions_pb2.OpinionView") -> str:
    said = Verdict(one.verdict).words if one.verdict in set(Verdict) else f"verdict {one.verdict}"
    label = f" (rather {printing.shortened(one.label, 40)})" if one.label else ""
    return said + label
