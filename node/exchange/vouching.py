"""Vouching: drafts of what a member says of another; refused where it would have no effect."""

from node import limits
from node.errors import Refused
from node.exchange import membership
from node.exchange.membership import Place
from node.exchange.publish import Draft
from node.exchange.trust import Trust
from node.feed.facts import Said
from node.feed.header import NORMAL, URGENT
from node.feed.identity import Inception
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.quorum import Act, Quorum
from node.feed.roster import ENDORSEMENT_LIFE_MS, SUSPENDED_AT_A_TIME_MAX
from node.policy import parameters, wording
from node.store import ledger
from node.store.stores import Stores
from node.v1 import header_pb2

RENEWABLE_MS = 30 * 86_400_000  # before it lapses
LONGEST_SUSPENSION_MS = 366 * 86_400_000
BOUNDS_MAX = 12  # feeds named by a revocation
VERBS = {Act.ADMIT: "endorse", Act.SUSPEND: "suspend", Act.REVOKE: "revoke"}
RULES = "`tocsin charter show data/charter.tocsin`, in the node's folder, says who may do what."


def endorsement(trust: Trust, me: MemberId, candidate: Inception, now_ms: int) -> Draft:
    """Vouch for a candidate in the role that it asks for."""
    require_right(trust, me, Act.ADMIT, candidate.role, now_ms)
    found = membership.place(trust, candidate.member_id, now_ms)
    _require_other(me, candidate.member_id, candidate.name)
    if candidate.member_id in trust.roster(now_ms).revoked:
        raise Refused(
            f"{candidate.name} was removed from this federation, and no endorsement brings it back",
            next_step="It begins anew as another member: `tocsin init` in another folder, and a new card.",
        )
    if trust.left_ms(candidate.member_id):
        raise Refused(
            f"{candidate.name} has left this federation, for good",
            next_step="It begins anew as another member: `tocsin init` in another folder, and a new card.",
        )
    if trust.charter.founder(candidate.member_id) is not None:
        raise Refused(
            f"{candidate.name} is a founder, and needs no endorsement", next_step="`tocsin member` says who does."
        )
    for said in found.admission.voices:
        ends_ms = said.created_ms + ENDORSEMENT_LIFE_MS
        if said.author == me and said.role == candidate.role and now_ms < ends_ms - RENEWABLE_MS:
            raise Refused(
                f"this node endorsed {candidate.name} already",
                next_step="It may do so again in the last 30 days before that lapses: `tocsin member` warns then.",
            )
    statement = header_pb2.Endorse(member_id=candidate.member_id, role=candidate.role)
    return Draft(Kind.ENDORSE, URGENT, statement=statement.SerializeToString(deterministic=True))


def retractions(trust: Trust, me: MemberId, found: Place, now_ms: int) -> list[Draft]:
    """Take back all endorsements of ours for a member; they may not lapse for long."""
    back = {one.entry for one in trust.facts.unendorsed if one.author == me}
    ours = [
        said
        for said in membership.about(trust.facts.by_member.endorsements, found.member_id)
        if said.author == me and said.entry not in back and said.created_ms + ENDORSEMENT_LIFE_MS > now_ms
    ]
    if not ours:
        raise Refused(f"this node does not endorse {found.name}", next_step="`tocsin member show NAME` has who does.")
    return [
        Draft(
            Kind.UNENDORSE,
            URGENT if found.state == membership.MEMBER else NORMAL,
            statement=header_pb2.Unendorse(entry=said.entry).SerializeToString(deterministic=True),
        )
        for said in ours
    ]


def suspension(trust: Trust, me: MemberId, found: Place, until_ms: int, reason: int, now_ms: int) -> Draft:
    """Say that a member should be without effect until then."""
    require_right(trust, me, Act.SUSPEND, 0, now_ms)
    _require_other(me, found.member_id, found.name)
    _require_seat(found)
    _check_reason(reason)
    if not now_ms < until_ms <= now_ms + LONGEST_SUSPENSION_MS:
        raise Refused(
            "a suspension ends within a year", next_step="For how long? --for 72h is usual.", field="until_ms"
        )
    outstanding = {
        said.member_id
        for said in trust.facts.by_member.suspended.of(me)
        if said.until_ms > now_ms and said.entry not in trust.fallen
    }
    if found.member_id not in outstanding and len(outstanding) >= SUSPENDED_AT_A_TIME_MAX:
        names = ", ".join(sorted(membership.place(trust, one, now_ms).name for one in outstanding))
        raise Refused(
            f"this node suspends {len(outstanding)} members already ({names}), and more count for nobody",
            next_step="Wait until one of these suspensions ends, or ask another member to suspend it.",
        )
    statement = header_pb2.Suspend(member_id=found.member_id, until_ms=until_ms, reason=reason)
    return Draft(Kind.SUSPEND, URGENT, statement=statement.SerializeToString(deterministic=True))


