"""Reports: as Markdown for documents, and as text for a terminal."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from node.cli import printing

if TYPE_CHECKING:
    from node.policy.reporting import Document


_BLOCK = re.compile(r"^[#>~`=+*_|-]")  # what would make a heading, a list or a fence of a paragraph
_LINK = re.compile(r"\](?=[(\[:])")


def written(made: "Document") -> str:
    """The report in Markdown: what others wrote in it makes neither blocks, cells, tags nor links."""
    parts = [f"# {_plain(made.title)}"]
    for section in made.sections:
        parts.append(f"## {_plain(section.heading)}")
        parts += [_BLOCK.sub(r"\\\g<0>", _plain(one)) for one in section.paragraphs]
        if section.rows:
            parts.append("\n".join(_table(section.columns, section.rows)))
    return "\n\n".join(parts) + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(columns), f"|{'---|' * len(columns)}", *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _plain(text: str) -> str:
    escaped = printing.plain(text).replace("\\", r"\\").replace("&", "&amp;").replace("<", "&lt;")
    return _LINK.sub(r"]\\", escaped)


def print_text(made: "Document") -> None:
    """The report for people at a terminal, or to be pasted into a letter."""
    for section in made.sections:
        click.echo(printing.plain(section.heading))
        for one in section.paragraphs:
            click.echo(f"  {printing.plain(one)}")
        if section.columns == ("what", "here"):
            printing.print_fields([(name, value) for name, value in section.rows])
        elif section.rows:
            printing.print_table(section.columns, section.rows, wrapped=section.columns)
        click.echo()
