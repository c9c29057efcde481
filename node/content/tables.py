"""Lists as tables: comma-separated or tab-separated values, with or without a header."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from node.content import hashes, lines
from node.content.lines import Bad, Item, Layout
from node.errors import Refused

RECORD_LINES_MAX = 32  # of one record: behind a quote that nobody closes, what follows is read again
KIND, VALUE, QUALITY = "kind", "value", "quality"  # columns as our own exports call them

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,63}")
_DIGITS = re.compile(r"[0-9A-Fa-f]{8,}")

csv.field_size_limit(lines.LINE_BYTES_MAX)  # the module's own bound is too small for TMK, and there is one for all


@dataclass(frozen=True, slots=True)
class _Row:
    """One record, the line it begins in, and that line."""

    number: int
    cells: Sequence[str]
    line: bytes


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where things stand, from 0."""

    value: int
    kind: int | None = None
    quality: int | None = None
    count: int = 0
    header: bool = False


class _Unclosed(Exception):
    """A record has more lines than one may have."""


def read(source: Iterable[bytes], layout: Layout, delimiter: str) -> Iterator[Item | Bad]:
    """What the rows say, one by one; raises Refused where the header lacks a column that was named.

    Comments are passed over before the first row alone: behind it, # is as good a value as any.
    """
    columns: _Columns | None = None
    for row in _rows(source, delimiter):
        if isinstance(row, Bad):
            yield row
            continue
        if columns is None:
            if row.cells[0].startswith("#"):
                continue
            columns = _columns(row.cells, layout)
            if columns.header:
                continue
        yield _item(row, layout, columns)


# ---- Rows


def _rows(source: Iterable[bytes], delimiter: str) -> Iterator[_Row | Bad]:
    feed = _Feed(source)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    number = 1
    while True:
        feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _Unclosed) as error:
            first = feed.again()
            too_long = len(first) > lines.LINE_BYTES_MAX
            yield Bad(number, lines.TOO_LONG if too_long else _reason(error), first)
            number += 1
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
            continue
        if any(cells):
            yield _Row(number, [cell.strip() for cell in cells], feed.taken[0])
        number += len(feed.taken)


def _reason(error: Exception) -> str:
    if isinstance(error, _Unclosed) or "unexpected end" in str(error):
        return "a quote is not closed"
    return f"no row of a table: {error}"


class _Feed:
    """Lines as csv reads them. The lines of a record that is none are given again, but for the first."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self._again: deque[bytes] = deque()
        self._size = 0
        self.taken: list[bytes] = []

    def begin(self) -> None:
        """A record begins with the next line."""
        self.taken = []
        self._size = 0

    def again(self) -> bytes:
        """The first line of this record, which is left out."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        return first

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self.taken.append(line)
        self._size += len(line)
        if len(self.taken) > RECORD_LINES_MAX or self._size > lines.LINE_BYTES_MAX:
            raise _Unclosed
        return line.decode("utf-8", "replace") + "\n"


# ---- Columns


def _columns(cells: Sequence[str], layout: Layout) -> _Columns:
    """By the header, if the first row is one."""
    named = any(
        column and not column.isdecimal() for column in (layout.column, layout.kind_column, layout.quality_column)
    )
    at = int(layout.column) - 1 if layout.column.isdecimal() else 0
    if not named and not _is_header(cells, at, layout):
        return _Columns(at, _numbered(layout.kind_column), _numbered(layout.quality_column), len(cells))
    names = {name.strip().casefold(): index for index, name in reversed(list(enumerate(cells)))}
    kind_name = layout.kind.name if layout.kind else ""
    ours = KIND in names and VALUE in names
    tool = cells[0] == "ssdeep"  # what ssdeep itself writes has fewer columns than its header
    return _Columns(
        _found(layout.column, names, VALUE if ours else kind_name) or 0,
        _found(layout.kind_column, names, KIND if ours and not layout.column else ""),
        _found(layout.quality_column, names, QUALITY, f"{kind_name}_{QUALITY}"),
        0 if tool else len(cells),
        header=True,
    )


def is_name(cell: str) -> bool:
    """Whether this may be what a column is called. A digest that was cut short may not."""
    return _NAME.fullmatch(cell.strip('" ')) is not None and not _DIGITS.fullmatch(cell)


def _numbered(column: str) -> int | None:
    return int(column) - 1 if column else None


def _is_header(cells: Sequence[str], at: int, layout: Layout) -> bool:
    """A row of names, where a value was to be expected. A value that is cut short is none."""
    cell = cells[at] if at < len(cells) else ""
    if not is_name(cell):
        return False
    kind_at = int(layout.kind_column) - 1 if layout.kind_column else None
    others = {cell.casefold() for index, cell in enumerate(cells) if index != kind_at}
    if not {*hashes.KINDS, KIND, VALUE}.isdisjoint(others):
        return True
    try:
        lines.item(layout, 0, cell)
    except ValueError:
        return True
    return False


def _found(column: str, names: dict[str, int], *otherwise: str) -> int | None:
    """The place of a column that was asked for, or of the first of the usual ones that is there."""
    if column.isdecimal():
        return int(column) - 1
    if not column:
        return next((names[name] for name in otherwise if name in names), None)
    found = names.get(column.strip().casefold())
    if found is None:
        raise Refused(
            f"there is no column {column!r}",
            next_step=f"The first row has: {', '.join(name[:40] for name in list(names)[::-1][:20])}.",
            field="column",
        )
    return found


def _item(row: _Row, layout: Layout, columns: _Columns) -> Item | Bad:
    try:
        return _read(row, layout, columns)
    except ValueError as error:
        return Bad(row.number, str(error), row.line)


def _read(row: _Row, layout: Layout, columns: _Columns) -> Item:
    written = _cell(row, columns.value)
    if not written:
        raise ValueError(f"column {columns.value + 1} is empty")
    found = lines.item(layout, row.number, written, _cell(row, columns.kind), _cell(row, columns.quality))
    # A comma that nobody quoted would cut a URL short, and what is left looks like one.
    if not found.kind.is_fixed and columns.count not in (0, len(row.cells)):
        raise ValueError(f"the first row has {columns.count} columns, got {len(row.cells)}")
    return found


def _cell(row: _Row, at: int | None) -> str:
    if at is None:
        return ""
    if not 0 <= at < len(row.cells):
        raise ValueError(f"there is no column {at + 1}, got {len(row.cells)} columns")
    return row.cells[at]
