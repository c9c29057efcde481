"""Who may call: certificates that are stolen, foreign, expired or of the wrong kind, and strangers in masses."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from nacl.signing import SigningKey

from tests.federation import GUARD_S
from tests.hostile import letters, talking
from tests.hostile.conftest import Scene
from tests.hostile.member import Head, Issuer, Leaf, Member
from tests.hostile.talking import Victim
from tests.vectors import wire

REFUSED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
STRANGERS = 1_000


def honest(scene: Scene) -> Member:
    """The other honest member, whose issuer the victim has pinned too."""
    return scene.bystander.member


NOT_LET_IN: dict[str, Callable[[Scene], Leaf]] = {
    "a leaf of another member by the hostile's issuer": lambda scene: honest(scene).issue(scene.me.nodes),
    "a leaf of the victim by the hostile's issuer": lambda scene: scene.victim.member.issue(scene.me.nodes),
    "a leaf that expired": lambda scene: scene.me.issue(scene.me.nodes, ends_in=timedelta(minutes=-1)),
    "a leaf that is not valid yet": lambda scene: scene.me.issue(scene.me.nodes, ends_in=timedelta(days=2)),
    "a tool's leaf by the issuer of tools": lambda scene: scene.me.issue(scene.me.tools, use="tool/scanner"),
    "a tool's leaf by the issuer of nodes": lambda scene: scene.me.issue(scene.me.nodes, use="tool/scanner"),
    "a node's leaf by the issuer of tools": lambda scene: scene.me.issue(scene.me.tools),
    "the victim's own tool": lambda scene: scene.victim.member.issue(scene.victim.member.tools, use="tool/scanner"),
    "a node of a longer name": lambda scene: scene.me.issue(scene.me.nodes, use=f"node/{scene.me.node_id.hex()}/x"),
}


@pytest.mark.parametrize("what", NOT_LET_IN)
async def test_it_is_not_let_in_among_the_peers(scene: Scene, what: str) -> None:
    async with asyncio.timeout(GUARD_S), talking.connected(scene.victim, NOT_LET_IN[what](scene)) as opened:
        code, _ = await talking.begin(opened).end()  # what is written to one that was refused hides the reason
    assert code in REFUSED


async def test_a_peer_is_not_let_in_among_the_tools(scene: Scene) -> None:
    tools = Victim(scene.one.config.tools_listen, scene.victim.member)
    for leaf in (scene.me.leaf, scene.me.issue(scene.me.tools, use="tool/scanner")):
        async with asyncio.timeout(GUARD_S), talking.connected(tools, leaf) as opened:
            for method in ("/tocsin.v1.Peer/Gossip", "/tocsin.v1.Tools/Subscribe"):
                call: Any = opened.stream_stream(method)
                assert (await talking.Talk(call()).end())[0] in REFUSED


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/tocsin.v1.Tools/ListCrises",
        "/tocsin.v1.Admin/GetStatus",
        "/tocsin.v1.Admin/ApprovePeers",
        "/tocsin.v1.Peer/gossip",
        "/tocsin.v1.Peer/Gossip/",
        "/",
    ],
)
async def test_peers_have_two_methods_and_no_others(scene: Scene, method: str) -> None:
    async with asyncio.timeout(GUARD_S), talking.connected(scene.victim, scene.me.leaf) as opened:
        call: Any = opened.unary_unary(method)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"")
    assert refused.value.code() in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED}


async def test_a_stolen_certificate_without_the_feeds_key_may_listen_and_say_nothing(scene: Scene) -> None:
    """The thief compares heads and fetches as the member would; whatever it signs is its own fault."""
    thief = SigningKey(wire.seed("the thief's"))
    async with talking.gossip(scene.victim, scene.me) as talk:
        before = await talk.rows()
        assert scene.victim.member.feed_id in before
        assert await talk.span(scene.victim.member.feed_id, 1, 1)
        made = scene.me.entry(await talk.head(scene.me), key=thief)
        assert "not signed by its feed" in await talk.fault(letters.entries([made.letter]))
    node = wire.message({1: bytes(16), 2: bytes(thief.verify_key), 3: wire.seed("kem"), 4: b"an issuer"})
    for lie in (  # its own key certified in the member's log, or opened as a new feed
        scene.me.entry(
            Head(*before[scene.me.member_id]), feed_id=scene.me.member_id, kind=6, statement=node, key=thief
        ),
        scene.me.entry(
            Head(0, b""),
            feed_id=wire.digest("feed", scene.me.federation_id, scene.me.member_id + bytes(thief.verify_key)),
            kind=32,
            statement=wire.message({1: scene.me.member_id, 2: bytes(thief.verify_key)}),
            key=thief,
        ),
    ):
        async with talking.gossip(scene.victim, scene.me) as talk:
            await talk.verdict(letters.entries([lie.letter]))
        async with talking.gossip(scene.victim, scene.me) as talk:
            assert await talk.held(lie) == []
            assert set(await talk.rows()) == set(before)


# ---- In masses


@contextmanager
def sockets(address: str, count: int) -> Iterator[list[socket.socket]]:
    """So many connections at once."""
    host, port = address.rsplit(":", 1)
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection((host, int(port)), GUARD_S)) for _ in range(count)]


async def test_a_thousand_connections_of_a_stranger_keep_nobody_out(scene: Scene) -> None:
    """Half say nothing, half speak another protocol; a peer comes in beside them."""
    with sockets(scene.victim.address, STRANGERS) as opened:
        for one in opened[::2]:
            with suppress(OSError):
                one.sendall(b"GET / HTTP/1.1\r\n\r\n")
        async with talking.gossip(scene.victim, scene.me) as talk:
            assert scene.me.feed_id in await talk.rows()


async def test_connections_that_shake_hands_and_never_finish_a_word_keep_nobody_out(
    scene: Scene, tmp_path: Path
) -> None:
    """The beginning of HTTP/2, and no more of it; some of them send a byte now and then."""
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(scene.me.leaf.key + scene.me.leaf.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=scene.victim.member.nodes.pem.decode())
    context.load_cert_chain(leaf)
    context.set_alpn_protocols(["h2"])
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    def trickle() -> None:
        with sockets(scene.victim.address, 100) as opened, ExitStack() as stack:
            talks = [
                stack.enter_context(context.wrap_socket(one, server_hostname=scene.victim.member.dns_name))
                for one in opened
            ]
            for i in range(len(preface) - 1):
                for one in talks:
                    one.sendall(preface[i : i + 1])
            asyncio.run(_gets_in(scene))

    await asyncio.to_thread(trickle)


async def _gets_in(scene: Scene) -> None:
    async with talking.gossip(scene.victim, scene.me) as talk:
        assert scene.me.feed_id in await talk.rows()


async def test_calls_of_one_that_is_not_let_in_cost_nothing_that_stays(scene: Scene) -> None:
    stranger: Issuer = scene.me.tools
    for _ in range(100):
        async with talking.connected(scene.victim, scene.me.issue(stranger)) as opened:
            assert (await talking.begin(opened).end())[0] in REFUSED
