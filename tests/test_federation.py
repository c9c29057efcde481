"""Real daemons on this machine, and what they owe each other: everything, in the end, through anyone."""

import asyncio
import resource
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from node.client import Client, Received
from node.custody import joining
from node.errors import Refused, Unavailable
from node.feed.kinds import Kind
from node.rpc import channel
from node.v1 import admin_pb2
from tests.acts import (
    DIGESTS,
    GREEN,
    HOUR_MS,
    approve,
    client,
    crisis,
    declare,
    hears,
    holds,
    in_force,
    in_step,
    publish,
    status,
)
from tests.federation import GUARD_S, Node, federation, make


@pytest.fixture(scope="module", name="five")
def _five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """Five members, all approved by all: for tests that do them no harm."""
    with federation(tmp_path_factory.mktemp("five"), 5) as nodes:
        for node in nodes:
            asyncio.run(approve(node, *(other for other in nodes if other is not node)))
        asyncio.run(in_force(*nodes))
        yield nodes


async def test_a_declaration_and_a_list_reach_everyone_and_all_agree(five: Sequence[Node]) -> None:
    await publish(five[3], "shared", DIGESTS)
    declared = await declare(five[0], "seen by all")
    assert declared.state == "active"
    for node in five:
        await hears(node, "seen by all")
        await holds(node, DIGESTS)
    await in_step(*five)


async def test_a_platform_may_not_declare_and_is_told_why(five: Sequence[Node]) -> None:
    with pytest.raises(Refused, match="a platform may not declare"):
        await declare(five[3], "not by a platform")


async def test_the_same_request_twice_is_one_declaration(five: Sequence[Node]) -> None:
    async with client(five[1]) as opened:
        status = await opened.admin.GetStatus(admin_pb2.GetStatusRequest())
        said = crisis("said twice", status.certificate_ends_ms - 20 * HOUR_MS)
        first = await opened.declare(said, GREEN, object_id=b"o" * 16)
        second = await opened.declare(said, GREEN, object_id=b"o" * 16)
    assert first.entry == second.entry


async def test_an_ended_crisis_is_ended_for_everyone(five: Sequence[Node]) -> None:
    declared = await declare(five[2], "soon over")
    async with client(five[2]) as opened:
        ended = await opened.end_crisis(declared.reference)
    assert ended.state == "ended"
    async with asyncio.timeout(GUARD_S), client(five[4]) as opened:
        async for event in opened.subscribe("ends", kinds_wanted=[Kind.CRISIS_ACT]):
            if isinstance(event, Received) and event.object_id == declared.object_id:
                break
    found = await asyncio.to_thread(
        five[4].until, lambda crises: _state(crises, declared.object_id) == "ended", "crisis", "list"
    )
    assert _state(found, declared.object_id) == "ended"


def _state(crises: Any, object_id: bytes) -> str:
    return next((one["state"] for one in crises if one["object_id"] == object_id.hex()), "")


async def test_a_tool_that_was_killed_misses_nothing_and_gets_nothing_twice_past_what_it_acknowledged(
    five: Sequence[Node], tmp_path: Path
) -> None:
    node = five[1]
    node.cli("tool", "issue", "scanner", "--scope", "read", "--scope", "match", "--output", tmp_path / "scanner.pem")
    federation_id = joining.read_charter(node.config).federation_id
    seen: list[bytes] = []
    acknowledged = 0
    for number in range(3):
        await declare(five[0], f"for the tool {number}")
        async with (
            asyncio.timeout(GUARD_S),
            Client.with_bundle(node.config.tools_listen, tmp_path / "scanner.pem", federation_id) as opened,
        ):
            before = acknowledged
            async for event in opened.subscribe("journal", kinds_wanted=[Kind.DECLARATION]):
                if not isinstance(event, Received) or event.record is None:
                    continue
                assert event.entry not in seen[:before]
                seen.append(event.entry)
                if event.record.crisis.title == f"for the tool {number}":
                    break  # killed: the last one was not acknowledged
                await opened.acknowledge("journal", event.cursor)
                acknowledged = len(seen)
    assert len(set(seen)) >= 3


async def test_a_tool_may_do_what_its_scopes_say_and_no_more(five: Sequence[Node], tmp_path: Path) -> None:
    node = five[0]
    node.cli("tool", "issue", "matcher", "--scope", "match", "--output", tmp_path / "matcher.pem")
    federation_id = joining.read_charter(node.config).federation_id
    async with Client.with_bundle(node.config.tools_listen, tmp_path / "matcher.pem", federation_id) as opened:
        assert await opened.look_up("sha256", [bytes(32)]) == []
        with pytest.raises(Refused, match=r"may not call /tocsin\.v1\.Tools/Declare"):
            await opened.declare(crisis("by a scanner", 1), GREEN)
    elsewhere = five[1].config.tools_listen
    async with Client.with_bundle(elsewhere, tmp_path / "matcher.pem", federation_id, timeout_s=3) as opened:
        with pytest.raises(Unavailable):
            await opened.look_up("sha256", [bytes(32)])


