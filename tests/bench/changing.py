"""A list published again with a few items taken out and a few put in: how long it takes, and what travels."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from node.client import Client
from node.content.hashes import SHA256
from node.v1 import tools_pb2
from tests.bench import later, nodes, traffic
from tests.bench.results import Measure, Reference, Stopwatch
from tests.bench.traffic import Said
from tests.federation import Node

ITEMS = 1000  # taken out, spread over all records; and as many put in
PER_RECORD_MAX = 50  # or a small list would lose a quarter of each record, which is another matter


@dataclass(frozen=True, slots=True)
class Change:
    """What is in the changed file, what is not any more, and what was not."""

    values: Sequence[bytes]
    removed: Sequence[bytes]
    added: Sequence[bytes]

    @classmethod
    def of(cls, values: Sequence[bytes]) -> Self:
        """Some of these go, and as many others come."""
        step = max(len(values) // ITEMS, PER_RECORD_MAX)
        removed = values[::step]
        added = [hashlib.sha256(b"added" + value).digest() for value in removed]
        gone = frozenset(removed)
        return cls([value for value in values if value not in gone] + added, removed, added)


@dataclass(frozen=True, slots=True)
class Changed:
    """What two daemons took."""

    seq: int  # the last entry before
    dry_run_s: float
    publish_s: float
    restricted_s: float  # what was taken out matches no more on the second node
    found_s: float
    answer: tools_pb2.PublishListResponse


async def publish(clients: Sequence[Client], node: Node, draft: tools_pb2.ListDraft, change: Change) -> Changed:
    """The first of two publishes the changed file."""
    publisher, receiver = clients
    seq, count = traffic.last(node), len(change.values)
    (before,) = await receiver.lists()
    dry = tools_pb2.ListDraft()
    dry.CopyFrom(draft)
    dry.dry_run = True
    dry_watch = Stopwatch()
    await publisher.publish_list(dry, change.values)
    dry_run_s, watch = dry_watch.elapsed_s, Stopwatch()
    left = count - len(change.added)

    def is_over(view: tools_pb2.ListView) -> bool:
        return view.items == count and view.list.version != before.list.version

    async with asyncio.TaskGroup() as tasks:
        restricted = tasks.create_task(_until(receiver, watch, lambda view: view.items <= left or is_over(view)))
        answer = await publisher.publish_list(draft, change.values)
        publish_s = watch.elapsed_s
        found_s = await _until(receiver, watch, is_over)
    await _check(receiver, change)
    return Changed(seq, dry_run_s, publish_s, await restricted, found_s, answer)


async def _until(client: Client, watch: Stopwatch, is_so: Callable[[tools_pb2.ListView], bool]) -> float:
    while not is_so((await client.lists())[0]):  # noqa: ASYNC110 - nothing but asking tells
        await asyncio.sleep(nodes.LOOK_AGAIN_S)
    return watch.elapsed_s


async def _check(receiver: Client, change: Change) -> None:
    gone = await receiver.look_up(SHA256.name, change.removed)
    come = await receiver.look_up(SHA256.name, change.added)
    if gone or len(come) != len(change.added):
        raise RuntimeError(f"{len(gone)} of what was taken out is found, {len(come)} of {len(change.added)} put in")


def measures(node: Node, change: Change, run: Changed, whole: Reference) -> list[Measure]:
    """Once the daemons have ended: also what is written anew half an hour later."""
    at_once, first = traffic.since(node, run.seq), traffic.until(node, run.seq)
    seq = traffic.last(node)
    made, rewrite_s = asyncio.run(later.rewrite(node))
    afterwards = traffic.since(node, seq)
    of_all = Reference(first.sizes.total() / 1000, "publishing all of it")
    name = f"{len(change.values):,} SHA-256, {len(change.added):,} others"
    return [
        Measure(f"{name}: a dry run (staged, sorted, compared)", run.dry_run_s, "s", "", whole),
        Measure(f"{name}: until the call returned", run.publish_s, "s", "", whole),
        Measure(f"{name}: until what went no longer matched on a second node", run.restricted_s, "s", "", whole),
        Measure(f"{name}: until what came was found there", run.found_s, "s", "", whole),
        *_travelled(f"{name}, at once", at_once, of_all),
        *_travelled(f"{name}, half an hour later", afterwards, of_all),
        Measure(f"{name}, half an hour later: {made:,} records written, with no peer", rewrite_s, "s", "", whole),
    ]


def _travelled(name: str, said: Said, whole: Reference) -> list[Measure]:
    """What each follower takes in, by what it is."""
    rows = [
        Measure(f"{name}: {what} ({said.entries[what]:,})", size / 1000, "kB", "", whole)
        for what, size in sorted(said.sizes.items())
    ]
    return [*rows, Measure(f"{name}: all that travels to a follower", said.sizes.total() / 1000, "kB", "", whole)]
