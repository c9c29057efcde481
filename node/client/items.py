"""Items on their way to the node, in messages of a bounded size."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from node.content import hashes
from node.content.hashes import Item, Value
from node.v1 import tools_pb2

MESSAGE_BYTES = 512 << 10  # of digests in one message of a publication

Progress = Callable[[int], None]
Request = TypeVar("Request")


@dataclass
class Sending(Generic[Request]):
    """A stream of requests: the first says what they are about, all others bring items."""

    first: Request
    wrap: Callable[[tools_pb2.Values], Request]
    items: Iterable[Value | Item]
    progress: Progress = lambda _: None
    error: Exception | None = None

    async def requests(self) -> AsyncIterator[Request]:
        """Each request, made when gRPC has room for it."""
        yield self.first
        try:
            for count, values in messages(self.items):
                yield self.wrap(values)
                self.progress(count)
        except Exception as error:
            self.error = error
            raise

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Around the call: raise what the items raised. gRPC only says that the call was cancelled."""
        try:
            yield
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.error is None or (task is not None and task.cancelling()):
                raise
            raise self.error from None


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
