"""Copies of a node that may come back, and a node out of one; a feed that begins anew."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, ceremony, clock, noting, options, printing
from node.errors import ConfigError

if TYPE_CHECKING:
    from node.custody.spares import Spare


@click.command(
    epilog=options.examples(
        "tocsin backup /var/backups/tocsin-$(date +%F).tar", "tocsin backup node.tar --json | jq .only_here"
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@options.own_folder
@options.as_json
def backup(file: Path, folder: Path, as_json: bool) -> None:
    """Write a backup: the node may run.

    In it are charter, configuration, cards, the members' logs, all headers and statements, peers, and which
    lists are followed. No payload and no key: what is live comes back from other members.
    """
    import msgspec

    from node import config as configs
    from node.custody import backups

    config = configs.load(options.config_file(folder))
    noting.note(config, "backup")
    made = backups.write(config, file, clock.now_ms())
    if as_json:
        printing.print_json(msgspec.to_builtins(made))
        return
    size = sum(one.bytes for one in made.files)
    click.echo(f"Wrote {file} (0600): {size / 1e6:,.1f} MB, of {printing.plain(made.name)}, without payloads and keys.")
    if made.only_here:
        click.echo("Not in it, and on no other member's node, so far as is known:")
        printing.print_table(
            ("list", "records"), [(one.list, str(one.records)) for one in made.only_here], numbers=("records",)
        )
        click.echo("Keep the files these were published from.")


def authority(command: "ceremony.Command") -> "ceremony.Command":
    """The options --spare and --root-key, as ``spare`` and ``root_key``."""
    for option in (
        click.option(
            "--root-key", type=click.Path(path_type=Path), metavar="FILE", help="The root key's file, without a spare."
        ),
        click.option("--spare", type=click.Path(path_type=Path), metavar="FILE", help="A spare; used up by it."),
    ):
        command = option(command)
    return command


@click.command(
    epilog=options.examples(
        "tocsin restore tocsin.tar --spare /media/stick/spare-1f0c93aa.key --journal /mnt/other/tocsin-erasures",
        "tocsin restore tocsin.tar --folder /etc/tocsin --root-key /media/stick/root.key",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@authority
@click.option(
    "--journal", type=click.Path(path_type=Path), metavar="FILE", help="The copy of the erasure journal: erasures.copy."
)
@click.option("--journal-lost", is_flag=True, help="There is no such copy: what is older counts as erased, for good.")
@options.new_folder
@asking.passphrase_file
@asking.yes
@ceremony.dry_run
def restore(
    file: Path,
    spare: Path | None,
    root_key: Path | None,
    journal: Path | None,
    journal_lost: bool,
    folder: Path,
    passphrase_file: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Make a node anew out of a backup.

    In a new folder, with fresh keys and a feed that begins anew. What was erased since the backup was made must not
    come back: that stands in the copy of the erasure journal. Without --journal and --journal-lost all that is older
    is held back until `tocsin erase journal` says which it is.
    """
    from node.custody import backups, restoring

    _require_one(spare, root_key)
    if journal and journal_lost:
        raise click.UsageError("Give --journal or --journal-lost, not both.")
    place, manifest = options.config_file(folder).parent, backups.manifest_of(file)
    ceremony.show(
        [
            f"A backup of {manifest.name}, {printing.moment(manifest.made_ms)}.",
            f"Makes {place}: fresh keys, a new feed of the same member and node. No key of the lost one comes back.",
            "At the peers: the node is let in "
            + ("as before." if spare else "once they have its new card: its TLS issuer is a new one."),
            "What it published before stands, as far as any peer has it; sealed records for the lost key stay closed.",
            *([] if spare else [_log_words(manifest.log_entries)]),
            *_journal_words(journal, manifest.federation_id, lost=journal_lost),
        ]
    )
    if dry_run:
        click.echo("Nothing was changed.")
        return
    opened = _open_spare(spare, passphrase_file, yes=yes) if spare else None
    unlock = ceremony.unlocking(root_key, passphrase_file, yes=yes) if root_key else None
    made = restoring.restore(
        file, place, clock.now(), spare=opened, unlock=unlock, journal=journal, journal_lost=journal_lost
    )
    click.echo(f"Made {place}.")
    if spare:
        click.echo(f"{spare} is used up: destroy it.")
    if made.card:
        click.echo(f"Wrote {made.card}: send it to every peer; each runs `tocsin peer add {made.card.name}`.")
    click.echo("Tools need new files: `tocsin tool issue`. Next: `tocsin run`, then a new backup.")


