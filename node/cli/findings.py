"""Findings on a terminal: a line each, what to do about it below; and the exit code they come to."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from node.cli import printing

if TYPE_CHECKING:
    from node.v1.admin_pb2 import Finding

WELL, MEND_HERE, MEND_THERE = 0, 3, 5  # of the exit codes of all commands
COLUMNS = 140  # of a line, where no terminal says how many it has
TEXT_COLUMNS_MIN = 30
VERDICTS = ("ok", "warning", "fault", "unknown")
_COLOURS = {"ok": "green", "warning": "yellow", "fault": "red", "unknown": "cyan"}
_VERDICT_WIDTH = max(map(len, _COLOURS)) + 2


def show(found: "Sequence[Finding]") -> None:
    """A line for each finding, and its next step below."""
    width = max((len(one.name) for one in found), default=0) + 2
    indent = " " * (2 + _VERDICT_WIDTH + width)
    columns = max(_columns() - len(indent), TEXT_COLUMNS_MIN)
    for one in found:
        verdict = click.style(f"{one.verdict:<{_VERDICT_WIDTH}}", fg=_COLOURS.get(one.verdict))
        first, *more = _lines(printing.plain(one.found), columns)
        click.echo(f"  {verdict}{one.name:<{width}}{first}")
        for line in [*more, *_lines(printing.plain(one.next_step), columns, "-> ")]:
            click.echo(f"{indent}{line}")


def _columns() -> int:
    """Of a line: what a terminal breaks by itself loses its indent."""
    return min(shutil.get_terminal_size().columns, COLUMNS) if sys.stdout.isatty() else COLUMNS


def _lines(text: str, columns: int, lead: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        columns,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_on_hyphens=False,
        break_long_words=False,
    )


def exit_code(found: "Iterable[Finding]") -> int:
    """3 where something is to be mended on this machine, 5 where it is on the peer's side only, else 0."""
    sides = {one.side for one in found if one.verdict == "fault"}
    if not sides:
        return WELL
    return MEND_THERE if sides == {"there"} else MEND_HERE
