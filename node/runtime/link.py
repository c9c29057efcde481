"""One stream to one peer, and what waits to be sent over it."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, Self

from node import limits
from node.feed.header import URGENT
from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.v1 import header_pb2, peer_pb2

SLOW = "reads too slowly"
ROOM_S = limits.STALL_S  # after this the peer asks elsewhere for what it wants
HUNG_UP, CUT = "the peer hung up", "no answer: the connection was cut"
UNSURE = "not approved there yet, or not with our present card"  # TLS 1.3 does not tell which, nor a cut from either
PROGRAM_CHARACTERS_MAX = 64
AHEAD_MS_MAX = 10**12  # thirty years: a clock that is further off says nothing more by it
FAREWELL_S = 1.0  # how long a peer that we hang up on may take to read why
_Waiting = tuple[bool, int, peer_pb2.Frame | None]  # whether behind what is urgent, and its place there; None: a page


@dataclass(frozen=True, slots=True)
class Heard:
    """What a peer said of itself, and how far its clock was ahead of ours then."""

    program: str
    clock_ahead_ms: int

    @classmethod
    def of(cls, hello: peer_pb2.Hello, now_ms: int) -> Self:
        """Bounded, as it is shown to people."""
        ahead_ms = max(-AHEAD_MS_MAX, min(hello.now_ms - now_ms, AHEAD_MS_MAX))
        return cls(hello.program[:PROGRAM_CHARACTERS_MAX], ahead_ms)


class Clock(Protocol):
    """The two clocks: one for timers, one for dates."""

    def monotonic_s(self) -> float:
        """Never goes back."""
        ...

    def now_ms(self) -> int:
        """Milliseconds since 1970, as this machine believes."""
        ...


class Link(Protocol):
    """One stream to one peer, accepted or dialled: both look the same."""

    peer: MemberId
    stream: Stream
    dialler: MemberId  # whoever opened it: of two links for one stream the one by the smaller id stays

    def frames(self) -> AsyncIterator[peer_pb2.Frame]:
        """What the peer says, until it hangs up; raises Unavailable where the connection broke."""
        ...

    async def send(self, frame: peer_pb2.Frame) -> None:
        """Say something; waits while the transport is full; raises Unavailable."""
        ...


def _is_urgent(frame: peer_pb2.Frame) -> bool:
    return frame.HasField("entries") and frame.entries.lane == URGENT


class Outbox:
    """What one link still has to send. Bounded: a peer that does not read is hung up on."""

    def __init__(self, link: Link, told: Callable[[peer_pb2.Frame], None] = lambda _: None) -> None:
        self.link = link
        self._told = told  # hears of all that is to leave
        self.reason = ""
        self._queue: asyncio.PriorityQueue[_Waiting] = asyncio.PriorityQueue(limits.OUTBOX_FRAMES_MAX)
        self._order = itertools.count()
        self._pages: deque[Iterator[peer_pb2.Frame]] = deque()
        self._overtaking = Counter[bytes]()  # entries of each feed that went before what waited, since nothing did
        self._bytes = 0
        self._ended = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, frame: peer_pb2.Frame) -> None:
        """Send it after what waits already, lane 0 before all else; or hang up."""
        for part, goes_first in self._in_turn(frame):
            if self._queue.full() or self._bytes + part.ByteSize() > limits.OUTBOX_BYTES_MAX:
                self.end(SLOW)
                return
            self._enqueue(part, goes_first=goes_first)
            self._count(part)

    def _in_turn(self, frame: peer_pb2.Frame) -> Iterator[tuple[peer_pb2.Frame, bool]]:
        """What goes before all that waits, which is the hello, too, before which nothing may be said; then the rest."""
        if not _is_urgent(frame):
            yield frame, frame.HasField("hello")
            return
        if self._queue.empty():
            self._overtaking.clear()
        first, rest = list[header_pb2.SignedEntry](), list[header_pb2.SignedEntry]()
        for one in frame.entries.entries:
            (first if self._queue.empty() or self._may_overtake(one) else rest).append(one)
        if not rest:
            yield frame, True
            return
        for part in filter(None, (first, rest)):
            yield peer_pb2.Frame(entries=peer_pb2.Entries(entries=part, lane=URGENT)), part is first

    def _may_overtake(self, one: header_pb2.SignedEntry) -> bool:
        """Whoever reads it keeps no more of a feed above what waits here, and would have to ask for it again."""
        feed_id = header_pb2.Header.FromString(one.header).feed_id
        self._overtaking[feed_id] += 1
        return self._overtaking[feed_id] <= limits.AHEAD_PER_FEED_MAX

    def _enqueue(self, frame: peer_pb2.Frame | None, *, goes_first: bool = False) -> None:
        self._queue.put_nowait((not goes_first, next(self._order), frame))

    def put_pages(self, frames: Iterator[peer_pb2.Frame]) -> None:
        """Send these behind what waits, each made only then: however many they are, they fill nothing."""
        if self._queue.full():
            self.end(SLOW)
            return
        self._pages.append(frames)
        if len(self._pages) == 1:
            self._enqueue(None)

    def _count(self, frame: peer_pb2.Frame) -> None:
        self._bytes += frame.ByteSize()
        if self._bytes > limits.OUTBOX_BYTES_MAX // 2:
            self._room.clear()
        self._told(frame)

    @property
    def waiting(self) -> tuple[int, int]:
        """How many frames and bytes still have to be sent."""
        return self._queue.qsize(), self._bytes

    async def room(self) -> bool:
        """Wait whether what was asked for may follow, or the link is over; what is urgent does not ask.

        Not for ever: whoever waits reads nothing meanwhile, and where both ends wait neither would go on.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(ROOM_S):
                await self._room.wait()
        return self._room.is_set()

    def end(self, reason: str) -> None:
        """Hang up; the first reason counts."""
        self.reason = self.reason or reason
        self._ended.set()
        self._room.set()

    async def drain(self) -> None:
        """Send whatever comes, until the link is to end; what waited then may still leave."""
        sending = asyncio.create_task(self._send_all())
        waiting: list[asyncio.Task[object]] = [asyncio.create_task(self._ended.wait())]
        try:
            await asyncio.wait({sending, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done() and self._bytes:
                waiting.append(asyncio.create_task(self._queue.join()))
                both = {sending, waiting[-1]}
                await asyncio.wait(both, timeout=FAREWELL_S, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, *waiting):
                task.cancel()

    async def _send_all(self) -> None:
        while True:
            _, _, waited = await self._queue.get()
            frame = waited or self._next_page()
            if frame is not None:
                await self.link.send(frame)
                self._bytes -= frame.ByteSize()
            if self._bytes <= limits.OUTBOX_BYTES_MAX // 2:
                self._room.set()
            self._queue.task_done()

    def _next_page(self) -> peer_pb2.Frame | None:
        """The next page; the one behind it waits behind all that has come meanwhile."""
        while self._pages and not self.reason:
            frame = next(self._pages[0], None)
            if frame is not None:
                self._enqueue(None)  # into the place that was left just now
                self._count(frame)
                return frame
            self._pages.popleft()
        return None
