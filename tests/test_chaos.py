"""The faults of tests/chaos, a little of each; `scripts/chaos` has as many as one likes, by seed."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests import federation
from tests.chaos import plan, rounds
from tests.chaos.cables import Cables
from tests.chaos.plan import Break, Cable, Disk, Fault, Frozen, Kill, Moment, Plan, Shape, Slow
from tests.chaos.saying import Said

GUARD_S = 60


def of(*faults: Fault, shape: Shape = Shape.MESH, nodes: int = 4) -> Plan:
    return Plan(
        seed=0,
        number=0,
        shape=shape,
        nodes=nodes,
        publisher=0,
        digest_count=20_000,
        parts=2,
        publishes_again=True,
        removed=0.01,
        declarers=[0, 1, 2, 0, 1],
        pause_s=0.05,
        faults=faults,
    )


def test_a_seed_and_a_number_are_one_plan_and_all_faults_are_drawn() -> None:
    drawn = [plan.draw(7, number) for number in range(60)]
    assert drawn == [plan.draw(7, number) for number in range(60)]
    assert drawn != [plan.draw(8, number) for number in range(60)]
    assert {fault.name for one in drawn for fault in one.faults} == set(plan.NAMES)
    assert any(len({fault.name for fault in one.faults}) == 2 for one in drawn)
    assert {fault.name for number in range(9) for fault in plan.draw(7, number, ["disk"]).faults} == {"disk"}


def played(one: Plan) -> list[str]:
    """What a round told; it must have ended well."""
    told: list[str] = []
    outcome = rounds.run(one, told.append)
    assert not outcome.fault, f"{outcome.fault}\n{outcome.folder}\n{told}"
    assert outcome.folder is None
    return told


def test_killed_ends_and_relays_of_a_line_lose_nothing() -> None:
    early, late = Moment(0.1, 0.02), Moment(0.5, 0.05)
    told = played(of(Kill(0, early), Kill(1, late), shape=Shape.LINE, nodes=3))
    assert sum("was killed" in line for line in told) == 2
    assert "19,800 digests and 5 crises on each of 3 nodes" in told[-1]


def test_a_full_disk_and_a_frozen_peer_do_not_disturb_the_others_and_catch_up() -> None:
    told = played(of(Disk(3, Moment(0.1, 0), 0, 1.0), Frozen(2, Moment(0.1, 0), 1.5)))
    assert any("was frozen" in line for line in told)
    assert any("has room again" in line for line in told)
    assert any("declarations between the others" in line for line in told)


def test_a_reset_cable_and_a_slow_peer_do_not_disturb_the_others_and_catch_up() -> None:
    cable = Cable(3, Moment(0.1, 0), Break.RESET, all=True, until_noticed=True, lasts_s=1.0)
    told = played(of(cable, Slow(2, 512 << 10, 0.03)))
    assert any("noticed by both ends" in line for line in told)
    assert any("times the" in line for line in told)


def test_what_is_lost_fails_the_round_and_its_folder_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Said, "standing", [bytes(32)])
    outcome = rounds.run(of(shape=Shape.LINE, nodes=3), lambda _: None)
    assert outcome.folder is not None
    try:
        assert f"does not find 1 of 1 digests, as {bytes(32).hex()}" in outcome.fault
        assert '"event": "ready"' in (outcome.folder / "n1.log").read_text()
    finally:
        shutil.rmtree(outcome.folder)


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Cables, int]]:
    """A cable to something that says back what it hears; this process is the other node."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            writer.write(data)
        writer.close()

    port, target = federation.free_ports(2)
    server = await asyncio.start_server(echo, "127.0.0.1", target)
    async with asyncio.timeout(GUARD_S), server, Cables(2, lambda: [os.getpid(), None]) as cables:
        await cables.lay(1, port, target)
        yield cables, port


async def test_a_cable_passes_what_is_said_holds_it_and_lets_it_go() -> None:
    async with echoing() as (cables, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        cables.between(0, 1).ways[0].hold()
        writer.write(b"two")
        answer = asyncio.create_task(reader.readexactly(3))
        while cables.between(0, 1).ways[1].passed_bytes < 6:  # noqa: ASYNC110 - nothing tells when bytes have passed
            await asyncio.sleep(0)
        assert not answer.done()
        cables.between(0, 1).ways[0].let_go()
        assert await answer == b"two"
        writer.close()


async def test_a_cable_that_is_cut_by_resets_resets_what_stands_and_what_is_new() -> None:
    async with echoing() as (cables, port):
        cable = cables.between(0, 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        cable.is_cut = True
        cable.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
