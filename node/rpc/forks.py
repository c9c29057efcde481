"""Service Forks: which feeds forked, and what of them is contested here."""

from typing import Any, TypeAlias

import grpc.aio

from node.exchange import branches, consult
from node.exchange.consult import View
from node.rpc import status
from node.rpc.gate import Access
from node.runtime.link import Clock
from node.runtime.reading import Reading
from node.runtime.writer import Writer
from node.v1 import forks_pb2, forks_pb2_grpc

_ADMIN = Access(scope="admin", administrator=True)
ACCESS = {f"/tocsin.v1.Forks/{method}": _ADMIN for method in ("ListForks", "GetFork")}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ForksServicer(forks_pb2_grpc.ForksServicer):
    """Forks as this node knows them."""

    def __init__(self, writer: Writer, reading: Reading, clock: Clock) -> None:
        self._writer, self._reading, self._clock = writer, reading, clock

    @status.answers
    async def ListForks(self, _request: forks_pb2.ListForksRequest, _: _Context) -> forks_pb2.ListForksResponse:  # noqa: N802
        """All of them."""
        seen, here = self._seen(), self._writer.feed_id
        found = await self._reading.run(lambda stores: branches.every(stores, seen, here))
        return forks_pb2.ListForksResponse(forks=found)

    @status.answers
    async def GetFork(self, request: forks_pb2.GetForkRequest, _: _Context) -> forks_pb2.GetForkResponse:  # noqa: N802
        """The one that is named."""
        seen, here = self._seen(), self._writer.feed_id
        return await self._reading.run(lambda stores: branches.one(stores, seen, here, request.fork))

    def _seen(self) -> View:
        return consult.view(self._writer.trust, self._writer.follows, self._clock.now_ms())
