"""A list of many SHA-256 from one node to the other, beside SQLite alone taking in the same rows; and memory."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from node import limits
from node.client import Client
from node.content.hashes import SHA256
from node.exchange.drafts import GREEN
from node.v1 import record_pb2, tools_pb2
from tests.bench import nodes
from tests.bench.results import Measure, Reference, Stopwatch
from tests.federation import Node, federation

PROBES = 8  # digests looked up, spread over all records


@dataclass(frozen=True, slots=True)
class _Run:
    """What two daemons took."""

    publish_s: float
    found_s: float
    idle_mib: float
    publisher_mib: float
    receiver_mib: float


def digests(count: int) -> list[bytes]:
    """In no order, always the same."""
    return [hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(count)]


def draft(name: str) -> tools_pb2.ListDraft:
    """A list for all members."""
    handling = record_pb2.Handling(tlp=GREEN)
    return tools_pb2.ListDraft(name=name, kind=SHA256.name, labels=["attack-footage"], handling=handling)


async def shown(client: Client, object_id: bytes, count: int) -> None:
    """Wait until look-ups on this node find every item; nothing but asking tells when."""
    while True:
        held = [one for one in await client.lists() if one.object_id == object_id]
        if held and held[0].items == count:
            return
        await asyncio.sleep(nodes.LOOK_AGAIN_S)


def measure(folder: Path, count: int, wanted: Collection[str]) -> list[Measure]:
    """Two daemons; ``wanted`` holds "list", "memory" or both."""
    values = digests(count)
    plain_s = _plain_sqlite_s(folder, sorted(values)) if "list" in wanted else 0.0
    with federation(folder, 2) as pair:
        run = asyncio.run(_publish(pair, values))
    times = _times(run, count, plain_s) if "list" in wanted else []
    return times + (_memory(run, count) if "memory" in wanted else [])


def _times(run: _Run, count: int, plain_s: float) -> list[Measure]:
    plain = Reference(plain_s, "executemany in sqlite3")
    return [
        Measure(f"{count:,} SHA-256, until the call returned", run.publish_s, "s", "", plain),
        Measure(f"{count:,} SHA-256, until found on a second node", run.found_s, "s", "at most 3 times", plain),
    ]


def _memory(run: _Run, count: int) -> list[Measure]:
    idle = Reference(run.idle_mib, "idle")
    return [
        Measure("resident memory, idle", run.idle_mib, "MiB"),
        Measure(f"resident memory, {count:,} SHA-256 published", run.publisher_mib, "MiB", "", idle),
        Measure(f"resident memory, {count:,} SHA-256 received", run.receiver_mib, "MiB", "", idle),
    ]


async def _publish(pair: Sequence[Node], values: Sequence[bytes]) -> _Run:
    async with nodes.acquainted(pair) as (publisher, receiver):
        idle_mib = nodes.resident_mib(pair[1])
        watch = Stopwatch()
        answer = await publisher.publish_list(draft("bench"), values)
        publish_s = watch.elapsed_s
        await shown(receiver, answer.list.object_id, len(values))
        probes = values[:: max(len(values) // PROBES, 1)]
        found = await receiver.look_up(SHA256.name, probes)
        found_s = watch.elapsed_s
        if len(found) != len(probes):
            raise RuntimeError(f"{len(found)} of {len(probes)} digests were found on the second node")
        return _Run(publish_s, found_s, idle_mib, *map(nodes.resident_mib, pair))


def _plain_sqlite_s(folder: Path, rising: Sequence[bytes]) -> float:
    """The same rows in the same order into such a table as the index has, in one durable transaction."""
    rows = [(SHA256.number, value, *divmod(i, limits.ITEMS_MAX)) for i, value in enumerate(rising)]
    with closing(sqlite3.connect(folder / "plain.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE digest (kind INTEGER NOT NULL, value BLOB NOT NULL, record INTEGER NOT NULL,"
            " position INTEGER NOT NULL, PRIMARY KEY (kind, value, record, position)) WITHOUT ROWID"
        )
        watch = Stopwatch()
        connection.executemany("INSERT INTO digest (kind, value, record, position) VALUES (?, ?, ?, ?)", rows)
        connection.commit()
        return watch.elapsed_s
