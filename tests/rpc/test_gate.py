"""Who may call what: verified on every call, over real connections."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from node.custody import issuer
from node.custody.issuer import Issuer
from node.rpc import channel, gate, tls
from node.rpc.gate import Access, Administrator, Admits, Gate, PeerCaller, ToolCaller
from node.rpc.server import BY_PERSONS, OURS
from node.rpc.tls import Leaf, Pins
from tests.rpc.door import (
    ACCESS,
    CLIENT,
    NODE_ID,
    NOW,
    SERVER,
    Door,
    Party,
    ask,
    code_of,
    forge,
    opened,
    party,
    pinned,
    server,
    uri,
)

A, B, X = party("a"), party("b"), party("f")
OK = grpc.StatusCode.OK
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
PERMISSION_DENIED = grpc.StatusCode.PERMISSION_DENIED


async def knock(door: Door, leaf: Leaf, method: str = "One") -> grpc.StatusCode:
    async with door.channel(leaf) as knocking:
        return await code_of(ask(knocking, method))


def as_node(member: Party) -> x509.UniformResourceIdentifier:
    return uri(tls.node_uri(member.member_id, NODE_ID))


def as_tool(member: Party) -> x509.UniformResourceIdentifier:
    return uri(tls.tool_uri(member.member_id, "scanner-1"))


# ---- One port for peers and tools: the table of what passes.


async def test_a_peer_is_known_by_member_and_node() -> None:
    async with opened(A, B) as door, door.channel(B.leaf) as knocking:
        said = await ask(knocking)
    assert said == repr(PeerCaller(B.member_id, NODE_ID)).encode()


async def test_an_own_tool_is_known_by_name_and_scopes() -> None:
    async with opened(A, B) as door, door.channel(A.tool("read", "match")) as knocking:
        said = await ask(knocking)
    assert b"scanner-1" in said
    assert b"'read'" in said
    assert b"'match'" in said


async def test_another_members_tool_is_turned_away() -> None:
    async with opened(A, B) as door:
        tool_of_b, _ = forge(B.nodes, as_tool(B), usages=(CLIENT,))
        assert await knock(door, tool_of_b) is PERMISSION_DENIED


async def test_a_leaf_counts_only_under_the_root_of_the_member_it_names() -> None:
    async with opened(A, B, X) as door:
        for forged in (as_node(B), as_node(A), as_tool(A)):
            leaf, _ = forge(X.nodes, forged)
            assert await knock(door, leaf) is UNAUTHENTICATED, forged


async def test_neither_issuer_of_a_member_can_make_what_is_the_others() -> None:
    async with opened(A, A, B) as door:
        node_by_tools, _ = forge(A.tools, as_node(A))
        tool_by_nodes, _ = forge(A.nodes, as_tool(A))
        assert await knock(door, node_by_tools) is UNAUTHENTICATED
        assert await knock(door, tool_by_nodes) is UNAUTHENTICATED
        assert await knock(door, A.leaf) is OK, "another node of our own member"


@pytest.mark.parametrize(
    "names",
    [
        (as_node(B), as_node(X)),
        (as_node(B), as_tool(B)),
        (as_node(B), uri("https://example.org")),
        (uri("https://example.org"),),
        (uri(f"spiffe://{B.member_id.hex()}/node"),),
        (uri(f"spiffe://{B.member_id.hex()}/NODE/{NODE_ID.hex()}"),),
        (x509.DNSName(tls.dns_name(B.member_id)),),
    ],
    ids=["two nodes", "node and tool", "another uri", "only another", "no id", "capitals", "none"],
)
async def test_a_leaf_has_exactly_one_uri(names: tuple[x509.GeneralName, ...]) -> None:
    async with opened(A, B, X) as door:
        leaf, _ = forge(B.nodes, *names)
        assert await knock(door, leaf) is UNAUTHENTICATED


async def test_a_leaf_without_usages_is_not_for_clients() -> None:
    async with opened(A, B) as door:
        only_serving, _ = forge(B.nodes, as_node(B), usages=(SERVER,))
        assert await knock(door, only_serving) is grpc.StatusCode.UNAVAILABLE, "gRPC refuses by itself"


async def test_a_leaf_by_an_intermediate_is_refused_although_grpc_takes_it() -> None:
    async with opened(A, B) as door:
        _, between = forge(B.nodes, as_node(B), is_issuer=True)
        leaf, _ = forge(Issuer(between.certificate, between.key), as_node(B))
        chain = leaf.certificate_pem + between.pem
        credentials = grpc.ssl_channel_credentials(A.nodes.pem, leaf.key_pem, chain)
        name = ("grpc.ssl_target_name_override", tls.dns_name(A.member_id))
        async with grpc.aio.secure_channel(f"127.0.0.1:{door.port}", credentials, options=[name]) as knocking:
            assert await code_of(ask(knocking)) is UNAUTHENTICATED


@pytest.mark.parametrize("value", [b"", b"\x0c\x09read", b"\x04\x04read", b"\x0c\x02\xff\xff", b"\x0c"])
async def test_scopes_that_cannot_be_read_open_nothing(value: bytes) -> None:
    async with opened(A, B) as door:
        key = issuer.create_key()
        names = x509.SubjectAlternativeName([as_tool(A)])
        unsigned = issuer._leaf(A.tools, names, (CLIENT,), key.public_key(), NOW, timedelta(days=1))
        odd = x509.UnrecognizedExtension(tls.SCOPES_OID, value)
        made = unsigned.add_extension(odd, critical=False).sign(A.tools.key, hashes.SHA256())
        assert await knock(door, Leaf(issuer.key_pem(key), issuer.certificate_pem(made))) is UNAUTHENTICATED


async def test_a_scope_of_a_newer_program_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "SCOPES", tls.SCOPES | {"invent"})
    leaf = A.tool("invent", "match")
    async with opened(A, B) as door, door.channel(leaf) as knocking:
        assert b"invent" not in await ask(knocking)


# ---- The access list.


@pytest.mark.parametrize(
    ("leaf", "method", "code"),
    [
        (B.leaf, "Peers", OK),
        (B.leaf, "Match", PERMISSION_DENIED),
        (B.leaf, "Administrator", PERMISSION_DENIED),
        (B.leaf, "Unlisted", PERMISSION_DENIED),
        (B.leaf, "Absent", grpc.StatusCode.UNIMPLEMENTED),
        (A.tool("match"), "Match", OK),
        (A.tool("read", "admin"), "Match", PERMISSION_DENIED),
        (A.tool("match"), "Peers", PERMISSION_DENIED),
        (A.tool("match"), "Administrator", PERMISSION_DENIED),
        (A.tool("admin"), "Administrator", OK),
        (A.tool("match"), "Unlisted", PERMISSION_DENIED),
    ],
)
async def test_a_method_is_open_to_those_on_its_list_only(leaf: Leaf, method: str, code: grpc.StatusCode) -> None:
    async with opened(A, B) as door:
        assert await knock(door, leaf, method) is code


def test_an_access_that_names_nobody_lets_nobody_in() -> None:
    callers = (
        PeerCaller(B.member_id, NODE_ID),
        gate.ToolCaller("scanner-1", tls.SCOPES),
        gate.Administrator(),
    )
    assert not any(Access().allows(caller) for caller in callers)


async def test_a_listener_takes_only_the_kinds_it_was_made_for() -> None:
    async with opened(A, B) as door:
        door.gate._admits = Admits(peers=lambda: door.state.pins)
        assert await knock(door, A.tool()) is PERMISSION_DENIED
        door.gate._admits = Admits(tools=lambda: door.tools)
        assert await knock(door, B.leaf) is PERMISSION_DENIED
        assert await knock(door, A.tool()) is OK


async def test_a_known_member_that_is_not_approved_is_told_so_and_named() -> None:
    async with opened(A, B, X) as door:
        named: list[bytes] = []
        both, only_b = door.state.pins, door.state.pins.unpin(X.member_id)
        door.state.pin(only_b, both)
        door.gate._admits = Admits(
            peers=lambda: door.state.pins, acquainted=lambda: door.state.acquainted, turned_away=named.append
        )
        assert await knock(door, B.leaf) is OK
        async with door.channel(X.leaf) as knocking:
            call = ask(knocking)
            assert await code_of(call) is PERMISSION_DENIED
            assert (await call.details()).splitlines()[0] == f"member {X.member_id.hex()} is not approved at this node"
        assert named == [X.member_id]
        door.state.pin(only_b)
        assert await knock(door, X.leaf) is UNAUTHENTICATED
        assert named == [X.member_id]


async def test_nobody_is_named_by_a_leaf_that_only_claims_to_be_a_known_members() -> None:
    forged, _ = forge(X.nodes, uri(tls.node_uri(B.member_id, NODE_ID)))
    async with opened(A, B, X) as door:
        named: list[bytes] = []
        both = door.state.pins
        door.state.pin(both.unpin(B.member_id), both)
        door.gate._admits = Admits(
            peers=lambda: door.state.pins, acquainted=lambda: door.state.acquainted, turned_away=named.append
        )
        assert await knock(door, forged) is UNAUTHENTICATED
        assert not named


async def test_a_refusal_says_what_and_why_and_what_to_do() -> None:
    async with opened(A, B) as door, door.channel(A.tool("read")) as knocking:
        details = await ask(knocking, "Match").details()
    assert details.splitlines() == [
        "tool scanner-1 may not call /test.Door/Match",
        "  It takes the scope match: `tocsin tool issue NAME --scope match`.",
    ]


def test_what_only_people_may_do_takes_a_person_and_the_scope() -> None:
    access = Access(scope="declare", administrator=True, persons=True)
    declare = frozenset({"declare"})
    assert access.allows(ToolCaller("olga", declare, is_person=True))
    assert not access.allows(ToolCaller("olga", frozenset({"read"}), is_person=True))
    assert not access.allows(ToolCaller("robot", declare))
    assert not access.allows(Administrator())
    for method in ("Declare", "ActOnCrisis"):
        assert BY_PERSONS[f"/tocsin.v1.Tools/{method}"] == access
    said = {f"/tocsin.v1.{one}" for one in ("Tools/Declare", "Tools/ActOnCrisis", "Tools/SpeakOfCrisis")}
    said.add("/tocsin.v1.Withdrawals/WithdrawCrisis")
    assert {method for method in OURS if BY_PERSONS[method] != OURS[method]} == said


# ---- TLS 1.3, and what was verified before.


def test_a_connection_that_is_not_tls_1_3_is_refused_whatever_the_handshake_allowed() -> None:
    closed = Gate(admits=Admits(peers=lambda: pinned(B)), access=ACCESS, now=lambda: NOW)
    proper: dict[str, Any] = {
        "transport_security_type": [b"ssl"],
        "ssl_tls_version": [b"TLSv1.3"],
        "x509_pem_cert": [B.leaf.certificate_pem],
    }
    assert closed._prove(proper).caller == PeerCaller(B.member_id, NODE_ID)
    wrongs: list[dict[str, list[bytes]]] = [
        {"ssl_tls_version": [b"TLSv1.2"]},
        {"ssl_tls_version": []},
        {"ssl_tls_version": [b"TLSv1.3", b"TLSv1.2"]},
        {"transport_security_type": [b"insecure"]},
        {"transport_security_type": []},
        {"x509_pem_cert": []},
        {"x509_pem_cert": [B.leaf.certificate_pem, X.leaf.certificate_pem]},
        {"x509_pem_cert": [B.leaf.certificate_pem + b"\n" * gate.LEAF_PEM_BYTES_MAX]},
        {"x509_pem_cert": [b"junk"]},
    ]
    for wrong in wrongs:
        with pytest.raises(gate.Denied) as caught:
            closed._prove({**proper, **wrong})
        assert caught.value.code is UNAUTHENTICATED, wrong


def _leaves(count: int) -> list[bytes]:
    return [forge(B.nodes, as_node(B))[0].certificate_pem for _ in range(count)]


def test_verified_leaves_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LEAVES_MAX", 2)
    pins = pinned(B)
    bounded = Gate(admits=Admits(peers=lambda: pins), access=ACCESS, now=lambda: NOW)
    proper: dict[str, Any] = {"transport_security_type": [b"ssl"], "ssl_tls_version": [b"TLSv1.3"]}
    first, second, third = _leaves(3)
    for pem in (first, second, first, third):
        bounded._prove({**proper, "x509_pem_cert": [pem]})
    assert list(bounded._proofs) == [first, third]


def test_a_leaf_is_verified_once_for_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[bytes] = []
    pins = pinned(B)
    remembering = Gate(admits=Admits(peers=lambda: pins), access=ACCESS, now=lambda: NOW)
    real = remembering._verify

    def verify(pem: bytes) -> gate._Proof:
        verified.append(pem)
        return real(pem)

    monkeypatch.setattr(remembering, "_verify", verify)
    auth: dict[str, Any] = {
        "transport_security_type": [b"ssl"],
        "ssl_tls_version": [b"TLSv1.3"],
        "x509_pem_cert": [B.leaf.certificate_pem],
    }
    for _ in range(3):
        remembering._prove(auth)
    assert len(verified) == 1
    pins = Pins()
    with pytest.raises(gate.Denied):
        remembering._prove(auth)


# ---- The administrator's socket.


async def test_the_administrator_calls_through_the_unix_socket(tmp_path: Path) -> None:
    async with opened(A, B) as door:
        door.gate._admits = Admits(administrator=True)
        socket = tmp_path / "admin.sock"
        serving = server(door)
        local = grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
        serving.add_secure_port(channel.socket_address(socket), local)
        await serving.start()
        async with channel.open_to_administrator(socket) as knocking:
            assert await ask(knocking) == b"Administrator()"
            assert await code_of(ask(knocking, "Administrator")) is OK
            assert await code_of(ask(knocking, "Peers")) is PERMISSION_DENIED
            door.gate._admits = Admits(peers=lambda: door.state.pins)
            assert await code_of(ask(knocking)) is PERMISSION_DENIED
        await serving.stop(None)


async def test_what_is_local_without_being_the_socket_is_no_administrator() -> None:
    async with opened(A, B) as door:
        door.gate._admits = Admits(administrator=True)
        serving = server(door)
        over_tcp = grpc.LocalConnectionType.LOCAL_TCP
        port = serving.add_secure_port("127.0.0.1:0", grpc.local_server_credentials(over_tcp))
        open_port = serving.add_insecure_port("127.0.0.1:0")
        await serving.start()
        credentials = grpc.local_channel_credentials(over_tcp)
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as knocking:
            assert await code_of(ask(knocking)) is UNAUTHENTICATED
        async with grpc.aio.insecure_channel(f"127.0.0.1:{open_port}") as knocking:
            assert await code_of(ask(knocking)) is UNAUTHENTICATED
        assert await knock(door, B.leaf) is PERMISSION_DENIED, "a peer at this listener"
        await serving.stop(None)
