"""Service Tools: what in-house tools ask. Thin: parse, call one thing, answer."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc.aio

from node.errors import Refused
from node.exchange import consult
from node.exchange.consult import View
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.rpc import gate, status
from node.rpc.gate import Access, ToolCaller
from node.runtime.link import Clock
from node.runtime.publishing import Publishing
from node.runtime.reading import Reading
from node.runtime.tail import Tail
from node.runtime.writer import Writer
from node.store.arrivals import Cursor
from node.v1 import tools_pb2, tools_pb2_grpc

LIST_BYTES_MAX = 640 << 20  # ten million SHA-512: what one publication may make us hold
NAME_CHARACTERS_MAX = 64
MATCHED = frozenset({int(Kind.LIST), int(Kind.ITEMS)})  # what a tool may see that only looks up

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def _scope(name: str) -> Access:
    return Access(scope=name, administrator=True)


ACCESS = {
    "/tocsin.v1.Tools/Declare": _scope("declare"),
    "/tocsin.v1.Tools/EndCrisis": _scope("declare"),
    "/tocsin.v1.Tools/ListCrises": _scope("read"),
    "/tocsin.v1.Tools/PublishList": _scope("share"),
    "/tocsin.v1.Tools/ListLists": _scope("read"),
    "/tocsin.v1.Tools/LookUp": _scope("match"),
    "/tocsin.v1.Tools/Subscribe": _scope("read"),
    "/tocsin.v1.Tools/Acknowledge": _scope("read"),
    "/tocsin.v1.Tools/GetEntry": Access(any_tool=True, administrator=True),
    "/tocsin.v1.Tools/GetGovernance": Access(any_tool=True, administrator=True),
}


class ToolsServicer(tools_pb2_grpc.ToolsServicer):
    """The node as its own member's tools see it."""

    def __init__(self, publishing: Publishing, reading: Reading, tail: Tail, writer: Writer, clock: Clock) -> None:
        self._publishing, self._reading = publishing, reading
        self._tail, self._writer = tail, writer
        self._clock = clock

    @status.answers
    async def Declare(self, request: tools_pb2.DeclareRequest, _: _Context) -> tools_pb2.DeclareResponse:  # noqa: N802
        """Declare a crisis."""
        return await self._publishing.declare(request)

    @status.answers
    async def EndCrisis(self, request: tools_pb2.EndCrisisRequest, _: _Context) -> tools_pb2.EndCrisisResponse:  # noqa: N802
        """End our own crisis before its time."""
        return await self._publishing.end_crisis(request)

    @status.answers
    async def ListCrises(self, request: tools_pb2.ListCrisesRequest, _: _Context) -> tools_pb2.ListCrisesResponse:  # noqa: N802
        """All crises, or the one that is named."""
        seen = self._view()
        found = await self._reading.run(
            lambda stores: consult.crises(stores, seen, request.crisis, exercises=request.exercises)
        )
        return tools_pb2.ListCrisesResponse(crises=found)

    async def PublishList(  # noqa: N802
        self, request_iterator: AsyncIterator[tools_pb2.PublishListRequest], context: _Context
    ) -> tools_pb2.PublishListResponse:
        """Publish a list: first what it is, then its digests."""
        async with status.told(context):
            draft, packed = await _received(request_iterator)
            return await self._publishing.publish_list(draft, packed)
        raise AssertionError  # an abort never returns

    @status.answers
    async def ListLists(self, request: tools_pb2.ListListsRequest, _: _Context) -> tools_pb2.ListListsResponse:  # noqa: N802
        """All lists, or the one that is named."""
        seen = self._view()
        found = await self._reading.run(
            lambda stores: consult.lists(stores, seen, request.list, exercises=request.exercises)
        )
        return tools_pb2.ListListsResponse(lists=found)

    @status.answers
    async def LookUp(self, request: tools_pb2.LookUpRequest, _: _Context) -> tools_pb2.LookUpResponse:  # noqa: N802
        """Which of these values stand in a list."""
        seen = self._view()
        values = list(request.values)
        found = await self._reading.run(lambda stores: consult.look_up(stores, seen, request.kind, values))
        return tools_pb2.LookUpResponse(matches=found)

    async def Subscribe(  # noqa: N802
        self, request: tools_pb2.SubscribeRequest, context: _Context
    ) -> AsyncIterator[tools_pb2.SubscribeResponse]:
        """Everything behind a cursor, then whatever comes."""
        async with status.told(context):
            cursor = await self._tail.start(_reader(request.name), from_now=request.from_now)
            if request.HasField("cursor"):
                asked = request.cursor
                if asked.store_id == cursor.store_id:
                    cursor = Cursor(asked.store_id, asked.urgent, asked.bulk)
                else:
                    cursor = Cursor(cursor.store_id)
                    yield tools_pb2.SubscribeResponse(reset=tools_pb2.Reset(cursor=consult.cursor_letter(cursor)))
            async for part in self._tail.follow(cursor, frozenset(request.kinds)):
                for delivery in part.deliveries:
                    yield tools_pb2.SubscribeResponse(delivery=delivery)
                if part.at_end:
                    behind = tools_pb2.CaughtUp(cursor=consult.cursor_letter(part.cursor))
                    yield tools_pb2.SubscribeResponse(caught_up=behind)

    @status.answers
    async def Acknowledge(self, request: tools_pb2.AcknowledgeRequest, _: _Context) -> tools_pb2.AcknowledgeResponse:  # noqa: N802
        """A reader is done up to a cursor."""
        name = _reader(request.name)
        said = Cursor(request.cursor.store_id, request.cursor.urgent, request.cursor.bulk)
        await self._writer.run(lambda exchange: exchange.acknowledge(name, said))
        return tools_pb2.AcknowledgeResponse()

    @status.answers
    async def GetEntry(self, request: tools_pb2.GetEntryRequest, _: _Context) -> tools_pb2.GetEntryResponse:  # noqa: N802
        """One entry as it was signed."""
        trust, reader = self._writer.trust, self._writer.reader
        hash_ = HeaderHash(request.entry)
        kinds = frozenset() if _may_read() else MATCHED
        found = await self._reading.run(lambda stores: consult.delivery(stores, hash_, trust, reader, kinds))
        if found is None:
            raise Refused("there is no such entry here, or it is not readable", next_step="It may have been erased.")
        return tools_pb2.GetEntryResponse(delivery=found)

    async def GetGovernance(  # noqa: N802
        self, _request: tools_pb2.GetGovernanceRequest, _context: _Context
    ) -> AsyncIterator[tools_pb2.GetGovernanceResponse]:
        """The charter and every statement."""
        yield tools_pb2.GetGovernanceResponse(charter=self._writer.trust.charter.body)
        for entry in await self._reading.run(consult.governance):
            yield tools_pb2.GetGovernanceResponse(entry=entry)

    def _view(self) -> View:
        return consult.view(self._writer.trust, self._clock.now_ms())


def _may_read() -> bool:
    found = gate.caller()
    return not isinstance(found, ToolCaller) or "read" in found.scopes


def _reader(name: str) -> str:
    """Each tool has its own names, so that none moves another's cursor."""
    if len(name) > NAME_CHARACTERS_MAX:
        raise Refused(
            f"a name of {len(name)} characters", next_step=f"Use at most {NAME_CHARACTERS_MAX}.", field="name"
        )
    found = gate.caller()
    return f"tool/{found.name}/{name}" if isinstance(found, ToolCaller) else f"administrator/{name}"


async def _received(
    requests: AsyncIterator[tools_pb2.PublishListRequest],
) -> tuple[tools_pb2.ListDraft, bytes]:
    draft: tools_pb2.ListDraft | None = None
    packed = bytearray()
    async for request in requests:
        if request.HasField("list"):
            draft = request.list
        packed += request.values.digests
        if len(packed) > LIST_BYTES_MAX:
            raise Refused(f"more than {LIST_BYTES_MAX >> 20} MiB of digests", next_step="Publish it as several lists.")
    if draft is None:
        raise Refused("the first message must say what the list is", next_step="Send it before the digests.")
    return draft, bytes(packed)
