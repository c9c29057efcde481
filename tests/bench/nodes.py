"""Daemons that know each other: every member approved by every other, and all in step."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
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


def resident_mib(node: Node) -> float:
    """What a daemon keeps in memory now."""
    lines = Path(f"/proc/{node.pid}/status").read_text().splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kib) / 1024
