"""One node of our own member, as its tools call it."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from node.client import asking
from node.client.asking import Asking, Batches
from node.client.checking import Checking
from node.client.connection import TIMEOUT_S, Connection
from node.client.crises import Crises
from node.client.events import CaughtUp, Interrupted, Received, Reset
from node.client.items import Progress, requests
from node.client.opening import BundleOpening, Opening, SocketOpening
from node.content.hashes import Item, Value
from node.errors import ConfigError, Unavailable
from node.exchange import anchors
from node.feed.keys import FeedId
from node.feed.pae import FederationId
from node.rpc import bundle
from node.v1 import audit_pb2, header_pb2, tools_pb2

if TYPE_CHECKING:
    from node.exchange.audit import Witness


class Client(Crises):
    """One node of our own member."""

    def __init__(
        self, opening: Opening, federation_id: FederationId, *, timeout_s: float = TIMEOUT_S, why: str = ""
    ) -> None:
        if not isinstance(federation_id, bytes) or len(federation_id) != 32:
            raise ConfigError(
                "a federation id has 32 bytes", next_step="FederationId(bytes.fromhex(...)) of what your node prints."
            )
        super().__init__(Connection(opening, timeout_s, why))
        self._asked, self._streamed = self._connection.asked, self._connection.streamed
        self._checking = Checking(self._connection, federation_id)

    @classmethod
    def on_socket(
        cls, socket: Path, federation_id: FederationId, *, timeout_s: float = TIMEOUT_S, why: str = ""
    ) -> Self:
        """As the administrator, on the node's machine. ``why``: a code, a blank, and a justification; it is noted."""
        return cls(SocketOpening(socket), federation_id, timeout_s=timeout_s, why=why)

    @classmethod
    def as_tool(cls, path: Path, *, timeout_s: float = TIMEOUT_S, why: str = "") -> Self:
        """As a tool, with the file that `tocsin tool issue` made; raises ConfigError for another one.

        It says where the node is and of which federation. Another one in its place is used from the next call on.
        """
        read = bundle.read_bundle(path)
        if read.federation_id is None or not read.address:
            raise ConfigError(
                f"{path} does not say {'where its node is' if read.federation_id else 'of which federation it is'}",
                next_step="Issue another one with `tocsin tool issue --node HOST:PORT`, or use Client.with_bundle.",
            )
        return cls.with_bundle(read.address, path, read.federation_id, timeout_s=timeout_s, why=why)

    @classmethod
    def with_bundle(
        cls, address: str, path: Path, federation_id: FederationId, *, timeout_s: float = TIMEOUT_S, why: str = ""
    ) -> Self:
        """As `as_tool`, where the address or the federation id are known from elsewhere."""
        return cls(BundleOpening(address, path), federation_id, timeout_s=timeout_s, why=why)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.close()

    # ---- Lists

    async def publish_list(
        self, draft: tools_pb2.ListDraft, items: Iterable[Value | Item], progress: Progress = lambda _: None
    ) -> tools_pb2.PublishListResponse:
        """Publish a list, or what is new in one of ours; raises Refused. ``progress`` hears how many were sent.

        Plain values are of the draft's kind. Where ``items`` raises, nothing is published, and it is raised
        here. A list is a set: what is published twice stands once. So where Unavailable is raised, do it again;
        by itself it is not tried again, for the items that were sent are gone.
        """
        sending = requests(
            tools_pb2.PublishListRequest,
            tools_pb2.PublishListRequest(list=draft),
            items,
            progress,
        )
        lost = f"All of {draft.name} is published or nothing. Publish it again: what stands is not said twice."
        return await self._connection.sent(lambda tools: tools.PublishList(), sending, lost=lost)

    async def remove_items(
        self, removal: tools_pb2.Removal, items: Iterable[Value | Item], progress: Progress = lambda _: None
    ) -> tools_pb2.RemoveItemsResponse:
        """Say of items of our list that they no longer stand; raises Refused.

        As with `publish_list`: not tried again, and harmless the second time.
        """
        sending = requests(
            tools_pb2.RemoveItemsRequest,
            tools_pb2.RemoveItemsRequest(removal=removal),
            items,
            progress,
        )
        lost = f"Items of {removal.list} may be gone. Remove them again: what no longer stands is passed over."
        return await self._connection.sent(lambda tools: tools.RemoveItems(), sending, lost=lost)

    async def withdraw_list(self, named: str, reason: int) -> tools_pb2.ListView:
        """Say of our list that none of it stands, for good; raises Refused. Not tried again."""
        request = tools_pb2.WithdrawListRequest(list=named, reason=reason)
        lost = "It may have been withdrawn: `lists` says whether it has."
        return (await self._asked(lambda tools: tools.WithdrawList(request), lost=lost)).list

    async def follow_list(self, named: str, *, follow: bool = True) -> tools_pb2.ListView:
        """Fetch and match a list from now on, or not any more; raises Refused."""
        request = tools_pb2.FollowListRequest(list=named, follow=follow)
        return (await self._asked(lambda tools: tools.FollowList(request))).list

    async def watch_list(self, named: str) -> AsyncIterator[tools_pb2.ListView]:
        """The list as it is, and again whenever that changes; raises Refused.

        Goes on when the node restarts, and raises Unavailable where that takes longer than the timeout.
        """
        request = tools_pb2.WatchListRequest(list=named)
        seen = True
        while seen:
            seen = False
            async with aclosing(self._streamed(lambda tools: tools.WatchList(request))) as responses:
                try:
                    async for response in responses:
                        seen = True
                        yield response.list
                except Unavailable:
                    if not seen:
                        raise

    async def compare_list(
        self, comparison: tools_pb2.Comparison, items: Iterable[Value | Item]
    ) -> AsyncIterator[tools_pb2.CompareListResponse]:
        """Our items beside those of a list: progress, values as asked for, and at last the counts; raises Refused."""
        sending = requests(
            tools_pb2.CompareListRequest,
            tools_pb2.CompareListRequest(comparison=comparison),
            items,
        )
        async with aclosing(self._connection.exchanged(lambda tools: tools.CompareList(), sending)) as responses:
            async for response in responses:
                yield response

    async def export_list(self, named: str) -> AsyncIterator[tools_pb2.ListRecord]:
        """What stands in a list, record by record; raises Refused, and Unavailable where it breaks off."""
        request = tools_pb2.ExportListRequest(list=named)
        async with aclosing(self._streamed(lambda tools: tools.ExportList(request))) as responses:
            async for response in responses:
                yield response.record

    async def lists(self, named: str = "", *, exercises: bool = False) -> Sequence[tools_pb2.ListView]:
        """All lists as the node holds them, or the one that is named; raises Refused."""
        request = tools_pb2.ListListsRequest(list=named, exercises=exercises)
        return (await self._asked(lambda tools: tools.ListLists(request))).lists

    async def look_up(self, kind: str, values: Sequence[Value]) -> Sequence[tools_pb2.Match]:
        """Which of the values (at most 1,000) stand in a list. Every match is checked in its signed record.

        That a value stands in no list is the node's word: only what is there can be proven. Raises
        Refused, and Unverified where a match is not in the record it names.
        """
        request = asking.question(kind, values)
        answer = await self._asked(lambda tools: tools.LookUp(request))
        for match in answer.matches:
            await self._checking.check_match(match, kind, values)
        return answer.matches

    async def look_up_stream(
        self, kind: str, batches: Batches, ignored: Callable[[tools_pb2.Match], None] = lambda _: None
    ) -> AsyncGenerator[Sequence[tools_pb2.Match], None]:
        """As `look_up`, of one batch after the other, each answered in its turn while the next are under way.

        ``ignored`` is told what would match and counts as no match, by the node's own decision: its word alone.
        Batches are taken as there is room for them, so an endless source is answered as it comes. Raises
        what they raise, Refused, which ends it, and Unavailable where it breaks off.
        """
        sent = Asking(kind, batches)
        asking = self._connection.exchanged(lambda tools: tools.LookUpStream(), sent.requests())
        async with aclosing(asking) as answers:
            async for answer in answers:
                values = sent.answered(answer.id)
                for match in answer.response.matches:
                    await self._checking.check_match(match, kind, values)
                for match in answer.response.ignored:
                    ignored(match)
                yield answer.response.matches
        sent.finish()

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

        Goes on behind the last one received when the node restarts or the bundle is renewed. Whoever takes
        their time is waited for: the node sends no more than 128 KiB and a message ahead. Raises Refused and
        Unverified, and ConfigError when the bundle's certificate has ended and the file is still the same.
        """
        while True:
            request = tools_pb2.SubscribeRequest(name=name, cursor=cursor, kinds=kinds_wanted, from_now=from_now)
            async with aclosing(self._subscribed(request)) as responses:
                try:
                    async for response in responses:
                        event = await self._event(response)
                        cursor = event.cursor
                        yield event
                except Unavailable:  # or the node went away while governance was fetched
                    pass
            yield Interrupted(cursor)

    def _subscribed(self, request: tools_pb2.SubscribeRequest) -> AsyncGenerator[tools_pb2.SubscribeResponse, None]:
        return self._streamed(lambda tools: tools.Subscribe(request), patient=True)

    async def acknowledge(self, name: str, cursor: tools_pb2.Cursor) -> None:
        """Everything up to the cursor is done: a later subscription of this name goes on behind it."""
        request = tools_pb2.AcknowledgeRequest(name=name, cursor=cursor)
        await self._asked(lambda tools: tools.Acknowledge(request))

    # ---- Auditing

    async def audit_log(self, use: str, *, since_ms: int = 0, lines: int = 0) -> list[bytes]:
        """The audit log's segments, all of them or those with the last lines; the node notes for what ``use``."""
        found: dict[int, bytearray] = {}
        async for part in self.audit.ReadLog(audit_pb2.ReadLogRequest(since_ms=since_ms, lines=lines, use=use)):
            found.setdefault(part.first, bytearray()).extend(part.data)
        return [bytes(found[first]) for first in sorted(found)]

    async def anchors(self, member: str = "") -> audit_pb2.ListAnchorsResponse:
        """A member's ANCHORs as the node received them; of our own, those by which peers witness its audit log."""
        return await self.audit.ListAnchors(audit_pb2.ListAnchorsRequest(member=member))

    async def witnesses(self, letters: Sequence[header_pb2.SignedEntry], feeds: Sequence[bytes]) -> "list[Witness]":
        """What ANCHORs of the node with these feeds say of its audit log; raises Refused for one that is forged."""
        trust = await self._checking.governance()
        return anchors.seen(letters, trust, anchors.feeds_beside(trust, [FeedId(one) for one in feeds]))

    # ---- Checking

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
