"""Claims about feeds, and questions about them: nothing is concluded from the first, and the second are bounded."""

import asyncio

import grpc
import pytest

from tests.acts import declare, fresh_name, hears
from tests.hostile import letters, talking
from tests.hostile.conftest import Scene
from tests.hostile.member import Head, Said
from tests.vectors import wire

UNKNOWN = sorted(wire.seed(f"no such feed {number}") for number in range(512))
LARGE = wire.field(77, bytes(1_000_000))  # a field of a later version, which protobuf keeps
FAR = 9_999


@pytest.mark.parametrize(
    "row",
    [
        letters.row(b"x", 1),
        letters.row(b"", 1),
        letters.row(UNKNOWN[0], 1, b"x"),
        letters.row(UNKNOWN[0], 2**40 + 1),
        letters.row(UNKNOWN[0], 2**64 - 1),
    ],
    ids=["a short id", "no id", "a short hash", "a seq above all", "the largest seq"],
)
async def test_rows_of_nonsense_are_the_senders_fault(scene: Scene, row: bytes) -> None:
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert "heads-row" in await talk.fault(letters.heads([row]))


@pytest.mark.parametrize("whole", [True, False])
async def test_a_listing_that_does_not_rise_is_the_senders_fault(scene: Scene, whole: bool) -> None:
    page = letters.heads([letters.row(one, FAR, one) for one in UNKNOWN], whole=whole, last=False)
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert "heads-row" in await talk.fault(page, page)


@pytest.mark.parametrize("whole", [True, False])
async def test_a_listing_of_feeds_without_number_is_listened_to_and_has_no_more_asked_for(
    scene: Scene, whole: bool
) -> None:
    """A hundred thousand of nobody's, more than there was once a bound for; then the rows that the other side has."""
    async with talking.gossip(scene.victim, scene.me) as talk:
        for start in range(200):
            feeds = [(start * 512 + number + 1).to_bytes(32) for number in range(512)]
            await talk.say(letters.heads([letters.row(one, FAR) for one in feeds], whole=whole, last=False))
        await talk.say(letters.heads([], whole=whole))
        wanted = letters.several(await talk.hear(letters.WANT), 1)
        assert 0 < len(wanted) <= 64
        assert scene.me.feed_id in await talk.rows()


async def test_what_a_row_does_not_say_is_not_kept_until_the_last_page(scene: Scene) -> None:
    """Each page has one row, and beside it a megabyte that protobuf would keep as long as the row."""
    async with talking.gossip(scene.victim, scene.me) as talk:
        for number in range(0, 300, 2):
            await talk.say(
                letters.heads([letters.row(UNKNOWN[number], FAR, more=LARGE)], last=False),
                letters.heads([letters.row(UNKNOWN[number + 1], FAR)], last=False, more=LARGE),
            )
        assert scene.me.feed_id in await talk.rows()


@pytest.mark.parametrize("seq", [FAR, 2**40])
async def test_what_is_claimed_and_never_sent_moves_nothing(scene: Scene, seq: int) -> None:
    """The hostile's own feed, the victim's, and five hundred of nobody's; asked for what it claims, it says nothing."""
    me, theirs = scene.me, scene.victim.member
    async with talking.gossip(scene.victim, me) as talk:
        before = await talk.rows()
        claimed = [letters.row(feed, seq, wire.seed("no such entry")) for feed in (me.feed_id, theirs.feed_id)]
        await talk.say(letters.heads([*claimed, *[letters.row(one, seq) for one in UNKNOWN[:500]]]))
        wanted = await talk.hear(letters.WANT)
        assert me.feed_id in {letters.octets(letters.read(one), 1) for one in letters.several(wanted, 1)}
        assert await talk.rows() == before
        made = me.entry(Head(*before[me.feed_id]))
        await talk.say(letters.entries([made.letter]))  # the feed goes on all the same
        assert (await talk.rows())[me.feed_id] == (before[me.feed_id][0] + 1, made.hash)


