"""Leaving the federation for good: each step can be taken again, whatever interrupted it."""

from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, ceremony, clock, options, printing
from node.cli.calling import Place
from node.cli.ceremony import Signing
from node.crisis.words import REASONS
from node.errors import Refused, Unavailable

if TYPE_CHECKING:
    from nacl.signing import SigningKey

    from node.client import Client
    from node.custody.departing import Outlook
    from node.v1.header_pb2 import SignedEntry
    from node.v1.membership_pb2 import GetDepartureResponse

TOLD_S = 60.0  # a peer that is connected has what is told it in a second
LOOK_EVERY_S = 0.5
REASON = "outdated"


@click.command(
    epilog=options.examples(
        "tocsin leave --dry-run",
        "tocsin leave --withdraw --root-key /media/stick/root.key",
        "tocsin leave --export request    (the node stopped, the root on another machine)",
        "tocsin leave                     (once it has left: whom it told, and what is still to be erased)",
    )
    + options.exit_codes("0 it has left, or was only asked; 1 it was not confirmed; 4 what needs the running node.")
)
@click.option("--withdraw", is_flag=True, help="First take back all that this member published and that still stands.")
@ceremony.signing
def leave(withdraw: bool, signing: Signing) -> None:
    """Leave the federation, for good. Coming back is another member.

    The root ends this member's feeds and says that it leaves. The node tells its peers, erases what others
    entrusted to it, and publishes nothing more. What this member endorsed stands until it lapses.

    Run it again after an interruption: what was done is not done twice.
    """
    from node.custody import departing

    place = calling.local(signing.folder)
    found = departing.look(signing.config, clock.now_ms())
    if not found.left_ms:
        if not _leave(place, found, signing, withdraw=withdraw):
            return
        found = departing.look(signing.config, clock.now_ms())
    click.echo(printing.plain(f"{found.name} left {found.federation} on {printing.moment(found.left_ms)}."))
    if not signing.dry_run:
        _finish(place)


def _leave(place: Place, found: "Outlook", signing: Signing, *, withdraw: bool) -> bool:
    """Say what it is, take back what is to be, and have it signed; whether this member has left."""
    from node.custody import ceremonies, requests

    now = _look(place)
    if withdraw and now is None:
        raise Refused(
            "what this member published is taken back by its node, which does not run",
            next_step=f"{calling.how_to_start(signing.config.folder)} Without --withdraw it stands until it ends.",
        )
    asked = ceremonies.leave(signing.config)
    ceremony.show([*requests.preview(signing.config, asked.acts), *_consequences(found, now, withdraw=withdraw)])
    if signing.dry_run:
        click.echo("Nothing was changed.")
        return False
    if not signing.yes:
        asking.confirm_word("this member's name", [found.name], f"{found.name} leaves", "changed")
    if signing.export:
        if withdraw:
            _take_back(place)
        _export(signing, runs=now is not None)
        return False
    path = signing.root_key or signing.config.folder / "root.key"
    if now is None:
        unlock = ceremony.unlocking(path, signing.passphrase_file, yes=True)
        ceremonies.carry_out(signing.config, asked, unlock, clock.now_ms())
    else:
        root = ceremony.open_root(path, signing.passphrase_file, yes=True)  # before anything is taken back for good
        if withdraw:
            _take_back(place)
        _hand_in(place, signing, root)
    return True


def _consequences(found: "Outlook", now: "GetDepartureResponse | None", *, withdraw: bool) -> list[str]:
    objects = f"{now.objects:,} objects of ours" if now else "what is ours"
    own = f"{objects} are withdrawn first" if withdraw else f"{objects}, not withdrawn, stand until they end"
    return [
        f"Of our own: {own}. Afterwards nothing can be withdrawn without the root key.",
        "Here: all payloads of others are erased; own records and the identity logs stay until they end.",
        "At the peers: they keep what we published as it stands, and send us nothing but identity logs any more.",
        "What we endorsed stands until it lapses. It cannot be undone: coming back is another member.",
        *(f"WITHOUT US: {line}." for line in found.too_few),
    ]


