"""Taking back what is ours, and seeing what the others did about it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, items, naming, options, printing
from node.crisis.words import REASONS
from node.errors import Refused
from node.policy import cooling
from node.policy.receipts import Ground

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import tools_pb2, withdrawals_pb2

STATUS = "status"
GROUNDS = {
    Ground.HELD_NOTHING: "held nothing",
    Ground.KEPT_BY_LAW: "kept by law",
    Ground.ORDER: "an order",
    Ground.CLAIM: "a claim",
    Ground.EVIDENCE: "evidence",
    Ground.SUPERVISION: "a supervisory authority",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What was meant, and how much it is."""

    kind: str
    name: str
    typed: tuple[str, ...]  # as it is confirmed; nothing for what needs no confirmation
    object_id: bytes = b""
    items: int = 0


@click.command(
    epilog=options.examples(
        "tocsin withdraw europol/halle/7f3k:1042 --reason false-positive",
        "tocsin withdraw halle --reason court-order",
        "tocsin withdraw c-4k7q --reason mistake --yes",
        "tocsin withdraw status",
        "tocsin withdraw status w-3mzp --json | jq '.answers[] | select(.state == \"silent\")'",
    )
    + "\n\n\b\nReasons: "
    + ", ".join(REASONS[:5])
    + ",\n  "
    + ", ".join(REASONS[5:])
    + ".\n  person-at-risk and court-order are erased at once, 100 of them in an hour."
)
@click.argument("what", metavar="ITEM|LIST|CRISIS|status")
@click.argument("reference", metavar="[REF]", required=False)
@click.option("--reason", type=click.Choice(REASONS), metavar="CODE", help="Why, for all members: one of those below.")
@options.folder
@options.as_json
@asking.yes
def withdraw(what: str, reference: str | None, reason: str | None, folder: Path, as_json: bool, yes: bool) -> None:
    """Take back an item, record, list or crisis of ours.

    It stops counting at every member as soon as that hears of it, and is erased there an hour later; a day,
    where it is much at once. Until then the member's root can undo what a stolen key took back. An item is
    named as a look-up shows it; items by their values go with `tocsin list remove`.

    `status` shows what was taken back in the last 90 days, and with a reference (w-..., or what it was) each
    member's answer: restricted, erased, held nothing, kept and why, or none since.
    """
    place = calling.find(folder)
    if what == STATUS:
        if reason:
            raise click.UsageError("--reason is for what is taken back, not for `status`.")
        _status(place, reference, as_json=as_json)
        return
    if reference:
        raise click.UsageError(f"One at a time: {what} or {reference}?")
    if reason is None:
        raise click.UsageError("Why? --reason is one of " + ", ".join(REASONS) + ".")
    target = calling.ask(place, lambda node: _find(node, naming.require(what)))
    if not yes:
        _confirm(target, reason)
    done, live = calling.ask(place, lambda node: _take_back(node, target, REASONS.index(reason) + 1))
    hours = _hours(REASONS.index(reason) + 1, done, live)
    if as_json:
        printing.print_json({**printing.fields_of(done), "erased_after_hours": hours})
        return
    after = f"{hours} hour{'' if hours == 1 else 's'} after that" if hours else "at once"
    name = printing.plain(target.name)
    click.echo(f"{name}: withdrawn, {reason}. As soon as members hear of it, it counts nowhere any more,")
    click.echo(f"and it is erased there {after}: `tocsin withdraw status {done.reference}` says who has answered.")


# ---- What is meant


async def _find(node: "Client", what: str) -> Target:
    """An item by its colon, else a list, a crisis, or a record of a list; raises Refused."""
    lists: list[tools_pb2.ListView] = []
    crises: list[tools_pb2.CrisisView] = []
    reason: Refused | None = None
    if ":" not in what and what.count("/") <= 1:
        try:
            lists = [await naming.find_own(node, what)] if not what.startswith("c-") else []
        except Refused as error:
            reason = error
        try:
            crises = list(await node.crises(what, exercises=True)) if not what.startswith("l-") else []
        except Refused as error:
            reason = reason or error
    if lists and crises:
        raise Refused(
            f"{what} may be the list {lists[0].name} or the crisis {crises[0].reference}",
            next_step=f"Say {lists[0].reference} or {crises[0].reference}.",
        )
    if lists:
        found = lists[0]
        return Target("list", found.name, (found.name, found.list.name), found.object_id, found.items)
    if crises:
        crisis = crises[0]
        return Target("crisis", crisis.reference, (crisis.reference,), crisis.object_id)
    if reason is not None and ":" not in what:
        raise reason
    return Target("item" if ":" in what else "record", what, ())


def _confirm(target: Target, reason: str) -> None:
    if target.kind == "item":
        return
    if target.kind == "record":
        asking.confirm(f"Take back all items of record {printing.plain(target.name)}, from all members?", yes=False)
        return
    consequence = f"{target.name} goes"
    asking.require_terminal(consequence)
    much = f", {items.counted(target.items, 'item')}" if target.kind == "list" else ""
    click.echo(f"WITHDRAW {printing.plain(target.name)}{much}, from all members, for good: {reason}.")
    asking.confirm_word(f"the {target.kind}'s name", target.typed, consequence, "withdrawn")


