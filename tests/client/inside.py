"""A whole node inside the test's own process, so that its clock and what it says can be changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node.client import Client
from node.custody import charters, files, folder, joining, tools
from node.daemon import Daemon, RealClock, listening
from node.feed.pae import FederationId
from node.rpc.tools import ToolsServicer
from node.v1 import record_pb2, tools_pb2
from tests.federation import GUARD_S, Node, make

GREEN = record_pb2.Handling(tlp=2)


class CertificateClock(RealClock):
    """By which certificates end sooner or later than they do; everything else goes by the machine's."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@dataclass
class Inside:
    """The node, the daemon in it, and its clock."""

    node: Node
    daemon: Daemon
    clock: CertificateClock
    federation_id: FederationId = field(init=False)

    def __post_init__(self) -> None:
        self.federation_id = federation_id(self.node)

    def on_socket(self) -> Client:
        return on_socket(self.node)


@asynccontextmanager
async def inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servicer: type[ToolsServicer] = ToolsServicer
) -> AsyncIterator[Inside]:
    """One member's node, with this service for its tools."""
    (made,) = make(tmp_path, 1)
    monkeypatch.setattr(listening, "ToolsServicer", servicer)
    keys, charter = folder.read_keys(made.config.data_folder), joining.read_charter(made.config)
    cards = charters.read(made.config.data_folder / folder.CHARTER)[2]
    exchange = joining.open_exchange(made.config, keys, charter)
    exchange.start(RealClock().now_ms())
    clock = CertificateClock()
    running = Daemon(made.config, keys, exchange, list(cards), clock=clock)
    task = asyncio.create_task(running.run())
    try:
        async with asyncio.timeout(GUARD_S):
            await running.ready.wait()
        yield Inside(made, running, clock)
    finally:
        running.stopping.set()
        await task


def federation_id(node: Node) -> FederationId:
    return joining.read_charter(node.config).federation_id


def on_socket(node: Node) -> Client:
    return Client.on_socket(node.config.socket, federation_id(node))


def issue(
    node: Node,
    path: Path,
    *scopes: str,
    ago: timedelta = timedelta(),
    life: timedelta = timedelta(days=30),
    says: bool = True,
) -> Path:
    """As `tocsin tool issue`, into the place of what was there."""
    now = datetime.now(UTC) - ago  # noqa: TID251 - gRPC has the real clock
    federation, address = (federation_id(node), node.config.tools_listen) if says else (None, "")
    folder_ = node.config.data_folder
    pem = tools.issue(folder_, path.stem, scopes, now, life, federation_id=federation, address=address)
    files.replace_secret(path, pem)
    return path


def crisis(title: str) -> record_pb2.Crisis:
    framework = record_pb2.Reference(name="eu-ocrf", version="1")
    return record_pb2.Crisis(framework=framework, title=title, ends_ms=RealClock().now_ms() + 3_600_000)


def draft(name: str) -> tools_pb2.ListDraft:
    return tools_pb2.ListDraft(name=name, kind="sha256", labels=["x"], handling=GREEN)
