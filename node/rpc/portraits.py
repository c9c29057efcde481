"""Portraits: one peer with all that the running node knows of it, as `tocsin peer show` has it."""

from datetime import UTC, datetime

from node.content import names
from node.exchange.membership import LEFT
from node.feed import keys
from node.feed.keys import MemberId
from node.protocol.effects import Stream
from node.rpc import peer as peers_service
from node.rpc.approval import Approval
from node.runtime.link import Clock
from node.runtime.peering import Peering
from node.runtime.writer import Writer
from node.store.peers import APPROVED, BLOCKED, PAUSED, Peer
from node.v1 import admin_pb2


class Portraits:
    """Looks at approval and links. Owned by the event loop."""

    def __init__(self, approval: Approval, peering: Peering, writer: Writer, clock: Clock) -> None:
        self._approval, self._peering = approval, peering
        self._writer, self._clock = writer, clock

    def names_of(self, member_id: MemberId) -> tuple[str, ...]:
        """What a member may be called by."""
        name, fingerprint = self._writer.trust.name_of(member_id), keys.fingerprint(member_id)
        return (names.slug(name), name, fingerprint, fingerprint.replace(" ", ""))

    def of(self, one: Peer) -> admin_pb2.PeerView:
        """The peer as it is now."""
        peer, peering = one.member_id, self._peering
        connected, heard = peer in peering.connected, peering.heard.get(peer)
        now = self._writer.trust.roster(self._clock.now_ms())
        seat = now.seats.get(peer) or now.former.get(peer)
        late_feeds, late_since_s = peering.lag.late(self._clock.monotonic_s(), peer)
        backlogs = [peering.backlog(peer, stream) for stream in Stream]
        view = admin_pb2.PeerView(
            member_id=peer,
            name=self._writer.trust.name_of(peer),
            fingerprint=keys.fingerprint(peer),
            address=one.address,
            state=LEFT if one.state != BLOCKED and self._left_ms(one) else one.state,
            connected=connected,
            in_step=peer in peering.in_step,
            reason="" if connected else self._reason(one),
            since_ms=one.added_ms,
            clock_ahead_ms=heard.clock_ahead_ms if heard else 0,
            role=seat.role if seat else 0,
            program=heard.program if heard else "",
            bytes_per_s=one.bytes_per_s,
            kinds=sorted(one.kinds),
            quarantined=one.is_quarantined,
            behind=peering.behind(peer),
            outbox_frames=sum(frames for frames, _ in backlogs),
            outbox_bytes=sum(bytes_ for _, bytes_ in backlogs),
            issuer_ends_ms=self._approval.issuer_ends_ms(peer),
            in_mesh=connected and peering.in_mesh(peer),
            dialled=connected and peering.dialled(peer),
            connected_since_ms=peering.since_ms.get(peer, 0) if connected else 0,
            last_end=peering.last_end.get(peer, ""),
            profile_addresses=[place for place in self._approval.addresses(peer) if place != one.address],
            dialled_next_ms=0 if connected else self._dialled_next_ms(peer),
            late_feeds=late_feeds,
            late_since_ms=self._at_ms(late_since_s) if late_feeds else 0,
        )
        for fault in peering.convicting.faults.of(peer):
            view.faults.add(rule=fault.rule, times=fault.times, last_ms=fault.last_ms)
        return view

    def _reason(self, one: Peer) -> str:
        """Why there is no link; nothing for a peer that is to have none."""
        if (left_ms := self._left_ms(one)) and one.state != BLOCKED:
            day = datetime.fromtimestamp(left_ms / 1000, UTC)
            return f"left the federation on {day:%Y-%m-%d}: `tocsin peer remove` it"
        if one.state == PAUSED:
            return "paused here"
        if one.state != APPROVED:
            return ""
        waiting = "not connected yet" if self._approval.addresses(one.member_id) else "it dials us; it has not yet"
        reason = self._peering.ended.get(one.member_id, waiting)
        if one.member_id in self._peering.heard and reason == peers_service.NOT_APPROVED:
            return peers_service.NO_LONGER_APPROVED
        return reason

    def _left_ms(self, one: Peer) -> int:
        return self._writer.trust.left_ms(one.member_id)

    def _dialled_next_ms(self, peer: MemberId) -> int:
        next_s = max(self._peering.dialing.next_at(peer), self._clock.monotonic_s())
        return self._at_ms(next_s) if next_s != float("inf") else 0

    def _at_ms(self, monotonic_s: float) -> int:
        """A time of the clock that runs on, as a date."""
        return self._clock.now_ms() + int((monotonic_s - self._clock.monotonic_s()) * 1000)
