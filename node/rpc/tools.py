"""Service Tools: what in-house tools ask. Thin: parse, call one thing, answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc.aio

from node.errors import Refused
from node.exchange import acknowledging, consult, crises, fitting
from node.exchange.consult import View
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.rpc import gate, noting, overriding, status
from node.rpc.gate import Access, ToolCaller
from node.runtime.acknowledging import Acknowledging
from node.runtime.following import Following
from node.runtime.listing import Listing
from node.runtime.matching import Matching
from node.runtime.publishing import Publishing
from node.runtime.saying import Saying
from node.runtime.staging import Staged, Staging
from node.runtime.tail import Tail
from node.store.arrivals import Cursor
from node.v1 import tools_pb2, tools_pb2_grpc

NAME_CHARACTERS_MAX = 64
MATCHED = frozenset({int(Kind.LIST), int(Kind.ITEMS)})  # what a tool may see that only looks up

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def _scope(name: str) -> Access:
    return Access(scope=name, administrator=True)


ACCESS = {
    "/tocsin.v1.Tools/Declare": _scope("declare"),
    "/tocsin.v1.Tools/ActOnCrisis": _scope("declare"),
    "/tocsin.v1.Tools/SpeakOfCrisis": Access(scope="declare", or_scope="share", administrator=True),
    "/tocsin.v1.Tools/VerifyCrisis": _scope("declare"),
    "/tocsin.v1.Tools/ListCrises": Access(scope="read", or_scope="admin", administrator=True),
    "/tocsin.v1.Tools/PublishList": _scope("share"),
    "/tocsin.v1.Tools/RemoveItems": _scope("share"),
    "/tocsin.v1.Tools/WithdrawList": _scope("share"),
    "/tocsin.v1.Tools/FollowList": _scope("share"),
    "/tocsin.v1.Tools/ListLists": Access(scope="read", or_scope="admin", administrator=True),
    "/tocsin.v1.Tools/WatchList": _scope("read"),
    "/tocsin.v1.Tools/CompareList": _scope("read"),
    "/tocsin.v1.Tools/ExportList": _scope("read"),
    "/tocsin.v1.Tools/LookUpStream": _scope("match"),
    "/tocsin.v1.Tools/LookUp": _scope("match"),
    "/tocsin.v1.Tools/Confirm": Access(scope="declare", or_scope="share", administrator=True),
    "/tocsin.v1.Tools/ListAcknowledgements": _scope("read"),
    "/tocsin.v1.Tools/Subscribe": _scope("read"),
    "/tocsin.v1.Tools/Acknowledge": _scope("read"),
    "/tocsin.v1.Tools/GetEntry": Access(scope="read", or_scope="match", administrator=True),
    "/tocsin.v1.Tools/GetGovernance": Access(any_tool=True, administrator=True),
}
DECLARING = ("/tocsin.v1.Tools/Declare", "/tocsin.v1.Tools/ActOnCrisis", "/tocsin.v1.Tools/SpeakOfCrisis")


class ToolsServicer(tools_pb2_grpc.ToolsServicer):
    """The node as its own member's tools see it."""

    def __init__(
        self,
        publishing: Publishing,
        listing: Listing,
        following: Following,
        matching: Matching,
        staging: Staging,
        saying: Saying,
    ) -> None:
        self._publishing, self._listing, self._following = publishing, listing, following
        self._matching, self._staging, self._saying = matching, staging, saying
        self._reading, self._writer = saying.reading, saying.writer
        self._tail = Tail(saying.reading, saying.writer)
        self._acknowledging = Acknowledging(saying)

    @status.answers
    async def Declare(self, request: tools_pb2.DeclareRequest, _: _Context) -> tools_pb2.DeclareResponse:  # noqa: N802
        """Declare a crisis."""
        overriding.allow_personal(request.allow_personal, "declaration")
        return await self._publishing.declare(request)

    @status.answers
    async def ActOnCrisis(self, request: tools_pb2.ActOnCrisisRequest, _: _Context) -> tools_pb2.ActOnCrisisResponse:  # noqa: N802
        """Lead a crisis, co-sign one, or refuse to."""
        overriding.allow_personal(request.allow_personal, "act on a crisis")
        return await self._publishing.act(request, noting.who())

    @status.answers
    async def SpeakOfCrisis(  # noqa: N802
        self, request: tools_pb2.SpeakOfCrisisRequest, _: _Context
    ) -> tools_pb2.SpeakOfCrisisResponse:
        """Say what any member says of a crisis."""
        overriding.allow_personal(request.allow_personal, "word on a crisis")
        answer = await self._publishing.speak(request)
        if request.act.WhichOneof("act") == "participation":
            crisis, stance = answer.crisis, request.act.participation.stance
            await self._following.take_part(crisis.object_id, stance, exercise=crisis.exercise)
        return answer

    @status.answers
    async def VerifyCrisis(self, request: tools_pb2.VerifyCrisisRequest, _: _Context) -> tools_pb2.VerifyCrisisResponse:  # noqa: N802
        """Note a call-back code that was heard, or tell our own."""
        return await self._publishing.verify(request, noting.who())

    @status.answers
    async def ListCrises(self, request: tools_pb2.ListCrisesRequest, _: _Context) -> tools_pb2.ListCrisesResponse:  # noqa: N802
        """All crises, or the one that is named."""
        seen = self._view()
        found = await self._reading.run(
            lambda stores: crises.every(stores, seen, request.crisis, exercises=request.exercises)
        )
        return tools_pb2.ListCrisesResponse(crises=fitting.answer(found))

    async def PublishList(  # noqa: N802
        self, request_iterator: AsyncIterator[tools_pb2.PublishListRequest], context: _Context
    ) -> tools_pb2.PublishListResponse:
        """Publish a list: first what it is, then its items."""
        async with status.told(context), self._staging.open() as staged:
            draft = await _received(request_iterator, staged, "list", lambda said: _take_for_others(said, staged))
            return await self._listing.publish(draft, staged)
        raise AssertionError  # an abort never returns

    async def RemoveItems(  # noqa: N802
        self, request_iterator: AsyncIterator[tools_pb2.RemoveItemsRequest], context: _Context
    ) -> tools_pb2.RemoveItemsResponse:
        """Take items out of a list: first its name, then the items."""
        async with status.told(context), self._staging.open() as staged:
            removal = await _received(request_iterator, staged, "removal")
            return await self._listing.remove(removal, staged)
        raise AssertionError  # an abort never returns

    @status.answers
    async def WithdrawList(  # noqa: N802
        self, request: tools_pb2.WithdrawListRequest, _: _Context
    ) -> tools_pb2.WithdrawListResponse:
        """Take a whole list back."""
        return await self._listing.withdraw(request)

    @status.answers
    async def FollowList(self, request: tools_pb2.FollowListRequest, _: _Context) -> tools_pb2.FollowListResponse:  # noqa: N802
        """Fetch and match a list, or let it go."""
        return await self._following.follow(request)

    async def WatchList(  # noqa: N802
        self, request: tools_pb2.WatchListRequest, context: _Context
    ) -> AsyncIterator[tools_pb2.WatchListResponse]:
        """A list as it is, for as long as the caller listens."""
        async with status.told(context):
            async for view in self._following.watch(request.list):
                yield tools_pb2.WatchListResponse(list=view)

    async def CompareList(  # noqa: N802
        self, request_iterator: AsyncIterator[tools_pb2.CompareListRequest], context: _Context
    ) -> AsyncIterator[tools_pb2.CompareListResponse]:
        """Items beside those of a list: first with which, then the items."""
        async with status.told(context), self._staging.open() as staged:
            comparison = await _received(request_iterator, staged, "comparison")
            async for response in self._following.compare(comparison, staged):
                yield response

    async def ExportList(  # noqa: N802
        self, request: tools_pb2.ExportListRequest, context: _Context
    ) -> AsyncIterator[tools_pb2.ExportListResponse]:
        """What stands in a list."""
        async with status.told(context):
            async for record in self._following.export(request.list):
                yield tools_pb2.ExportListResponse(record=record)

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
        return await self._matching.look_up(request)

    async def LookUpStream(  # noqa: N802
        self, request_iterator: AsyncIterator[tools_pb2.LookUpStreamRequest], context: _Context
    ) -> AsyncIterator[tools_pb2.LookUpStreamResponse]:
        """Each question answered, in order."""
        async with status.told(context), aclosing(self._matching.answer(request_iterator)) as answers:
            async for answer in answers:
                yield answer

    @status.answers
    async def Confirm(self, request: tools_pb2.ConfirmRequest, _: _Context) -> tools_pb2.ConfirmResponse:  # noqa: N802
        """Somebody here has seen a crisis, or acted on it."""
        return await self._acknowledging.confirm(request)

    @status.answers
    async def ListAcknowledgements(  # noqa: N802
        self, request: tools_pb2.ListAcknowledgementsRequest, _: _Context
    ) -> tools_pb2.ListAcknowledgementsResponse:
        """How far a crisis, or one entry about it, came at each member."""
        seen = self._view()
        return await self._reading.run(lambda stores: acknowledging.view(stores, seen, request))

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
        return self._saying.view()


