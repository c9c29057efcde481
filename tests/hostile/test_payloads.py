"""Chunks that nobody asked for, or that are wrong; floods of wants. The list still comes, from whoever has it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import sha256

import grpc
import grpc.aio
import pytest

from tests.acts import client, declare, fresh_name, hears, holds, in_step, publish
from tests.hostile import letters, talking
from tests.hostile.conftest import Scene
from tests.hostile.talking import Talk
from tests.vectors import wire

ABORTED = grpc.StatusCode.ABORTED
LARGE = 2 * 4_032  # two full records, three chunks each: none is left over that would be small
DECLARATIONS = 3  # beside a flood: the first may still meet an empty queue
UNKNOWN = [wire.seed(f"no such payload {number}") for number in range(64)]


def values(name: str, count: int = LARGE) -> list[bytes]:
    return [sha256(f"{name} {number}".encode()).digest() for number in range(count)]


async def records(scene: Scene, name: str) -> list[bytes]:
    """What a list of the first honest node was cut into."""
    async with client(scene.one) as opened:
        return sorted([record.entry async for record in opened.export_list(name)])


@pytest.fixture(scope="package", name="large")
def _large(scene: Scene) -> list[bytes]:
    """The records of a list that the victim holds."""
    asyncio.run(publish(scene.one, "large", values("large")))
    found = asyncio.run(records(scene, "large"))
    assert len(found) == 2
    return found


async def test_more_wants_than_allowed_end_the_stream(scene: Scene, large: Sequence[bytes]) -> None:
    async with talking.bulk(scene.victim, scene.me) as talk:
        await talk.say(*[letters.want_payload(large[0])] * 80)
        assert (await talk.end())[0] is ABORTED


async def test_acknowledgements_of_what_was_never_sent_bring_no_more_than_two_chunks_at_a_time(
    scene: Scene, large: Sequence[bytes]
) -> None:
    async with talking.bulk(scene.victim, scene.me) as talk:
        await talk.say(*[letters.want_payload(large[0])] * 60)
        await talk.say(*[letters.chunk_ack(UNKNOWN[0], number) for number in range(500)])
        code, told = await talk.end()
    assert (code, "not sent" in told) == (ABORTED, True)


async def test_chunks_come_with_their_paths_and_no_more_than_two_wait_for_an_answer(
    scene: Scene, large: Sequence[bytes]
) -> None:
    """The only proof that the hostile can also be a plain peer: what it is given leads to the header's root."""
    async with talking.bulk(scene.victim, scene.me) as talk:
        await talk.say(letters.want_payload(large[0]))
        parts = [await talk.hear(letters.CHUNK), await talk.hear(letters.CHUNK)]
        for part in parts:
            assert letters.octets(part, 1) == large[0]
        assert [letters.count(part, 2) for part in parts] == [0, 1]
        await talk.say(letters.chunk_ack(large[0], 0), letters.chunk_ack(large[0], 1))
        third = await talk.hear(letters.CHUNK)
    pieces = [letters.octets(part, 3) for part in (*parts, third)]
    async with talking.gossip(scene.victim, scene.me) as talk:
        await talk.say(letters.want(single=large[:1]))
        letter = letters.several(await talk.hear(letters.ENTRIES), 1)[0]
    header = letters.read(letters.octets(letters.read(letter), 1))
    assert wire.tree(pieces) == letters.octets(header, 14)


@pytest.mark.parametrize("first", [1_000, 2**32 - 1])
async def test_chunks_past_the_end_are_not_sent(scene: Scene, large: Sequence[bytes], first: int) -> None:
    async with talking.bulk(scene.victim, scene.me) as talk:
        await talk.say(letters.want_payload(large[0], first), letters.want_payload(UNKNOWN[0]))
        assert letters.octets(await talk.hear(letters.ABSENT), 1) == UNKNOWN[0]


