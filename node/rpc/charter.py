"""Service Charters: the rules in force, and amending them."""

from typing import Any, TypeAlias

import grpc.aio

from node.rpc import status
from node.rpc.gate import Access
from node.runtime.amending import Amending
from node.v1 import charter_pb2, charter_pb2_grpc

ACCESS = {
    # Whoever declares or publishes must be able to read by which rules.
    "/tocsin.v1.Charters/GetRules": Access(any_tool=True, administrator=True),
    "/tocsin.v1.Charters/ListAmendments": Access(scope="read", administrator=True),
    "/tocsin.v1.Charters/Amend": Access(scope="admin", administrator=True),
    "/tocsin.v1.Charters/ListFrameworks": Access(any_tool=True, administrator=True),
    "/tocsin.v1.Charters/PublishFramework": Access(scope="admin", administrator=True),
}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ChartersServicer(charter_pb2_grpc.ChartersServicer):
    """The federation's rules as this node has them."""

    def __init__(self, amending: Amending) -> None:
        self._amending = amending

    @status.answers
    async def GetRules(self, request: charter_pb2.GetRulesRequest, _: _Context) -> charter_pb2.GetRulesResponse:  # noqa: N802
        """What is in force."""
        return await self._amending.rules(request)

    @status.answers
    async def ListAmendments(  # noqa: N802
        self, _request: charter_pb2.ListAmendmentsRequest, _: _Context
    ) -> charter_pb2.ListAmendmentsResponse:
        """All of them, and how far each is."""
        return await self._amending.history()

    @status.answers
    async def Amend(self, request: charter_pb2.AmendRequest, _: _Context) -> charter_pb2.AmendResponse:  # noqa: N802
        """Sign an amendment, or say what that would be."""
        return await self._amending.amend(request)

    @status.answers
    async def ListFrameworks(  # noqa: N802
        self, request: charter_pb2.ListFrameworksRequest, _: _Context
    ) -> charter_pb2.ListFrameworksResponse:
        """Those in force and those that come with the program."""
        return self._amending.frameworks(request)

    @status.answers
    async def PublishFramework(  # noqa: N802
        self, request: charter_pb2.PublishFrameworkRequest, _: _Context
    ) -> charter_pb2.PublishFrameworkResponse:
        """Send a document to all members."""
        return await self._amending.publish_framework(request)
