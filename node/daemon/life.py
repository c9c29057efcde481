"""The life of a node: everything runs in one TaskGroup until it is told to stop."""

import asyncio
import os
import signal
import sys
from datetime import timedelta

import structlog

from node import systemd
from node.config import Config
from node.custody import charters, custodian, folder, joining, journals, policies, renewal
from node.daemon import listening
from node.daemon.clock import RealClock
from node.daemon.parts import Parts
from node.errors import ConfigError, Unavailable
from node.exchange import heard
from node.exchange.exchange import Exchange
from node.exchange.restored import Journal
from node.rpc import server
from node.rpc.gate import Gate
from node.rpc.server import Listener
from node.runtime import dialing, reporting, succession
from node.runtime.mirroring import Mirroring
from node.store import erasures
from node.store.erasures import RolledBack

SWEEP_EVERY_S = 60.0  # open calls whose certificate ran out in between end by then
SWITCH_INTERVAL_S = 0.0005  # a thread that has something urgent waits so long for one that computes
RENEW_AT = 2 / 3  # of a leaf's life
RENEW_WITHIN = 1 / 10  # of it: all links are dialled anew in this time

_log = structlog.get_logger()


class Daemon(Parts):
    """One running node."""

    async def run(self) -> None:
        """Serve until told to stop; raises ConfigError for an address that cannot be listened on.

        Also where it shows only then that the erasure journal is an older one.
        """
        try:
            await self.reading.open()
            await self.threads.open()
            await self.approval.load()
            await self.peering.embargo.look()
            await self.auditing.start()  # from here on what ends or is erased has its lines
            await self.holding.resume()
            await self.sweeping.sweep()  # nobody is let in while something overdue could still be served
            listeners = listening.listen(self)
            self.approval.gate = listeners[0].gate
            for one in listeners:
                await one.server.start()
            self._expose()
            self._say_ready(listeners)
            await self._serve(listeners)
        finally:
            await self._close()
        if self.fault is not None:
            raise self.fault

    async def _serve(self, listeners: list[Listener]) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(each)
                for each in (
                    self.peering.tick(),
                    self.projecting.run(),
                    self.listing.rewrite(),
                    self.following.tidy(),
                    self.following.keep_up(),
                    succession.succeed(self.saying),
                    self.amending.run(),
                    self.profiling.run(self.approval.follow),
                    self.duties.run(),
                    self.alarming.run(),
                    reporting.report(self.saying),
                    self.sweeping.run(),
                    self.holding.run(),
                    self._mirror(),
                    self.auditing.run(),
                    dialing.dial_all(self.peering, self.approval.dial, self.clock),
                    self._follow_logs(),
                    self._sweep([one.gate for one in listeners]),
                    self._renew(),
                    systemd.ping(os.environ),
                )
            ]
            await self.stopping.wait()
            systemd.notify(systemd.STOPPING)
            await self._note_heard()
            for peer in self.peering.connected:
                self.peering.hang_up(peer, "the node stops")
            await asyncio.gather(*(one.server.stop(server.STOP_S) for one in listeners))
            for task in running:
                task.cancel()

    async def _note_heard(self) -> None:
        """Whether enough peers hold no more of the own log than is here: the root may sign behind it then."""
        told, signing, now_ms = self.peering.told(), self.writer.signing, self.clock.now_ms()
        if told and len(told) >= signing.enough and not any(self.peering.behind(peer) for peer in told):
            log = self.writer.trust.logs[self.keys.member_id]
            try:
                await self.writer.run(lambda exchange: heard.note(exchange.stores, log.head, now_ms))
            except Unavailable as error:
                _log.error("not noted how much of our log peers hold", reason=error.reason)

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
        await self.projecting.close()
        await self.reading.close()
        await self.threads.close()
        await self.auditing.close()
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
            journal, federation_id = self.config.data_folder / erasures.FILE, self.exchange.trust.federation_id
            news = self.sweeping.news
            await Mirroring(journal, copy, federation_id, lambda: held.end, news, self._stop_over).run()

    def _stop_over(self, fault: RolledBack) -> None:
        """Nobody is served what was erased; a restored node waits for that copy anyway, and takes in nothing older."""
        if self.exchange.restored.journal is not Journal.PENDING:
            self.fault = fault
            self.stopping.set()

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
            self.leaf, self.leaf_ends = self.issue_leaf()
            self.peers_tls.renew(self.leaf)
            self.tools_tls.renew(self.leaf)
            self.peering.renew_links(self.leaf_life / timedelta(seconds=1) * RENEW_WITHIN)
            _log.info("certificate renewed", until=self.leaf_ends.isoformat())


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
        try:
            journals.require_whole(config, exchange)
            exchange.start(RealClock().now_ms())
            _require_complete(config, exchange)
            custodian.require_for(config.folder, exchange.policy)
        except ConfigError:
            joining.close_exchange(exchange)
            raise
        daemon = Daemon(config, keys, exchange, list(cards))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stopping.set)
        await daemon.run()


def _require_complete(config: Config, exchange: Exchange) -> None:
    if not joining.is_complete(exchange):
        raise ConfigError(
            f"{config.folder} has not finished joining {exchange.trust.charter.name}",
            next_step="Run `tocsin join` again with the charter file; nothing is signed twice.",
        )


def _with_port(address: str, port: int) -> str:
    return f"{address.rpartition(':')[0]}:{port}"
