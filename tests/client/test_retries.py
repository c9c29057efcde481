"""What is said twice when a node is killed or an answer is lost, and what a tool is told of the rest."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from node.client import Client
from node.errors import ConfigError, Refused, Unavailable
from node.v1 import tools_pb2
from tests.client.inside import GREEN, crisis, draft, federation_id, issue, on_socket
from tests.client.relay import Relay
from tests.federation import GUARD_S, Node, federation

DIGESTS = [i.to_bytes(32) for i in range(1, 60_001)]  # four messages' worth


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One for all tests: each has a crisis and a list by a name of its own, and starts what it kills."""
    with federation(tmp_path_factory.mktemp("retries"), 1) as (one,):
        yield one


@asynccontextmanager
async def over_cable(node: Node, *scopes: str, timeout_s: float = GUARD_S) -> AsyncIterator[tuple[Client, Relay]]:
    bundle = issue(node, node.folder / "tool.pem", *scopes)
    async with (
        asyncio.timeout(2 * GUARD_S),
        Relay(node.config.tools_listen) as relay,
        Client.with_bundle(relay.address, bundle, federation_id(node), timeout_s=timeout_s) as client,
    ):
        yield client, relay


async def titled(owner: Client, title: str) -> list[tools_pb2.CrisisView]:
    return [one for one in await owner.crises() if one.crisis.title == title]


async def named(owner: Client, name: str) -> list[tools_pb2.ListView]:
    return [one for one in await owner.lists() if one.list.name == name]


async def restart(node: Node) -> None:
    await asyncio.to_thread(node.kill)
    await asyncio.to_thread(node.start)


async def test_a_look_up_under_way_when_the_node_is_killed_is_answered_by_the_next_one(node: Node) -> None:
    async with on_socket(node) as owner:
        await owner.publish_list(draft("one"), DIGESTS[:10])
    async with over_cable(node, "match") as (scanner, relay):
        await scanner.look_up("sha256", DIGESTS[:1])
        node.signal(signal.SIGSTOP)
        relay.asked.clear()
        asking = asyncio.create_task(scanner.look_up("sha256", DIGESTS[:1]))
        await relay.asked.wait()
        await restart(node)
        assert [match.list for match in await asking] == ["ministry-a/one"]


async def test_what_is_asked_while_the_node_is_away_waits_for_it(node: Node) -> None:
    async with over_cable(node, "read") as (reader, _):
        await reader.lists()
        await asyncio.to_thread(node.kill)
        asking = asyncio.create_task(reader.crises())
        await asyncio.to_thread(node.start)
        assert await asking == await reader.crises()


async def test_a_declaration_whose_answer_is_lost_is_one_crisis(node: Node) -> None:
    async with over_cable(node, "declare") as (officer, relay), on_socket(node) as owner:
        with pytest.raises(Refused):  # so that it is connected
            await officer.end_crisis("c-none")
        relay.deafen()
        declaring = asyncio.create_task(officer.declare(crisis("heard once"), GREEN))
        while not await titled(owner, "heard once"):
            assert not declaring.done()
        relay.cut()
        declared = await declaring
        assert [one.object_id for one in await titled(owner, "heard once")] == [declared.object_id]


async def test_a_declaration_that_the_node_dies_with_is_one_crisis(node: Node) -> None:
    async with over_cable(node, "declare") as (officer, relay), on_socket(node) as owner:
        with pytest.raises(Refused):
            await officer.end_crisis("c-none")
        relay.deafen()
        declaring = asyncio.create_task(officer.declare(crisis("heard and gone"), GREEN))
        while not await titled(owner, "heard and gone"):
            assert not declaring.done()
        await asyncio.to_thread(node.kill)
        relay.cut()
        await asyncio.to_thread(node.start)
        declared = await declaring
        assert [one.object_id for one in await titled(owner, "heard and gone")] == [declared.object_id]


async def test_a_declaration_that_is_never_answered_says_how_to_declare_it_once(node: Node) -> None:
    async with over_cable(node, "declare", timeout_s=3) as (officer, relay), on_socket(node) as owner:
        with pytest.raises(Refused):
            await officer.end_crisis("c-none")
        relay.deafen()
        with pytest.raises(Unavailable, match=r"no answer from .* within 3 s") as told:
            await officer.declare(crisis("never answered"), GREEN)
        relay.cut()
        found = await titled(owner, "never answered")
        object_id = bytes.fromhex(told.value.next_step.split('"')[1])
        again = await officer.declare(crisis("never answered"), GREEN, object_id=object_id)
        assert [one.object_id for one in found] == [object_id] == [again.object_id]
        assert len(await titled(owner, "never answered")) == 1


