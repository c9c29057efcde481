"""Lists as real daemons keep them: published, changed, taken back, followed, compared and let go."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest

from node.client import Client
from node.content import hashes, items
from node.content.hashes import Item
from node.custody import joining
from node.errors import Refused
from node.rpc import channel
from node.v1 import admin_pb2, record_pb2, tools_pb2, tools_pb2_grpc
from tests.acts import approve, in_force, introduced
from tests.federation import GUARD_S, Node, federation

GREEN = record_pb2.Handling(tlp=2)
OUTDATED = 4


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """A publisher, and one who follows only what it chose; between them one who follows nothing at all."""
    with federation(tmp_path_factory.mktemp("lists"), 3, choosing=2) as nodes:
        owner, follower, between = nodes
        asyncio.run(_in_line(owner, between, follower))
        yield [owner, follower]


async def _in_line(one: Node, between: Node, other: Node) -> None:
    await approve(one, between)
    await approve(other, between)
    await approve(between, one, other)
    await in_force(one, between, other)
    await introduced(one, between, other)


def digests(first: int, last: int) -> list[bytes]:
    return [i.to_bytes(32) for i in range(first, last)]


@asynccontextmanager
async def clients(nodes: Sequence[Node]) -> AsyncIterator[list[Client]]:
    opened = [Client.on_socket(one.config.socket, joining.read_charter(one.config).federation_id) for one in nodes]
    try:
        yield opened
    finally:
        for one in opened:
            await one.__aexit__(None, None, None)


async def publish(
    node: Client, name: str, items: Iterable[hashes.Value | Item], **fields: object
) -> tools_pb2.PublishListResponse:
    draft = tools_pb2.ListDraft(name=name, handling=GREEN, **{"kind": "sha256", **fields})  # type: ignore[arg-type]
    return await node.publish_list(draft, items)


async def until(node: Client, named: str, **wanted: object) -> tools_pb2.ListView:
    """Wait until the list looks like this."""
    async with asyncio.timeout(GUARD_S):
        while True:
            try:
                async for view in node.watch_list(named):
                    if all(getattr(view, name) == value for name, value in wanted.items()):
                        return view
            except Refused:
                await asyncio.sleep(0)  # it has not been heard of yet


async def follow(node: Client, named: str) -> tools_pb2.ListView:
    await until(node, named)
    await node.follow_list(named)
    return await until(node, named, missing=0, unprojected=0)


async def matching(node: Client, values: Sequence[bytes], kind: str = "sha256") -> set[bytes]:
    found: set[bytes] = set()
    for start in range(0, len(values), 1000):
        part = values[start : start + 1000]
        found |= {part[match.index] for match in await node.look_up(kind, part)}
    return found


async def digest_of(node: Client) -> bytes:
    return (await node.admin.GetStatus(admin_pb2.GetStatusRequest(index_digest=True))).index_digest


async def exported(node: Client, named: str) -> list[bytes]:
    found: list[bytes] = []
    async for record in node.export_list(named):
        packed = record.values.digests
        found += [packed[i : i + 32] for i in range(0, len(packed), 32)]
    return sorted(found)


async def test_a_changed_file_makes_the_next_version_as_a_delta(pair: Sequence[Node]) -> None:
    async with clients(pair) as (owner, follower):
        first = await publish(owner, "delta", digests(0, 10_000), replace=True)
        assert (first.added, first.unchanged, first.removed, first.list.list.version) == (10_000, 0, 0, "1")
        assert (await follow(follower, "ministry-a/delta")).items == 10_000
        second = await publish(owner, "delta", digests(5, 10_020), replace=True)
        assert (second.added, second.unchanged, second.removed, second.list.list.version) == (20, 9995, 5, "2")
        assert second.records == 1
        assert second.list.items == second.list.list.items == 10_015
        seen = await until(follower, "ministry-a/delta", items=10_015, missing=0, unprojected=0)
        assert seen.list.version == "2"
        everything = digests(0, 10_020)
        assert await matching(follower, everything) == await matching(owner, everything) == set(digests(5, 10_020))
        assert await exported(follower, "ministry-a/delta") == await exported(owner, "delta") == digests(5, 10_020)


async def test_the_same_file_again_says_nothing(pair: Sequence[Node]) -> None:
    async with clients(pair[:1]) as (owner,):
        await publish(owner, "again", digests(0, 100), replace=True)
        entries = (await owner.admin.GetStatus(admin_pb2.GetStatusRequest())).entries
        again = await publish(owner, "again", digests(0, 100), replace=True)
        assert (again.added, again.unchanged, again.removed, again.list.list.version) == (0, 100, 0, "1")
        assert (await owner.admin.GetStatus(admin_pb2.GetStatusRequest())).entries == entries


async def test_most_of_a_list_goes_only_when_that_is_said(pair: Sequence[Node]) -> None:
    async with clients(pair[:1]) as (owner,):
        await publish(owner, "bounded", digests(0, 100), replace=True)
        with pytest.raises(Refused, match="60 of the 100 items"):
            await publish(owner, "bounded", digests(60, 100), replace=True, removed_percent_max=50)
        assert len(await exported(owner, "bounded")) == 100
        shown = await publish(owner, "bounded", digests(60, 100), replace=True, dry_run=True)
        assert (shown.removed, len(await exported(owner, "bounded"))) == (60, 100)
        await publish(owner, "bounded", digests(60, 100), replace=True)
        assert await exported(owner, "bounded") == digests(60, 100)


async def test_removed_items_match_nowhere_and_what_is_left_of_much_is_written_anew(pair: Sequence[Node]) -> None:
    async with clients(pair) as (owner, follower):
        all_of_them = digests(100_000, 100_000 + 2 * items.RECORD_ITEMS)
        await publish(owner, "removed", all_of_them)
        await follow(follower, "ministry-a/removed")
        few = await owner.remove_items(
            tools_pb2.Removal(list="removed", reason=OUTDATED, kind="sha256"), [all_of_them[7], bytes(32)]
        )
        assert (few.removed, few.absent, few.list.records, few.list.items) == (1, 1, 2, len(all_of_them) - 1)
        await until(follower, "ministry-a/removed", items=len(all_of_them) - 1)
        assert await matching(follower, all_of_them[:10]) == set(all_of_them[:10]) - {all_of_them[7]}
        gone = all_of_them[0:3000:2] + all_of_them[5000::2]
        many = await owner.remove_items(tools_pb2.Removal(list="removed", reason=OUTDATED, kind="sha256"), gone)
        assert (many.removed, many.records_withdrawn_from) == (len(gone), 2)
        left = sorted(set(all_of_them) - set(gone) - {all_of_them[7]})
        seen = await until(follower, "ministry-a/removed", items=len(left), missing=0, unprojected=0)
        assert await exported(follower, "ministry-a/removed") == left
        assert seen.records == 2
        back = await publish(owner, "removed", [all_of_them[7]])
        assert (back.added, back.list.items) == (1, len(left) + 1)
        await until(follower, "ministry-a/removed", items=len(left) + 1)
        assert await matching(follower, [all_of_them[7]]) == {all_of_them[7]}


async def test_what_is_not_followed_is_not_fetched_and_what_is_let_go_leaves_no_trace_in_the_index(
    pair: Sequence[Node],
) -> None:
    async with clients(pair) as (owner, follower):
        before = await digest_of(follower)
        values = digests(200_000, 209_000)
        await publish(owner, "offered", values)
        offered = await until(follower, "ministry-a/offered")
        assert (offered.following, offered.missing, offered.records, offered.list.items) == ("offered", 0, 0, 9000)
        with pytest.raises(Refused, match="not followed"):
            await exported(follower, "ministry-a/offered")
        assert not await matching(follower, values[:10])
        assert (await follow(follower, "ministry-a/offered")).items == 9000
        assert await matching(follower, values[:10]) == set(values[:10])
        await follower.follow_list("ministry-a/offered", follow=False)
        assert not await matching(follower, values[:10])
        async with asyncio.timeout(GUARD_S):
            while await digest_of(follower) != before:
                pass
        assert (await follow(follower, "ministry-a/offered")).items == 9000
        assert await matching(follower, values) == set(values)


async def test_a_preview_says_what_would_match_and_matches_nothing(pair: Sequence[Node]) -> None:
    async with clients(pair) as (owner, follower):
        values = digests(300_000, 304_000)
        await publish(owner, "looked-at", values)
        await until(follower, "ministry-a/looked-at")
        compared = None
        comparison = tools_pb2.Comparison(list="ministry-a/looked-at", kind="sha256", fetch=True, send_common=True)
        common = b""
        async for part in follower.compare_list(comparison, [*values[10:13], bytes(32)]):
            common += part.common.digests
            compared = part.compared if part.HasField("compared") else compared
        assert compared is not None
        assert (compared.common, compared.only_sent, compared.only_listed) == (3, 1, 3997)
        assert common == b"".join(values[10:13])
        assert compared.list.following == "previewed"
        assert not await matching(follower, values[:10])
        await follower.follow_list("ministry-a/looked-at")
        assert await matching(follower, values[:10]) == set(values[:10])


async def test_a_withdrawn_list_matches_nowhere_and_its_name_is_free_again(pair: Sequence[Node]) -> None:
    async with clients(pair) as (owner, follower):
        values = digests(400_000, 400_100)
        await publish(owner, "taken-back", values)
        await follow(follower, "ministry-a/taken-back")
        view = await owner.withdraw_list("taken-back", 1)
        assert view.withdrawn
        seen = await until(follower, view.object_id.hex(), items=0)
        assert seen.withdrawn
        assert not await matching(follower, values)
        with pytest.raises(Refused, match="withdrawn already"):
            await owner.withdraw_list("taken-back", 1)
        again = (await publish(owner, "taken-back", values)).list
        assert again.object_id != view.object_id
        assert (await owner.lists("taken-back"))[0].object_id == again.object_id
        assert await matching(owner, values) == set(values)


async def test_one_list_has_items_of_several_kinds_and_a_file_replaces_those_of_its_own(pair: Sequence[Node]) -> None:
    async with clients(pair) as (owner, follower):
        urls = [f"https://example.org/{i}" for i in range(10)]
        made = await publish(
            owner,
            "mixed",
            [
                *(Item(hashes.MD5, i.to_bytes(16)) for i in range(10)),
                *(Item(hashes.PDQ, i.to_bytes(32), 50 + i) for i in range(10)),
                *(Item(hashes.URL, url) for url in urls),
                *(Item(hashes.SSDEEP, f"3:abc{i}:def{i}") for i in range(10)),
                *(Item(hashes.TLSH, i.to_bytes(35)) for i in range(10)),
            ],
            kind="",
        )
        assert made.list.items == 50
        assert list(made.list.list.kinds) == ["md5", "pdq", "ssdeep", "tlsh", "url"]
        await follow(follower, "ministry-a/mixed")
        found: dict[str, tools_pb2.ListRecord] = {}
        async for record in follower.export_list("ministry-a/mixed"):
            found[record.values.kind] = record
        assert list(found["url"].values.texts) == urls
        assert found["pdq"].values.qualities == bytes(range(50, 60))
        again = await publish(owner, "mixed", [Item(hashes.URL, url) for url in urls[5:]], kind="", replace=True)
        assert (again.removed, again.list.items) == (5, 45)
        with pytest.raises(Refused, match="quality below 50"):
            await publish(owner, "mixed", [Item(hashes.PDQ, bytes(32), 49)])
        with pytest.raises(Refused, match="url needs"):
            await publish(owner, "mixed", [Item(hashes.URL, "not a url")])


async def test_other_labels_say_all_records_anew_and_nothing_is_missing_meanwhile(pair: Sequence[Node]) -> None:
    async with clients(pair) as (owner, follower):
        values = digests(500_000, 509_000)
        await publish(owner, "labelled", values, labels=["one"], replace=True)
        await follow(follower, "ministry-a/labelled")
        answer = await publish(owner, "labelled", values, labels=["two"], replace=True)
        assert (answer.added, answer.removed, answer.records, answer.list.items) == (0, 0, 3, 9000)
        await until(follower, "ministry-a/labelled", items=9000, missing=0, unprojected=0)
        async with asyncio.timeout(GUARD_S):
            while list((await follower.look_up("sha256", values[:1]))[0].labels) != ["two"]:
                assert await matching(follower, values[::1000]) == set(values[::1000])
        assert len(await exported(follower, "ministry-a/labelled")) == 9000


async def test_only_the_owner_changes_a_list(pair: Sequence[Node]) -> None:
    async with clients(pair) as (owner, follower):
        await publish(owner, "ours", digests(0, 10))
        await until(follower, "ministry-a/ours")
        with pytest.raises(Refused, match="only its owner"):
            await follower.remove_items(
                tools_pb2.Removal(list="ministry-a/ours", reason=OUTDATED, kind="sha256"), [bytes(32)]
            )
        with pytest.raises(Refused, match="only its owner"):
            await follower.withdraw_list("ministry-a/ours", 1)
        with pytest.raises(Refused, match="always here"):
            await owner.follow_list("ours", follow=False)


def test_an_empty_list_is_made_and_filled(pair: Sequence[Node], tmp_path: Path) -> None:
    async def walk() -> None:
        async with clients(pair[:1]) as (owner,):
            made = await publish(owner, "empty", [], kind="")
            assert (made.list.items, made.list.list.version) == (0, "1")
            filled = await publish(owner, "empty", digests(0, 5))
            assert (filled.added, filled.list.list.version) == (5, "2")

    asyncio.run(walk())


async def test_a_list_is_on_its_own_node_only_until_another_member_has_every_record(pair: Sequence[Node]) -> None:
    await approve(pair[0], pair[1])
    await approve(pair[1], pair[0])
    async with clients(pair) as (owner, follower):
        await publish(owner, "alone", digests(600_000, 609_000))
        small = await publish(owner, "small", digests(700_000, 700_010))
        assert (small.list.records, small.list.records_elsewhere) == (1, 0)
        for name, records in (("alone", 3), ("small", 1)):
            await until(follower, f"ministry-a/{name}")
            assert next(iter(await owner.lists(name))).records_elsewhere == 0
            await follow(follower, f"ministry-a/{name}")
            await until(owner, name, records_elsewhere=records)


async def test_a_call_that_breaks_off_changes_nothing_even_where_it_looks_like_one_that_ends(
    pair: Sequence[Node],
) -> None:
    """Whatever the reason that the last message did not come."""
    async with clients(pair[:1]) as (owner,), channel.open_to_administrator(pair[0].config.socket) as opened:
        await publish(owner, "broken-off", digests(0, 10))
        tools = tools_pb2_grpc.ToolsStub(opened)
        letter = tools_pb2.PublishListRequest
        draft = tools_pb2.ListDraft(name="broken-off", kind="sha256", handling=GREEN, replace=True)
        values = tools_pb2.Values(digests=b"".join(digests(0, 3)))
        for last in ([], [letter(total=tools_pb2.Total(items=4))]):
            with pytest.raises(grpc.aio.AioRpcError, match="broke off"):
                await tools.PublishList(iter([letter(list=draft), letter(values=values), *last]))
        assert await exported(owner, "broken-off") == digests(0, 10)
