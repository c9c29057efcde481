"""Open calls that are ended from our side: the caller is told, the handler is over, others go on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from node.rpc import channel, gate, tls
from node.rpc.gate import Admits
from node.rpc.tls import Pins
from tests.rpc.door import (
    GUARD_S,
    NODE_ID,
    NOW,
    Door,
    ask,
    begin,
    code_of,
    forge,
    opened,
    party,
    pinned,
    server,
    uri,
)

A, B, X = party("a"), party("b"), party("f")
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED

# One of each kind, the last two the same in both styles.
KINDS = ("Wait", "Many", "Collect", "Echo", "Both")
WRITERS = ("Flood", "Pour")
SMALL, LARGE = 1 << 10, 1 << 20
assert LARGE > 2 * channel.LOOKAHEAD_BYTES, "else a message passes though nobody reads it"

# In the middle of a write it is `write` that is cancelled, and a generator that waits in `yield` is closed.
OVER = {"cancelled", "closed"}
# If it is the connection that ends, a read or a write may be over before the task is cancelled.
GONE = OVER | {"done", "failed"}


@pytest.fixture(autouse=True)
def _nothing_is_wrong_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What gRPC could not tell a caller it tells only the log."""
    yield
    of_grpc = [each for each in caplog.get_records("call") if each.name.startswith("grpc")]
    loud = [each for each in of_grpc if each.levelno >= logging.ERROR and not _is_a_write_to_nobody(each)]
    assert [each.getMessage() for each in loud] == []


def _is_a_write_to_nobody(record: logging.LogRecord) -> bool:
    """Of a caller that hung up a write may hear before the task does; then gRPC is loud about it."""
    error = record.exc_info and record.exc_info[1]
    return isinstance(error, grpc.aio.InternalError) and str(error).startswith('Failed "execute_batch"')


@asynccontextmanager
async def guarded(*peers: Any) -> AsyncIterator[Door]:
    async with asyncio.timeout(GUARD_S), opened(A, *peers) as door:
        yield door


def unpin_and_cut(door: Door) -> int:
    """As the daemon does it: B is un-pinned first."""
    door.state.pin(door.state.pins.unpin(B.member_id))
    return door.gate.cut(B.member_id)


async def goes_on(call: Any) -> bool:
    """Whether an `Echo` or a `Both` is answered still."""
    await call.write(b"still there?")
    while (said := await call.read()) not in {b"still there?", grpc.aio.EOF}:
        pass
    return said is not grpc.aio.EOF


# ---- Every kind of call, wherever it stands.


@pytest.mark.parametrize("method", KINDS)
async def test_a_cut_ends_an_open_call_and_the_caller_is_told(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method)
        assert unpin_and_cut(door) == 1
        assert await door.left.get() in OVER
        assert not door.gate._live
        assert await code_of(call) is UNAUTHENTICATED
        assert "was cut off" in await call.details()


@pytest.mark.parametrize("method", ["Many", "Echo", "Both"])
async def test_a_cut_ends_a_call_that_answered_before(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method)
        assert await call.read() in {b"first", b"stay"}
        assert unpin_and_cut(door) == 1
        assert await door.left.get() in OVER
        assert await code_of(call) is UNAUTHENTICATED


@pytest.mark.parametrize("reads", [0, 1, 3])
@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("method", WRITERS)
async def test_a_cut_ends_a_writer_from_its_first_message_on(method: str, size: int, reads: int) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method, str(size).encode())
        for _ in range(reads):
            await call.read()
        assert unpin_and_cut(door) == 1
        assert await door.left.get() in OVER
        assert await code_of(call) is UNAUTHENTICATED


@pytest.mark.parametrize("method", ["Echo", "Both"])
async def test_a_cut_ends_an_answer_that_nobody_reads(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method, bytes(LARGE))
        await door.heard.get()
        assert unpin_and_cut(door) == 1
        assert await door.left.get() in OVER
        assert not door.gate._live
        assert await code_of(call) is UNAUTHENTICATED


@pytest.mark.parametrize("method", WRITERS)
async def test_a_writer_is_over_and_freed_though_the_caller_does_not_read(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method, str(LARGE).encode())
        (task,) = door.gate._live
        assert unpin_and_cut(door) == 1
        assert await door.left.get() in OVER
        assert not door.gate._live
        await door.freed.wait()
        assert not task.done(), "the status waits behind the message, and can be read after it"
        assert await code_of(call) is UNAUTHENTICATED
        await asyncio.wait({task})


