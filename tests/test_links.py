"""Links between real daemons: as they end, each side says why; and a publisher hears who has its lists."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from node.v1 import admin_pb2
from tests import federation
from tests.acts import approve, client, declare, hears, in_force, in_step, publish
from tests.chaos import world as worlds
from tests.chaos.plan import Shape
from tests.chaos.world import World
from tests.federation import GUARD_S, Node
from tests.test_chaos import of

CUT, SLOW = "no answer: the connection was cut", "reads too slowly"


async def _ended(world: World, node: int, other: int) -> str:
    return await _reason(world.nodes[node], world.nodes[other])


async def _reason(node: Node, other: Node) -> str:
    """Wait until the link is down; why, as `tocsin peer list` says it."""
    async with asyncio.timeout(worlds.GUARD_S), client(node) as opened:
        while True:
            for one in (await opened.admin.ListPeers(admin_pb2.ListPeersRequest())).peers:
                if one.member_id == other.made.card.inception.member_id and not one.connected:
                    return one.reason


async def test_a_cut_cable_is_called_one_by_both_ends_and_while_it_lasts(tmp_path: Path) -> None:
    async with asyncio.timeout(GUARD_S), worlds.opened(tmp_path, of(shape=Shape.LINE, nodes=2)) as world:
        cable = world.cables.between(0, 1)

        async def was_dialled_in_vain() -> bool:
            return cable.refused >= 4 * len(world.nodes)  # two connections a call

        cable.is_cut = True
        cable.reset()
        assert [await _ended(world, 0, 1), await _ended(world, 1, 0)] == [CUT, CUT]
        await worlds.until(was_dialled_in_vain, "dialled in vain")
        assert [await _ended(world, 0, 1), await _ended(world, 1, 0)] == [CUT, CUT]


async def test_a_link_that_passes_one_way_only_is_taken_for_dead_by_both_ends_and_what_is_said_comes_round_it(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(worlds.GUARD_S), worlds.opened(tmp_path, of(shape=Shape.MESH, nodes=3)) as world:
        deaf = world.cables.between(0, 1).ways[1]
        deaf.hold()
        await declare(world.nodes[0], "not by this way")
        await hears(world.nodes[1], "not by this way")
        for node in (0, 1):  # the deaf one notices, and may still be able to say so
            reason = await _ended(world, node, 1 - node)
            assert CUT in reason or SLOW in reason
        deaf.let_go()
        await worlds.until(lambda: _is_connected(world, 0, 1), "connected again")
        await in_step(*world.nodes)


async def _is_connected(world: World, node: int, other: int) -> bool:
    return world.member_id(other) in await world.connected(node)


async def test_one_of_two_connections_that_is_cut_ends_both_for_that_reason(tmp_path: Path) -> None:
    async with asyncio.timeout(GUARD_S), worlds.opened(tmp_path, of(shape=Shape.LINE, nodes=2)) as world:
        cable = world.cables.between(0, 1)
        cable.is_cut = True
        for writer in sorted(cable.writers, key=lambda one: one.get_extra_info("peername"))[:1]:
            writer.transport.abort()
        for node in (0, 1):
            assert CUT in await _ended(world, node, 1 - node)


@pytest.fixture(scope="module", name="pair")
def _pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """A publisher and one who follows every list."""
    with federation.federation(tmp_path_factory.mktemp("links"), 2) as nodes:
        asyncio.run(_meet(*nodes))
        yield nodes


async def _meet(one: Node, other: Node) -> None:
    await approve(one, other)
    await approve(other, one)
    await in_force(one, other)


async def _confirmed(node: Node, name: str) -> float:
    """Wait until all of the list is known to be elsewhere too; how long that took."""
    now = asyncio.get_running_loop().time
    since = now()
    async with asyncio.timeout(GUARD_S), client(node) as opened:
        async for view in opened.watch_list(name):
            if view.records == view.records_elsewhere > 0:
                return now() - since
    raise AssertionError


async def test_a_node_that_stops_says_so_and_one_that_is_killed_cannot(pair: Sequence[Node]) -> None:
    one, other = pair
    gone = "nothing listens at this address"  # as it is dialled again
    await asyncio.to_thread(other.stop)
    assert await _reason(one, other) in {"peer said bye: the node stops", "the node stops", gone}
    await asyncio.to_thread(other.start)
    await in_step(one, other)
    await asyncio.to_thread(other.kill)
    assert await _reason(one, other) in {CUT, gone}
    await asyncio.to_thread(other.start)


@pytest.mark.parametrize("when", ["up", "the follower starts later", "the publisher restarts"])
async def test_a_publisher_hears_that_a_small_list_is_elsewhere(pair: Sequence[Node], when: str) -> None:
    publisher, follower = pair
    if when != "up":
        await asyncio.to_thread(follower.stop)
    name = when.replace(" ", "-")
    await publish(publisher, name, [i.to_bytes(32) for i in range(1, 20)])
    if when == "the publisher restarts":
        await asyncio.to_thread(publisher.stop)
        await asyncio.to_thread(publisher.start)
    if when != "up":
        await asyncio.to_thread(follower.start)
    print(f"{when}: {await _confirmed(publisher, name):.1f} s")
