"""Erasures: the proof that something is gone."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, clock, options, printing

if TYPE_CHECKING:
    from node.custody.proof import Proof

NOT_PROVEN = 1


@click.group(
    epilog=options.examples("tocsin erase prove europol/halle/7f3k:1042", "tocsin erase journal /srv/tocsin-erasures")
)
def erase() -> None:
    """See what was erased. What is over, or was taken back, goes by itself."""


@erase.command(
    epilog=options.examples(
        "tocsin erase prove europol/halle/7f3k:1042",
        "tocsin erase prove 7f3k:1042 --value 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tocsin erase prove 7f3k --json",
    )
    + "\n\n\b\nExit codes: 0 it is erased and nothing of it is left, 1 it is not."
)
@click.argument("item")
@click.option("--value", "values", multiple=True, help="Search every byte of the data folder for it, too.")
@options.own_folder
@options.as_json
@click.pass_context
def prove(ctx: click.Context, item: str, values: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Prove that an item, or a whole record, is erased on this node.

    Looks for the line of the erasure journal and for payload, key, remainder and index. With --value, for
    the value itself in every file below data/, as bytes and as text. The node may run meanwhile. Copies
    of these files elsewhere, and the disk's own snapshots, are not seen.
    """
    from node import config as configs
    from node.custody import proof

    found = proof.prove(configs.load(options.config_file(folder)), item, values)
    if as_json:
        printing.print_json(_plain(found))
    else:
        _show(found)
    ctx.exit(0 if found.holds else NOT_PROVEN)


@erase.command(
    epilog=options.examples("tocsin erase journal /srv/tocsin-erasures", "tocsin erase journal --lost --yes")
)
@click.argument("copy", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@click.option("--lost", is_flag=True, help="There is no copy: what is older than the restore counts as erased.")
@options.own_folder
@asking.yes
def journal(copy: Path | None, lost: bool, folder: Path, yes: bool) -> None:
    """Give a node the copy of its erasure journal, where its own is an older one. The node is stopped meanwhile.

    Until then a restored node takes in nothing older than its restore: some of that may have been erased since the
    backup was made, and only the journal knows. A node whose journal was put back does not start. FILE is what
    `erasures.copy` in node.toml named.
    """
    from node import config as configs
    from node.custody import journals

    if (copy is None) != lost:
        raise click.UsageError("Give the copy of the journal, or --lost where there is none.")
    config = configs.load(options.config_file(folder))
    if copy:
        more = journals.adopt(config, copy, clock.now_ms())
        click.echo(f"{more:,} erasures since the backup, or that were missing; the next start goes through with them.")
        return
    asking.confirm("Give up all that is older than the restore, for good?", yes=yes)
    journals.declare_lost(config, clock.now_ms())
    click.echo("What is older than the restore counts as erased.")


def _show(found: "Proof") -> None:
    erased_at = found.erased_at
    if erased_at is None or found.erasure is None:
        click.echo("Not erased: the erasure journal has no line about it.")
    else:
        click.echo(
            f"{'Erased' if found.holds else 'Erased by the journal, and not gone'}: "
            f"{printing.moment(found.erasure.erased_ms)}, {found.erasure.reason.name.lower()}."
        )
        click.echo(f"  line {found.line:,} of {found.journal_size:,} of the erasure journal, head {_head(found)}")
    for one in found.left:
        click.echo(f"  {one}")
    for shown in found.shown:
        click.echo(f"  the value stands in {shown.path} at byte {shown.byte:,}")
    if found.searched_bytes and not found.shown:
        click.echo(f"  the value stands in none of {found.searched_bytes:,} bytes below data/")


def _head(found: "Proof") -> str:
    return found.journal_head.hex()[:16]


def _plain(found: "Proof") -> dict[str, object]:
    return {
        "entry": found.address.entry.hex(),
        "position": found.address.position,
        "erased": found.holds,
        "erased_ms": found.erasure.erased_ms if found.erasure else None,
        "reason": found.erasure.reason.name.lower() if found.erasure else "",
        "journal_line": found.line,
        "journal_size": found.journal_size,
        "journal_head": found.journal_head.hex(),
        "left": list(found.left),
        "shown": [{"path": str(one.path), "byte": one.byte} for one in found.shown],
        "searched_bytes": found.searched_bytes,
    }
