"""What a client holds is bounded: by what it was told to keep, and by how fast it is read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from node.client import CaughtUp
from node.client.records import Records
from node.content.items import RECORD_ITEMS
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.rpc.channel import LOOKAHEAD_BYTES
from node.rpc.tools import ToolsServicer
from node.v1 import record_pb2, tools_pb2
from tests.client.inside import draft, inside
from tests.federation import GUARD_S

DIGESTS = [i.to_bytes(32) for i in range(1, 40 * RECORD_ITEMS + 1)]  # forty records of 131 kB
BOUND = 2 * LOOKAHEAD_BYTES + (1 << 20)  # what the window lets through, and what lies in gRPC on both sides


class Counting(ToolsServicer):
    """How much of each subscription was taken from it."""

    taken: dict[str, int]

    async def Subscribe(self, request: Any, context: Any) -> AsyncIterator[tools_pb2.SubscribeResponse]:  # noqa: N802
        async for response in super().Subscribe(request, context):
            self.taken[request.name] = self.taken.get(request.name, 0) + response.ByteSize()
            yield response


async def test_a_subscriber_that_takes_its_time_is_sent_little_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "taken", {}, raising=False)
    async with asyncio.timeout(GUARD_S), inside(tmp_path, monkeypatch, Counting) as made, made.on_socket() as client:
        await client.publish_list(draft("large"), DIGESTS)
        slow = client.subscribe("slow", kinds_wanted=[Kind.ITEMS])
        read = [await anext(slow)]
        async for event in client.subscribe("quick", kinds_wanted=[Kind.ITEMS]):
            if isinstance(event, CaughtUp):
                break
        assert Counting.taken["quick"] > 40 * RECORD_ITEMS * 32
        assert Counting.taken["slow"] < BOUND
        while not isinstance(read[-1], CaughtUp):
            read.append(await anext(slow))
        assert len(read) == 41  # and it misses nothing


def test_records_are_kept_up_to_a_number_and_a_size() -> None:
    def put(number: int, size: int) -> None:
        items = record_pb2.Items(kind="sha256", digests=bytes(size))
        records.put(HeaderHash(bytes([number] * 32)), MemberId(bytes(32)), record_pb2.Record(items=items))

    def kept(*numbers: int) -> list[bool]:
        return [records.get(HeaderHash(bytes([number] * 32))) is not None for number in numbers]

    records = Records(kept_max=3, bytes_max=1000)
    for number in range(4):
        put(number, 100)
    assert kept(0, 1, 2, 3) == [False, True, True, True]
    assert kept(1)  # asked for again, it stays
    put(4, 100)
    assert kept(1, 2, 3, 4) == [True, False, True, True]
    put(5, 900)
    assert kept(1, 3, 4, 5) == [False, False, False, True]
    put(6, 5000)  # larger than all room there is
    assert kept(5, 6) == [False, True]
    assert len(records) == 1
