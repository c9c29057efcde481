"""The gate: who is calling, and may they. One for each listener, asked on every call.

A handshake proves only that one of all pinned roots vouches for the leaf, it outlives the leaf, and
un-pinning a member leaves its connections open. So the leaf is verified again here, against the
roots pinned for the one member that it names, on every call; and open calls are ended by `cut` and
`sweep`. A method that the access list does not name is closed to everyone.
"""

import asyncio
import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import grpc
import grpc.aio
from cryptography import x509

from node.errors import Refused
from node.feed.keys import MemberId
from node.rpc import leaf as leaves
from node.rpc import wrapping
from node.rpc.tls import UNREADABLE, Claim, Pins, Root
from node.rpc.wrapping import Handler

LEAVES_MAX = 4096  # verified leaves remembered; one more costs a verification, 0.12 ms
LEAF_PEM_BYTES_MAX = 8192  # ours have about 1,000
PEER_CALLS_MAX = 16  # open calls of one member: two links of two streams, while one takes over, and as many again
NOT_APPROVED = "is not approved at this node"  # what a dialler reads it by
CUT_OFF = "was cut off"  # the same

# A method's handler takes and returns messages of its own service: the types meet only in gRPC.
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


@dataclass(frozen=True, slots=True)
class PeerCaller:
    """A node of a pinned member."""

    member_id: MemberId
    node_id: bytes


@dataclass(frozen=True, slots=True)
class ToolCaller:
    """A tool or a person of our own member."""

    name: str
    scopes: frozenset[str]
    is_person: bool = False


@dataclass(frozen=True, slots=True)
class Administrator:
    """Whoever may open the Unix socket: the file's mode is the only check there is."""


Caller = PeerCaller | ToolCaller | Administrator