# ---- What is ours


def _take_back(place: Place) -> None:
    withdrawn = calling.ask(place, _withdraw_all)
    click.echo(f"{withdrawn:,} objects withdrawn.")


async def _withdraw_all(node: "Client") -> int:
    from node.v1 import membership_pb2

    withdrawn = 0
    request = membership_pb2.WithdrawOwnRequest(reason=REASONS.index(REASON) + 1)
    while (answer := await node.membership.WithdrawOwn(request)).withdrawn:
        withdrawn += answer.withdrawn
    return withdrawn


# ---- The root's word


def _export(signing: Signing, *, runs: bool) -> None:
    from node.custody import ceremonies

    if runs:
        raise Refused(
            "what is to be signed elsewhere is asked for while the node stands still: its feed would grow above it",
            next_step="Stop the node, and run `tocsin leave --export FILE`; start it after `tocsin identity import`.",
        )
    ceremony.write_request(signing, ceremonies.leave(signing.config))


def _hand_in(place: Place, signing: Signing, key: "SigningKey") -> None:
    """Sign it behind what the node has said so far; again, where it has said more meanwhile."""
    from node.custody import departing

    for _ in range(asking.TRIES):
        letters = departing.sign(signing.config, key, clock.now_ms())
        try:
            calling.ask(place, lambda node: _taken(node, letters))  # noqa: B023 - asked at once
        except Refused as error:
            if error.field != "seq":
                raise
        else:
            return
    raise Refused("this node says something new all the time", next_step="Stop it, and run `tocsin leave` again.")


async def _taken(node: "Client", letters: "list[SignedEntry]") -> None:
    from node.v1 import membership_pb2

    await node.membership.Leave(membership_pb2.LeaveRequest(entries=letters))


# ---- Telling, and erasing


def _look(place: Place) -> "GetDepartureResponse | None":
    """How far it is, by the node; None where that does not run."""
    try:
        return calling.ask(place, _departure)
    except Unavailable:
        return None


async def _departure(node: "Client") -> "GetDepartureResponse":
    from node.v1 import membership_pb2

    return await node.membership.GetDeparture(membership_pb2.GetDepartureRequest())


def _finish(place: Place) -> None:
    if _look(place) is None:
        click.echo("Next: start the node. It tells its peers, and erases what others entrusted to it;")
        click.echo("`tocsin leave` again says how far that is.")
        return
    try:
        now = calling.ask(place, _over)
    except KeyboardInterrupt:
        click.echo("The node goes on with it; `tocsin leave` again says how far it is.")
        return
    for line in _progress(now):
        click.echo(printing.plain(line))
    if not (now.entrusted or now.untold or now.away):
        click.echo("Done. Next: stop the node; what is left to do by hand stands in configs/README.md, Leaving.")


async def _over(node: "Client") -> "GetDepartureResponse":
    """Once every connected peer has it and nothing of others is here, or the patience is over."""
    import asyncio

    now = await _departure(node)
    try:
        async with asyncio.timeout(TOLD_S):
            while now.untold or now.entrusted:
                await asyncio.sleep(LOOK_EVERY_S)
                now = await _departure(node)
    except TimeoutError:
        pass
    return now


def _progress(now: "GetDepartureResponse") -> list[str]:
    waiting = [
        *(f"  {name}: connected, and has not taken it yet" for name in now.untold),
        *(
            f"  {name}: not connected now; if it does not know, it is told when it is, or by others"
            for name in now.away
        ),
    ]
    erased = f"{now.entrusted:,} payloads of others are still to be erased" if now.entrusted else "erased"
    return [f"Peers that know it: {', '.join(now.told) or 'none yet'}.", *waiting, f"What others entrusted: {erased}."]
