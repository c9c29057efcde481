"""What a tool believes of its node: only what it can check."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from node import daemon
from node.client import CaughtUp, Client, Received, Reset, Unverified
from node.exchange import project
from node.feed import box, payload
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.rpc.tools import ToolsServicer
from node.v1 import record_pb2, tools_pb2
from tests.client.inside import GREEN, draft, inside, on_socket
from tests.federation import GUARD_S, Node

DIGESTS = [i.to_bytes(32) for i in range(1, 501)]


@asynccontextmanager
async def node_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servicer: type[ToolsServicer]
) -> AsyncIterator[Node]:
    """A whole node in this process, with this service for its tools, and one list on it."""
    async with inside(tmp_path, monkeypatch, servicer) as made:
        async with asyncio.timeout(GUARD_S), made.on_socket() as honest:
            await honest.publish_list(draft("one"), DIGESTS)
        yield made.node


async def everything(node: Node) -> list[Received]:
    """All that a subscription brings until it has caught up."""
    found: list[Received] = []
    async with asyncio.timeout(GUARD_S), on_socket(node) as opened:
        async for event in opened.subscribe("all"):
            if isinstance(event, CaughtUp):
                return found
            if isinstance(event, Received):
                found.append(event)
    raise AssertionError


def lying(change: Callable[[tools_pb2.Delivery], None]) -> type[ToolsServicer]:
    """A node that changes every delivery of items."""

    class Lying(ToolsServicer):
        async def GetEntry(self, request: Any, context: Any) -> tools_pb2.GetEntryResponse:  # noqa: N802
            answer: tools_pb2.GetEntryResponse = await super().GetEntry(request, context)
            change(answer.delivery)
            return answer

        async def Subscribe(self, request: Any, context: Any) -> AsyncIterator[tools_pb2.SubscribeResponse]:  # noqa: N802
            async for response in super().Subscribe(request, context):
                if response.HasField("delivery") and len(response.delivery.entry.payload) > 4096:
                    change(response.delivery)
                yield response

    return Lying


def alter_one_digest(delivery: tools_pb2.Delivery) -> None:
    """GCM is a stream cipher: a bit turned in the ciphertext is a bit turned in a digest."""
    ciphertext = bytearray(delivery.entry.payload)
    ciphertext[1000] ^= 1
    delivery.entry.payload = bytes(ciphertext)


def seal_another(delivery: tools_pb2.Delivery) -> None:
    """With the key, which every member has: well-formed, of the right size, and another record."""
    key = box.decode(delivery.entry.box).data
    size = len(delivery.entry.payload) - payload.TAG_BYTES - 4
    delivery.entry.payload = payload.seal(key, b"whatever", bytes(size))


def withhold(delivery: tools_pb2.Delivery) -> None:
    delivery.entry.payload = b""


def forge(delivery: tools_pb2.Delivery) -> None:
    header = bytearray(delivery.entry.header)
    header[-1] ^= 1
    delivery.entry.header = bytes(header)


def swap_key(delivery: tools_pb2.Delivery) -> None:
    delivery.entry.box = b"\x00" + bytes(32)


async def test_what_an_honest_node_hands_out_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with node_of(tmp_path, monkeypatch, ToolsServicer) as node, on_socket(node) as opened:
        matches = await opened.look_up("sha256", [DIGESTS[0], bytes(32), DIGESTS[-1]])
        assert [match.index for match in matches] == [0, 2]
        kinds = [one.kind for one in await everything(node)]
        assert kinds.count(Kind.ITEMS) == 1
        assert Kind.ACCEPT in kinds


@pytest.mark.parametrize("change", [alter_one_digest, seal_another, withhold, forge, swap_key])
async def test_a_node_that_alters_one_digest_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[tools_pb2.Delivery], None]
) -> None:
    async with node_of(tmp_path, monkeypatch, lying(change)) as node, on_socket(node) as opened:
        with pytest.raises(Unverified):
            await opened.look_up("sha256", [DIGESTS[0]])
        with pytest.raises(Unverified):
            await everything(node)


async def test_a_match_that_the_record_does_not_have_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Inventive(ToolsServicer):
        async def LookUp(self, request: Any, context: Any) -> tools_pb2.LookUpResponse:  # noqa: N802
            honest = tools_pb2.LookUpRequest(kind="sha256", values=[DIGESTS[0]])
            answer: tools_pb2.LookUpResponse = await super().LookUp(honest, context)
            return answer

    async with node_of(tmp_path, monkeypatch, Inventive) as node, on_socket(node) as opened:
        with pytest.raises(Unverified, match="does not stand in the signed record"):
            await opened.look_up("sha256", [bytes(32)])


async def test_governance_with_a_gap_certifies_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(ToolsServicer):
        async def GetGovernance(self, request: Any, context: Any) -> AsyncIterator[tools_pb2.GetGovernanceResponse]:  # noqa: N802
            number = 0
            async for response in super().GetGovernance(request, context):
                number += response.HasField("entry")
                if number != 2:  # the certificate of the node's feed
                    yield response

    async with node_of(tmp_path, monkeypatch, Forgetful) as node, on_socket(node) as opened:
        with pytest.raises(Unverified, match="nothing in this federation certifies"):
            await opened.look_up("sha256", [DIGESTS[0]])


async def test_a_node_of_another_federation_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        node_of(tmp_path, monkeypatch, ToolsServicer) as node,
        Client.on_socket(node.config.socket, FederationId(bytes(32))) as opened,
    ):
        with pytest.raises(Unverified, match="not of 0000000000000000"):
            await opened.look_up("sha256", [DIGESTS[0]])


async def test_a_cursor_of_another_store_begins_again_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with node_of(tmp_path, monkeypatch, ToolsServicer) as node, on_socket(node) as opened:
        elsewhere = tools_pb2.Cursor(store_id=b"another store", urgent=5, bulk=5)
        events: list[object] = []
        async with asyncio.timeout(GUARD_S):
            async for event in opened.subscribe("again", cursor=elsewhere):
                events.append(event)
                if isinstance(event, CaughtUp):
                    break
    assert isinstance(events[0], Reset)
    assert len(events) > 2


async def test_a_declaration_waits_for_no_bulk_of_its_own_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, may_write, write = threading.Event(), threading.Event(), project.write_keys

    def held_up(*arguments: Any) -> None:
        entered.set()
        may_write.wait(GUARD_S)
        write(*arguments)

    async with node_of(tmp_path, monkeypatch, ToolsServicer) as node, on_socket(node) as opened:
        monkeypatch.setattr(project, "write_keys", held_up)
        publishing = asyncio.create_task(opened.publish_list(draft("slow"), DIGESTS))
        await asyncio.to_thread(entered.wait, GUARD_S)
        said = record_pb2.Crisis(
            framework=record_pb2.Reference(name="eu-ocrf"),
            title="meanwhile",
            ends_ms=daemon.RealClock().now_ms() + 3_600_000,
        )
        async with asyncio.timeout(GUARD_S / 2):
            declared = await opened.declare(said, GREEN)
        assert declared.state == "active"
        assert not publishing.done()
        may_write.set()
        assert (await publishing).added == len(DIGESTS)
