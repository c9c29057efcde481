"""What somebody writes in an editor: it opens again on what is wrong, and whatever ends it, nothing of it is lost."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import asking, printing
from node.errors import Refused

if TYPE_CHECKING:
    from node.content.marking import Notes


@dataclass
class Page:
    """What the editor shows, and what was saved in it last, without marks."""

    shown: str
    saved: str = ""


def require_terminal(instead: str) -> None:
    """Raise a usage error where there is no terminal to edit on; ``instead``: what there is then."""
    if not asking.is_terminal():
        raise click.UsageError(f"There is no terminal to edit on: {instead}")


def opened(page: Page) -> bool:
    """Let somebody edit it; whether it was saved. What is saved stands in the page also where the editor ends badly."""
    from node.content import marking

    path = _written(page.shown)
    os.utime(path, (0, 0))  # so that a save shows, however soon it is
    try:
        click.edit(filename=str(path))
    finally:
        is_saved = path.exists() and path.stat().st_mtime > 0
        if is_saved:
            page.saved = marking.unmarked(path.read_text("utf-8-sig", "replace"))
        path.unlink(missing_ok=True)
    return is_saved


def _written(text: str) -> Path:
    """A new file that nobody else can read."""
    number, path = tempfile.mkstemp(prefix="tocsin-", suffix=".toml")  # mode 0600
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(path)


def mark(page: Page, error: Refused, notes: "Notes") -> None:
    """Show it with what is wrong above its lines, if somebody wants to mend it; raises the error where nobody does."""
    from node.content import marking

    if not click.confirm("Edit it again?", default=True, err=True):
        raise error
    page.shown = marking.marked(page.saved, notes)


@contextmanager
def kept(page: Page, go_on: str) -> Iterator[None]:
    """What was saved stands in a file of its own if this ends early; ``go_on``: the command that goes on with FILE."""
    try:
        yield
    except BaseException:
        if page.saved:
            path = _written(page.saved)
            click.echo(f"What you wrote is in {path}; `{go_on.replace('FILE', str(path))}` goes on with it.", err=True)
        raise


def tell(words: str) -> None:
    """Say what is wrong."""
    click.echo(f"tocsin: {printing.plain(words)}", err=True)
