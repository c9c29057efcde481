"""From a declaration on one of five daemons until a subscriber of every other has it, idle and beside a list."""

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from node.client import CaughtUp, Client, Received
from node.exchange.drafts import HOUR_MS
from node.feed.kinds import Kind
from node.policy.border import GREEN
from node.v1 import record_pb2
from tests.bench import lists, nodes
from tests.bench.results import Measure, Reference, Stopwatch, percentile
from tests.federation import Node, federation

NODES = 5
WARM_UP = 20
PAUSE_S = 0.02  # so that one declaration is over before the next
IDLE_AIMS_MS = {50: 9, 99: 19}


def measure(folder: Path, count: int, digest_count: int) -> list[Measure]:
    """``count`` declarations in quiet, and as many while a list travels, as far as it takes long enough."""
    digests = lists.digests(digest_count)
    gc.freeze()  # or the collector looks through the digests while something is timed
    with federation(folder, NODES) as started:
        idle_s, loaded_s, travel_s = asyncio.run(_declare(started, count, digests))
    name = f"declared, until seen on {NODES - 1} others"
    measures = []
    for percent, aim_ms in IDLE_AIMS_MS.items():
        found_ms = percentile(idle_s, percent) * 1000
        measures.append(Measure(f"{name}, p{percent} of {len(idle_s)}", found_ms, "ms", f"under {aim_ms}"))
    busy = f"{name}, while {digest_count:,} SHA-256 travel"
    for percent in IDLE_AIMS_MS:
        found_ms, idle_ms = (percentile(values, percent) * 1000 for values in (loaded_s, idle_s))
        row = f"{busy}, p{percent} of {len(loaded_s)}"
        measures.append(Measure(row, found_ms, "ms", "at most 2 times", Reference(idle_ms, "idle")))
    return [*measures, Measure(f"{digest_count:,} SHA-256, until on all {NODES} meanwhile", travel_s, "s")]


async def _declare(
    started: Sequence[Node], count: int, digests: Sequence[bytes]
) -> tuple[list[float], list[float], float]:
    async with nodes.acquainted(started) as (declaring, *others), asyncio.TaskGroup() as tasks:
        sightings = Sightings(len(others))
        following = [tasks.create_task(sightings.follow(i, client)) for i, client in enumerate(others)]
        await sightings.ready.wait()
        declaring_one = Declaring(declaring, sightings)
        await declaring_one.repeat(WARM_UP, lambda: True)
        idle_s = await declaring_one.repeat(count, lambda: True)
        sent = asyncio.Event()
        travel = tasks.create_task(_travel(others[0], [declaring, *others[1:]], digests, sent))
        await sent.wait()
        loaded_s = await declaring_one.repeat(count, lambda: not travel.done())
        travel_s = await travel
        for task in following:
            task.cancel()
        return idle_s, loaded_s, travel_s


class Sightings:
    """Who has seen which declaration. Everything in it happens on one event loop."""

    def __init__(self, subscribers: int) -> None:
        self.ready = asyncio.Event()  # all of them follow what is new
        self._behind = set(range(subscribers))
        self._subscribers = frozenset(self._behind)
        self._missing: dict[bytes, set[int]] = {}
        self._complete: dict[bytes, asyncio.Future[float]] = {}

    def expect(self, object_id: bytes) -> asyncio.Future[float]:
        """When the last of them will have seen it."""
        self._missing[object_id] = set(self._subscribers)
        self._complete[object_id] = asyncio.get_running_loop().create_future()
        return self._complete[object_id]

    async def follow(self, number: int, client: Client) -> None:
        """Subscribe to declarations, each checked as tools do it."""
        async for event in client.subscribe("bench", kinds_wanted=[Kind.DECLARATION], from_now=True):
            match event:
                case Received(object_id=object_id):
                    self._saw(number, object_id)
                case CaughtUp():
                    self._behind.discard(number)
                    if not self._behind:
                        self.ready.set()

    def _saw(self, number: int, object_id: bytes) -> None:
        missing = self._missing[object_id]
        missing.discard(number)
        if not missing and not self._complete[object_id].done():
            self._complete[object_id].set_result(time.perf_counter())


class Declaring:
    """One after the other on one node."""

    def __init__(self, client: Client, sightings: Sightings, pause_s: float = PAUSE_S) -> None:
        self._client, self._sightings, self._pause_s = client, sightings, pause_s
        self._random = Random(0)

    async def repeat(self, count: int, goes_on: Callable[[], bool]) -> list[float]:
        """How long each took in seconds; fewer when it does not go on."""
        found: list[float] = []
        while len(found) < count and goes_on():
            found.append(await self._once())
            await asyncio.sleep(self._pause_s)
        return found

    async def _once(self) -> float:
        object_id = self._random.randbytes(16)
        ends_ms = time.time_ns() // 1_000_000 + HOUR_MS  # noqa: TID251 - daemons have the real clock
        crisis = record_pb2.Crisis(framework=record_pb2.Reference(name="eu-ocrf"), title="Bench", ends_ms=ends_ms)
        seen = self._sightings.expect(object_id)
        watch = Stopwatch()
        await self._client.declare(crisis, record_pb2.Handling(tlp=GREEN), object_id=object_id)
        return await seen - watch.started


async def _travel(
    publisher: Client, receivers: Sequence[Client], digests: Sequence[bytes], sent: asyncio.Event
) -> float:
    """A list is published; over when all receivers show it. ``sent`` is set once the publisher's node has it."""

    def progress(count: int) -> None:
        if count == len(digests):
            sent.set()

    watch = Stopwatch()
    answer = await publisher.publish_list(lists.draft("travelling"), digests, progress)
    for client in receivers:
        await lists.shown(client, answer.list.object_id, len(digests))
    return watch.elapsed_s
