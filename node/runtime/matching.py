"""Matching: look-ups beside each other, and streams of them, answered in order.

Whatever of a stream came while a look-up was under way is looked up together: so a stream of single
values pays for its hops to a thread once for many of them.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace

from node import limits
from node.errors import Refused
from node.exchange import consult, matching
from node.exchange.consult import View
from node.exchange.matching import Question
from node.runtime.link import Clock
from node.runtime.threads import ReadingThreads
from node.runtime.writer import Writer
from node.store import lookup
from node.store.stores import Stores
from node.v1 import tools_pb2

ROSTER_LIFE_MS = 1000  # who is a member is computed from all governance: once a second, and whenever that grows

Asked = tools_pb2.LookUpStreamRequest


class Matching:
    """Everything in it belongs to the event loop's thread."""

    def __init__(self, reading: ReadingThreads, writer: Writer, clock: Clock) -> None:
        self._reading, self._writer, self._clock = reading, writer, clock
        self._seen: View | None = None

    async def look_up(self, request: tools_pb2.LookUpRequest) -> tools_pb2.LookUpResponse:
        """Answer one question; raises Refused."""
        (answer,) = await self._look_up([matching.ask(request)])
        return answer

    async def answer(self, asked: AsyncIterator[Asked]) -> AsyncGenerator[tools_pb2.LookUpStreamResponse, None]:
        """Answer each question, in order; raises Refused for the first that cannot be, after those before it."""
        waiting = _Waiting()
        filling = asyncio.create_task(waiting.fill(asked))
        try:
            while part := await waiting.next_part():
                good = [one for one in part if isinstance(one, _Good)]
                responses = await self._look_up([one.question for one in good])
                for one, response in zip(good, responses, strict=True):
                    yield tools_pb2.LookUpStreamResponse(id=one.id, response=response)
                if isinstance(part[-1], Refused):
                    raise part[-1]
            await filling
        finally:
            filling.cancel()

    async def _look_up(self, questions: Sequence[Question]) -> list[tools_pb2.LookUpResponse]:
        seen = self._view()
        return await self._reading.run(lambda stores: _answers(stores, seen, questions))

    def _view(self) -> View:
        trust, now_ms = self._writer.trust, self._clock.now_ms()
        seen = self._seen
        if seen is None or seen.trust is not trust or not 0 <= now_ms - seen.now_ms < ROSTER_LIFE_MS:
            self._seen = seen = consult.view(trust, self._writer.follows, now_ms)
        return replace(seen, now_ms=now_ms, follows=self._writer.follows, ignores=self._writer.ignores)


def _answers(stores: Stores, seen: View, questions: Sequence[Question]) -> list[tools_pb2.LookUpResponse]:
    with lookup.snapshot(stores.index):
        return [matching.look_up(stores, seen, one) for one in questions]


@dataclass(frozen=True, slots=True)
class _Good:
    """A question that can be answered, which takes less room than its letter did."""

    id: int
    question: Question


class _Waiting:
    """Questions of one stream that were read and not taken yet: at most so many, the rest waits in the network."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[_Good | Refused | None] = asyncio.Queue(limits.QUESTIONS_UNDER_WAY_MAX)

    async def fill(self, asked: AsyncIterator[Asked]) -> None:
        """Read all of them, as there is room, up to the first that cannot be."""
        try:
            async for one in asked:
                read = _read(one)
                await self._queue.put(read)
                if isinstance(read, Refused):
                    return
        except Exception:  # not when cancelled: then nobody takes anything any more
            await self._queue.put(None)
            raise
        await self._queue.put(None)

    async def next_part(self) -> list[_Good | Refused]:
        """At least one question, and those that wait behind it, as many as one look-up has; empty at the end.

        A refusal is the last one there is.
        """
        part: list[_Good | Refused] = []
        values = 0
        while values < limits.VALUES_PER_LOOK_UP_MAX and not (part and self._queue.empty()):
            one = await self._queue.get()
            if one is None:
                if part:
                    self._queue.put_nowait(None)
                break
            part.append(one)
            if isinstance(one, Refused):
                break
            values += one.question.count
        return part


def _read(asked: Asked) -> _Good | Refused:
    try:
        return _Good(asked.id, matching.ask(asked.request))
    except Refused as refused:
        return Refused(f"question {asked.id}: {refused.reason}", next_step=refused.next_step, field=refused.field)
