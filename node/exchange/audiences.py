"""Audiences: whom something is for that is not for all members, and with which keys they read it."""

from collections.abc import Iterator

from node import limits
from node.errors import Refused
from node.exchange import membership
from node.exchange.consult import View
from node.exchange.trust import Trust
from node.feed.keys import MemberId
from node.feed.roster import Seat
from node.policy import parameters
from node.v1 import record_pb2

EVERYONE = "all members"
_LIVE = frozenset({"in use", "not heard of"})  # what a feed is whose node still reads


def with_owner(audience: record_pb2.Audience, seen: View) -> record_pb2.Audience:
    """The same and ourselves, who read what the others say of it."""
    me, seat = seen.follows.me, seen.roster.seats.get(seen.follows.me)
    is_named = me in audience.member_ids or (seat is not None and int(seat.role) in audience.roles)
    named = set(audience.member_ids) if is_named else {*audience.member_ids, me}
    return record_pb2.Audience(roles=sorted(set(audience.roles)), member_ids=sorted(named))


def require(audience: record_pb2.Audience, seen: View) -> None:
    """Raises Refused where it names somebody who could not read it, or nobody else could."""
    named = {MemberId(one) for one in audience.member_ids} - {seen.follows.me}
    absent = sorted(seen.trust.name_of(one) for one in named - seen.roster.seats.keys())
    if absent:
        raise Refused(
            f"{', '.join(absent)} has no seat", next_step="`tocsin member` lists those that have.", field="audience"
        )
    without = sorted(seen.trust.name_of(one) for one in named if not list(_keys(seen.trust, one)))
    if without or not others(audience, seen):
        who = f"{', '.join(without)} has" if without else "whom it names, but for this member, have"
        raise Refused(
            f"{who} no node that could read it", next_step="Name others, or leave it for all members.", field="audience"
        )


def readers(audience: record_pb2.Audience, seen: View) -> tuple[bytes, ...]:
    """The keys of the live nodes of all with a seat whom it names, and of our own; raises Refused for too many."""
    keys = tuple(key for one in _meant(audience, seen) for key in _keys(seen.trust, one))
    if len(keys) > limits.WRAPS_MAX:
        raise Refused(
            f"{len(keys):,} nodes would read it, {limits.WRAPS_MAX:,} can", next_step="Name fewer.", field="audience"
        )
    return keys


def seats(audience: record_pb2.Audience | None, seen: View) -> dict[MemberId, Seat]:
    """The seats of those whom it names; None: of all members."""
    every = seen.roster.seats
    if audience is None:
        return dict(every)
    members, roles = set(audience.member_ids), set(audience.roles)
    return {one: seat for one, seat in every.items() if one in members or int(seat.role) in roles}


def others(audience: record_pb2.Audience, seen: View) -> dict[MemberId, Seat]:
    """The seats of those but for us who could read what it is for."""
    found = seats(audience, seen).items()
    return {one: seat for one, seat in found if one != seen.follows.me and any(_keys(seen.trust, one))}


def _meant(audience: record_pb2.Audience, seen: View) -> list[MemberId]:
    """Those whom it names, and ourselves."""
    return sorted({*seats(audience, seen), seen.follows.me})


def _keys(trust: Trust, member_id: MemberId) -> Iterator[bytes]:
    """Of its nodes that were not taken out; of one whose feed is in doubt nobody knows who reads."""
    log = trust.logs.get(member_id)
    for node in log.identity.nodes if log else ():
        is_live = node.feed_id in trust.feeds and membership.feed_state(trust, node.feed_id, 1) in _LIVE
        if is_live and not node.is_doubtful:
            yield node.kem_key


def words(audience: record_pb2.Audience, trust: Trust) -> str:
    """Whom it is for."""
    roles = [f"every {parameters.role_name(role)}" for role in sorted(audience.roles)]
    named = [*roles, *sorted(trust.name_of(MemberId(one)) for one in audience.member_ids)]
    return " and ".join(filter(None, (", ".join(named[:-1]), *named[-1:])))
