"""What is asked on a terminal, and where it comes from without one. Nothing is ever asked of a script.

Questions go to stderr: stdout may be a pipe to a program.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from node.cli import printing
from node.errors import ConfigError, Refused

Command = TypeVar("Command", bound=Callable[..., Any])

GROUP_CHARACTERS = 5  # of a fingerprint: what is typed as heard
TRIES = 3

_LOOK_ALIKE = str.maketrans("OIL", "011")  # as Crockford reads them


def passphrase_file(command: Command) -> Command:
    """The option --passphrase-file, as ``passphrase_file: str | None``."""
    return click.option(
        "--passphrase-file",
        envvar="TOCSIN_PASSPHRASE_FILE",
        metavar="FILE",
        help="Read the root passphrase from the first line of a file with mode 0600, or of stdin if it is '-'. "
        "Default: TOCSIN_PASSPHRASE_FILE, or ask.",
    )(command)


def yes(command: Command) -> Command:
    """The option --yes, as ``yes: bool``."""
    return click.option("--yes", is_flag=True, help="Do not ask; needed where nobody can answer.")(command)


def is_terminal() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty()


def passphrase(prompt: str, source: str | None, *, new: bool = False) -> str:
    """A passphrase, asked for twice if it is new."""
    if source == "-":
        return _first_line(sys.stdin.buffer.readline(), "stdin")
    if source:
        from node.custody import files

        return _first_line(files.read_secret(Path(source)), source)
    if not is_terminal():
        raise click.UsageError("There is no terminal to ask for the passphrase on: give --passphrase-file FILE.")
    proc = _strong if new else None
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=new, value_proc=proc, err=True))


def _first_line(data: bytes, source: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:  # it would quote the passphrase
        text = ""
    line = text.splitlines()[0] if text else ""
    if not line:
        raise ConfigError(f"{source} has no passphrase on its first line", next_step="Write it there as UTF-8 text.")
    return line


def _strong(words: str) -> str:
    from node.custody import passphrase as passphrases

    try:
        passphrases.require_strong(words)
    except Refused as error:
        raise click.BadParameter(f"{error.reason}. {error.next_step}") from error
    return words


def confirm(question: str, *, yes: bool) -> None:
    """Go on only with a yes."""
    if yes:
        return
    if not is_terminal():
        raise click.UsageError(f"There is no terminal to ask on: {question} Give --yes if so.")
    click.confirm(question, abort=True, err=True)


def require_terminal(consequence: str) -> None:
    """Raise UsageError where nobody can confirm that this is to be."""
    if not is_terminal():
        raise click.UsageError(f"There is no terminal to confirm on that {consequence}. Give --yes if so.")


def confirm_word(what: str, wanted: Sequence[str], consequence: str, undone: str) -> None:
    """Have one of these typed, the last of which is shown where it was not: no habit and no slip does that.

    ``what`` they are, and ``consequence``: what is confirmed. Raises Refused where it was not: nothing was ``undone``.
    """
    require_terminal(consequence)
    for _ in range(TRIES):
        typed = str(click.prompt(f"Type {what} to confirm", default="", show_default=False, err=True)).strip()
        if typed.casefold() in {one.casefold() for one in wanted}:
            return
        click.echo(f"Not confirmed: {what} is {printing.plain(wanted[-1])}.", err=True)
    raise Refused(
        f"it was not confirmed, so nothing was {undone}",
        next_step=f"Type {printing.plain(wanted[-1])} when you mean it.",
    )


def confirm_fingerprint(name: str, fingerprint: str) -> None:
    """Have the end of a fingerprint typed as heard over a second channel; not shown, or it would be copied."""
    shown = fingerprint[:-GROUP_CHARACTERS]
    if not is_terminal():
        raise click.UsageError(
            f"There is no terminal to type the end of {name}'s fingerprint on. Give --yes if all were compared."
        )
    for _ in range(TRIES):
        typed = str(click.prompt(f"{name}  {shown}?????  last five characters, as heard", err=True))
        if is_end_of(fingerprint, typed):
            return
        click.echo("That is not what the card says.", err=True)
    raise Refused(
        f"the card of {name} is not the one whose fingerprint you heard",
        next_step=f"Call {name} on a number you know and have it read its fingerprint again; it may be another card.",
        field="fingerprint",
    )


def is_end_of(fingerprint: str, typed: str) -> bool:
    """Whether the last five characters were typed, or all of them, however they were written down."""
    found = "".join(typed.split()).upper().translate(_LOOK_ALIKE)
    return found in (fingerprint[-GROUP_CHARACTERS:], fingerprint.replace(" ", ""))