@pytest.mark.parametrize("method", WRITERS)
async def test_a_caller_that_was_cut_off_may_hang_up_without_reading(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method, str(LARGE).encode())
        (task,) = door.gate._live
        unpin_and_cut(door)
        await door.left.get()
        call.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("method", WRITERS)
async def test_a_server_stops_though_one_that_was_cut_off_does_not_read(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method, str(LARGE).encode())
        (task,) = door.gate._live
        unpin_and_cut(door)
        await door.left.get()
        await door.serving.stop(None)
        await asyncio.wait({task})
        assert await code_of(call) is not grpc.StatusCode.OK


async def test_a_handler_that_answers_all_the_same_is_not_heard() -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, "Stubborn")
        assert unpin_and_cut(door) == 1
        assert await code_of(call) is UNAUTHENTICATED


async def test_a_cut_leaves_a_status_that_is_on_its_way_as_it_is() -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, "Refuse")
        assert unpin_and_cut(door) == 1
        assert await door.left.get() == "cancelled"
        assert await code_of(call) is grpc.StatusCode.NOT_FOUND


# ---- Whose calls, and how many.


async def test_a_cut_ends_all_calls_of_the_member_and_none_of_another() -> None:
    async with guarded(B, X) as door, AsyncExitStack() as stack:
        cut_off, others = [], []
        for _ in range(2):
            of_b = await stack.enter_async_context(door.channel(B.leaf))
            of_x = await stack.enter_async_context(door.channel(X.leaf))
            cut_off += [await begin(door, of_b, method) for method in KINDS]
            others += [await begin(door, of_x, method) for method in KINDS]
        assert unpin_and_cut(door) == len(cut_off)
        assert {await code_of(call) for call in cut_off} == {UNAUTHENTICATED}
        assert all([await goes_on(call) for call in others[3::5] + others[4::5]])
        assert len(door.gate._live) == len(others)
        assert not any(call.done() for call in others)


async def test_a_call_on_the_same_connection_after_the_cut_is_refused() -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, "Both")
        unpin_and_cut(door)
        assert await code_of(call) is UNAUTHENTICATED
        assert await code_of(ask(dialled)) is UNAUTHENTICATED
        assert await code_of(dialled.unary_stream("/test.Door/Many")(b"stay")) is UNAUTHENTICATED
        assert door.entered.empty()
        door.state.pin(pinned(B))
        assert await code_of(ask(dialled)) is grpc.StatusCode.OK


async def test_a_member_un_pinned_while_its_stream_opens_is_refused() -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        await ask(dialled)
        asked = iter([pinned(B)])
        door.gate._admits = Admits(peers=lambda: next(asked, Pins()))
        assert await code_of(dialled.unary_stream("/test.Door/Many")(b"")) is UNAUTHENTICATED
        assert door.entered.empty()


async def test_a_call_is_cut_once_however_often_it_is_asked() -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, "Both")
        assert [unpin_and_cut(door), unpin_and_cut(door), door.gate.sweep(NOW)] == [1, 0, 0]
        assert await door.left.get() == "cancelled"
        assert unpin_and_cut(door) == 0
        assert await code_of(call) is UNAUTHENTICATED


async def test_calls_that_are_over_are_not_cut() -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, "Many", b"")
        assert await code_of(call) is grpc.StatusCode.OK
        await ask(dialled)
        assert unpin_and_cut(door) == 0


# ---- The sweep.


@pytest.mark.parametrize("method", [*KINDS, *WRITERS])
async def test_a_sweep_ends_calls_whose_root_is_gone(method: str) -> None:
    async with guarded(B, X) as door, door.channel(B.leaf) as dialled, door.channel(X.leaf) as other:
        call = await begin(door, dialled, method, str(LARGE).encode())
        going_on = await begin(door, other, "Echo")
        assert door.gate.sweep(NOW) == 0
        door.state.pin(pinned(X))
        assert [door.gate.sweep(NOW), door.gate.sweep(NOW)] == [1, 0]
        assert await door.left.get() in OVER
        assert await code_of(call) is UNAUTHENTICATED
        assert "not by an issuer pinned" in await call.details()
        assert await goes_on(going_on)


