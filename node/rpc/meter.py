"""The meter: counts calls and times look-ups. It stands before the gate, and only where metrics are on."""

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
import grpc.aio

from node.rpc import wrapping
from node.rpc.wrapping import Handler
from node.v1 import tools_pb2

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
UNDER_WAY_MAX = 1024  # questions of one stream that are timed at a time; more are counted and not timed

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
_LOOK_UPS = frozenset({"/tocsin.v1.Tools/LookUp", "/tocsin.v1.Tools/LookUpStream"})


@dataclass(slots=True)
class LookUps:
    """Answered look-ups: how many values, and how long each took, by the first bound that is not below."""

    values: int = 0
    seconds: float = 0.0
    answered: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))

    def note(self, seconds: float) -> None:
        """One was answered."""
        self.seconds += seconds
        self.answered[bisect_left(BOUNDS_S, seconds)] += 1

    def copy(self) -> "LookUps":
        """As of now, for another thread."""
        return LookUps(self.values, self.seconds, list(self.answered))


class Meter(grpc.aio.ServerInterceptor):
    """Everything in it belongs to the event loop's thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()  # by method and the name of the code it ended with
        self.look_ups = LookUps()
        self._now = now

    async def intercept_service(
        self,
        continuation: _Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wrap the handler of one call; a method that there is not is gRPC's to refuse, and not counted."""
        inner = await continuation(handler_call_details)
        if inner is None:
            return None
        method = handler_call_details.method
        if method in _LOOK_UPS:
            inner = _timed(inner, _Stopwatch(self.look_ups, self._now))
        return self._counted(inner, method)

    def _counted(self, inner: Handler, method: str) -> Handler:
        act = wrapping.act_of(inner)

        async def counted(request: Any, context: _Context) -> Any:
            overheard = _Overheard(context)
            code = "OK"
            try:
                return await act(request, overheard)
            except asyncio.CancelledError:
                code = "CANCELLED"
                raise
            except BaseException:
                code = overheard.aborted or "UNKNOWN"
                raise
            finally:
                self.calls[method, code] += 1

        return wrapping.same_kind(inner, counted)


class _Overheard:
    """The context of one call; what it is aborted with gRPC itself tells nobody on this side."""

    def __init__(self, context: _Context) -> None:
        self._context = context
        self.aborted = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def abort(self, code: grpc.StatusCode, *details: Any) -> None:
        self.aborted = code.name
        await self._context.abort(code, *details)

    async def abort_with_status(self, status: Any) -> None:
        self.aborted = status.code.name
        await self._context.abort_with_status(status)


class _Stopwatch:
    """Over the look-ups of one call: from the question's bytes to the answer's."""

    def __init__(self, look_ups: LookUps, now: Callable[[], float]) -> None:
        self._look_ups, self._now = look_ups, now
        self._begun: dict[int, float] = {}

    def asked(self, letter: Any) -> None:
        request = letter.request if isinstance(letter, tools_pb2.LookUpStreamRequest) else letter
        self._look_ups.values += len(request.values) + len(request.texts)
        if len(self._begun) < UNDER_WAY_MAX:
            self._begun[_number(letter)] = self._now()

    def answered(self, letter: Any) -> None:
        begun = self._begun.pop(_number(letter), None)
        if begun is not None:
            self._look_ups.note(self._now() - begun)


def _number(letter: Any) -> int:
    return getattr(letter, "id", 0)


def _timed(inner: Handler, stopwatch: _Stopwatch) -> Handler:
    read: Any = inner.request_deserializer
    write: Any = inner.response_serializer

    def read_timed(data: bytes) -> Any:
        letter = read(data)
        stopwatch.asked(letter)
        return letter

    def write_timed(letter: Any) -> Any:
        stopwatch.answered(letter)
        return write(letter)

    return wrapping.same_kind(inner, wrapping.act_of(inner), read_timed, write_timed)
