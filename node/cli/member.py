"""Making a member, and having it join."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, clock, countries, options
from node.errors import ConfigError

if TYPE_CHECKING:
    from nacl.signing import SigningKey

    from node.custody.invites import Invite
    from node.custody.joining import Joined
    from node.feed.charter import Charter
    from node.feed.identity import Inception

ROLES = ("authority", "europol", "industry_body", "platform", "observer")


def _country(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    if value == "none":
        return ""
    if not re.fullmatch("[A-Z]{2}", value):
        raise click.BadParameter("two capital letters as DE, EU for bodies of the Union, or none", ctx, parameter)
    if fault := countries.fault(value):
        raise click.BadParameter(fault, ctx, parameter)
    return value


@click.command(
    epilog=options.examples(
        'tocsin init --name "Bundeskriminalamt" --role authority --country DE --address node.bka.example:7443',
        'tocsin init --name "Acme Video" --role platform --country IE        (nobody dials us: we dial)',
        'tocsin init --name "Tech Forum" --role industry_body --country none --passphrase-file -',
    )
)
@click.option("--name", required=True, help="The organisation's name, as all members will see it.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="The role it asks for.")
@click.option("--country", required=True, metavar="CC", callback=_country, help="As DE; EU; or none.")
@click.option("--address", default="", metavar="HOST:PORT", callback=options.address, help="Where other members dial.")
@click.option(
    "--listen",
    default="",
    metavar="HOST:PORT",
    callback=options.address,
    help="Where to listen for them. Default: every interface at --address's port; without --address only 127.0.0.1.",
)
@click.option(
    "--tools-listen",
    default="127.0.0.1:7444",
    show_default=True,
    metavar="HOST:PORT",
    callback=options.address,
    help="Where to listen for in-house tools.",
)
@options.new_folder
@asking.passphrase_file
def init(
    name: str,
    role: str,
    country: str,
    address: str,
    listen: str,
    tools_listen: str,
    folder: Path,
    passphrase_file: str | None,
) -> None:
    """Make a new member and its first node.

    Writes the root keys under a passphrase, a card to send, a configuration, and the node's own keys.
    """
    from node.custody import member
    from node.feed.identity import Role

    folder = options.config_file(folder).parent
    member.require_new(folder)
    made = member.create(
        folder,
        name=name,
        role=Role[role.upper()],
        country=country,
        words=asking.passphrase("Root passphrase", passphrase_file, new=True),
        now=clock.now(),
        address=address,
        listen=listen,
        tools_listen=tools_listen,
    )
    click.echo(f"Made {folder}. Fingerprint  {made.fingerprint}")
    click.echo(f"Wrote {made.card_path} (public): send it to whoever writes the charter, or to a sponsor.")
    click.echo(
        f"Next: move {member.ROOT_KEY} and {member.NEXT_ROOT_KEY} to offline media, each to its own.\n"
        "When the charter or an invite comes: `tocsin join FILE --root-key PATH`, with the root key where it lies then."
    )


@click.command(
    epilog=options.examples(
        "tocsin join charter.tocsin",
        "tocsin join acme-video.invite       (a further member: the file that its sponsor sent)",
        "tocsin join charter.tocsin --root-key /media/stick/root.key",
        "TOCSIN_PASSPHRASE_FILE=/run/secrets/root tocsin join charter.tocsin --yes",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--root-key", type=click.Path(path_type=Path), help="The root key's file. Default: root.key in the folder."
)
@options.own_folder
@asking.passphrase_file
@asking.yes
def join(file: Path, root_key: Path | None, folder: Path, passphrase_file: str | None, yes: bool) -> None:
    """Join by a charter or an invite, with the root key.

    Signs the acceptance and the node's certificate, and opens the node's feed. Safe to repeat: what an
    interrupted join has signed is not signed again.
    """
    from node import config as configs
    from node.custody import charters, files, invites, joining

    config = configs.load(options.config_file(folder))
    data = files.read_public(file, invites.FILE_BYTES_MAX)
    path = root_key or config.folder / "root.key"
    invite = invites.decode(data, str(file)) if invites.is_one(data) else None

    def unlock(inception: "Inception") -> "SigningKey":
        charter = invite.charter if invite else charters.decode(data)[1]
        return _unlock(path, inception, charter, passphrase_file, yes=yes)

    if invite is not None:
        _confirm_sponsor(invite, yes=yes)
        joined = joining.join_invited(config, invite, unlock, clock.now_ms())
    else:
        joined = joining.join(config, data, unlock, clock.now_ms(), str(file))
    charter, inception = joined.charter, joined.inception
    done = "joined" if joined.signed else "has joined already:"
    click.echo(f"{inception.name} {done} {charter.name}, federation id {charters.readable_id(charter)}")
    click.echo(f"  {_what_next(joined, invite)}")
    for key in (path, config.folder / "next-root.key"):
        if key.parent == config.folder and key.exists():
            click.echo(f"  {key} still lies beside the node: move it to offline media.")
    click.echo("Next: `tocsin run`.")


def _confirm_sponsor(invite: "Invite", *, yes: bool) -> None:
    """Who vouches for us is known by its fingerprint, and by nothing else in the file."""
    from node.custody import charters
    from node.feed import keys
    from node.feed.keys import MemberId

    name, fingerprint = invite.sponsor.name, keys.fingerprint(MemberId(invite.sponsor.member_id))
    click.echo(f"{invite.charter.name}, federation id {charters.readable_id(invite.charter)}")
    click.echo(f"  sponsor: {name}{'' if invite.address else ' (it dials us)'}")
    if yes:
        click.echo(f"  {fingerprint}")
    else:
        asking.confirm_fingerprint(name, fingerprint)


def _what_next(joined: "Joined", invite: "Invite | None") -> str:
    from node.custody import charters
    from node.feed.quorum import Act

    if invite is None:
        return f"In force after acceptance by {charters.needed_words(joined.charter, Act.ACCEPT)}."
    needed = charters.needed_words(joined.charter, Act.ADMIT, joined.inception.role)
    return f"A candidate until it is admitted by {needed}. {invite.sponsor.name} is its first peer."


def _unlock(
    path: Path, inception: "Inception", charter: "Charter", passphrase_file: str | None, *, yes: bool
) -> "SigningKey":
    """Say what will be signed, then ask for the passphrase: typing it is the confirmation."""
    from nacl.signing import SigningKey

    from node.custody import charters, passphrase

    if not path.exists():
        raise ConfigError(
            f"{path} is not there",
            next_step="Name where the root key lies now: --root-key PATH.",
        )
    click.echo(
        f"{charters.founder_words(inception)}\n  accepts the charter of {charter.name}, "
        f"federation id {charters.readable_id(charter)}."
    )
    if passphrase_file:
        asking.confirm("Sign this?", yes=yes)
    return SigningKey(passphrase.open_file(path, "root", asking.passphrase("Root passphrase", passphrase_file)))
