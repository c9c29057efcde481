"""What in-house tools import: ask their node, and believe nothing of it that they cannot check.

All that is taken on trust is a federation id, from the tool's own configuration. The charter hashes
to it; identity logs, feeds, signatures, payload roots and key commitments follow from the charter.
What does not verify raises Unverified and is not handed on.

    async with Client.with_bundle("127.0.0.1:7444", Path("scanner.pem"), federation_id) as node:
        matches = await node.look_up("sha256", digests)
        async for event in node.subscribe("scanner"):
            if isinstance(event, Received):
                handle(event)
                await node.acknowledge("scanner", event.cursor)

The id is the SHA-256 of the charter; `tocsin status --json` has it as federation_id, in hex.
"""

import secrets
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import grpc
import grpc.aio

from node.content import hashes
from node.content.hashes import Item, Value
from node.errors import ConfigError, NodeError, PeerFault, Unavailable
from node.exchange import trust as trusts
from node.exchange import verification
from node.exchange.trust import Trust
from node.exchange.verified import Reader, Verified
from node.feed import box as boxes
from node.feed import charter as charters
from node.feed import kinds, payload
from node.feed.keys import HeaderHash, MemberId
from node.feed.pae import FederationId
from node.rpc import bundle, channel, status
from node.v1 import admin_pb2_grpc, header_pb2, record_pb2, tools_pb2, tools_pb2_grpc

RECORDS_KEPT = 32  # verified records of lists that matches stand in, 131 kB each
MESSAGE_BYTES = 512 << 10  # of digests in one message of a publication

Answer = TypeVar("Answer")
Progress = Callable[[int], None]


class Unverified(PeerFault):
    """The node handed out something that its author did not sign, or not like this."""


@dataclass(frozen=True, slots=True)
class Received:
    """One entry that was checked, and the record in it; None for a statement."""

    entry: HeaderHash
    member_id: MemberId
    member_name: str
    kind: int
    object_id: bytes
    exercise: bool
    urgent: bool
    created_ms: int
    expires_ms: int
    received_ms: int
    record: record_pb2.Record | None
    cursor: tools_pb2.Cursor


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything that the node held has been received; what follows is new."""

    cursor: tools_pb2.Cursor


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The node does not answer; the subscription goes on behind the last one received when it does again."""

    cursor: tools_pb2.Cursor | None


