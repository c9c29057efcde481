"""Approving peers: who is meant, and that the administrator is sure of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, errors, printing, roster
from node.cli.calling import Place

if TYPE_CHECKING:
    from node.client import Client
    from node.custody.charters import Signed
    from node.v1 import admin_pb2
    from node.v1.header_pb2 import SignedCard

SEATED = ("member", "suspended")


def approve_founders(place: Place, *, yes: bool) -> "Sequence[admin_pb2.PeerView]":
    """All founders but those that are blocked here, as the charter has them."""
    members, blocked = calling.ask(place, _members_and_blocked)
    new = [
        one
        for one in members
        if one.founder and one.state in SEATED and not (one.own or one.approved or one.member_id in blocked)
    ]
    for one in members:
        if one.member_id in blocked:
            click.echo(f"{printing.plain(one.name)} is blocked here and stays so; its card file unblocks it.")
    if not new:
        click.echo("No founder is left to approve.")
        return []
    return _approve(place, new, [], yes=yes)


def approve(place: Place, named: Sequence[str], *, yes: bool) -> "Sequence[admin_pb2.PeerView]":
    """Card files, each with the end of its fingerprint as heard; and members by name, as the federation knows them."""
    from node.custody import charters

    members, _ = calling.ask(place, _members_and_blocked)
    files = [one for one in named if is_file(one)]
    founders = [_member(one, members) for one in named if not is_file(one)]
    signed = [charters.read_card(Path(one)) for one in files]
    for one in signed:
        _confirm_card(one, members, yes=yes)
    return _approve(place, founders, [letter for letter, _ in signed], yes=yes)


async def _members_and_blocked(node: "Client") -> "tuple[list[admin_pb2.MemberView], set[bytes]]":
    from node.v1 import admin_pb2

    held = (await node.admin.ListPeers(admin_pb2.ListPeersRequest())).peers
    return await roster.members(node), {one.member_id for one in held if one.state == "blocked"}


def _approve(
    place: Place, members: "Sequence[admin_pb2.MemberView]", cards: "Sequence[SignedCard]", *, yes: bool
) -> "Sequence[admin_pb2.PeerView]":
    for one in members:
        click.echo(f"{printing.plain(one.name)}  {one.fingerprint}")
    if members:
        them = "them" if len(members) > 1 else "it"
        by = f"the charter has {them}" if all(one.founder for one in members) else f"the federation knows {them}"
        which = "it as a peer" if len(members) == 1 else f"these {len(members)} as peers"
        asking.confirm(f"Approve {which}, as {by}?", yes=yes)

    async def ask(node: "Client") -> "Sequence[admin_pb2.PeerView]":
        from node.v1 import admin_pb2

        request = admin_pb2.ApprovePeersRequest(member_ids=[one.member_id for one in members], cards=cards)
        return (await node.admin.ApprovePeers(request)).peers

    return calling.ask(place, ask)


def is_file(named: str) -> bool:
    """Whether a card file was meant: a name of nobody that looks like a file's is one that is missing."""
    return Path(named).exists() or named.endswith(".card") or "/" in named


def _member(typed: str, members: "Sequence[admin_pb2.MemberView]") -> "admin_pb2.MemberView":
    from node.content import names

    found = {one.member_id: one for one in members if not one.own}
    named = {
        member_id: (names.slug(one.name), one.name, one.fingerprint, one.fingerprint.replace(" ", ""))
        for member_id, one in found.items()
    }
    return found[names.resolve(typed, "member", named)]


def _confirm_card(signed: "Signed", members: "Sequence[admin_pb2.MemberView]", *, yes: bool) -> None:
    from node.content import names
    from node.feed import keys

    inception = signed[1].inception
    name, fingerprint = names.unmistakable(inception.name), keys.fingerprint(inception.member_id)
    foreign = inception.member_id not in {one.member_id for one in members}
    if foreign:
        errors.warn(
            f"{name}, {fingerprint}, is not a member of this federation, as far as this node has heard",
            "Before it is one, nothing of it is taken in and no link to it lasts. Check that it is the right card.",
        )
    if yes:
        click.echo(f"{name}  {fingerprint}")
        return
    asking.confirm_fingerprint(name, fingerprint)
    if foreign:
        asking.confirm("Approve it all the same?", yes=False)
