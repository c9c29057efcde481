"""Circles: who hears what, and who may bring what, as the roster has it now."""

from collections.abc import Sequence

from node.errors import PeerFault
from node.exchange.trust import Trust
from node.feed import entry
from node.feed.keys import FeedId, MemberId
from node.protocol.circle import Circle
from node.v1 import header_pb2


def of(trust: Trust, me: MemberId, now_ms: int) -> Circle:
    """The circle around this node. Who is no member any more tells of its own: it may have to withdraw that.

    Who is none yet, or lost its stores, can tell no candidate from a member of whose endorsements some are still to
    come: it takes all from everybody, or it would never hear of the others.
    """
    seats, known = trust.roster(now_ms).seats, trust.known
    logs = frozenset(FeedId(bytes(member_id)) for member_id in (*known.members, *trust.candidates, me))
    if me in seats:
        return Circle(frozenset(seats), trust.candidates, logs)
    if me not in known.members:
        return Circle(frozenset(), frozenset(), logs)
    return Circle(frozenset(), trust.candidates, logs.union(trust.feeds_of(me)))


def taken(
    trust: Trust, me: MemberId, peer: MemberId, letters: Sequence[header_pb2.SignedEntry]
) -> Sequence[header_pb2.SignedEntry]:
    """What of these entries the peer may bring: a candidate its own identity log, and nothing else.

    Whoever has left takes identity logs, and what its own nodes said: a peer that has not heard brings more.
    """
    if me not in trust.known.members:
        return letters  # it cannot tell yet
    if peer in trust.candidates:
        feeds = frozenset({FeedId(bytes(peer))})
    elif trust.left_ms(me):
        feeds = frozenset({*trust.feeds_of(me), *(FeedId(bytes(one)) for one in trust.known.members)})
    else:
        return letters
    return [letter for letter in letters if _is_of(letter, feeds, trust)]


def _is_of(letter: header_pb2.SignedEntry, feeds: frozenset[FeedId], trust: Trust) -> bool:
    try:
        return entry.decode(letter.header, letter.signature, trust.federation_id).header.feed_id in feeds
    except PeerFault:
        return True  # it is for `verify` to say whose fault that is
