"""Calls of the node: what is tried again, how long, and under which certificate.

gRPC does the trying (docs: gRFC A6): its retry policy stands in the channel's configuration, by
method, with pauses that grow and are drawn at random. It covers what may be said twice: reads, and
what has the same effect the second time. A stream of requests it cannot say again, for what was sent
is gone, and neither can it go on in the middle of a stream of answers: that is `Client.subscribe`'s
and `Client.watch_list`'s, which know from where.

A channel connects again by itself and keeps its certificate for ever. So the bundle is looked at before
each call and each time an attempt to connect has failed; another file makes another channel. The calls
of the one before go on until the node ends them.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import grpc
import grpc.aio

from node.client.opening import Opening
from node.errors import ConfigError, NodeError, Unavailable
from node.rpc import channel, status
from node.rpc.noting import WHY
from node.v1 import tools_pb2_grpc

if TYPE_CHECKING:
    from node.v1.tools_pb2_grpc import ToolsAsyncStub

TIMEOUT_S = 30.0  # a node that restarts is back in two seconds, on a busy machine in ten
REASON_S = 1.0  # to ask gRPC why there is no connection
DETAILS = "grpc-status-details-bin"

# What may be said twice. gRPC tries at most five times, whatever it is told, and not at all what has
# more than 256 KiB or of which an answer has begun to come.
REPEATABLE = (
    "Declare",  # by its object id
    "ListCrises",
    "Confirm",
    "ListAcknowledgements",
    "FollowList",
    "ListLists",
    "LookUp",
    "Acknowledge",
    "GetEntry",
)
STREAMS = ("WatchList", "ExportList", "Subscribe", "GetGovernance")
RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}

Request = TypeVar("Request")
Stub = TypeVar("Stub")
Answer = TypeVar("Answer")
Requests: TypeAlias = Iterable[Request] | AsyncGenerator[Request, None]
Sending: TypeAlias = "grpc.aio.StreamUnaryCall[Request, Answer] | grpc.aio.StreamStreamCall[Request, Answer]"
Streaming: TypeAlias = "grpc.aio.UnaryStreamCall[Request, Answer] | grpc.aio.StreamStreamCall[Request, Answer]"


def _options() -> channel.Options:
    # An attempt that finds no connection waits for one: five of them would be over in three seconds. A
    # stream has no deadline by which to stop waiting, and is begun again by whoever reads it.
    repeatable = {"name": _names(REPEATABLE), "waitForReady": True, "retryPolicy": RETRY_POLICY}
    streams = {"name": _names(STREAMS), "retryPolicy": RETRY_POLICY}
    return (("grpc.service_config", json.dumps({"methodConfig": [repeatable, streams]})),)


def _names(methods: Sequence[str]) -> list[dict[str, str]]:
    return [{"service": "tocsin.v1.Tools", "method": name} for name in methods]


@dataclass(frozen=True, slots=True)
class Opened:
    """One channel, and what is called on it."""

    channel: grpc.aio.Channel
    tools: "ToolsAsyncStub"


class _Justified:
    """A stub that tells with every call why it is made."""

    def __init__(self, stub: object, why: str) -> None:
        self._stub, self._metadata = stub, ((WHY, why.encode()),)

    def __getattr__(self, name: str) -> object:
        return partial(getattr(self._stub, name), metadata=self._metadata)


def justified(stub: Stub, why: str) -> Stub:
    """The same, telling with every call why it is made, if that was said."""
    return cast("Stub", _Justified(stub, why)) if why else stub


@dataclass
class Connection:
    """The present channel to a node, and those before it for as long as their calls last."""

    opening: Opening
    timeout_s: float = TIMEOUT_S
    why: str = ""  # a justification, told with every call
    _closing: dict[asyncio.Task[None], grpc.aio.Channel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._opened = self._open()

    def _open(self) -> Opened:
        made = self.opening.open(_options())
        return Opened(made, justified(tools_pb2_grpc.ToolsStub(made), self.why))

    async def close(self) -> None:
        """End everything under way."""
        for task, before in list(self._closing.items()):
            task.cancel()
            await before.close()
        await self._opened.channel.close()

    def renew(self) -> bool:
        """Open another channel where the bundle is another one; whether it was. Raises ConfigError for a bad one."""
        if not self.opening.changed():
            return False
        before, self._opened = self._opened.channel, self._open()
        # The node itself ends the calls of a certificate that has ended, at most so much later.
        task = asyncio.create_task(before.close(grace=timedelta(days=366) / timedelta(seconds=1)))
        self._closing[task] = before
        task.add_done_callback(self._closing.pop)
        return True

    def present(self) -> Opened:
        """The channel to call on now; raises ConfigError where the node can only refuse it."""
        try:
            self.renew()
        except ConfigError:
            if self.opening.ended():
                raise  # else what still holds is better than what cannot be read
        ended = self.opening.ended()
        if ended:
            raise ended
        return self._opened

    async def ready(self) -> Opened:
        """A channel that is connected, however long that takes."""
        while True:
            opened = self.present()
            state = opened.channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY:
                return opened
            await opened.channel.wait_for_state_change(state)

    async def _ready_in_time(self) -> Opened:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self.ready()
        except TimeoutError:
            raise await self._unreachable() from None

    async def asked(self, ask: "Callable[[ToolsAsyncStub], Awaitable[Answer]]", *, lost: str = "") -> Answer:
        """The answer to one request, within the timeout, or what the node refused as the very error it raised.

        ``lost`` is what to do where it may have been heard and the answer did not come.
        """
        sent = False
        try:
            async with asyncio.timeout(self.timeout_s):
                opened = await self.ready()
                sent = True
                return await ask(opened.tools)
        except TimeoutError:
            if not sent:
                raise await self._unreachable() from None
            raise _lost(f"no answer from {self.opening.place} within {self.timeout_s:g} s", lost) from None
        except grpc.aio.AioRpcError as error:
            raise _error_of(error, lost) from error

    async def sent(
        self,
        begin: "Callable[[ToolsAsyncStub], grpc.aio.StreamUnaryCall[Request, Answer]]",
        requests: Iterable[Request],
        *,
        lost: str,
    ) -> Answer:
        """The answer to a stream of requests, which takes as long as it takes and is sent once."""
        opened = await self._ready_in_time()
        call = begin(opened.tools)
        with self._telling(opened, call, lost):
            async with _writing(call, requests):
                return await call

    async def streamed(
        self, begin: "Callable[[ToolsAsyncStub], Streaming[Request, Answer]]", *, patient: bool = False
    ) -> AsyncGenerator[Answer, None]:
        """Each answer, until the node ends them; raises Unavailable where the connection did.

        ``patient`` waits for a connection without a limit.
        """
        opened = await (self.ready() if patient else self._ready_in_time())
        call = begin(opened.tools)
        with self._telling(opened, call, "Ask again."):
            async for answer in call:
                yield answer

    async def exchanged(
        self,
        begin: "Callable[[ToolsAsyncStub], grpc.aio.StreamStreamCall[Request, Answer]]",
        requests: Requests[Request],
    ) -> AsyncGenerator[Answer, None]:
        """Each answer while the requests are sent; raises Unavailable where the connection ended."""
        opened = await self._ready_in_time()
        call = begin(opened.tools)
        with self._telling(opened, call, "Ask again."):
            async with _writing(call, requests):
                async for answer in call:
                    yield answer

    @contextmanager
    def _telling(self, opened: Opened, call: grpc.aio.Call, lost: str) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED and self._has_successor(opened):
                raise Unavailable("the certificate has been renewed", next_step=lost) from error
            raise _error_of(error, lost) from error
        finally:
            call.cancel()

    def _has_successor(self, opened: Opened) -> bool:
        return self.renew() or self._opened is not opened

    async def _unreachable(self) -> Unavailable:
        return Unavailable(
            f"no connection to {self.opening.place} within {self.timeout_s:g} s: {await self._reason()}",
            next_step="Nothing was sent. Check that the node runs there (`tocsin status` on its machine).",
        )

    async def _reason(self) -> str:
        """What gRPC tells only to a call that does not wait."""
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        check = self._opened.channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            await check(b"", timeout=REASON_S, wait_for_ready=False)
        except grpc.aio.AioRpcError as error:
            said = error.details() or ""
            return "nothing answers" if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED else _last(said)
        return "it came too late"


@asynccontextmanager
async def _writing(call: "Sending[Request, Answer]", requests: Requests[Request]) -> AsyncIterator[None]:
    """Write the requests beside what is done with the call, and raise what they raise."""
    writing = asyncio.create_task(_write(call, requests))

    def stop(_: object) -> None:
        # A write that fails because the node has answered already would put gRPC's own INTERNAL in the
        # place of the answer (grpc/grpc#36066): it must not get as far.
        writing.cancel()

    call.add_done_callback(stop)
    try:
        yield
    except asyncio.CancelledError:
        if writing.done() and not writing.cancelled() and (error := writing.exception()):
            raise error from None
        raise
    finally:
        writing.cancel()


async def _write(call: "Sending[Request, Answer]", requests: Requests[Request]) -> None:
    try:
        async with aclosing(_each(requests)) as each:
            async for request in each:
                try:
                    await call.write(request)
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    return  # it is over, and says itself why
        await call.done_writing()
    except Exception:
        call.cancel()
        raise


async def _each(requests: "Requests[Request]") -> AsyncGenerator[Request, None]:
    if isinstance(requests, Iterable):
        for request in requests:
            yield request
        return
    async with aclosing(requests):
        async for request in requests:
            yield request


def _error_of(error: grpc.aio.AioRpcError, lost: str) -> NodeError:
    raised = status.error_of(error)
    if error.code() is grpc.StatusCode.UNAVAILABLE and not _is_told(error):
        return _lost(f"the connection was lost before the answer came: {_last(raised.reason)}", lost)
    return raised


def _is_told(error: grpc.aio.AioRpcError) -> bool:
    """Whether the node itself says that it cannot now; then it knows that nothing was done."""
    return any(key == DETAILS for key, _ in error.trailing_metadata() or ())


def _lost(reason: str, lost: str) -> Unavailable:
    return Unavailable(reason, next_step=lost or "Ask again.")


def _last(said: str) -> str:
    return said.rpartition("last error: ")[2]
