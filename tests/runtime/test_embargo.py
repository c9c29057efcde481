"""Calls that come right after a start, and echoes over links."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from node.errors import Refused
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.signing import ECHOES_WITHIN_S, State
from node.feed.header import NORMAL, URGENT
from node.feed.kinds import Kind
from node.protocol.effects import Stream
from node.runtime.reading import Reading
from node.runtime.saying import Saying
from node.store import ledger
from node.v1 import peer_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_signing import approve, elsewhere, journal
from tests.runtime.lines import RealClock, Running, join
from tests.runtime.test_peering import GUARD_S, declaration, ends, served, until
from tests.simulator.members import federation

WORLD = federation(25)


class Patience(RealClock):
    """This machine's clocks; its timers can be put forward."""

    passed_s = 0.0
    jumped_ms = 0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.passed_s

    def now_ms(self) -> int:
        return super().now_ms() + round(1000 * self.passed_s) + self.jumped_ms


@asynccontextmanager
async def running(
    folder: Path, number: int, *, peers: int = 0, clock: Patience | None = None
) -> AsyncIterator[Running]:
    """A node that has just been started, with so many approved peers."""
    exchange = started(folder, number, peers)
    node = Running(exchange, number, folder, clock)
    yield node
    await node.stop()


def started(folder: Path, number: int, peers: int) -> Exchange:
    folder.mkdir()
    exchange = exchange_in(folder, WORLD, WORLD.members[number])
    approve(exchange, WORLD.members[1 : 1 + peers])
    exchange.start(RealClock().now_ms())
    return exchange


@asynccontextmanager
async def saying(node: Running, clock: Patience | None = None) -> AsyncIterator[Saying]:
    reading = Reading(node.folder)
    await reading.open()
    yield Saying(node.peering, node.writer, reading, node.projecting, clock or RealClock())
    await reading.close()


async def test_what_is_said_right_after_a_start_waits_for_the_peers_and_goes_out(tmp_path: Path) -> None:
    async with running(tmp_path / "n", 0, peers=2) as node, running(tmp_path / "p", 1) as peer, saying(node) as say:
        call = asyncio.create_task(say.say([declaration()], URGENT))
        await node.writer.run(lambda _: None)
        assert not call.done()
        assert not node.writer.signing.echoed
        join(node, peer)
        async with asyncio.timeout(GUARD_S):
            await call
        await until(peer, Kind.DECLARATION)


async def test_a_minute_later_it_is_refused_and_lane_0_goes_out_on_the_operators_word(tmp_path: Path) -> None:
    clock = Patience()
    async with running(tmp_path / "n", 0, peers=2, clock=clock) as node, saying(node, clock) as say:
        await node.peering.embargo.look()
        clock.passed_s = ECHOES_WITHIN_S
        signed = journal(node.exchange).lines()
        for lane, unconfirmed in ((URGENT, False), (NORMAL, True)):
            draft = declaration() if lane == URGENT else ordinary()
            with pytest.raises(Refused, match="0 of 1 peers"):
                await say.say([draft], lane, unconfirmed=unconfirmed)
        assert journal(node.exchange).lines() == signed
        await say.say([declaration()], URGENT, unconfirmed=True)
        assert node.writer.signing.state is State.EMBARGO


def ordinary() -> Draft:
    return replace(declaration(), urgency=NORMAL)


async def test_nothing_is_erased_by_a_clock_that_has_just_jumped_and_nobody_looked_at_since(tmp_path: Path) -> None:
    clock = Patience()
    async with running(tmp_path / "n", 0, clock=clock) as node:
        await node.peering.embargo.look()
        assert node.peering.embargo.may_erase()
        clock.jumped_ms = 10 * 365 * 86_400_000
        assert not node.peering.embargo.may_erase()


async def test_a_forged_echo_is_hung_up_on_and_counts_for_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "n", 0, peers=2) as node, running(tmp_path / "p", 1) as peer:
        forged = elsewhere(node.exchange)
        forged.signature = bytes(64)
        await shows(node, peer, peer_pb2.Echo(entries=[forged]), "signature")
        assert node.peering.convicting.faults.by_rule["signature"] == 1
        assert not node.writer.signing.echoed
        assert node.writer.signing.state is State.EMBARGO


async def shows(node: Running, peer: Running, echo: peer_pb2.Echo, reason: str) -> None:
    """The peer says hello and this, and the link ends with the reason."""
    link = ends(node, peer, peer)[Stream.GOSSIP]
    task = await served(node, link)
    await link.inbox.put(hello(peer).SerializeToString())
    await link.inbox.put(peer_pb2.Frame(echo=echo).SerializeToString())
    async with asyncio.timeout(GUARD_S):
        assert reason in await task


def hello(peer: Running) -> peer_pb2.Frame:
    return peer_pb2.Frame(
        hello=peer_pb2.Hello(
            federation_id=peer.exchange.trust.federation_id,
            member_id=peer.member_id,
            version_min=1,
            version_max=1,
            now_ms=RealClock().now_ms(),
        )
    )


async def test_a_clone_and_its_node_that_both_sign_prove_the_fork_and_neither_signs_again(tmp_path: Path) -> None:
    """As two of one virtual machine: nothing on either tells which is the copy."""
    async with (
        running(tmp_path / "n", 0) as node,
        running(tmp_path / "c", 0) as clone,
        running(tmp_path / "p", 1) as peer,
        running(tmp_path / "q", 2) as other,
    ):
        join(node, peer)
        join(clone, other)
        await node.peering.publish([declaration()], URGENT)
        await clone.peering.publish([ordinary()])
        join(peer, other)
        await is_over(node)  # by the proof
        assert await peer.writer.run(lambda exchange: len(ledger.forks(exchange.stores.ledger))) == 1
        join(clone, peer)
        await is_over(clone)  # by the echo, if the proof has not come before
        for one in (node, clone):
            with pytest.raises(Refused, match="signed elsewhere"):
                await one.peering.publish([declaration()], URGENT, unconfirmed=True)


async def is_over(node: Running) -> None:
    async with asyncio.timeout(GUARD_S):
        while node.writer.signing.state is not State.STALE:
            await node.peering._frames.newer(node.peering._frames.version)
