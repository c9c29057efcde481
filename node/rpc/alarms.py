"""Service Alarms: who is woken here when a crisis is declared, and whether that works."""

from typing import Any, TypeAlias

import grpc.aio

from node.rpc import status
from node.rpc.gate import Access
from node.runtime.alarming import Alarming
from node.v1 import alarms_pb2, alarms_pb2_grpc

_ADMIN = Access(scope="admin", administrator=True)
ACCESS = {f"/tocsin.v1.Alarms/{method}": _ADMIN for method in ("ListRoutes", "TestRoutes")}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class AlarmsServicer(alarms_pb2_grpc.AlarmsServicer):
    """The routes of this node."""

    def __init__(self, alarming: Alarming) -> None:
        self._alarming = alarming

    @status.answers
    async def ListRoutes(  # noqa: N802
        self, _request: alarms_pb2.ListRoutesRequest, _: _Context
    ) -> alarms_pb2.ListRoutesResponse:
        """All of them."""
        return alarms_pb2.ListRoutesResponse(routes=await self._alarming.routes(), waiting=self._alarming.waiting)

    @status.answers
    async def TestRoutes(  # noqa: N802
        self, request: alarms_pb2.TestRoutesRequest, _: _Context
    ) -> alarms_pb2.TestRoutesResponse:
        """Use them now."""
        return alarms_pb2.TestRoutesResponse(trials=await self._alarming.test(request.route))
