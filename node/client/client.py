"""One node of our own member, as its tools call it."""

import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import grpc.aio

from node.client.checking import Checking
from node.client.connection import asked, streamed
from node.client.events import CaughtUp, Interrupted, Received, Reset
from node.client.items import Progress, messages
from node.content.hashes import Item, Value
from node.errors import ConfigError, Unavailable
from node.feed.pae import FederationId
from node.rpc import bundle, channel, status
from node.v1 import admin_pb2_grpc, record_pb2, tools_pb2, tools_pb2_grpc


class Client:
    """One node of our own member."""

    def __init__(self, opened: grpc.aio.Channel, federation_id: FederationId) -> None:
        if not isinstance(federation_id, bytes) or len(federation_id) != 32:
            raise ConfigError(
                "a federation id has 32 bytes", next_step="FederationId(bytes.fromhex(...)) of what your node prints."
            )
        self.admin = admin_pb2_grpc.AdminStub(opened)
        self._channel = opened
        self._tools = tools_pb2_grpc.ToolsStub(opened)
        self._checking = Checking(self._tools, federation_id)

    @classmethod
    def on_socket(cls, socket: Path, federation_id: FederationId) -> Self:
        """As the administrator, on the node's machine."""
        return cls(channel.open_to_administrator(socket), federation_id)

    @classmethod
    def with_bundle(cls, address: str, path: Path, federation_id: FederationId) -> Self:
        """As a tool, with the file that `tocsin tool issue` made; raises ConfigError for another one."""
        read = bundle.read_bundle(path)
        opened = channel.open_to_member(address, read.member_id, read.root_pem, read.leaf, channel.OURS)
        return cls(opened, federation_id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._channel.close()

    # ---- Crises

    async def declare(
        self,
        crisis: record_pb2.Crisis,
        handling: record_pb2.Handling,
        *,
        exercise: bool = False,
        object_id: bytes = b"",
    ) -> tools_pb2.CrisisView:
        """Declare a crisis; with the object id of an earlier try it is declared once. Raises Refused."""
        request = tools_pb2.DeclareRequest(
            object_id=object_id or secrets.token_bytes(16),  # noqa: TID251 - the client's own
            crisis=crisis,
            handling=handling,
            exercise=exercise,
        )
        return (await asked(self._tools.Declare(request))).crisis

    async def end_crisis(self, crisis: str, text: str = "") -> tools_pb2.CrisisView:
        """End a crisis of our own now; raises Refused."""
        return (await asked(self._tools.EndCrisis(tools_pb2.EndCrisisRequest(crisis=crisis, text=text)))).crisis

    async def crises(self, crisis: str = "", *, exercises: bool = False) -> Sequence[tools_pb2.CrisisView]:
        """All crises as the node sees them, or the one that is named; raises Refused."""
        request = tools_pb2.ListCrisesRequest(crisis=crisis, exercises=exercises)
        return (await asked(self._tools.ListCrises(request))).crises

    # ---- Lists

    async def publish_list(
        self, draft: tools_pb2.ListDraft, items: Iterable[Value | Item], progress: Progress = lambda _: None
    ) -> tools_pb2.PublishListResponse:
        """Publish a list, or what is new in one of ours; raises Refused. ``progress`` hears how many were sent.

        Plain values are of the draft's kind. Where ``items`` raises, nothing is published.
        """

        async def requests() -> AsyncIterator[tools_pb2.PublishListRequest]:
            yield tools_pb2.PublishListRequest(list=draft)
            for count, values in messages(items):
                yield tools_pb2.PublishListRequest(values=values)
                progress(count)

        return await asked(self._tools.PublishList(requests()))

    async def remove_items(
        self, removal: tools_pb2.Removal, items: Iterable[Value | Item], progress: Progress = lambda _: None
    ) -> tools_pb2.RemoveItemsResponse:
        """Say of items of our list that they no longer stand; raises Refused."""

        async def requests() -> AsyncIterator[tools_pb2.RemoveItemsRequest]:
            yield tools_pb2.RemoveItemsRequest(removal=removal)
            for count, values in messages(items):
                yield tools_pb2.RemoveItemsRequest(values=values)
                progress(count)

        return await asked(self._tools.RemoveItems(requests()))

    async def withdraw_list(self, named: str, reason: int) -> tools_pb2.ListView:
        """Say of our list that none of it stands, for good; raises Refused."""
        return (await asked(self._tools.WithdrawList(tools_pb2.WithdrawListRequest(list=named, reason=reason)))).list

    async def follow_list(self, named: str, *, follow: bool = True) -> tools_pb2.ListView:
        """Fetch and match a list from now on, or not any more; raises Refused."""
        return (await asked(self._tools.FollowList(tools_pb2.FollowListRequest(list=named, follow=follow)))).list

    async def watch_list(self, named: str) -> AsyncIterator[tools_pb2.ListView]:
        """The list as it is, and again whenever that changes; raises Refused."""
        call = self._tools.WatchList(tools_pb2.WatchListRequest(list=named))
        async for response in streamed(call):
            yield response.list

    async def compare_list(
        self, comparison: tools_pb2.Comparison, items: Iterable[Value | Item]
    ) -> AsyncIterator[tools_pb2.CompareListResponse]:
        """Our items beside those of a list: progress, values as asked for, and at last the counts; raises Refused."""

        async def requests() -> AsyncIterator[tools_pb2.CompareListRequest]:
            yield tools_pb2.CompareListRequest(comparison=comparison)
            for _, values in messages(items):
                yield tools_pb2.CompareListRequest(values=values)

        async for response in streamed(self._tools.CompareList(requests())):
            yield response

    async def export_list(self, named: str) -> AsyncIterator[tools_pb2.ListRecord]:
        """What stands in a list, record by record; raises Refused."""
        async for response in streamed(self._tools.ExportList(tools_pb2.ExportListRequest(list=named))):
            yield response.record

    async def lists(self, named: str = "", *, exercises: bool = False) -> Sequence[tools_pb2.ListView]:
        """All lists as the node holds them, or the one that is named; raises Refused."""
        request = tools_pb2.ListListsRequest(list=named, exercises=exercises)
        return (await asked(self._tools.ListLists(request))).lists

    async def look_up(self, kind: str, values: Sequence[bytes]) -> Sequence[tools_pb2.Match]:
        """Which of the values (at most 1,000) stand in a list. Every match is checked in its signed record.

        That a value stands in no list is the node's word: only what is there can be proven. Raises
        Refused, and Unverified where a match is not in the record it names.
        """
        answer = await asked(self._tools.LookUp(tools_pb2.LookUpRequest(kind=kind, values=values)))
        for match in answer.matches:
            await self._checking.check_match(match, values)
        return answer.matches

    # ---- Subscriptions

    async def subscribe(
        self,
        name: str,
        *,
        cursor: tools_pb2.Cursor | None = None,
        kinds_wanted: Sequence[int] = (),
        from_now: bool = False,
    ) -> AsyncIterator[Received | CaughtUp | Reset | Interrupted]:
        """Everything from the cursor on, or from what was acknowledged under this name, for ever.

        Goes on behind the last one received when the node restarts. Raises Refused and Unverified.
        """
        while True:
            request = tools_pb2.SubscribeRequest(name=name, cursor=cursor, kinds=kinds_wanted, from_now=from_now)
            call = self._tools.Subscribe(request, wait_for_ready=True)
            try:
                async for response in call:
                    event = await self._event(response)
                    cursor = event.cursor
                    yield event
            except grpc.aio.AioRpcError as error:
                # The channel itself waits longer and longer between its attempts to connect.
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise status.error_of(error) from error
                yield Interrupted(cursor)
            except Unavailable:  # the node went away while governance was fetched
                yield Interrupted(cursor)
            finally:
                call.cancel()

    async def acknowledge(self, name: str, cursor: tools_pb2.Cursor) -> None:
        """Everything up to the cursor is done: a later subscription of this name goes on behind it."""
        await asked(self._tools.Acknowledge(tools_pb2.AcknowledgeRequest(name=name, cursor=cursor)))

    async def check(self, delivery: tools_pb2.Delivery) -> Received:
        """What a delivery says, if its author signed it; raises Unverified."""
        return await self._checking.check(delivery)

    async def _event(self, response: tools_pb2.SubscribeResponse) -> Received | CaughtUp | Reset:
        match response.WhichOneof("event"):
            case "delivery":
                return await self.check(response.delivery)
            case "reset":
                return Reset(response.reset.cursor)
            case _:
                return CaughtUp(response.caught_up.cursor)