async def test_the_administrator_has_health_and_reflection(five: Sequence[Node]) -> None:
    opened = channel.open_to_administrator(five[0].config.socket)
    async with asyncio.timeout(GUARD_S), opened:
        check: Any = opened.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
        health = await check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        reflect: Any = opened.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        call = reflect(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        response: Any = await call.read()
        names = {found.name for found in response.list_services_response.service}
    assert {"tocsin.v1.Tools", "tocsin.v1.Admin"} <= names
    assert "tocsin.v1.Peer" not in names


async def test_three_in_a_line_relay_and_one_that_was_killed_catches_up(tmp_path: Path) -> None:
    with federation(tmp_path, 3) as (first, middle, last):
        await approve(first, middle)
        await approve(middle, first, last)
        await approve(last, middle)
        await in_force(first, middle, last)
        await declare(first, "down the line")
        await hears(last, "down the line")
        middle.kill()
        await declare(first, "while it was away")
        await publish(first, "meanwhile", DIGESTS)
        middle.start()
        await hears(last, "while it was away")
        await holds(last, DIGESTS)
        await in_step(first, middle, last)


async def test_a_late_one_gets_everything_and_kill_in_the_middle_of_a_list_loses_nothing(tmp_path: Path) -> None:
    nodes = make(tmp_path, 3, accept=2)
    first, second, late = nodes
    try:
        first.start()
        second.start()
        await approve(first, second, late)
        await approve(second, first, late)
        await in_force(first, second)
        await declare(first, "before it came")
        await publish(first, "early", DIGESTS)
        late.start()
        await approve(late, first, second)
        await hears(late, "before it came")
        for number in range(3):
            part = [i.to_bytes(32) for i in range(number * 20_000, (number + 1) * 20_000)]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(publish(second, "growing", part))
                await asyncio.sleep(0)
                late.kill()
            late.start()
        await in_step(first, second, late)
    finally:
        for node in nodes:
            if node.runs:
                node.kill()


async def test_members_that_nobody_can_dial_take_part_by_dialling(tmp_path: Path) -> None:
    with federation(tmp_path, 3, hidden=2) as (open_one, *hidden):
        for node in (open_one, *hidden):
            await approve(node, *(each for each in (open_one, *hidden) if each is not node))
        await in_force(open_one, *hidden)
        await declare(hidden[0], "from behind a wall")
        for node in (open_one, *hidden):
            await hears(node, "from behind a wall")
        await publish(open_one, "to-them-too", DIGESTS)
        await holds(hidden[1], DIGESTS)
        await in_step(open_one, *hidden)


async def test_removing_a_peer_ends_its_streams_at_once(tmp_path: Path) -> None:
    with federation(tmp_path, 2) as (one, other):
        await approve(one, other)
        await approve(other, one)
        await in_force(one, other)
        await declare(one, "while they talk")
        await hears(other, "while they talk")
        async with client(one) as opened:
            removed = await opened.admin.RemovePeer(admin_pb2.RemovePeerRequest(peer=other.name))
        assert removed.streams_ended > 0
        await asyncio.to_thread(other.wait_for, "link down")
        await declare(one, "after they parted")
        async with client(other) as opened:
            assert {one.crisis.title for one in await opened.crises()} == {"while they talk"}


def test_a_second_daemon_on_a_folder_is_refused_by_the_first_ones_process(five: Sequence[Node]) -> None:
    refused = five[0].cli("run", check=False)
    assert refused.returncode == 3
    assert "is in use by process" in refused.stderr


async def test_a_rebuilt_index_is_the_live_one(tmp_path: Path) -> None:
    with federation(tmp_path, 1) as (node,):
        await publish(node, "kept", DIGESTS)
        await declare(node, "kept too")
        before = await status(node)
        refused = node.cli("index", "rebuild", check=False)
        assert refused.returncode == 3
        assert "is in use by process" in refused.stderr
        node.stop()
        (node.config.data_folder / "digests.db").unlink()
        assert "20,000 items" in node.cli("index", "rebuild").stdout
        node.start()
        after = await status(node)
    assert (after.index_digest, after.items) == (before.index_digest, before.items)


def test_a_secret_that_others_can_read_keeps_the_node_from_starting(tmp_path: Path) -> None:
    (node,) = make(tmp_path, 1)
    (node.config.data_folder / "sign" / "feed.key").chmod(0o644)
    refused = node.cli("run", check=False)
    assert refused.returncode == 3
    assert "chmod 600" in refused.stderr


def test_a_port_that_is_taken_is_named_with_its_key(five: Sequence[Node], tmp_path: Path) -> None:
    (node,) = make(tmp_path, 1)
    file = node.folder / "node.toml"
    file.write_text(file.read_text().replace(node.config.peers_listen, five[0].config.peers_listen))
    refused = node.cli("run", check=False)
    assert refused.returncode == 3
    assert "peers.listen" in refused.stderr
    assert "cannot be listened on" in refused.stderr


def test_sigterm_ends_the_daemon_with_success(tmp_path: Path) -> None:
    with federation(tmp_path, 1) as (node,):
        assert node.stop() == 0


def test_systemd_is_told_when_the_node_is_ready_and_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(GUARD_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with federation(tmp_path / "n", 1) as (node,):
            assert listening.recv(64) == b"READY=1"
            node.stop()
            assert listening.recv(64) == b"STOPPING=1"


async def test_a_full_disk_loses_nothing_harms_nobody_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    with federation(tmp_path, 3) as (one, full, other):
        for node in (one, full, other):
            await approve(node, *(each for each in (one, full, other) if each is not node))
        await in_force(one, full, other)
        before = resource.prlimit(full.pid, resource.RLIMIT_FSIZE)
        largest = max(path.stat().st_size for path in full.config.data_folder.iterdir())
        resource.prlimit(full.pid, resource.RLIMIT_FSIZE, (largest + 100_000, before[1]))
        await publish(one, "larger-than-the-disk", DIGESTS)
        down = await asyncio.to_thread(full.wait_for, "link down")
        while "cannot be written" not in down["reason"]:
            down = await asyncio.to_thread(full.wait_for, "link down")
        await declare(one, "while a disk is full")
        await hears(other, "while a disk is full")
        await holds(other, DIGESTS)
        resource.prlimit(full.pid, resource.RLIMIT_FSIZE, before)
        await hears(full, "while a disk is full")
        await holds(full, DIGESTS)
        await in_step(one, full, other)
