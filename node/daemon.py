"""The daemon: put the parts together, run them in one TaskGroup, stop. The real clock and chance are here."""

import asyncio
import os
import resource
import secrets
import signal
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import metadata
from random import SystemRandom
from typing import TYPE_CHECKING

import structlog

from node import systemd
from node.config import Config
from node.custody import charters, custodian, folder, issuer, joining, policies, renewal
from node.custody.folder import NodeKeys
from node.errors import ConfigError
from node.exchange import project
from node.exchange.exchange import Exchange
from node.feed.identity import Card
from node.metrics.look import Looking
from node.policy.border import Border
from node.protocol.dialing import Dialing
from node.protocol.fetch import Fetch
from node.protocol.gossip import Gossip
from node.protocol.session import Self
from node.rpc import server
from node.rpc.admin import AdminServicer
from node.rpc.approval import Approval
from node.rpc.charter import ChartersServicer
from node.rpc.forks import ForksServicer
from node.rpc.gate import Gate
from node.rpc.holds import HoldsServicer
from node.rpc.membership import MembershipServicer
from node.rpc.peer import PeerServicer
from node.rpc.policies import Here, PoliciesServicer
from node.rpc.profiles import ProfilesServicer
from node.rpc.server import Listener
from node.rpc.signing import SigningServicer
from node.rpc.tls import Leaf, Pins, TlsState
from node.rpc.tools import ToolsServicer
from node.rpc.withdrawals import WithdrawalsServicer
from node.runtime import dialing, succession
from node.runtime.amending import Amending
from node.runtime.duties import Duties
from node.runtime.following import Following
from node.runtime.holding import Holding
from node.runtime.listing import Listing
from node.runtime.matching import Matching
from node.runtime.mirroring import Mirroring
from node.runtime.peering import Peering
from node.runtime.profiling import Profiling
from node.runtime.projecting import Projecting
from node.runtime.publishing import Publishing
from node.runtime.reading import Reading
from node.runtime.saying import Saying
from node.runtime.staging import Staging
from node.runtime.sweeping import Sweeping
from node.runtime.threads import ReadingThreads
from node.runtime.writer import Writer
from node.store import erasures, stores
from node.store.vault import Vault
from node.v1 import admin_pb2

if TYPE_CHECKING:
    from node.metrics.exposition import Exposition

SWEEP_EVERY_S = 60.0  # open calls whose certificate ran out in between end by then
SWITCH_INTERVAL_S = 0.0005  # a thread that has something urgent waits so long for one that computes
RENEW_AT = 2 / 3  # of a leaf's life
RENEW_WITHIN = 1 / 10  # of it: all links are dialled anew in this time

_log = structlog.get_logger()


class RealClock:
    """This machine's clocks."""

    def monotonic_s(self) -> float:
        """For timers."""
        return time.monotonic()  # noqa: TID251 - the daemon's own

    def now_ms(self) -> int:
        """For dates."""
        return time.time_ns() // 1_000_000  # noqa: TID251 - the daemon's own

    def now(self) -> datetime:
        """For certificates."""
        return datetime.now(UTC)  # noqa: TID251 - the daemon's own


