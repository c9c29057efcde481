"""Items drawn over a whole list leave the disk, while crises are declared on the same node.

The list's member takes them back in all of its records at once, and nobody writes the records anew: so every
record becomes a remainder. A day later, by a clock that is ahead, all of them are due together.
"""

import asyncio
import mmap
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from node.content.hashes import SHA256
from node.daemon import Daemon
from node.exchange import drafts, holdings
from node.exchange.drafts import HOUR_MS
from node.exchange.holdings import Part
from node.feed.header import URGENT
from node.feed.keys import ObjectId
from node.policy import cooling
from node.policy.border import GREEN
from node.runtime.publishing import Publishing
from node.v1 import record_pb2, tools_pb2
from tests.bench import later, lists, nodes
from tests.bench.results import Measure, Reference, Stopwatch, percentile
from tests.federation import Node, federation

SHARE = 4  # of so many items one goes
COOLED = timedelta(milliseconds=cooling.DAY_MS) + timedelta(hours=1)
WITHDRAWALS_AT_A_TIME = 32
QUIET = 50  # declarations before anything is erased
PAUSE_S = 0.15  # between declarations: longer than bulk pauses for one
SAMPLE = 64  # of what went, and of what stays, that every byte of the folder is compared with
PAUSE_AIM = "longest at most 50 ms"
DELETED = "executemany DELETE and VACUUM in sqlite3"


@dataclass(frozen=True, slots=True)
class _Run:
    """What one node took."""

    erase_s: float
    quiet_s: Sequence[float]  # declarations
    beside_s: Sequence[float]


def measure(folder: Path, count: int) -> list[Measure]:
    """``count`` items on one node, of which a quarter goes."""
    values = lists.digests(count)
    gone = Random(count).sample(values, count // SHARE)
    lists.plain_sqlite_s(folder, sorted(values))
    reference = Reference(_plain_delete_s(folder / "plain.db", gone), DELETED)
    with federation(folder, 1) as (node,):
        object_id = asyncio.run(_publish(node, values))
        node.stop()
        asyncio.run(_withdraw(node, object_id, frozenset(gone)))
        run = asyncio.run(_erase(node))
        residue = _residue(node.config.data_folder, gone, values)
    return _measures(run, count, len(gone), reference, residue)


def _measures(run: _Run, count: int, gone: int, reference: Reference, residue: int) -> list[Measure]:
    name = f"{gone:,} of {count:,} SHA-256 erased at random"
    seen = "declared, until visible here"
    quiet_ms, beside_ms = ([value * 1000 for value in times] for times in (run.quiet_s, run.beside_s))
    return [
        Measure(f"{name}: until every file was written anew", run.erase_s, "s", "", reference),
        Measure(f"{name}: of {SAMPLE}, found in any byte of the data folder", residue, "", "none"),
        *(
            Measure(
                f"{seen}, beside that, {what} of {len(beside_ms)}",
                percentile(beside_ms, percent),
                "ms",
                aim,
                Reference(percentile(quiet_ms, percent), f"in quiet, of {len(quiet_ms)}"),
            )
            for what, percent, aim in (("p50", 50, ""), ("p99", 99, ""), ("the longest", 100, PAUSE_AIM))
        ),
    ]


async def _publish(node: Node, values: Sequence[bytes]) -> ObjectId:
    async with nodes.acquainted([node]) as (client,):
        answer = await client.publish_list(lists.draft("bench"), values)
        return ObjectId(answer.list.object_id)


async def _withdraw(node: Node, object_id: ObjectId, gone: frozenset[bytes]) -> None:
    async with later.inside(node, timedelta()) as daemon:
        saying, seen = daemon.saying, daemon.saying.view()
        held = await saying.reading.run(lambda stores: holdings.hold(stores, seen.follows.me, object_id, seen))
        made = [
            drafts.withdrawal(part.hash, await _bits(daemon, part, gone), drafts.OUTDATED)
            for part in held.parts.values()
        ]
        for start in range(0, len(made), WITHDRAWALS_AT_A_TIME):
            await saying.say(made[start : start + WITHDRAWALS_AT_A_TIME], URGENT)
        await saying.caught_up(bulk=True)


async def _bits(daemon: Daemon, part: Part, gone: frozenset[bytes]) -> int:
    """The places of a record whose values go."""
    trust, reader = daemon.writer.trust, daemon.writer.reader
    record = await daemon.reading.run(lambda stores: holdings.opened(stores, part.hash, trust, reader))
    assert record is not None, "a record of ours is here"
    packed, size = record.items.digests, SHA256.digest_bytes
    return sum(1 << i for i in range(part.row.items) if packed[i * size : (i + 1) * size] in gone)


async def _erase(node: Node) -> _Run:
    async with later.inside(node, COOLED) as daemon:
        declaring = _Declaring(daemon)
        quiet_s = [await declaring.once() for _ in range(QUIET)]
        watch = Stopwatch()
        sweeping = asyncio.create_task(daemon.sweeping.sweep())
        beside_s = []
        while not sweeping.done():
            beside_s.append(await declaring.once())
        await sweeping
        return _Run(watch.elapsed_s, quiet_s, beside_s)


class _Declaring:
    """One crisis after the other on the node's own parts."""

    def __init__(self, daemon: Daemon) -> None:
        self._publishing, self._clock, self._random = Publishing(daemon.saying), daemon.clock, Random(0)

    async def once(self) -> float:
        """How long it took in seconds."""
        await asyncio.sleep(PAUSE_S)
        crisis = record_pb2.Crisis(
            framework=record_pb2.Reference(name="eu-ocrf"), title="Bench", ends_ms=self._clock.now_ms() + HOUR_MS
        )
        handling, object_id = record_pb2.Handling(tlp=GREEN), self._random.randbytes(16)
        watch = Stopwatch()
        await self._publishing.declare(tools_pb2.DeclareRequest(object_id=object_id, crisis=crisis, handling=handling))
        return watch.elapsed_s


def _plain_delete_s(path: Path, gone: Sequence[bytes]) -> float:
    """The same rows out of such a table as the index has, as thoroughly."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        watch = Stopwatch()
        connection.executemany(
            "DELETE FROM digest WHERE kind = ? AND value = ?", [(SHA256.number, one) for one in gone]
        )
        connection.commit()
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return watch.elapsed_s


def _residue(folder: Path, gone: Sequence[bytes], values: Sequence[bytes]) -> int:
    """How many of a sample of what went stand in a file; raises where what stays is not found either."""
    went = frozenset(gone)
    stay = [one for one in Random(0).sample(values, 2 * SAMPLE) if one not in went][: SAMPLE // 4]
    if len(_standing(folder, stay)) != len(stay):
        raise RuntimeError("items that stay are in no file")
    return len(_standing(folder, gone[:SAMPLE]))


def _standing(folder: Path, sample: Sequence[bytes]) -> set[bytes]:
    return {value for text in _texts(folder) for value in sample if text.find(value) >= 0}


def _texts(folder: Path) -> Iterator[mmap.mmap]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                yield text
