"""Valid frames that were bent by chance, by the thousand; one seed gives one run."""

from collections.abc import Sequence
from random import Random

import pytest

from tests.hostile import letters, talking
from tests.hostile.conftest import Scene
from tests.hostile.member import Head, Member, declaration
from tests.vectors import wire

SEEDS = (1, 2)
FRAMES = 1_000
AT_A_TIME = 25  # on one stream, which the first of them may end


def valid(me: Member, head: Head, letter: bytes) -> list[bytes]:
    """One of every kind, about things that are there, and that change nothing: the letter is held already."""
    ids = [me.feed_id, head.hash, wire.seed("nothing")]
    return [
        me.hello(),
        letters.frame(letters.ECHO, letters.repeated(1, [letter])),
        letters.entries([letter] * 3),
        letters.digest(ids[1], answer=True),
        letters.heads([letters.row(one, head.seq, head.hash) for one in ids]),
        letters.want([(me.feed_id, 1, head.seq)], ids),
        letters.fork(letter, letter),
        letters.want_payload(head.hash),
        letters.chunk(head.hash, 0, bytes(100), ids),
        letters.chunk_ack(head.hash, 0),
        letters.frame(letters.ABSENT, wire.message({1: head.hash})),
        letters.have(ids, ask=True),
    ]


def bent(random: Random, frames: Sequence[bytes]) -> bytes:
    """One of them, changed in one to four places."""
    data = bytearray(random.choice(frames))
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                data[at:at] = random.randbytes(random.randint(1, 8))
            case 1:
                del data[at : at + random.randint(1, 8)]
            case 2:
                data[at : at + 1] = bytes([random.choice((0, 1, 0x7F, 0x80, 0xFF))])
            case 3:
                data[at:at] = wire.varint(random.choice((2**31, 2**32, 2**63, 2**64 - 1)))
            case 4:
                other = random.choice(frames)
                data[at:at] = other[random.randrange(len(other)) :]
            case _:
                data[at:at] = data[at : at + random.randint(1, 64)]
    return bytes(data)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stream", ["Gossip", "Bulk"])
async def test_bent_frames_change_nothing(scene: Scene, seed: int, stream: str) -> None:
    random = Random(seed)
    async with talking.gossip(scene.victim, scene.me) as talk:
        made = scene.me.sealed(await talk.head(scene.me), 82, declaration("fuzz", bytes(16)))
        assert (await talk.verdict(letters.entries([made.letter])))[1] == ""
        before = await talk.rows()
    honest = {scene.victim.member.feed_id, scene.bystander.member.feed_id}  # they acknowledge what is declared
    frames = valid(scene.me, Head(*before[scene.me.feed_id]), made.letter)
    for _ in range(FRAMES // AT_A_TIME):
        async with talking.connected(scene.victim, scene.me.leaf) as opened:
            talk = talking.begin(opened, stream)
            await talk.say(scene.me.hello(), *[bent(random, frames) for _ in range(AT_A_TIME)])
    async with talking.gossip(scene.victim, scene.me) as talk:
        after = await talk.rows()
    assert after.keys() == before.keys()
    assert {one: after[one] for one in after.keys() - honest} == {one: before[one] for one in before.keys() - honest}
