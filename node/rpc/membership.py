"""Service Membership: what members say of one another, for whoever may open the Unix socket or has the scope admin."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

import grpc.aio

from node.content import names
from node.errors import Refused
from node.exchange import membership, vouching
from node.exchange.exchange import Exchange
from node.exchange.membership import Place
from node.exchange.publish import Draft
from node.exchange.trust import Trust
from node.feed import identity, keys
from node.feed.facts import Said
from node.feed.header import URGENT
from node.feed.identity import Card, Inception
from node.feed.keys import FeedId, MemberId
from node.feed.quorum import Act, Quorum
from node.feed.roster import ENDORSEMENT_LIFE_MS
from node.policy import wording
from node.rpc import status
from node.rpc.approval import Approval
from node.rpc.gate import Access
from node.runtime.leaving import Leaving
from node.runtime.profiling import Profiling
from node.runtime.saying import Saying
from node.runtime.threads import ReadingThreads
from node.store.stores import Stores
from node.v1 import admin_pb2, membership_pb2, membership_pb2_grpc

_METHODS = ("Endorse", "Unendorse", "Suspend", "Revoke", "GetDeparture", "WithdrawOwn", "Leave")
_ADMIN = Access(scope="admin", administrator=True)
ACCESS = {f"/tocsin.v1.Membership/{method}": _ADMIN for method in _METHODS} | {
    "/tocsin.v1.Membership/GetMember": Access(scope="read", or_scope="admin", administrator=True)
}

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class MembershipServicer(membership_pb2_grpc.MembershipServicer):
    """Who is who, and saying so. ``charter_file`` is what this node joined by, ``address`` where it is dialled."""

    def __init__(
        self,
        saying: Saying,
        threads: ReadingThreads,
        approval: Approval,
        profiling: Profiling,
        charter_file: bytes,
        address: str,
    ) -> None:
        self._saying, self._threads, self._approval, self._profiling = saying, threads, approval, profiling
        self._writer, self._clock = saying.writer, saying.clock
        self._leaving = Leaving(saying)
        self._charter_file, self._address = charter_file, address

    @status.answers
    async def GetMember(  # noqa: N802
        self, request: membership_pb2.GetMemberRequest, _: _Context
    ) -> membership_pb2.GetMemberResponse:
        """All that is said of one member or candidate."""
        found = await self._named(request.member)
        return membership_pb2.GetMemberResponse(standing=await self._standing(found.member_id))

    @status.answers
    async def Endorse(self, request: membership_pb2.EndorseRequest, _: _Context) -> membership_pb2.EndorseResponse:  # noqa: N802
        """Vouch for a candidate; what comes back with it is its invite."""
        trust = self._writer.trust
        card = trust.present_card(identity.read_card(request.card)) if request.HasField("card") else None
        if request.peer and card is None:
            raise Refused("approving a peer takes its card", next_step="Endorse by the card file.", field="peer")
        candidate = card.inception if card else await self._inception(request.member)
        member_id = MemberId(candidate.member_id)
        draft = vouching.endorsement(self._writer.trust, self._me, candidate, self._now_ms)
        if request.dry_run:
            return membership_pb2.EndorseResponse(standing=await self._standing(member_id, candidate))
        await self._saying.say([draft], URGENT)
        if card and request.peer:
            await self._approve(card)
        invite = await self._invite(candidate)
        return membership_pb2.EndorseResponse(standing=await self._standing(member_id, candidate), invite=invite)

    @status.answers
    async def Unendorse(  # noqa: N802
        self, request: membership_pb2.UnendorseRequest, _: _Context
    ) -> membership_pb2.UnendorseResponse:
        """Take back what was said for a member."""
        found = await self._named(request.member)
        drafts = vouching.retractions(self._writer.trust, self._me, found, self._now_ms)
        if not request.dry_run:
            await self._saying.say(drafts, URGENT)
        return membership_pb2.UnendorseResponse(standing=await self._standing(found.member_id))

    @status.answers
    async def Suspend(self, request: membership_pb2.SuspendRequest, _: _Context) -> membership_pb2.SuspendResponse:  # noqa: N802
        """Say that a member should be without effect for a time."""
        found = await self._named(request.member)
        trust, now_ms = self._writer.trust, self._now_ms
        draft = vouching.suspension(trust, self._me, found, request.until_ms, request.reason, now_ms)
        needed, said = await self._act(Act.SUSPEND, found, draft, dry_run=request.dry_run)
        standing = await self._standing(found.member_id)
        return membership_pb2.SuspendResponse(standing=standing, needed=wording.words(needed), said=said)

    @status.answers
    async def Revoke(self, request: membership_pb2.RevokeRequest, _: _Context) -> membership_pb2.RevokeResponse:  # noqa: N802
        """Say that a member should be removed for good."""
        found = await self._named(request.member)
        now_ms = self._now_ms
        draft = await self._writer.run(
            lambda exchange: vouching.revocation(
                exchange.stores,
                exchange.trust,
                self._me,
                found,
                request.reason,
                now_ms,
                nothing_stands=request.nothing_stands,
            )
        )
        needed, said = await self._act(Act.REVOKE, found, draft, dry_run=request.dry_run)
        standing = await self._standing(found.member_id)
        return membership_pb2.RevokeResponse(standing=standing, needed=wording.words(needed), said=said)

    @status.answers
    async def GetDeparture(  # noqa: N802
        self, _request: membership_pb2.GetDepartureRequest, _: _Context
    ) -> membership_pb2.GetDepartureResponse:
        """How far this member is in leaving."""
        answer = await self._leaving.look()
        expected = {one.member_id for one in self._approval.expected()}
        told, connected = self._leaving.told(), expected & {*self._saying.peering.connected}
        answer.told.extend(self._names(connected & told))
        answer.untold.extend(self._names(connected - told))
        answer.away.extend(self._names(expected - connected))
        return answer

    @status.answers
    async def WithdrawOwn(  # noqa: N802
        self, request: membership_pb2.WithdrawOwnRequest, _: _Context
    ) -> membership_pb2.WithdrawOwnResponse:
        """Take back some of what this member published."""
        withdrawn, left = await self._leaving.withdraw(request.reason)
        return membership_pb2.WithdrawOwnResponse(withdrawn=withdrawn, left=left)

    @status.answers
    async def Leave(self, request: membership_pb2.LeaveRequest, _: _Context) -> membership_pb2.LeaveResponse:  # noqa: N802
        """Put in force what the root signed."""
        await self._leaving.leave(request.entries)
        return membership_pb2.LeaveResponse(left_ms=self._writer.trust.left_ms(self._me))

    # ---- Inside

    def _names(self, members: Iterable[MemberId]) -> list[str]:
        return sorted(self._writer.trust.name_of(member_id) for member_id in members)

    @property
    def _now_ms(self) -> int:
        return self._clock.now_ms()

    @property
    def _me(self) -> MemberId:
        return self._writer.reader.member_id

    async def _act(self, act: Act, found: Place, draft: Draft, *, dry_run: bool) -> tuple[Quorum, int]:
        """Say it, unless it is only asked about; what it takes, and how many say so with this one."""
        needed = vouching.require_right(self._writer.trust, self._me, act, 0, self._now_ms)
        if not dry_run:
            await self._saying.say([draft], URGENT)
        said = membership.counted(self._writer.trust, act, found.member_id, self._now_ms)
        return needed, len({one.author for one in said} | {self._me})

    async def _named(self, typed: str) -> Place:
        return await asyncio.to_thread(named, self._writer.trust, typed, self._now_ms)

    async def _inception(self, typed: str) -> Inception:
        found = await self._named(typed)
        begun = membership.inception(self._writer.trust, found.member_id)
        if begun is None:
            raise Refused(
                f"{found.name} has been endorsed and has not joined yet: its name and role have not come",
                next_step="Wait until it has joined, or endorse it by its card.",
                field="member",
            )
        return begun

    async def _approve(self, card: Card) -> None:
        if card.inception.member_id not in self._approval.approved():
            await self._approval.approve([card])

    async def _invite(self, candidate: Inception) -> bytes:
        me, member_id = self._me, MemberId(candidate.member_id)

        def introduce(exchange: Exchange) -> Sequence[Any]:
            return vouching.introduction(exchange.stores, exchange.trust, me, member_id)

        invite = membership_pb2.Invite(
            charter_file=self._charter_file,
            inception=candidate.body,
            inception_signature=candidate.signature,
            sponsor=me,
            address=self._address,
            entries=await self._writer.run(introduce),
        )
        return invite.SerializeToString(deterministic=True)

    async def _standing(self, member_id: MemberId, card: Inception | None = None) -> membership_pb2.Standing:
        trust, approved, now_ms = self._writer.trust, self._approval.approved(), self._now_ms

        def look(stores: Stores) -> membership_pb2.Standing:
            member = view(trust, membership.place(trust, member_id, now_ms, card), approved, self._me, now_ms)
            return _standing(member, dict(vouching.held_of(stores, trust, member_id)), trust, member_id, now_ms)

        standing = await self._threads.run(look)
        profile = await self._profiling.of(member_id)
        if profile.entry:
            standing.profile.CopyFrom(profile)
        return standing


def _standing(
    member: admin_pb2.MemberView, held: Mapping[FeedId, int], trust: Trust, member_id: MemberId, now_ms: int
) -> membership_pb2.Standing:
    now, said = trust.roster(now_ms), trust.facts.by_member
    bounds = now.revoked.get(member_id, now.left.get(member_id, {}))
    return membership_pb2.Standing(
        member=member,
        endorsements=_voices(trust, membership.about(said.endorsements, member_id), now_ms),
        suspensions=_voices(trust, membership.about(said.suspensions, member_id), now_ms),
        revocations=_voices(trust, membership.about(said.revocations, member_id), now_ms),
        feeds=[
            membership_pb2.NodeFeed(
                feed_id=feed_id,
                node_id=feed.certificate.node_id,
                held=held.get(feed_id, 0),
                state=membership.feed_state(trust, feed_id, held.get(feed_id, 0)),
                stands_to=bounds.get(feed_id, 0),
            )
            for feed_id, feed in trust.feeds.items()
            if feed.member_id == member_id
        ],
    )


def views(trust: Trust, approved: AbstractSet[MemberId], me: MemberId, now_ms: int) -> list[admin_pb2.MemberView]:
    """All of the roster, whoever was on it, and candidates: these first."""
    return [view(trust, one, approved, me, now_ms) for one in membership.every(trust, now_ms)]


def view(
    trust: Trust, found: Place, approved: AbstractSet[MemberId], me: MemberId, now_ms: int
) -> admin_pb2.MemberView:
    """One of the roster, or a candidate, as a letter."""
    admission = found.admission
    said = membership.against(trust, found, now_ms)
    return admin_pb2.MemberView(
        member_id=found.member_id,
        name=found.name,
        fingerprint=keys.fingerprint(found.member_id),
        role=found.role,
        country=found.country,
        founder=trust.charter.founder(found.member_id) is not None,
        accepted=found.member_id in trust.logs,
        approved=found.member_id in approved,
        own=found.member_id == me,
        state=found.state,
        until_ms=found.until_ms,
        left_ms=found.left_ms,
        by=sorted(trust.name_of(one.author) for one in said),
        said_ms=max((one.created_ms for one in said), default=0),
        endorsements=len(admission.voices),
        endorsements_needed=admission.needed.count,
        countries=admission.countries,
        countries_needed=admission.needed.countries,
        endorser_roles=sorted(admission.needed.roles),
    )


def named(trust: Trust, typed: str, now_ms: int) -> Place:
    """The member or candidate that was meant; raises Refused for none and for several."""
    called = {
        bytes(member_id): (
            names.slug(name) or name,
            name,
            keys.fingerprint(member_id),
            keys.fingerprint(member_id).replace(" ", ""),
        )
        for member_id, name in membership.called(trust).items()
    }
    return membership.place(trust, MemberId(names.resolve(typed, "member", called)), now_ms)


def _voices(trust: Trust, said: Sequence[Said], now_ms: int) -> list[membership_pb2.Voice]:
    obstacles = membership.obstacles(trust, said, now_ms)
    return [_voice(trust, one, obstacle) for one, obstacle in zip(said, obstacles, strict=True)]


def _voice(trust: Trust, said: Said, obstacle: str) -> membership_pb2.Voice:
    begun = membership.inception(trust, said.author)
    is_endorsement = membership.act_of(trust, said) == Act.ADMIT
    return membership_pb2.Voice(
        entry=said.entry,
        author=said.author,
        author_name=begun.name if begun else said.author.hex()[:8],
        author_role=begun.role if begun else 0,
        author_country=begun.country if begun else "",
        role=said.role,
        created_ms=said.created_ms,
        ends_ms=said.created_ms + ENDORSEMENT_LIFE_MS if is_endorsement else said.until_ms,
        obstacle=obstacle,
    )
