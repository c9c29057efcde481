"""Service Ignores: what counts as no match here, by our own decision."""

from typing import Any, TypeAlias

import grpc.aio

from node.rpc import noting, status
from node.rpc.gate import Access
from node.runtime.ignoring import Ignoring
from node.v1 import ignores_pb2, ignores_pb2_grpc

ACCESS = {
    "/tocsin.v1.Ignores/Ignore": Access(scope="share", administrator=True),
    "/tocsin.v1.Ignores/ListIgnored": Access(scope="read", administrator=True),
    "/tocsin.v1.Ignores/EndIgnoring": Access(scope="share", administrator=True),
}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class IgnoresServicer(ignores_pb2_grpc.IgnoresServicer):
    """Decisions as this node has them."""

    def __init__(self, ignoring: Ignoring) -> None:
        self._ignoring = ignoring

    @status.answers
    async def Ignore(self, request: ignores_pb2.IgnoreRequest, _: _Context) -> ignores_pb2.IgnoreResponse:  # noqa: N802
        """Count it as no match."""
        return ignores_pb2.IgnoreResponse(ignored=await self._ignoring.ignore(request, noting.who()))

    @status.answers
    async def ListIgnored(  # noqa: N802
        self, _request: ignores_pb2.ListIgnoredRequest, _: _Context
    ) -> ignores_pb2.ListIgnoredResponse:
        """All decisions."""
        return ignores_pb2.ListIgnoredResponse(ignored=await self._ignoring.every())

    @status.answers
    async def EndIgnoring(  # noqa: N802
        self, request: ignores_pb2.EndIgnoringRequest, _: _Context
    ) -> ignores_pb2.EndIgnoringResponse:
        """It counts again."""
        return ignores_pb2.EndIgnoringResponse(ignored=await self._ignoring.end(request.ignored))
