"""Service Opinions: what members make of each other's items, lists and crises."""

from typing import Any, TypeAlias

import grpc.aio

from node.exchange import opining
from node.rpc import overriding, status
from node.rpc.gate import Access
from node.runtime.opining import Opining
from node.runtime.saying import Saying
from node.v1 import opinions_pb2, opinions_pb2_grpc

ACCESS = {
    "/tocsin.v1.Opinions/Opine": Access(scope="share", administrator=True),
    "/tocsin.v1.Opinions/ListOpinions": Access(scope="read", administrator=True),
}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class OpinionsServicer(opinions_pb2_grpc.OpinionsServicer):
    """Opinions as this node has them."""

    def __init__(self, opining: Opining, saying: Saying) -> None:
        self._opining, self._saying = opining, saying

    @status.answers
    async def Opine(self, request: opinions_pb2.OpineRequest, _: _Context) -> opinions_pb2.OpineResponse:  # noqa: N802
        """Tell all members."""
        overriding.allow_personal(request.allow_personal, "opinion")
        return await self._opining.opine(request)

    @status.answers
    async def ListOpinions(  # noqa: N802
        self, request: opinions_pb2.ListOpinionsRequest, _: _Context
    ) -> opinions_pb2.ListOpinionsResponse:
        """What was said."""
        seen = self._saying.view()
        return await self._saying.reading.run(lambda stores: opining.every(stores, seen, request))
