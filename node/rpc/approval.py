"""Approval: which members this node talks to. The administrator's decisions become pins, dials and ended streams."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import structlog

from node.errors import Refused, Unavailable
from node.feed.identity import Card
from node.feed.keys import MemberId
from node.rpc import peer as peers_service
from node.rpc import tls
from node.rpc.gate import Gate
from node.rpc.tls import Pins, TlsState
from node.runtime.link import Clock, Link
from node.runtime.peering import Peering
from node.runtime.writer import Writer
from node.store import peers
from node.store.peers import APPROVED, BLOCKED, Peer

_log = structlog.get_logger()

Pem = Callable[[], tls.Leaf]


class Approval:
    """Owns the pins of the peers' listener. Everything in it belongs to the event loop."""

    def __init__(self, writer: Writer, peering: Peering, state: TlsState, leaf: Pem, clock: Clock) -> None:
        self.gate: Gate | None = None  # of the peers' listener, once there is one
        self._writer, self._peering = writer, peering
        self._state, self._leaf, self._clock = state, leaf, clock
        self._peers: dict[MemberId, Peer] = {}
        self._logs: object = None

    async def load(self) -> None:
        """Read what was decided before the last stop."""
        found = await self._writer.run(lambda exchange: peers.every(exchange.stores.ledger))
        self._peers = {one.member_id: one for one in found}
        self._apply()

    def every(self) -> list[Peer]:
        """All decisions, in the order in which they were made."""
        return list(self._peers.values())

    async def approve(self, cards: Sequence[Card]) -> None:
        """Talk to these members from now on; raises Refused for an issuer that cannot be pinned."""
        now_ms = self._clock.now_ms()
        pins = self._pins(self.every())
        added = []
        for card in cards:
            member_id = card.inception.member_id
            if member_id == self._writer.reader.member_id:
                raise Refused("this is our own card", next_step="Send it to the others; approve theirs.", field="card")
            pins = pins.pin(member_id, card.tls_issuer, self._now())
            added.append(Peer(member_id, card.address, card.tls_issuer, APPROVED, now_ms))
        await self._keep(added)

    async def remove(self, member_id: MemberId) -> int:
        """Forget a peer and end its streams; how many there were."""
        self._peering.dialing.drop(member_id)
        del self._peers[member_id]
        await self._writer.run(lambda exchange: exchange.drop_peer(member_id))
        return self._end(member_id, "removed by this node's administrator")

    async def block(self, member_id: MemberId) -> int:
        """Refuse a peer until it is approved again, and end its streams; how many there were."""
        held = self._peers[member_id]
        await self._keep([Peer(held.member_id, held.address, held.tls_issuer, BLOCKED, held.added_ms)])
        return self._end(member_id, "blocked by this node's administrator")

    def refresh(self) -> None:
        """Identity logs grew: pin what they certify."""
        if self._writer.trust.logs is not self._logs:
            try:
                self._apply()
            except Unavailable as error:  # no socket to try a root on: again with the next news
                self._logs = None
                _log.error("issuers not pinned", reason=error.reason)

    def dial(self, member_id: MemberId) -> AbstractAsyncContextManager[Sequence[Link]]:
        """Both streams to a peer."""
        held, roots = self._peers.get(member_id), self._state.pins.of(member_id)
        if held is None:
            raise Unavailable("removed by this node's administrator")
        if not roots:
            raise Unavailable("its TLS issuer cannot be pinned; ask for its present card")
        root = roots[-1]  # the last that its log certifies, or the one of its card
        return peers_service.dial(held.address, member_id, root.pem, self._leaf(), self._writer.reader.member_id)

    # ---- Inside

    async def _keep(self, changed: Sequence[Peer]) -> None:
        await self._writer.run(lambda exchange: exchange.keep_peers(changed))
        self._peers |= {one.member_id: one for one in changed}
        self._apply()

    def _apply(self) -> None:
        """Pins and dials as the decisions and the logs say now."""
        self._logs = self._writer.trust.logs
        self._state.pin(self._pins(self.every()))
        for one in self.every():
            if one.state == APPROVED and one.address:
                self._peering.dialing.add(self._clock.monotonic_s(), one.member_id)
            else:
                self._peering.dialing.drop(one.member_id)
        self._peering.links.tell()

    def _end(self, member_id: MemberId, reason: str) -> int:
        """Un-pin first, then end what is open; our own dials too."""
        self._apply()
        self._peering.dialing.drop(member_id)
        cut = self.gate.cut(member_id) if self.gate else 0
        return max(cut, self._peering.hang_up(member_id, reason))

    def _pins(self, found: Sequence[Peer]) -> Pins:
        pins = Pins()
        for one in found:
            if one.state != APPROVED:
                continue
            log = self._writer.trust.logs.get(one.member_id)
            retired = {bound.feed_id for bound in log.identity.retired} if log else set()
            certified = [node.tls_issuer for node in log.identity.nodes if node.feed_id not in retired] if log else []
            for der in (one.tls_issuer, *certified):
                try:
                    pins = pins.pin(one.member_id, der, self._now())
                except Refused as error:
                    _log.warning("issuer not pinned", member=one.member_id.hex(), reason=error.reason)
        return pins

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
