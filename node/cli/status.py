"""The node at a glance."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, options, peer, printing, restraining

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import admin_pb2


MISSING_SHOWN = 5  # of the peers that are not connected
CLOCKS_AGREE_MS = 50  # what would be shown as no difference


@click.command(
    epilog=options.examples("tocsin status", "tocsin status --json", "tocsin status --json | jq .peers_in_step")
    + "\n\n\b\nExit codes: 0 it runs, 4 it does not."
)
@click.option("--index-digest", is_flag=True, help="Also the hash over all values of the index; it reads all of it.")
@options.folder
@options.as_json
def status(index_digest: bool, folder: Path, as_json: bool) -> None:
    """Say how the node is: its charter, peers, clock and stores."""
    place = calling.find(folder)

    async def look(node: "Client") -> "tuple[admin_pb2.GetStatusResponse, list[admin_pb2.PeerView], int, int]":
        from node.v1 import admin_pb2

        found = await node.admin.GetStatus(admin_pb2.GetStatusRequest(index_digest=index_digest))
        missing = [one for one in await restraining.peers(node) if one.state == "approved" and not one.connected]
        active = sum(one.state == "active" for one in await node.crises())
        return found, missing, len(await node.lists()), active

    found, missing, lists, active = calling.ask(place, look)
    if as_json:
        printing.print_json(_plain(found, missing, lists, active))
        return
    click.echo(", ".join(_summary(found)))
    for line in _missing(found, missing):
        click.echo(f"  {line}")
    printing.print_fields(_details(found, lists, active))


def _plain(
    found: "admin_pb2.GetStatusResponse", missing: "Sequence[admin_pb2.PeerView]", lists: int, active: int
) -> dict[str, object]:
    plain = printing.fields_of(found)
    if not found.index_digest:  # it was not asked for
        del plain["index_digest"]
    unconnected = [{"name": one.name, "fingerprint": one.fingerprint, "reason": one.reason} for one in missing]
    return {**plain, "role": _role(found.role), "lists": lists, "crises": active, "not_connected": unconnected}


def _missing(found: "admin_pb2.GetStatusResponse", missing: "Sequence[admin_pb2.PeerView]") -> list[str]:
    """Who is not connected and why, a line each; the first ones of many."""
    from node.feed import keys
    from node.feed.keys import MemberId

    own = keys.fingerprint(MemberId(found.member_id))
    lines = [peer.unconnected(one, own) for one in missing[:MISSING_SHOWN]]
    more = len(missing) - len(lines)
    if more > 0:
        lines.append(f"and {more} more: `tocsin peer list`")
    return lines


def _summary(found: "admin_pb2.GetStatusResponse") -> list[str]:
    accepted = f"{found.accepted} of {found.founders}"
    parts = [f"charter in force ({accepted})" if found.charter_in_force else f"charter not in force yet ({accepted})"]
    if found.peers_connected < found.peers_approved:
        parts.append(f"{found.peers_connected} of {found.peers_approved} peers connected")
    elif found.peers_approved:
        parts.append(f"{found.peers_approved} peer{'' if found.peers_approved == 1 else 's'}")
    else:
        parts.append(f"no peers: {peer.HOW_TO_ADD}")
    if found.peers_connected:
        all_of_them = found.peers_in_step == found.peers_connected
        parts.append("in step" if all_of_them else f"in step with {found.peers_in_step} of {found.peers_connected}")
    if found.clock_known:
        parts.append(f"clock {printing.seconds(found.clock_ahead_ms)}")
    return parts


def _details(found: "admin_pb2.GetStatusResponse", lists: int, active: int) -> list[tuple[str, str]]:
    from node.feed import keys
    from node.feed.keys import MemberId

    fingerprint = keys.fingerprint(MemberId(found.member_id))
    return [
        ("member", f"{found.name}, {_role(found.role)}, {fingerprint}"),
        ("federation", f"{found.federation_name}, {keys.fingerprint(MemberId(found.federation_id))}"),
        ("crises", f"{active or 'none'} active; `tocsin crisis list` has all"),
        ("lists", f"{lists:,}, {found.items:,} items"),
        ("entries", f"{found.entries:,}, {found.payloads_wanted:,} payloads wanted"),
        ("clock", _clock(found)),
        ("certificate", f"until {printing.moment(found.certificate_ends_ms)}, renewed before by itself"),
        ("listens", f"peers {found.peers_listen}, tools {found.tools_listen}"),
        ("memory", f"{found.resident_bytes / 1_000_000:,.0f} MB at most so far"),
        ("program", f"{found.program}, since {printing.moment(found.started_ms)}"),
        ("data", found.data_folder),
        ("index digest", found.index_digest.hex()),
    ]


def _clock(found: "admin_pb2.GetStatusResponse") -> str:
    if not found.clock_known:
        return ""
    if abs(found.clock_ahead_ms) < CLOCKS_AGREE_MS:
        return "agrees with the peers'"
    where = "ahead of" if found.clock_ahead_ms > 0 else "behind"
    return f"the peers' is {abs(found.clock_ahead_ms) / 1000:.1f} s {where} this machine's"


def _role(role: int) -> str:
    from node.policy import parameters

    return parameters.role_name(role) if role else "not a member yet"