def _may_read() -> bool:
    found = gate.caller()
    return not isinstance(found, ToolCaller) or "read" in found.scopes


def _reader(name: str) -> str:
    """Each tool has its own names, so that none moves another's cursor."""
    if len(name) > NAME_CHARACTERS_MAX:
        raise Refused(
            f"a name of {len(name)} characters", next_step=f"Use at most {NAME_CHARACTERS_MAX}.", field="name"
        )
    return f"{noting.who()}/{name}"


def _take_for_others(draft: tools_pb2.ListDraft, staged: Staged) -> None:
    overriding.allow_personal(draft.allow_personal, "list")
    staged.for_others, staged.accounts = True, bool(draft.allow_personal)


async def _received(
    requests: AsyncIterator[Any], staged: Staged, first: str, begin: Callable[[Any], None] = lambda _: None
) -> Any:
    """What the first message says; the items of all others are staged, up to the one that says that was all.

    A call that breaks off may look here like one that ends. Raises Refused.
    """
    said, whole = None, False
    async for request in requests:
        if request.HasField(first):
            said = getattr(request, first)
            begin(said)
        elif request.HasField("total"):
            whole = request.total.items == staged.sent
        elif said is not None:
            await staged.add(request.values, said.kind)
    if said is None or not whole:
        raise Refused(
            f"the call has no {first} first, or no total of its {staged.sent:,} items last: it broke off",
            next_step="Nothing was done. Say first what the items are for, then send them, then how many they were.",
        )
    await staged.settle()
    return said
