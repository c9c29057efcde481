"""What this member says of another: endorsing, suspending, removing. First it says what that does, and who must."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, clock, options, printing, times

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import admin_pb2, membership_pb2
    from node.v1.header_pb2 import SignedCard

SUSPENSION_MS = 72 * 3_600_000

_reason = click.option(
    "--reason", type=click.IntRange(1, 255), default=None, metavar="CODE", help="A code of the federation's documents."
)


@click.command(
    epilog=options.examples(
        "tocsin member endorse acme.card --peer      (its sponsor: writes acme-video.invite to send back)",
        "tocsin member endorse acme-video            (by name, once it has joined: no file)",
        "tocsin member endorse acme-video --yes      (its fingerprint was compared before)",
    )
)
@click.argument("named", metavar="CARD|NAME")
@click.option("--peer", is_flag=True, help="Approve it as a peer, too; needs its card.")
@click.option("--invite", "path", type=click.Path(path_type=Path), help="Where to write it. Default: NAME.invite here.")
@options.folder
@asking.yes
def endorse(named: str, peer: bool, path: Path | None, folder: Path, yes: bool) -> None:
    """Vouch for a candidate in the role that it asks for.

    It reads out its fingerprint over a second channel, and you type the last five characters. A member
    may be endorsed again before its endorsements lapse.
    """
    place = calling.find(folder)
    card = _card(named)
    if peer and card is None:
        raise click.UsageError("--peer needs the card file: it says where the candidate is dialled.")
    found = calling.ask(place, lambda node: _endorse(node, named, card, peer=peer, dry_run=True)).standing.member
    _confirm(found, yes=yes)
    done = calling.ask(place, lambda node: _endorse(node, named, card, peer=peer, dry_run=False))
    now = done.standing.member
    click.echo(f"{printing.plain(now.name)}: {progress(now)}{_admitted(now)}", nl=card is None)
    if card is not None:
        file = path or Path(f"{_file_name(now)}.invite")
        _write(file, done.invite)
        click.echo(f" Wrote {file}: send it back.")


def _card(named: str) -> "SignedCard | None":
    from node.cli import approving
    from node.custody import charters

    return charters.read_card(Path(named))[0] if approving.is_file(named) else None


def _confirm(found: "admin_pb2.MemberView", *, yes: bool) -> None:
    from node.policy import parameters

    role, country = parameters.role_name(found.role), found.country or "no country"
    click.echo(f"{printing.plain(found.name)}, asks to be {role}, {country}")
    if yes:
        click.echo(f"  {found.fingerprint}")
    else:
        asking.confirm_fingerprint(printing.plain(found.name), found.fingerprint)


def _admitted(now: "admin_pb2.MemberView") -> str:
    from node.policy import parameters

    if now.state != "member":
        return "."
    return f". It is {parameters.role_name(now.role)} until {printing.day(now.until_ms)}."


def _file_name(found: "admin_pb2.MemberView") -> str:
    from node.content import names

    return names.slug(found.name)[:40] or found.fingerprint[:5].lower()


def _write(path: Path, invite: bytes) -> None:
    from node.custody import files

    files.replace_public(path, invite)


async def _endorse(
    node: "Client", named: str, card: "SignedCard | None", *, peer: bool, dry_run: bool
) -> "membership_pb2.EndorseResponse":
    from node.v1 import membership_pb2

    request = membership_pb2.EndorseRequest(member="" if card else named, card=card, peer=peer, dry_run=dry_run)
    return await node.membership.Endorse(request)


@click.command(
    epilog=options.examples("tocsin member unendorse acme-video", "tocsin member unendorse acme-video --yes")
)
@click.argument("name")
@options.folder
@asking.yes
def unendorse(name: str, folder: Path, yes: bool) -> None:
    """Take back what this member said for another."""
    place = calling.find(folder)

    async def take_back(node: "Client", *, dry_run: bool) -> "admin_pb2.MemberView":
        from node.v1 import membership_pb2

        request = membership_pb2.UnendorseRequest(member=name, dry_run=dry_run)
        return (await node.membership.Unendorse(request)).standing.member

    found = calling.ask(place, lambda node: take_back(node, dry_run=True))
    asking.confirm(
        f"Take back the endorsement of {printing.plain(found.name)}, {found.fingerprint}? It has {progress(found)}; "
        "with fewer than it needs it is without effect.",
        yes=yes,
    )
    found = calling.ask(place, lambda node: take_back(node, dry_run=False))
    click.echo(f"{printing.plain(found.name)}: {progress(found)}.")


@click.command(
    epilog=options.examples(
        "tocsin member suspend acme-video --for 72h", "tocsin member suspend acme-video --for 24h --reason 3 --yes"
    )
)
@click.argument("name")
@times.ends
@_reason
@options.folder
@asking.yes
def suspend(name: str, life_ms: int | None, until_ms: int | None, reason: int | None, folder: Path, yes: bool) -> None:
    """Say that a member should be without effect for a time: at most three at a time, 72 hours by default.

    Its entries are still stored and passed on. Beyond 72 hours a suspension needs as many members as a removal.
    """
    place = calling.find(folder)
    now_ms = clock.now_ms()
    end_ms = times.end_ms(life_ms, until_ms, now_ms) or now_ms + SUSPENSION_MS

    async def say(node: "Client", *, dry_run: bool) -> "membership_pb2.SuspendResponse":
        from node.v1 import membership_pb2

        request = membership_pb2.SuspendRequest(member=name, until_ms=end_ms, reason=reason or 0, dry_run=dry_run)
        return await node.membership.Suspend(request)

    found = calling.ask(place, lambda node: say(node, dry_run=True))
    about = f"{printing.plain(found.standing.member.name)}, {found.standing.member.fingerprint}"
    beyond = " Beyond 72 hours it takes as many as a removal does." if end_ms - now_ms > SUSPENSION_MS else ""
    asking.confirm(
        f"Suspend {about}, until {printing.moment(end_ms)}? Its declarations then do not count and its lists match "
        f"for review only. It takes {found.needed}; {found.said} with this one.{beyond}",
        yes=yes,
    )
    _done(calling.ask(place, lambda node: say(node, dry_run=False)))


@click.command(
    epilog=options.examples(
        "tocsin member revoke acme-video", "tocsin member revoke acme-video --nothing-stands --reason 2 --yes"
    )
)
@click.argument("name")
@click.option(
    "--nothing-stands",
    is_flag=True,
    help="Nothing that it ever said is to count. Default: what this node holds of it goes on counting.",
)
@_reason
@options.folder
@asking.yes
def revoke(name: str, nothing_stands: bool, reason: int | None, folder: Path, yes: bool) -> None:
    """Say that a member should be removed, for good: no later endorsement brings it back.

    It still may withdraw what it published.
    """
    place = calling.find(folder)

    async def say(node: "Client", *, dry_run: bool) -> "membership_pb2.RevokeResponse":
        from node.v1 import membership_pb2

        request = membership_pb2.RevokeRequest(
            member=name, reason=reason or 0, nothing_stands=nothing_stands, dry_run=dry_run
        )
        return await node.membership.Revoke(request)

    found = calling.ask(place, lambda node: say(node, dry_run=True))
    about = f"{printing.plain(found.standing.member.name)}, {found.standing.member.fingerprint}"
    stands = "Nothing that it said counts then" if nothing_stands else "What it said up to now goes on counting"
    asking.confirm(
        f"Remove {about}, for good? {stands}, and whoever it alone let in goes with it. "
        f"It takes {found.needed}; {found.said} with this one.",
        yes=yes,
    )
    _done(calling.ask(place, lambda node: say(node, dry_run=False)))


def _done(found: "membership_pb2.SuspendResponse | membership_pb2.RevokeResponse") -> None:
    one = found.standing.member
    state = {"suspended": f"suspended until {printing.moment(one.until_ms)}", "revoked": "removed"}.get(one.state)
    waiting = f"{found.said} of {found.needed} said so: it has no effect before that"
    click.echo(f"{printing.plain(one.name)}: {state or waiting}.")


# ---- Also for the list of members


async def standing(node: "Client", name: str) -> "membership_pb2.Standing":
    """Everything that is said of one."""
    from node.v1 import membership_pb2

    if not name.strip():
        raise click.UsageError("Which member? `tocsin member` names them.")
    return (await node.membership.GetMember(membership_pb2.GetMemberRequest(member=name))).standing


def progress(one: "admin_pb2.MemberView") -> str:
    """How far its admission is, in words of the quorum."""
    needed = one.endorsements_needed
    if not needed:
        return "no endorsement needed" if one.founder else "no quorum for its role"
    text = f"{one.endorsements} of {needed} endorsement{'' if needed == 1 else 's'}"
    if one.countries_needed:
        text += f", from {one.countries} of {one.countries_needed} state{'' if one.countries_needed == 1 else 's'}"
    return text
