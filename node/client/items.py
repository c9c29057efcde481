"""Items on their way to the node, in messages of a bounded size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from node.content import hashes
from node.content.hashes import Item, Value
from node.v1 import tools_pb2

MESSAGE_BYTES = 512 << 10  # of digests in one message of a publication

Progress = Callable[[int], None]
Request = TypeVar("Request")


def requests(
    letter: Callable[..., Request],
    first: Request,
    items: Iterable[Value | Item],
    progress: Progress = lambda _: None,
) -> Iterator[Request]:
    """A stream of requests: the first says what for, then come the items, and the last says that was all."""
    yield first
    count = 0  # where there are none
    for count, values in messages(items):
        yield letter(values=values)
        progress(count)
    yield letter(total=tools_pb2.Total(items=count))


def messages(items: Iterable[Value | Item]) -> Iterator[tuple[int, tools_pb2.Values]]:
    """Messages' worth of items of one kind, and how many went before and with each."""
    count, size, kind, rows = 0, 0, "", list[tuple[Value, int]]()
    for one in items:
        if isinstance(one, Item):
            value, quality, its_kind = one.value, one.quality, one.kind.name
        else:
            value, quality, its_kind = one, None, ""
        if rows and (its_kind != kind or size >= MESSAGE_BYTES):
            yield count, _values(kind, rows)
            rows, size = [], 0
        kind = its_kind
        rows.append((value, hashes.QUALITY_UNKNOWN if quality is None else quality))
        size += len(value)
        count += 1
    if rows:
        yield count, _values(kind, rows)


def _values(kind: str, rows: Sequence[tuple[Value, int]]) -> tools_pb2.Values:
    qualities = bytes(quality for _, quality in rows)
    return tools_pb2.Values(
        kind=kind,
        digests=b"".join(value for value, _ in rows if isinstance(value, bytes)),
        texts=[value for value, _ in rows if isinstance(value, str)],
        qualities=qualities if qualities.strip(b"\xff") else b"",
    )
