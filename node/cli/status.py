"""The node at a glance."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, masses, options, peer, printing, restraining, roster, rules, timekeeping, vouching

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import admin_pb2
    from node.v1.withdrawals_pb2 import MassWithdrawalView


MISSING_SHOWN = 5  # of the peers that are not connected
_REMOVED = "Ask them why; `tocsin withdraw LIST --reason CODE` takes back what it published"
CLOCKS_AGREE_MS = 50  # what would be shown as no difference
CLOCKS_DIFFER_MS = 30_000  # what no machine with NTP does


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

    async def look(
        node: "Client",
    ) -> "tuple[admin_pb2.GetStatusResponse, list[admin_pb2.PeerView], int, int, Sequence[MassWithdrawalView]]":
        from node.v1 import admin_pb2

        found = await node.admin.GetStatus(admin_pb2.GetStatusRequest(index_digest=index_digest))
        missing = [one for one in await restraining.peers(node) if one.state == "approved" and not one.connected]
        active = sum(one.state == "active" for one in await node.crises())
        return found, missing, len(await node.lists()), active, await masses.ask(node)

    found, missing, lists, active, gone = calling.ask(place, look)
    in_force = rules.in_force(place)
    if as_json:
        plain = {**_plain(found, missing, lists, active), "mass_withdrawals": [printing.fields_of(one) for one in gone]}
        ruled = {"amendment": in_force.amendment.number, "rules": in_force.state}
        printing.print_json({**plain, **ruled})
        return
    if standing := _standing(found):
        click.echo(standing)
    click.echo(", ".join(_summary(found)))
    for one in gone:
        click.echo(click.style(masses.words(one), bold=True))
    for line in _missing(found, missing):
        click.echo(f"  {line}")
    printing.print_fields(_details(found, rules.which(in_force), lists, active))


def _plain(
    found: "admin_pb2.GetStatusResponse", missing: "Sequence[admin_pb2.PeerView]", lists: int, active: int
) -> dict[str, object]:
    plain = printing.fields_of(found)
    if not found.index_digest:  # it was not asked for
        del plain["index_digest"]
    unconnected = [{"name": one.name, "fingerprint": one.fingerprint, "reason": one.reason} for one in missing]
    membership = roster.plain(found.membership) if found.HasField("membership") else None
    return {
        **plain,
        "role": _role(found.role),
        "membership": membership,
        "lists": lists,
        "crises": active,
        "not_connected": unconnected,
    }


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
    if found.peers_connected and found.membership.state != "left":
        all_of_them = found.peers_in_step == found.peers_connected
        parts.append("in step" if all_of_them else f"in step with {found.peers_in_step} of {found.peers_connected}")
    if found.forks:
        own = f", {found.own_forks} of our own" if found.own_forks else ""
        parts.append(f"forks: {found.forks}{own}: `tocsin fork list`")
    if found.clock_known:
        parts.append(f"clock {printing.seconds(found.clock_ahead_ms)}")
    if found.held_back:
        parts.append(f"{found.held_back:,} older payloads held back: `tocsin erase journal`")
    if found.signing.state != "ready":
        parts.append(f"SIGNS NOTHING ({found.signing.state})")
    return parts


def _details(found: "admin_pb2.GetStatusResponse", ruled: str, lists: int, active: int) -> list[tuple[str, str]]:
    from node.feed import keys
    from node.feed.keys import MemberId

    fingerprint = keys.fingerprint(MemberId(found.member_id))
    return [
        ("member", f"{found.name}, {_role(found.role)}, {fingerprint}"),
        ("federation", f"{found.federation_name}, {keys.fingerprint(MemberId(found.federation_id))}"),
        ("profile", "; ".join(found.profile_warnings)),
        ("alarm", "; ".join((*found.alarm_warnings, "`tocsin alarm list` has more") if found.alarm_warnings else ())),
        ("rules", ruled),
        ("crises", f"{active or 'none'} active; `tocsin crisis list` has all"),
        ("lists", f"{lists:,}, {found.items:,} items"),
        ("entries", f"{found.entries:,}, {found.payloads_wanted:,} payloads wanted"),
        ("unmarked", _unmarked(found)),
        ("quotas", _quotas(found.quotas)),
        ("signing", timekeeping.words(found.signing)),
        ("policy", _keeping(found.keeping)),
        ("clock", _clock(found)),
        ("certificate", f"until {printing.moment(found.certificate_ends_ms)}, renewed before by itself"),
        ("listens", f"peers {found.peers_listen}, tools {found.tools_listen}"),
        ("memory", f"{found.resident_bytes / 1_000_000:,.0f} MB at most so far"),
        ("program", f"{found.program}, since {printing.moment(found.started_ms)}"),
        ("data", found.data_folder),
        ("index digest", found.index_digest.hex()),
    ]


def _unmarked(found: "admin_pb2.GetStatusResponse") -> str:
    """Whom to ask for a handling mark."""
    if not found.unmarked:
        return ""
    parts = [f"{one.records:,} of {printing.plain(one.member_name)}" for one in found.unmarked]
    return f"records without a handling mark, neither shown nor passed on: {', '.join(parts)}"


def _quotas(found: "admin_pb2.QuotaView") -> str:
    """What went beyond them since the start; nothing where nothing did."""
    parts = []
    if found.pushes_ignored:
        whose = "one member" if found.members_ignored == 1 else f"{found.members_ignored:,} members"
        parts.append(f"{found.pushes_ignored:,} pushed entries of {whose} put off")
    if found.demoted:
        parts.append(f"{found.demoted:,} urgent ones carried like the rest")
    if found.slowed:
        parts.append(f"{found.slowed:,} of our own over our quota at peers")
    if found.needed_sync:
        parts.append(f"slow peers hung up on {found.needed_sync:,} times")
    return ", ".join(parts)


def _keeping(found: "admin_pb2.KeepingView") -> str:
    """The policy in force, and how far what is over by it is erased."""
    parts = [found.policy]
    if found.overdue:
        parts.append(f"{found.overdue:,} OVERDUE since {printing.moment(found.overdue_since_ms)}")
    else:
        parts.append(f"nothing overdue, last swept {printing.moment(found.swept_ms)}")
    if found.deciding:
        parts.append("deciding anew until when things are kept")
    return ", ".join(parts)


def _clock(found: "admin_pb2.GetStatusResponse") -> str:
    if not found.clock_known:
        return ""
    if abs(found.clock_ahead_ms) < CLOCKS_AGREE_MS:
        return "agrees with the peers'"
    where = "ahead of" if found.clock_ahead_ms > 0 else "behind"
    words = f"the peers' is {abs(found.clock_ahead_ms) / 1000:.1f} s {where} this machine's"
    return words if abs(found.clock_ahead_ms) <= CLOCKS_DIFFER_MS else f"SET IT: {words}"


def _standing(found: "admin_pb2.GetStatusResponse") -> str:
    """What whoever is no member, or not one in full, has to know first."""
    match found.membership.state:
        case "candidate":
            return f"candidate: {vouching.progress(found.membership)}; nothing for members reaches you yet"
        case "revoked":
            return (
                f"REMOVED {_against(found)}: what it says counts nowhere, and only identity logs reach it. {_REMOVED}"
            )
        case "suspended":
            until = f" until {printing.moment(found.membership.until_ms)}" if found.membership.until_ms else ""
            return f"SUSPENDED{until} {_against(found)}: what it says has no effect; `tocsin member show` has more"
        case "left":
            when = printing.moment(found.membership.left_ms)
            return f"left on {when}; `tocsin leave` says which peers know it and what is still to be erased"
    return ""


def _against(found: "admin_pb2.GetStatusResponse") -> str:
    by = ", ".join(map(printing.plain, found.membership.by))
    return f"by {by}, the last on {printing.moment(found.membership.said_ms)}"


def _role(role: int) -> str:
    from node.policy import parameters

    return parameters.role_name(role) if role else "not a member yet"