async def test_chunks_that_nobody_asked_for_are_not_kept(scene: Scene) -> None:
    async with talking.bulk(scene.victim, scene.me) as talk:
        for number in range(300):
            await talk.say(letters.chunk(UNKNOWN[number % 64], number, bytes(65536), [bytes(32)] * 32))
            await talk.hear(letters.CHUNK_ACK)


@pytest.mark.parametrize(
    "frame",
    [letters.have(UNKNOWN), letters.have(UNKNOWN, ask=True), letters.want_payload(UNKNOWN[0])],
    ids=["have", "who has", "want"],
)
async def test_unknown_entries_in_masses_do_not_delay_what_is_urgent(scene: Scene, frame: bytes) -> None:
    async with talking.bulk(scene.victim, scene.me) as talk, _repeated(talk, frame), _drained(talk):
        for number in range(DECLARATIONS):
            title = f"beside a flood {number} {fresh_name()}"
            await declare(scene.one, title)
            await hears(scene.other, title)


@asynccontextmanager
async def _repeated(talk: Talk, frame: bytes) -> AsyncIterator[None]:
    async def repeat() -> None:
        while True:
            await talk.say(frame)
            await asyncio.sleep(0)

    task = asyncio.create_task(repeat())
    yield
    task.cancel()


@asynccontextmanager
async def _drained(talk: Talk) -> AsyncIterator[None]:
    task = asyncio.create_task(talk.end())
    yield
    task.cancel()


# ---- One that claims everything and gives nothing


def wrong(asked: bytes, _: bytes) -> list[bytes]:
    return [letters.chunk(asked, 0, bytes(65536), [bytes(32)])]


def short(asked: bytes, first: bytes) -> list[bytes]:
    return [letters.chunk(asked, 0, first[:-1])]


def stall(_asked: bytes, _first: bytes) -> list[bytes]:
    return []


def misplaced(asked: bytes, first: bytes) -> list[bytes]:
    """The right bytes in a place that is not theirs."""
    return [letters.chunk(asked, 1, first), letters.chunk(asked, 2**32 - 1, first)]


GIVES: dict[str, Callable[[bytes, bytes], list[bytes]]] = {
    "wrong chunks": wrong,
    "a chunk too short": short,
    "nothing": stall,
    "chunks out of place": misplaced,
}


@pytest.mark.parametrize("what", GIVES)
async def test_one_that_claims_everything_and_gives_nothing_keeps_no_list_away(scene: Scene, what: str) -> None:
    """The second honest node comes back late, and asks the hostile first."""
    await asyncio.to_thread(scene.other.stop)
    name, listed = f"late-{fresh_name()}", values(what, 2 * LARGE)
    await publish(scene.one, name, listed)
    claimed = await records(scene, name)
    first = await _first_chunk(scene, claimed[0])
    asked: list[bytes] = []

    async def claim() -> None:
        while True:
            with suppress(*talking.BROKEN, AssertionError, ExceptionGroup):
                async with talking.bulk(scene.bystander, scene.me) as talk, _repeated(talk, letters.have(claimed)):
                    while True:
                        asked.append(letters.octets(await talk.hear(letters.WANT_PAYLOAD), 1))
                        await talk.say(*GIVES[what](asked[-1], first))
            await asyncio.sleep(0.01)

    claiming = asyncio.create_task(claim())
    await asyncio.to_thread(scene.other.start)
    await holds(scene.other, listed)
    await in_step(scene.one, scene.other)
    async with client(scene.other) as opened:
        for start in range(0, len(listed), 1000):
            part = listed[start : start + 1000]
            assert len(await opened.look_up("sha256", part)) == len(part)
    claiming.cancel()
    print(f"{what}: asked {len(asked)} times for {len(set(asked))} of {len(claimed)} records")


async def _first_chunk(scene: Scene, entry: bytes) -> bytes:
    async with talking.bulk(scene.victim, scene.me) as talk:
        await talk.say(letters.want_payload(entry))
        return letters.octets(await talk.hear(letters.CHUNK), 3)
