"""Pinning: which roots stand for which members, by what was decided here and by what their logs certify."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from node.errors import Refused
from node.exchange.trust import Trust
from node.feed.identity import Card
from node.feed.keys import MemberId
from node.rpc.tls import Pins
from node.store.peers import BLOCKED, Peer

_log = structlog.get_logger()

_Pair = tuple[MemberId, bytes]  # a member, and a TLS issuer as its card or its log has it


class Pinning:
    """Owns what the log has told of issuers that cannot be pinned. ``cards`` are those that came with the charter."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = cards
        self._told: frozenset[_Pair] = frozenset()

    def pins(self, found: Sequence[Peer], trust: Trust, before: Pins, now: datetime) -> Pins:
        """The roots of peers: first what was approved, then what was pinned before, then what is new.

        So a log that names the issuer of another takes nothing from a peer that had it. Each root that cannot be
        pinned is told once, for as long as it cannot.
        """
        peers = [one for one in found if one.state != BLOCKED]  # a paused one may call, and hears that it is
        approved = [(one.member_id, one.tls_issuer) for one in peers if one.tls_issuer]
        logged = [(one.member_id, der) for one in peers for der in certified(trust, one.member_id)]
        held = {(one.member_id, root.der) for one in peers for root in before.of(one.member_id)}
        pairs = dict.fromkeys((*approved, *(pair for pair in logged if pair in held), *logged))
        pins = Pins()
        for member_id, der in pairs:
            with suppress(Refused):
                pins = pins.pin(member_id, der, now)
        self._tell(pins, list(pairs), now)
        return pins

    def _tell(self, pins: Pins, pairs: Sequence[_Pair], now: datetime) -> None:
        refused = set()
        for member_id, der in pairs:
            try:
                pins.pin(member_id, der, now)
            except Refused as error:
                refused.add((member_id, der))
                if (member_id, der) not in self._told:
                    _log.warning(
                        "issuer not pinned", member=member_id.hex(), reason=error.reason, next_step=error.next_step
                    )
        self._told = frozenset(refused)

    def acquainted(self, pins: Pins, found: Sequence[Peer], trust: Trust, me: MemberId, now: datetime) -> Pins:
        """The pins, and behind them the roots of everybody else who is known."""
        issuers = {card.inception.member_id: [card.tls_issuer] for card in self._cards}
        for one in found:
            issuers.setdefault(one.member_id, []).append(one.tls_issuer)
        for member_id in sorted((issuers.keys() | trust.logs.keys()) - {me}):
            if pins.of(member_id):
                continue
            for der in (*issuers.get(member_id, ()), *certified(trust, member_id)):
                with suppress(Refused):  # it is told nothing then, as any stranger
                    pins = pins.pin(member_id, der, now)
        return pins


def certified(trust: Trust, member_id: MemberId) -> list[bytes]:
    """The issuers of the member's nodes, by its root or by a spare, but of those that the root retired.

    The node that told that its member leaves is let in: who has not heard it yet hears it there.
    """
    log = trust.logs.get(member_id)
    retired = {bound.feed_id for bound in log.identity.retired} if log else set()
    if log and log.identity.departure:
        retired.discard(log.identity.departure.feed_id)
    feeds = [feed for feed in trust.feeds.values() if feed.member_id == member_id]
    found = [feed.certificate for feed in feeds if not feed.is_undone]
    return [one.tls_issuer for one in found if one.feed_id not in retired]