def revocation(
    stores: Stores, trust: Trust, me: MemberId, found: Place, reason: int, now_ms: int, *, nothing_stands: bool
) -> Draft:
    """Say that a member should be removed; what is held here of its feeds stands, or nothing."""
    require_right(trust, me, Act.REVOKE, 0, now_ms)
    _require_other(me, found.member_id, found.name)
    _check_reason(reason)
    if any(said.author == me for said in membership.counted(trust, Act.REVOKE, found.member_id, now_ms)):
        raise Refused(f"this node has said so of {found.name} already", next_step="A revocation does not end.")
    rows = [] if nothing_stands else held_of(stores, trust, found.member_id)
    bounds = b"".join(feed_id + seq.to_bytes(8) for feed_id, seq in sorted(rows[-BOUNDS_MAX:]))
    statement = header_pb2.Revoke(member_id=found.member_id, reason=reason, bounds=bounds)
    return Draft(Kind.REVOKE, URGENT, statement=statement.SerializeToString(deterministic=True))


def held_of(stores: Stores, trust: Trust, member_id: MemberId) -> list[tuple[FeedId, int]]:
    """How far each feed of a member's nodes is held here, in the order in which they were certified."""
    feeds = [feed_id for feed_id, feed in trust.feeds.items() if feed.member_id == member_id]
    heads = {feed_id: head.seq for feed_id in feeds if (head := ledger.head(stores.ledger, feed_id))}
    return [(feed_id, heads[feed_id]) for feed_id in feeds if feed_id in heads]


def require_right(trust: Trust, me: MemberId, act: Act, role: int, now_ms: int) -> Quorum:
    """The quorum that this member's word counts towards; raises Refused where it counts for nothing."""
    now = trust.roster(now_ms)
    seat, needed = now.seats.get(me), now.rules.quorums.get((act, role))
    verb = VERBS[act]
    if seat is None:
        raise Refused(f"only members {verb}, and this node's member is none", next_step="`tocsin status` says why.")
    if needed is None:
        raise Refused(f"nobody is admitted as {parameters.role_name(role)} here", next_step=RULES)
    if seat.role not in needed.roles:
        what = f"{verb} a {parameters.role_name(role)}" if act == Act.ADMIT else f"{verb} anybody"
        raise Refused(
            f"a {parameters.role_name(seat.role)} may not {what}: it takes {wording.words(needed)}", next_step=RULES
        )
    return needed


def _require_other(me: MemberId, member_id: MemberId, name: str) -> None:
    if me == member_id:
        raise Refused(f"{name} is this node's own member", next_step="That is for other members to say.")


def _require_seat(found: Place) -> None:
    if found.state not in (membership.MEMBER, membership.SUSPENDED):
        raise Refused(
            f"{found.name} has no effect that could be suspended: it is {found.state}",
            next_step="`tocsin member show` says how it stands.",
        )


def _check_reason(reason: int) -> None:
    if not 0 <= reason <= limits.REASON_MAX:
        raise Refused(f"there is no reason {reason}", next_step="Reasons go from 1 to 255.", field="reason")


# ---- The invite


def introduction(stores: Stores, trust: Trust, sponsor: MemberId, candidate: MemberId) -> list[header_pb2.SignedEntry]:
    """What shows, by the charter alone, that the sponsor is a member and the candidate a candidate."""
    members, said = _witnesses(trust, sponsor, candidate)
    logs = [FeedId(bytes(member_id)) for member_id in sorted(members)]
    rows = [row for log in logs for row in ledger.span(stores.ledger, log, 1, limits.SEQ_MAX, limits.SEQ_MAX)]
    rows += [row for one in said if (row := ledger.entry(stores.ledger, one.entry))]
    return [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows]


def _witnesses(trust: Trust, sponsor: MemberId, candidate: MemberId) -> tuple[set[MemberId], list[Said]]:
    """Whoever let the sponsor in, and whoever let them in, back to the founders; and what they said for it."""
    members, waiting = {sponsor}, [sponsor]
    said = {one for one in membership.about(trust.facts.by_member.endorsements, candidate) if one.author == sponsor}
    while waiting:
        member_id = waiting.pop()
        if trust.charter.founder(member_id) is not None:
            continue
        for one in membership.about(trust.facts.by_member.endorsements, member_id):
            said.add(one)
            if one.author not in members:
                members.add(one.author)
                waiting.append(one.author)
    return members, sorted(said, key=lambda one: (one.created_ms, one.entry))
