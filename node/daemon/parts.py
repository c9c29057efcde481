"""What a node is made of: each part made once, and handed what it needs of the others."""

import asyncio
import resource
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import metadata
from random import SystemRandom
from typing import TYPE_CHECKING

from node.config import Config
from node.custody import auditing, custodian, files, issuer
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
from node.rpc.approval import Approval
from node.rpc.tls import Leaf, Pins, TlsState
from node.runtime.alarming import Alarming
from node.runtime.amending import Amending
from node.runtime.auditing import Auditing
from node.runtime.duties import Duties
from node.runtime.following import Following
from node.runtime.holding import Holding
from node.runtime.ignoring import Ignoring
from node.runtime.listing import Listing
from node.runtime.peering import Peering
from node.runtime.preserving import Preserving
from node.runtime.profiling import Profiling
from node.runtime.projecting import Projecting
from node.runtime.reading import Reading
from node.runtime.saying import Saying
from node.runtime.sweeping import Sweeping
from node.runtime.threads import ReadingThreads
from node.runtime.writer import Writer
from node.store.vault import Vault
from node.v1 import admin_pb2

if TYPE_CHECKING:
    from node.metrics.exposition import Exposition


from node.daemon.clock import RealClock


@dataclass
class Parts:
    """All parts of one node."""

    config: Config
    keys: NodeKeys
    exchange: Exchange
    cards: list[Card]
    clock: RealClock = field(default_factory=RealClock)
    leaf_life: timedelta = issuer.NODE_LIFE
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    fault: ConfigError | None = None  # what it stopped over

    def __post_init__(self) -> None:
        self.started_ms = self.clock.now_ms()
        self.peers_listen = self.tools_listen = ""  # once it is listened there
        self._join_in()
        self._say_and_keep()
        self.leaf, self.leaf_ends = self.issue_leaf()
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

    def _join_in(self) -> None:
        """What hears, and what is heard."""
        now, chance = self.clock.monotonic_s(), SystemRandom()
        circle = self.exchange.circle(self.started_ms)
        gossip = Gossip(
            self.me,
            self.exchange.heads(),
            self.exchange.trust.marks.forked(),
            circle,
            chance,
            now=now,
            authors=self.exchange.author_of,
        )
        self.writer = Writer(self.exchange)
        self.peering = Peering(
            gossip, Fetch(self.me, chance, circle), Dialing(self.keys.member_id, chance), self.writer, self.clock
        )
        self.reading = Reading(self.config.data_folder)
        self.threads = ReadingThreads(self.config.data_folder)
        self.projecting = Projecting(self.config.data_folder, self.writer)

    def _say_and_keep(self) -> None:
        """What says something of our own, and what erases."""
        border = Border(self.config.border_personal)
        self.saying = Saying(self.peering, self.writer, self.reading, self.projecting, self.clock, border)
        self.listing = Listing(self.saying, secrets.token_bytes)  # noqa: TID251 - the daemon's own
        self.following = Following(self.saying)
        self.amending = Amending(self.saying, self.threads)
        self.profiling = Profiling(self.saying, self.keys.node_id, self.config.peers_address)
        self._hold()
        self.ignoring = Ignoring(self.saying, self.sweeping, secrets.token_bytes)  # noqa: TID251 - the daemon's own
        self.duties = Duties(self.saying, self.holding)
        log = auditing.open_log(self.config.data_folder, self.exchange.trust.federation_id)
        self.auditing = Auditing(log, self.saying, self.config.audit_life_ms, self.peering.embargo.may_erase)
        self.alarming = Alarming(self.config.alarm, self.saying, self.auditing, files.read_secret)

    def _hold(self) -> None:
        """What erases, and what is kept of it."""
        vault, may_erase = Vault(self.config.data_folder, files.replace_secret), self.peering.embargo.may_erase
        preserving = Preserving(
            vault,
            lambda: custodian.read_public(self.config),
            self.writer,
            self.reading,
            self.clock,
            secrets.token_bytes,  # noqa: TID251 - the daemon's own
        )
        self.sweeping = Sweeping(self.writer, self.projecting, self.reading, preserving, self.clock, may_erase)
        self.holding = Holding(vault, preserving, self.writer, self.reading, self.sweeping, self.clock, may_erase)

    def _look(self) -> Looking:
        program = self.me.program
        parts = (self.peering, self.approval, self.writer, self.reading, self.sweeping)
        return Looking(*parts, self.clock, program, lambda: self.leaf_ends)

    @property
    def me(self) -> Self:
        """How this node calls itself to peers."""
        return Self(
            self.exchange.trust.federation_id,
            self.keys.member_id,
            self.keys.node_id,
            project.store_id(self.exchange.stores),
            f"tocsin {metadata.version('tocsin')}",
        )

    def issue_leaf(self) -> tuple[Leaf, datetime]:
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

    def own_status(self) -> admin_pb2.GetStatusResponse:
        """What only the daemon knows of itself."""
        return admin_pb2.GetStatusResponse(
            started_ms=self.started_ms,
            certificate_ends_ms=int(self.leaf_ends.timestamp() * 1000),
            program=self.me.program,
            peers_listen=self.peers_listen,
            tools_listen=self.tools_listen,
            data_folder=str(self.config.data_folder),
            resident_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
