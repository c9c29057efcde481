"""The members of the federation and its candidates: who they are, and what is said of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import calling, clock, contacts, options, printing, vouching
from node.cli.calling import Place

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import admin_pb2, membership_pb2

PRESENT = frozenset({"member", "suspended"})  # states of those who receive what is for all members
WARNED_MS = 30 * 86_400_000  # before an admission lapses


@click.group(
    invoke_without_command=True,
    epilog=options.examples(
        "tocsin member",
        "tocsin member show acme-video",
        "tocsin member endorse acme.card --peer",
        "tocsin member suspend acme-video --for 72h",
        "tocsin member --json",
    ),
)
@options.folder
@options.as_json
@click.pass_context
def member(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """List members and candidates; vouch for them."""
    if ctx.invoked_subcommand is not None:
        options.require_nothing_before(ctx, ctx.invoked_subcommand)
        return
    found = calling.ask(calling.find(folder), members)
    if as_json:
        printing.print_json([plain(one) for one in found])
        return
    printing.print_table(
        ("name", "role", "country", "fingerprint", "standing", "peer"),
        [
            (
                one.name,
                _role(one.role),
                one.country or "-",
                one.fingerprint,
                standing_words(one),
                "this node" if one.own else "approved" if one.approved else "-",
            )
            for one in found
        ],
        wrapped=("name", "role", "standing"),
    )


@member.command(epilog=options.examples("tocsin member show acme-video", "tocsin member show 7F3KQ --json"))
@click.argument("name")
@options.folder
@options.as_json
def show(name: str, folder: Path, as_json: bool) -> None:
    """Show one member or candidate: whom to call there, what is said of it, what of that counts, and its nodes."""
    found = calling.ask(calling.find(folder), lambda node: vouching.standing(node, name))
    if as_json:
        printing.print_json(
            {
                **printing.fields_of(found),
                "member": plain(found.member),
                **{
                    field: [_plain_voice(one) for one in getattr(found, field)]
                    for field in ("endorsements", "suspensions", "revocations")
                },
            }
        )
        return
    one = found.member
    click.echo(printing.plain(one.name))
    printing.print_fields(
        [
            ("role", f"{_role(one.role)}{' (asked for)' if one.state == 'candidate' else ''}"),
            ("country", one.country),
            ("fingerprint", one.fingerprint),
            ("member id", one.member_id.hex()),
            ("standing", standing_words(one)),
            *(contacts.fields(found.profile) if found.HasField("profile") else []),
        ]
    )
    for title, verb, voices in (
        ("Endorsements", "lapses", found.endorsements),
        ("Suspensions", "ends", found.suspensions),
        ("Revocations", "", found.revocations),
    ):
        if voices:
            click.echo(f"\n{title}")
            _print_voices(voices, verb)
    if found.feeds:
        click.echo("\nNodes")
        _print_feeds(found)


def _print_voices(voices: "Sequence[membership_pb2.Voice]", verb: str) -> None:
    headings = ("by", "role", "country", "said", *([verb] if verb else []), "counts")
    printing.print_table(
        headings,
        [
            (
                one.author_name,
                _role(one.author_role),
                one.author_country or "-",
                printing.day(one.created_ms),
                *([printing.moment(one.ends_ms) if verb == "ends" else printing.day(one.ends_ms)] if verb else []),
                f"no: {one.obstacle}" if one.obstacle else "yes",
            )
            for one in voices
        ],
        wrapped=("by", "role", "counts"),
    )


def _print_feeds(found: "membership_pb2.Standing") -> None:
    revoked = found.member.state in ("revoked", "left")
    printing.print_table(
        ("node", "feed", "state", "held", *(["stands to"] if revoked else [])),
        [
            (
                one.node_id.hex()[:8],
                one.feed_id.hex()[:16],
                one.state,
                f"{one.held:,}",
                *([f"{one.stands_to:,}" if one.stands_to else "nothing"] if revoked else []),
            )
            for one in found.feeds
        ],
        numbers=("held",),
    )


async def members(node: "Client") -> "list[admin_pb2.MemberView]":
    """Everyone: candidates, then members and those who were, by name."""
    from node.v1 import admin_pb2

    return list((await node.admin.ListMembers(admin_pb2.ListMembersRequest())).members)


def names(place: Place, ids: Iterable[bytes]) -> dict[bytes, str]:
    """What members with these ids are called; nobody is asked for none."""
    wanted = set(ids)
    return {one.member_id: one.name for one in calling.ask(place, members) if one.member_id in wanted} if wanted else {}


def standing_words(one: "admin_pb2.MemberView") -> str:
    """Where it stands, in words."""
    match one.state:
        case "candidate":
            return f"candidate: {vouching.progress(one)}"
        case "suspended":
            return f"suspended until {printing.moment(one.until_ms)}" if one.until_ms else "suspended"
        case "revoked":
            return "removed"
        case "lapsed":
            return f"without effect: {vouching.progress(one)}"
        case "left":
            return f"left on {printing.day(one.left_ms)}"
    if not one.accepted:
        return "member; has not accepted the charter yet"
    if one.until_ms:
        soon = one.until_ms - clock.now_ms() < WARNED_MS
        return f"member until {printing.day(one.until_ms)}{': endorse it again' if soon else ''}"
    return "member"


def plain(one: "admin_pb2.MemberView") -> dict[str, object]:
    """For programs."""
    roles = [_role(role) for role in one.endorser_roles]
    return {**printing.fields_of(one), "role": _role(one.role), "endorser_roles": roles}


def _plain_voice(one: "membership_pb2.Voice") -> dict[str, object]:
    return {
        **printing.fields_of(one),
        "author_role": _role(one.author_role),
        "role": _role(one.role) if one.role else "",
    }


def _role(role: int) -> str:
    from node.policy import parameters

    return parameters.role_name(role) if role else "-"


for _command in (vouching.endorse, vouching.unendorse, vouching.suspend, vouching.revoke):
    member.add_command(_command)
