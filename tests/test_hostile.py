"""A member with a valid certificate that says what no peer should: it is hung up on, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from nacl.signing import SigningKey

from node.custody import folder, issuer, joining
from node.feed import entry
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.rpc import channel
from node.rpc.tls import Leaf
from node.v1 import admin_pb2, header_pb2, peer_pb2, peer_pb2_grpc
from tests.federation import GUARD_S, Node, federation
from tests.test_federation import approve, client, declare, hears, in_force


@pytest.fixture(scope="module", name="nodes")
def _nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node, Node]]:
    """Two honest nodes that talk to each other; the third's daemon is stopped, and its keys are the hostile's."""
    with federation(tmp_path_factory.mktemp("hostile"), 3) as (one, other, hostile):
        asyncio.run(_meet(one, other, hostile))
        hostile.stop()
        yield one, other, hostile


async def _meet(*nodes: Node) -> None:
    for node in nodes:
        await approve(node, *(other for other in nodes if other is not node))
    await in_force(*nodes)


@asynccontextmanager
async def dialled(hostile: Node, victim: Node) -> AsyncIterator[grpc.aio.Channel]:
    now = datetime.now(UTC)  # noqa: TID251 - daemons have the real clock
    own, theirs = (folder.read_keys(node.config.data_folder) for node in (hostile, victim))
    key = issuer.create_key()
    made = issuer.issue_node(own.issuer, own.member_id, own.node_id, key.public_key(), now)
    leaf = Leaf(issuer.key_pem(key), issuer.certificate_pem(made))
    opened = channel.open_to_member(victim.config.peers_listen, theirs.member_id, theirs.issuer.pem, leaf)
    try:
        yield opened
    finally:
        await opened.close()


def hello(hostile: Node, **changed: Any) -> peer_pb2.Frame:
    keys = folder.read_keys(hostile.config.data_folder)
    said = {
        "federation_id": joining.read_charter(hostile.config).federation_id,
        "member_id": keys.member_id,
        "node_id": keys.node_id,
        "store_id": bytes(16),
        "version_min": 1,
        "version_max": 1,
        "program": "hostile",
        **changed,
    }
    return peer_pb2.Frame(hello=peer_pb2.Hello(**said))


def signed(hostile: Node, federation_id: FederationId | None = None, key: SigningKey | None = None) -> Any:
    """An entry at the next place of the hostile's own feed, or what looks like one."""
    keys, charter = folder.read_keys(hostile.config.data_folder), joining.read_charter(hostile.config)
    exchange = joining.open_exchange(hostile.config, keys, charter)
    head_hash = exchange.stores.ledger.exec_driver_sql(
        "SELECT hash FROM head WHERE feed_id = ?", (exchange.author.feed_id,)
    ).scalar_one()
    feed_id = exchange.author.feed_id
    joining.close_exchange(exchange)
    fields = header_pb2.Header(
        feed_id=feed_id,
        seq=2,
        previous=head_hash,
        created_ms=int(datetime.now(UTC).timestamp() * 1000),  # noqa: TID251 - daemons have the real clock
        kind=Kind.ANCHOR,
        statement=header_pb2.Anchor(journal_size=1).SerializeToString(),
    )
    made = entry.create(fields, key or keys.feed_key, federation_id or charter.federation_id)
    return header_pb2.SignedEntry(header=made.header.body, signature=made.signature)


def entries(*letters: header_pb2.SignedEntry) -> peer_pb2.Frame:
    return peer_pb2.Frame(entries=peer_pb2.Entries(entries=letters))


def flipped(letter: header_pb2.SignedEntry) -> header_pb2.SignedEntry:
    body = bytearray(letter.header)
    body[40] ^= 1
    return header_pb2.SignedEntry(header=bytes(body), signature=letter.signature)


def truncated(letter: header_pb2.SignedEntry) -> header_pb2.SignedEntry:
    return header_pb2.SignedEntry(header=letter.header[:-1], signature=letter.signature)


