"""Credentials: what gRPC is handed, and what it would do with something else."""

import ssl
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509

from node.custody import issuer
from node.errors import ConfigError, Refused
from node.feed.keys import MemberId
from node.rpc import channel, tls
from node.rpc.tls import Leaf, Pins, TlsState
from tests.rpc.door import NOW, Door, ask, code_of, forge, opened, party, pinned, server, uri

A, B, X = party("a"), party("b"), party("f")


def test_a_uri_is_read_only_to_the_letter() -> None:
    member, node = A.member_id.hex(), bytes(16).hex()
    assert tls.read_uri(tls.node_uri(A.member_id, bytes(16))) == tls.Claim(A.member_id, "node", node)
    assert tls.read_uri(tls.tool_uri(A.member_id, "a.b-c_1")) == tls.Claim(A.member_id, "tool", "a.b-c_1")
    person = tls.tool_uri(A.member_id, "anna", is_person=True)
    assert tls.read_uri(person) == tls.Claim(A.member_id, "person", "anna")
    for wrong in (
        f"spiffe://{member}/node/{node}/",
        f"spiffe://{member}/node/{node}\n",
        f"spiffe://{member.upper()}/node/{node}",
        f"spiffe://{member[2:]}/node/{node}",
        f"spiffe://{member}/node/{node}?x",
        f"spiffe://{member}/node",
        f"spiffe://{member}/tool/",
        f"spiffe://{member}/tool/..",
        f"spiffe://{member}/tool/a/b",
        f"spiffe://{member}:443/node/{node}",
        f"SPIFFE://{member}/node/{node}",
        f"https://{member}/node/{node}",
    ):
        assert tls.read_uri(wrong) is None, wrong


def test_no_uri_is_made_that_is_not_read() -> None:
    with pytest.raises(ValueError, match="wrong length"):
        tls.node_uri(MemberId(b"short"), bytes(16))
    with pytest.raises(Refused, match="cannot be the name of a tool"):
        tls.tool_uri(A.member_id, "Scanner 1")


def test_a_dns_name_is_two_labels_that_fit() -> None:
    assert tls.dns_name(A.member_id) == "a" * 32 + ".tocsin"


@pytest.mark.parametrize(
    ("key", "certificate"),
    [
        (b"", B.leaf.certificate_pem),
        (b"junk", B.leaf.certificate_pem),
        (B.leaf.key_pem, b""),
        (B.leaf.key_pem, b"junk"),
        (B.leaf.key_pem, A.leaf.certificate_pem),
        (B.leaf.key_pem, B.leaf.certificate_pem + B.nodes.pem),
    ],
    ids=["no key", "junk for a key", "no certificate", "junk for a certificate", "another's", "two certificates"],
)
def test_a_leaf_that_grpc_would_pass_over_in_silence_is_refused(key: bytes, certificate: bytes) -> None:
    with pytest.raises(ConfigError, match="a TLS key and its certificate"):
        Leaf(key, certificate)


def test_a_leaf_does_not_show_its_key() -> None:
    assert "PRIVATE" not in repr(B.leaf)
    assert "PRIVATE" not in repr(B.nodes)


@pytest.mark.parametrize(
    "roots",
    [b"", b"\n", A.nodes.pem + X.nodes.pem, b"junk", A.nodes.pem.replace(b"M", b"?")],
    ids=["none", "an empty line", "two", "junk", "one that is broken"],
)
def test_a_channel_takes_exactly_one_root(roots: bytes) -> None:
    with pytest.raises(ConfigError, match="root"):
        tls.channel_credentials(roots, B.leaf)


def test_a_root_under_another_label_does_not_slip_in_beside_the_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[bytes] = []
    monkeypatch.setattr(grpc, "ssl_channel_credentials", lambda root, key, leaf: given.append(root))
    trusted = X.nodes.pem.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE")
    tls.channel_credentials(A.nodes.pem + trusted, B.leaf)
    assert given == [A.nodes.pem]


def test_the_fetcher_says_none_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    fetchers: list[Callable[[], Any]] = []
    monkeypatch.setattr(tls, "_dynamic", lambda first, fetch: fetchers.append(fetch))
    state = TlsState(A.leaf, pinned(B))
    state.server_credentials()
    state.server_credentials()
    assert [fetch() for fetch in fetchers] == [None, None]
    state.pin(pinned(B, X))
    assert all(fetch() is not None for fetch in fetchers), "each port is told once"
    assert [fetch() for fetch in fetchers] == [None, None]
    state.renew(A.leaf)
    assert all(fetch() is not None for fetch in fetchers)


def test_the_pool_is_never_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[bytes] = []
    monkeypatch.setattr(grpc, "ssl_server_certificate_configuration", lambda pairs, pool: pools.append(pool))
    state = TlsState(A.leaf, Pins())
    state.pin(pinned(B))
    state.pin(Pins())
    assert pools[0] == pools[2] != b""
    assert pools[1] == B.nodes.pem


