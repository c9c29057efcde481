"""The charter: its template, making it of cards, and what it or its amendments say in words."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import amending, asking, calling, errors, options, printing, rules
from node.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.feed.charter import Charter
    from node.feed.identity import Card
    from node.policy.parameters import Parameters
    from node.v1 import charter_pb2


@click.group(
    epilog=options.examples(
        "tocsin charter template > federation.toml",
        "tocsin charter create federation.toml *.card",
        "tocsin charter show",
        "tocsin charter amend parameters.toml",
    )
)
def charter() -> None:
    """Write a federation's charter, read it, and amend it."""


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
    data = charters.create(amending.read_text(file).decode(), signed, str(file))
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
    _warn_of_frameworks(charters.settings(made))
    click.echo("Next: send it to every founder; each runs `tocsin join`, you too.")


def _warn_of_frameworks(said: "Parameters") -> None:
    """Of those under which nobody could declare, or anybody alone; what does not come with the program is not known."""
    from node.crisis import frameworks
    from node.policy import entitling

    for one in said.frameworks:
        text = frameworks.shipped_text(bytes.fromhex(one.sha256))
        for line in entitling.pitfalls(one, frameworks.read(text) if text else None, said.rights):
            errors.warn(line, "`tocsin charter template` has the lines of frameworks with a document.")


def _is_dead_end(rules: "Sequence[str]") -> bool:
    """Whether the founders can neither let a further member in nor change what that takes."""
    doors = [rule for rule in rules if "admitted by" in rule or rule.startswith("Amending")]
    return all("more than the founders are" in rule for rule in doors)


@charter.command(
    epilog=options.examples(
        "tocsin charter show",
        "tocsin charter show --text > parameters.toml",
        "tocsin charter show charter.tocsin",
        "tocsin charter show FILE --json",
    )
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--text", is_flag=True, help="The text itself, to edit and amend.")
@options.folder
@options.as_json
def show(file: Path | None, text: bool, folder: Path, as_json: bool) -> None:
    """Say in words who may do what: by the rules in force on the running node, or by a charter file.

    A file is checked; a node says which amendment is in force and who signed it.
    """
    if file is not None:
        _show_file(file, text=text, as_json=as_json)
        return
    found = rules.in_force(calling.find(folder), text=True)
    if text:
        _print_text(found)
    elif as_json:
        printing.print_json(_plain_rules(found))
    else:
        _show_rules(found)


def _show_file(file: Path, *, text: bool, as_json: bool) -> None:
    from node.content import names
    from node.custody import charters

    _, read, cards = charters.read(file)
    if text:
        printing.print_document(read.document.decode())
        return
    if as_json:
        printing.print_json(_plain(read, cards))
        return
    click.echo(f"Federation id  {charters.readable_id(read)}   compare it by telephone")
    for line in charters.describe(read):
        click.echo(printing.plain(line))
    for card in cards:
        address = printing.plain(card.address) or "dials, and is not dialled"
        click.echo(f"{names.unmistakable(card.inception.name)}: {address}")


def _print_text(found: "charter_pb2.GetRulesResponse") -> None:
    if found.state == "waiting":
        raise Unavailable(
            f"the text of amendment {found.amendment.number} has not come yet",
            next_step="It is asked for by itself: look again when the node is in step (`tocsin status`).",
        )
    printing.print_document(found.text.decode(errors="replace"))


def _show_rules(found: "charter_pb2.GetRulesResponse") -> None:
    from node.feed import keys
    from node.feed.keys import MemberId

    click.echo(f"{found.federation_name}, federation id {keys.fingerprint(MemberId(found.federation_id))}")
    click.echo(f"{rules.which(found)[0].upper()}{rules.which(found)[1:]}.")
    for line in found.words:
        click.echo(printing.plain(line))


def _plain_rules(found: "charter_pb2.GetRulesResponse") -> dict[str, Any]:
    import msgspec

    from node.policy import effect

    said = effect.read(found.text)
    settings: dict[str, Any] = msgspec.to_builtins(said) if said else {}
    return {
        "federation_id": found.federation_id.hex(),
        **settings,
        "name": found.federation_name,
        "state": found.state,
        "amendment": printing.fields_of(found.amendment),
        "words": list(found.words),
    }


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


for _command in (amending.amend, amending.history):
    charter.add_command(_command)
