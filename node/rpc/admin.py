"""Service Admin: status and peers, for whoever may open the Unix socket or has the scope admin."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, TypeAlias

import grpc.aio

from node.content import names
from node.exchange import branches, consult, membership
from node.exchange.consult import View
from node.exchange.keeping import Keep
from node.exchange.trust import Trust
from node.feed import identity
from node.feed.identity import Card
from node.feed.keys import MemberId
from node.policy import terms
from node.protocol.session import Self
from node.rpc import membership as members_service
from node.rpc import signing, status
from node.rpc.approval import Approval
from node.rpc.checking import Checking
from node.rpc.examination import Examination
from node.rpc.gate import Access
from node.rpc.levels import LevelServicer
from node.rpc.portraits import Portraits
from node.runtime.alarming import Alarming
from node.runtime.link import Clock
from node.runtime.peering import Peering
from node.runtime.profiling import Profiling
from node.runtime.reading import Reading
from node.runtime.sweeping import Sweeping
from node.runtime.writer import Writer
from node.store import deadlines, figures, health, ledger
from node.store.peers import Peer
from node.store.stores import Stores
from node.v1 import admin_pb2

_ADMIN = Access(scope="admin", administrator=True)
ACCESS = {
    f"/tocsin.v1.Admin/{method}": _ADMIN
    for method in (
        "GetStatus",
        "ListPeers",
        "ApprovePeers",
        "RemovePeer",
        "BlockPeer",
        "PausePeer",
        "ResumePeer",
        "LimitPeer",
        "ReleasePeer",
        "CheckPeer",
        "Examine",
    )
} | {"/tocsin.v1.Admin/ListMembers": Access(scope="read", or_scope="admin", administrator=True)}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Own = Callable[[], admin_pb2.GetStatusResponse]  # what only the daemon knows: listeners, certificate, memory


class AdminServicer(LevelServicer):
    """The node as its administrator sees it. ``cards`` are those that came with the charter."""

    def __init__(
        self,
        approval: Approval,
        peering: Peering,
        writer: Writer,
        reading: Reading,
        sweeping: Sweeping,
        clock: Clock,
        cards: Sequence[Card],
        own: Own,
        me: Self,
        profiling: Profiling,
        alarming: Alarming,
    ) -> None:
        self._approval, self._peering = approval, peering
        self._writer, self._reading = writer, reading
        self._clock, self._own = clock, own
        self._sweeping, self._profiling, self._alarming = sweeping, profiling, alarming
        self._cards = {card.inception.member_id: card for card in cards}
        self._portraits = Portraits(approval, peering, writer, clock)
        self._checking = Checking(approval, peering, writer, clock, me)
        self._examination = Examination(approval, peering, writer, reading, clock, own, profiling)

    @status.answers
    async def GetStatus(self, request: admin_pb2.GetStatusRequest, _context: _Context) -> admin_pb2.GetStatusResponse:  # noqa: N802
        """Everything at a glance."""
        await self._peering.compare()
        trust, me = self._writer.trust, self._writer.reader.member_id
        seen = consult.view(trust, self._writer.follows, self._clock.now_ms())
        seat = seen.roster.seats.get(me) or seen.roster.former.get(me)
        accepted = sum(founder.member_id in trust.logs for founder in trust.charter.founders)
        answer = await self._reading.run(lambda stores: _counts(stores, seen))
        if request.index_digest:
            answer.index_digest = await self._reading.run(lambda stores: _index_digest(stores, trust))
        forked = branches.alarming(trust)
        expected = {one.member_id for one in self._approval.expected()}
        answer.MergeFrom(self._own())
        answer.MergeFrom(
            admin_pb2.GetStatusResponse(
                member_id=me,
                name=trust.name_of(me),
                role=seat.role if seat else 0,
                federation_name=trust.charter.name,
                federation_id=trust.federation_id,
                founders=len(trust.charter.founders),
                accepted=accepted,
                charter_in_force=seen.roster.in_force,
                peers_approved=len(expected),
                peers_connected=len(expected & {*self._peering.connected}),
                peers_in_step=len(expected & {*self._peering.in_step}),
                heads_digest=self._peering.digest,
                quotas=self._quotas(),
                membership=await self._membership(trust, seen.now_ms) if me in trust.logs else None,
                forks=len(forked),
                own_forks=sum(trust.author(feed_id) == me for feed_id in forked),
                signing=signing.view(self._writer, self._clock.now_ms()),
                keeping=await self._keeping(seen.now_ms),
                profile_warnings=[reason for reason, _ in await self._profiling.warnings()],
                alarm_warnings=await self._alarming.warnings(),
            )
        )
        ahead_ms = self._peering.clock_ahead_ms
        if ahead_ms is not None:
            answer.clock_known, answer.clock_ahead_ms = True, ahead_ms
        return answer

    async def _keeping(self, now_ms: int) -> admin_pb2.KeepingView:
        keep = self._writer.keep
        found = await self._reading.run(lambda stores: _keeping(stores, keep, now_ms))
        found.swept_ms = self._sweeping.swept_ms
        return found

    def _quotas(self) -> admin_pb2.QuotaView:
        budgets = self._writer.budgets
        return admin_pb2.QuotaView(
            pushes_ignored=budgets.ignored.total(),
            members_ignored=len(budgets.ignored),
            demoted=budgets.demoted.total(),
            slowed=budgets.slowed,
            slowed_ms=budgets.slowed_ms,
            needed_sync=self._peering.needed_sync,
        )

    @status.answers
    async def ListMembers(self, _: admin_pb2.ListMembersRequest, _context: _Context) -> admin_pb2.ListMembersResponse:  # noqa: N802
        """Everyone on the roster, whoever was, and candidates: these first."""
        about = self._writer.trust, self._approval.approved(), self._writer.reader.member_id, self._clock.now_ms()
        return admin_pb2.ListMembersResponse(members=await asyncio.to_thread(members_service.views, *about))

    @status.answers
    async def ListPeers(self, request: admin_pb2.ListPeersRequest, _: _Context) -> admin_pb2.ListPeersResponse:  # noqa: N802
        """All peers, or the one that is named."""
        await self._peering.compare()
        found = [self._named(request.peer)] if request.peer else self._approval.every()
        return admin_pb2.ListPeersResponse(peers=[self._portraits.of(one) for one in found])

    @status.answers
    async def ApprovePeers(self, request: admin_pb2.ApprovePeersRequest, _: _Context) -> admin_pb2.ApprovePeersResponse:  # noqa: N802
        """Talk to these members from now on."""
        cards = [self._writer.trust.present_card(identity.read_card(one)) for one in request.cards]
        named = {MemberId(one): self._cards.get(MemberId(one)) for one in request.member_ids}
        cards += [card for card in named.values() if card]
        cardless = [member_id for member_id, card in named.items() if card is None]
        if cardless:  # a profile that can be read by now counts, also where it has not been told yet
            self._approval.follow(await self._profiling.addresses())
        await self._approval.approve(cards, cardless)
        wanted = {*(card.inception.member_id for card in cards), *named}
        return admin_pb2.ApprovePeersResponse(
            peers=[self._portraits.of(one) for one in self._approval.every() if one.member_id in wanted]
        )

    @status.answers
    async def RemovePeer(self, request: admin_pb2.RemovePeerRequest, _: _Context) -> admin_pb2.RemovePeerResponse:  # noqa: N802
        """Forget a peer; its streams end now."""
        view = self._portraits.of(self._named(request.peer))
        ended = await self._approval.remove(MemberId(view.member_id))
        return admin_pb2.RemovePeerResponse(peer=view, streams_ended=ended)

    @status.answers
    async def BlockPeer(self, request: admin_pb2.BlockPeerRequest, _: _Context) -> admin_pb2.BlockPeerResponse:  # noqa: N802
        """Refuse a peer; its streams end now."""
        member_id = self._named(request.peer).member_id
        ended, set_aside = await self._approval.block(member_id, quarantine=request.quarantine)
        return admin_pb2.BlockPeerResponse(peer=self._again(member_id), streams_ended=ended, set_aside=set_aside)

    @status.answers
    async def ReleasePeer(self, request: admin_pb2.ReleasePeerRequest, _: _Context) -> admin_pb2.ReleasePeerResponse:  # noqa: N802
        """What was set aside when the peer was blocked counts again."""
        member_id = self._named(request.peer).member_id
        released = await self._approval.release(member_id)
        return admin_pb2.ReleasePeerResponse(peer=self._again(member_id), released=released)

    @status.answers
    async def PausePeer(self, request: admin_pb2.PausePeerRequest, _: _Context) -> admin_pb2.PausePeerResponse:  # noqa: N802
        """Keep a peer approved, and have no link to it."""
        member_id = self._named(request.peer).member_id
        ended = await self._approval.pause(member_id)
        return admin_pb2.PausePeerResponse(peer=self._again(member_id), streams_ended=ended)

    @status.answers
    async def ResumePeer(self, request: admin_pb2.ResumePeerRequest, _: _Context) -> admin_pb2.ResumePeerResponse:  # noqa: N802
        """Connect to a paused peer again."""
        member_id = self._named(request.peer).member_id
        await self._approval.resume(member_id)
        return admin_pb2.ResumePeerResponse(peer=self._again(member_id))

    @status.answers
    async def LimitPeer(self, request: admin_pb2.LimitPeerRequest, _: _Context) -> admin_pb2.LimitPeerResponse:  # noqa: N802
        """How much bulk goes to and from a peer, and payloads of which kinds are taken from it."""
        held = self._named(request.peer)
        rate = terms.check_rate(request.bytes_per_s) if request.HasField("bytes_per_s") else held.bytes_per_s
        kinds = terms.check_kinds(request.kinds.names) if request.HasField("kinds") else held.kinds
        await self._approval.limit(held.member_id, bytes_per_s=rate, kinds=kinds)
        return admin_pb2.LimitPeerResponse(peer=self._again(held.member_id))

    @status.answers
    async def CheckPeer(self, request: admin_pb2.CheckPeerRequest, _: _Context) -> admin_pb2.CheckPeerResponse:  # noqa: N802
        """Call a peer now, and say what stands in the way."""
        found = self._named(request.peer)
        findings = await self._checking.check(found)
        return admin_pb2.CheckPeerResponse(peer=self._portraits.of(found), findings=findings)

    @status.answers
    async def Examine(self, _request: admin_pb2.ExamineRequest, _: _Context) -> admin_pb2.ExamineResponse:  # noqa: N802
        """What only the running node knows of its own health."""
        return admin_pb2.ExamineResponse(findings=await self._examination.examine())

    # ---- Inside

    def _again(self, member_id: MemberId) -> admin_pb2.PeerView:
        return self._portraits.of(self._named(member_id.hex()))

    def _named(self, typed: str) -> Peer:
        found = {bytes(one.member_id): one for one in self._approval.every()}
        named = {member_id: self._portraits.names_of(MemberId(member_id)) for member_id in found}
        return found[names.resolve(typed, "peer", named)]

    async def _membership(self, trust: Trust, now_ms: int) -> admin_pb2.MemberView:
        me, approved = self._writer.reader.member_id, self._approval.approved()
        found = await asyncio.to_thread(membership.place, trust, me, now_ms)
        return members_service.view(trust, found, approved, me, now_ms)


def _keeping(stores: Stores, keep: Keep, now_ms: int) -> admin_pb2.KeepingView:
    count, since_ms = deadlines.backlog(stores.index, now_ms)
    return admin_pb2.KeepingView(
        policy=keep.policy.name,
        policy_id=keep.policy.id,
        overdue=count,
        overdue_since_ms=since_ms,
        deciding=deadlines.basis(stores.index) != (keep.basis, True),
    )


def _counts(stores: Stores, seen: View) -> admin_pb2.GetStatusResponse:
    return admin_pb2.GetStatusResponse(
        payloads_wanted=health.missing(stores.ledger, seen.now_ms).count,
        entries=ledger.entry_count(stores.ledger),
        held_back=health.held_back(stores.ledger),
        items=consult.item_total(stores, seen),
        unmarked=[
            admin_pb2.UnmarkedView(member_id=member_id, member_name=seen.trust.name_of(member_id), records=count)
            for member_id, count in figures.unmarked(stores)
        ],
    )


def _index_digest(stores: Stores, trust: Trust) -> bytes:
    found = sha256()
    for exercise in (False, True):
        for kind, value in consult.values(stores, trust, exercise=exercise):
            found.update(bytes([exercise]) + kind.to_bytes(4) + len(value).to_bytes(4) + value)
    return found.digest()