async def test_an_end_whose_answer_is_lost_is_not_said_again_and_the_tool_is_told(node: Node) -> None:
    async with over_cable(node, "declare") as (officer, relay), on_socket(node) as owner:
        declared = await officer.declare(crisis("over soon"), GREEN)
        relay.deafen()
        ending = asyncio.create_task(officer.end_crisis(declared.reference))
        while (await titled(owner, "over soon"))[0].state != "ended":
            assert not ending.done()
        relay.cut()
        with pytest.raises(Unavailable, match="lost before the answer came") as told:
            await ending
        assert told.value.next_step == "It may have ended: `crises` says whether it has."


async def test_a_publication_that_is_cut_is_nothing_and_the_second_one_is_whole(node: Node) -> None:
    async with over_cable(node, "share") as (publisher, relay), on_socket(node) as owner:

        def until_cut() -> Iterator[bytes]:
            for i, digest in enumerate(DIGESTS):
                if i == len(DIGESTS) // 2:
                    relay.cut()
                yield digest

        with pytest.raises(Unavailable, match="lost before the answer came") as told:
            await publisher.publish_list(draft("cut"), until_cut())
        assert told.value.next_step.startswith("All of cut is published or nothing.")
        assert await named(owner, "cut") == []
        assert (await publisher.publish_list(draft("cut"), DIGESTS)).added == len(DIGESTS)
        again = await publisher.publish_list(draft("cut"), DIGESTS)
        assert (again.added, again.unchanged, again.list.items) == (0, len(DIGESTS), len(DIGESTS))


async def test_what_the_items_raise_is_raised_and_nothing_is_published(node: Node) -> None:
    def bad() -> Iterator[bytes]:
        yield from DIGESTS[: len(DIGESTS) // 2]
        raise ValueError("line 30001: not a digest")

    async with on_socket(node) as owner:
        with pytest.raises(ValueError, match="line 30001"):
            await owner.publish_list(draft("bad"), bad())
        assert await named(owner, "bad") == []


async def test_a_tool_that_is_cancelled_while_it_publishes_is_cancelled(node: Node) -> None:
    async with on_socket(node) as owner:
        begun = asyncio.Event()

        def endless() -> Iterator[bytes]:
            while True:
                begun.set()
                yield from DIGESTS

        publishing = asyncio.create_task(owner.publish_list(draft("endless"), endless()))
        await begun.wait()
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        assert await named(owner, "endless") == []


async def test_where_nobody_listens_the_tool_is_told_that_nothing_was_sent(node: Node) -> None:
    await asyncio.to_thread(node.kill)
    async with over_cable(node, "share", timeout_s=0.5) as (tool, relay):
        for call in (tool.lists(), tool.publish_list(draft("one"), DIGESTS)):
            with pytest.raises(Unavailable, match=f"no connection to {relay.address} within 0.5 s") as told:
                await call
            assert told.value.next_step.startswith("Nothing was sent.")
    await asyncio.to_thread(node.start)


async def test_a_scope_that_is_missing_is_said_at_once(node: Node) -> None:
    async with over_cable(node, "match") as (scanner, _):
        for _ in range(20):  # the refusal meets the items on their way, each time in another place
            with pytest.raises(Refused, match="may not call"):
                await scanner.publish_list(draft("one"), DIGESTS)
        with pytest.raises(Refused, match="may not call"):
            await anext(scanner.subscribe("scanner"))


async def test_a_bundle_that_others_may_read_is_refused_before_anything_is_sent(node: Node) -> None:
    bundle = issue(node, node.folder / "tool.pem", "match")
    bundle.chmod(0o644)
    with pytest.raises(ConfigError, match="others may have read it"):
        Client.with_bundle(node.config.tools_listen, bundle, federation_id(node))


async def test_a_bundle_says_where_its_node_is_and_of_which_federation(node: Node) -> None:
    async with Client.as_tool(issue(node, node.folder / "tool.pem", "read")) as tool:
        assert await tool.crises() == await tool.crises()
    with pytest.raises(ConfigError, match="does not say of which federation it is"):
        Client.as_tool(issue(node, node.folder / "tool.pem", "read", says=False))


async def test_the_node_itself_saying_not_now_is_passed_on_with_its_reason(node: Node) -> None:
    async with on_socket(node) as owner:
        with pytest.raises(Refused) as told:
            await owner.acknowledge("reader", tools_pb2.Cursor(store_id=b"elsewhere"))
        assert told.value.next_step == "Go on from the Reset that Subscribe answered."
