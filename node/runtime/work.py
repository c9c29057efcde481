"""Work that goes on to its end, even where whoever asked for it leaves: what was begun must be told whole."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


class Work:
    """Tasks under way; the event loop itself would forget them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self, work: Coroutine[object, object, Result]) -> asyncio.Task[Result]:
        """Begin it beside the caller."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def through(self, work: Coroutine[object, object, Result]) -> Result:
        """Wait for its end; a caller that is cancelled meanwhile does not end it."""
        return await asyncio.shield(self.start(work))
