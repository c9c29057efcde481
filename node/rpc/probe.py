"""The probe: a peer's address called step by step, so that each obstacle has its own name.

gRPC says of most of them that a socket was closed. So name, connection and handshake are gone
through here by hand, with the certificate that this node always shows. Nothing is decided by what
is found: the certificate that answers is taken whatever it is, to be looked at, and not a byte is
sent over the connection. With TLS 1.3 a server refuses the caller's certificate after the caller
is through, so that is read afterwards: an alert, or just the end.
"""

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509

from node.errors import Unavailable
from node.feed.keys import MemberId
from node.rpc import tls
from node.rpc.tls import UNREADABLE, Leaf

RESOLVE_S = 10.0  # resolvers give up after five seconds, and are asked twice
STEP_S = 5.0  # connecting, shaking hands, and the first word after it, each
ADDRESSES_MAX = 4  # of a name that has many; the others would wait as long
ALPN = "h2"

# What OpenSSL says where the other side's bytes are no TLS at all.
_NO_TLS = {
    "WRONG_VERSION_NUMBER",
    "UNKNOWN_PROTOCOL",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
    "BAD_RECORD_TYPE",
    "UNEXPECTED_MESSAGE",
}
_OLD_TLS = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"}
_HERE = {errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL}

Stopwatch = Callable[[], float]


class Obstacle(Unavailable):
    """What stands in the way: at which step, and on whose side it is to be mended."""

    def __init__(self, step: str, reason: str, next_step: str, *, here: bool = False) -> None:
        super().__init__(reason, next_step=next_step)
        self.step, self.here = step, here


@dataclass(frozen=True, slots=True)
class Reached:
    """A TCP connection that came about."""

    address: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A handshake that came about: what was shown, and how our certificate was taken."""

    version: str
    speaks_http2: bool
    certificate: x509.Certificate
    refused: str | None  # the alert; empty: hung up without a word; None: not refused


# ---- The name.


async def resolve(address: str) -> list[tuple[str, int]]:
    """The numbers behind a host:port; raises Obstacle."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await asyncio.to_thread(socket.getaddrinfo, host, int(port), type=socket.SOCK_STREAM)
    except TimeoutError:
        raise _unresolved(host, "no resolver answers", here=True) from None
    except socket.gaierror as error:
        # Not found is the name's fault; all else is between us and our resolver.
        missing = error.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
        raise _unresolved(host, f"the resolver says {error.strerror!r}", here=not missing) from error
    return list(dict.fromkeys((str(one[4][0]), int(one[4][1])) for one in found))


def _unresolved(host: str, what: str, *, here: bool) -> Obstacle:
    next_step = (
        "Mend this machine's name resolution: /etc/resolv.conf, and the way to the servers named there."
        if here
        else f"Ask the peer for its present address and card; `getent hosts {host}` tries the name again."
    )
    return Obstacle("dns", f"{host} cannot be resolved: {what}", next_step, here=here)


def is_number(address: str) -> bool:
    """Whether a host:port has an IP address for a host, so that there is nothing to resolve."""
    try:
        ipaddress.ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True


# ---- The connection.


