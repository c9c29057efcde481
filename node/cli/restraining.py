"""Restraining peers: less from one, nothing for a while, or nothing any more; each can be taken back."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import asking, calling, options, printing
from node.cli.calling import Place

if TYPE_CHECKING:
    from node.client import Client
    from node.v1 import admin_pb2

UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}


async def peers(node: "Client", name: str = "") -> "list[admin_pb2.PeerView]":
    """All peers, or the one of this name."""
    from node.v1 import admin_pb2

    return list((await node.admin.ListPeers(admin_pb2.ListPeersRequest(peer=name))).peers)


def required(name: str) -> str:
    """What was typed, if anything was."""
    if not name.strip():
        raise click.UsageError("Which peer? `tocsin peer list` names them.")
    return name


def named(place: Place, name: str) -> "admin_pb2.PeerView":
    """The peer that is meant."""
    wanted = required(name)
    (found,) = calling.ask(place, lambda node: peers(node, wanted))
    return found


def limits_of(found: "admin_pb2.PeerView") -> str:
    """What a peer is limited to, in words; empty where it is not."""
    rate = f"{written(found.bytes_per_s)} a second of bulk, each way" if found.bytes_per_s else ""
    kinds = f"payloads of {', '.join(found.kinds)} only" if found.kinds else ""
    return "; ".join(filter(None, (rate, kinds)))


# ---- Less


class Rate(click.ParamType[int]):
    """Bytes a second, as in 2MiB; none: no limit."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes; 0: no limit."""
        found = re.fullmatch(r"(\d{1,12})\s*([KMG]iB|B|)", str(value), re.IGNORECASE)
        if value == "none":
            return 0
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no rate: 500KiB, 2MiB, none.", param, ctx)
        return int(found[1]) * UNITS[found[2].upper()]


def _kinds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    from node.policy import terms

    if value is None:
        return None
    names = tuple(filter(None, (one.strip() for one in value.split(","))))
    unknown = sorted(set(names) - {*terms.KINDS, "all"})
    if unknown or not names:
        meant = f"there is no kind {unknown[0]!r}" if unknown else "no kind"
        raise click.BadParameter(f"{meant}: {', '.join(terms.KINDS)}, or all.", ctx, parameter)
    return () if "all" in names else names


@click.command(
    epilog=options.examples(
        "tocsin peer limit acme-video --rate 2MiB",
        "tocsin peer limit acme-video --kinds crises,referrals",
        "tocsin peer limit acme-video --rate none --kinds all",
    )
)
@click.argument("name")
@click.option("--rate", type=Rate(), help="Of bulk, a second and each way, as 2MiB; at least 64KiB; none: no limit.")
@click.option(
    "--kinds",
    metavar="KIND[,KIND]...",
    callback=_kinds,
    help="Whose payloads are taken from it: crises, lists, referrals, documents, sealed; or all.",
)
@options.folder
def limit(name: str, rate: int | None, kinds: tuple[str, ...] | None, folder: Path) -> None:
    """Take less from a peer, or more slowly. What is not said stays as it is.

    The rate holds for bulk, which is lists and other large payloads; what is urgent is never slowed. Of kinds that
    are not taken from it, payloads are neither fetched from this peer nor kept when it pushes them; other peers may
    bring them. Headers are taken all the same, or feeds would have holes, and so are statements, as withdrawals.
    """
    if rate is None and kinds is None:
        raise click.UsageError("Give --rate, --kinds, or both.")
    place = calling.find(folder)
    found = named(place, name)

    async def ask(node: "Client") -> "admin_pb2.PeerView":
        from node.v1 import admin_pb2

        request = admin_pb2.LimitPeerRequest(peer=found.member_id.hex(), bytes_per_s=rate)
        if kinds is not None:
            request.kinds.CopyFrom(admin_pb2.PeerKinds(names=kinds))
        return (await node.admin.LimitPeer(request)).peer

    limited = calling.ask(place, ask)
    click.echo(f"{printing.plain(limited.name)}: {limits_of(limited) or 'no limit'}.")


# ---- Nothing for a while


@click.command(epilog=options.examples("tocsin peer pause acme-video", "tocsin peer resume acme-video"))
@click.argument("name")
@options.folder
def pause(name: str, folder: Path) -> None:
    """Have no connection to a peer until it is resumed. It stays approved, and is told that it is paused."""
    place = calling.find(folder)
    found = named(place, name)

    async def ask(node: "Client") -> int:
        from node.v1 import admin_pb2

        return (await node.admin.PausePeer(admin_pb2.PausePeerRequest(peer=found.member_id.hex()))).streams_ended

    ended = calling.ask(place, ask)
    click.echo(f"Paused {printing.plain(found.name)}; {streams(ended)}. `tocsin peer resume` connects again.")