@dataclass
class Daemon:
    """All parts of one running node."""

    config: Config
    keys: NodeKeys
    exchange: Exchange
    cards: list[Card]
    clock: RealClock = field(default_factory=RealClock)
    leaf_life: timedelta = issuer.NODE_LIFE
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        now, chance = self.clock.monotonic_s(), SystemRandom()
        me, heads = self._self(), self.exchange.aside.heads()
        self.started_ms = self.clock.now_ms()
        circle = self.exchange.circle(self.started_ms)
        gossip = Gossip(
            me,
            heads,
            self.exchange.trust.marks.forked(),
            circle,
            chance,
            now=now,
            authors=self.exchange.author_of,
        )
        self.writer = Writer(self.exchange)
        self.peering = Peering(
            gossip, Fetch(me, chance, circle), Dialing(self.keys.member_id, chance), self.writer, self.clock
        )
        self.reading = Reading(self.config.data_folder)
        self.threads = ReadingThreads(self.config.data_folder)
        beside = stores.projecting_stores(self.exchange.stores, self.config.data_folder)
        self.projecting = Projecting(beside, self.writer)
        border = Border(self.config.border_personal)
        self.saying = Saying(self.peering, self.writer, self.reading, self.projecting, self.clock, border)
        self.listing = Listing(self.saying, secrets.token_bytes)  # noqa: TID251 - the daemon's own
        self.following = Following(self.saying)
        self.amending = Amending(self.saying)
        self.profiling = Profiling(self.saying, self.keys.node_id, self.config.peers_address)
        self.duties = Duties(self.saying)
        self.sweeping = Sweeping(self.writer, self.projecting, self.reading, self.clock, self.peering.embargo.may_erase)
        self.holding = self._hold()
        self.leaf, self.leaf_ends = self._issue_leaf()
        self.peers_tls = TlsState(self.leaf, Pins())
        own_tools = Pins().pin(self.keys.member_id, self.keys.tools.der, self.clock.now())
        self.tools_tls = TlsState(self.leaf, own_tools)
        self.approval = Approval(
            self.writer,
            self.peering,
            self.peers_tls,
            lambda: self.leaf,
            self.clock,
            self.projecting.set_aside,
            cards=self.cards,
        )
        self.looking = self._look() if self.config.metrics_listen else None
        self.exposition: Exposition | None = None

    def _hold(self) -> Holding:
        return Holding(
            Vault(self.config.data_folder),
            lambda: custodian.read_public(self.config),
            self.writer,
            self.reading,
            self.sweeping,
            self.clock,
            secrets.token_bytes,  # noqa: TID251 - the daemon's own
            self.peering.embargo.may_erase,
        )

    def _look(self) -> Looking:
        program = self._self().program
        parts = (self.peering, self.approval, self.writer, self.reading, self.sweeping)
        return Looking(*parts, self.clock, program, lambda: self.leaf_ends)

    def _self(self) -> Self:
        return Self(
            self.exchange.trust.federation_id,
            self.keys.member_id,
            self.keys.node_id,
            project.store_id(self.exchange.stores),
            f"tocsin {metadata.version('tocsin')}",
        )

    def _issue_leaf(self) -> tuple[Leaf, datetime]:
        """A fresh key and certificate, for a day in the node; the issuer's key never leaves this machine."""
        key = issuer.create_key()
        made = issuer.issue_node(
            self.keys.issuer,
            self.keys.member_id,
            self.keys.node_id,
            key.public_key(),
            self.clock.now(),
            life=self.leaf_life,
        )
        return Leaf(issuer.key_pem(key), issuer.certificate_pem(made)), made.not_valid_after_utc

    # ---- Life

    async def run(self) -> None:
        """Serve until told to stop; raises ConfigError for an address that cannot be listened on."""
        try:
            await self.reading.open()
            await self.threads.open()
            await self.approval.load()
            await self.peering.embargo.look()
            await self.holding.resume()
            await self.sweeping.sweep()  # nobody is let in while something overdue could still be served
            listeners = self._listen()
            self.approval.gate = listeners[0].gate
            for one in listeners:
                await one.server.start()
            self._expose()
            self._say_ready(listeners)
            await self._serve(listeners)
        finally:
            await self._close()

    async def _serve(self, listeners: list[Listener]) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(each)
                for each in (
                    self.peering.tick(),
                    self.projecting.run(),
                    self.listing.rewrite(),
                    self.following.tidy(),
                    succession.succeed(self.saying),
                    self.amending.run(),
                    self.profiling.run(self.approval.follow),
                    self.duties.run(),
                    self.sweeping.run(),
                    self.holding.run(),
                    self._mirror(),
                    dialing.dial_all(self.peering, self.approval.dial, self.clock),
                    self._follow_logs(),
                    self._sweep([one.gate for one in listeners]),
                    self._renew(),
                    self._ping(),
                )
            ]
            await self.stopping.wait()
            systemd.notify(systemd.STOPPING)
            for peer in self.peering.connected:
                self.peering.hang_up(peer, "the node stops")
            await asyncio.gather(*(one.server.stop(server.STOP_S) for one in listeners))
            for task in running:
                task.cancel()

    async def _ping(self) -> None:
        """Tell systemd that the event loop still turns, if it wants to hear that."""
        every_s = systemd.watchdog_s(os.environ)
        while every_s:
            systemd.notify(systemd.ALIVE)
            await asyncio.sleep(every_s)

    def _listen(self) -> list[Listener]:
        staging = Staging(self.config.data_folder)
        matching = Matching(self.threads, self.writer, self.clock)
        publishing = Publishing(self.saying)
        tools = ToolsServicer(publishing, self.listing, self.following, matching, staging, self.saying)
        admin = AdminServicer(
            self.approval,
            self.peering,
            self.writer,
            self.reading,
            self.sweeping,
            self.clock,
            self.cards,
            self._own_status,
            self._self(),
            self.profiling,
        )
        charter_file = charters.read(self.config.data_folder / folder.CHARTER)[0].SerializeToString(deterministic=True)
        members = MembershipServicer(
            self.saying, self.approval, self.profiling, charter_file, self.config.peers_address
        )
        forks = ForksServicer(self.writer, self.reading, self.clock)
        signing = SigningServicer(self.peering.embargo, self.writer, self.clock)
        peers = PeerServicer(self.peering.serve)
        holds = HoldsServicer(self.holding, self.clock)
        withdrawals = WithdrawalsServicer(publishing, self.listing, self.saying, lambda: self.sweeping.masses)
        here = Here(self.config.data_folder, policies.write, policies.source)
        kept = PoliciesServicer(self.writer, self.projecting, self.reading, self.clock, here)
        profiles = ProfilesServicer(self.profiling, self.writer, self.clock)
        beside = (holds, signing, kept, profiles, withdrawals)
        ours = (tools, admin, ChartersServicer(self.amending), members, forks, *beside)
        meters = (self.looking.meter,) if self.looking else ()
        return [
            server.listen_for_peers(
                self.config.peers_listen, peers, self.peers_tls, self.clock.now, self.approval.turn_away, meters
            ),
            server.listen_for_tools(self.config.tools_listen, ours, self.tools_tls, self.clock.now, meters),
            server.listen_on_socket(self.config.socket, ours, self.clock.now, meters),
        ]

    def _expose(self) -> None:
        if self.looking is None:
            return
        from node.metrics import exposition  # noqa: PLC0415 - 75 ms and 5 MB that most nodes do not need

        address = self.config.metrics_listen
        self.exposition = exposition.expose(address, self.looking, self.config.data_folder)
        _log.info("metrics", listen=_with_port(address, self.exposition.port))

    def _say_ready(self, listeners: list[Listener]) -> None:
        peers, tools, _ = listeners
        self.peers_listen = _with_port(self.config.peers_listen, peers.port)
        self.tools_listen = _with_port(self.config.tools_listen, tools.port)
        _log.info(
            "ready",
            member=self.keys.member_id.hex(),
            peers=self.peers_listen,
            tools=self.tools_listen,
            socket=str(self.config.socket),
            policy=policies.source(self.config.data_folder, self.writer.keep.policy),
        )
        systemd.notify(systemd.READY)
        self.ready.set()

    async def _close(self) -> None:
        if self.exposition is not None:
            await asyncio.to_thread(self.exposition.close)  # an answer under way still needs this loop
        self.projecting.close()
        await self.reading.close()
        await self.threads.close()
        await self.writer.run(joining.close_exchange)
        self.writer.close()
        _log.info("stopped")

    # ---- What runs beside the links

    async def _follow_logs(self) -> None:
        """Whatever identity logs certify becomes pins."""
        seen = -1
        while True:
            seen = await self.writer.news.newer(seen)
            self.approval.refresh()

    async def _mirror(self) -> None:
        """Keep a second erasure journal, where one is named."""
        copy, held = self.config.erasures_copy, self.exchange.erasures
        if copy is not None and isinstance(held, erasures.FileErasures):
            journal = self.config.data_folder / erasures.FILE
            await Mirroring(journal, copy, lambda: held.end, self.sweeping.news).run()

    async def _sweep(self, gates: list[Gate]) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for gate in gates:
                gate.sweep(self.clock.now())

    async def _renew(self) -> None:
        """A new certificate long before the old one ends; links that we dialled are replaced by others under it."""
        while True:
            left = self.leaf_ends - self.clock.now()
            await asyncio.sleep(max(left / timedelta(seconds=1) * RENEW_AT, 1))
            self.leaf, self.leaf_ends = self._issue_leaf()
            self.peers_tls.renew(self.leaf)
            self.tools_tls.renew(self.leaf)
            self.peering.renew_links(self.leaf_life / timedelta(seconds=1) * RENEW_WITHIN)
            _log.info("certificate renewed", until=self.leaf_ends.isoformat())

    def _own_status(self) -> admin_pb2.GetStatusResponse:
        return admin_pb2.GetStatusResponse(
            started_ms=self.started_ms,
            certificate_ends_ms=int(self.leaf_ends.timestamp() * 1000),
            program=self._self().program,
            peers_listen=self.peers_listen,
            tools_listen=self.tools_listen,
            data_folder=str(self.config.data_folder),
            resident_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )


async def serve(config: Config) -> None:
    """Run the node of a folder until SIGTERM or SIGINT; raises ConfigError for what keeps it from starting."""
    os.umask(0o077)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # What is sorted there may be larger than memory, where /tmp often lies.
    os.environ["SQLITE_TMPDIR"] = str(config.data_folder)
    with renewal.held(config.data_folder):
        folder.check_modes(config.data_folder)
        keys, charter = folder.read_keys(config.data_folder), joining.read_charter(config)
        _, _, cards = charters.read(config.data_folder / folder.CHARTER)
        exchange = joining.open_exchange(config, keys, charter)
        exchange.start(RealClock().now_ms())
        if not joining.is_complete(exchange):
            joining.close_exchange(exchange)
            raise ConfigError(
                f"{config.folder} has not finished joining {charter.name}",
                next_step="Run `tocsin join` again with the charter file; nothing is signed twice.",
            )
        daemon = Daemon(config, keys, exchange, list(cards))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stopping.set)
        await daemon.run()


def _with_port(address: str, port: int) -> str:
    return f"{address.rpartition(':')[0]}:{port}"
