"""Noting: every method has its place in the table, and what is noted is durable before the answer."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc.aio
import pytest
from google.protobuf import message_factory, symbol_database

from node.client.client import Client
from node.config import JUSTIFIED
from node.errors import Refused, Unavailable
from node.exchange.audit import Act, Operation, Why
from node.exchange.tallies import Key
from node.feed.pae import FederationId
from node.rpc import acts, server, status
from node.rpc.acts import Row, Unnoted
from node.rpc.gate import Access, Admits, Gate, ToolCaller
from node.rpc.noting import WHY, Noting
from node.v1 import tools_pb2, tools_pb2_grpc

DIGEST = bytes(range(32))
OBJECT = bytes(16)


class Log:
    """What was noted, in the order in which it was; a full disk if so wished."""

    def __init__(self) -> None:
        self.noted: list[Act] = []
        self.tallied: list[tuple[Key, Mapping[str, int], Sequence[tuple[str, int | None]]]] = []
        self.is_full = False
        self.written = asyncio.Event()

    @property
    def now_ms(self) -> int:
        return 7

    async def note(self, *acts: Act) -> None:
        if self.is_full:
            raise Unavailable("the disk is full")
        self.noted += acts
        self.written.set()

    def tally(
        self, key: Key, counts: Mapping[str, int], what: Sequence[tuple[str, int | None]] = (), life_ms: int = 0
    ) -> None:
        assert life_ms == 0
        self.tallied.append((key, dict(counts), what))


class Tools(tools_pb2_grpc.ToolsServicer):
    """As the node would answer."""

    def __init__(self) -> None:
        self.exported = 0
        self.begun, self.left, self.may_go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.may_go_on.set()

    async def LookUp(self, request: tools_pb2.LookUpRequest, _: Any) -> tools_pb2.LookUpResponse:  # noqa: N802
        return tools_pb2.LookUpResponse(matches=[tools_pb2.Match(entry=b"\1" * 32, position=9)] * len(request.values))

    async def LookUpStream(  # noqa: N802
        self, request_iterator: AsyncIterator[tools_pb2.LookUpStreamRequest], context: Any
    ) -> AsyncIterator[tools_pb2.LookUpStreamResponse]:
        async with status.told(context):
            async for asked in request_iterator:
                yield tools_pb2.LookUpStreamResponse(id=asked.id, response=await self.LookUp(asked.request, context))

    async def ExportList(  # noqa: N802
        self, _request: tools_pb2.ExportListRequest, _context: Any
    ) -> AsyncIterator[tools_pb2.ExportListResponse]:
        for _ in range(3):
            self.exported += 1
            yield tools_pb2.ExportListResponse(record=tools_pb2.ListRecord(positions=[1, 2]))

    async def PublishList(  # noqa: N802
        self, request_iterator: AsyncIterator[tools_pb2.PublishListRequest], context: Any
    ) -> tools_pb2.PublishListResponse:
        async with status.told(context):
            async for request in request_iterator:
                if request.list.name == "refused":
                    raise Refused("no")
            await self._go_on(context)
            return tools_pb2.PublishListResponse(list=tools_pb2.ListView(object_id=OBJECT), added=2, entry=b"\2" * 32)
        raise AssertionError

    async def _go_on(self, context: Any) -> None:
        context.add_done_callback(lambda _: self.left.set())
        self.begun.set()
        await self.may_go_on.wait()

    async def Declare(self, request: tools_pb2.DeclareRequest, context: Any) -> tools_pb2.DeclareResponse:  # noqa: N802
        made = tools_pb2.CrisisView(object_id=OBJECT, entry=b"\1" * 32)
        await self._go_on(context)
        return tools_pb2.DeclareResponse(crisis=made, repeated_call=request.object_id == OBJECT)

    async def ActOnCrisis(  # noqa: N802
        self, _request: tools_pb2.ActOnCrisisRequest, _: Any
    ) -> tools_pb2.ActOnCrisisResponse:
        return tools_pb2.ActOnCrisisResponse(crisis=tools_pb2.CrisisView(object_id=OBJECT), entry=b"\3" * 32)


@pytest.fixture(name="log")
def _log() -> Log:
    return Log()


@asynccontextmanager
async def asked(
    log: Log, tmp_path: Any, *demanded: str, methods: Sequence[str] = tuple(dir(Tools))
) -> AsyncIterator[tuple[Any, Tools]]:
    """A real listener with the gate and the noting behind it, and who calls it over the socket."""
    access = {f"/tocsin.v1.Tools/{one}": Access(administrator=True) for one in methods if one[0].isupper()}
    gate = Gate(admits=Admits(administrator=True), access=access, now=lambda: None)  # type: ignore[arg-type,return-value]
    made, tools = grpc.aio.server(interceptors=(gate, Noting(log, demanded))), Tools()  # type: ignore[abstract]
    tools_pb2_grpc.add_ToolsServicer_to_server(tools, made)
    credentials = grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
    made.add_secure_port(f"unix:{tmp_path}/s", credentials)
    await made.start()
    client = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    async with grpc.aio.secure_channel(f"unix:{tmp_path}/s", client) as channel:
        yield tools_pb2_grpc.ToolsStub(channel), tools
    await made.stop(None)


# ---- Who hangs up


@pytest.mark.parametrize("method", ["Declare", "PublishList"])
async def test_what_is_done_is_noted_where_the_caller_hangs_up_meanwhile(log: Log, tmp_path: Any, method: str) -> None:
    async with asked(log, tmp_path) as (stub, tools), asyncio.timeout(10):
        tools.may_go_on.clear()
        draft = tools_pb2.PublishListRequest(list=tools_pb2.ListDraft(name="x"))
        call = stub.PublishList(iter([draft])) if method == "PublishList" else stub.Declare(tools_pb2.DeclareRequest())
        waiting = asyncio.create_task(_until(call))
        await tools.begun.wait()
        call.cancel()
        await waiting
        await tools.left.wait()
        tools.may_go_on.set()
        await log.written.wait()
    assert [one.act for one in log.noted] == [{"Declare": "crisis declare", "PublishList": "list publish"}[method]]


async def _until(call: Any) -> None:
    with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
        await call


# ---- The table


def test_every_method_that_may_be_called_is_in_the_table_and_none_that_may_not() -> None:
    called = {method for method in server.OURS if method.startswith("/tocsin.v1.")}
    assert called == set(acts.TABLE)
    reasons = [row.reason for row in acts.TABLE.values() if isinstance(row, Unnoted)]
    assert all(reasons)


def test_what_may_be_asked_a_reason_for_is_what_the_configuration_knows() -> None:
    demands = {row.demand for row in acts.TABLE.values() if isinstance(row, Row)} - {""}
    assert demands == set(acts.DEMANDS) == set(JUSTIFIED)


def test_every_operation_of_article_25_is_noted_somewhere() -> None:
    by_call = {row.operation for row in acts.TABLE.values() if isinstance(row, Row)}
    assert by_call | {Operation.ERASURE} == set(Operation)  # what is erased, the node erases


def test_the_scope_audit_opens_the_log_and_what_every_tool_may_know() -> None:
    auditor = ToolCaller("iris", frozenset({"audit"}), is_person=True)
    opened = {method.rpartition("/")[2] for method, access in server.OURS.items() if access.allows(auditor)}
    beside = {"Check", "Watch", "ServerReflectionInfo"}
    assert opened - beside == {"ReadLog", "ListAnchors", "GetGovernance", "GetRules", "ListFrameworks"}


@pytest.mark.parametrize("method", sorted(acts.TABLE))
def test_what_is_noted_of_a_method_can_be_read_from_its_own_letters(method: str) -> None:
    row = acts.TABLE[method]
    service, name = method.strip("/").split("/")
    found = symbol_database.Default().pool.FindServiceByName(service).methods_by_name[name]
    asked, answer = (message_factory.GetMessageClass(one)() for one in (found.input_type, found.output_type))
    if isinstance(row, Row):
        row.what(asked, answer), row.counts(asked, answer), row.asked(asked), row.happened(asked, answer)
        row.personal(asked), row.why(asked), row.allowed(asked, answer)


# ---- Calls


async def test_look_ups_are_counted_and_their_matches_named_and_nothing_that_was_asked(log: Log, tmp_path: Any) -> None:
    async with asked(log, tmp_path) as (stub, _):
        await stub.LookUp(tools_pb2.LookUpRequest(kind="sha256", values=[DIGEST, DIGEST]))
        requests = [tools_pb2.LookUpStreamRequest(request=tools_pb2.LookUpRequest(values=[DIGEST])) for _ in range(2)]
        assert len([one async for one in stub.LookUpStream(iter(requests))]) == 2
    assert not log.noted
    counts = [counted for _, counted, _ in log.tallied]
    assert sum(one["asked"] for one in counts) == 4
    assert sum(one.get("matches", 0) for one in counts) == 4
    assert {reference for _, _, what in log.tallied for reference in what} == {("01" * 32, 9)}
    assert DIGEST.hex() not in repr(log.tallied)


def test_a_match_that_is_ignored_was_shown_as_well() -> None:
    match = tools_pb2.Match(entry=b"\1" * 32, position=9)
    for answer in (tools_pb2.LookUpResponse(ignored=[match]), tools_pb2.LookUpStreamResponse()):
        if isinstance(answer, tools_pb2.LookUpStreamResponse):
            answer.response.ignored.append(match)
        row = acts.TABLE["/tocsin.v1.Tools/LookUp"]
        assert isinstance(row, Row)
        assert list(row.what(None, answer)) == [("01" * 32, 9)]
        assert row.counts(None, answer) == {"ignored": 1}


@pytest.mark.parametrize("method", ["ExportList", "CompareList"])
def test_a_list_is_noted_as_it_was_found_and_not_as_it_was_typed(method: str) -> None:
    asked = {
        "ExportList": tools_pb2.ExportListRequest(list=" Europol/Halle "),
        "CompareList": tools_pb2.CompareListRequest(comparison=tools_pb2.Comparison(list=" Europol/Halle ")),
    }[method]
    row = acts.TABLE[f"/tocsin.v1.Tools/{method}"]
    assert isinstance(row, Row)
    assert row.what(asked, None) == [("list:europol/halle", None)]


async def test_what_may_be_an_address_has_a_line_of_its_own_before_the_answer(log: Log, tmp_path: Any) -> None:
    async with asked(log, tmp_path) as (stub, _):
        await stub.LookUp(tools_pb2.LookUpRequest(kind="url", texts=["https://a.example"]))
        log.is_full = True
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.LookUp(tools_pb2.LookUpRequest(kind="url", texts=["https://a.example"]))
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    (noted,) = log.noted
    assert (noted.who, noted.counts) == ("administrator", {"asked": 1})
    assert not log.tallied


async def test_on_whose_word_the_border_was_passed_stands_beside_the_act_with_the_word_and_the_entry(
    log: Log, tmp_path: Any
) -> None:
    async with asked(log, tmp_path) as (stub, _):
        await stub.Declare(tools_pb2.DeclareRequest(allow_personal="a public hotline"))
        await stub.ActOnCrisis(tools_pb2.ActOnCrisisRequest(allow_personal="the same hotline"))
        draft = tools_pb2.ListDraft(name="a", allow_personal="an office's address")
        await stub.PublishList(iter([tools_pb2.PublishListRequest(list=draft)]))
        said = [one for one in log.noted if one.act == "allow-personal"]
        assert [(one.who, one.what, one.why.text) for one in said] == [
            ("administrator", ("01" * 32,), "a public hotline"),
            ("administrator", ("03" * 32,), "the same hotline"),
            ("administrator", ("02" * 32,), "an office's address"),
        ]
        assert {one.at_ms for one in said} == {7}
        before = len(log.noted)
        await stub.Declare(tools_pb2.DeclareRequest())
        await stub.Declare(tools_pb2.DeclareRequest(object_id=OBJECT, allow_personal="said once"))
        assert [one.act for one in log.noted[before:]] == ["crisis declare"] * 2


async def test_nothing_is_exported_that_is_not_noted_first(log: Log, tmp_path: Any) -> None:
    async with asked(log, tmp_path) as (stub, _):
        assert len([one async for one in stub.ExportList(tools_pb2.ExportListRequest(list="a/b"))]) == 3
        assert [(one.act, one.what, one.operation) for one in log.noted] == [
            ("list export", ("list:a/b",), Operation.CONSULTATION)
        ]
        assert sum(counts["items"] for _, counts, _ in log.tallied) == 6
        log.is_full = True
        with pytest.raises(grpc.aio.AioRpcError):
            [one async for one in stub.ExportList(tools_pb2.ExportListRequest(list="a/b"))]
    assert len(log.noted) == 1


async def test_where_a_reason_is_asked_for_nothing_is_done_without(log: Log, tmp_path: Any) -> None:
    async with asked(log, tmp_path, "export", "lookup") as (stub, tools):
        request = tools_pb2.ExportListRequest(list="a/b")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            [one async for one in stub.ExportList(request)]
        assert isinstance(status.error_of(raised.value), Refused)
        assert tools.exported == 0
        await stub.LookUp(tools_pb2.LookUpRequest(kind="sha256", values=[DIGEST]))
        url = tools_pb2.LookUpRequest(kind="url", texts=["https://a.example"])
        for call in (
            stub.LookUp(url),
            anext(aiter(stub.LookUpStream(iter([tools_pb2.LookUpStreamRequest(request=url)])))),
        ):
            with pytest.raises(grpc.aio.AioRpcError):
                await call
        why = ((WHY, "art-14 Gefahr für Leben".encode()),)
        assert [one async for one in stub.ExportList(request, metadata=why)]
    assert [one.why for one in log.noted] == [Why("art-14", "Gefahr für Leben")]


async def test_what_was_refused_or_only_tried_is_not_noted_as_done(log: Log, tmp_path: Any) -> None:
    async with asked(log, tmp_path) as (stub, _):
        for draft in (tools_pb2.ListDraft(name="a"), tools_pb2.ListDraft(name="a", dry_run=True)):
            await stub.PublishList(iter([tools_pb2.PublishListRequest(list=draft)]))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.PublishList(iter([tools_pb2.PublishListRequest(list=tools_pb2.ListDraft(name="refused"))]))
    (noted,) = log.noted
    assert (noted.act, noted.what, noted.to) == ("list publish", (f"list:{OBJECT.hex()}",), "its audience")
    assert noted.counts["added"] == 2


# ---- Refused while its caller writes


@pytest.mark.parametrize("demanded", [(), ("lookup",)])
async def test_a_stream_of_look_ups_that_is_refused_says_why_however_much_of_it_was_written(
    log: Log, tmp_path: Any, demanded: tuple[str, ...]
) -> None:
    """By the gate before it begins, or by the noting in the middle of it; and so is one that is asked once."""
    words = "justification" if demanded else "may not call"
    methods = dir(Tools) if demanded else ()
    batches = [[f"https://a.example/@{number}/{'x' * 200}" for number in range(500)] for _ in range(9)]
    async with (
        asked(log, tmp_path, *demanded, methods=methods),
        Client.on_socket(tmp_path / "s", FederationId(bytes(32))) as client,
    ):
        for _ in range(20):
            with pytest.raises(Refused, match=words):
                await anext(client.look_up_stream("url", batches))
        with pytest.raises(Refused, match=words):
            await client.look_up("url", batches[0])
