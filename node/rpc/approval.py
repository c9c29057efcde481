"""Approval: which members this node talks to. The administrator's decisions become pins, dials and ended streams."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog

from node import limits
from node.content import names
from node.errors import Refused, Unavailable
from node.feed import keys
from node.feed.identity import Card
from node.feed.keys import HeaderHash, MemberId
from node.policy.terms import Terms
from node.protocol.news import Growth
from node.rpc import peer as peers_service
from node.rpc import pinning, tls
from node.rpc.gate import Gate
from node.rpc.pinning import Pinning
from node.rpc.tls import Pins, Root, TlsState
from node.runtime.limiting import PAUSED as PAUSED_HERE
from node.runtime.link import Clock, Link
from node.runtime.peering import Peering
from node.runtime.writer import Writer
from node.store import peers
from node.store.peers import APPROVED, BLOCKED, PAUSED, Peer

_log = structlog.get_logger()

Said = ParamSpec("Said")
Found = TypeVar("Found")
Pem = Callable[[], tls.Leaf]
Hide = Callable[[Sequence[HeaderHash]], Awaitable[None]]  # readers do not find these any more

TOLD_EVERY_S = 600.0  # of one member that goes on trying the log tells so often
REMOVED = "no longer approved"  # the other side reads it too


@dataclass(slots=True)
class TurnedAway:
    """A known member that tried to connect and may not: how often, when last, and what the log told of it."""

    times: int = 0
    last_ms: int = 0
    told_s: float = float("-inf")


def _one_at_a_time(
    decide: Callable[Concatenate["Approval", Said], Awaitable[Found]],
) -> Callable[Concatenate["Approval", Said], Coroutine[Any, Any, Found]]:
    """Two decisions about one peer at once would leave something of each."""

    @wraps(decide)
    async def wait(self: "Approval", /, *args: Said.args, **kwargs: Said.kwargs) -> Found:
        async with self.deciding:
            return await decide(self, *args, **kwargs)

    return wait


class Approval:
    """Owns the pins of the peers' listener. Everything in it belongs to the event loop."""

    def __init__(
        self,
        writer: Writer,
        peering: Peering,
        state: TlsState,
        leaf: Pem,
        clock: Clock,
        hide: Hide,
        *,
        cards: Sequence[Card] = (),
    ) -> None:
        self.gate: Gate | None = None  # of the peers' listener, once there is one
        self.turned_away: dict[MemberId, TurnedAway] = {}
        self.deciding = asyncio.Lock()
        self._pinning = Pinning(cards)
        self._writer, self._peering = writer, peering
        self._state, self._leaf, self._clock, self._hide = state, leaf, clock, hide
        self._peers: dict[MemberId, Peer] = {}
        self._feeds: object = None  # of which the issuers were pinned
        self._turns: Counter[MemberId] = Counter()  # at which address, and under which root, a member is dialled next
        self._named: Mapping[MemberId, Sequence[str]] = {}  # where members' profiles say that they are dialled

    async def load(self) -> None:
        """Read what was decided before the last stop."""
        found = await self._writer.run(lambda exchange: peers.every(exchange.stores.ledger))
        self._peers = {one.member_id: one for one in found}
        self._apply()

    def every(self) -> list[Peer]:
        """All decisions, in the order in which they were made."""
        return list(self._peers.values())

    def approved(self) -> frozenset[MemberId]:
        """Those that are, now."""
        return frozenset(one.member_id for one in self.every() if one.state == APPROVED)

    def expected(self) -> list[Peer]:
        """Those that are approved, and whose members have not left: with them there should be a link."""
        trust = self._writer.trust
        return [one for one in self.every() if one.state == APPROVED and not trust.left_ms(one.member_id)]

    @_one_at_a_time
    async def approve(self, cards: Sequence[Card], known: Sequence[MemberId] = ()) -> None:
        """Talk to these members from now on; raises Refused for an issuer that cannot be pinned.

        Those ``known`` have no card here: their logs certify an issuer, and their profiles name an address.
        What a peer was limited to before stays; a pause, a block and a quarantine are over.
        """
        now_ms = self._clock.now_ms()
        pins, added = self._state.pins, []
        for card in cards:
            member_id = card.inception.member_id
            if member_id == self._writer.reader.member_id:
                raise Refused("this is our own card", next_step="Send it to the others; approve theirs.", field="card")
            pins = pins.pin(member_id, card.tls_issuer, self._now())
            held = self._peers.get(member_id) or Peer(member_id, "", b"", APPROVED, now_ms)
            added.append(replace(held, address=card.address, tls_issuer=card.tls_issuer, state=APPROVED))
        added += [self._by_profile(member_id, now_ms) for member_id in known]
        quarantined = [one.member_id for one in added if one.is_quarantined]
        await self._keep(added)
        for member_id in quarantined:
            await self._release(member_id)

    def _by_profile(self, member_id: MemberId, now_ms: int) -> Peer:
        """A member whose log has come; raises Refused where it is none, or nobody here knows where it is dialled."""
        trust = self._writer.trust
        certified = pinning.certified(trust, member_id)
        if member_id == self._writer.reader.member_id or member_id not in trust.known.members or not certified:
            raise Refused(
                f"no card of {self._name(member_id)} is here, and it is no member whose identity log has come",
                next_step="Approve it with the card file that it sent you.",
                field="member_ids",
            )
        held = self._peers.get(member_id) or Peer(member_id, "", b"", APPROVED, now_ms)
        if not held.address and not self._named.get(member_id):
            raise Refused(
                f"nobody has said where {self._name(member_id)} is dialled: no card of it is here, and no profile",
                next_step="Approve it with its card file, or wait for its profile: `tocsin profile show`.",
                field="member_ids",
            )
        return replace(held, state=APPROVED)

    @_one_at_a_time
    async def remove(self, member_id: MemberId) -> int:
        """Forget a peer and end its streams; how many there were."""
        if self._peers[member_id].is_quarantined:
            await self._release(member_id)
        self._peering.dialing.drop(member_id)
        del self._peers[member_id]
        await self._writer.run(lambda exchange: exchange.drop_peer(member_id))
        return self._end(member_id, REMOVED)

    @_one_at_a_time
    async def block(self, member_id: MemberId, *, quarantine: bool) -> tuple[int, int]:
        """Refuse a peer until it is approved again, and end its streams; how many there were.

        With quarantine, what came only from it is set aside; of how many entries that is true.
        """
        blocked = replace(self._peers[member_id], state=BLOCKED)
        await self._keep([blocked])
        ended = self._end(member_id, REMOVED)
        return ended, await self._set_aside(replace(blocked, is_quarantined=True)) if quarantine else 0

    @_one_at_a_time
    async def release(self, member_id: MemberId) -> int:
        """What was set aside for a peer counts again: how many entries; raises Refused where nothing was."""
        return await self._release(member_id)

    async def _release(self, member_id: MemberId) -> int:
        held = self._peers[member_id]
        if not held.is_quarantined:
            raise Refused(
                f"nothing of {self._name(member_id)} is set aside",
                next_step="`tocsin peer list` has those of which something is.",
                field="peer",
            )
        released = replace(held, is_quarantined=False)
        hashes, heads = await self._writer.run(lambda exchange: exchange.aside.release(released))
        self._peers[member_id] = released
        self._writer.arrived()
        await self._peering.grown(Growth(heads=heads))
        return len(hashes)

    async def _set_aside(self, peer: Peer) -> int:
        feeds = await self._writer.run(lambda exchange: exchange.aside.feeds_from(peer.member_id))
        held = await self._peering.held_elsewhere(feeds, peer.member_id)
        hashes, heads = await self._writer.run(
            lambda exchange: exchange.aside.set_aside(peer, held, exchange.own_feeds)
        )
        self._peers[peer.member_id] = peer
        await self._hide(hashes)
        await self._peering.grown(Growth(heads=heads))
        return len(hashes)

    @_one_at_a_time
    async def pause(self, member_id: MemberId) -> int:
        """Keep a peer approved and have no link to it, until it is resumed; how many streams ended."""
        await self._keep([replace(self._approved(member_id), state=PAUSED)])
        return self._peering.hang_up(member_id, PAUSED_HERE)

    @_one_at_a_time
    async def resume(self, member_id: MemberId) -> None:
        """Connect to a paused peer again; raises Refused for one that is not."""
        held = self._peers[member_id]
        if held.state != PAUSED:
            raise Refused(
                f"{self._name(member_id)} is not paused: it is {held.state}",
                next_step="`tocsin peer show` says how it stands.",
                field="peer",
            )
        await self._keep([replace(held, state=APPROVED)])

    @_one_at_a_time
    async def limit(self, member_id: MemberId, *, bytes_per_s: int, kinds: frozenset[str]) -> None:
        """How much bulk goes to and from a peer, and of which kinds payloads are taken from it, from now on."""
        await self._keep([replace(self._peers[member_id], bytes_per_s=bytes_per_s, kinds=kinds)])
        await self._peering.refresh_wants()  # what is not to come from it is asked of others

    def _approved(self, member_id: MemberId) -> Peer:
        held = self._peers[member_id]
        if held.state == BLOCKED:
            raise Refused(
                f"{self._name(member_id)} is blocked here", next_step="`tocsin peer add` unblocks it.", field="peer"
            )
        return held

    def turn_away(self, member_id: MemberId) -> None:
        """A known member tried to connect that is not approved here, or blocked: say who, and what to do."""
        found = self.turned_away.setdefault(member_id, TurnedAway())
        found.times, found.last_ms = found.times + 1, self._clock.now_ms()
        now = self._clock.monotonic_s()
        if now < found.told_s + TOLD_EVERY_S:
            return
        found.told_s = now
        name = self._name(member_id)
        _log.warning(
            "turned away",
            name=name,
            fingerprint=keys.fingerprint(member_id),
            reason="blocked here" if member_id in self._peers else "not approved here",
            times=found.times,
            next_step=f"tocsin peer add {names.slug(name) or keys.fingerprint(member_id)[:5]}",
        )

    def issuer_ends_ms(self, member_id: MemberId) -> int:
        """When the TLS issuer that a member is known by now ends; 0 where none can be pinned."""
        now, pins = self._now(), self._state.pins
        if member_id == self._writer.reader.member_id:
            pins = Pins()
            for der in pinning.certified(self._writer.trust, member_id):
                pins = pins.pin(member_id, der, now)
        ends = [root.certificate.not_valid_after_utc for root in pins.of(member_id)]
        return int(max(ends).timestamp() * 1000) if ends else 0

    def roots(self, member_id: MemberId) -> tuple[Root, ...]:
        """What its certificate may be by."""
        return self._state.pins.of(member_id)

    @property
    def acquainted(self) -> Pins:
        """What certificates of all known members may be by, approved here or not."""
        return self._state.acquainted

    def leaf(self) -> tls.Leaf:
        """What this node shows when it dials."""
        return self._leaf()

    def addresses(self, member_id: MemberId) -> tuple[str, ...]:
        """Where a peer is dialled, in turn: at its stored address, then where its profile says."""
        held = self._peers.get(member_id)
        stored = [held.address] if held and held.address else []
        named = self._named.get(member_id, ()) if held else ()
        return tuple(dict.fromkeys((*stored, *named)))[: limits.PEER_ADDRESSES_MAX]

    def follow(self, named: Mapping[MemberId, Sequence[str]]) -> None:
        """Profiles say that members are dialled there; of these only peers that are approved are."""
        moved = [one for one in self._peers if self._named.get(one) != named.get(one)]
        self._named = named
        for member_id in moved:
            self._turns[member_id] = 0
        if moved:
            self._try_to_apply()

    def refresh(self) -> None:
        """Pin what is certified by now: a log grew, a spare opened a feed, or the proof of a fork undid some."""
        if self._writer.trust.feeds is not self._feeds:
            self._try_to_apply()

    def _try_to_apply(self) -> None:
        try:
            self._apply()
        except Unavailable as error:  # no socket to try a root on: again with the next news
            self._feeds = None
            _log.error("issuers not pinned", reason=error.reason)

    def dial(self, member_id: MemberId) -> AbstractAsyncContextManager[Sequence[Link]]:
        """Both streams to a peer."""
        held, roots = self._peers.get(member_id), self._state.pins.of(member_id)
        if held is None or held.state != APPROVED:
            raise Unavailable("not approved any more by this node's administrator")
        if not roots:
            raise Unavailable("its TLS issuer cannot be pinned; ask for its present card")
        # The newest first; while a member changes its issuer nobody knows from when on it shows the next.
        places, turn = self.addresses(member_id), self._turns[member_id]
        if not places:
            raise Unavailable("its profile names no address any more, and none is stored")
        address, root = places[turn % len(places)], roots[-1 - turn // len(places) % len(roots)]
        me = self._writer.reader.member_id
        return self._in_turn(member_id, peers_service.dial(address, member_id, root.pem, self._leaf(), me))

    # ---- Inside

    @asynccontextmanager
    async def _in_turn(
        self, member_id: MemberId, dialled: AbstractAsyncContextManager[Sequence[Link]]
    ) -> AsyncIterator[Sequence[Link]]:
        """A dial; unless it opens, another address or root of the member has its turn next."""
        turn = self._turns[member_id]
        self._turns[member_id] = turn + 1
        async with dialled as links:
            self._turns[member_id] = turn
            yield links

    async def _keep(self, changed: Sequence[Peer]) -> None:
        await self._writer.run(lambda exchange: exchange.keep_peers(changed))
        self._peers |= {one.member_id: one for one in changed}
        self._apply()

    def _apply(self) -> None:
        """Pins and dials as the decisions and the logs say now."""
        trust, now, me = self._writer.trust, self._now(), self._writer.reader.member_id
        self._feeds = trust.feeds
        pins = self._pinning.pins(self.every(), trust, self._state.pins, now)
        self._state.pin(pins, self._pinning.acquainted(pins, self.every(), trust, me, now))
        self._peering.limiting.terms = {
            one.member_id: Terms(one.state == PAUSED, one.bytes_per_s, one.kinds) for one in self.every()
        }
        expected = self.expected()
        for one in self.every():
            if one in expected and self.addresses(one.member_id):
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

    def _name(self, member_id: MemberId) -> str:
        return self._writer.trust.name_of(member_id)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
