"""Many SHA-256 from one node to the other, beside SQLite alone taking in the same rows; their change; memory."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

from node import limits
from node.client import Client
from node.content.hashes import SHA256
from node.policy.border import GREEN
from node.v1 import record_pb2, tools_pb2
from tests.bench import changing, nodes, steps
from tests.bench.nodes import Memory, Peaks
from tests.bench.results import Measure, Reference, Stopwatch
from tests.bench.steps import Steps
from tests.federation import Node, federation

PROBES = 8  # digests looked up, spread over all records
LOOK_UPS = 20  # of a thousand each, before memory is read
PLAIN = "executemany in sqlite3"
ENDS = ("published", "received")


@dataclass(frozen=True, slots=True)
class Run:
    """What two daemons took to publish a list and to receive it."""

    sent_s: float  # the node has all items
    publish_s: float  # the call returned
    here: Steps
    there: Steps
    before: Sequence[Memory]
    after: Sequence[Memory]
    peaks_mib: Sequence[float]  # anonymous


def digests(count: int) -> list[bytes]:
    """In no order, always the same."""
    return list(drawn(count))


def drawn(count: int) -> Iterator[bytes]:
    """The same, one at a time."""
    return (hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(count))


def draft(name: str, *, replace: bool = False) -> tools_pb2.ListDraft:
    """A list for all members."""
    handling = record_pb2.Handling(tlp=GREEN)
    return tools_pb2.ListDraft(
        name=name, kind=SHA256.name, labels=["attack-footage"], handling=handling, replace=replace
    )


async def shown(client: Client, object_id: bytes, count: int) -> None:
    """Wait until look-ups on this node find every item; nothing but asking tells when."""
    while True:
        held = [one for one in await client.lists() if one.object_id == object_id]
        if held and held[0].items == count:
            return
        await asyncio.sleep(nodes.LOOK_AGAIN_S)


def measure(folder: Path, count: int, wanted: Collection[str]) -> list[Measure]:
    """Two daemons; ``wanted`` holds some of "list", "change" and "memory"."""
    values = digests(count)
    plain = Reference(plain_sqlite_s(folder, sorted(values)), PLAIN)
    change = changing.Change.of(values) if "change" in wanted else None
    with federation(folder, 2) as pair:
        run, changed = asyncio.run(_publish_and_change(pair, values, change))
    found = _times(run, count, plain) if "list" in wanted else []
    if change is not None and changed is not None:
        found += changing.measures(pair[0], change, changed, Reference(run.there.found_s, "publishing all of it"))
    return found + (_memory(run, count) if "memory" in wanted else [])


def measure_large(folder: Path, count: int) -> list[Measure]:
    """So many that neither daemon may hold them; ours does not either."""
    with federation(folder, 2) as pair:
        run = asyncio.run(_publish(pair, drawn(count), count))
    name = f"{count:,} SHA-256"
    return [
        Measure(f"{name}, until the call returned", run.publish_s, "s"),
        Measure(f"{name}, until found on a second node", run.there.found_s, "s"),
        *_memory(run, count),
    ]


def _times(run: Run, count: int, plain: Reference) -> list[Measure]:
    rows = (
        ("all were sent and staged", run.sent_s, ""),
        ("sorted, compared and announced", run.here.announced_s, ""),
        ("all were sealed and signed", run.here.held_s, ""),
        ("found on its own node", run.here.found_s, ""),
        ("the call returned", run.publish_s, ""),
        ("announced on a second node", run.there.announced_s, ""),
        ("all were fetched there", run.there.held_s, ""),
        ("found there", run.there.found_s, "at most 3 times"),
    )
    return [Measure(f"{count:,} SHA-256 published, until {name}", value, "s", aim, plain) for name, value, aim in rows]


def _memory(run: Run, count: int) -> list[Measure]:
    found = []
    idle = Reference(run.before[0].anonymous_mib, "before")
    for i, what in enumerate(ENDS):
        name = f"{count:,} SHA-256 {what}"
        found += [
            Measure(f"{name}: anonymous memory afterwards", run.after[i].anonymous_mib, "MiB", "", idle),
            Measure(
                f"{name}: anonymous memory, the most meanwhile",
                max(run.peaks_mib[i], run.after[i].anonymous_mib),
                "MiB",
                "",
                idle,
            ),
            Measure(f"{name}: pages of files after look-ups", run.after[i].file_mib, "MiB", "", _files(run, i)),
            Measure(f"{name}: both, the most since the start", run.after[i].peak_mib, "MiB"),
        ]
    return found


def _files(run: Run, i: int) -> Reference:
    return Reference(run.before[i].file_mib, "before")


async def _publish_and_change(
    pair: Sequence[Node], values: Sequence[bytes], change: "changing.Change | None"
) -> tuple[Run, "changing.Changed | None"]:
    run = await _publish(pair, values, len(values))
    if change is None:
        return run, None
    async with nodes.acquainted(pair) as clients:
        return run, await changing.publish(clients, pair[0], draft("bench", replace=True), change)


async def _publish(pair: Sequence[Node], values: Iterable[bytes], count: int) -> Run:
    async with nodes.acquainted(pair) as (publisher, receiver), asyncio.TaskGroup() as tasks:
        before, peaks = [nodes.memory(one) for one in pair], Peaks(pair)
        watching = tasks.create_task(peaks.watch())
        watch = Stopwatch()
        here = tasks.create_task(steps.watch(publisher, count, watch))
        there = tasks.create_task(steps.watch(receiver, count, watch))
        sent_s = [0.0]
        await publisher.publish_list(draft("bench"), values, _noting(sent_s, count, watch))
        publish_s = watch.elapsed_s
        reached = await here, await there
        watching.cancel()
        await _check(receiver, count)
        for client in (publisher, receiver):
            await _look_up(client)
        after = [nodes.memory(one) for one in pair]
        return Run(sent_s[0], publish_s, *reached, before, after, peaks.mib)


def _noting(sent_s: list[float], count: int, watch: Stopwatch) -> Callable[[int], None]:
    def progress(sent: int) -> None:
        if sent == count:
            sent_s[0] = watch.elapsed_s

    return progress


async def _check(receiver: Client, count: int) -> None:
    step = max(count // PROBES, 1)
    probes = [hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(0, count, step)]
    found = await receiver.look_up(SHA256.name, probes)
    if len(found) != len(probes):
        raise RuntimeError(f"{len(found)} of {len(probes)} digests were found on the second node")


async def _look_up(client: Client) -> None:
    """What is not listed, all over the list: the pages of its file that look-ups map count as memory too."""
    random = Random(0)
    for _ in range(LOOK_UPS):
        await client.look_up(SHA256.name, [random.randbytes(32) for _ in range(limits.VALUES_PER_LOOK_UP_MAX)])


def plain_sqlite_s(folder: Path, rising: Sequence[bytes]) -> float:
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
