"""Forks: feeds in which one place was signed twice, and naming the branch that stands."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, ceremony, options, printing
from node.cli.ceremony import Signing

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import forks_pb2

HASH_DIGITS = 16


@click.group(
    epilog=options.examples(
        "tocsin fork list",
        "tocsin fork show mine",
        "tocsin fork settle mine --branch mine --root-key /media/stick/root.key",
    )
)
def fork() -> None:
    """Show feeds that forked; settle one of our own.

    A feed forks when somebody else signs with its key: a copy of the node, or a thief. What follows is contested
    everywhere until the member's root names the branch that stands.
    """


@fork.command(name="list", epilog=options.examples("tocsin fork list", "tocsin fork list --json"))
@options.folder
@options.as_json
def list_(folder: Path, as_json: bool) -> None:
    """List the forks that are known, and how each is."""
    found = calling.ask(calling.find(folder), _every)
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("member", "feed", "entry", "state", "contested here"),
        [(_whose(one), one.feed_id.hex()[:HASH_DIGITS], f"{one.seq:,}", one.state, _contested(one)) for one in found],
        numbers=("entry",),
        wrapped=("member",),
        without="No feed has forked.",
    )


@fork.command(epilog=options.examples("tocsin fork show mine", "tocsin fork show europol", "tocsin fork show 4f1c09aa"))
@click.argument("name")
@options.folder
@options.as_json
def show(name: str, folder: Path, as_json: bool) -> None:
    """Show a fork: both branches, and what is contested by it. NAME: a feed, its member, or mine."""
    found = calling.ask(calling.find(folder), lambda node: _one(node, name))
    if as_json:
        printing.print_json(printing.fields_of(found))
        return
    view = found.fork
    click.echo(printing.plain(f"{_whose(view)}: feed {view.feed_id.hex()} forked at entry {view.seq:,}: {view.state}"))
    printing.print_table(
        ("branch", "what", "made", "here", "up to", "its root"),
        [
            (
                branch.entry.hex()[:HASH_DIGITS],
                _what(branch.kind, branch.title),
                printing.moment(branch.created_ms),
                branch.held,
                f"{branch.last_seq:,}" if branch.last_seq else "-",
                "names this" if branch.named else "-",
            )
            for branch in view.branches
        ],
        wrapped=("what",),
        without="It was settled before a proof came here.",
    )
    if found.contested:
        click.echo(f"Contested here: {_contested(view)}")
        printing.print_table(
            ("entry", "what", "made"),
            [(f"{one.seq:,}", _what(one.kind, one.title), printing.moment(one.created_ms)) for one in found.contested],
            numbers=("entry",),
            wrapped=("what",),
        )
    if view.next_step:
        click.echo(f"Next: {view.next_step}")


@fork.command(
    epilog=options.examples(
        "tocsin fork settle mine --branch mine --dry-run",
        "tocsin fork settle mine --branch mine --root-key /media/stick/root.key",
        "tocsin fork settle 4f1c09aa --branch 7d1e2f --export request",
    )
)
@click.argument("feed")
@click.option(
    "--branch", required=True, metavar="HASH", help="The branch that stands, by its hash; mine: what was signed here."
)
@click.option("--no-retire", is_flag=True, help="Do not end the feed; whoever has its key can fork it again.")
@ceremony.signing
def settle(feed: str, branch: str, no_retire: bool, signing: Signing) -> None:
    """Name the branch of a feed of this member that stands, for everyone and for good, while the node is stopped.

    Ends the feed, too: two have its key. FEED is an id as `fork list` shows it, or mine: what this node
    signs in, which gets fresh keys and goes on in a new feed.
    """
    from node.custody import settling

    made = settling.settle(signing.config, feed, branch, retire=not no_retire)
    ceremony.perform(signing, made.ceremony, made.consequences, ["Done. Next: start the node."])


async def _every(node: "Client") -> "list[forks_pb2.ForkView]":
    from node.v1 import forks_pb2

    return list((await node.forks.ListForks(forks_pb2.ListForksRequest())).forks)


async def _one(node: "Client", name: str) -> "forks_pb2.GetForkResponse":
    from node.v1 import forks_pb2

    found: forks_pb2.GetForkResponse = await node.forks.GetFork(forks_pb2.GetForkRequest(fork=name))
    return found


def _whose(one: "forks_pb2.ForkView") -> str:
    return f"{one.member_name} (this node)" if one.here else f"{one.member_name} (ours)" if one.own else one.member_name


def _contested(one: "forks_pb2.ForkView") -> str:
    return f"{one.contested_records:,} record{'' if one.contested_records == 1 else 's'}"


def _what(kind: str, title: str) -> str:
    return f"{kind} {printing.shortened(title)}" if title else kind
