"""What is said of others' items, and what is ignored, with everything that runs beside them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node import limits
from node.content import names
from node.custody import files
from node.errors import Refused
from node.exchange import opining
from node.exchange.changes import REWRITTEN_AFTER_MS
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.policy.opinions import Verdict
from node.policy.parameters import TEMPLATE
from node.runtime.duties import Duties
from node.runtime.holding import Holding
from node.runtime.ignoring import Ignoring
from node.runtime.opining import Opining
from node.runtime.preserving import Preserving
from node.runtime.sweeping import Sweeping
from node.store import ignored, index
from node.store.index import Record
from node.store.vault import Vault
from node.v1 import ignores_pb2, opinions_pb2, tools_pb2
from tests.runtime.lines import join
from tests.runtime.test_listing import GUARD_S, Lists, MovedClock, digests, lists_of, publish

DAY_MS = 86_400_000
VALUE = tools_pb2.Values(kind="sha256", digests=b"v" * 32)


@pytest.fixture(name="clock")
def _clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(name="node")
async def _node(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Lists]:
    async with lists_of(tmp_path / "node", 0, clock) as node:
        yield node


async def test_a_value_is_kept_five_years_at_most_and_goes_at_its_end(
    node: Lists, clock: MovedClock, tmp_path: Path
) -> None:
    parts = node.running
    vault = Vault(tmp_path / "node", files.replace_secret)
    reading = node.saying.reading
    preserving = Preserving(vault, bytes, parts.writer, reading, clock, lambda count: b"h" * count)
    sweeping = Sweeping(parts.writer, parts.projecting, reading, preserving, clock, lambda: True)
    ignoring = Ignoring(node.saying, sweeping, lambda count: b"i" * count)
    made = await ignoring.ignore(ignores_pb2.IgnoreRequest(value=VALUE), "person/anna")
    assert made.until_ms - made.made_ms == limits.LIFE_MS_MAX
    assert made.by == "person/anna"
    again = await ignoring.ignore(ignores_pb2.IgnoreRequest(value=VALUE, until_ms=clock.now_ms() + DAY_MS), "x")
    assert again.id == made.id
    await sweeping.sweep()
    assert [one.id for one in await ignoring.every()] == [made.id]
    clock.ahead_ms = DAY_MS + 1000
    assert await ignoring.every() == []
    await sweeping.sweep()
    assert not parts.writer.ignores.every
    assert await node.saying.reading.run(lambda stores: ignored.every(stores.ledger)) == []
    with pytest.raises(Refused, match="no decision"):
        await ignoring.end(made.reference)


async def test_the_label_that_is_meant_is_a_word_of_the_rules(tmp_path: Path, clock: MovedClock) -> None:
    async with lists_of(tmp_path / "worded", 0, clock, text=TEMPLATE) as node:
        request = opinions_pb2.OpineRequest(about=["halle"], verdict=Verdict.WRONG_LABEL, label="terror")
        with pytest.raises(Refused, match="no label 'terror'"):
            await Opining(node.saying).opine(request)
        request.label = "propaganda"
        with pytest.raises(Refused, match="halle"):
            await Opining(node.saying).opine(request)


async def test_what_is_said_twice_is_said_once_and_its_owner_hears_it(
    tmp_path: Path, node: Lists, clock: MovedClock
) -> None:
    await publish(node, 3)
    async with lists_of(tmp_path / "other", 1, clock) as other:
        join(node.running, other.running)
        assert await other.running.peering.linked(node.running.member_id, GUARD_S)
        async with asyncio.timeout(GUARD_S):
            while not (lists := await other.all()) or lists[0].items < 3:
                await other.running.peering.compare()
                await other.saying.caught_up(bulk=True)
        request = opinions_pb2.OpineRequest(about=[lists[0].name], verdict=Verdict.AGREE)
        saying = Opining(other.saying)
        first, second = await asyncio.gather(saying.opine(request), saying.opine(request))
        assert sorted((first.said, second.said)) == [0, 1]
        assert [one.obstacle for one in first.opinions] == [""]
        asked = opinions_pb2.ListOpinionsRequest(mine=True)
        async with asyncio.timeout(GUARD_S):
            while not (await heard(node, asked)).opinions:
                await node.running.peering.compare()
        (found,) = (await heard(node, asked)).opinions
        assert (found.about, found.kind, found.mine) == (lists[0].name, "list", True)
        with pytest.raises(Refused, match="is ours"):
            await Opining(node.saying).opine(request)


async def test_what_was_said_of_an_item_is_said_again_when_its_owner_writes_the_record_anew(
    tmp_path: Path, node: Lists, clock: MovedClock
) -> None:
    await publish(node, 100)
    async with lists_of(tmp_path / "other", 1, clock) as other:
        join(node.running, other.running)
        assert await other.running.peering.linked(node.running.member_id, GUARD_S)
        about = f"{names.shortest(await record_of(node, other, 100), [])}:7"
        request = opinions_pb2.OpineRequest(about=[about], verdict=Verdict.FALSE_POSITIVE, note="a news report")
        await Opining(other.saying).opine(request)
        async with node.staging.open() as staged:
            await staged.add(digests(0, 1), "")
            await staged.settle()
            await node.listing.remove(tools_pb2.Removal(list="halle", reason=4), staged)
        clock.ahead_ms = REWRITTEN_AFTER_MS + 1000
        assert await node.listing.rewrite_due() == 1
        anew = await record_of(node, other, 99)
        duties = Duties(other.saying, Holding.__new__(Holding))
        await duties.repeat()
        await duties.repeat()
        async with asyncio.timeout(GUARD_S):
            while not (found := [one for one in await ours(node) if one.target == anew]):
                await node.running.peering.compare()
        (said,) = found
        assert (list(said.positions), said.verdict, said.note) == ([6], Verdict.FALSE_POSITIVE, "a news report")
        assert said.obstacle == ""


async def record_of(node: Lists, other: Lists, items: int) -> HeaderHash:
    """The one record of the list with so many items, once it stands at both."""
    async with asyncio.timeout(GUARD_S):
        while not (found := [one for one in await shown(other) if one.items == items]):
            await other.running.peering.compare()
    await node.saying.caught_up(bulk=True)
    return found[0].hash


async def shown(node: Lists) -> list[Record]:
    return await node.saying.reading.run(lambda stores: index.of_kinds(stores.index, [Kind.ITEMS]))


async def ours(node: Lists) -> list[opinions_pb2.OpinionView]:
    return list((await heard(node, opinions_pb2.ListOpinionsRequest(mine=True))).opinions)


async def heard(node: Lists, asked: opinions_pb2.ListOpinionsRequest) -> opinions_pb2.ListOpinionsResponse:
    seen = node.saying.view()
    return await node.saying.reading.run(lambda stores: opining.every(stores, seen, asked))
