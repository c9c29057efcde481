"""Certificates for the member's own programs and people."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import clock, noting, options
from node.errors import ConfigError

if TYPE_CHECKING:
    from node.config import Config
    from node.feed.pae import FederationId

SCOPES = {  # what each opens; the node checks it on every call
    "read": "see crises and lists, and receive what arrives",
    "match": "look digests up",
    "share": "publish, change, follow and withdraw lists, and say what any member says of a crisis",
    "declare": "declare, lead, co-sign and refuse crises, and all that is said of one",
    "admin": "all that the administrator may ask of the running node: status, members, peers",
    "refer": "make and answer referrals (nothing asks for it yet)",
    "protect": "data protection: until when things are kept, holds, answers to data subjects, reports",
    "audit": "read the audit log, and nothing else",
}


@click.group(epilog=options.examples("tocsin tool issue scanner --scope match"))
def tool() -> None:
    """Let the member's own programs and people in."""


@tool.command(
    epilog=options.examples(
        "tocsin tool issue scanner --scope match",
        "tocsin tool issue importer --scope read --scope share --days 90 --output /srv/importer.pem",
        "tocsin tool issue officer --person --scope read --scope declare --node node.acme.example:7444",
        "tocsin tool issue auditor --person --scope audit",
    )
    + "\n\n\b\nScopes:\n"
    + "\n".join(f"  {name:<9}{what}" for name, what in SCOPES.items())
)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(list(SCOPES)),
    metavar="SCOPE",
    help="What it may do, once for each; see below.",
)
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 366), help="How long it is good for.")
@click.option("--person", is_flag=True, help="For a person, by whose name the audit log has what is done with it.")
@click.option(
    "--node",
    "address",
    default="",
    metavar="HOST:PORT",
    callback=options.address,
    help="Where it reaches this node. Default: where the node listens for tools.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Where to write it. Default: NAME.pem.")
@options.own_folder
def issue(
    name: str, scopes: tuple[str, ...], days: int, person: bool, address: str, output: Path | None, folder: Path
) -> None:
    """Make a certificate and key for a tool or a person, in one file that only its owner may read.

    The file also says the federation's id and where the node is: `tocsin COMMAND --as FILE` needs no more.
    """
    from node import config as configs
    from node.cli import remote
    from node.custody import files, tools

    path = output or Path(f"{name}.pem")
    if path.exists():
        raise ConfigError(
            f"{path} is there already and is not overwritten",
            next_step="Write to another file with --output, or move the old one away: it stays good until it ends.",
        )
    settings = configs.load(options.config_file(folder))
    now, life = clock.now(), timedelta(days=days)
    address = address or remote.dialled(settings.tools_listen, settings.peers_address)
    federation_id = _federation_id(settings)
    pem = tools.issue(
        settings.data_folder, name, scopes, now, life, federation_id=federation_id, address=address, is_person=person
    )
    noting.note(settings, "tool issue", f"{'person' if person else 'tool'}/{name}", *sorted(set(scopes)))
    files.create_secret(path, pem)
    click.echo(f"{path} (0600): {', '.join(sorted(set(scopes)))}, {days} days, until {clock.readable(now + life)}")
    if federation_id is None:
        click.echo("This node has not joined yet, so the file does not say the federation: issue it after `join`.")
    if address and _is_loopback(settings.tools_listen) and not _is_loopback(address):
        port = settings.tools_listen.rpartition(":")[2]
        click.echo(
            f"Other machines cannot connect while tools.listen in node.toml is {settings.tools_listen}: set it to "
            f'"[::]:{port}" or to\none address of this machine, and start the node anew.'
        )
    elif not address:
        click.echo("The node listens on any free port, so the file does not say where: give --node with it.")


def _is_loopback(address: str) -> bool:
    return address.rpartition(":")[0] in {"127.0.0.1", "[::1]", "localhost"}


def _federation_id(settings: "Config") -> "FederationId | None":
    from node.custody import joining

    return joining.read_charter(settings).federation_id if joining.has_charter(settings) else None
