"""What the probe says of each thing that may stand in the way, with each of them really there."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from node.rpc import probe
from node.rpc.probe import Obstacle, Shown
from tests.rpc.door import Party, opened, party
from tests.rpc.strangers import greets, hangs_up, is_silent, listening, server_context, speaks

OWN, PEER, OTHER = party("a"), party("b"), party("c")


async def shaken(address: str, own: Party = OWN) -> Shown:
    places = await probe.resolve(address)
    connection, reached = await probe.connect(places, asyncio.get_running_loop().time)
    assert reached.address == address
    return await probe.shake_hands(connection, PEER.member_id, own.leaf)


async def obstacle(address: str) -> Obstacle:
    with pytest.raises(Obstacle) as caught:
        await shaken(address)
    assert caught.value.next_step
    return caught.value


# ---- Names


@pytest.mark.parametrize(("code", "here"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)])
async def test_a_name_that_is_not_there_is_the_peers_and_a_resolver_that_is_not_is_ours(
    monkeypatch: pytest.MonkeyPatch, code: int, here: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "so it says")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    found = await obstacle("node.acme.example:7443")
    assert (found.step, found.here) == ("dns", here)
    assert found.reason == "node.acme.example cannot be resolved: the resolver says 'so it says'"


async def test_a_name_is_resolved_and_a_number_stays_as_it_is() -> None:
    assert ("127.0.0.1", 7443) in await probe.resolve("localhost:7443")
    assert await probe.resolve("[::1]:7443") == [("::1", 7443)]
    assert probe.is_number("[::1]:7443")
    assert probe.is_number("127.0.0.1:7443")
    assert not probe.is_number("localhost:7443")


# ---- Connections


async def test_a_port_where_nothing_listens_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    found = await obstacle(address)
    assert (found.step, found.here) == ("connect", False)
    assert found.reason == f"{address} refuses: the machine is there, and nothing listens at this port"


async def test_a_machine_that_does_not_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "STEP_S", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # the queue is full, and the kernel drops who comes next
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        found = await obstacle(f"127.0.0.1:{address[1]}")
        for one in waiting:
            one.close()
    assert (found.step, found.here) == ("connect", False)
    assert "does not answer within" in found.reason


async def test_the_second_address_of_a_name_is_tried_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as open_:
        places = [("127.0.0.1", port), ("127.0.0.1", open_.getsockname()[1])]
        connection, reached = await probe.connect(places, asyncio.get_running_loop().time)
        connection.close()
    assert reached.address.endswith(str(places[1][1]))


# ---- What is no handshake


async def test_a_server_of_another_protocol_is_named() -> None:
    with listening(greets) as address:
        found = await obstacle(address)
    assert (found.step, found.reason) == ("tls", "what listens there does not speak TLS")


async def test_a_server_that_hangs_up_is_named() -> None:
    with listening(hangs_up) as address:
        found = await obstacle(address)
    assert (found.step, found.reason) == ("tls", "what listens there hangs up before the handshake is over")


async def test_a_server_that_says_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "STEP_S", 0.2)
    with listening(is_silent) as address:
        found = await obstacle(address)
    assert found.step == "tls"
    assert "takes the connection and does not answer" in found.reason


# ---- Handshakes


async def test_an_old_server_shows_its_version(tmp_path: Path) -> None:
    context = server_context(tmp_path, PEER.leaf)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with listening(speaks(context)) as address:
        assert (await shaken(address)).version == "TLS 1.2"


async def test_an_alert_that_comes_after_the_handshake_is_read(tmp_path: Path) -> None:
    context = server_context(tmp_path, PEER.leaf)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=OTHER.nodes.pem.decode())
    with listening(speaks(context)) as address:
        shown = await shaken(address)
    assert (shown.version, shown.refused) == ("TLS 1.3", "unknown ca")


async def test_a_server_that_takes_us_shows_its_certificate(tmp_path: Path) -> None:
    context = server_context(tmp_path, PEER.leaf)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=OWN.nodes.pem.decode())
    with listening(speaks(context)) as address:
        shown = await shaken(address)
    assert (shown.refused, shown.speaks_http2) == (None, True)
    shown.certificate.verify_directly_issued_by(PEER.nodes.certificate)


async def test_a_node_hangs_up_on_strangers_without_an_alert_and_takes_who_is_pinned() -> None:
    async with opened(PEER, OWN) as door:
        assert (await shaken(f"127.0.0.1:{door.port}")).refused is None
        assert (await shaken(f"127.0.0.1:{door.port}", OTHER)).refused == ""
