"""Who has effect now: the second function of the facts (protos/README.md section 5.3).

It reads the time and takes away, and decides only what is effective; what is stored and relayed is
decided by ``known``. Remove wins: a set of facts has one meaning, whatever the order in which they came.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from node import limits
from node.feed import amendment, known, quorum
from node.feed.amendment import Counts, Inceptions, Roles, Rules
from node.feed.charter import Charter
from node.feed.facts import Facts, Said
from node.feed.keys import FeedId, MemberId
from node.feed.known import Known
from node.feed.quorum import Act, Quorum, Quorums

ENDORSEMENT_LIFE_MS = 365 * 86_400_000
SUSPENSION_MS = 72 * 3_600_000  # as long as the quorum for suspensions is enough
SUSPENDED_AT_A_TIME_MAX = 3  # members, by one: two hostile signers cannot silence a federation
NEVER_MS = 2**63 - 1

Bounds = Mapping[FeedId, int]  # the last entry of each feed that stands


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place in the roster at one time."""

    member_id: MemberId
    name: str
    role: int
    country: str
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Roster:
    """Members with effect now, and the rules in force."""

    seats: Mapping[MemberId, Seat]
    rules: Rules
    in_force: bool
    revoked: Mapping[MemberId, Bounds] = field(default_factory=dict)  # and up to where their feeds stand
    former: Mapping[MemberId, Seat] = field(default_factory=dict)  # the seats of the revoked, and of those who left
    holds_until_ms: int = NEVER_MS  # if nothing else is said
    left: Mapping[MemberId, Bounds] = field(default_factory=dict)  # and up to where their feeds stand

    def seat_of(self, member_id: MemberId, feed_id: FeedId, seq: int) -> Seat | None:
        """The seat that an entry was said from: of who was revoked or left, for what that leaves standing."""
        gone = self.revoked.get(member_id, self.left.get(member_id))
        if gone is None:
            return self.seats.get(member_id)
        return self.former.get(member_id) if seq <= gone.get(feed_id, 0) else None

    def seat_behind(self, said: Said) -> Seat | None:
        """The seat that a statement about a member counts by: of one who left, for what it said before."""
        if said.author in self.left:
            return self.seat_of(said.author, said.feed_id, said.seq)
        return self.seats.get(said.author)


def roster(
    charter: Charter, facts: Facts, now_ms: int, counts: Counts = amendment.always, rules: Rules | None = None
) -> Roster:
    """Who has effect now. ``rules``: those in force by the same facts, where they are known already.

    Revocations are counted before any is applied, so two members that revoke each other both go.
    """
    standing = _standing(facts, now_ms, counts)
    inceptions = known.inceptions_of(charter, facts)
    if rules is None:
        roles = known.known(charter, facts).roles
        rules = amendment.rules_in_force(charter, facts, roles, inceptions, counts)
    before = known.admitted(charter, standing, [rules.quorums], inceptions)
    revoked = _revoked(rules.quorums.get((Act.REVOKE, 0)), standing.revocations, before, inceptions)
    roles = known.admitted(charter, standing, [rules.quorums], inceptions, frozenset(revoked))
    suspended = _suspended(rules.quorums, standing.suspensions, roles, inceptions, now_ms)
    left = {member_id: bounds for member_id, bounds in departed(facts).items() if member_id not in revoked}
    present = {member_id: held for member_id, held in roles.items() if member_id not in left}
    gone = {member_id: before[member_id] for member_id in (*revoked, *left) if member_id in before}
    return Roster(
        _seats(present, inceptions, suspended),
        rules,
        _charter_in_force(charter, facts, inceptions),
        revoked,
        _seats(gone, inceptions),
        _holds_until_ms(facts, now_ms),
        left,
    )


def with_idle(before: Roster, who: Known, more: AbstractSet[Said], since_ms: int) -> Roster | None:
    """The roster with these endorsements too, where they plainly change nothing but how long it holds; else None.

    Such are those of too few, whatever became of them, and those for the role that somebody has by others.
    """
    for said in more:
        seat, needed = before.seats.get(said.member_id), before.rules.quorums.get((Act.ADMIT, said.role))
        if seat is not None and seat.role == said.role:
            continue
        had_it = said.role in who.roles.get(said.member_id, ())  # and may have it again
        if had_it or (needed and len(who.endorsers.of((said.member_id, said.role))) >= needed.count):
            return None
    moments = (moment for moment in _moments(Facts(endorsements=more)) if moment > since_ms)
    return replace(before, holds_until_ms=min((before.holds_until_ms, *moments)))


def departed(facts: Facts) -> dict[MemberId, Bounds]:
    """Who left, and up to where each of its feeds stands; where a forked log says two things, the least of them."""
    found: dict[MemberId, list[dict[FeedId, int]]] = defaultdict(list)
    for one in facts.departures:
        found[one.member_id].append(dict(one.bounds))
    return {
        member_id: {feed_id: min(one[feed_id] for one in said) for feed_id in sorted(set.intersection(*map(set, said)))}
        for member_id, said in sorted(found.items())
    }


def _seats(roles: Roles, inceptions: Inceptions, suspended: frozenset[MemberId] = frozenset()) -> dict[MemberId, Seat]:
    return {
        member_id: Seat(member_id, found.name, min(roles[member_id]), found.country, member_id in suspended)
        for member_id in sorted(roles)
        if (found := inceptions.get(member_id))
    }


