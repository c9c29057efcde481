"""A real listener with one method of each kind behind the gate, and people who knock."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.custody import issuer
from node.custody.issuer import Issuer
from node.feed.keys import MemberId
from node.rpc import channel, gate
from node.rpc.gate import Access, Admits, Gate
from node.rpc.tls import Leaf, Pins, TlsState

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - handshakes read the real clock
GUARD_S = 20.0  # a test that waits so long has found a call that does not end
NODE_ID = bytes(range(16))
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH

ANY = Access(peer=True, any_tool=True, administrator=True)
ACCESS = {
    "/test.Door/One": ANY,
    "/test.Door/Many": ANY,
    "/test.Door/Collect": ANY,
    "/test.Door/Both": ANY,
    "/test.Door/Echo": ANY,
    "/test.Door/Flood": ANY,
    "/test.Door/Pour": ANY,
    "/test.Door/Wait": ANY,
    "/test.Door/Stubborn": ANY,
    "/test.Door/Linger": ANY,
    "/test.Door/Refuse": ANY,
    "/test.Door/Where": ANY,
    "/test.Door/Peers": Access(peer=True),
    "/test.Door/Match": Access(scope="match"),
    "/test.Door/Administrator": Access(scope="admin", administrator=True),
}


@dataclass(frozen=True)
class Party:
    """A member with both of its issuers."""

    member_id: MemberId
    nodes: Issuer
    tools: Issuer

    @cached_property
    def leaf(self) -> Leaf:
        key = issuer.create_key()
        made = issuer.issue_node(self.nodes, self.member_id, NODE_ID, key.public_key(), NOW)
        return Leaf(issuer.key_pem(key), issuer.certificate_pem(made))

    def tool(self, *scopes: str) -> Leaf:
        key = issuer.create_key()
        made = issuer.issue_tool(self.tools, self.member_id, "scanner-1", scopes or ("read",), key.public_key(), NOW)
        return Leaf(issuer.key_pem(key), issuer.certificate_pem(made))


def party(letter: str) -> Party:
    """Alice is `a`."""
    member_id = MemberId(bytes.fromhex(letter * 64))
    return Party(member_id, issuer.create_issuer(NOW), issuer.create_issuer(NOW))


def pinned(*parties: Party) -> Pins:
    pins = Pins()
    for each in parties:
        pins = pins.pin(each.member_id, each.nodes.der, NOW)
    return pins


def forge(
    root: Issuer,
    *names: x509.GeneralName,
    usages: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT),
    begins: datetime = NOW - timedelta(minutes=5),
    ends: datetime = NOW + timedelta(days=1),
    is_issuer: bool = False,
) -> tuple[Leaf, Issuer]:
    """A leaf such as our own issuer would never make."""
    key = issuer.create_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "between")] if is_issuer else [])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_issuer, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .sign(root.key, hashes.SHA256())
    )
    return Leaf(issuer.key_pem(key), issuer.certificate_pem(made)), Issuer(made, key)


def uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


class _Held:
    """Something that only a handler's frame holds."""


