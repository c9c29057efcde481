"""The profile: what this member says of itself to the others, and what they say of themselves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, calling, contacts, editing, options, printing
from node.cli.calling import Place
from node.cli.editing import Page
from node.errors import ConfigError, Refused

if TYPE_CHECKING:
    from node.client import Client
    from node.content.profiles import Profile
    from node.v1 import profile_pb2


@click.group(
    epilog=options.examples(
        "tocsin profile edit",
        "tocsin profile template > profile.toml",
        "tocsin profile set profile.toml",
        "tocsin profile show",
        "tocsin profile show europol",
        "tocsin profile confirm",
    )
)
def profile() -> None:
    """Say whom to call here, and see whom to call at others."""


# ---- Our own


@profile.command(epilog=options.examples("tocsin profile template > profile.toml"))
def template() -> None:
    """Print a profile's text to fill in: whom to call, by day and by night, and in which languages."""
    from node.content import forms

    click.echo(forms.write(), nl=False)


@profile.command(
    epilog=options.examples("tocsin profile edit", "EDITOR=nano tocsin profile edit")
    + "\n\n\b\nWhat is wrong is written above its line, and the editor opens again. An unchanged text changes nothing."
)
@options.folder
def edit(folder: Path) -> None:
    """Edit this member's profile in an editor, and say it to all members.

    Saving counts as a check of all contacts: call them before. The editor is VISUAL or EDITOR.
    """
    from node.content import forms

    editing.require_terminal("`tocsin profile set FILE` takes a file.")
    place = calling.find(folder)
    before = forms.write(_profile_of(_own(place)))
    page = Page(before)
    with editing.kept(page, "tocsin profile set FILE"):
        while True:
            if not editing.opened(page) or page.saved == before:
                click.echo("Nothing was changed, and nothing said.")
                return
            try:
                _show_said(_set(place, forms.read(page.saved, "the profile")))
            except Refused as error:
                editing.tell(error.reason)
                editing.mark(page, error, [(error.field, (error.reason, error.next_step))])
            else:
                return


@profile.command(
    name="set", epilog=options.examples("tocsin profile set profile.toml", "tocsin profile set profile.toml --json")
)
@click.argument("file", type=click.Path(path_type=Path))
@options.folder
@options.as_json
def set_(file: Path, folder: Path, as_json: bool) -> None:
    """Say what a file has to all members, in place of what was said before.

    It counts as a check of all contacts: call them before. The node adds where it is dialled.
    """
    from node.content import forms
    from node.custody import files

    place = calling.find(folder)
    try:
        text = files.read_public(file, forms.FILE_BYTES_MAX).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no UTF-8 text", next_step="Begin with `tocsin profile template`.") from error
    said = _set(place, forms.read(text, str(file)))
    if as_json:
        printing.print_json(printing.fields_of(said))
        return
    _show_said(said)


@profile.command(epilog=options.examples("tocsin profile confirm", "tocsin profile confirm --yes --json"))
@options.folder
@options.as_json
@asking.yes
def confirm(folder: Path, as_json: bool, yes: bool) -> None:
    """Say that all contacts were called today and are right.

    A profile whose contacts were confirmed within a year is said again by itself before it ends.
    """
    place = calling.find(folder)
    before = _own(place)
    if before.contacts:  # else there is nothing to ask about, and the node says so
        if not (as_json or yes):
            printing.print_fields(contacts.fields(before))
        asking.confirm("Were all of these called, and are they right?", yes=yes)

    async def ask(node: "Client") -> "profile_pb2.ProfileView":
        from node.v1 import profile_pb2

        return (await node.profiles.ConfirmProfile(profile_pb2.ConfirmProfileRequest())).profile

    said = calling.ask(place, ask)
    if as_json:
        printing.print_json(printing.fields_of(said))
        return
    click.echo(f"Checked today. Said to all members, until {printing.day(said.expires_ms)}.")


# ---- Looking


@profile.command(
    epilog=options.examples("tocsin profile show", "tocsin profile show europol", "tocsin profile show --json")
)
@click.argument("member", required=False)
@options.folder
@options.as_json
def show(member: str | None, folder: Path, as_json: bool) -> None:
    """Show this member's profile and how old those of all others are; or one member's."""
    place = calling.find(folder)
    if member is not None and not member.strip():
        raise click.UsageError("Which member? `tocsin member` names them.")
    found = calling.ask(place, lambda node: contacts.profiles(node, member or ""))
    if as_json:
        printing.print_json(printing.fields_of(found))
    elif member is not None:
        _show_one(found.profiles[0])
    else:
        for one in found.profiles:
            if one.own:
                _show_one(one)
        for warning in found.warnings:
            click.echo(f"  Mind: {printing.plain(warning)}")
        _show_table([one for one in found.profiles if not one.own])


def _show_one(found: "profile_pb2.ProfileView") -> None:
    click.echo(printing.plain(found.name))
    printing.print_fields(
        [
            *contacts.fields(found),
            ("dialled at", ", ".join(one.address for one in found.endpoints)),
            ("until", printing.day(found.expires_ms) if found.entry else ""),
        ]
    )


def _show_table(found: "Sequence[profile_pb2.ProfileView]") -> None:
    if not found:
        return
    click.echo()
    printing.print_table(
        ("member", "out of hours", "languages", "checked"),
        [
            (
                one.name,
                contacts.out_of_hours(one) or "-",
                ", ".join(one.languages) or "-",
                contacts.age(one) if one.entry else "no profile",
            )
            for one in found
        ],
        wrapped=("member", "out of hours", "languages"),
    )


# ---- Inside


def _own(place: Place) -> "profile_pb2.ProfileView":
    from node.v1 import profile_pb2

    found = calling.ask(place, contacts.profiles).profiles
    return next((one for one in found if one.own), profile_pb2.ProfileView())


def _profile_of(found: "profile_pb2.ProfileView") -> "Profile | None":
    """What is edited: as it is shown, which is how its own author wrote it."""
    from node.content import profiles
    from node.content.profiles import Profile

    if not found.entry:
        return None
    return Profile(contacts=profiles.contacts_of(found.contacts), languages=tuple(found.languages))


def _set(place: Place, said: "Profile") -> "profile_pb2.ProfileView":
    from node.content import profiles

    letter = profiles.encode(said)

    async def ask(node: "Client") -> "profile_pb2.ProfileView":
        from node.v1 import profile_pb2

        request = profile_pb2.SetProfileRequest(contacts=letter.contacts, languages=letter.languages)
        return (await node.profiles.SetProfile(request)).profile

    return calling.ask(place, ask)


def _show_said(said: "profile_pb2.ProfileView") -> None:
    _show_one(said)
    click.echo("Said to all members.")
