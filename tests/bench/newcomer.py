"""A list as large as the industry's database on its way to nodes that are new, and declarations beside it.

The publisher has it before they start. The first fetches it in quiet. Then a second does, while the
publisher declares crises: as often as bulk, which pauses for each, still moves in between.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.client import Client
from tests.bench import lists, nodes, steps
from tests.bench.declarations import WARM_UP, Declaring, Sightings
from tests.bench.results import Measure, Reference, Stopwatch, percentile
from tests.bench.steps import Steps
from tests.federation import Node, make

LOOK_AGAIN_S = 0.1  # while declarations are timed; a look at a list takes some milliseconds
PAUSE_S = 0.15  # between declarations: longer than bulk pauses for one
PERCENTS = (50, 99)


@dataclass(frozen=True, slots=True)
class _Run:
    """What three daemons took."""

    start_s: float  # from the start of a new node until it holds all headers
    alone: Steps
    idle_s: Sequence[float]  # declarations
    loaded_s: Sequence[float]
    beside: Steps


def measure(folder: Path, count: int, declarations: int) -> list[Measure]:
    """So many digests, and so many declarations in quiet; as many beside them as the fetching lasts, at most."""
    values = lists.digests(count)
    plain_s, copy_s = lists.plain_sqlite_s(folder, sorted(values)), _copy_s(folder, b"".join(values))
    members = make(folder, 3, accept=1, choosing=2)
    with nodes.ending(members):
        run = asyncio.run(_run(members, values, declarations))
    return _measures(run, count, plain_s, copy_s)


def _measures(run: _Run, count: int, plain_s: float, copy_s: float) -> list[Measure]:
    size_mb, name = count * 32 / 1e6, f"a new node, {count:,} SHA-256"
    plain = Reference(plain_s, lists.PLAIN)
    copied = Reference(size_mb / copy_s, "written to a file, with fsync")
    rows = [
        Measure(f"{name}: its start, until it has all headers", run.start_s, "s"),
        Measure(f"{name}: followed, until all were fetched", run.alone.held_s, "s", "", plain),
        Measure(f"{name}: followed, until all were found", run.alone.found_s, "s", "", plain),
        Measure(f"{name}: fetched", size_mb / run.alone.held_s, "MB/s", "", copied),
        Measure(f"{name}: found", size_mb / run.alone.found_s, "MB/s", "", Reference(size_mb / plain_s, lists.PLAIN)),
    ]
    seen = "declared, until seen on 2 others"
    for percent in PERCENTS:
        idle_ms, loaded_ms = (percentile(values, percent) * 1000 for values in (run.idle_s, run.loaded_s))
        row = f"{seen}, while one of them fetches {count:,}, p{percent} of {len(run.loaded_s)}"
        idle = Reference(idle_ms, f"idle, of {len(run.idle_s)}")
        rows.append(Measure(row, loaded_ms, "ms", "at most 2 times", idle))
    in_quiet = Reference(run.alone.found_s, "in quiet")
    return [*rows, Measure(f"{name}: found, beside those declarations", run.beside.found_s, "s", "", in_quiet)]


async def _run(members: Sequence[Node], values: Sequence[bytes], declarations: int) -> _Run:
    publisher, first, second = members
    publisher.start()
    async with nodes.acquainted([publisher]) as (client,):
        listed = (await client.publish_list(lists.draft("bench"), values)).list
    watch = Stopwatch()
    first.start()
    async with nodes.acquainted([publisher, first]) as (_, client):
        start_s = watch.elapsed_s
        alone = await _follow(client, listed.name, len(values))
    second.start()
    async with nodes.acquainted(members) as (declaring, *others), asyncio.TaskGroup() as tasks:
        sightings = Sightings(len(others))
        following = [tasks.create_task(sightings.follow(i, client)) for i, client in enumerate(others)]
        await sightings.ready.wait()
        declare = Declaring(declaring, sightings, PAUSE_S)
        await declare.repeat(WARM_UP, lambda: True)
        idle_s = await declare.repeat(declarations, lambda: True)
        fetching = tasks.create_task(_follow(others[-1], listed.name, len(values)))
        loaded_s = await declare.repeat(declarations, lambda: not fetching.done())
        beside = await fetching
        for task in following:
            task.cancel()
    return _Run(start_s, alone, idle_s, loaded_s, beside)


async def _follow(client: Client, named: str, count: int) -> Steps:
    watch = Stopwatch()
    await client.follow_list(named)
    return await steps.watch(client, count, watch, LOOK_AGAIN_S)


def _copy_s(folder: Path, data: bytes) -> float:
    """The bare bytes into a file of this disk."""
    watch = Stopwatch()
    with (folder / "copy").open("wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    return watch.elapsed_s
