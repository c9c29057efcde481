"""A whole list goes at once by another policy, while programs look values up on the same node."""

import asyncio
import sqlite3
from collections.abc import Coroutine, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path
from random import Random

from node import limits
from node.client import Client
from node.content.hashes import SHA256
from node.custody import joining
from node.v1 import policy_pb2
from tests.bench import lists
from tests.bench.results import Measure, Reference, Stopwatch
from tests.federation import Node, federation

NOTHING = b"""name = "nothing"
rules = [
  { class = "cryptographic", keep = "0 d", ground = "a measurement" },
  { class = "any", keep = "as its author allows", ground = "the same" },
]
"""
BATCHES = 64  # of a thousand values that are listed nowhere, used again and again
DELETED = "executemany DELETE in sqlite3"
RATE_AIM = "50,000 /s"


def measure(folder: Path, count: int, seconds: float) -> list[Measure]:
    """``count`` items, and so many seconds of look-ups before."""
    values = lists.digests(count)
    lists.plain_sqlite_s(folder, sorted(values))
    plain = Reference(count / _plain_delete_s(folder / "plain.db", values), DELETED)
    with federation(folder, 1) as (node,):
        quiet, rate, beside = asyncio.run(_measure(node, values, seconds))
    name = f"{count:,} SHA-256 over by policy at once"
    return [
        Measure(f"{name}: erased, while values are looked up", rate, "/s", RATE_AIM, plain),
        Measure(f"{name}: look-ups meanwhile", beside, "/s", "", Reference(quiet, "before")),
    ]


async def _measure(node: Node, values: Sequence[bytes], seconds: float) -> tuple[float, float, float]:
    bundle, federation_id = node.folder / "bench.pem", joining.read_charter(node.config).federation_id
    node.cli("tool", "issue", "bench", "--scope", "match", "--output", bundle)
    async with (
        Client.on_socket(node.config.socket, federation_id) as administrator,
        Client.with_bundle(node.config.tools_listen, bundle, federation_id) as client,
    ):
        await administrator.publish_list(lists.draft("bench"), values)
        quiet = await _LookingUp(client).during(asyncio.sleep(seconds))
        looking, watch = _LookingUp(client), Stopwatch()
        beside = await looking.during(_expire(administrator, node, len(values)))
        return quiet, len(values) / watch.elapsed_s, beside


async def _expire(administrator: Client, node: Node, count: int) -> None:
    """Until the last of it is gone, which the log says."""
    request = policy_pb2.ApplyPolicyRequest(text=NOTHING, number=count, code="bench", justification="a measurement")
    await administrator.policies.ApplyPolicy(request)
    gone = 0
    while gone * limits.ITEMS_MAX < count:
        gone += (await asyncio.to_thread(node.wait_for, "erased"))["payloads"]


class _LookingUp:
    """A thousand values after the other, for as long as something else takes."""

    def __init__(self, client: Client) -> None:
        random = Random(0)
        size = limits.VALUES_PER_LOOK_UP_MAX
        self._client = client
        self._batches = cycle([[random.randbytes(32) for _ in range(size)] for _ in range(BATCHES)])

    async def during(self, other: Coroutine[None, None, None]) -> float:
        """Look-ups a second."""
        running, watch, count = asyncio.create_task(other), Stopwatch(), 0
        while not running.done():
            batch = next(self._batches)
            await self._client.look_up(SHA256.name, batch)
            count += len(batch)
        await running
        return count / watch.elapsed_s


def _plain_delete_s(path: Path, values: Sequence[bytes]) -> float:
    """The same rows out of such a table as the index has, in the order in which they came."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        watch = Stopwatch()
        rows = [(SHA256.number, one) for one in sorted(values)]
        connection.executemany("DELETE FROM digest WHERE kind = ? AND value = ?", rows)
        connection.commit()
        return watch.elapsed_s
