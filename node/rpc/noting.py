"""Noting: an interceptor behind the gate that writes calls into the audit log, by the table of `acts`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeAlias

import grpc
import grpc.aio

from node import limits
from node.errors import Refused
from node.exchange import audit
from node.exchange.audit import Act, Operation, Why
from node.exchange.tallies import Key
from node.rpc import acts, gate, status, wrapping
from node.rpc.acts import LOOK_UP, Row, When
from node.rpc.gate import ToolCaller
from node.rpc.wrapping import Handler
from node.runtime.work import Work

WHY = "tocsin-why-bin"  # metadata: code, blank, words, in UTF-8
ALLOWED = "allow-personal"

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


class Log(Protocol):
    """Where acts go."""

    @property
    def now_ms(self) -> int:
        """For the acts."""
        ...

    async def note(self, *acts: Act) -> None:
        """Durable when it returns."""
        ...

    def tally(
        self, key: Key, counts: Mapping[str, int], what: Sequence[tuple[str, int | None]] = (), life_ms: int = 0
    ) -> None:
        """Note it with others of its kind."""
        ...


class Noting(grpc.aio.ServerInterceptor):
    """Everything in it belongs to the event loop's thread. ``demanded``: what takes a justification."""

    def __init__(self, log: Log, demanded: Collection[str]) -> None:
        self._log, self._demanded, self._work = log, frozenset(demanded), Work()

    async def intercept_service(
        self,
        continuation: _Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wrap the handler of a method of which something is noted."""
        inner, row = await continuation(handler_call_details), acts.TABLE.get(handler_call_details.method)
        if inner is None or not isinstance(row, Row):
            return inner
        is_demanded = row.demand in self._demanded
        call = _Call(row, self._log, self._work, _why(handler_call_details), is_demanded=is_demanded)
        return call.around(inner)


class _Call:
    """One call, from its first request to its last answer."""

    def __init__(self, row: Row, log: Log, work: Work, why: Why, *, is_demanded: bool) -> None:
        self._row, self._log, self._work, self._why = row, log, work, why
        self._lacks_reason = is_demanded and not why.code
        self._first: Any = None
        self._asked: dict[str, int] = {}
        self._key = Key(row.operation, row.act)
        self._is_noted = False

    def around(self, inner: Handler) -> Handler:
        """The handler of the same kind, with the noting in it."""
        act = wrapping.act_of(inner)
        read: Any = inner.request_deserializer
        write: Any = inner.response_serializer

        def read_noted(data: bytes) -> Any:
            letter = read(data)
            if self._first is None:
                self._first = letter
            for name, count in self._row.asked(letter).items():
                self._asked[name] = self._asked.get(name, 0) + count
            return letter

        def write_noted(letter: Any) -> Any:
            self._tally(letter)
            return write(letter)

        is_tallied = self._row.when is When.TALLIED
        behaviours = {False: self._one(act), True: self._bulk(act) if is_tallied else self._many(act)}
        behaviour: Any = behaviours[bool(inner.response_streaming)]
        return wrapping.same_kind(inner, behaviour, read_noted, write_noted if is_tallied else write)

    def _one(self, act: Any) -> Any:
        async def noted(request: Any, context: _Context) -> Any:
            answer = await act(request, context)
            async with status.told(context):
                await self._answered(answer)
            return answer

        async def one(request: Any, context: _Context) -> Any:
            async with status.told(context):
                self._begin()
            if self._row.operation is Operation.CONSULTATION:
                return await noted(request, context)
            # What is done goes on where the caller hangs up, and so must what is noted of it.
            return await self._work.through(noted(request, context))

        return one

    def _many(self, act: Any) -> Any:
        async def many(request: Any, context: _Context) -> AsyncIterator[Any]:
            async with status.told(context):
                self._begin()
            async with aclosing(act(request, context)) as answers:
                async for answer in answers:
                    if not self._is_noted:
                        async with status.told(context):
                            await self._answered(answer, with_counts=False)
                    if counts := self._row.counts(self._first, answer):
                        self._log.tally(self._key, counts, self._row.what(self._first, answer))
                    yield answer

        return many

    def _bulk(self, act: Any) -> Any:
        def bulk(request: Any, context: _Context) -> Any:
            self._identify()
            return act(self._reasoned(request) if self._lacks_reason else request, context)

        return bulk

    async def _reasoned(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            if self._row.personal(request):
                raise _unreasoned(self._row)
            yield request

    def _begin(self) -> None:
        """Before anything is done; raises Refused where a reason is missing."""
        self._identify()
        is_about_persons = self._row.demand != LOOK_UP or self._row.personal(self._first)
        if self._lacks_reason and is_about_persons:
            raise _unreasoned(self._row)

    def _identify(self) -> None:
        self._key = Key(self._row.operation, self._row.act, who(), to=self._row.to, why=self._why)

    async def _answered(self, answer: Any, *, with_counts: bool = True) -> None:
        row = self._row
        if row.when is When.TALLIED and not row.personal(self._first):
            return  # on its way out
        self._is_noted = True
        if not row.happened(self._first, answer):
            return
        counts = {**self._asked, **row.counts(self._first, answer)} if with_counts else {}
        what = tuple(name if at is None else f"{name}:{at}" for name, at in row.what(self._first, answer))
        key, now_ms = self._key, self._log.now_ms
        why = row.why(self._first)
        why = why if why.code else key.why
        parts = [what[i : i + limits.AUDIT_REFERENCES_MAX] for i in range(0, len(what), limits.AUDIT_REFERENCES_MAX)]
        await self._log.note(
            *(Act(now_ms, row.operation, row.act, key.who, part, counts, to=key.to, why=why) for part in parts or [()]),
            *self._overridden(answer, now_ms),
        )

    def _overridden(self, answer: Any, now_ms: int) -> list[Act]:
        """That the border was passed on somebody's word: the word, whose, and for which entry."""
        words, entry = self._row.allowed(self._first, answer)
        if not words or not entry:
            return []
        why = Why(ALLOWED, words)
        return [Act(now_ms, self._row.operation, ALLOWED, self._key.who, (entry.hex(),), to=self._key.to, why=why)]

    def _tally(self, answer: Any) -> None:
        if self._is_noted:
            return
        counts = {**self._asked, **self._row.counts(self._first, answer)}
        self._asked.clear()
        if counts:
            self._log.tally(self._key, counts, self._row.what(self._first, answer))


def who() -> str:
    """Who calls, as lines have it: people by their own certificates."""
    caller = gate.caller()
    if isinstance(caller, ToolCaller):
        return f"{'person' if caller.is_person else 'tool'}/{caller.name}"
    return audit.ADMINISTRATOR


def _why(details: grpc.HandlerCallDetails) -> Why:
    for name, value in details.invocation_metadata or ():
        if name == WHY and isinstance(value, bytes):
            code, _, text = value[: 4 * limits.AUDIT_WORDS_MAX].decode(errors="replace").partition(" ")
            return Why(code[: limits.AUDIT_WORDS_MAX], text[: limits.AUDIT_WORDS_MAX])
    return audit.NO_REASON


def _unreasoned(row: Row) -> Refused:
    return Refused(
        f"{row.act} takes a justification here",
        next_step='Give one: --justify CODE "WHY". It is noted.',
        field="justify",
    )