@dataclass(frozen=True, slots=True)
class Reset:
    """The node has another store than the cursor's: everything is received again from the beginning."""

    cursor: tools_pb2.Cursor


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
        self._federation_id = federation_id
        # No key of its own: the node opens sealed payloads and hands out the content key.
        self._reader = Reader(MemberId(bytes(32)), (), boxes.Hpke())
        self._trust: Trust | None = None
        self._identities: set[HeaderHash] = set()
        self._records: OrderedDict[HeaderHash, tuple[Verified, record_pb2.Record]] = OrderedDict()

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
        return (await _asked(self._tools.Declare(request))).crisis

    async def end_crisis(self, crisis: str, text: str = "") -> tools_pb2.CrisisView:
        """End a crisis of our own now; raises Refused."""
        return (await _asked(self._tools.EndCrisis(tools_pb2.EndCrisisRequest(crisis=crisis, text=text)))).crisis

    async def crises(self, crisis: str = "", *, exercises: bool = False) -> Sequence[tools_pb2.CrisisView]:
        """All crises as the node sees them, or the one that is named; raises Refused."""
        request = tools_pb2.ListCrisesRequest(crisis=crisis, exercises=exercises)
        return (await _asked(self._tools.ListCrises(request))).crises

    # ---- Lists

    async def publish_list(
        self, draft: tools_pb2.ListDraft, items: Iterable[Value | Item], progress: Progress = lambda _: None
    ) -> tools_pb2.PublishListResponse:
        """Publish a list, or what is new in one of ours; raises Refused. ``progress`` hears how many were sent.

        Plain values are of the draft's kind. Where ``items`` raises, nothing is published.
        """

        async def requests() -> AsyncIterator[tools_pb2.PublishListRequest]:
            yield tools_pb2.PublishListRequest(list=draft)
            for count, values in _messages(items):
                yield tools_pb2.PublishListRequest(values=values)
                progress(count)

        return await _asked(self._tools.PublishList(requests()))

    async def remove_items(
        self, removal: tools_pb2.Removal, items: Iterable[Value | Item], progress: Progress = lambda _: None
    ) -> tools_pb2.RemoveItemsResponse:
        """Say of items of our list that they no longer stand; raises Refused."""

        async def requests() -> AsyncIterator[tools_pb2.RemoveItemsRequest]:
            yield tools_pb2.RemoveItemsRequest(removal=removal)
            for count, values in _messages(items):
                yield tools_pb2.RemoveItemsRequest(values=values)
                progress(count)

        return await _asked(self._tools.RemoveItems(requests()))

    async def withdraw_list(self, named: str, reason: int) -> tools_pb2.ListView:
        """Say of our list that none of it stands, for good; raises Refused."""
        return (await _asked(self._tools.WithdrawList(tools_pb2.WithdrawListRequest(list=named, reason=reason)))).list

    async def follow_list(self, named: str, *, follow: bool = True) -> tools_pb2.ListView:
        """Fetch and match a list from now on, or not any more; raises Refused."""
        return (await _asked(self._tools.FollowList(tools_pb2.FollowListRequest(list=named, follow=follow)))).list

    async def watch_list(self, named: str) -> AsyncIterator[tools_pb2.ListView]:
        """The list as it is, and again whenever that changes; raises Refused."""
        call = self._tools.WatchList(tools_pb2.WatchListRequest(list=named))
        async for response in _streamed(call):
            yield response.list

    async def compare_list(
        self, comparison: tools_pb2.Comparison, items: Iterable[Value | Item]
    ) -> AsyncIterator[tools_pb2.CompareListResponse]:
        """Our items beside those of a list: progress, values as asked for, and at last the counts; raises Refused."""

        async def requests() -> AsyncIterator[tools_pb2.CompareListRequest]:
            yield tools_pb2.CompareListRequest(comparison=comparison)
            for _, values in _messages(items):
                yield tools_pb2.CompareListRequest(values=values)

        async for response in _streamed(self._tools.CompareList(requests())):
            yield response

    async def export_list(self, named: str) -> AsyncIterator[tools_pb2.ListRecord]:
        """What stands in a list, record by record; raises Refused."""
        async for response in _streamed(self._tools.ExportList(tools_pb2.ExportListRequest(list=named))):
            yield response.record

    async def lists(self, named: str = "", *, exercises: bool = False) -> Sequence[tools_pb2.ListView]:
        """All lists as the node holds them, or the one that is named; raises Refused."""
        request = tools_pb2.ListListsRequest(list=named, exercises=exercises)
        return (await _asked(self._tools.ListLists(request))).lists

    async def look_up(self, kind: str, values: Sequence[bytes]) -> Sequence[tools_pb2.Match]:
        """Which of the values (at most 1,000) stand in a list. Every match is checked in its signed record.

        That a value stands in no list is the node's word: only what is there can be proven. Raises
        Refused, and Unverified where a match is not in the record it names.
        """
        answer = await _asked(self._tools.LookUp(tools_pb2.LookUpRequest(kind=kind, values=values)))
        for match in answer.matches:
            verified, record = await self._record(HeaderHash(match.entry))
            if not 0 <= match.index < len(values) or not _stands(match, values[match.index], verified, record):
                raise Unverified(
                    "the node names a match that does not stand in the signed record",
                    next_step="Do not act on it. Compare with another node of your member, and check this one.",
                )
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
        await _asked(self._tools.Acknowledge(tools_pb2.AcknowledgeRequest(name=name, cursor=cursor)))

    # ---- Checking

    async def check(self, delivery: tools_pb2.Delivery) -> Received:
        """What a delivery says, if its author signed it; raises Unverified."""
        verified = await self._verified(delivery.entry)
        header = verified.header
        record = self._opened(verified, delivery) if header.has_payload else None
        assert self._trust is not None  # noqa: S101 - nothing verifies without
        log = self._trust.logs.get(verified.member_id)
        return Received(
            entry=header.hash,
            member_id=verified.member_id,
            member_name=log.identity.inception.name if log else verified.member_id.hex()[:8],
            kind=record.kind if record else header.kind,
            object_id=record.object_id if record else header.object_id,
            exercise=header.exercise,
            urgent=header.urgency == 0,
            created_ms=header.created_ms,
            expires_ms=header.expires_ms,
            received_ms=delivery.received_ms,
            record=record,
            cursor=delivery.cursor,
        )

    async def _event(self, response: tools_pb2.SubscribeResponse) -> Received | CaughtUp | Reset:
        match response.WhichOneof("event"):
            case "delivery":
                return await self.check(response.delivery)
            case "reset":
                return Reset(response.reset.cursor)
            case _:
                return CaughtUp(response.caught_up.cursor)

    async def _verified(self, letter: header_pb2.SignedEntry) -> Verified:
        """Check by what is trusted; governance that came since is fetched once."""
        trust = self._trust or await self._fetch_governance()
        for attempt in range(2):
            checked = verification.verify([letter], trust, self._reader)
            if checked.fault is not None:
                raise Unverified(f"the node handed out an entry that does not verify: {checked.fault.reason}")
            if checked.entries:
                return checked.entries[0]
            known = self._identity(letter, trust)
            if known is not None:
                return known
            if attempt == 0:
                trust = await self._fetch_governance()
        raise Unverified("the node handed out an entry of a feed that nothing in this federation certifies")

    def _identity(self, letter: header_pb2.SignedEntry, trust: Trust) -> Verified | None:
        """An entry of an identity log that was verified in its place when governance was fetched."""
        hash_ = verification.header_hash(letter, trust.federation_id)
        if hash_ not in self._identities:
            return None
        return verification.of_log(letter, trust.federation_id)

    async def _fetch_governance(self) -> Trust:
        trust: Trust | None = None
        letters: list[header_pb2.SignedEntry] = []
        try:
            async for response in self._tools.GetGovernance(tools_pb2.GetGovernanceRequest()):
                if response.WhichOneof("part") == "charter":
                    trust = trusts.begin(self._charter(response.charter))
                else:
                    letters.append(response.entry)
        except grpc.aio.AioRpcError as error:
            raise status.error_of(error) from error
        if trust is None:
            raise Unverified("the node did not show its charter")
        found, trust, fault = verification.verify_all(letters, trust, self._reader)
        if fault is not None:
            raise Unverified(f"the node handed out governance that does not verify: {fault.reason}")
        self._identities |= {one.header.hash for one in found if kinds.is_identity(one.header.kind)}
        self._trust = trust
        return trust

    def _charter(self, body: bytes) -> charters.Charter:
        try:
            charter = charters.decode(body)
        except NodeError as error:
            raise Unverified(f"the node's charter is none: {error.reason}") from error
        if charter.federation_id != self._federation_id:
            raise Unverified(
                f"the node is of federation {charter.federation_id.hex()[:16]}, "
                f"not of {self._federation_id.hex()[:16]}",
                next_step="Check the federation id in your configuration, and which node you call.",
            )
        return charter

    def _opened(self, verified: Verified, delivery: tools_pb2.Delivery) -> record_pb2.Record:
        """The record, by the key in the box or the one handed out; either must be the one committed to."""
        assert self._trust is not None  # noqa: S101 - nothing verifies without
        header = verified.header
        if not verified.box or not verified.payload:
            raise Unverified("the node handed out an entry without its payload")
        box = boxes.decode(verified.box)
        key = box.data if box.type == boxes.CLEAR else delivery.key
        if payload.commit(self._federation_id, key) != header.key_commit:
            raise Unverified("the content key is not the one that the header commits to")
        try:
            return verification.unseal(header, verified.member_id, key, verified.payload, self._trust)
        except PeerFault as fault:
            raise Unverified(f"the payload does not open: {fault.reason}") from fault

    async def _record(self, hash_: HeaderHash) -> tuple[Verified, record_pb2.Record]:
        """A verified record of a list; the latest few are kept."""
        if hash_ in self._records:
            self._records.move_to_end(hash_)
            return self._records[hash_]
        delivery = (await _asked(self._tools.GetEntry(tools_pb2.GetEntryRequest(entry=hash_)))).delivery
        verified = await self._verified(delivery.entry)
        if verified.header.hash != hash_:
            raise Unverified("the node handed out another entry than the one it named")
        self._records[hash_] = (verified, self._opened(verified, delivery))
        if len(self._records) > RECORDS_KEPT:
            self._records.popitem(last=False)
        return self._records[hash_]


