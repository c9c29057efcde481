"""Peers: the members whose nodes this node talks to. Each is approved by its administrator, once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import approving, asking, calling, findings, options, printing, restraining
from node.cli.calling import Place
from node.errors import NodeError

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import admin_pb2

WAIT_S = 10.0
LOOK_EVERY_S = 0.2
HOW_TO_ADD = "`tocsin peer add --founders`, or a card"


@click.group(
    epilog=options.examples(
        "tocsin peer add --founders",
        "tocsin peer add acme.card",
        "tocsin peer list",
        "tocsin peer check europol",
        "tocsin peer pause acme-video",
        "tocsin peer block acme-video --quarantine",
    )
)
def peer() -> None:
    """Say which members' nodes this node talks to."""


# ---- Approving


@peer.command(
    epilog=options.examples(
        "tocsin peer add --founders          (their cards came with the charter)",
        "tocsin peer add europol             (by name: its card came, or its profile names its address)",
        "tocsin peer add acme.card bolt.card",
        "tocsin peer add --founders --yes --no-wait",
    )
)
@click.argument("cards", nargs=-1, metavar="[CARD|NAME]...")
@click.option("--founders", is_flag=True, help="All founders of the charter, but those that are blocked here.")
@click.option("--no-wait", is_flag=True, help="Do not wait for connections.")
@options.folder
@asking.yes
def add(cards: tuple[str, ...], founders: bool, no_wait: bool, folder: Path, yes: bool) -> None:
    """Approve members as peers, by the charter or by their cards; or a member by its name.

    A name does for a founder, whose card came with the charter, and for a member whose profile says where
    it is dialled: `tocsin profile show NAME`. For a card file, its member reads out its fingerprint over a
    second channel, and you type the last five characters. Both sides have to approve each other.
    """
    if founders == bool(cards):
        raise click.UsageError("Give --founders, or card files. A member may be named instead.")
    place = calling.find(folder)
    approved = approving.approve(place, cards, yes=yes) if cards else approving.approve_founders(place, yes=yes)
    if not approved:
        return
    click.echo(f"{len(approved)} approved", nl=False)
    try:
        found = [] if no_wait else calling.ask(place, lambda node: _connected(node, approved))
    except KeyboardInterrupt:
        found = []  # they are approved either way
    except NodeError:
        click.echo()
        raise
    click.echo("\n".join(_connections(found, _own_fingerprint(place))))


async def _connected(node: "Client", wanted: "Sequence[admin_pb2.PeerView]") -> "list[admin_pb2.PeerView]":
    """How these peers are, once all are connected or the patience is over."""
    import asyncio

    ids = {one.member_id for one in wanted}
    found = list(wanted)
    try:
        async with asyncio.timeout(WAIT_S):
            while not all(one.connected for one in found):
                await asyncio.sleep(LOOK_EVERY_S)
                found = [one for one in await restraining.peers(node) if one.member_id in ids]
    except TimeoutError:
        pass
    return found


def _connections(found: "Sequence[admin_pb2.PeerView]", own_fingerprint: str) -> list[str]:
    """What follows "4 approved": on the same line where there is only one that is not connected."""
    if not found:
        return [""]
    missing = [unconnected(one, own_fingerprint) for one in found if not one.connected]
    first = f"; {len(found) - len(missing)} connected"
    if len(missing) == 1:
        return [f"{first}, {missing[0]}"]
    return [first, *(f"  {line}" for line in missing)]


def unconnected(one: "admin_pb2.PeerView", own_fingerprint: str) -> str:
    """Who is not connected and why, on one line."""
    asked = "not approved" in one.reason or "no longer approved" in one.reason
    hint = f" (ask them to approve {own_fingerprint})" if asked else ""
    return f"{printing.plain(one.name)}: {printing.plain(one.reason)}{hint}"


def _own_fingerprint(place: Place) -> str:
    from node.feed import keys

    return keys.fingerprint(place.member_id)


# ---- Looking


@peer.command(name="list", epilog=options.examples("tocsin peer list", "tocsin peer list --json"))
@options.folder
@options.as_json
def list_(folder: Path, as_json: bool) -> None:
    """List the peers, and whether they are connected."""
    found = calling.ask(calling.find(folder), restraining.peers)
    if as_json:
        printing.print_json([_plain(one) for one in found])
        return
    printing.print_table(
        ("name", "role", "fingerprint", "address", "state", "connection"),
        [(one.name, _role(one), one.fingerprint, _address(one), one.state, _connection(one)) for one in found],
        wrapped=("name", "role", "connection"),
        without=f"No peers yet: {HOW_TO_ADD}.",
    )


