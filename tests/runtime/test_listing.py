"""Lists of our own, with everything that runs beside them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from node.content import hashes
from node.errors import Refused
from node.exchange import audiences, consult
from node.exchange.changes import REWRITTEN_AFTER_MS
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import NORMAL, SEALED_RELAY
from node.feed.kinds import Kind
from node.policy.following import Follows
from node.policy.parameters import TEMPLATE
from node.runtime.following import PREVIEW_MS, Following
from node.runtime.link import Clock
from node.runtime.listing import Listing
from node.runtime.reading import Reading
from node.runtime.saying import Saying
from node.runtime.staging import Staging
from node.store import ledger
from node.store.erasures import Erasure, Reason
from node.v1 import record_pb2, tools_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.rules import PLAIN
from tests.runtime.lines import RealClock, Running, join
from tests.simulator.members import federation

GUARD_S = 30
GREEN = record_pb2.Handling(tlp=2)


@dataclass
class Lists:
    """What of a node has to do with lists."""

    running: Running
    saying: Saying
    listing: Listing
    following: Following
    staging: Staging

    async def all(self) -> list[tools_pb2.ListView]:
        """As tools see them."""
        seen = self.saying.view()
        return await self.saying.reading.run(lambda stores: consult.lists(stores, seen, "", exercises=True))


class MovedClock(RealClock):
    """This machine's, put forward; it goes on by a second whenever it is looked at, if so wanted."""

    ahead_ms = step_ms = 0

    def now_ms(self) -> int:
        self.ahead_ms += self.step_ms
        return super().now_ms() + self.ahead_ms


@pytest.fixture(name="clock")
def _clock() -> MovedClock:
    return MovedClock()


def exchange_of(folder: Path, number: int, text: str = PLAIN) -> Exchange:
    folder.mkdir()
    world = federation(25, text.encode())
    return exchange_in(folder, world, world.members[number])


@asynccontextmanager
async def lists_of(
    folder: Path, number: int, clock: Clock, *, follow_all: bool = True, text: str = PLAIN
) -> AsyncIterator[Lists]:
    exchange = exchange_of(folder, number, text)
    exchange.follows = Follows(exchange.reader.member_id, everything=follow_all)
    running, reading = Running(exchange, number, folder, clock), Reading(folder)
    await reading.open()
    saying = Saying(running.peering, running.writer, reading, running.projecting, clock)
    try:
        yield Lists(running, saying, Listing(saying, lambda count: b"r" * count), Following(saying), Staging(folder))
    finally:
        await reading.close()
        await running.stop()


@pytest.fixture(name="node")
async def _node(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Lists]:
    async with lists_of(tmp_path / "node", 0, clock) as node:
        yield node


@pytest.fixture(name="other")
async def _other(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Lists]:
    """One that follows what it chose."""
    async with lists_of(tmp_path / "other", 1, clock, follow_all=False) as other:
        yield other


async def heard(node: Lists, other: Lists) -> str:
    """The other knows a list and has nothing of it: its owner has gone since. What the list is called."""
    await publish(node, 3000)
    join(node.running, other.running)
    assert await other.running.peering.linked(node.running.member_id, GUARD_S)
    async with asyncio.timeout(GUARD_S):
        while other.running.peering.digest != node.running.peering.digest:
            await other.running.peering.compare()
        await other.saying.caught_up(bulk=True)
    node.running.peering.hang_up(other.running.member_id, "gone")
    (view,) = await other.all()
    return view.name


async def test_a_publication_goes_through_where_its_caller_leaves_once_all_items_are_there(node: Lists) -> None:
    digests = b"".join(i.to_bytes(32) for i in range(20_000))
    draft = tools_pb2.ListDraft(name="halle", kind="sha256", handling=GREEN)

    async def call() -> None:
        async with node.staging.open() as staged:
            await staged.add(tools_pb2.Values(kind=hashes.SHA256.name, digests=digests), "")
            await staged.settle()
            await node.listing.publish(draft, staged)

    seen = node.saying.projecting.news.version
    task = asyncio.create_task(call())
    async with asyncio.timeout(GUARD_S):
        while not await node.all():  # its head: from here on others are told; other news is none of it
            seen = await node.saying.projecting.news.newer(seen)
        task.cancel()
        while not (lists := await node.all()) or lists[0].items < 20_000:
            seen = await node.saying.projecting.news.newer(seen)