async def _asked(call: Awaitable[Answer]) -> Answer:
    """The answer, or what the node refused as the very error it raised."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise status.error_of(error) from error


def _stands(match: tools_pb2.Match, value: bytes, verified: Verified, record: record_pb2.Record) -> bool:
    kind = hashes.KINDS.get(record.items.kind)
    if kind is None or verified.member_id != match.member_id or record.object_id != match.list_id:
        return False
    # One value of thousands: splitting the record for each match would take most of a large look-up.
    packed, start = record.items.digests, match.position * kind.digest_bytes
    return len(value) == kind.digest_bytes and packed[start : start + len(value)] == value


async def _streamed(call: AsyncIterable[Answer]) -> AsyncIterator[Answer]:
    try:
        async for answer in call:
            yield answer
    except grpc.aio.AioRpcError as error:
        raise status.error_of(error) from error


def _messages(items: Iterable[Value | Item]) -> Iterator[tuple[int, tools_pb2.Values]]:
    """Messages' worth of items of one kind, and how many went before and with each."""
    count, size, kind, rows = 0, 0, "", list[tuple[Value, int]]()
    for one in items:
        value, quality, its_kind = one, None, ""
        if isinstance(one, Item):
            value, quality, its_kind = one.value, one.quality, one.kind.name
        if rows and (its_kind != kind or size >= MESSAGE_BYTES):
            yield count, _values(kind, rows)
            rows, size = [], 0
        kind = its_kind
        rows.append((value, hashes.QUALITY_UNKNOWN if quality is None else quality))
        size += len(value)
        count += 1
    if rows:
        yield count, _values(kind, rows)


def _values(kind: str, rows: Sequence[tuple[Value, int]]) -> tools_pb2.Values:
    qualities = bytes(quality for _, quality in rows)
    return tools_pb2.Values(
        kind=kind,
        digests=b"".join(value for value, _ in rows if isinstance(value, bytes)),
        texts=[value for value, _ in rows if isinstance(value, str)],
        qualities=qualities if qualities.strip(b"\xff") else b"",
    )