async def _take_back(node: "Client", target: Target, reason: int) -> "tuple[withdrawals_pb2.WithdrawalView, int]":
    """Say it; what was said, and how many items this member has in all."""
    from node.v1 import withdrawals_pb2

    live = sum(one.items for one in await node.lists() if one.following == naming.OWN)
    about = target.object_id.hex()
    if target.kind == "list":
        await node.withdraw_list(about, reason)
    elif target.kind == "crisis":
        await node.withdrawals.WithdrawCrisis(withdrawals_pb2.WithdrawCrisisRequest(crisis=about, reason=reason))
    else:
        request = withdrawals_pb2.WithdrawItemRequest(item=target.name, reason=reason)
        about = (await node.withdrawals.WithdrawItem(request)).list.object_id.hex()
    found = await node.withdrawals.GetWithdrawal(withdrawals_pb2.GetWithdrawalRequest(withdrawal=about))
    return found.withdrawal, live


def _hours(reason: int, done: "withdrawals_pb2.WithdrawalView", live: int) -> int:
    """After how long the others erase it, if nothing else was taken back of late."""
    ms = cooling.cooling_ms(reason, own=done.items, items=done.items, live=live, pressing=0, suspended=False)
    return ms // cooling.HOUR_MS


# ---- What became of it


def _status(place: calling.Place, reference: str | None, *, as_json: bool) -> None:
    if reference:
        found = calling.ask(place, lambda node: _one(node, reference))
        if as_json:
            printing.print_json(printing.fields_of(found))
        else:
            _show(found)
        return
    listed = calling.ask(place, _every)
    if as_json:
        printing.print_json(printing.fields_of(listed))
        return
    printing.print_table(
        ("reference", "what", "reason", "withdrawn", "members", "restricted", "erased", "kept", "no answer"),
        [
            (
                one.reference,
                printing.plain(_what(one)),
                _reason(one.reason),
                printing.moment(one.created_ms),
                f"{one.members:,}",
                f"{one.restricted:,}",
                f"{one.erased:,}",
                f"{one.kept:,}" if one.kept else "-",
                f"{one.unanswered:,}" if one.unanswered else "-",
            )
            for one in listed.withdrawals
        ],
        numbers=("members", "restricted", "erased", "kept", "no answer"),
        wrapped=("what",),
        without="Nothing of ours was withdrawn in the last 90 days.",
    )
    if listed.more:
        click.echo("There are more; these are the newest.")


async def _every(node: "Client") -> "withdrawals_pb2.ListWithdrawalsResponse":
    from node.v1 import withdrawals_pb2

    found: withdrawals_pb2.ListWithdrawalsResponse = await node.withdrawals.ListWithdrawals(
        withdrawals_pb2.ListWithdrawalsRequest()
    )
    return found


async def _one(node: "Client", reference: str) -> "withdrawals_pb2.GetWithdrawalResponse":
    from node.v1 import withdrawals_pb2

    request = withdrawals_pb2.GetWithdrawalRequest(withdrawal=reference)
    found: withdrawals_pb2.GetWithdrawalResponse = await node.withdrawals.GetWithdrawal(request)
    return found


def _show(found: "withdrawals_pb2.GetWithdrawalResponse") -> None:
    one = found.withdrawal
    click.echo(
        printing.plain(
            f"{one.reference}: {_what(one)}, {_reason(one.reason)}, {printing.moment(one.created_ms)}: restricted at"
            f" {one.restricted:,} of {one.members:,}, erased at {one.erased:,}"
        )
    )
    if one.standing != "stands":
        click.echo(f"It is {one.standing}: it {'erases nothing' if one.standing == 'contested' else 'counts nowhere'}.")
    printing.print_table(
        ("member", "state", "restricted", "erased", "ground"),
        [
            (
                printing.plain(answer.member_name)
                + (f", {len(answer.nodes)} nodes" if len(answer.nodes) > 1 else "")
                + (" (no member then, or now)" if answer.beside else ""),
                _state(answer, one.created_ms),
                _after(answer.restricted_ms, one.created_ms),
                _after(answer.erased_ms, one.created_ms),
                _ground(answer),
            )
            for answer in found.answers
        ],
        wrapped=("member",),
        without="There is nobody else.",
    )


def _what(one: "withdrawals_pb2.WithdrawalView") -> str:
    much = items.counted(one.items, "item") if one.items else ""
    match one.kind:
        case "items":
            return f"{much} of {one.target}"
        case "record":
            return f"{much or 'a record'} of {one.target}"
        case "list":
            return f"{one.target}, the whole list" + (f", {much}" if much else "")
        case _:
            return one.target


def _reason(number: int) -> str:
    return REASONS[number - 1] if 0 < number <= len(REASONS) else f"reason {number}"


def _state(answer: "withdrawals_pb2.AnswerView", said_ms: int) -> str:
    if answer.state == "silent":
        return f"no answer since {printing.moment(said_ms)}"
    return {"nothing": "held nothing", "kept": "UNDER HOLD"}.get(answer.state, answer.state)


def _after(then_ms: int, said_ms: int) -> str:
    """How long after it was said, by two clocks."""
    if not then_ms:
        return "-"
    seconds = max(then_ms - said_ms, 0) // 1000
    minutes, hours = seconds // 60, seconds // 3600
    return f"after {seconds} s" if minutes < 2 else f"after {minutes} min" if hours < 2 else f"after {hours} h"


def _ground(answer: "withdrawals_pb2.AnswerView") -> str:
    if answer.state != "kept":
        return "-"
    words = GROUNDS[Ground(answer.ground)] if answer.ground in set(Ground) else f"ground {answer.ground}"
    return f"{words}, until {printing.day(answer.until_ms)}" if answer.until_ms else words
