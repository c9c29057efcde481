"""Listeners: one for peers, one for tools, and the administrator's socket; each with its own gate."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from node.errors import ConfigError
from node.feed.keys import MemberId
from node.rpc import (
    accountability,
    admin,
    alarms,
    audit,
    channel,
    charter,
    forks,
    holds,
    ignores,
    levels,
    membership,
    opinions,
    peer,
    policies,
    profiles,
    signing,
    tools,
    withdrawals,
)
from node.rpc.gate import Access, Admits, Gate
from node.rpc.meter import Meter
from node.rpc.noting import Noting
from node.rpc.peer import PeerServicer
from node.rpc.tls import Pins, TlsState
from node.v1 import (
    accountability_pb2_grpc,
    admin_pb2_grpc,
    alarms_pb2_grpc,
    audit_pb2_grpc,
    charter_pb2_grpc,
    forks_pb2_grpc,
    holds_pb2_grpc,
    ignores_pb2_grpc,
    membership_pb2_grpc,
    opinions_pb2_grpc,
    peer_pb2_grpc,
    policy_pb2_grpc,
    profile_pb2_grpc,
    signing_pb2_grpc,
    tools_pb2_grpc,
    withdrawals_pb2_grpc,
)

# By name: the servicer's class, and how it is added to a server. Those of our own tools and people.
_SERVICES: Mapping[str, tuple[type, Callable[[Any, grpc.aio.Server], None]]] = {
    "tocsin.v1.Tools": (tools_pb2_grpc.ToolsServicer, tools_pb2_grpc.add_ToolsServicer_to_server),
    "tocsin.v1.Admin": (admin_pb2_grpc.AdminServicer, admin_pb2_grpc.add_AdminServicer_to_server),
    "tocsin.v1.Charters": (charter_pb2_grpc.ChartersServicer, charter_pb2_grpc.add_ChartersServicer_to_server),
    "tocsin.v1.Membership": (
        membership_pb2_grpc.MembershipServicer,
        membership_pb2_grpc.add_MembershipServicer_to_server,
    ),
    "tocsin.v1.Forks": (forks_pb2_grpc.ForksServicer, forks_pb2_grpc.add_ForksServicer_to_server),
    "tocsin.v1.Holds": (holds_pb2_grpc.HoldsServicer, holds_pb2_grpc.add_HoldsServicer_to_server),
    "tocsin.v1.Policies": (policy_pb2_grpc.PoliciesServicer, policy_pb2_grpc.add_PoliciesServicer_to_server),
    "tocsin.v1.Profiles": (profile_pb2_grpc.ProfilesServicer, profile_pb2_grpc.add_ProfilesServicer_to_server),
    "tocsin.v1.Audit": (audit_pb2_grpc.AuditServicer, audit_pb2_grpc.add_AuditServicer_to_server),
    "tocsin.v1.Alarms": (alarms_pb2_grpc.AlarmsServicer, alarms_pb2_grpc.add_AlarmsServicer_to_server),
    "tocsin.v1.Withdrawals": (
        withdrawals_pb2_grpc.WithdrawalsServicer,
        withdrawals_pb2_grpc.add_WithdrawalsServicer_to_server,
    ),
    "tocsin.v1.Accountability": (
        accountability_pb2_grpc.AccountabilityServicer,
        accountability_pb2_grpc.add_AccountabilityServicer_to_server,
    ),
    "tocsin.v1.Opinions": (opinions_pb2_grpc.OpinionsServicer, opinions_pb2_grpc.add_OpinionsServicer_to_server),
    "tocsin.v1.Ignores": (ignores_pb2_grpc.IgnoresServicer, ignores_pb2_grpc.add_IgnoresServicer_to_server),
    "tocsin.v1.Signing": (signing_pb2_grpc.SigningServicer, signing_pb2_grpc.add_SigningServicer_to_server),
}
_ANYONE_OF_OURS = Access(any_tool=True, administrator=True)
_BESIDE = {
    "/grpc.health.v1.Health/Check": _ANYONE_OF_OURS,
    "/grpc.health.v1.Health/Watch": _ANYONE_OF_OURS,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _ANYONE_OF_OURS,
}
OURS: Mapping[str, Access] = {
    **tools.ACCESS,
    **admin.ACCESS,
    **levels.ACCESS,
    **charter.ACCESS,
    **membership.ACCESS,
    **forks.ACCESS,
    **holds.ACCESS,
    **policies.ACCESS,
    **profiles.ACCESS,
    **signing.ACCESS,
    **audit.ACCESS,
    **withdrawals.ACCESS,
    **accountability.ACCESS,
    **opinions.ACCESS,
    **ignores.ACCESS,
    **alarms.ACCESS,
    **_BESIDE,
}
BY_PERSONS: Mapping[str, Access] = {
    **OURS,
    **{method: replace(OURS[method], persons=True) for method in (*tools.DECLARING, *withdrawals.DECLARING)},
}
Meters: TypeAlias = Sequence[Meter]
Inside: TypeAlias = Sequence[Noting]
SOCKET_MASK = 0o177  # whoever may open the socket may do everything: the owner and nobody else
IDLE_S = 30.0  # a peer's streams stay open; a member that is told no keeps no connection either
STOP_S = 0.5  # for answers under way when the node stops; streams never end by themselves


@dataclass(frozen=True, slots=True)
class Listener:
    """A server that has its address, and the gate in front of it."""

    server: grpc.aio.Server
    gate: Gate
    port: int = 0


def listen_for_peers(
    address: str,
    servicer: PeerServicer,
    state: TlsState,
    now: Callable[[], datetime],
    turned_away: Callable[[MemberId], None],
    meters: Meters = (),
) -> Listener:
    """Peers, and no health or reflection for them; raises ConfigError where the address is taken."""
    admits = Admits(peers=lambda: state.pins, acquainted=lambda: state.acquainted, turned_away=turned_away)
    gate = Gate(admits=admits, access=peer.ACCESS, now=now)
    server = _server(gate, (*channel.PEERS, ("grpc.max_connection_idle_ms", int(IDLE_S * 1000))), meters)
    peer_pb2_grpc.add_PeerServicer_to_server(servicer, server)
    return Listener(server, gate, _bind(server, address, "peers.listen", state))


def listen_for_tools(
    address: str,
    servicers: Sequence[object],
    state: TlsState,
    now: Callable[[], datetime],
    meters: Meters = (),
    noting: Inside = (),
    access: Mapping[str, Access] = OURS,
) -> Listener:
    """Tools and people of our own member; raises ConfigError where the address is taken."""
    gate = Gate(admits=Admits(tools=lambda: state.pins), access=access, now=now)
    server = _server(gate, channel.OURS, meters, noting)
    _add(server, servicers)
    return Listener(server, gate, _bind(server, address, "tools.listen", state))


def listen_on_socket(
    path: Path,
    servicers: Sequence[object],
    now: Callable[[], datetime],
    meters: Meters = (),
    noting: Inside = (),
    access: Mapping[str, Access] = OURS,
) -> Listener:
    """The administrator; raises ConfigError where the socket cannot be made. The data folder's lock is held."""
    gate = Gate(admits=Admits(administrator=True, tools=Pins), access=access, now=now)
    server = _server(gate, channel.OURS, meters, noting)
    _add(server, servicers)
    before = os.umask(SOCKET_MASK)
    try:
        server.add_secure_port(
            channel.socket_address(path), grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
        )
    except RuntimeError as error:
        raise ConfigError(
            f"{path} cannot be listened on", next_step="Move away what lies there, or set admin.socket."
        ) from error
    finally:
        os.umask(before)
    return Listener(server, gate)


def _server(gate: Gate, bounds: channel.Options, meters: Meters, inside: Inside = ()) -> grpc.aio.Server:
    # The meter stands outside: what the gate turns away is counted too. What is noted has passed the gate.
    return grpc.aio.server(interceptors=(*meters, gate, *inside), options=(*channel.SERVER_OPTIONS, *bounds))


def _add(server: grpc.aio.Server, servicers: Sequence[object]) -> None:
    for kind, add in _SERVICES.values():
        for servicer in servicers:
            if isinstance(servicer, kind):
                add(servicer, server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((*_SERVICES, "grpc.health.v1.Health", reflection.SERVICE_NAME), server)


def _bind(server: grpc.aio.Server, address: str, key: str, state: TlsState) -> int:
    try:
        return server.add_secure_port(address, state.server_credentials())
    except RuntimeError as error:
        raise ConfigError(
            f"{key}: {address} cannot be listened on; another program may use the port",
            next_step=f"Stop that program (`ss -ltnp` names it) or change {key} in node.toml.",
            field=key,
        ) from error
