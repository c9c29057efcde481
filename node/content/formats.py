"""Formats of files of items: told by the file's name or by how it begins, and read as items and bad lines."""

from collections.abc import Iterator
from itertools import chain

from node.content import documents, lines, tables
from node.content.lines import Bad, Item, Layout
from node.errors import Refused

TEXT, CSV, TSV, JSONL = "text", "csv", "tsv", "jsonl"
FORMATS = (TEXT, CSV, TSV, JSONL)
PEEKED_LINES_MAX = 64  # comments that a file may begin with

_BY_SUFFIX = {".csv": CSV, ".tsv": TSV, ".tab": TSV, ".jsonl": JSONL, ".ndjson": JSONL}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8, as spreadsheets write it
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read(source: Iterator[bytes], layout: Layout, name: str = "", format_: str = "") -> Iterator[Item | Bad]:
    """What the lines of a file say, one by one, in the order in which they stand there.

    Raises Refused where the file cannot be read so: a column that is not there, UTF-16.
    """
    begun: list[bytes] = []
    first = _first(source, begun)
    if begun and begun[0].startswith(_UTF_16):
        raise Refused("it is UTF-16, not UTF-8", next_step="Save it as UTF-8, or convert it with `iconv`.")
    whole = chain(begun, source)
    match format_ or of_name(name) or of_content(first, layout):
        case "csv":
            yield from tables.read(whole, layout, _delimiter(first))
        case "tsv":
            yield from tables.read(whole, layout, "\t")
        case "jsonl":
            yield from documents.read(whole, layout)
        case _:
            if layout.has_columns:
                raise Refused(
                    "text has no columns that could be chosen",
                    next_step="Say what it is with --format csv, tsv or jsonl, or name no column.",
                    field="format",
                )
            yield from lines.read(whole, layout)


def of_name(name: str) -> str:
    """The format that a file's name tells; empty where it tells none."""
    plain = name.lower().removesuffix(".gz")
    return next((found for suffix, found in _BY_SUFFIX.items() if plain.endswith(suffix)), "")


def of_content(first: str, layout: Layout) -> str:
    """The format of which this is the first line."""
    if first.startswith("{"):
        return JSONL
    table = TSV if "\t" in first else CSV if "," in first or ";" in first else ""
    if layout.has_columns:
        return table or CSV
    # What reads as a value is one; what does not, and has columns, is a header.
    is_value = any(isinstance(one, Item) for one in lines.read([first.encode()], layout))
    return TEXT if is_value else table or TEXT


def _first(source: Iterator[bytes], begun: list[bytes]) -> str:
    """The first line that says anything; all that were read for it are kept."""
    for number, line in enumerate(source, 1):
        begun.append(line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line)
        text = lines.text_of(begun[-1])
        if (text and not text.startswith("#")) or number == PEEKED_LINES_MAX:
            return text
    return ""


def _delimiter(first: str) -> str:
    """A semicolon in what spreadsheets write where the comma is for fractions: names, and nothing but names."""
    names = first.split(";")
    return ";" if len(names) > 1 and "," not in first and all(tables.is_name(name) for name in names) else ","
