"""A node on another machine, or another person on this one: where it is, as whom, and what stands in the way.

Nothing of the far node is taken on trust. The bundle was made by it and has the root that its certificate
is checked against and the federation id that all else is checked by; the address is only where to look.
"""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import click

from node.cli import clock, options
from node.cli.options import Said
from node.errors import ConfigError, Unavailable
from node.feed.pae import FederationId
from node.rpc import bundle as bundles
from node.rpc.bundle import Bundle

PROBE_S = 5.0  # to connect, and for each answer in the handshake
LOOPBACK = "127.0.0.1"

_ANY = {"0.0.0.0", "[::]"}  # noqa: S104 - what a node listens on is not what is dialled
_ISSUE = "Issue one on the node's machine: `tocsin tool issue NAME --scope SCOPE`."


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a node listens for tools, and as whom it is asked."""

    address: str
    path: Path
    bundle: Bundle
    federation_id: FederationId


def find(said: Said, folder: Path) -> Remote:
    """By the bundle, and by what was said besides; raises ConfigError and UsageError for what does not fit."""
    assert said.bundle is not None  # noqa: S101 - the caller looked
    read = bundles.read_bundle(said.bundle)
    address = said.node if said.where == "node" else read.address
    if said.where == "folder" and not (said.folder_yields and read.address):
        from node import config as configs

        address = dialled(configs.load(options.config_file(folder)).tools_listen)
    if not address:
        raise click.UsageError(f"{said.bundle} does not say where its node is: give --node HOST:PORT.")
    return Remote(address, said.bundle, read, _federation_id(said, read, folder))


def dialled(listen: str, address: str = "") -> str:
    """How a listener is reached: by the host of an address of the same machine where it takes every interface."""
    host, _, port = listen.rpartition(":")
    if port == "0":
        return ""
    if host in _ANY:
        host = address.rpartition(":")[0] or LOOPBACK
    return f"{host}:{port}"


def _federation_id(said: Said, read: Bundle, folder: Path) -> FederationId:
    """The one of them all; raises ConfigError where they contradict each other, or where there is none."""
    typed = _typed(said.federation_id) if said.federation_id else None
    if typed and read.federation_id and typed != read.federation_id:
        raise ConfigError(
            f"{said.bundle} is of federation {read.federation_id.hex()[:16]}, not of {typed.hex()[:16]}",
            next_step="Use the tool's file of that federation, or leave out --federation-id (TOCSIN_FEDERATION_ID).",
        )
    found = typed or read.federation_id
    if found is None and said.where == "folder":
        from node.cli import calling

        found = calling.local(folder).federation_id
    if found is None:
        raise click.UsageError(
            f"{said.bundle} does not say its federation: give --federation-id HEX, as `tocsin status --json` of the "
            "node says it."
        )
    return found


def _typed(text: str) -> FederationId:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != bundles.FEDERATION_ID_BYTES:
        raise click.UsageError("--federation-id: a federation id has 64 hex digits, as `tocsin status --json` has it.")
    return FederationId(found)


def require_reachable(remote: Remote) -> None:
    """Raise what is wrong between here and the node's first word: gRPC tells neither side's reason."""
    if clock.now() >= remote.bundle.ends:
        raise ConfigError(f"{remote.path} ended {clock.readable(remote.bundle.ends)}", next_step=_ISSUE)
    with _connected(remote) as plain:
        try:
            with _context(remote).wrap_socket(plain, server_hostname=_name(remote)) as secure:
                # In TLS 1.3 a client hears only behind its own handshake that it was turned away.
                if not secure.recv(1):
                    raise _turned_away(remote, "it hung up on this certificate")
        except ssl.SSLCertVerificationError as error:
            raise ConfigError(
                f"what answers at {remote.address} is not the node that {remote.path} was made for: "
                f"{error.verify_message}",
                next_step="Check the address, and both clocks. A node that was set up anew needs a new file.",
            ) from error
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).lower().replace("_", " ")
            raise _turned_away(remote, reason) from error
        except TimeoutError:
            raise Unavailable(
                f"{remote.address} takes connections and says nothing", next_step="Ask its administrator for its log."
            ) from None
        except OSError as error:
            raise Unavailable(f"{remote.address} hung up: {error.strerror or error}", next_step="Try again.") from error


def _connected(remote: Remote) -> socket.socket:
    address = remote.address
    host, _, port = address.rpartition(":")
    where = f" {remote.path} says so; --node HOST:PORT says otherwise." if address == remote.bundle.address else ""
    try:
        return socket.create_connection((host.strip("[]"), int(port)), PROBE_S)
    except socket.gaierror as error:
        raise Unavailable(
            f"{host} is no host that can be found: {error.strerror}", next_step=f"Check the name.{where}"
        ) from error
    except ConnectionRefusedError:
        raise Unavailable(
            f"nobody listens at {address}",
            next_step="Does the node run, and is this its tools.listen? By default only its own machine may connect."
            + where,
        ) from None
    except OSError as error:
        raise Unavailable(
            f"{address} cannot be reached: {error.strerror or error}",
            next_step=f"Check the address, and the firewalls in between.{where}",
        ) from error


def _context(remote: Remote) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(cadata=remote.bundle.root_pem.decode())
    context.load_cert_chain(remote.path)
    return context


def _name(remote: Remote) -> str:
    from node.rpc import tls

    return tls.dns_name(remote.bundle.member_id)


def _turned_away(remote: Remote, reason: str) -> ConfigError:
    return ConfigError(
        f"{remote.address} turned {remote.path} away, or is no node's listener for tools: {reason}",
        next_step="It is tools.listen that tools call, not peers.listen. " + _ISSUE,
    )
