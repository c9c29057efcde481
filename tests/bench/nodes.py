"""Daemons that know each other: every member approved by every other, and all in step."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.client import Client
from node.custody import joining
from node.v1 import admin_pb2
from tests.federation import Node

LOOK_AGAIN_S = 0.02


@asynccontextmanager
async def acquainted(nodes: Sequence[Node]) -> AsyncIterator[Sequence[Client]]:
    """A client on the socket of each node, once all nodes are connected and hold the same."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                Client.on_socket(node.config.socket, joining.read_charter(node.config).federation_id)
            )
            for node in nodes
        ]
        ids = [node.made.card.inception.member_id for node in nodes]
        for client, own in zip(clients, ids, strict=True):
            others = [each for each in ids if each != own]
            await client.admin.ApprovePeers(admin_pb2.ApprovePeersRequest(member_ids=others))
        for client in clients:
            await _settled(client, len(nodes) - 1)
        yield clients


async def _settled(client: Client, peers: int) -> None:
    """Wait until the charter is in force here and so many peers hold what this node holds."""
    while True:
        status = await client.admin.GetStatus(admin_pb2.GetStatusRequest())
        if status.charter_in_force and status.peers_connected == status.peers_in_step == peers:
            return
        await asyncio.sleep(LOOK_AGAIN_S)


@contextmanager
def ending(nodes: Sequence[Node]) -> Iterator[None]:
    """Whichever of them was started meanwhile has ended behind this."""
    try:
        yield
        for node in nodes:
            if node.runs:
                node.stop()
    finally:
        for node in nodes:
            if node.runs:
                node.kill()


# ---- Memory


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process has in memory. Pages of mapped files are the kernel's to take back."""

    anonymous_mib: float
    file_mib: float
    peak_mib: float  # of both, since it started


def memory(node: Node) -> Memory:
    """A daemon's, now."""
    found = dict(line.split(":", 1) for line in Path(f"/proc/{node.pid}/status").read_text().splitlines())
    anonymous, file, peak = (int(found[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile", "VmHWM"))
    return Memory(anonymous, file, peak)


class Peaks:
    """The most anonymous memory that daemons had while this ran: the kernel keeps no record of it."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.mib = [0.0] * len(nodes)
        self._nodes = nodes

    async def watch(self) -> None:
        """Look again and again, for ever."""
        while True:
            self.mib = [
                max(before, memory(node).anonymous_mib) for before, node in zip(self.mib, self._nodes, strict=True)
            ]
            await asyncio.sleep(LOOK_AGAIN_S)
