"""The retention policy: until when things are kept here, by which rule, and what another policy would do."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, options, printing
from node.errors import Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.policy.retention import Policy
    from node.v1 import policy_pb2

WARNED = 1
TRIES = 3

_new_policy = click.argument("file", type=click.Path(path_type=Path), metavar="FILE")


@click.group(
    epilog=options.examples(
        "tocsin policy show",
        "tocsin policy check new.toml",
        "tocsin policy preview new.toml",
        'tocsin policy apply new.toml --justify DPIA-7 "shorter clock for links"',
        "tocsin policy explain europol/halle/7f3k:1042",
    )
)
def policy() -> None:
    """See, explain and change until when things are kept here.

    What is kept ends at the earliest of three: what its originator allows, what the policy says, and the end of its
    crisis and the grace behind it. A policy shortens; none can lengthen.
    """


@policy.command(
    epilog=options.examples("tocsin policy check new.toml", "tocsin policy check new.toml --json")
    + options.exit_codes("0 it holds, 1 it holds and something is to be looked at, 3 it does not hold.")
)
@_new_policy
@options.own_folder
@options.as_json
@click.pass_context
def check(ctx: click.Context, file: Path, folder: Path, as_json: bool) -> None:
    """Read a policy file and say what is wrong with it, or not as it was meant. Asks no node.

    Where a rule has a legal minimum, the node's folder must have a custodian.
    """
    from node.policy import policies

    found = _read(file)
    if found.has_minimum:
        from node.custody import custodian

        custodian.require_for(options.config_file(folder).parent, found)
    warnings = policies.warnings(found)
    if as_json:
        printing.print_json(
            {
                "name": found.name,
                "policy_id": found.id.hex(),
                "rules": len(found.rules),
                "warnings": [{"line": line, "words": words} for line, words in warnings],
            }
        )
    else:
        for line, words in warnings:
            click.echo(f"{file}:{line}: {words}")
        click.echo(f"{file}: {found.name}, {len(found.rules)} rules; the last one fits everything")
    ctx.exit(WARNED if warnings else 0)


def _read(file: Path) -> "Policy":
    from node.custody import files
    from node.policy import policies

    return policies.decode(files.read_public(file, policies.BYTES_MAX), file)


@policy.command(epilog=options.examples("tocsin policy show", "tocsin policy show --json | jq -r .text > mine.toml"))
@click.option("--text", is_flag=True, help="The file as it is, to be changed.")
@options.folder
@options.as_json
def show(text: bool, folder: Path, as_json: bool) -> None:
    """Say what is kept, from when on, how long and why. The first rule from the top that fits decides."""
    found = calling.ask(calling.find(folder), _show)
    if as_json:
        printing.print_json(_plain(found))
    elif text:
        click.echo(found.text.decode(), nl=False)
    else:
        click.echo(f"{found.name} ({found.policy_id.hex()}), {found.source}")
        _print_rules(found)
        if found.deciding:
            click.echo("Until when things are kept is being decided anew; meanwhile nothing goes by this policy.")


async def _show(node: "Client") -> "policy_pb2.PolicyView":
    from node.v1 import policy_pb2

    return (await node.policies.ShowPolicy(policy_pb2.ShowPolicyRequest())).policy


def _plain(found: "policy_pb2.PolicyView") -> dict[str, object]:
    return {**printing.fields_of(found), "text": found.text.decode()}


def _print_rules(found: "policy_pb2.PolicyView") -> None:
    printing.print_table(
        ("rule", "class", "where", "keep", "clock", "ground"),
        [
            (str(one.number), one.classes, one.conditions or "-", one.keep, one.clock or "-", one.ground)
            for one in found.rules
        ],
        numbers=("rule",),
        wrapped=("class", "where", "ground"),
    )
    for one in found.rules:
        if one.minimum:
            click.echo(f"Rule {one.number} has a legal minimum: held until {printing.plain(one.minimum)}")


@policy.command(
    epilog=options.examples(
        "tocsin policy explain europol/halle/7f3k:1042",
        "tocsin policy explain 7f3k --json",
    )
)
@click.argument("item")
@options.folder
@options.as_json
def explain(item: str, folder: Path, as_json: bool) -> None:
    """Say when an item, or a whole record, goes or went, and by which rule."""
    from node.v1 import policy_pb2

    async def ask(node: "Client") -> "policy_pb2.ExplainKeepingResponse":
        return await node.policies.ExplainKeeping(policy_pb2.ExplainKeepingRequest(item=item))

    found = calling.ask(calling.find(folder), ask)
    if as_json:
        plain = printing.fields_of(found)
        printing.print_json({**plain, "position": found.position if found.HasField("position") else None})
        return
    click.echo(_sentence(found))
    printing.print_fields(
        [
            ("class", getattr(found, "class")),
            ("ground", found.ground),
            ("policy", found.policy_id.hex()),
            ("ceiling", printing.moment(found.ceiling_ms)),
            (
                "opinion",
                f"{found.opinion}, {found.agreeing} for it, {found.objecting} against it" if found.opinion else "",
            ),
            *_held(found),
        ]
    )


def _held(found: "policy_pb2.ExplainKeepingResponse") -> list[tuple[str, str]]:
    """What the law would have done with it, and what is done."""
    rows = []
    if found.minimum_ms:
        words = f"if it is erased now, it is held until {printing.moment(found.minimum_ms)}"
        rows.append(("minimum", f"{words}: {printing.plain(found.minimum)}"))
    if found.hold:
        rows.append(("hold", f"{found.hold}, until {printing.moment(found.hold_ms)}; `tocsin hold list` says why"))
    return rows


def _sentence(found: "policy_pb2.ExplainKeepingResponse") -> str:
    match found.state:
        case "erased" if not found.erased_ms:
            return "erased: the erasure journal has no line about it"
        case "erased":
            return f"erased {printing.moment(found.erased_ms)}: {found.words}"
        case "kept":
            return f"goes {printing.moment(found.due_ms)}: {found.words}"
        case "missing":
            return "not here yet: it is being fetched"
        case "waiting":
            return "here, and not in the index yet: ask again in a moment"
        case _:
            return "not here: not wanted, or a statement, which nobody's policy erases"


@policy.command(epilog=options.examples("tocsin policy preview new.toml", "tocsin policy preview new.toml --json"))
@_new_policy
@options.folder
@options.as_json
def preview(file: Path, folder: Path, as_json: bool) -> None:
    """Say what another policy would erase of what is here, and when: items, and records of what has no items."""
    found = _preview(calling.find(folder), _read(file))
    if as_json:
        plain = printing.fields_of(found)
        printing.print_json({**plain, "policy": _plain(found.policy)})
    else:
        _print_counts(found)


def _preview(place: "calling.Place", new: "Policy") -> "policy_pb2.PreviewPolicyResponse":
    from node.v1 import policy_pb2

    async def ask(node: "Client") -> "policy_pb2.PreviewPolicyResponse":
        return await node.policies.PreviewPolicy(policy_pb2.PreviewPolicyRequest(text=new.text))

    return calling.ask(place, ask)


def _print_counts(found: "policy_pb2.PreviewPolicyResponse") -> None:
    columns = ("now", "within_week", "within_month", "later")
    headings = ("go now", "within 7 d", "within 30 d", "later")
    rows = [(getattr(one, "class"), *(f"{getattr(one, name):,}" for name in columns)) for one in found.counts]
    printing.print_table(("class", *headings), rows, numbers=headings, without="There is nothing here yet.")
    click.echo(f"{found.now:,} go now." if found.now else "Nothing goes now.")
    if found.held:
        click.echo(f"The law has {found.held:,} of them kept: they go all the same, and a sealed copy is held.")


@policy.command(
    epilog=options.examples(
        'tocsin policy apply new.toml --justify DPIA-7 "shorter clock for links"',
        'tocsin policy apply new.toml --justify DPIA-7 "shorter clock for links" --yes 12040',
    )
)
@_new_policy
@click.option(
    "--justify",
    "justify",
    nargs=2,
    required=True,
    metavar="CODE TEXT",
    help="Why: a code of your own, as of an impact assessment, and words.",
)
@click.option(
    "--yes",
    "confirmed",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="How many go now, as the preview says; needed where nobody can type it.",
)
@options.folder
def apply(file: Path, justify: tuple[str, str], confirmed: int | None, folder: Path) -> None:
    """Keep by this policy from now on. What goes by it does not come back.

    Takes effect at once, without a restart. A file that does not hold changes nothing.
    """
    from node.v1 import policy_pb2

    place, new = calling.find(folder), _read(file)
    seen = _preview(place, new)
    _print_counts(seen)
    number = _confirmed(seen.now) if confirmed is None else confirmed
    if number < seen.now:
        raise Refused(
            f"{seen.now:,} go now, and {number:,} were confirmed",
            next_step=f"Look at the preview above; then confirm with --yes {seen.now}.",
            field="yes",
        )
    request = policy_pb2.ApplyPolicyRequest(text=new.text, number=number, code=justify[0], justification=justify[1])

    async def ask(node: "Client") -> "policy_pb2.ApplyPolicyResponse":
        return await node.policies.ApplyPolicy(request)

    made = calling.ask(place, ask)
    click.echo(f"{made.policy.name} ({made.policy.policy_id.hex()}) is in force: {made.policy.source}")
    if made.number:
        click.echo(f"{made.number:,} go within minutes; `tocsin status` says what is left.")


def _confirmed(number: int) -> int:
    """The number that goes now, typed: whoever types it has read it."""
    if not asking.is_terminal():
        raise click.UsageError(f"There is no terminal to type the number on that goes now. Give --yes {number}.")
    for _ in range(TRIES):
        typed = str(click.prompt(f"Type {number} to confirm", default="", show_default=False, err=True))
        if typed.replace(",", "").strip() == str(number):
            return number
        click.echo("That is not the number.", err=True)
    raise Refused("the number was not confirmed", next_step="Nothing was changed.", field="number")