@dataclass
class Door:
    """The listener: what it admits can be changed while it serves, and its clock moved."""

    own: Party
    state: TlsState
    tools: Pins
    now: datetime = NOW
    port: int = 0
    serving: grpc.aio.Server = field(init=False)
    entered: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    left: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    heard: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    lingers: asyncio.Event = field(default_factory=asyncio.Event)
    contexts: list[Any] = field(default_factory=list)

    @cached_property
    def gate(self) -> Gate:
        admits = Admits(peers=lambda: self.state.pins, tools=lambda: self.tools)
        return Gate(admits=admits, access=ACCESS, now=lambda: self.now)

    def channel(self, leaf: Leaf) -> grpc.aio.Channel:
        return channel.open_to_member(f"127.0.0.1:{self.port}", self.own.member_id, self.own.nodes.pem, leaf)

    # The four kinds of handlers, those that stream to the caller in both styles.

    async def one(self, request: bytes, context: Any) -> bytes:
        return repr(gate.caller()).encode()

    async def where(self, request: bytes, context: Any) -> bytes:
        return str(context.peer()).encode()

    async def many(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        async with self._noted("many"):
            yield b"first"
            if request:
                await asyncio.Event().wait()

    async def wait(self, request: bytes, context: Any) -> bytes:
        async with self._noted("wait"):
            await asyncio.Event().wait()
        return b"never"

    async def stubborn(self, request: bytes, context: Any) -> bytes:
        """Answer all the same."""
        with suppress(asyncio.CancelledError):
            async with self._noted("stubborn"):
                await asyncio.Event().wait()
        return b"all the same"

    async def linger(self, request: bytes, context: Any) -> bytes:
        """End only when it is cancelled twice."""
        self.contexts.append(context)
        async with self._noted("linger"):
            try:
                await asyncio.Event().wait()
            finally:
                self.lingers.set()
                await asyncio.Event().wait()
        return b"never"

    async def refuse(self, request: bytes, context: Any) -> None:
        """End with a status of its own, which is on its way when the test goes on."""
        async with self._noted("refuse"):
            await context.abort(grpc.StatusCode.NOT_FOUND, "a status of its own")

    async def flood(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Write without end messages of the size asked for. `freed` says when its frame is gone."""
        held = _Held()
        weakref.finalize(held, self.freed.set)
        async with self._noted("flood"):
            while True:
                yield bytes(int(request))

    async def pour(self, request: bytes, context: Any) -> None:
        """Do the same in the other style: it is `write` itself that is cancelled."""
        held = _Held()
        weakref.finalize(held, self.freed.set)
        async with self._noted("pour"):
            while True:
                await context.write(bytes(int(request)))

    async def collect(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        async with self._noted("collect"):
            return b"".join([request async for request in requests])

    async def echo(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async with self._noted("echo"):
            async for request in requests:
                self.heard.put_nowait(request)
                yield request

    async def both(self, request: Any, context: Any) -> None:
        """In the other style: it reads and writes by itself."""
        async with self._noted("both"):
            while (said := await context.read()) is not grpc.aio.EOF:
                self.heard.put_nowait(said)
                await context.write(said)

    @asynccontextmanager
    async def _noted(self, name: str) -> AsyncIterator[None]:
        self.entered.put_nowait(name)
        try:
            yield
        except asyncio.CancelledError:
            self.left.put_nowait("cancelled")
            raise
        except GeneratorExit:
            self.left.put_nowait("closed")
            raise
        except Exception:
            self.left.put_nowait("failed")
            raise
        else:
            self.left.put_nowait("done")


def methods(door: Door) -> "Mapping[str, grpc.RpcMethodHandler[Any, Any]]":
    one: Any = door.one
    where: Any = door.where
    many: Any = door.many
    flood: Any = door.flood
    collect: Any = door.collect
    both: Any = door.both
    echo: Any = door.echo
    pour: Any = door.pour
    wait: Any = door.wait
    stubborn: Any = door.stubborn
    linger: Any = door.linger
    refuse: Any = door.refuse
    unary = grpc.unary_unary_rpc_method_handler
    return {
        "One": unary(one),
        "Where": unary(where),
        "Wait": unary(wait),
        "Stubborn": unary(stubborn),
        "Linger": unary(linger),
        "Refuse": grpc.unary_stream_rpc_method_handler(refuse),
        "Unlisted": unary(one),
        "Peers": unary(one),
        "Match": unary(one),
        "Administrator": unary(one),
        "Many": grpc.unary_stream_rpc_method_handler(many),
        "Flood": grpc.unary_stream_rpc_method_handler(flood),
        "Pour": grpc.unary_stream_rpc_method_handler(pour),
        "Collect": grpc.stream_unary_rpc_method_handler(collect),
        "Echo": grpc.stream_stream_rpc_method_handler(echo),
        "Both": grpc.stream_stream_rpc_method_handler(both),
    }


def server(door: Door) -> grpc.aio.Server:
    made = grpc.aio.server(interceptors=(door.gate,), options=channel.SERVER_OPTIONS)
    handlers = grpc.method_handlers_generic_handler("test.Door", dict(methods(door)))
    made.add_generic_rpc_handlers((handlers,))
    return made


@asynccontextmanager
async def opened(own: Party, *peers: Party) -> AsyncIterator[Door]:
    """A door that serves on a loopback port and takes the tools of its own member."""
    tools = Pins().pin(own.member_id, own.tools.der, NOW)
    door = Door(own, TlsState(own.leaf, pinned(*peers)), tools)
    door.serving = server(door)
    # Both issuers of tools and nodes shake hands on one port here; the gate tells them apart.
    for_handshakes = TlsState(own.leaf, door.state.pins.pin(own.member_id, own.tools.der, NOW))
    door.port = door.serving.add_secure_port("127.0.0.1:0", for_handshakes.server_credentials())
    await door.serving.start()
    try:
        yield door
    finally:
        async with asyncio.timeout(GUARD_S):
            await door.serving.stop(None)


def ask(through: grpc.aio.Channel, method: str = "One", request: bytes = b"") -> Any:
    """One question. The stubs know the type of a method by its serializers, and ours are bytes."""
    call: Any = through.unary_unary(f"/test.Door/{method}")
    return call(request)


_BY_KIND = {
    "Wait": "unary_unary",
    "Stubborn": "unary_unary",
    "Linger": "unary_unary",
    "Refuse": "unary_stream",
    "Many": "unary_stream",
    "Flood": "unary_stream",
    "Pour": "unary_stream",
    "Collect": "stream_unary",
    "Echo": "stream_stream",
    "Both": "stream_stream",
}


async def begin(door: Door, through: grpc.aio.Channel, method: str, request: bytes = b"stay") -> Any:
    """A call that stays open, once its handler runs."""
    kind = _BY_KIND[method]
    made: Any = getattr(through, kind)(f"/test.Door/{method}")
    call = made(request) if kind.startswith("unary") else made()
    if kind.startswith("stream"):
        await call.write(request)
    await door.entered.get()
    return call


async def code_of(call: Any) -> grpc.StatusCode:
    """How the call ended. What was sent before is read first: the status stands behind it."""
    if isinstance(call, grpc.aio.UnaryStreamCall | grpc.aio.StreamStreamCall) and not call.done():
        with suppress(grpc.aio.AioRpcError):
            while await call.read() is not grpc.aio.EOF:
                pass
    code: grpc.StatusCode = await call.code()
    return code
