"""Lines of a file: cut apart in constant memory, and read as text, a value a line.

What is wrong with a line is said, not raised.
"""

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from node.content import detection, hashes, personal
from node.content.hashes import HashKind

LINE_BYTES_MAX = 1 << 20  # a TMK value in base64 has 351 kB, and other columns may stand beside it
BLOCK_BYTES = 1 << 18
TOO_LONG = f"a line has at most {LINE_BYTES_MAX:,} bytes"

_AFTER_DIGEST = b",;\t\r "
_COLUMNS = re.compile(r"\s*[,;]\s*|\s+")
_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")
_QUALITY = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Item(hashes.Item):
    """An item, and the line it stands in, from 1."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that is no item, and why."""

    number: int
    reason: str
    line: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a line the value stands, and what it is. A column is a name, or a number from 1."""

    kind: HashKind | None = None  # None: guessed for each value
    column: str = ""
    kind_column: str = ""
    quality_column: str = ""
    quality_floor: int = hashes.QUALITY_FLOOR
    for_others: bool = False  # what is personal in a URL makes a line bad
    accounts: bool = False  # but for the pages of accounts

    @property
    def has_columns(self) -> bool:
        """Whether it takes a table to have them."""
        return bool(self.column or self.kind_column or self.quality_column)


def cut(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The lines of a file without their ends. An endless one is cut off behind LINE_BYTES_MAX, and counts once."""
    rest = b""
    while block := read(BLOCK_BYTES):
        parts = block.split(b"\n")
        parts[0] = rest + parts[0] if len(rest) <= LINE_BYTES_MAX else rest
        rest = parts.pop()
        for line in parts:
            yield line if len(line) <= LINE_BYTES_MAX else line[: LINE_BYTES_MAX + 1]
        if len(rest) > LINE_BYTES_MAX:
            rest = rest[: LINE_BYTES_MAX + 1]
    if rest:
        yield rest


def item(layout: Layout, number: int, written: str, kind: str = "", quality: str = "") -> Item:
    """What is written in one line; raises ValueError with what it needs."""
    found = detection.named(kind) if kind else layout.kind or detection.guess(written)
    value = hashes.parse(found, written)
    if layout.for_others and found is hashes.URL and isinstance(value, str):
        _require_shareable(value, layout)
    if not found.has_quality or not quality:
        return Item(found, value, None, number)
    if not _QUALITY.fullmatch(quality) or int(quality) > hashes.QUALITY_MAX:
        raise ValueError(f"quality is a number from 0 to {hashes.QUALITY_MAX}, got {quality[:20]!r}")
    if int(quality) < layout.quality_floor:
        raise ValueError(f"quality is below the floor of {layout.quality_floor}, got {int(quality)}")
    return Item(found, value, int(quality), number)


def _require_shareable(url: str, layout: Layout) -> None:
    if fault := personal.url_fault(url, allowed=layout.accounts):
        raise ValueError(fault)


def read(lines: Iterable[bytes], layout: Layout) -> Iterator[Item | Bad]:
    """What the lines of a text say, one by one.

    A digest ends at white space, a comma or a semicolon; behind one of PDQ its quality may stand. What is of
    no fixed length is the whole line. Blank lines and those that begin with # are passed over.
    """
    kind = layout.kind
    digits = 2 * kind.digest_bytes if kind else 0
    for number, line in enumerate(lines, 1):
        # A million lines of nothing but digests: `_read` is for all that is not so plain.
        value = _plain(kind, digits, line) if kind and digits else None
        found = Item(kind, value, None, number) if kind and value else _read(number, line, layout)
        if found:
            yield found


def _plain(kind: HashKind, digits: int, line: bytes) -> bytes | None:
    """The digest that the line begins with, in hex and with nothing behind it that matters."""
    if not digits <= len(line) <= LINE_BYTES_MAX or line[digits : digits + 1] not in _AFTER_DIGEST:
        return None
    if kind.has_quality and len(line) > digits:
        return None
    try:
        return binascii.unhexlify(line[:digits])
    except binascii.Error:
        return None


def text_of(line: bytes) -> str:
    """A line as text; what is no UTF-8 shows as such, and is in no value."""
    return line.decode("utf-8", "replace").strip()


def _read(number: int, line: bytes, layout: Layout) -> Item | Bad | None:
    if len(line) > LINE_BYTES_MAX:
        return Bad(number, TOO_LONG, line)
    text = text_of(line)
    if not text or text.startswith(("#", detection.SSDEEP_HEADER)):
        return None
    kind = layout.kind or (hashes.URL if detection.is_url(text) else None)
    if kind is None or kind.is_fixed or kind is hashes.SSDEEP:
        written, quality, *_ = [*_COLUMNS.split(text, maxsplit=2), ""]
        # sha256sum marks a digest of a file with an odd name.
        written = written.removeprefix("\\")
    else:
        written, quality = text, ""
    if not written:
        return Bad(number, "the first column is empty", line)
    try:
        return item(layout, number, written, quality=quality if _NUMBER.fullmatch(quality) else "")
    except ValueError as error:
        return Bad(number, str(error), line)
