"""Streams that go on: over the node's end, its certificate's, and the tool's own."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from node.client import CaughtUp, Client, Interrupted, Received
from node.daemon import life
from node.errors import ConfigError, Refused, Unavailable
from node.feed.kinds import Kind
from tests.client.inside import GREEN, Inside, crisis, draft, federation_id, inside, issue, on_socket
from tests.client.relay import Relay
from tests.federation import GUARD_S, Node, federation


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with federation(tmp_path, 1) as (one,):
        yield one


class Reader:
    """A subscription that is read on request, and all that it brought."""

    def __init__(self, client: Client, name: str = "reader") -> None:
        self._events = client.subscribe(name, kinds_wanted=[Kind.DECLARATION])
        self.titles: list[str] = []
        self.interruptions = 0

    async def until(self, title: str) -> None:
        async with asyncio.timeout(GUARD_S):
            while title not in self.titles:
                await self._read()

    async def until_caught_up(self) -> None:
        async with asyncio.timeout(GUARD_S):
            while not isinstance(await self._read(), CaughtUp):
                pass

    async def until_interrupted(self) -> None:
        async with asyncio.timeout(GUARD_S):
            while not isinstance(await self._read(), Interrupted):
                pass

    async def _read(self) -> object:
        event = await anext(self._events)
        if isinstance(event, Received):
            assert event.record is not None
            self.titles.append(event.record.crisis.title)
        self.interruptions += isinstance(event, Interrupted)
        return event


async def test_a_subscription_goes_on_when_the_node_was_killed_and_nothing_comes_twice(node: Node) -> None:
    bundle = issue(node, node.folder / "tool.pem", "read")
    async with (
        on_socket(node) as owner,
        Client.with_bundle(node.config.tools_listen, bundle, federation_id(node)) as client,
    ):
        reader = Reader(client)
        await owner.declare(crisis("before"), GREEN)
        await reader.until("before")
        await asyncio.to_thread(node.kill)
        await reader.until_interrupted()
        await asyncio.to_thread(node.start)
        await owner.declare(crisis("after"), GREEN)
        await reader.until("after")
        assert reader.titles == ["before", "after"]


async def test_a_subscription_goes_on_over_the_nodes_own_renewal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "RENEW_AT", 0)  # at once, and every second from then on
    async with inside(tmp_path, monkeypatch) as made, made.on_socket() as owner:
        first = made.daemon.leaf.certificate_pem
        bundle = issue(made.node, tmp_path / "tool.pem", "read")
        async with (
            Relay(made.node.config.tools_listen) as relay,
            Client.with_bundle(relay.address, bundle, made.federation_id) as client,
        ):
            reader = Reader(client)
            await reader.until_caught_up()
            await until_another_is_served(made, first)
            await owner.declare(crisis("under the old one"), GREEN)
            await reader.until("under the old one")
            assert (reader.interruptions, relay.connections) == (0, 1)
            relay.cut()
            await owner.declare(crisis("under the new one"), GREEN)
            await reader.until("under the new one")
            assert reader.titles == ["under the old one", "under the new one"]
            assert relay.connections > 1


async def until_another_is_served(made: Inside, first: bytes) -> None:
    """Shake hands until the node shows another certificate."""
    host, _, port = made.node.config.tools_listen.rpartition(":")
    async with asyncio.timeout(GUARD_S):
        while (await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))).encode() == first:
            pass


async def test_a_subscription_goes_on_under_the_bundle_that_took_the_place_of_the_one_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "SWEEP_EVERY_S", 0.01)
    async with inside(tmp_path, monkeypatch) as made, made.on_socket() as owner:
        bundle = issue(made.node, tmp_path / "tool.pem", "read", life=timedelta(hours=1))
        async with Client.with_bundle(made.node.config.tools_listen, bundle, made.federation_id) as client:
            reader = Reader(client)
            await owner.declare(crisis("under the old one"), GREEN)
            await reader.until("under the old one")
            issue(made.node, bundle, "read")
            made.clock.ahead = timedelta(hours=2)
            await reader.until_interrupted()
            await owner.declare(crisis("under the new one"), GREEN)
            await reader.until("under the new one")
            assert reader.titles == ["under the old one", "under the new one"]


async def test_a_subscription_whose_certificate_ended_says_so_where_no_other_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "SWEEP_EVERY_S", 0.01)
    async with inside(tmp_path, monkeypatch) as made:
        bundle = issue(made.node, tmp_path / "tool.pem", "read", life=timedelta(hours=1))
        async with Client.with_bundle(made.node.config.tools_listen, bundle, made.federation_id) as client:
            reader = Reader(client)
            await reader.until_caught_up()
            made.clock.ahead = timedelta(hours=2)
            with pytest.raises(Refused, match="expired"):
                await reader.until("nothing any more")


async def test_a_tool_takes_its_new_bundle_from_the_place_of_the_old_one(node: Node) -> None:
    ended = issue(node, node.folder / "tool.pem", "read", ago=timedelta(days=9), life=timedelta(days=8))
    async with Client.with_bundle(node.config.tools_listen, ended, federation_id(node)) as client:
        with pytest.raises(ConfigError, match=r"tool\.pem ended at"):
            await client.lists()
        with pytest.raises(ConfigError, match=r"tool\.pem ended at"):
            await anext(client.subscribe("reader"))
        ended.write_text("half of one")
        with pytest.raises(ConfigError, match="no tool's bundle"):
            await client.lists()
        issue(node, ended, "read")
        assert await client.lists() == []
        ended.write_text("half of the next one")
        assert await client.lists() == []  # by the one that still holds
        issue(node, ended, "match")
        with pytest.raises(Refused, match="takes the scope read"):
            await client.lists()


async def test_calls_under_way_go_on_when_another_bundle_is_there(node: Node) -> None:
    bundle = issue(node, node.folder / "tool.pem", "read")
    async with (
        on_socket(node) as owner,
        Client.with_bundle(node.config.tools_listen, bundle, federation_id(node)) as client,
    ):
        reader = Reader(client)
        await reader.until_caught_up()
        issue(node, bundle, "read", "match")
        await client.look_up("sha256", [bytes(32)])  # by the new one
        await owner.declare(crisis("as if nothing were"), GREEN)
        await reader.until("as if nothing were")
        assert reader.interruptions == 0


async def test_a_bundle_of_another_member_does_not_take_the_place(tmp_path: Path) -> None:
    with federation(tmp_path, 2) as (ours, theirs):
        bundle = issue(ours, tmp_path / "tool.pem", "read", ago=timedelta(days=9), life=timedelta(days=8))
        async with Client.with_bundle(ours.config.tools_listen, bundle, federation_id(ours)) as client:
            issue(theirs, bundle, "read")
            with pytest.raises(ConfigError, match="a bundle of another member"):
                await client.lists()


async def test_a_list_is_watched_over_a_connection_that_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with inside(tmp_path, monkeypatch) as made, made.on_socket() as owner:
        await owner.publish_list(draft("one"), [bytes(32)])
        bundle = issue(made.node, tmp_path / "tool.pem", "read")
        async with (
            asyncio.timeout(GUARD_S),
            Relay(made.node.config.tools_listen) as relay,
            Client.with_bundle(relay.address, bundle, made.federation_id) as client,
        ):
            views = client.watch_list("ministry-a/one")
            assert (await anext(views)).items == 1
            relay.cut()
            await owner.publish_list(draft("one"), [bytes([1] * 32)])
            while (await anext(views)).items < 2:
                pass
            assert relay.connections > 1


async def test_a_list_whose_node_does_not_come_back_is_watched_no_longer(node: Node) -> None:
    bundle = issue(node, node.folder / "tool.pem", "read")
    async with (
        on_socket(node) as owner,
        Client.with_bundle(node.config.tools_listen, bundle, federation_id(node), timeout_s=0.5) as client,
    ):
        await owner.publish_list(draft("one"), [bytes(32)])
        views = client.watch_list("ministry-a/one")
        assert (await anext(views)).items == 1
        await asyncio.to_thread(node.kill)
        with pytest.raises(Unavailable, match=r"no connection to .* within 0.5 s"):
            await anext(views)
