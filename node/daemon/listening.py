"""What a node answers: services on two listeners and the administrator's socket."""

import secrets
from functools import partial

from node.config import DAY_MS
from node.custody import charters, custodian, folder, policies
from node.custody import tools as certificates
from node.daemon.parts import Parts
from node.exchange.accounting import Given
from node.policy.reporting import Settings
from node.rpc import server
from node.rpc.accountability import AccountabilityServicer, Folder
from node.rpc.admin import AdminServicer
from node.rpc.alarms import AlarmsServicer
from node.rpc.audit import AuditServicer
from node.rpc.charter import ChartersServicer
from node.rpc.forks import ForksServicer
from node.rpc.holds import HoldsServicer
from node.rpc.ignores import IgnoresServicer
from node.rpc.membership import MembershipServicer
from node.rpc.noting import Noting
from node.rpc.opinions import OpinionsServicer
from node.rpc.peer import PeerServicer
from node.rpc.policies import Here, PoliciesServicer
from node.rpc.profiles import ProfilesServicer
from node.rpc.server import Listener
from node.rpc.signing import SigningServicer
from node.rpc.tools import ToolsServicer
from node.rpc.withdrawals import WithdrawalsServicer
from node.runtime.matching import Matching
from node.runtime.opining import Opining
from node.runtime.publishing import Publishing
from node.runtime.staging import Staging


def listen(parts: Parts) -> list[Listener]:
    """For peers, for tools, and on the socket; raises ConfigError where that cannot be."""
    ours, peers = _services(parts), PeerServicer(parts.peering.serve)
    meters = (parts.looking.meter,) if parts.looking else ()
    noting = (Noting(parts.auditing, parts.config.audit_justify),)
    config, now = parts.config, parts.clock.now
    access = server.BY_PERSONS if config.tools_declare == "persons" else server.OURS
    return [
        server.listen_for_peers(config.peers_listen, peers, parts.peers_tls, now, parts.approval.turn_away, meters),
        server.listen_for_tools(config.tools_listen, ours, parts.tools_tls, now, meters, noting, access),
        server.listen_on_socket(config.socket, ours, now, meters, noting, access),
    ]


def _services(parts: Parts) -> tuple[object, ...]:
    """For tools and people of our own."""
    staging = Staging(parts.config.data_folder)
    matching = Matching(parts.threads, parts.writer, parts.clock)
    publishing = Publishing(parts.saying)
    withdrawals = WithdrawalsServicer(publishing, parts.listing, parts.saying, lambda: parts.sweeping.masses)
    tools = ToolsServicer(publishing, parts.listing, parts.following, matching, staging, parts.saying)
    admin = AdminServicer(
        parts.approval,
        parts.peering,
        parts.writer,
        parts.reading,
        parts.sweeping,
        parts.clock,
        parts.cards,
        parts.own_status,
        parts.me,
        parts.profiling,
        parts.alarming,
    )
    charter_file = charters.read(parts.config.data_folder / folder.CHARTER)[0].SerializeToString(deterministic=True)
    members = MembershipServicer(
        parts.saying, parts.threads, parts.approval, parts.profiling, charter_file, parts.config.peers_address
    )
    forks = ForksServicer(parts.writer, parts.reading, parts.clock)
    signing = SigningServicer(parts.peering.embargo, parts.writer, parts.clock)
    holds = HoldsServicer(parts.holding, parts.clock)
    require = partial(custodian.require_for, parts.config.folder)
    here = Here(parts.config.data_folder, policies.write, policies.source, require)
    kept = PoliciesServicer(parts.writer, parts.projecting, parts.reading, parts.holding, parts.clock, here)
    profiles = ProfilesServicer(parts.profiling, parts.writer, parts.clock)
    audit = AuditServicer(parts.auditing, parts.saying, parts.keys.node_id, parts.config.audit_life_ms // DAY_MS)
    return (
        tools,
        admin,
        ChartersServicer(parts.amending),
        members,
        forks,
        holds,
        signing,
        kept,
        profiles,
        audit,
        withdrawals,
        AccountabilityServicer(parts.saying, parts.auditing, parts.holding, _folder(parts)),
        OpinionsServicer(Opining(parts.saying), parts.saying),
        IgnoresServicer(parts.ignoring),
        AlarmsServicer(parts.alarming),
    )


def _folder(parts: Parts) -> Folder:
    """For reports: the configuration that the node runs with, and what lies in its folder now."""
    config = parts.config

    def given() -> Given:
        settings = Settings(
            peers_address=config.peers_address,
            tools_listen=config.tools_listen,
            metrics_listen=config.metrics_listen,
            follows_all=config.lists_follow == "all",
            personal=config.border_personal,
            has_erasures_copy=config.erasures_copy is not None,
            audit_days=config.audit_life_ms // DAY_MS,
            justified=tuple(sorted(config.audit_justify)),
            has_custodian=(config.folder / custodian.PUBLIC).exists(),
        )
        is_own = not policies.is_shipped(parts.writer.keep.policy)
        return Given(settings, certificates.issued(config.data_folder), is_own)

    return Folder(config.data_folder, given, secrets.token_bytes)  # noqa: TID251 - the daemon's own