async def connect(places: Sequence[tuple[str, int]], stopwatch: Stopwatch) -> tuple[socket.socket, Reached]:
    """A connection to the first place that takes one; raises Obstacle naming what each one said."""
    obstacles = []
    for host, port in places[:ADDRESSES_MAX]:
        began = stopwatch()
        try:
            found = await asyncio.to_thread(socket.create_connection, (host, port), STEP_S)
        except OSError as error:
            obstacles.append(_unconnected(_written(host, port), error))
            continue
        return found, Reached(_written(host, port), stopwatch() - began)
    reasons = "; ".join(one.reason for one in obstacles)
    here = all(one.here for one in obstacles)
    raise Obstacle("connect", reasons, obstacles[0].next_step, here=here)


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unconnected(place: str, error: OSError) -> Obstacle:
    here = error.errno in _HERE
    if isinstance(error, ConnectionRefusedError):
        reason = f"{place} refuses: the machine is there, and nothing listens at this port"
        next_step = "Ask whether its node runs, listens there, and has another port now."
    elif isinstance(error, TimeoutError):
        reason = f"{place} does not answer within {STEP_S:.0f} s"
        next_step = "Ask whether the machine is up, and whether a firewall, there or here, drops what this node sends."
    elif here:
        reason = f"this machine cannot send to {place}: {error.strerror}"
        next_step = "Mend this machine's network: its routes, its firewall, its limit of open files."
    else:
        reason = f"there is no way to {place}: {error.strerror or error}"
        next_step = "Ask whether the machine is up; `ip route get ADDRESS` shows which way this machine would take."
    return Obstacle("connect", reason, next_step, here=here)


# ---- The handshake.


async def shake_hands(connection: socket.socket, member_id: MemberId, leaf: Leaf) -> Shown:
    """Shake hands over a connection, which is closed then; raises Obstacle."""
    return await asyncio.to_thread(_shake_hands, connection, member_id, leaf)


def _shake_hands(connection: socket.socket, member_id: MemberId, leaf: Leaf) -> Shown:
    with connection:
        connection.settimeout(STEP_S)
        try:
            wrapped = _context(leaf).wrap_socket(connection, server_hostname=tls.dns_name(member_id))
        except TimeoutError:
            reason = f"what listens there takes the connection and does not answer within {STEP_S:.0f} s"
            raise Obstacle("tls", reason, "Ask whether it is a Tocsin node, and whether it hangs.") from None
        except OSError as error:
            raise _no_handshake(error) from error
        with wrapped:
            certificate = _certificate(wrapped.getpeercert(binary_form=True) or b"")
            version = (wrapped.version() or "").replace("TLSv", "TLS ")
            return Shown(version, wrapped.selected_alpn_protocol() == ALPN, certificate, _refusal(wrapped))


def _context(leaf: Leaf) -> ssl.SSLContext:
    """What shows our certificate and takes any: who answers is judged by what it shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # an old server is to be named, not talked to
    context.set_alpn_protocols([ALPN])
    # `ssl` reads keys from files only; this one lies in memory and has no name.
    with os.fdopen(os.memfd_create("leaf"), "wb") as file:
        file.write(leaf.key_pem + leaf.certificate_pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context


def _no_handshake(error: OSError) -> Obstacle:
    said = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    if said in _NO_TLS:
        reason = "what listens there does not speak TLS"
    elif said in _OLD_TLS:
        reason = "what listens there speaks no TLS newer than 1.1; the protocol needs 1.3"
    elif "ALERT" in said:
        reason = f"what listens there ends the handshake with the alert {_alert(said)!r}"
    elif isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        reason = "what listens there hangs up before the handshake is over"
    else:
        reason = f"the handshake fails: {said or error}"
    next_step = "Ask for the address and port of its node; a proxy in between must pass TLS through untouched."
    return Obstacle("tls", reason, next_step)


def _certificate(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        reason = f"the certificate that is shown there cannot be read: {error}"
        raise Obstacle("tls", reason, "Ask for the address and port of its node.") from error


def _refusal(wrapped: ssl.SSLSocket) -> str | None:
    """How our certificate was taken, by the first thing that comes after the handshake."""
    try:
        return None if wrapped.recv(1) else ""
    except TimeoutError:
        return None  # it waits for us to begin
    except ssl.SSLError as error:
        return _alert(error.reason or "") if "ALERT" in (error.reason or "") else ""
    except OSError:
        return ""


def _alert(reason: str) -> str:
    """As in "unknown ca", of TLSV1_ALERT_UNKNOWN_CA."""
    return reason.partition("ALERT_")[2].replace("_", " ").lower()
