"""A newcomer that calls itself as somebody else, in letters that look alike."""

import asyncio

from nacl.signing import SigningKey

from node.client import Received
from tests.acts import client, fresh_name
from tests.federation import GUARD_S
from tests.hostile import letters, talking
from tests.hostile.conftest import Scene
from tests.hostile.member import Said, now_ms
from tests.vectors import wire

PLATFORM = 4
LOOK_ALIKE = "Ministry \u0410"  # not the Latin letter
HIDDEN = "Ministry\u200b A"


def newcomer(name: str) -> tuple[SigningKey, bytes, bytes]:
    """Its root key, its inception, and its member id."""
    root, next_root = wire.signing_key(name), wire.signing_key(f"next {name}")
    commitment = wire.digest("next-root", wire.NO_FEDERATION, bytes(next_root.verify_key))
    said: dict[int, int | bytes] = {
        1: bytes(root.verify_key),
        2: commitment,
        3: b"n" * 16,
        4: name.encode(),
        5: PLATFORM,
    }
    inception = wire.message(said)
    return root, inception, wire.digest("inception", wire.NO_FEDERATION, inception)


async def introduced(scene: Scene, name: str) -> Said:
    """Endorsed by the hostile member, who pushes its identity log too; what begins that."""
    root, inception, member_id = newcomer(name)
    accept = wire.message({1: inception, 2: wire.sign(root, "inception", wire.NO_FEDERATION, inception)})
    body = wire.message({1: 1, 2: member_id, 3: 1, 5: now_ms(), 7: 1, 8: 2, 18: accept})
    async with talking.gossip(scene.victim, scene.me) as talk:
        endorsed = scene.me.entry(
            await talk.head(scene.me), kind=34, statement=wire.message({1: member_id, 2: PLATFORM})
        )
        assert (await talk.verdict(letters.entries([endorsed.letter])))[1] == ""
    return scene.me.sign(body, root)


async def test_a_name_with_what_is_not_shown_is_refused(scene: Scene) -> None:
    said = await introduced(scene, HIDDEN)
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert "name-plain" in await talk.fault(letters.entries([said.letter]))
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert await talk.held(said) == []


async def test_a_name_in_letters_that_look_like_others_is_shown_with_them_spelled_out(scene: Scene) -> None:
    """Taken in, for names are their own; what people and programs are shown tells the two apart."""
    said = await introduced(scene, LOOK_ALIKE)
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert (await talk.verdict(letters.entries([said.letter])))[1] == ""
        assert await talk.held(said) == [said.letter]
    async with asyncio.timeout(GUARD_S), client(scene.one) as opened:
        async for event in opened.subscribe(fresh_name(), kinds_wanted=[2]):
            if isinstance(event, Received) and event.entry == said.hash:
                assert event.member_name == r"Ministry \u0410"
                return