def _journal_words(journal: Path | None, federation_id: str, *, lost: bool) -> list[str]:
    from node.custody import journals
    from node.feed.pae import FederationId

    if journal:
        lines, last_ms = journals.reach(journal, FederationId(bytes.fromhex(federation_id)))
        until = f"{lines:,} lines, the last of {printing.moment(last_ms)}" if lines else "no line"
        return [
            f"Erased stays what {journal} says: {until}. All else comes back from the peers.",
            "Is that not the last copy, what was erased later comes back, too: find that one, or give --journal-lost.",
        ]
    if lost:
        return ["Nothing older than now comes back, since nobody knows what of it was erased: only its headers do."]
    return ["Nothing older than now comes back until `tocsin erase journal` has the copy, or says that it is lost."]


@click.command(
    epilog=options.examples(
        "tocsin reopen --dry-run",
        "tocsin reopen --spare /media/stick/spare-1f0c93aa.key",
        "tocsin reopen --root-key /media/stick/root.key",
        "tocsin reopen --root-key /media/stick/root.key --log acme.log",
    )
)
@authority
@click.option(
    "--export", type=click.Path(path_type=Path), metavar="FILE", help="Have the root sign elsewhere: write the request."
)
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The root's log as a peer has it, written there by `tocsin identity log`: the root signs behind that.",
)
@click.option(
    "--unconfirmed",
    is_flag=True,
    help="The root has signed nothing that is not in this folder: nobody else says so. If it has, this member is lost.",
)
@options.own_folder
@asking.passphrase_file
@asking.yes
@ceremony.dry_run
def reopen(
    spare: Path | None,
    root_key: Path | None,
    export: Path | None,
    log: Path | None,
    unconfirmed: bool,
    folder: Path,
    passphrase_file: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Begin a new feed in the present one's place.

    For where that may not be signed any more: after an old copy, a clone, a lost data/sign.

    The node is stopped meanwhile. Its old feed key is destroyed and never used again.
    """
    from node import config as configs
    from node.custody import ceremonies, recency, reopening

    if not dry_run and not export:
        _require_one(spare, root_key)
    how = ceremony.Signing(folder, root_key, export, passphrase_file, yes, dry_run)
    config = configs.load(options.config_file(folder))
    words = [
        f"Ends feed {one.feed_id.hex()[:16]} at entry {one.seq}, or where a peer shows that it goes further."
        for one in reopening.prospect(config, clock.now_ms())
    ]
    words += [
        "Here: fresh keys; the old feed key is destroyed, its journal kept.",
        "At the peers: what stands above the end is kept and shown as superseded; all else stands.",
    ]
    if spare is None:
        if log is not None and not dry_run:
            click.echo(f"{recency.take(config, log, clock.now_ms()):,} entries of the log are new here.")
        elif not unconfirmed and not dry_run:
            recency.require(config, clock.now_ms())
        words.append(_log_words(reopening.log_entries(config)))
        done = ["Done. Next: start the node."]
        ceremony.perform(how, ceremonies.reopen(config), words, done)
        return
    ceremony.show(words)
    if dry_run:
        click.echo("Nothing was changed.")
        return
    reopening.reopen(config, _open_spare(spare, passphrase_file, yes=yes), clock.now_ms())
    click.echo(f"Done. {spare} is used up: destroy it. Next: start the node.")


def _log_words(entries: int) -> str:
    return (
        f"The root will sign entry {entries + 1} of its log. If it has signed that one since, for another node or in a"
        " later backup, stop: two entries at one place fork the member for good. A spare has no such danger."
    )


def _require_one(spare: Path | None, root_key: Path | None) -> None:
    if bool(spare) == bool(root_key):
        raise click.UsageError("Give --spare FILE or --root-key FILE: one of the two lets the new keys in.")


def _open_spare(path: Path, passphrase_file: str | None, *, yes: bool) -> "Spare":
    from node.custody import spares

    if not path.exists():
        raise ConfigError(f"{path} is not there", next_step="Name where the spare lies now.")
    if passphrase_file:
        asking.confirm("Go on?", yes=yes)
    return spares.read(path, asking.passphrase("Passphrase of the spare", passphrase_file))