WRONG: dict[str, Callable[[Node], list[peer_pb2.Frame]]] = {
    "entries before hello": lambda node: [entries(signed(node))],
    "another federation": lambda node: [hello(node, federation_id=bytes(32))],
    "another member": lambda node: [hello(node, member_id=bytes(32))],
    "no common version": lambda node: [hello(node, version_min=7, version_max=9)],
    "hello twice": lambda node: [hello(node), hello(node)],
    "bulk on gossip": lambda node: [hello(node), peer_pb2.Frame(chunk_ack=peer_pb2.ChunkAck())],
    "a signature of someone else": lambda node: [hello(node), entries(signed(node, key=SigningKey.generate()))],
    "an entry of another federation": lambda node: [hello(node), entries(signed(node, FederationId(bytes(32))))],
    "a bit turned": lambda node: [hello(node), entries(flipped(signed(node)))],
    "a byte cut off": lambda node: [hello(node), entries(truncated(signed(node)))],
    "too many entries": lambda node: [hello(node), entries(*[header_pb2.SignedEntry()] * 257)],
    "rows of nonsense": lambda node: [
        hello(node),
        peer_pb2.Frame(heads=peer_pb2.Heads(rows=[peer_pb2.Row(feed_id=b"x")], last=True)),
    ],
    "a fork that is none": lambda node: [
        hello(node),
        peer_pb2.Frame(fork=header_pb2.ForkProof(**dict.fromkeys(("first", "second"), signed(node)))),
    ],
}


@pytest.mark.parametrize("what", WRONG)
async def test_it_is_hung_up_on_with_a_reason_and_nobody_else_notices(
    nodes: tuple[Node, Node, Node], what: str
) -> None:
    one, other, hostile = nodes
    async with asyncio.timeout(GUARD_S), dialled(hostile, one) as opened:
        call = peer_pb2_grpc.PeerStub(opened).Gossip()
        for frame in WRONG[what](hostile):
            await call.write(peer_pb2.GossipRequest(frame=frame))
        code = await _code(call)
    assert code is grpc.StatusCode.ABORTED, code
    await declare(one, f"after {what}")
    await hears(other, f"after {what}")


async def _code(call: Any) -> grpc.StatusCode:
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    code: grpc.StatusCode = await call.code()
    return code


async def test_bytes_that_are_no_frame_and_frames_that_are_too_large_end_the_stream(
    nodes: tuple[Node, Node, Node],
) -> None:
    one, other, hostile = nodes
    async with asyncio.timeout(GUARD_S), dialled(hostile, one) as opened:
        raw: Any = opened.stream_stream("/tocsin.v1.Peer/Gossip")
        call = raw()
        await call.write(b"\xff" * 100)
        assert await _code(call) is not grpc.StatusCode.OK
        call = raw()
        with suppress(grpc.aio.AioRpcError):
            await call.write(bytes(2 << 20))
        assert await _code(call) is not grpc.StatusCode.OK
    await declare(one, "after all that")
    await hears(other, "after all that")


async def test_peers_have_no_health_no_reflection_no_tools_and_no_administration(
    nodes: tuple[Node, Node, Node],
) -> None:
    one, _, hostile = nodes
    async with asyncio.timeout(GUARD_S), dialled(hostile, one) as opened:
        for method in (
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            "/tocsin.v1.Tools/ListCrises",
            "/tocsin.v1.Admin/GetStatus",
        ):
            call: Any = opened.unary_unary(method)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"")
            assert refused.value.code() in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED}


async def test_the_administrator_has_health_and_reflection(nodes: tuple[Node, Node, Node]) -> None:
    opened = channel.open_to_administrator(nodes[0].config.socket)
    async with asyncio.timeout(GUARD_S), opened:
        check: Any = opened.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        health = await check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        reflect: Any = opened.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        call = reflect(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        response: Any = await call.read()
        names = {found.name for found in response.list_services_response.service}
    assert {"tocsin.v1.Tools", "tocsin.v1.Admin"} <= names
    assert "tocsin.v1.Peer" not in names


async def _greets(call: Any, hostile: Node) -> bool:
    """Say hello; whether it is answered, which a call too many is not."""
    try:
        await call.write(peer_pb2.GossipRequest(frame=hello(hostile)))
        return bool((await call.read()).frame.HasField("hello"))
    except grpc.aio.AioRpcError:
        return False


async def test_a_hostile_member_that_only_connects_costs_a_bounded_number_of_links(
    nodes: tuple[Node, Node, Node],
) -> None:
    one, other, hostile = nodes
    async with asyncio.timeout(GUARD_S), dialled(hostile, one) as opened:
        greeted = []
        for _ in range(50):  # each greets, and is replaced by the next, or is one too many
            call = peer_pb2_grpc.PeerStub(opened).Gossip()
            if await _greets(call, hostile):
                greeted.append(call)
        codes = [await _code(call) for call in greeted[:-1]]
        assert grpc.StatusCode.OK not in codes
        async with client(one) as asked:
            status = await asked.admin.GetStatus(admin_pb2.GetStatusRequest())
        assert status.peers_connected <= 2
    await declare(one, "beside fifty links")
    await hears(other, "beside fifty links")