@dataclass(frozen=True, slots=True)
class Admits:
    """Which kinds of callers a listener lets in, and the roots it knows each kind by."""

    peers: Callable[[], Pins] | None = None
    tools: Callable[[], Pins] | None = None
    administrator: bool = False
    # Members that are known and not let in: they are told so, and `turned_away` hears of it.
    acquainted: Callable[[], Pins] = Pins
    turned_away: Callable[[MemberId], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call one method. As it stands here: nobody."""

    peer: bool = False
    scope: str | None = None
    or_scope: str | None = None
    any_tool: bool = False
    administrator: bool = False
    persons: bool = False  # of our own nobody but people, by their names

    def allows(self, caller: Caller) -> bool:
        """Whether this caller may."""
        match caller:
            case PeerCaller():
                return self.peer
            case ToolCaller(scopes=scopes, is_person=is_person):
                is_entitled = self.any_tool or self.scope in scopes or self.or_scope in scopes
                return is_entitled and (is_person or not self.persons)
            case Administrator():
                return self.administrator and not self.persons


class Denied(Refused):
    """A call that does not pass the gate, and as what it ends."""

    def __init__(self, code: grpc.StatusCode, reason: str, next_step: str) -> None:
        super().__init__(reason, next_step=next_step)
        self.code = code


_caller: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Who made the call that is being answered; LookupError outside of one."""
    return _caller.get()


@dataclass(frozen=True, slots=True)
class _Proof:
    """A leaf that was verified once, and what has to be looked at again on every call."""

    caller: PeerCaller | ToolCaller
    member_id: MemberId
    root: Root
    begins: datetime
    ends: datetime


@dataclass(slots=True, eq=False)
class _Live:
    """A call under way. `cut` says why it was ended, if it was."""

    caller: Caller
    proof: _Proof | None
    cut: Denied | None = None


class Gate(grpc.aio.ServerInterceptor):
    """Lets calls through or ends them. Everything in it belongs to the event loop's thread."""

    def __init__(self, *, admits: Admits, access: Mapping[str, Access], now: Callable[[], datetime]) -> None:
        self._admits = admits
        self._access = dict(access)
        self._now = now
        self._proofs: OrderedDict[bytes, _Proof] = OrderedDict()
        self._live: dict[asyncio.Task[Any], _Live] = {}

    async def intercept_service(
        self,
        continuation: _Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wrap the method's handler: an interceptor itself is not told who is calling."""
        inner = await continuation(handler_call_details)
        if inner is None:  # no such method; gRPC says so
            return None
        return _wrapped(inner, handler_call_details.method, self)

    def cut(self, member_id: MemberId) -> int:
        """End all open calls of a member at once; un-pin it first. Returns how many there were."""
        cut = _unauthenticated(f"member {member_id.hex()} {CUT_OFF}", "Ask this node's administrator.")
        return self._end(lambda proof: cut if proof.member_id == member_id else None)

    def sweep(self, now: datetime) -> int:
        """End open calls whose leaf ran out or whose root is no longer pinned. Returns how many."""
        return self._end(lambda proof: self._fault(proof, now))

    def _end(self, fault_of: Callable[[_Proof], Denied | None]) -> int:
        ended = 0
        for task, live in self._live.items():
            if live.proof is not None and live.cut is None and (fault := fault_of(live.proof)):
                live.cut = fault
                task.cancel()
                ended += 1
        return ended

    async def answer(self, method: str, context: _Context, act: Callable[[], Awaitable[Any]], *, streams: bool) -> Any:
        """Answer one call by `act` if it may begin, and say why it ended if we ended it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - gRPC runs every handler in a task
        try:
            live = self._admit(method, context)
            if streams:
                # By themselves, while it cannot be cut yet. Headers that go with the first message count as
                # sent only when that is through: cancelled on its way, the status would bring them again,
                # gRPC would refuse both, and the caller would wait for ever.
                await context.send_initial_metadata(())
                live = self._admit(method, context)  # until now neither `cut` nor `sweep` could find it
        except Denied as denied:
            await context.abort(denied.code, str(denied))
        token = _caller.set(live.caller)
        self._live[task] = live
        try:
            answer = await act()
        except asyncio.CancelledError:
            # Ours only if we asked for it and nobody else did: a caller that hung up, or a server that
            # stops, must see the cancellation through. So must a handler that had its own status under way.
            if live.cut is None or task.uncancel() > 0 or context.done():
                raise
        finally:
            del self._live[task]
            _caller.reset(token)
        if live.cut is not None:
            # Our side is over, and outside of the `except` nothing holds the handler's frames any more. A
            # caller that does not read is told when it reads: the status stands behind what was sent before,
            # a window and one message at most, and gRPC has no way to drop a stream. So long waits this task.
            await context.abort(live.cut.code, str(live.cut))
        return answer

    def _admit(self, method: str, context: _Context) -> _Live:
        auth = context.auth_context()
        if _value(auth, "transport_security_type") == b"local":
            live = _Live(self._administrator(context), None)
        else:
            proof = self._prove(auth)
            live = _Live(proof.caller, proof)
            self._require_few(proof)
        access = self._access.get(method)
        if access is None or not access.allows(live.caller):
            raise _forbidden(f"{_described(live.caller)} may not call {method}", _way_to(access))
        return live

    def _require_few(self, proof: _Proof) -> None:
        theirs = [one for one in self._live.values() if one.proof and one.proof.member_id == proof.member_id]
        if isinstance(proof.caller, PeerCaller) and len(theirs) >= PEER_CALLS_MAX:
            reason = f"member {proof.member_id.hex()} has {len(theirs)} calls open"
            raise Denied(grpc.StatusCode.RESOURCE_EXHAUSTED, reason, "End some of them.")

    def _administrator(self, context: _Context) -> Administrator:
        # TCP over the loopback interface can be "local" too, and any user may open that.
        if not context.peer().startswith("unix:"):
            raise _unauthenticated("a connection without TLS", "Call through the Unix socket.")
        if not self._admits.administrator:
            raise _forbidden("this listener has no administrator", "Use the administrator's socket.")
        return Administrator()

    def _prove(self, auth: Mapping[str, Any]) -> _Proof:
        pem, version = _value(auth, "x509_pem_cert"), _value(auth, "ssl_tls_version")
        if _value(auth, "transport_security_type") != b"ssl" or version != b"TLSv1.3":
            raise _unauthenticated("the connection is not TLS 1.3", "Use a client that speaks TLS 1.3.")
        now = self._now()
        proof = self._proofs.get(pem)
        if proof is not None and self._fault(proof, now) is None:
            self._proofs.move_to_end(pem)
            return proof
        self._proofs.pop(pem, None)
        proof = self._verify(pem)
        if fault := self._fault(proof, now):
            raise fault
        self._proofs[pem] = proof
        if len(self._proofs) > LEAVES_MAX:
            self._proofs.popitem(last=False)
        return proof

    def _fault(self, proof: _Proof, now: datetime) -> Denied | None:
        """What does not hold any more of a leaf that was verified."""
        pins = self._admits.peers if isinstance(proof.caller, PeerCaller) else self._admits.tools
        if pins is None or proof.root not in pins().of(proof.member_id):
            return _unpinned(proof.member_id)
        if now < proof.begins:
            fault, next_step = f"is not valid before {proof.begins:%Y-%m-%d %H:%M} UTC", "Compare both clocks."
        elif now >= proof.ends:
            fault, next_step = f"expired at {proof.ends:%Y-%m-%d %H:%M} UTC", "Renew it and connect again."
        else:
            return None
        return _unauthenticated(f"the certificate of {_described(proof.caller)} {fault}", next_step)

    def _verify(self, pem: bytes) -> _Proof:
        if not 0 < len(pem) <= LEAF_PEM_BYTES_MAX:
            raise _unauthenticated("no client certificate, or one too large", "Send the leaf this node was given.")
        try:
            leaf = x509.load_pem_x509_certificate(pem)
            claim = _claim(leaf)
            pins = self._pins_for(claim)
            root = leaves.issuer_of(leaf, pins.of(claim.member_id))
            if root is None:
                raise self._stranger(claim, leaf)
            found = _caller_of(claim, leaf)
        except UNREADABLE as error:
            raise _unauthenticated(f"the client certificate cannot be read: {error}", "Make a new one.") from error
        ends = min(leaf.not_valid_after_utc, root.certificate.not_valid_after_utc)
        return _Proof(found, claim.member_id, root, leaf.not_valid_before_utc, ends)

    def _stranger(self, claim: Claim, leaf: x509.Certificate) -> Denied:
        known = self._admits.acquainted().of(claim.member_id)
        if claim.use != "node" or leaves.issuer_of(leaf, known) is None:
            return _unpinned(claim.member_id)
        self._admits.turned_away(claim.member_id)
        return _forbidden(
            f"member {claim.member_id.hex()} {NOT_APPROVED}",
            "Ask its administrator to approve your member: `tocsin peer add`.",
        )

    def _pins_for(self, claim: Claim) -> Pins:
        """The roots of the kind of caller it says it is; it is turned away if there can be none here."""
        if claim.use == "node":
            if self._admits.peers is None:
                raise _forbidden("this listener takes no peers", "Dial the address in the member's profile.")
            return self._admits.peers()
        if self._admits.tools is None:
            raise _forbidden("this listener takes no tools", "Call the listener for tools.")
        pins = self._admits.tools()
        if not pins.of(claim.member_id):
            raise _forbidden(
                f"this node takes no tools of member {claim.member_id.hex()}",
                "Call a node of the tool's own member.",
            )
        return pins


# ---- Reading what was shown.


def _claim(leaf: x509.Certificate) -> Claim:
    claim = leaves.claim_of(leaf)
    if claim is None:
        raise _unauthenticated(
            "the client certificate does not have exactly one URI, a SPIFFE id of this federation",
            "Use the certificate that `tocsin init` or `tocsin tool issue` made.",
        )
    if not leaves.is_for_clients(leaf):
        raise _unauthenticated("the certificate is not for clients", "Issue it anew.")
    return claim


def _caller_of(claim: Claim, leaf: x509.Certificate) -> PeerCaller | ToolCaller:
    if claim.use == "node":
        return PeerCaller(claim.member_id, bytes.fromhex(claim.name))
    return ToolCaller(claim.name, leaves.scopes_of(leaf), is_person=claim.use == "person")


def _value(auth: Mapping[str, Any], name: str) -> bytes:
    """The one value of a property; empty where there is none or where there are several."""
    values = tuple(auth.get(name, ()))
    return values[0] if len(values) == 1 else b""


# ---- Saying no.


def _unauthenticated(reason: str, next_step: str) -> Denied:
    return Denied(grpc.StatusCode.UNAUTHENTICATED, reason, next_step)


def _forbidden(reason: str, next_step: str) -> Denied:
    return Denied(grpc.StatusCode.PERMISSION_DENIED, reason, next_step)


def _unpinned(member_id: MemberId) -> Denied:
    return _unauthenticated(
        f"the client certificate is not by an issuer pinned for member {member_id.hex()}",
        "Ask the administrator of this node whether the member is approved, and with which issuer.",
    )


def _described(found: Caller) -> str:
    match found:
        case PeerCaller(member_id=member_id, node_id=node_id):
            return f"node {node_id.hex()} of member {member_id.hex()}"
        case ToolCaller(name=name, is_person=is_person):
            return f"{'person' if is_person else 'tool'} {name}"
        case Administrator():
            return "the administrator"


def _way_to(access: Access | None) -> str:
    if access is not None and access.persons:
        return f"Only people may here: `tocsin tool issue NAME --person --scope {access.scope}`, then --as FILE."
    if access is not None and access.scope is not None:
        return f"It takes the scope {access.scope}: `tocsin tool issue NAME --scope {access.scope}`."
    return "Nothing at this listener may call it in this way; see protos/README.md for who may call what."


# ---- The four kinds of handlers.


def _wrapped(inner: Handler, method: str, gate: Gate) -> Handler:
    """The handler with the gate around its answer, of the same kind as it was."""
    act = wrapping.act_of(inner)

    async def one(request: Any, context: _Context) -> Any:
        return await gate.answer(method, context, lambda: act(request, context), streams=False)

    async def many(request: Any, context: _Context) -> None:
        await gate.answer(method, context, lambda: _write_all(act(request, context), context), streams=True)

    behaviour: Any = many if inner.response_streaming else one
    return wrapping.same_kind(inner, behaviour)


async def _write_all(answers: Any, context: _Context) -> None:
    if inspect.isawaitable(answers):  # it writes to the context by itself
        await answers
        return
    async with aclosing(answers):
        async for answer in answers:
            await context.write(answer)