async def test_nobody_waits_for_a_record_of_a_list_that_was_erased(node: Lists, clock: MovedClock) -> None:
    """Its header stays the last of our lists; whoever waited would keep all lists from being changed."""
    await publish(node, 3)
    feed_id = node.running.writer.feed_id
    last = await node.saying.reading.run(lambda stores: ledger.last_of_lists(stores.ledger, feed_id))
    assert last is not None
    gone = [Erasure(last, clock.now_ms(), Reason.EXPIRY)]
    await node.running.writer.run(lambda exchange: exchange.begin_erasing(gone))
    await node.running.projecting.drop([last])
    async with asyncio.timeout(GUARD_S):
        await node.saying.own_shown()


@pytest.mark.parametrize("field", ["description", "labels", "algorithm_version", "media_type"])
async def test_a_list_whose_words_are_personal_is_refused_before_anything_of_it_is_said(
    node: Lists, field: str
) -> None:
    words = "sagt a.b@example.org"
    with pytest.raises(Refused, match="is an e-mail address") as refused:
        await publish(node, 1, **{field: [words] if field == "labels" else words})
    assert refused.value.field == field
    assert await node.all() == []
    answer = await publish(node, 1, **{field: [words] if field == "labels" else words}, allow_personal="an office's")
    assert answer.added == 1


async def test_urls_that_are_staged_for_others_are_looked_through(node: Lists) -> None:
    urls = tools_pb2.Values(kind="url", texts=["https://a.example/1", "https://203.0.113.5/"])
    async with node.staging.open() as staged:
        await staged.add(urls, "")
        staged.for_others = True
        with pytest.raises(Refused, match="item 4: the host of the url is an IP address") as refused:
            await staged.add(urls, "")
    assert refused.value.field == "values"


async def test_whatever_is_said_here_is_looked_through_and_then_signed(node: Lists) -> None:
    crisis = record_pb2.Crisis(title="Anruf von: +49 30 901820", ends_ms=node.saying.clock.now_ms() + 3_600_000)
    record = record_pb2.Record(kind=Kind.DECLARATION, object_id=b"c" * 16, handling=GREEN, crisis=crisis)
    draft = Draft(Kind.DECLARATION, record=record.SerializeToString(), object_id=b"c" * 16, expires_ms=crisis.ends_ms)
    with pytest.raises(Refused, match="title: character 12 to 24 is a telephone number"):
        await node.saying.say([draft], 0)
    await node.saying.say([replace(draft, allowed="of a public office")], 0)


@pytest.mark.parametrize(
    ("declared", "exercise", "words"),
    [
        ({"exercise": True}, False, "an exercise, and the list is none"),
        ({}, True, "no exercise, and the list is one"),
        ({"audience": record_pb2.Audience(roles=[1])}, False, "alone, and all members see a list"),
    ],
    ids=["real list of a drill", "drill list of a crisis", "list of a crisis for some"],
)
async def test_a_list_belongs_to_no_crisis_that_is_for_others_than_it_is(
    node: Lists, declared: dict[str, Any], exercise: bool, words: str
) -> None:
    ends_ms = node.saying.clock.now_ms() + 3_600_000
    crisis = record_pb2.Crisis(title="Shooting", framework=record_pb2.Reference(name="eu-ocrf"), ends_ms=ends_ms)
    record = record_pb2.Record(kind=Kind.DECLARATION, object_id=b"c" * 16, handling=GREEN, crisis=crisis, **declared)
    seen = node.saying.view()
    readers = audiences.readers(record.audience, seen) if record.HasField("audience") else ()
    draft = Draft(
        Kind.DECLARATION,
        record=record.SerializeToString(),
        object_id=b"c" * 16,
        expires_ms=ends_ms,
        exercise=record.exercise,
        carriage=SEALED_RELAY if readers else 0,
        readers=readers,
    )
    await node.saying.say_visibly([draft], NORMAL)
    with pytest.raises(Refused, match=words) as refused:
        await publish(node, 3, crisis=(b"c" * 16).hex(), exercise=exercise)
    assert refused.value.field == "crisis"
    assert not await node.all()
    if not record.HasField("audience"):
        await publish(node, 3, crisis=(b"c" * 16).hex(), exercise=not exercise)