async def test_a_sweep_ends_calls_whose_leaf_ran_out() -> None:
    hour = timedelta(hours=1)
    short, _ = forge(B.nodes, uri(tls.node_uri(B.member_id, NODE_ID)), ends=NOW + hour)
    async with guarded(B) as door, door.channel(short) as dialled, door.channel(B.leaf) as lasting:
        call = await begin(door, dialled, "Both")
        going_on = await begin(door, lasting, "Both")
        assert door.gate.sweep(NOW + hour - timedelta(seconds=1)) == 0
        assert door.gate.sweep(NOW + hour) == 1
        assert await door.left.get() == "cancelled"
        assert await code_of(call) is UNAUTHENTICATED
        assert "expired" in await call.details()
        assert await goes_on(going_on)


async def test_a_sweep_ends_the_calls_of_tools_whose_issuer_was_changed() -> None:
    async with guarded(B) as door, door.channel(A.tool()) as dialled, door.channel(B.leaf) as peer:
        call = await begin(door, dialled, "Many")
        going_on = await begin(door, peer, "Both")
        door.tools = Pins().pin(A.member_id, party("a").tools.der, NOW)
        assert door.gate.sweep(NOW) == 1
        assert await code_of(call) is UNAUTHENTICATED
        assert await goes_on(going_on)


async def test_the_administrators_calls_outlast_every_sweep(tmp_path: Path) -> None:
    async with guarded(B) as door:
        door.gate._admits = Admits(administrator=True)
        socket = tmp_path / "admin.sock"
        serving = server(door)
        serving.add_secure_port(
            channel.socket_address(socket),
            grpc.local_server_credentials(grpc.LocalConnectionType.UDS),
        )
        await serving.start()
        async with channel.open_to_administrator(socket) as dialled:
            call = await begin(door, dialled, "Both")
            assert door.gate.sweep(NOW + timedelta(days=4000)) == 0
            assert await goes_on(call)
        await serving.stop(None)


# ---- What others end.


@pytest.mark.parametrize("method", [*KINDS, *WRITERS])
async def test_a_caller_that_hangs_up_cancels_its_call(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method, str(LARGE).encode())
        (task,) = door.gate._live
        call.cancel()
        assert await door.left.get() in GONE
        await asyncio.wait({task})
        assert not door.gate._live
        assert await code_of(call) is grpc.StatusCode.CANCELLED
        assert unpin_and_cut(door) == 0


@pytest.mark.parametrize("method", KINDS)
async def test_a_caller_may_hang_up_at_the_moment_of_the_cut(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method)
        (task,) = door.gate._live
        call.cancel()
        assert unpin_and_cut(door) == 1
        assert await door.left.get() in GONE
        await asyncio.wait({task})


@pytest.mark.parametrize("first", ["cut", "hang up"])
async def test_a_call_that_was_cut_and_hung_up_is_cancelled_without_a_status(first: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, "Linger")
        (task,) = door.gate._live
        if first == "hang up":
            call.cancel()
            await door.lingers.wait()
        assert unpin_and_cut(door) == 1
        await door.lingers.wait()
        call.cancel()
        assert await door.left.get() == "cancelled"
        await asyncio.wait({task})
        assert door.contexts[0].code() is None


@pytest.mark.parametrize("method", [*KINDS, *WRITERS])
async def test_a_server_that_stops_cancels_its_calls(method: str) -> None:
    async with guarded(B) as door, door.channel(B.leaf) as dialled:
        call = await begin(door, dialled, method, str(LARGE).encode())
        (task,) = door.gate._live
        await door.serving.stop(None)
        assert await door.left.get() in GONE
        await asyncio.wait({task})
        assert not door.gate._live
        assert await code_of(call) in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_one_member_cannot_open_calls_without_end_and_another_is_not_hindered() -> None:
    async with guarded(B, X) as door, door.channel(B.leaf) as dialled, door.channel(X.leaf) as other:
        calls = [await begin(door, dialled, "Both") for _ in range(gate.PEER_CALLS_MAX)]
        one_more = dialled.stream_stream("/test.Door/Both")()
        assert await code_of(one_more) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await goes_on(await begin(door, other, "Both"))
        calls[0].cancel()
        assert await door.left.get() in GONE
        assert await goes_on(await begin(door, dialled, "Both"))
