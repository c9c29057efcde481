"""Lists as JSON Lines: a document a line, an object with the value in one of its fields or the value alone."""

import json
from collections.abc import Iterable, Iterator

from node.content import lines
from node.content.lines import Bad, Item, Layout
from node.content.tables import KIND, QUALITY, VALUE


def read(source: Iterable[bytes], layout: Layout) -> Iterator[Item | Bad]:
    """What the documents say, one by one. Blank lines are passed over."""
    for number, line in enumerate(source, 1):
        if len(line) > lines.LINE_BYTES_MAX:
            yield Bad(number, lines.TOO_LONG, line)
            continue
        text = lines.text_of(line)
        if not text:
            continue
        try:
            yield _item(number, text, layout)
        except ValueError as error:
            yield Bad(number, str(error), line)


def _item(number: int, text: str, layout: Layout) -> Item:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON document: {str(error).partition(':')[0]}") from None
    if isinstance(found, str):
        return lines.item(layout, number, found)
    if not isinstance(found, dict):
        raise ValueError(f"neither an object nor a string, got {type(found).__name__}")  # noqa: TRY004 - a bad line
    kind_name = layout.kind.name if layout.kind else ""
    value = _field(found, layout.column, kind_name, VALUE)
    if not value:
        raise ValueError(
            f"no text in {' or '.join(repr(name) for name in (layout.column or kind_name, VALUE) if name)}"
        )
    kind = _field(found, layout.kind_column, "" if layout.column or kind_name in found else KIND)
    quality = _field(found, layout.quality_column, QUALITY, f"{kind_name}_{QUALITY}")
    return lines.item(layout, number, value, kind, quality)


def _field(found: dict[str, object], named: str, *otherwise: str) -> str:
    """A text or a whole number, as text; empty where there is none."""
    name = named or next((name for name in otherwise if name in found), "")
    value = found.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{name!r} is neither a text nor a whole number, got {type(value).__name__}")
