"""Frameworks: the rules a crisis is declared under, in words and as documents."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, options, printing
from node.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.client import Client
    from node.v1 import charter_pb2


@click.group(
    epilog=options.examples(
        "tocsin framework list",
        "tocsin framework show eu-ocrf",
        "tocsin framework show eu-ocrf --text > mine.toml",
        "tocsin framework check mine.toml",
        "tocsin framework publish mine.toml",
    )
)
def framework() -> None:
    """See what crises are declared under, and bring in more.

    Which there are is decided by the charter and its amendments, which name each document by its SHA-256. Publish
    the document first, then amend the rules: `tocsin charter amend`.
    """


@framework.command(name="list", epilog=options.examples("tocsin framework list", "tocsin framework list --json"))
@options.folder
@options.as_json
def list_(folder: Path, as_json: bool) -> None:
    """List the frameworks that the rules name, and those that come with the program."""
    found = calling.ask(calling.find(folder), _frameworks)
    if as_json:
        printing.print_json([printing.fields_of(one) for one in found])
        return
    printing.print_table(
        ("name", "version", "state", "title", "sha256"),
        [(one.name, one.version, one.state, one.title, one.sha256.hex()[:12]) for one in found],
        wrapped=("title",),
    )
    for one in found:
        for notice in one.notices:
            click.echo(f"Mind: {printing.plain(notice)}")


async def _frameworks(node: "Client", name: str = "", *, text: bool = False) -> "list[charter_pb2.FrameworkView]":
    from node.v1 import charter_pb2

    asked = charter_pb2.ListFrameworksRequest(name=name, text=text)
    return list((await node.charters.ListFrameworks(asked)).frameworks)


@framework.command(
    epilog=options.examples("tocsin framework show eu-ocrf", "tocsin framework show eu-ocrf --text > mine.toml")
)
@click.argument("name", metavar="NAME[@VERSION]")
@click.option("--text", is_flag=True, help="Its document, to read or to make another one of.")
@options.folder
@options.as_json
def show(name: str, text: bool, folder: Path, as_json: bool) -> None:
    """Show what a framework asks for; of several versions the newest in force."""
    name, _, version = name.partition("@")
    every = calling.ask(calling.find(folder), lambda node: _frameworks(node, name, text=text))
    found = _shown(every, version)
    if as_json:
        printing.print_json(printing.fields_of(found))
        return
    if text:
        printing.print_document(found.text.decode("utf-8", "replace"))
        return
    click.echo(
        f"{printing.plain(found.name)} {printing.plain(found.version)}  {found.state}  {printing.plain(found.title)}"
    )
    for one in found.words:
        click.echo(f"  {printing.plain(one)}")
    for notice in found.notices:
        click.echo(f"  Mind: {printing.plain(notice)}")
    if found.sha256:
        click.echo(
            f'  In the rules: name = "{found.name}", version = "{found.version}", sha256 = "{found.sha256.hex()}"'
        )


def _shown(every: "Sequence[charter_pb2.FrameworkView]", version: str) -> "charter_pb2.FrameworkView":
    """The version that is meant; if none is, the newest in force, or else that the rules name."""
    states = ("not named", "waiting", "unreadable", "retired", "in force")
    alike = [one for one in every if version in ("", one.version)]
    if not alike:
        known = ", ".join(one.version for one in every)
        raise Refused(f"there is no version {version} of {every[0].name}", next_step=f"There is {known}.")
    return max(enumerate(alike), key=lambda pair: (states.index(pair[1].state), pair[0]))[1]


@framework.command(
    epilog=options.examples("tocsin framework check mine.toml") + options.exit_codes("0 it holds, 1 it does not.")
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@options.as_json
def check(file: Path, as_json: bool) -> None:
    """Read a framework's document and say what it means, and what stands in the rules for it. Asks no node."""
    from hashlib import sha256

    from node.crisis import frameworks

    text = _read(file)
    found = frameworks.decode(text, str(file))
    hash_ = sha256(text).hexdigest()
    words = frameworks.words(found)
    if as_json:
        printing.print_json({"name": found.name, "version": found.version, "sha256": hash_, "words": words})
        return
    for one in words:
        click.echo(f"  {printing.plain(one)}")
    click.echo(f'[[frameworks]]\nname = "{found.name}"\nversion = "{found.version}"\nsha256 = "{hash_}"')


def _read(file: Path) -> bytes:
    from node import limits
    from node.custody import files

    return files.read_public(file, limits.DOCUMENT_BYTES_MAX)


@framework.command(
    epilog=options.examples("tocsin framework publish mine.toml", "tocsin framework publish mine.toml --yes")
)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@options.folder
@options.as_json
@asking.yes
def publish(file: Path, folder: Path, as_json: bool, yes: bool) -> None:
    """Send a framework's document to all members, so that the rules can name it."""
    from node.crisis import frameworks
    from node.v1 import charter_pb2

    text = _read(file)
    read = frameworks.decode(text, str(file))
    asking.confirm(f"Send {read.name} {read.version} to all members?", yes=yes)
    place = calling.find(folder)

    async def publish_it(node: "Client") -> "charter_pb2.FrameworkView":
        asked = charter_pb2.PublishFrameworkRequest(text=text)
        return (await node.charters.PublishFramework(asked)).framework

    found = calling.ask(place, publish_it)
    if as_json:
        printing.print_json(printing.fields_of(found))
        return
    click.echo(f"Sent {printing.plain(found.name)} {printing.plain(found.version)}, {found.state}.")
    click.echo(
        f'In the rules it is  name = "{found.name}", version = "{found.version}", sha256 = "{found.sha256.hex()}"'
    )
    click.echo("`tocsin charter amend` puts it there.")
