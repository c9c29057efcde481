"""Look-ups on their way to the node: one question, and a stream of them with so many under way."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from typing import TypeAlias

from node import limits
from node.client.checking import Unverified
from node.content.hashes import Value
from node.v1 import tools_pb2

Batches: TypeAlias = Iterable[Sequence[Value]] | AsyncIterable[Sequence[Value]]


def question(kind: str, values: Sequence[Value]) -> tools_pb2.LookUpRequest:
    """Values of one kind as they are asked for. The node refuses what its kind cannot be."""
    return tools_pb2.LookUpRequest(
        kind=kind,
        values=[value for value in values if isinstance(value, bytes)],
        texts=[value for value in values if isinstance(value, str)],
    )


class Asking:
    """One stream of look-ups. Batches are taken as there is room for them, and answered in order."""

    def __init__(self, kind: str, batches: Batches) -> None:
        self._kind, self._batches = kind, batches
        self._room = asyncio.Semaphore(limits.QUESTIONS_UNDER_WAY_MAX)
        self._sent: deque[Sequence[Value]] = deque()
        self._answered = 0
        self._fault: Exception | None = None

    async def requests(self) -> AsyncGenerator[tools_pb2.LookUpStreamRequest, None]:
        """All batches. What they raise ends them, and waits for `finish`: gRPC would swallow it."""
        number = 0
        try:
            async with aclosing(_each(self._batches)) as batches:
                await self._room.acquire()
                async for batch in batches:
                    self._sent.append(batch)
                    yield tools_pb2.LookUpStreamRequest(id=number, request=question(self._kind, batch))
                    number += 1
                    await self._room.acquire()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where it is heard
            self._fault = error

    def answered(self, number: int) -> Sequence[Value]:
        """The batch that this answers; raises Unverified where it is not the next one's turn."""
        if not self._sent or number != self._answered:
            raise Unverified("the node answered a question that was not the next")
        self._answered += 1
        self._room.release()
        return self._sent.popleft()

    def finish(self) -> None:
        """After the last answer: raise what the batches raised, and Unverified where answers are missing."""
        if self._fault is not None:
            raise self._fault
        if self._sent:
            raise Unverified("the node left questions without an answer")


async def _each(batches: Batches) -> AsyncGenerator[Sequence[Value], None]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield batch
    else:
        for batch in batches:
            yield batch
