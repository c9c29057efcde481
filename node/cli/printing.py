"""Answers as tables for people and as JSON for programs. What others wrote cannot steer a terminal."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from node.cli import clock, errors

if TYPE_CHECKING:
    from google.protobuf.message import Message

COLUMNS_MAX = 4096  # where there is no terminal whose width a table has to fit
WRAPPED_COLUMNS_MIN = 16
GAP = 2  # between columns
NO_DATE = "beyond all calendars"
_TRAILING = re.compile(r"\s+(\x1b\[0m)?\s*$")  # bold headings too have blanks, on which a narrow terminal would break


def plain(text: str) -> str:
    """The text on one line, with what would steer a terminal spelled out."""
    return errors.printable(text).replace("\n", "\\n")


def shortened(text: str, characters_max: int = 80) -> str:
    """Plain text for a line that has more to say."""
    found = plain(text)
    return found if len(found) <= characters_max else f"{found[: characters_max - 1]}…"


def moment(time_ms: int) -> str:
    """A time of the letters as people read it."""
    return _dated(time_ms, clock.readable)


def day(time_ms: int) -> str:
    """A time of the letters where the hour does not matter."""
    return _dated(time_ms, lambda found: f"{found.astimezone():%Y-%m-%d}")


def _dated(time_ms: int, write: Callable[[datetime], str]) -> str:
    if not time_ms:
        return "-"
    found = clock.date(time_ms)
    return write(found) if found else NO_DATE


def seconds(difference_ms: int) -> str:
    """As in "+0.2 s"; never "-0.0 s"."""
    return f"{round(difference_ms / 1000, 1) + 0.0:+.1f} s"


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    wrapped: Sequence[str] = (),
    without: str = "",
    colours: Sequence[str] = (),
) -> None:
    """A table. Columns of ``numbers`` stand to the right; those ``wrapped`` give way on a narrow terminal.

    Where there is no row, a terminal is told ``without`` instead. ``colours``: of each row on a terminal, or "".
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(plain(cell)) for cell in row] for row in rows]
    if not cells and without and sys.stdout.isatty():
        click.echo(without)
        return
    columns = zip(*([Text(heading) for heading in headings], *cells), strict=True)
    widths = {heading: max(cell.cell_len for cell in column) for heading, column in zip(headings, columns, strict=True)}
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for heading in headings:
        gives_way = heading in wrapped
        least = min(widths[heading], WRAPPED_COLUMNS_MIN) if gives_way else widths[heading]
        table.add_column(
            heading, justify="right" if heading in numbers else "left", no_wrap=not gives_way, min_width=least
        )
    for row, colour in zip(cells, colours or [""] * len(cells), strict=True):
        table.add_row(*row, style=colour)
    # What is to be copied is never cut: where it does not fit, the terminal breaks the line.
    least = sum(column.min_width or 0 for column in table.columns) + GAP * (len(headings) - 1)
    width = max(Console().width, least) if sys.stdout.isatty() else COLUMNS_MAX
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(_TRAILING.sub(r"\1", line) for line in captured.get().splitlines()))


def print_fields(fields: Sequence[tuple[str, str]], *, err: bool = False) -> None:
    """One thing, a line for each of its fields that says anything; ``err``: before a question."""
    width = max((len(name) for name, _ in fields), default=0) + 2
    for name, value in fields:
        if value:
            click.echo(f"  {plain(name):<{width}}{plain(value)}", err=err)


def print_document(text: str) -> None:
    """A text of several lines: to the letter into a pipe, and on a terminal with what would steer it spelled out."""
    click.echo(errors.printable(text.expandtabs()) if sys.stdout.isatty() else text, nl=False)


def print_json(value: object) -> None:
    """One JSON document; only ASCII, for it has other people's text in it."""
    click.echo(json.dumps(value, indent=1))


def print_json_line(value: object) -> None:
    """One JSON document on a line, out at once."""
    click.echo(json.dumps(value, separators=(",", ":")))


def fields_of(letter: "Message") -> dict[str, Any]:
    """A letter for JSON: the names of protos/, every field that is no part of a choice, bytes in hex."""
    found: dict[str, Any] = {}
    for field in letter.DESCRIPTOR.fields:
        value = getattr(letter, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            found[field.name] = dict(value)
        elif field.is_repeated:
            found[field.name] = [_value(one) for one in value]
        elif field.containing_oneof and not letter.HasField(field.name):
            continue
        elif field.message_type and not letter.HasField(field.name):
            found[field.name] = None
        else:
            found[field.name] = _value(value)
    return found


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return fields_of(value) if hasattr(value, "DESCRIPTOR") else value
