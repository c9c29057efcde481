"""The root key on a machine without a network: what it is asked to sign goes there and back in a file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, ceremony, clock, options, printing
from node.errors import ConfigError

if TYPE_CHECKING:
    from node.custody.requests import Request


@click.group(
    epilog=options.examples(
        "tocsin key rotate node --export request        (on the node, stopped)",
        "tocsin identity sign request --root-key root.key  (where the root key is; no node, no network)",
        "tocsin identity import request                 (on the node)",
    )
)
def identity() -> None:
    """Have the root sign on a machine without a network.

    Every command that needs the root key writes its request with --export FILE. Nothing in it is secret.
    """


@identity.command(epilog=options.examples("tocsin identity show request"))
@click.argument("file", type=click.Path(path_type=Path))
@options.as_json
def show(file: Path, as_json: bool) -> None:
    """Say in words what a request asks the root to sign."""
    from node.custody import requests

    found = requests.read(file)
    if not as_json:
        _show(found)
        return
    asked = requests.describe(found.log, found.acts)
    letter = found.letter
    printing.print_json({"asks": asked, "asked_ms": letter.created_ms, "signed": bool(letter.signed)})


def _show(request: "Request") -> None:
    from datetime import UTC, datetime

    from node.custody import requests

    asked = clock.readable(datetime.fromtimestamp(request.letter.created_ms / 1000, UTC))
    ceremony.show([*requests.describe(request.log, request.acts), f"Asked for on {asked}."])
    click.echo("Signed." if request.letter.signed else "Not signed yet.")


@identity.command(
    epilog=options.examples(
        "tocsin identity sign request --root-key root.key",
        "tocsin identity sign request --root-key next-root.key --next-root-key next-root-2.key",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--root-key", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The root key's file.")
@click.option(
    "--next-root-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the root key changes: the file that the key after the new one is written to.",
)
@asking.passphrase_file
@asking.yes
def sign(file: Path, root_key: Path, next_root_key: Path | None, passphrase_file: str | None, yes: bool) -> None:
    """Sign what a request asks for, and write it into the same file. Needs no node and no folder."""
    from nacl.signing import SigningKey

    from node.custody import passphrase, requests

    request = requests.read(file)
    _show(request)
    if request.rotates and not next_root_key:
        raise click.UsageError("The root key changes: give --next-root-key FILE, for the key after the new one.")
    if not root_key.exists():
        raise ConfigError(f"{root_key} is not there", next_step="Name where the key lies.")
    if passphrase_file:
        asking.confirm("Sign this?", yes=yes)
    words = asking.passphrase("Root passphrase", passphrase_file)
    key = SigningKey(passphrase.open_file(root_key, "root", words))
    after = b""
    if request.rotates and next_root_key:
        made = SigningKey.generate()
        requests.require_key(request, key)
        passphrase.seal_file(next_root_key, "root", bytes(made), words)
        after = bytes(made.verify_key)
    requests.sign(request, key, file, after)
    click.echo(f"Signed {file}. Next: carry it back, and `tocsin identity import {file.name}` on the node.")


@identity.command(epilog=options.examples("tocsin identity log acme-video acme.log"))
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@options.own_folder
def log(name: str, file: Path, folder: Path) -> None:
    """Write a member's identity log, as it is here, for its administrator.

    Whoever lost it needs it before the root signs again: `tocsin reopen --log FILE` there. Nothing in it is secret.
    """
    from node import config as configs
    from node.custody import looking, recency
    from node.rpc import membership

    config = configs.load(options.config_file(folder))
    with looking.into(config) as (_, trust):
        found = membership.named(trust, name, clock.now_ms())
    entries = recency.write(config, found.member_id, file, clock.now_ms())
    click.echo(f"Wrote {file}: {entries:,} entries of the log of {found.name}.")


@identity.command("import", epilog=options.examples("tocsin identity import request"))
@click.argument("file", type=click.Path(path_type=Path))
@options.own_folder
@asking.yes
def import_(file: Path, folder: Path, yes: bool) -> None:
    """Put in force what the root signed. The node is stopped meanwhile."""
    from node import config as configs
    from node.custody import requests

    config = configs.load(options.config_file(folder))
    request = requests.read(file)
    _show(request)
    asking.confirm("Put this in force?", yes=yes)
    requests.take(config, request, clock.now_ms())
    click.echo("Done. Next: start the node.")
