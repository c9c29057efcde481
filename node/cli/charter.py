"""The charter: its template, making it of cards, and what it says in words."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import asking, errors, options, printing
from node.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.feed.charter import Charter
    from node.feed.identity import Card

TEXT_BYTES_MAX = 256 << 10


@click.group(
    epilog=options.examples(
        "tocsin charter template > federation.toml",
        "tocsin charter create federation.toml *.card",
        "tocsin charter show charter.tocsin",
    )
)
def charter() -> None:
    """Write a federation's charter, or read one."""


@charter.command(epilog=options.examples("tocsin charter template > federation.toml"))
def template() -> None:
    """Print a charter's text to edit: thresholds, rights, frameworks."""
    from node.policy import parameters

    click.echo(parameters.TEMPLATE, nl=False)


@charter.command(
    epilog=options.examples(
        "tocsin charter create federation.toml *.card",
        "tocsin charter create federation.toml *.card --output eu.tocsin --yes",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("cards", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CARD...")
@click.option(
    "--output", default="charter.tocsin", show_default=True, type=click.Path(path_type=Path), help="Where to write it."
)
@asking.yes
def create(file: Path, cards: tuple[Path, ...], output: Path, yes: bool) -> None:
    """Make the charter of an edited text and the founders' cards, in any order.

    Each founder reads out its fingerprint over a second channel, and you type its last five characters.
    With --yes nothing is asked, so whoever could change a card on its way to you could found in its place.
    """
    from node.content import names
    from node.custody import charters, files
    from node.feed import keys
    from node.feed.quorum import Act

    if output.exists():
        raise ConfigError(f"{output} is there already", next_step="Use another --output: nobody can tell two apart.")
    signed = [charters.read_card(path) for path in cards]
    data = charters.create(_text(file), signed, str(file))
    for _, card in signed:
        name, fingerprint = names.unmistakable(card.inception.name), keys.fingerprint(card.inception.member_id)
        if yes:
            click.echo(f"{name}  {fingerprint}")
        else:
            asking.confirm_fingerprint(name, fingerprint)
    files.create_public(output, data)
    made = charters.decode(data)[1]
    needed = made.quorums[Act.ACCEPT, 0].count
    click.echo(
        f"{output}   federation id {charters.readable_id(made)}   "
        f"in force after {needed} of {len(made.founders)} acceptances"
    )
    if _is_dead_end(charters.describe(made)):
        errors.warn(
            "with these founders nobody can ever be let in, and nothing amended: each takes more members than they are",
            f"`tocsin charter show {output}` has it in words. If that is not meant, lower counts and make it again.",
        )
    click.echo("Next: send it to every founder; each runs `tocsin join`, you too.")


def _is_dead_end(rules: "Sequence[str]") -> bool:
    """Whether the founders can neither let a further member in nor change what that takes."""
    doors = [rule for rule in rules if "admitted by" in rule or rule.startswith("Amending")]
    return all("more than the founders are" in rule for rule in doors)


def _text(file: Path) -> str:
    from node.custody import files

    try:
        return files.read_public(file, TEXT_BYTES_MAX).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no UTF-8 text", next_step="Begin with `tocsin charter template`.") from error


@charter.command(epilog=options.examples("tocsin charter show charter.tocsin", "tocsin charter show FILE --json"))
@click.argument("file", type=click.Path(path_type=Path))
@options.as_json
def show(file: Path, as_json: bool) -> None:
    """Check a charter file and say in words who may do what."""
    from node.content import names
    from node.custody import charters

    _, read, cards = charters.read(file)
    if as_json:
        printing.print_json(_plain(read, cards))
        return
    click.echo(f"Federation id  {charters.readable_id(read)}   compare it by telephone")
    for line in charters.describe(read):
        click.echo(line)
    for card in cards:
        click.echo(f"{names.unmistakable(card.inception.name)}: {card.address or 'dials, and is not dialled'}")


def _plain(read: "Charter", cards: "Sequence[Card]") -> dict[str, Any]:
    import msgspec

    from node.custody import charters
    from node.feed import keys
    from node.policy import parameters

    settings: dict[str, Any] = msgspec.to_builtins(charters.settings(read))
    founders = [
        {
            "member_id": card.inception.member_id.hex(),
            "fingerprint": keys.fingerprint(card.inception.member_id),
            "name": card.inception.name,
            "role": parameters.role_name(card.inception.role),
            "country": card.inception.country,
            "address": card.address,
        }
        for card in cards
    ]
    return {"federation_id": read.federation_id.hex(), **settings, "founders": founders}