async def test_feeds_that_are_claimed_in_masses_are_asked_for_in_bounds(scene: Scene) -> None:
    asked = 0
    async with talking.gossip(scene.victim, scene.me) as talk:
        for start in range(100):
            rows = [letters.row(wire.seed(f"{start} {number}"), FAR) for number in range(100)]
            await talk.say(letters.heads(rows))
        await talk.say(letters.digest(talking.NO_DIGEST))
        while True:
            body, fields = letters.opened(await talk.heard())
            asked += len(letters.several(fields, 1)) if body == letters.WANT else 0
            if body == letters.HEADS and letters.count(fields, 2):
                break
    assert asked <= 256


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 0), (2**40, 2**40), (1, 2**40), (9, 2), (2**40, 1)],
    ids=["nothing", "above all", "everything", "backwards", "far backwards"],
)
async def test_a_range_that_no_feed_has_is_answered_with_what_there_is(scene: Scene, first: int, last: int) -> None:
    async with talking.gossip(scene.victim, scene.me) as talk:
        before = await talk.rows()
        for feed_id in (scene.me.feed_id, UNKNOWN[0], b"", b"x" * 1000):
            await talk.say(letters.want([(feed_id, first, last)], [feed_id]))
        assert await talk.rows() == before


@pytest.mark.parametrize(("first", "last"), [(1, 2**40 + 1), (2**63, 2**64 - 1), (2**64 - 1, 1)])
async def test_a_range_beyond_all_places_is_the_askers_fault(scene: Scene, first: int, last: int) -> None:
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert "want-range" in await talk.fault(letters.want([(scene.me.feed_id, first, last)]))


async def _filled(scene: Scene, count: int) -> Head:
    """So many more entries in the hostile's feed."""
    async with talking.gossip(scene.victim, scene.me) as talk:
        head, made = await talk.head(scene.me), list[Said]()
        for _ in range(count):
            made.append(scene.me.entry(head, statement=wire.message({1: 1, 2: bytes([1]) * 32, 4: bytes([1]) * 32})))
            head = Head(head.seq + 1, made[-1].hash)
        for start in range(0, count, 200):
            await talk.say(letters.entries([one.letter for one in made[start : start + 200]]))
        assert await talk.head(scene.me) == head
    return head


async def test_one_who_asks_for_ever_and_never_reads_is_answered_no_faster_than_it_reads(scene: Scene) -> None:
    """What waits for it has a bound; and what others say meanwhile is passed on, as after every test."""
    head = await _filled(scene, 400)
    async with talking.gossip(scene.victim, scene.me) as talk:
        question = letters.want([(scene.me.feed_id, head.seq - 255, head.seq)])
        asking = asyncio.create_task(talk.say(*[question] * 20_000))
        for _ in range(3):
            title = f"beside one that does not read {fresh_name()}"
            await declare(scene.one, title)
            await hears(scene.other, title)
        assert not asking.done()  # 800 MB were asked for, of which some hundred kB are sent
        asking.cancel()


async def test_one_who_never_reads_what_it_did_not_ask_for_is_hung_up_on(scene: Scene) -> None:
    """Each of its digests is answered where it is the other side's; what is new there may change that at any time."""
    for _ in range(3):
        async with talking.gossip(scene.victim, scene.me) as talk:
            theirs = letters.octets(await talk.hear(letters.DIGEST), 1)
            saying = asyncio.create_task(talk.say(*[letters.digest(theirs)] * 20_000))
            while not saying.done():
                if "reads too slowly" in _reasons(await asyncio.to_thread(scene.one.json, "peer", "list")):
                    code, _ = await talk.end()
                    saying.cancel()
                    assert code is not grpc.StatusCode.OK
                    return
    pytest.fail("it is listened to for ever")


def _reasons(peers: list[dict[str, str]]) -> set[str]:
    return {one["reason"] for one in peers}


async def test_entries_that_come_one_by_one_for_ever_keep_nobody_waiting(scene: Scene) -> None:
    """A trickle of one row at a time, of a listing that never ends, on one stream and another."""
    async with talking.bulk(scene.victim, scene.me) as slow, talking.connected(scene.victim, scene.me.leaf) as opened:
        for number in range(200):
            await slow.say(letters.have([UNKNOWN[number]]))
        talk = talking.begin(opened)
        await talk.say(scene.me.hello())
        for number in range(200):
            await talk.say(letters.heads([letters.row(UNKNOWN[number], FAR)], last=False))
            await asyncio.sleep(0)
        assert scene.me.feed_id in await talk.rows()