async def test_with_no_peer_pinned_nobody_is_let_in() -> None:
    async with opened(A) as door:
        state = TlsState(A.leaf, Pins())
        serving = server(door)
        door.port = serving.add_secure_port("127.0.0.1:0", state.server_credentials())
        await serving.start()
        for leaf in (B.leaf, A.leaf, A.tool()):
            async with door.channel(leaf) as knocking:
                assert await code_of(ask(knocking)) is grpc.StatusCode.UNAVAILABLE
        await serving.stop(None)


async def test_one_state_serves_two_ports() -> None:
    async with opened(A, B) as door:
        state = TlsState(A.leaf, pinned(B))
        serving = server(door)
        ports = [serving.add_secure_port("127.0.0.1:0", state.server_credentials()) for _ in range(2)]
        await serving.start()
        for door.port in ports:
            async with door.channel(B.leaf) as knocking:
                assert await code_of(ask(knocking)) is grpc.StatusCode.OK
        await serving.stop(None)


async def _knock(door: Door, leaf: Leaf) -> grpc.StatusCode:
    async with door.channel(leaf) as knocking:
        return await code_of(ask(knocking))


async def test_roots_and_leaf_change_while_the_port_serves() -> None:
    async with opened(A) as door:
        serving = server(door)
        door.port = serving.add_secure_port("127.0.0.1:0", door.state.server_credentials())
        await serving.start()
        assert await _knock(door, B.leaf) is grpc.StatusCode.UNAVAILABLE
        door.state.pin(pinned(B))
        assert await _knock(door, B.leaf) is grpc.StatusCode.OK
        door.state.renew(X.leaf)
        assert await _knock(door, B.leaf) is grpc.StatusCode.UNAVAILABLE, "the client is not fooled"
        door.state.renew(party("a").leaf)
        door.state.renew(A.leaf)
        assert await _knock(door, B.leaf) is grpc.StatusCode.OK
        door.state.pin(Pins())
        assert await _knock(door, B.leaf) is grpc.StatusCode.UNAVAILABLE
        await serving.stop(None)


async def _serves(shown: Leaf, root_pem: bytes) -> grpc.StatusCode:
    """What a client of A's, that knows one root and A's name, sees of a server that shows this leaf."""
    async with opened(A, B) as door:
        serving = server(door)
        state = TlsState(shown, pinned(B))
        port = serving.add_secure_port("127.0.0.1:0", state.server_credentials())
        await serving.start()
        async with channel.open_to_member(f"127.0.0.1:{port}", A.member_id, root_pem, B.leaf) as dialled:
            code = await code_of(ask(dialled))
        await serving.stop(None)
        return code


async def test_a_client_takes_its_own_root_and_name_and_nothing_else() -> None:
    ours, theirs = x509.DNSName(tls.dns_name(A.member_id)), uri(tls.node_uri(A.member_id, bytes(16)))
    assert await _serves(A.leaf, A.nodes.pem) is grpc.StatusCode.OK
    posing, _ = forge(X.nodes, theirs, ours)
    assert await _serves(posing, A.nodes.pem) is grpc.StatusCode.UNAVAILABLE, "the name under another root"
    assert await _serves(B.leaf, B.nodes.pem) is grpc.StatusCode.UNAVAILABLE, "the root with another name"
    nameless, _ = forge(A.nodes, theirs)
    assert await _serves(nameless, A.nodes.pem) is grpc.StatusCode.UNAVAILABLE, "a URI is no name to gRPC"
    assert await _serves(A.tool(), A.tools.pem) is grpc.StatusCode.UNAVAILABLE, "a tool cannot serve"
    late, _ = forge(A.nodes, theirs, ours, ends=NOW - issuer.CLOCKS_APART / 5)
    assert await _serves(late, A.nodes.pem) is grpc.StatusCode.UNAVAILABLE, "an expired leaf"


def test_a_real_server_turns_tls_1_2_away_in_the_handshake() -> None:
    # In a process of its own: the list of suites is read when gRPC is imported, which the tests did long ago.
    program = textwrap.dedent("""
        import os, socket, ssl
        from concurrent import futures
        from tests.rpc.door import party, pinned
        import grpc
        from node.rpc.tls import TlsState
        assert "GRPC_SSL_CIPHER_SUITES" not in os.environ
        serving = grpc.server(futures.ThreadPoolExecutor(1))
        a, b = party("a"), party("b")
        open("leaf.pem", "wb").write(b.leaf.key_pem + b.leaf.certificate_pem)
        port = serving.add_secure_port("127.0.0.1:0", TlsState(a.leaf, pinned(b)).server_credentials())
        serving.start()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
            client.minimum_version = client.maximum_version = version
            client.set_alpn_protocols(["h2"])
            client.load_cert_chain("leaf.pem")
            try:
                with socket.create_connection(("127.0.0.1", port)) as raw, client.wrap_socket(raw) as done:
                    print(done.version())
            except (OSError, ssl.SSLError):
                print("refused")
        serving.stop(None)
    """)
    first = f"import node.rpc, os, sys, tempfile; os.chdir(tempfile.mkdtemp())\n{program}"
    run = subprocess.run(
        [sys.executable, "-c", first],
        env={"PYTHONPATH": ":".join(sys.path), "GRPC_VERBOSITY": "NONE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.split() == ["refused", "TLSv1.3"], run.stderr
    assert ssl.HAS_TLSv1_2