async def publish(node: Lists, count: int, **fields: object) -> tools_pb2.PublishListResponse:
    draft = tools_pb2.ListDraft(name="halle", kind="sha256", handling=GREEN, **fields)  # type: ignore[arg-type]
    async with node.staging.open() as staged:
        await staged.add(digests(0, count), "")
        await staged.settle()
        return await node.listing.publish(draft, staged)


def digests(first: int, last: int) -> tools_pb2.Values:
    return tools_pb2.Values(kind="sha256", digests=b"".join(i.to_bytes(32) for i in range(first, last)))


async def test_a_list_that_ends_just_when_what_is_left_of_it_is_written_anew_stops_nothing(
    node: Lists, clock: MovedClock
) -> None:
    ends_ms = clock.now_ms() + REWRITTEN_AFTER_MS + 60_000
    await publish(node, 100, expires_ms=ends_ms)
    async with node.staging.open() as staged:
        await staged.add(digests(0, 1), "")
        await staged.settle()
        await node.listing.remove(tools_pb2.Removal(list="halle", reason=4), staged)
    clock.ahead_ms, clock.step_ms = ends_ms - clock.now_ms() - 1500, 1000  # it ends at the second look
    assert await node.listing.rewrite_due() == 0


async def test_a_list_that_is_let_go_while_it_is_compared_is_not_said_to_have_nothing_in_common(
    node: Lists, other: Lists
) -> None:
    name = await heard(node, other)
    async with asyncio.timeout(GUARD_S), other.staging.open() as staged:
        await staged.settle()
        answers = other.following.compare(tools_pb2.Comparison(list=name, fetch=True), staged)
        first = await anext(answers)
        assert (first.progress.following, first.progress.missing) == ("previewed", 1)
        await other.following.follow(tools_pb2.FollowListRequest(list=name, follow=False))
        with pytest.raises(Refused, match="let go while it was compared"):
            async for _ in answers:
                pass


async def test_a_preview_overrules_no_decision(node: Lists, other: Lists) -> None:
    name = await heard(node, other)
    async with asyncio.timeout(GUARD_S), other.staging.open() as staged:
        await staged.settle()
        preview = other.following.compare(tools_pb2.Comparison(list=name, fetch=True), staged)
        await asyncio.gather(
            other.following.follow(tools_pb2.FollowListRequest(list=name, follow=True)), anext(preview)
        )
    assert [one.following for one in await other.all()] == ["followed"]


async def test_a_list_that_was_let_go_against_a_configuration_that_follows_all_stays_so_after_a_preview(
    node: Lists, other: Lists, clock: MovedClock
) -> None:
    other.running.exchange.follows = Follows(other.running.member_id, everything=True)
    name = await heard(node, other)
    await other.following.follow(tools_pb2.FollowListRequest(list=name, follow=False))
    async with other.staging.open() as staged:
        await staged.settle()
        await anext(other.following.compare(tools_pb2.Comparison(list=name, fetch=True), staged))
    assert [one.following for one in await other.all()] == ["previewed"]
    clock.ahead_ms += 2 * PREVIEW_MS
    tidying = asyncio.create_task(other.following.tidy())
    async with asyncio.timeout(GUARD_S):
        async for view in other.following.watch(name):
            if view.following != "previewed":
                break
    tidying.cancel()
    assert [one.following for one in await other.all()] == ["offered"]


async def test_a_list_is_said_in_the_words_of_the_rules_and_taken_back_without_any(
    tmp_path: Path, clock: MovedClock
) -> None:
    async with lists_of(tmp_path / "worded", 0, clock, text=TEMPLATE) as node:
        with pytest.raises(Refused, match="no label is given"):
            await publish(node, 3)
        assert not await node.all()
        said = {"labels": ["livestream"], "exemptions": ["news"], "ground": "broadcast by the attacker"}
        await publish(node, 3, **said)
        await publish(node, 4)  # what is left open is as before
        (view,) = await node.all()
        assert (view.items, *view.list.labels, *view.list.exemptions) == (4, "livestream", "news")
        assert view.list.ground == "broadcast by the attacker"
        async with node.staging.open() as staged:
            await staged.add(digests(0, 1), "")
            await staged.settle()
            await node.listing.remove(tools_pb2.Removal(list="halle", reason=4), staged)
        (view,) = await node.all()
        assert (view.items, *view.list.labels, *view.list.exemptions) == (3, "livestream", "news")
        await publish(node, 4, exemptions=["none-known"])
        (view,) = await node.all()
        assert view.list.exemptions == ["none-known"]