def _named_by_quorum(
    needed: Quorum | None, said: AbstractSet[Said], roles: Roles, inceptions: Inceptions
) -> frozenset[MemberId]:
    authors: dict[MemberId, set[MemberId]] = defaultdict(set)
    for one in said:
        authors[one.member_id].add(one.author)
    return frozenset(
        member_id
        for member_id, signers in authors.items()
        if quorum.is_met(needed, amendment.signers(signers, roles, inceptions))
    )


def _revoked(
    needed: Quorum | None, said: AbstractSet[Said], roles: Roles, inceptions: Inceptions
) -> dict[MemberId, Bounds]:
    named = _named_by_quorum(needed, said, roles, inceptions)
    return {
        member_id: _bounds(needed, [one for one in said if one.member_id == member_id], roles, inceptions)
        for member_id in sorted(named)
    }


def _bounds(needed: Quorum | None, said: list[Said], roles: Roles, inceptions: Inceptions) -> Bounds:
    """Cut off is what a quorum by itself leaves out: fewer cannot, and nobody else's bounds can undo it."""
    by_author = _lowest_rows(said)
    found = {}
    for feed_id in sorted({feed_id for rows in by_author.values() for feed_id in rows}):
        lasts = {author: rows.get(feed_id, 0) for author, rows in by_author.items()}
        found[feed_id] = next(
            last
            for last in sorted(set(lasts.values()))
            if quorum.is_met(needed, amendment.signers([who for who in lasts if lasts[who] <= last], roles, inceptions))
        )
    return found


def _lowest_rows(said: list[Said]) -> dict[MemberId, dict[FeedId, int]]:
    """What each author leaves of each feed: of a feed that one statement of it leaves out, nothing.

    So whoever says it a thousand times, of a thousand feeds, has said no more than whoever says it once.
    """
    found: dict[MemberId, dict[FeedId, int]] = {}
    for one in said:
        rows = dict(one.bounds)
        before = found.get(one.author, rows)
        found[one.author] = {feed_id: min(last, before[feed_id]) for feed_id, last in rows.items() if feed_id in before}
    return found


def _suspended(
    quorums: Quorums, said: AbstractSet[Said], roles: Roles, inceptions: Inceptions, now_ms: int
) -> frozenset[MemberId]:
    """Beyond 72 hours it takes as many as a revocation does."""
    counted = few_at_a_time(said)
    fresh = frozenset(one for one in counted if now_ms < one.created_ms + SUSPENSION_MS)
    return _named_by_quorum(quorums.get((Act.SUSPEND, 0)), fresh, roles, inceptions) | _named_by_quorum(
        quorums.get((Act.REVOKE, 0)), counted, roles, inceptions
    )


def few_at_a_time(said: Iterable[Said]) -> frozenset[Said]:
    """Of everyone's outstanding suspensions those of the first three members: nothing later takes their place."""
    members: dict[MemberId, set[MemberId]] = defaultdict(set)
    counted = set()
    for one in sorted(said, key=lambda one: (one.seq, one.entry)):
        if one.member_id in members[one.author] or len(members[one.author]) < SUSPENDED_AT_A_TIME_MAX:
            members[one.author].add(one.member_id)
            counted.add(one)
    return frozenset(counted)


def _standing(facts: Facts, now_ms: int, counts: Counts) -> Facts:
    """The facts that count now: not taken back, not lapsed, not contested, not dated ahead."""
    latest_ms, left = now_ms + limits.FUTURE_MS_MAX, departed(facts)
    back = {(one.author, one.entry) for one in facts.unendorsed if counts(one.by)}
    return replace(
        facts,
        endorsements=frozenset(
            said
            for said in facts.endorsements
            if now_ms - ENDORSEMENT_LIFE_MS < said.created_ms <= latest_ms
            and (said.author, said.entry) not in back
            and counts(said.entry)
            and _said_as_member(said, left)
        ),
        suspensions=frozenset(
            said
            for said in facts.suspensions
            if said.until_ms > now_ms
            and said.created_ms <= latest_ms
            and counts(said.entry)
            and _said_as_member(said, left)
        ),
        revocations=frozenset(
            said
            for said in facts.revocations
            if said.created_ms <= latest_ms and counts(said.entry) and _said_as_member(said, left)
        ),
    )


def _said_as_member(said: Said, left: Mapping[MemberId, Bounds]) -> bool:
    """What somebody said before leaving goes on counting, as in a feed that was retired, until it lapses."""
    bounds = left.get(said.author)
    return bounds is None or said.seq <= bounds.get(said.feed_id, 0)


def _holds_until_ms(facts: Facts, now_ms: int) -> int:
    """When time alone next changes what counts."""
    return min((moment for moment in _moments(facts) if moment > now_ms), default=NEVER_MS)


def _moments(facts: Facts) -> Iterator[int]:
    """When a statement begins to count, ends, or comes to count for less."""
    for said in facts.endorsements:
        yield said.created_ms - limits.FUTURE_MS_MAX
        yield said.created_ms + ENDORSEMENT_LIFE_MS
    for said in facts.suspensions:
        yield from (said.created_ms - limits.FUTURE_MS_MAX, said.created_ms + SUSPENSION_MS, said.until_ms)
    for said in facts.revocations:
        yield said.created_ms - limits.FUTURE_MS_MAX


def _charter_in_force(charter: Charter, facts: Facts, inceptions: Inceptions) -> bool:
    roles = {founder.member_id: frozenset((founder.role,)) for founder in charter.founders}
    accepted = [inception.member_id for inception in facts.inceptions]
    return quorum.is_met(charter.quorums[Act.ACCEPT, 0], amendment.signers(accepted, roles, inceptions))
