"""Exact look-ups over gRPC, as tools make them, beside SQLite alone and a set of the same digests in memory."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import median

from node.client import Client
from node.content.hashes import SHA256
from node.custody import joining
from tests.bench import lists
from tests.bench.results import Measure, Reference, Stopwatch
from tests.federation import Node, federation

BATCHES = (1, 50, 1000)
MATCHING = 0.01  # of the values in the last comparison; in the others none is listed
DRAWN = 200_000  # values of a comparison, used again and again: more than a processor's caches hold
ROUNDS = 5  # of all ways in turn; the median counts
AIM = {1000: "200,000 /s"}
PLAIN, TOGETHER, HELD = "SELECT for each in sqlite3", "SELECT for all of them in sqlite3", "a set in memory"
CALLS, STREAM = OURS = "a call for each batch", "one stream"

Batch = Sequence[bytes]
Way = Callable[[Iterable[Batch]], Awaitable[int]]  # how many of them match


def measure(folder: Path, count: int, seconds: float) -> list[Measure]:
    """``count`` digests on one daemon; each way is timed for about so many seconds."""
    values = lists.digests(count)
    with federation(folder, 1) as (node,):
        return asyncio.run(_measure(node, values, seconds))


async def _measure(node: Node, values: Sequence[bytes], seconds: float) -> list[Measure]:
    bundle, federation_id = node.folder / "bench.pem", joining.read_charter(node.config).federation_id
    node.cli("tool", "issue", "bench", "--scope", "match", "--output", bundle)
    async with Client.on_socket(node.config.socket, federation_id) as administrator:
        await administrator.publish_list(lists.draft("bench"), values)
    file = f"{(node.config.data_folder / 'digests.db').as_uri()}?mode=ro"
    async with Client.with_bundle(node.config.tools_listen, bundle, federation_id) as client:
        with closing(sqlite3.connect(file, uri=True, isolation_level=None)) as plain:
            plain.execute("PRAGMA cache_size = -131072")  # the whole table
            ways = _ways(client, plain, frozenset(values))
            found: list[Measure] = []
            for size, matching in (*((size, 0.0) for size in BATCHES), (BATCHES[-1], MATCHING)):
                rates = await _rates(ways, _draw(values, size, matching), seconds)
                found += _measures(rates, size, matching, len(values))
    return found


def _measures(rates: dict[str, float], size: int, matching: float, count: int) -> list[Measure]:
    plain = Reference(rates.pop(PLAIN), PLAIN)
    about = f"look-ups among {count:,} SHA-256, {size:,} at a time, {matching:.0%} listed"
    return [
        Measure(f"{about}: {name}", rate, "/s", AIM.get(size, "") if name in OURS else "", plain)
        for name, rate in rates.items()
    ]


def _draw(values: Sequence[bytes], size: int, matching: float) -> list[Batch]:
    """Always the same: some of the listed values, the others from nowhere."""
    random = Random(size)
    drawn = [random.choice(values) if random.random() < matching else random.randbytes(32) for _ in range(DRAWN)]
    return [drawn[start : start + size] for start in range(0, DRAWN, size)]


async def _rates(ways: dict[str, Way], batches: Sequence[Batch], seconds: float) -> dict[str, float]:
    """Values a second, each way in turn; the first turn only warms up."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    endless = cycle(batches)
    for turn in range(ROUNDS + 1):
        for name, way in ways.items():
            timed = _Timed(endless, seconds / ROUNDS if turn else seconds / ROUNDS / 2)
            await way(timed.batches())
            if turn:
                rates[name].append(timed.count / timed.watch.elapsed_s)
    return {name: median(found) for name, found in rates.items()}


class _Timed:
    """Batches for so long, and how many values were in them."""

    def __init__(self, endless: Iterator[Batch], seconds: float) -> None:
        self._endless, self._seconds = endless, seconds
        self.count = 0
        self.watch = Stopwatch()

    def batches(self) -> Iterator[Batch]:
        while self.watch.elapsed_s < self._seconds:
            batch = next(self._endless)
            self.count += len(batch)
            yield batch


# ---- The ways


def _ways(client: Client, plain: sqlite3.Connection, held: frozenset[bytes]) -> dict[str, Way]:
    async def unary(batches: Iterable[Batch]) -> int:
        return sum([len(await client.look_up(SHA256.name, batch)) for batch in batches])

    async def stream(batches: Iterable[Batch]) -> int:
        return sum([len(found) async for found in client.look_up_stream(SHA256.name, batches)])

    async def select(batches: Iterable[Batch]) -> int:
        statement = "SELECT record, position FROM digest WHERE kind = ? AND value = ?"
        return sum(
            len(plain.execute(statement, (SHA256.number, value)).fetchall()) for batch in batches for value in batch
        )

    async def select_together(batches: Iterable[Batch]) -> int:
        count = 0
        for batch in batches:
            marks = ",".join("?" * len(batch))
            statement = f"SELECT record, position FROM digest WHERE kind = ? AND value IN ({marks})"  # noqa: S608 - question marks
            count += len(plain.execute(statement, (SHA256.number, *batch)).fetchall())
        return count

    async def look(batches: Iterable[Batch]) -> int:
        return sum(value in held for batch in batches for value in batch)

    return {PLAIN: select, TOGETHER: select_together, HELD: look, CALLS: unary, STREAM: stream}
