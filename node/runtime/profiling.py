"""Profiling: our own profile said in time, and where the members' profiles say that they are dialled."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from node.content import profiles as contents
from node.content.profiles import Contact, Profile
from node.errors import NodeError, Refused
from node.exchange import profiles
from node.exchange.profiles import Held
from node.exchange.signing import State as SigningState
from node.exchange.trust import Trust
from node.feed.header import NORMAL
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.policy import effect, renewing
from node.policy.effect import Right
from node.runtime.saying import Saying
from node.runtime.work import Work
from node.runtime.writer import News
from node.store import index, payloads, restrictions
from node.store.payloads import State
from node.store.stores import Stores
from node.v1 import profile_pb2

LOOK_EVERY_S = 0.5  # at most so often, whatever comes: a list that is fetched is news a hundred times a second
LOOK_AGAIN_S = 15.0  # at least so often: peers come into step, and time passes, without news
SAID_EVERY_S = 600.0  # by itself: two nodes of one member that disagree must not talk for ever

# What its member said must not be lost by what its node says: a first one only where no other is known of.
_ON_THEIR_WAY = (State.MISSING, State.UNWANTED)
_NOT_HERE = (*_ON_THEIR_WAY, State.SEALED, State.ERASED, State.HELD_BACK)

Follow = Callable[[Mapping[MemberId, Sequence[str]]], None]

_log = structlog.get_logger()


class Profiling:
    """One profile at a time. ``address``: where this node is dialled; empty: it is not."""

    def __init__(self, saying: Saying, node_id: bytes, address: str) -> None:
        self._saying, self._node_id, self._address = saying, node_id, address
        self._work = Work()
        self._one = asyncio.Lock()
        self._said_s = float("-inf")

    # ---- Looking

    async def of(self, member_id: MemberId) -> profile_pb2.ProfileView:
        """One member's."""
        trust, now_ms = self._saying.writer.trust, self._saying.clock.now_ms()
        held = await self._held(member_id)
        return profiles.view(trust, member_id, held, self._me, now_ms)

    async def every(self) -> list[profile_pb2.ProfileView]:
        """Every member's."""
        trust, now_ms = self._saying.writer.trust, self._saying.clock.now_ms()
        return await self._saying.reading.run(lambda stores: profiles.views(stores, trust, self._me, now_ms))

    async def addresses(self) -> Mapping[MemberId, Sequence[str]]:
        """Where the profiles that are here now say that members are dialled."""
        return profiles.addresses(await self._every_held())

    async def warnings(self) -> list[tuple[str, str]]:
        """What is wrong with our own, and what to do; nothing of a member that is none yet."""
        seen, held = self._saying.view(), await self._held(self._me)
        if self._me not in seen.roster.seats:
            return []
        may_declare = not effect.obstacle(Right.DECLARE, self._me, seen.roster, seen.rules)
        profile, until_ms = (held.profile, held.expires_ms) if held else (None, 0)
        return list(renewing.warnings(profile, until_ms, seen.now_ms, may_declare=may_declare))

    async def _held(self, member_id: MemberId) -> Held | None:
        trust, now_ms = self._saying.writer.trust, self._saying.clock.now_ms()
        return await self._saying.reading.run(lambda stores: profiles.of(stores, trust, member_id, now_ms))

    @property
    def _me(self) -> MemberId:
        return self._saying.writer.reader.member_id

    # ---- Saying our own

    async def set(self, contacts: Sequence[Contact], languages: Sequence[str]) -> profile_pb2.ProfileView:
        """Say these from now on, as checked today; raises Refused, naming the field."""
        contents.require_plausible(Profile(contacts=tuple(contacts), languages=tuple(languages)))

        def with_these(profile: Profile, now_ms: int) -> Profile:
            return replace(profile, contacts=tuple(contacts), languages=tuple(languages), checked_ms=now_ms)

        return await self._work.through(self._change(with_these))

    async def confirm(self) -> profile_pb2.ProfileView:
        """The contacts were checked today; raises Refused where there are none."""

        def as_checked(profile: Profile, now_ms: int) -> Profile:
            if not profile.contacts:
                raise Refused("this member's profile names no contact", next_step="`tocsin profile edit` adds them.")
            return replace(profile, checked_ms=now_ms)

        return await self._work.through(self._change(as_checked))

    async def _change(self, change: Callable[[Profile, int], Profile]) -> profile_pb2.ProfileView:
        async with self._one:
            self._require_seat()
            await self._saying.caught_up(bulk=True)
            now_ms = self._saying.clock.now_ms()
            held = await self._held(self._me)
            made = change(held.profile if held else Profile(), now_ms)
            await self._say(profiles.addressed(made, self._node_id, self._address, self._nodes), held)
        return await self.of(self._me)

    def _require_seat(self) -> None:
        if self._me not in self._saying.view().roster.seats:
            raise Refused(
                "this node's member is not a member of the federation now: nobody would take its profile",
                next_step="`tocsin status` says what is missing.",
            )

    @property
    def _nodes(self) -> frozenset[bytes]:
        return profiles.nodes_in_use(self._saying.writer.trust, self._me)

    async def _say(self, profile: Profile, before: Held | None) -> None:
        now_ms = self._saying.clock.now_ms()
        replaces = await self._saying.reading.run(lambda stores: profiles.replaced(stores, self._me))
        ends_ms = renewing.ends_ms(profile, before.expires_ms if before else 0, now_ms)
        await self._saying.say_visibly([profiles.draft(self._me, profile, replaces, ends_ms)], NORMAL)

    # ---- By itself

    async def run(self, follow: Follow) -> None:
        """Say our own when it is time, and tell where members are dialled, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_all(follow))
            tasks.create_task(self._say_in_time())

    async def _follow_all(self, follow: Follow) -> None:
        news, last = self._saying.projecting.news, None
        while True:
            version = news.version
            try:
                now = await self._saying.reading.run(self._look)
                if now != last:
                    follow(await self.addresses())
                    last = now
            except NodeError as error:
                _log.error("profiles not read", reason=error.reason)
            await _until(news, version)

    async def _say_in_time(self) -> None:
        links = self._saying.peering.links
        while True:
            version = links.version
            try:
                await self._say_due()
            except NodeError as error:
                _log.error("profile not said", reason=error.reason)
            await _until(links, version)

    def _look(self, stores: Stores) -> tuple[list[HeaderHash], int, Trust, int]:
        """What the profiles that count are made of; the hour, for they end."""
        hour = self._saying.clock.now_ms() // 3_600_000
        hashes = index.hashes_of_kind(stores.index, Kind.PROFILE)
        return hashes, restrictions.count(stores.index), self._saying.writer.trust, hour

    async def _every_held(self) -> dict[MemberId, Held]:
        trust, now_ms = self._saying.writer.trust, self._saying.clock.now_ms()
        return await self._saying.reading.run(lambda stores: profiles.every(stores, trust, now_ms))

    async def _say_due(self) -> None:
        """A node that is in step with nobody does not know what its member said last."""
        if not await self._due() or not self._saying.peering.connected:
            return
        await self._saying.peering.embargo.over()
        await self._saying.peering.compare()
        now_s, is_sure = self._saying.clock.monotonic_s(), bool(self._saying.peering.in_step)
        if (
            not is_sure
            or now_s < self._said_s + SAID_EVERY_S
            or self._saying.writer.signing.state is not SigningState.ACTIVE
        ):
            return
        await self._saying.caught_up(bulk=True)
        async with self._one:
            profile, held = await self._due(), await self._held(self._me)
            if profile is None or await self._lacks(_ON_THEIR_WAY if held else _NOT_HERE):
                return
            self._said_s = now_s
            await self._say(profile, held)
        _log.info("profile said", address=self._address)

    async def _due(self) -> Profile | None:
        """What this node has to say by itself; nothing before it is a member's."""
        if self._me not in self._saying.view().roster.seats:
            return None
        held, now_ms = await self._held(self._me), self._saying.clock.now_ms()
        return profiles.due(held, self._node_id, self._address, self._nodes, now_ms)

    async def _lacks(self, states: Sequence[State]) -> bool:
        """Whether a profile of our own is known of and not here, as after the loss of a disk."""
        feeds, now_ms = self._saying.writer.trust.feeds_of(self._me), self._saying.clock.now_ms()
        return await self._saying.reading.run(
            lambda stores: payloads.is_lacking(stores.ledger, feeds, Kind.PROFILE, now_ms, states)
        )


async def _until(news: News, version: int) -> None:
    """Until something is news, or some time has passed: members come and go, and profiles end, without any."""
    await asyncio.sleep(LOOK_EVERY_S)
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_AGAIN_S):
            await news.newer(version)
