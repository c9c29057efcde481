import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from node import limits
from node.feed.header import HISTORY, NORMAL, URGENT
from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.runtime import link as links
from node.runtime.link import Outbox
from node.v1 import header_pb2, peer_pb2

GUARD_S = 30


class Stuck:
    """A link over which nothing leaves."""

    peer = dialler = MemberId(bytes(32))
    stream = Stream.GOSSIP

    async def frames(self) -> AsyncIterator[peer_pb2.Frame]:
        await asyncio.Event().wait()
        yield peer_pb2.Frame()

    async def send(self, frame: peer_pb2.Frame) -> None:
        await asyncio.Event().wait()


async def test_a_peer_that_does_not_read_why_it_is_hung_up_on_leaves_nothing_running() -> None:
    outbox = Outbox(Stuck())
    outbox.put(peer_pb2.Frame(bye=peer_pb2.Bye(reason="why")))
    outbox.end("why")
    async with asyncio.timeout(GUARD_S):
        await outbox.drain()
    await asyncio.sleep(0)  # what was cancelled ends
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Reading(Stuck):
    """A link whose other end reads a frame whenever it is let."""

    def __init__(self) -> None:
        self.read, self.may = list[int](), asyncio.Semaphore(0)
        self.sent = list[peer_pb2.Frame]()

    async def send(self, frame: peer_pb2.Frame) -> None:
        await self.may.acquire()
        self.sent.append(frame)
        self.read.append(frame.digest.rows)


class Noting(Stuck):
    """A link whose other end reads all."""

    def __init__(self) -> None:
        self.sent = list[peer_pb2.Frame]()

    async def send(self, frame: peer_pb2.Frame) -> None:
        self.sent.append(frame)


def pages(first: int, last: int, made: list[int]) -> Iterator[peer_pb2.Frame]:
    for number in range(first, last + 1):
        made.append(number)
        yield frame(number)


def frame(number: int) -> peer_pb2.Frame:
    return peer_pb2.Frame(digest=peer_pb2.Digest(rows=number))


async def test_a_listing_of_any_length_fills_no_outbox_and_what_comes_meanwhile_goes_before_its_next_page() -> None:
    link, made = Reading(), list[int]()
    outbox = Outbox(link)
    outbox.put_pages(pages(1, 10 * limits.OUTBOX_FRAMES_MAX, made))
    draining = asyncio.create_task(outbox.drain())
    for number in (-1, -2, -3):
        outbox.put(frame(2**32 + number))
    async with asyncio.timeout(GUARD_S):
        while len(link.read) < 6:
            assert len(made) <= len(link.read) + 1
            assert outbox.waiting[0] <= 5
            link.may.release()
            await asyncio.sleep(0)
    assert link.read == [1, 2**32 - 1, 2**32 - 2, 2**32 - 3, 2, 3]
    outbox.end("over")
    async with asyncio.timeout(GUARD_S):
        link.may.release()
        await draining
    assert len(made) <= 8, "nothing more is made for who is hung up on"
    assert outbox.reason == "over"


async def test_one_listing_is_sent_behind_the_other() -> None:
    link, made = Reading(), list[int]()
    outbox = Outbox(link)
    outbox.put_pages(pages(1, 2, made))
    outbox.put_pages(pages(3, 4, made))
    draining = asyncio.create_task(outbox.drain())
    async with asyncio.timeout(GUARD_S):
        while len(link.read) < 4:
            link.may.release()
            await asyncio.sleep(0)
        outbox.put_pages(pages(5, 5, made))  # all others have left
        while len(link.read) < 5:
            link.may.release()
            await asyncio.sleep(0)
    assert link.read == [1, 2, 3, 4, 5]
    assert outbox.waiting[1] == 0
    outbox.end("over")
    await draining


def entries(lane: int) -> peer_pb2.Frame:
    return peer_pb2.Frame(entries=peer_pb2.Entries(lane=lane))


async def test_what_is_urgent_goes_before_all_that_waits_but_the_hello() -> None:
    """However much of drills waits for a peer that reads slowly: none of it is in lane 0."""
    link, hello = Noting(), peer_pb2.Frame(hello=peer_pb2.Hello(version_max=1))
    outbox = Outbox(link)
    for one in (hello, entries(NORMAL), frame(1), entries(URGENT), entries(HISTORY), entries(URGENT)):
        outbox.put(one)
    outbox.end("over")
    async with asyncio.timeout(GUARD_S):
        await outbox.drain()
    assert link.sent == [hello, entries(URGENT), entries(URGENT), entries(NORMAL), frame(1), entries(HISTORY)]
    assert outbox.waiting == (0, 0)


def urgent(feed: bytes, *places: int) -> peer_pb2.Frame:
    headers = [header_pb2.Header(feed_id=feed * 32, seq=seq).SerializeToString() for seq in places]
    return peer_pb2.Frame(
        entries=peer_pb2.Entries(entries=[header_pb2.SignedEntry(header=one) for one in headers], lane=URGENT)
    )


async def test_of_a_feed_no_more_goes_before_what_waits_than_its_reader_keeps_above_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "AHEAD_PER_FEED_MAX", 3)
    link = Reading()
    outbox = Outbox(link)
    for one in (entries(NORMAL), urgent(b"a", 2, 3), urgent(b"a", 4, 5), urgent(b"b", 2), urgent(b"a", 6)):
        outbox.put(one)
    draining = asyncio.create_task(outbox.drain())
    first = [urgent(b"a", 2, 3), urgent(b"a", 4), urgent(b"b", 2), entries(NORMAL), urgent(b"a", 5), urgent(b"a", 6)]
    async with asyncio.timeout(GUARD_S):
        while len(link.sent) < len(first):
            link.may.release()
            await asyncio.sleep(0)
        assert link.sent == first
        anew = (urgent(b"a", 7, 8, 9, 10), entries(NORMAL), urgent(b"a", 11))  # nothing waits before these
        for one in anew:
            outbox.put(one)
        outbox.end("over")
        while len(link.sent) < len(first) + len(anew):
            link.may.release()
            await asyncio.sleep(0)
    assert link.sent[len(first) :] == [anew[0], anew[2], anew[1]]
    await draining


async def test_nobody_waits_for_room_for_ever_for_both_ends_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "ROOM_S", 0.01)
    outbox = Outbox(Stuck())
    assert await outbox.room()
    half = peer_pb2.Frame(chunk=peer_pb2.Chunk(data=bytes(limits.OUTBOX_BYTES_MAX // 2)))
    outbox.put(half)
    async with asyncio.timeout(GUARD_S):
        assert not await outbox.room()
    outbox.end("it is over")
    assert await outbox.room()
