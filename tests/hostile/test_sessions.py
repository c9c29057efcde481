"""Frames that are no frames, or stand where they may not."""

import asyncio
from collections.abc import Callable
from random import Random

import grpc
import pytest

from tests.hostile import letters, talking
from tests.hostile.conftest import Scene
from tests.hostile.member import Member
from tests.hostile.talking import Talk
from tests.vectors import wire

ABORTED = grpc.StatusCode.ABORTED
TALKS_MAX = 12  # at once: a member has no more than sixteen calls open
UNKNOWN = [wire.seed(f"unknown {number}") for number in range(512)]

WRONG: dict[str, tuple[Callable[[Member], list[bytes]], str]] = {
    "entries before hello": (lambda me: [letters.entries([])], "frame-place"),
    "a want before hello": (lambda me: [letters.want(single=UNKNOWN[:1])], "frame-place"),
    "two hellos": (lambda me: [me.hello(), me.hello()], "frame-place"),
    "hello of another member": (lambda me: [me.hello(member_id=UNKNOWN[0])], "another member's"),
    "hello of no member": (lambda me: [me.hello(member_id=b"")], "another member's"),
    "hello of another federation": (lambda me: [me.hello(federation_id=UNKNOWN[0])], "another federation"),
    "versions above ours": (lambda me: [me.hello(version_min=2, version_max=9)], "no common version"),
    "versions below ours": (lambda me: [me.hello(version_min=0, version_max=0)], "no common version"),
    "versions the wrong way round": (lambda me: [me.hello(version_min=9, version_max=1)], "no common version"),
    "a chunk on gossip": (lambda me: [me.hello(), letters.chunk(UNKNOWN[0], 0, b"x")], "frame-place"),
    "entries over count": (lambda me: [me.hello(), letters.entries([wire.message({1: b"x"})] * 257)], "frame-size"),
    "rows over count": (
        lambda me: [me.hello(), letters.heads([letters.row(one, 1) for one in [*UNKNOWN, bytes(32)]])],
        "frame-size",
    ),
    "wants over count": (lambda me: [me.hello(), letters.want([(UNKNOWN[0], 1, 2)] * 33, UNKNOWN[:32])], "frame-size"),
    "echoes over count": (
        lambda me: [me.hello(), letters.frame(letters.ECHO, letters.repeated(1, [b"\x0a\x01x"] * 65))],
        "frame-size",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_it_is_hung_up_on_with_a_reason(scene: Scene, what: str) -> None:
    make, reason = WRONG[what]
    async with talking.unheard(scene.victim, scene.me) as talk:
        assert reason in await talk.fault(*make(scene.me))


BULK_WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "entries on bulk": (lambda: letters.entries([]), "frame-place"),
    "a long path": (lambda: letters.chunk(UNKNOWN[0], 0, b"x", [bytes(32)] * 33), "frame-size"),
    "an entry without a name": (lambda: letters.want_payload(b"x"), "frame-size"),
    "more that is here than fits": (lambda: letters.have(UNKNOWN[:65]), "frame-size"),
    "an acknowledgement of nothing": (lambda: letters.chunk_ack(UNKNOWN[0], 0), "not sent"),
}


@pytest.mark.parametrize("what", BULK_WRONG)
async def test_it_is_hung_up_on_over_bulk_too(scene: Scene, what: str) -> None:
    make, reason = BULK_WRONG[what]
    async with talking.bulk(scene.victim, scene.me) as talk:
        assert reason in await talk.fault(make())


async def test_a_frame_that_is_not_known_is_passed_over(scene: Scene) -> None:
    async with talking.unheard(scene.victim, scene.me) as talk:
        await talk.say(letters.frame(99, b"of a later version"))
        await talk.say(scene.me.hello(), letters.frame(99, b"of a later version"))
        assert scene.me.feed_id in await talk.rows()


@pytest.mark.parametrize("bytes_", [(1 << 20) + (64 << 10) + 1, 64 << 20], ids=["over the bound", "64 MiB"])
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip], ids=["", "packed"])
async def test_a_message_that_is_too_large_ends_the_stream_and_is_not_kept(
    scene: Scene, bytes_: int, compression: grpc.Compression
) -> None:
    for _ in range(4):
        async with (
            asyncio.timeout(talking.FAULT_GUARD_S),
            talking.connected(scene.victim, scene.me.leaf) as opened,
        ):
            talk = talking.begin(opened, compression=compression)
            await talk.say(scene.me.hello(), letters.frame(99, bytes(bytes_)))
            code, _ = await talk.end()
            assert code is not grpc.StatusCode.OK


async def test_bytes_that_are_no_message_end_the_stream(scene: Scene) -> None:
    random = Random(28)
    for size in (1, 2, 10, 100, 10_000):
        async with talking.unheard(scene.victim, scene.me) as talk:
            await talk.say(b"\xff" + random.randbytes(size))
            code, _ = await talk.end()
            assert code is not grpc.StatusCode.OK


async def test_what_a_peer_says_of_itself_cannot_steer_a_terminal(scene: Scene) -> None:
    async with talking.unheard(scene.victim, scene.me) as talk:
        await talk.say(scene.me.hello(program=b"\x1b[2J\xe2\x80\xae[bold]evil\x07\n" + b"x" * 100_000))
        await talk.hear(letters.HELLO)
        shown = scene.one.cli("peer", "list").stdout
    assert "evil" in scene.one.cli("peer", "list", "--json").stdout or "evil" not in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert max(map(len, shown.splitlines())) < 1000


async def test_a_name_that_ends_its_own_stream_again_and_again_gets_one_link(scene: Scene) -> None:
    async with talking.connected(scene.victim, scene.me.leaf) as opened:
        talks: list[Talk] = []
        for _ in range(200):
            talks.append(talking.begin(opened))
            await talks[-1].say(scene.me.hello())
            await talks[-1].hear(letters.HELLO)
            if len(talks) == TALKS_MAX:
                for talk in talks[:-1]:
                    assert await talk.end() == (ABORTED, "replaced by a newer link")
                del talks[:-1]
        assert scene.me.feed_id in await talks[-1].rows()
