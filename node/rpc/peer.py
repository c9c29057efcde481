"""Service Peer: either end of a gRPC stream becomes a link, and both look the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio

from node.errors import Unavailable
from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.rpc import channel, gate
from node.rpc.gate import Access, PeerCaller
from node.rpc.tls import Leaf
from node.runtime.link import CUT, HUNG_UP, UNSURE, Link
from node.v1 import peer_pb2, peer_pb2_grpc

BREAKING_S = 0.2  # a connection that breaks says first that no more comes, and then ends the call
ADMISSION_S = 5.0  # an implementation that sends no headers before its first message is spoken to after that

ACCESS = {
    "/tocsin.v1.Peer/Gossip": Access(peer=True),
    "/tocsin.v1.Peer/Bulk": Access(peer=True),
}

# The two streams differ only in the names of their letters.
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Call: TypeAlias = "grpc.aio.StreamStreamCall[Any, Any]"
_REQUESTS: dict[Stream, Callable[..., Any]] = {
    Stream.GOSSIP: peer_pb2.GossipRequest,
    Stream.BULK: peer_pb2.BulkRequest,
}
_RESPONSES: dict[Stream, Callable[..., Any]] = {
    Stream.GOSSIP: peer_pb2.GossipResponse,
    Stream.BULK: peer_pb2.BulkResponse,
}


class AcceptedLink:
    """A stream that the peer opened."""

    def __init__(self, peer: MemberId, stream: Stream, context: _Context) -> None:
        self.peer = self.dialler = peer
        self.stream = stream
        self._context = context

    async def frames(self) -> AsyncIterator[peer_pb2.Frame]:
        """What the peer says, until it hangs up."""
        while True:
            request: Any = await self._context.read()
            if request is grpc.aio.EOF:
                await asyncio.sleep(BREAKING_S)
                return
            yield request.frame

    async def send(self, frame: peer_pb2.Frame) -> None:
        """Say something; waits while the transport is full."""
        try:
            await self._context.write(_RESPONSES[self.stream](frame=frame))
        except (grpc.RpcError, grpc.aio.UsageError) as error:
            raise Unavailable(CUT) from error


class DialledLink:
    """A stream that this node opened."""

    def __init__(self, peer: MemberId, stream: Stream, call: _Call, me: MemberId) -> None:
        self.peer, self.dialler = peer, me
        self.stream = stream
        self._call = call

    async def frames(self) -> AsyncIterator[peer_pb2.Frame]:
        """What the peer says, until it hangs up."""
        try:
            while True:
                response: Any = await self._call.read()
                if response is grpc.aio.EOF:
                    return
                yield response.frame
        except grpc.aio.AioRpcError as error:
            raise Unavailable(_end(error.code(), error.details())) from error

    async def send(self, frame: peer_pb2.Frame) -> None:
        """Say something; waits while the transport is full."""
        try:
            await self._call.write(_REQUESTS[self.stream](frame=frame))
        except grpc.aio.AioRpcError as error:
            raise Unavailable(_end(error.code(), error.details())) from error
        except asyncio.InvalidStateError as error:  # over before this was sent, which is no fault of ours
            raise Unavailable(_end(await self._call.code(), await self._call.details())) from error


class PeerServicer(peer_pb2_grpc.PeerServicer):
    """What peers call. The gate has let them in already."""

    def __init__(self, serve: Callable[[Link], Awaitable[str]]) -> None:
        self._serve = serve

    async def Gossip(self, _requests: Any, context: _Context) -> None:  # type: ignore[override]  # noqa: N802
        """Lanes 0 to 2."""
        await self._accept(Stream.GOSSIP, context)

    async def Bulk(self, _requests: Any, context: _Context) -> None:  # type: ignore[override]  # noqa: N802
        """Lane 3."""
        await self._accept(Stream.BULK, context)

    async def _accept(self, stream: Stream, context: _Context) -> None:
        found = gate.caller()
        assert isinstance(found, PeerCaller)  # noqa: S101 - the access list lets nobody else in
        reason = await self._serve(AcceptedLink(found.member_id, stream, context))
        if reason:
            await context.abort(grpc.StatusCode.ABORTED, reason)


@asynccontextmanager
async def dial(
    address: str, member_id: MemberId, root_pem: bytes, leaf: Leaf, me: MemberId
) -> AsyncIterator[Sequence[Link]]:
    """Both connections to a member's node; raises Unavailable with the likely cause in words."""
    channels = [channel.open_to_member(address, member_id, root_pem, leaf) for _ in Stream]
    calls: list[_Call] = []
    try:
        stubs = [peer_pb2_grpc.PeerStub(one) for one in channels]
        calls += [stubs[0].Gossip(), stubs[1].Bulk()]
        for call in calls:
            await call.wait_for_connection()
        await admission(calls)
        yield [DialledLink(member_id, stream, call, me) for stream, call in zip(Stream, calls, strict=True)]
    except grpc.aio.AioRpcError as error:
        raise Unavailable(describe(error)) from error
    finally:
        for call in calls:
            call.cancel()
        for one in channels:
            await one.close()


async def admission(calls: Sequence[_Call]) -> None:
    """Until the other side let these calls in, or did not; raises AioRpcError as it refused them.

    Its gate sends headers when it lets one in. What is written to one that was refused fails in gRPC's
    own words, and the reason is lost; so nothing is written before.
    """
    waiting = [asyncio.create_task(call.initial_metadata()) for call in calls]
    try:
        await asyncio.wait(waiting, timeout=ADMISSION_S)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    for call in calls:
        if call.done():
            await call.wait_for_connection()


NOT_APPROVED = "not approved there yet"
NO_LONGER_APPROVED = "no longer approved there"
_CAUSES = (
    (gate.NOT_APPROVED, NOT_APPROVED),
    (gate.CUT_OFF, NO_LONGER_APPROVED),
    ("CERTIFICATE_VERIFY_FAILED: certificate has expired", "its certificate has expired"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not by the issuer on its card: ask for its present card"),
    ("Hostname Verification", "another member's node answers at this address"),
    ("Connection refused", "nothing listens at this address"),
    ("DNS resolution failed", "the host name cannot be resolved"),
    ("Socket closed", UNSURE),
    ("Connection reset", UNSURE),
    ("Cancelling all calls", "the node stops"),
    ("No route to host", "there is no route to this address"),
    ("timed out", "no answer from this address"),
)


_CUTS = (
    *("Socket closed", "Connection reset", "Broken pipe", "ping timeout", "timed out", "Stream removed"),
    "Internal error from Core",  # gRPC's words of its own, where it was writing when the connection broke
)


def _end(code: grpc.StatusCode, details: str | None) -> str:
    """Why a link ended that stood, for people."""
    if code is grpc.StatusCode.OK:
        return HUNG_UP
    return CUT if any(sign in (details or "") for sign in _CUTS) else _cause(code, details)


def describe(error: grpc.aio.AioRpcError) -> str:
    """Why there is no link, for people. TLS 1.3 does not tell a client that its certificate was refused."""
    return _cause(error.code(), error.details())


def _cause(code: grpc.StatusCode, details: str | None) -> str:
    for sign, cause in _CAUSES:
        if sign in (details or ""):
            return cause
    return (details or "").partition("\n")[0] or f"gRPC says {code.name}"