@click.command(epilog=options.examples("tocsin peer resume acme-video"))
@click.argument("name")
@options.folder
def resume(name: str, folder: Path) -> None:
    """Connect to a paused peer again."""
    place = calling.find(folder)
    found = named(place, name)

    async def ask(node: "Client") -> None:
        from node.v1 import admin_pb2

        await node.admin.ResumePeer(admin_pb2.ResumePeerRequest(peer=found.member_id.hex()))

    calling.ask(place, ask)
    click.echo(f"Resumed {printing.plain(found.name)}.")


# ---- Nothing any more


@click.command(epilog=options.examples("tocsin peer remove acme-video", "tocsin peer remove acme-video --yes"))
@click.argument("name")
@options.folder
@asking.yes
def remove(name: str, folder: Path, yes: bool) -> None:
    """Forget a peer. Its connections end at once; what it said stays."""
    place = calling.find(folder)
    found = named(place, name)
    asking.confirm(f"Remove {printing.plain(found.name)}, {found.fingerprint}, from the peers?", yes=yes)

    async def end(node: "Client") -> int:
        from node.v1 import admin_pb2

        request = admin_pb2.RemovePeerRequest(peer=found.member_id.hex())
        return (await node.admin.RemovePeer(request)).streams_ended

    ended = calling.ask(place, end)
    click.echo(f"Removed {printing.plain(found.name)}; {streams(ended)}.")


@click.command(
    epilog=options.examples(
        "tocsin peer block acme-video",
        "tocsin peer block acme-video --yes",
        "tocsin peer block acme-video --quarantine",
    )
)
@click.argument("name")
@click.option("--quarantine", is_flag=True, help="Also set aside what came only from it, until it is released.")
@options.folder
@asking.yes
def block(name: str, quarantine: bool, folder: Path, yes: bool) -> None:
    """Refuse a peer until its card is added again. Its connections end at once.

    With --quarantine, what this node has from it alone does not count any more: it is not shown, matched, served or
    passed on. What another peer brought as well, or holds now, counts as before. Nothing is erased; `tocsin peer
    release` and `tocsin peer add` take it back.
    """
    place = calling.find(folder)
    found = named(place, name)
    words = " and set aside what came only from it" if quarantine else ""
    asking.confirm(f"Block {printing.plain(found.name)}, {found.fingerprint}{words}?", yes=yes)

    async def end(node: "Client") -> "admin_pb2.BlockPeerResponse":
        from node.v1 import admin_pb2

        return await node.admin.BlockPeer(admin_pb2.BlockPeerRequest(peer=found.member_id.hex(), quarantine=quarantine))

    answer = calling.ask(place, end)
    aside = f"; {entries(answer.set_aside)} set aside" if quarantine else ""
    click.echo(f"Blocked {printing.plain(found.name)}; {streams(answer.streams_ended)}{aside}.")


@click.command(epilog=options.examples("tocsin peer release acme-video", "tocsin peer release acme-video --yes"))
@click.argument("name")
@options.folder
@asking.yes
def release(name: str, folder: Path, yes: bool) -> None:
    """Let count again what was set aside when a peer was blocked. It stays blocked."""
    place = calling.find(folder)
    found = named(place, name)
    asking.confirm(f"Let what came only from {printing.plain(found.name)} count again?", yes=yes)

    async def ask(node: "Client") -> int:
        from node.v1 import admin_pb2

        return (await node.admin.ReleasePeer(admin_pb2.ReleasePeerRequest(peer=found.member_id.hex()))).released

    released = calling.ask(place, ask)
    click.echo(f"Released {printing.plain(found.name)}; {entries(released)} no longer set aside.")


COMMANDS: tuple[click.Command, ...] = (pause, resume, limit, block, release, remove)


def written(size: int) -> str:
    """A number of bytes, in the largest unit that needs no fraction."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and not size % bytes_:
            return f"{size // bytes_:,} {unit}"
    return f"{size:,} bytes"


def streams(ended: int) -> str:
    """How many connections ended."""
    return f"{ended or 'no'} stream{'' if ended == 1 else 's'} ended"


def entries(count: int) -> str:
    """How many entries."""
    return f"{count or 'no'} entr{'y' if count == 1 else 'ies'}"
