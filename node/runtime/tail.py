"""Tail: read the store from a cursor, and wait at its end for more. Live and replay are one path."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from node.exchange import consult, project
from node.runtime.reading import Reading
from node.runtime.writer import Writer
from node.store import arrivals
from node.store.arrivals import Cursor
from node.store.stores import Stores
from node.v1 import tools_pb2

ARRIVALS_PER_READ = 64  # so long does an urgent arrival wait behind a replay
PAYLOADS_PER_READ = 8  # of 147 kB each at most, when whole records are asked for


@dataclass(frozen=True, slots=True)
class Part:
    """What was read: deliveries in order, the cursor behind them, and whether that was all there is now."""

    deliveries: list[tools_pb2.Delivery]
    cursor: Cursor
    at_end: bool


class Tail:
    """All subscribers of one node read through it; none of them has any state here."""

    def __init__(self, reading: Reading, writer: Writer) -> None:
        self._reading, self._writer = reading, writer

    async def follow(self, cursor: Cursor, kinds: frozenset[int]) -> AsyncIterator[Part]:
        """Everything behind the cursor, urgent before all else, for ever."""
        told_end = False
        while True:
            # The version is taken before the look, or news that comes between look and wait is slept through.
            seen = self._writer.news.version
            part = await self._read(cursor, kinds)
            cursor = part.cursor
            if part.deliveries or (part.at_end and not told_end):
                yield part
            told_end = part.at_end
            if part.at_end:
                await self._writer.news.newer(seen)

    async def start(self, name: str, *, from_now: bool) -> Cursor:
        """Where a named reader goes on: behind what it acknowledged."""

        def find(stores: Stores) -> Cursor:
            store_id = project.store_id(stores)
            acknowledged = arrivals.acknowledged(stores.ledger, name, store_id)
            if from_now and acknowledged == Cursor(store_id):
                return arrivals.last(stores.ledger, store_id)
            return acknowledged

        return await self._reading.run(find)

    async def _read(self, cursor: Cursor, kinds: frozenset[int]) -> Part:
        trust, reader = self._writer.trust, self._writer.reader

        def read(stores: Stores) -> Part:
            page = arrivals.after(stores.ledger, cursor, ARRIVALS_PER_READ)
            found = page.arrivals
            deliveries, behind = consult.deliveries(stores, found, cursor, kinds, trust, reader, PAYLOADS_PER_READ)
            through = not found or behind == arrivals.advance(behind, found[-1])
            return Part(deliveries, behind, at_end=page.at_end and through)

        return await self._reading.run(read)
