"""A round's federation: daemons that reach each other by cables only, and what they are asked."""

import asyncio
import os
import queue
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio

from node import config
from node.client import Client
from node.custody import joining
from node.errors import Unavailable
from node.v1 import admin_pb2
from tests import federation
from tests.chaos import disk
from tests.chaos.cables import Cables
from tests.chaos.plan import Disk, Plan
from tests.federation import Node

LOOK_AGAIN_S = 0.02
GUARD_S = 180.0  # ten times what agreement takes; a silent cable alone is noticed after 40 s

Result = TypeVar("Result")


class Lost(AssertionError):
    """What a round must not end in."""


@dataclass
class World:
    """All nodes of a round, running or not."""

    plan: Plan
    nodes: Sequence[Node]
    clients: Sequence[Client]
    cables: Cables
    restarts: dict[int, int] = field(default_factory=dict)
    _restarting: set[int] = field(default_factory=set)

    async def restart(self, victim: int) -> float:
        """Kill, and start at once; how many seconds until it is ready again."""
        now = asyncio.get_running_loop().time
        self.restarts[victim] = self.restarts.get(victim, 0) + 1
        self._restarting.add(victim)
        await asyncio.to_thread(self.nodes[victim].kill)
        since = now()
        await asyncio.to_thread(self.nodes[victim].start)
        self._restarting.discard(victim)
        return now() - since

    async def watch(self) -> None:
        """Raise Lost when a daemon ends by itself."""
        while True:
            for i, node in enumerate(self.nodes):
                if i not in self._restarting and (code := _exit_code(node)) is not None:
                    raise Lost(f"n{i + 1} ended by itself with code {code}")
            await asyncio.sleep(10 * LOOK_AGAIN_S)

    async def status(self, node: int, *, index_digest: bool = False) -> admin_pb2.GetStatusResponse:
        request = admin_pb2.GetStatusRequest(index_digest=index_digest)
        return await self.clients[node].admin.GetStatus(request)

    async def connected(self, node: int) -> frozenset[bytes]:
        """Ids of the members that this node is connected with, as it believes."""
        peers = (await self.clients[node].admin.ListPeers(admin_pb2.ListPeersRequest())).peers
        return frozenset(peer.member_id for peer in peers if peer.connected)

    def member_id(self, node: int) -> bytes:
        return self.nodes[node].made.card.inception.member_id

    def neighbours(self, node: int) -> Sequence[int]:
        pairs = [pair for pair in self.plan.neighbours if node in pair]
        return [one if other == node else other for one, other in pairs]


@asynccontextmanager
async def opened(folder: Path, plan: Plan) -> AsyncIterator[World]:
    """Nodes that know their neighbours and hold the same; at the end they stop, and must do so well."""
    nodes = await asyncio.to_thread(federation.make, folder, plan.nodes)
    async with AsyncExitStack() as stack:
        cables = await stack.enter_async_context(
            Cables(plan.nodes, lambda: [node.pid if node.runs else None for node in nodes])
        )
        for i, node in enumerate(nodes):
            await _lay(cables, i, node)
        on_small_disks = sorted({one.victim for one in plan.faults if isinstance(one, Disk) and disk.may_mount()})
        for i in on_small_disks:
            disk.put_on_a_small_disk(nodes[i].config.data_folder)
            stack.callback(disk.put_back, nodes[i].config.data_folder)
        stack.push_async_callback(_end, nodes, folder)
        await asyncio.gather(*(asyncio.to_thread(node.start) for node in nodes))
        clients = [await stack.enter_async_context(_client(node)) for node in nodes]
        world = World(plan, nodes, clients, cables)
        await _acquaint(world)
        yield world
        await _stop(nodes)


async def _lay(cables: Cables, number: int, node: Node) -> None:
    """The node keeps its address, where the cables begin, and listens behind them."""
    address = node.config.peers_listen
    (port,) = federation.free_ports(1)
    file = node.folder / config.FILE_NAME
    text = file.read_text()
    assert text.count(f'\nlisten = "{address}"') == 1
    file.write_text(text.replace(f'\nlisten = "{address}"', f'\nlisten = "127.0.0.1:{port}"'))
    await cables.lay(number, int(address.rpartition(":")[2]), port)


def _client(node: Node) -> Client:
    return Client.on_socket(node.config.socket, joining.read_charter(node.config).federation_id)


async def _acquaint(world: World) -> None:
    for i, client in enumerate(world.clients):
        others = [world.member_id(other) for other in world.neighbours(i)]
        await client.admin.ApprovePeers(admin_pb2.ApprovePeersRequest(member_ids=others))
    for i in range(world.plan.nodes):
        await until(lambda i=i: _is_settled(world, i), f"n{i + 1} in step with its neighbours")  # type: ignore[misc]


async def _is_settled(world: World, node: int) -> bool:
    found = await world.status(node)
    peers = len(world.neighbours(node))
    return found.charter_in_force and found.peers_connected == found.peers_in_step == peers


async def until(is_so: Callable[[], Awaitable[bool]], what: str, guard_s: float = GUARD_S) -> None:
    """Ask again until it is so; nodes that do not answer just now are asked again."""
    try:
        async with asyncio.timeout(guard_s):
            while not await answered(is_so()):  # noqa: ASYNC110 - another process does not set our events
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError:
        raise Lost(f"not within {guard_s:.0f} s: {what}") from None


async def answered(asked: Awaitable[Result]) -> Result | None:
    """The answer, or None where the node is away."""
    try:
        return await asked
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
    except Unavailable:
        pass
    return None


def _exit_code(node: Node) -> int | None:
    """Of a daemon that is over; it is not waited for."""
    found = os.waitid(os.P_PID, node.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found.si_status if found else None


async def _stop(nodes: Sequence[Node]) -> None:
    for node in nodes:
        node.signal(signal.SIGTERM)  # to all before waiting for one
    codes = {node.name: await asyncio.to_thread(node.wait) for node in nodes}
    if any(codes.values()):
        raise Lost(f"not all stopped well: {codes}")


async def _end(nodes: Sequence[Node], folder: Path) -> None:
    """Whatever still runs is killed, and what they logged is kept beside their data."""
    for i, node in enumerate(nodes):
        lines = node._lines
        if node.runs:
            node.signal(signal.SIGCONT)
            with suppress(queue.Empty):  # its last words were read already, by whoever waited for others
                await asyncio.to_thread(node.kill)
        log = node.log if lines is None else [*node.log, *lines.read]
        (folder / f"n{i + 1}.log").write_text("".join(log if node.runs else node.log))
