"""The meter on a real server: what the gate turns away is counted, look-ups are timed, streams too."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status

from node.rpc import meter
from node.rpc.gate import Access, Admits, Gate
from node.rpc.meter import LookUps, Meter
from node.v1 import tools_pb2, tools_pb2_grpc
from tests.rpc.door import NOW


class Answers(tools_pb2_grpc.ToolsServicer):
    async def LookUp(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.kind == "broken":
            raise RuntimeError(request.kind)
        if request.kind == "status":
            await context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=code_pb2.UNAVAILABLE)))
        if request.kind == "no":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no")
        return tools_pb2.LookUpResponse()

    async def LookUpStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            yield tools_pb2.LookUpStreamResponse(id=request.id)

    async def Subscribe(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        yield tools_pb2.SubscribeResponse()
        await asyncio.Event().wait()


ACCESS = {
    f"/tocsin.v1.Tools/{method}": Access(administrator=True) for method in ("LookUp", "LookUpStream", "Subscribe")
}


def request(kind: str = "sha256", values: int = 1) -> tools_pb2.LookUpRequest:
    return tools_pb2.LookUpRequest(kind=kind, values=[bytes(32)] * values)


async def test_calls_are_counted_by_their_end_and_look_ups_are_timed(tmp_path: Path) -> None:
    seconds = count()
    measured = Meter(lambda: float(next(seconds)))
    guard = Gate(admits=Admits(administrator=True), access=ACCESS, now=lambda: NOW)
    server = grpc.aio.server(interceptors=(measured, guard))
    tools_pb2_grpc.add_ToolsServicer_to_server(Answers(), server)  # type: ignore[abstract]
    address = f"unix:{tmp_path}/s"
    server.add_secure_port(address, grpc.local_server_credentials(grpc.LocalConnectionType.UDS))
    await server.start()
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    async with grpc.aio.secure_channel(address, credentials) as channel:
        tools = tools_pb2_grpc.ToolsStub(channel)
        await tools.LookUp(request(values=3))
        for kind in ("no", "broken", "status"):
            with pytest.raises(grpc.aio.AioRpcError):
                await tools.LookUp(request(kind))
        with pytest.raises(grpc.aio.AioRpcError) as denied:
            await tools.ListLists(tools_pb2.ListListsRequest())
        assert denied.value.code() == grpc.StatusCode.PERMISSION_DENIED
        asked = [tools_pb2.LookUpStreamRequest(id=i, request=request(values=i)) for i in (1, 2)]
        assert [answer.id async for answer in tools.LookUpStream(iter(asked))] == [1, 2]
        subscription = tools.Subscribe(tools_pb2.SubscribeRequest())
        await subscription.read()
        subscription.cancel()
    await server.stop(1)
    assert {(method.rpartition("/")[2], code): number for (method, code), number in measured.calls.items()} == {
        ("LookUp", "OK"): 1,
        ("LookUp", "FAILED_PRECONDITION"): 1,
        ("LookUp", "UNKNOWN"): 1,
        ("LookUp", "UNAVAILABLE"): 1,
        ("ListLists", "PERMISSION_DENIED"): 1,
        ("LookUpStream", "OK"): 1,
        ("Subscribe", "CANCELLED"): 1,
    }
    assert measured.look_ups.values == 3 + 1 + 1 + 1 + 1 + 2
    assert sum(measured.look_ups.answered) == 1 + 2, "only what was answered is timed"
    assert measured.look_ups.seconds >= 3


def test_a_time_falls_under_the_first_bound_that_is_not_below() -> None:
    look_ups = LookUps()
    for seconds in (0.0, 0.001, 0.0011, 2.5, 2.6):
        look_ups.note(seconds)
    assert look_ups.answered[:2] == [2, 1]
    assert look_ups.answered[-2:] == [1, 1]


async def test_questions_that_are_never_answered_are_remembered_up_to_a_bound() -> None:
    stopwatch = meter._Stopwatch(LookUps(), lambda: 0.0)
    for number in range(meter.UNDER_WAY_MAX + 10):
        stopwatch.asked(tools_pb2.LookUpStreamRequest(id=number, request=request()))
    assert len(stopwatch._begun) == meter.UNDER_WAY_MAX
