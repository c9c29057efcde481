"""What only the root may sign: what will happen, in words; then the passphrase, or a file to be signed elsewhere."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli import asking, clock, options
from node.errors import ConfigError

if TYPE_CHECKING:
    from nacl.signing import SigningKey

    from node.config import Config
    from node.custody.ceremonies import Ceremony, Unlock
    from node.feed.identity import Identity

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Signing:
    """How it is to be signed."""

    folder: Path
    root_key: Path | None
    export: Path | None
    passphrase_file: str | None
    yes: bool
    dry_run: bool

    @property
    def config(self) -> "Config":
        """Of the node that it is about."""
        from node import config as configs

        return configs.load(options.config_file(self.folder))


def signing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a ceremony, as ``signing: Signing``."""

    @functools.wraps(command)
    def packed(
        *arguments: Any,
        folder: Path,
        root_key: Path | None,
        export: Path | None,
        passphrase_file: str | None,
        yes: bool,
        dry_run: bool,
        **others: Any,
    ) -> Any:
        if root_key and export:
            raise click.UsageError("Give --root-key or --export, not both: it is signed here or elsewhere.")
        how = Signing(folder, root_key, export, passphrase_file, yes, dry_run)
        return command(*arguments, signing=how, **others)

    for option in (
        dry_run,
        asking.yes,
        asking.passphrase_file,
        options.own_folder,
        click.option(
            "--export",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Sign elsewhere: write what is to be signed into FILE, for `tocsin identity sign`.",
        ),
        click.option(
            "--root-key",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Sign here, with the root key in FILE. Default: root.key in the folder.",
        ),
    ):
        packed = option(packed)
    return packed


def dry_run(command: Command) -> Command:
    """The option --dry-run, as ``dry_run: bool``."""
    return click.option(
        "--dry-run", is_flag=True, help="Say what would happen, here and at the peers; change nothing."
    )(command)


def perform(how: Signing, ceremony: "Ceremony", consequences: Sequence[str], done: Sequence[str]) -> None:
    """Say what it is, have it signed, and say what comes next."""
    from node.custody import ceremonies, requests

    config = how.config
    show([*requests.preview(config, ceremony.acts), *consequences])
    if how.dry_run:
        click.echo("Nothing was changed.")
        return
    if how.export:
        write_request(how, ceremony)
        return
    path = how.root_key or config.folder / "root.key"
    ceremonies.carry_out(config, ceremony, unlocking(path, how.passphrase_file, yes=how.yes), clock.now_ms())
    show(done)


def write_request(how: Signing, ceremony: "Ceremony") -> None:
    """Ask for it in a file."""
    from node.custody import requests

    if how.export is None:
        raise click.UsageError("Give --export FILE.")
    requests.write(how.config, ceremony, how.export, clock.now_ms())
    click.echo(
        f"Wrote {how.export}, without any secret. Next: where the root key is,\n"
        f"`tocsin identity sign {how.export.name} --root-key KEY`;"
        f" then here `tocsin identity import {how.export.name}`."
    )


def show(lines: Sequence[str]) -> None:
    """Line by line; names in them are others'."""
    from node.cli import printing

    for line in lines:
        click.echo(printing.plain(line))


def unlocking(path: Path, passphrase_file: str | None, *, yes: bool, holds: str = "Root") -> "Unlock":
    """Ask for the passphrase of this file when the key is needed: typing it is the confirmation."""

    def unlock(_: "Identity | None") -> "SigningKey":
        return open_root(path, passphrase_file, yes=yes, holds=holds)

    return unlock


def open_root(path: Path, passphrase_file: str | None, *, yes: bool, holds: str = "Root") -> "SigningKey":
    """The key in a root key's file."""
    from nacl.signing import SigningKey

    from node.custody import passphrase

    if not path.exists():
        raise ConfigError(
            f"{path} is not there",
            next_step="Name where the key lies now with --root-key, or sign elsewhere with --export FILE.",
        )
    if passphrase_file:
        asking.confirm("Go on?", yes=yes)
    return SigningKey(passphrase.open_file(path, "root", asking.passphrase(f"{holds} passphrase", passphrase_file)))
