"""Certificates that last for seconds: links are dialled anew beside the old ones, and nobody notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from node.client import Client
from node.custody import charters, folder, joining
from node.daemon import Daemon, RealClock, life
from node.errors import Malformed
from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.protocol.faults import CONVICTED_MIN
from node.rpc import examination
from node.v1 import admin_pb2
from tests.acts import GREEN, approve, client, crisis, hears, holds, in_force, publish
from tests.federation import GUARD_S, Node, make

LIFE = timedelta(seconds=6)
RENEWALS = 2


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Daemon]:
    """The node's daemon in this process, with certificates that last for seconds."""
    settings = node.config
    keys, charter = folder.read_keys(settings.data_folder), joining.read_charter(settings)
    _, _, cards = charters.read(settings.data_folder / folder.CHARTER)
    exchange = joining.open_exchange(settings, keys, charter)
    exchange.start(RealClock().now_ms())
    daemon = Daemon(settings, keys, exchange, list(cards), leaf_life=LIFE)
    task = asyncio.create_task(daemon.run())
    try:
        await daemon.ready.wait()
        yield daemon
    finally:
        daemon.stopping.set()
        await task


async def renewed(daemon: Daemon, times: int) -> None:
    """Wait until it has had so many certificates after its first."""
    first = daemon.leaf_ends
    while daemon.leaf_ends < first + (times - 0.5) * LIFE * life.RENEW_AT:
        await daemon.peering.links.newer(daemon.peering.links.version)


async def test_links_outlast_many_certificates_while_lists_and_crises_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "SWEEP_EVERY_S", 0.2)  # what shows an old certificate does not live long
    one, other = make(tmp_path, 2)
    with structlog.testing.capture_logs() as log:
        async with asyncio.timeout(2 * GUARD_S), AsyncExitStack() as stack:
            both = [await stack.enter_async_context(running(node)) for node in (one, other)]
            await approve(one, other)
            await approve(other, one)
            await in_force(one, other)
            before = {daemon.keys.member_id: link_of(daemon) for daemon in both}
            renewing = [asyncio.create_task(renewed(daemon, RENEWALS)) for daemon in both]
            for number in range(6):
                digests = [(number * 10_000 + i).to_bytes(32) for i in range(1, 5_001)]
                await publish(one, f"list-{number}", digests)
                async with client(other) as opened:
                    await opened.declare(crisis(f"crisis {number}", RealClock().now_ms()), GREEN)
                await asyncio.gather(hears(one, f"crisis {number}"), holds(other, digests))
            await asyncio.gather(*renewing)
            await replaced(both[0], before[both[0].keys.member_id])
            assert not [line for line in log if line["event"] == "link down"]
            assert len([line for line in log if line["event"] == "link up"]) == 2
            assert len([line for line in log if line["event"] == "certificate renewed"]) >= 2 * RENEWALS


async def test_an_issuer_that_ends_soon_and_faults_that_must_be_our_own_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = make(tmp_path, 2)
    async with asyncio.timeout(GUARD_S), running(one) as daemon, client(one) as opened:
        await approve(one, other)
        assert await found(opened, "issuer") == await found(opened, "faults") == []
        monkeypatch.setattr(examination, "ISSUER_MS_MIN", 11 * 366 * 86_400_000)  # and so they end soon
        own, peers = await found(opened, "issuer")
        assert own.found.startswith("this node's TLS issuer ends ")
        assert peers.found.startswith(f"{other.name} (")
        for number in range(CONVICTED_MIN):
            daemon.peering.convict(MemberId(bytes([number]) * 32), Malformed("signature", "wrong"))
        (fault,) = await found(opened, "faults")
        assert fault.verdict == "fault"


async def found(opened: Client, name: str) -> list[admin_pb2.Finding]:
    """What the doctor hears of the running node under this name."""
    findings = (await opened.admin.Examine(admin_pb2.ExamineRequest())).findings
    return [one for one in findings if one.name == name]


def link_of(daemon: Daemon) -> object:
    (peer,) = daemon.peering.connected
    return daemon.peering.standing(peer, Stream.GOSSIP)


async def replaced(daemon: Daemon, before: object) -> None:
    """Wait until another link stands than before."""
    while link_of(daemon) is before:
        await daemon.peering.links.newer(daemon.peering.links.version)