@peer.command(epilog=options.examples("tocsin peer show europol", "tocsin peer show 7F3KQ --json"))
@click.argument("name")
@options.folder
@options.as_json
def show(name: str, folder: Path, as_json: bool) -> None:
    """Show one peer, by its name or the beginning of its fingerprint."""
    found = restraining.named(calling.find(folder), name)
    if as_json:
        printing.print_json(_plain(found))
        return
    click.echo(printing.plain(found.name))
    printing.print_fields(
        [
            ("role", _role(found)),
            ("fingerprint", found.fingerprint),
            ("member id", found.member_id.hex()),
            ("address", _addresses(found)),
            ("state", f"{found.state}, a peer since {printing.moment(found.since_ms)}"),
            ("limit", restraining.limits_of(found)),
            ("set aside", "what came only from it: `tocsin peer release`" if found.quarantined else ""),
            ("connection", _connection(found)),
            ("since", _since(found)),
            ("dialled next", printing.moment(found.dialled_next_ms) if found.dialled_next_ms else ""),
            ("last end", found.last_end),
            ("behind it", f"{found.behind:,} entries that it has are not here" if found.behind else ""),
            ("behind us", _late(found)),
            ("to be sent", _outbox(found)),
            ("pushed to", _pushed(found)),
            ("faults", "; ".join(_fault(one) for one in found.faults)),
            ("issuer ends", printing.day(found.issuer_ends_ms) if found.issuer_ends_ms else ""),
            ("clock", f"{printing.seconds(found.clock_ahead_ms)} to this machine's" if found.program else ""),
            ("program", found.program),
        ]
    )


@peer.command(
    epilog=options.examples("tocsin peer check europol", "tocsin peer check europol --json | jq '.findings[-1]'")
    + "\n\n\b\nExit codes: 0 all is well, 3 something to mend on this machine, 4 the node does not run,\n"
    "5 something to mend on the peer's side."
)
@click.argument("name")
@options.folder
@options.as_json
@click.pass_context
def check(ctx: click.Context, name: str, folder: Path, as_json: bool) -> None:
    """Call a peer now, step by step, and say what stands in the way.

    Its name, the connection, TLS and both certificates, the federation, the program's version, the
    clocks, and whether both hold the same. It stops at the first obstacle, and tries nothing twice.
    """
    found = calling.ask(calling.find(folder), lambda node: _check(node, restraining.required(name)))
    if as_json:
        printing.print_json({**printing.fields_of(found), "peer": _plain(found.peer)})
    else:
        click.echo(f"{printing.plain(found.peer.name)}  {found.peer.fingerprint}  {_addresses(found.peer)}")
        findings.show(found.findings)
    ctx.exit(findings.exit_code(found.findings))


async def _check(node: "Client", name: str) -> "admin_pb2.CheckPeerResponse":
    from node.v1 import admin_pb2

    return await node.admin.CheckPeer(admin_pb2.CheckPeerRequest(peer=name))


for _command in restraining.COMMANDS:
    peer.add_command(_command)


# ---- Inside


def _plain(found: "admin_pb2.PeerView") -> dict[str, object]:
    return {**printing.fields_of(found), "role": _role(found)}


def _role(found: "admin_pb2.PeerView") -> str:
    from node.policy import parameters

    return parameters.role_name(found.role) if found.role else "not a member yet"


def _address(found: "admin_pb2.PeerView") -> str:
    """The first at which it is dialled."""
    return next(iter([*filter(None, [found.address]), *found.profile_addresses]), "-")


def _addresses(found: "admin_pb2.PeerView") -> str:
    """All at which it is dialled, in turn, and which of them its own profile names."""
    named = [f"{address} (by its profile)" for address in found.profile_addresses]
    return ", then ".join([*filter(None, [found.address]), *named]) or "no address: it dials us"


def _connection(found: "admin_pb2.PeerView") -> str:
    if found.connected:
        return "in step" if found.in_step else "connected"
    return found.reason or "-"


def _since(found: "admin_pb2.PeerView") -> str:
    if not found.connected:
        return ""
    return f"{printing.moment(found.connected_since_ms)}, {'we' if found.dialled else 'it'} dialled"


def _outbox(found: "admin_pb2.PeerView") -> str:
    return f"{found.outbox_frames:,} frames, {restraining.written(found.outbox_bytes)}" if found.outbox_frames else ""


def _late(found: "admin_pb2.PeerView") -> str:
    """What it could have had and does not show: it takes nothing in, or keeps something back."""
    if not found.late_feeds:
        return ""
    return f"in {found.late_feeds:,} feed{'s' * (found.late_feeds != 1)} since {printing.moment(found.late_since_ms)}"


def _pushed(found: "admin_pb2.PeerView") -> str:
    if not found.connected:
        return ""
    return "at once" if found.in_mesh else "no: it compares heads"


def _fault(one: "admin_pb2.PeerFault") -> str:
    return f"{one.rule} {one.times:,} times, last {printing.moment(one.last_ms)}"
