"""Who is a member: two functions of the same facts (protos/README.md section 5.3).

``known`` is clockless and only grows; it decides what is stored and relayed, alike on every node.
``roster`` reads the time and takes away; it decides only what is effective. Remove wins: a set of
facts has one meaning, whatever the order in which they came.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from node import limits
from node.feed import pae, quorum
from node.feed.charter import Charter
from node.feed.facts import Amended, Facts, Said
from node.feed.identity import Inception
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.pae import Purpose
from node.feed.quorum import Act, Quorum, Quorums

ENDORSEMENT_LIFE_MS = 365 * 86_400_000
SUSPENSION_MS = 72 * 3_600_000  # as long as the quorum for suspensions is enough
SUSPENDED_AT_A_TIME_MAX = 3  # members, by one: two hostile signers cannot silence a federation
NEVER_MS = 2**63 - 1

Bounds = Mapping[FeedId, int]  # the last entry of each feed that stands
Roles = Mapping[MemberId, frozenset[int]]
Inceptions = Mapping[MemberId, Inception]


@dataclass(frozen=True, slots=True)
class Known:
    """Whose entries are stored and relayed. Candidates: identity log only."""

    members: frozenset[MemberId]
    candidates: frozenset[MemberId]


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place in the roster at one time."""

    member_id: MemberId
    name: str
    role: int
    country: str
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What amendments have made of the charter. An empty document hash: the charter's own."""

    quorums: Quorums
    document: bytes = b""
    number: int = 0
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An amendment that known members signed: what it makes of the rules before it, and how far it is."""

    rules: Rules
    amended: Amended  # by whomever
    needed: Quorum
    signers: frozenset[MemberId]
    counted: frozenset[MemberId]  # those of them whose roles count
    countries: int  # of those that count
    complete: bool


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


def amendment_hash(federation_id: pae.FederationId, statement: bytes) -> bytes:
    """All who sign an amendment sign the same statement bytes."""
    return pae.digest(Purpose.AMENDMENT, federation_id, statement)


def known(charter: Charter, facts: Facts) -> Known:
    """The least fixed point: founders, and whoever enough known members ever endorsed."""
    roles = _known_roles(charter, facts)
    named = {said.member_id for said in facts.endorsements if said.author in roles}
    return Known(frozenset(roles), frozenset(named - set(roles)))


def roster(
    charter: Charter, facts: Facts, now_ms: int, counts: Callable[[HeaderHash], bool] = lambda _: True
) -> Roster:
    """Who has effect now. ``counts`` says whether a statement's entry stands (see marks).

    Revocations are counted before any is applied, so two members that revoke each other both go.
    """
    standing = _standing(facts, now_ms, counts)
    inceptions = _inceptions(charter, facts)
    rules = rules_in_force(charter, facts)
    before = _admitted(charter, standing, [rules.quorums], inceptions)
    revoked = _revoked(rules.quorums.get((Act.REVOKE, 0)), standing.revocations, before, inceptions)
    roles = _admitted(charter, standing, [rules.quorums], inceptions, frozenset(revoked))
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


def rules_in_force(charter: Charter, facts: Facts) -> Rules:
    """What the amendments amount to, at any time; of two complete ones with one number the smaller hash wins."""
    rules = Rules(charter.quorums)
    if not facts.amendments:
        return rules
    roles, inceptions = _known_roles(charter, facts), _inceptions(charter, facts)
    while complete := _complete(facts, rules, roles, inceptions):
        rules = complete[0]
    return rules


def history(charter: Charter, facts: Facts) -> list[Proposal]:
    """Every amendment that follows the charter or a complete one, on any branch, by number and hash."""
    roles, inceptions = _known_roles(charter, facts), _inceptions(charter, facts)
    found: list[Proposal] = []
    waiting = [Rules(charter.quorums)]
    while waiting:
        proposed = _proposed(facts, waiting.pop(), roles, inceptions)
        found += [one for one in proposed if one.signers]
        waiting += [one.rules for one in proposed if one.complete]
    return sorted(found, key=lambda one: (one.rules.number, one.rules.hash))


def _known_roles(charter: Charter, facts: Facts) -> Roles:
    """The roles each member was ever admitted to.

    Thresholds that were ever in force all count, so more facts never make fewer members; and new
    members may complete an amendment, whose thresholds may admit more: until nothing changes.
    """
    inceptions = _inceptions(charter, facts)
    thresholds = [charter.quorums]
    while True:
        roles = _admitted(charter, facts, thresholds, inceptions)
        amended = _ever_in_force(charter, facts, roles, inceptions)
        if len(amended) == len(thresholds):
            return roles
        thresholds = amended


def _admitted(
    charter: Charter,
    facts: Facts,
    thresholds: list[Quorums],
    inceptions: Inceptions,
    removed: frozenset[MemberId] = frozenset(),
) -> Roles:
    roles: dict[MemberId, frozenset[int]] = {
        founder.member_id: frozenset((founder.role,))
        for founder in charter.founders
        if founder.member_id not in removed
    }
    endorsers: dict[tuple[MemberId, int], set[MemberId]] = defaultdict(set)
    for said in facts.endorsements:
        if said.member_id not in removed:
            endorsers[said.member_id, said.role].add(said.author)
    waiting = set(endorsers)
    while True:
        admitted = {
            (member_id, role)
            for member_id, role in waiting
            if any(
                quorum.is_met(quorums.get((Act.ADMIT, role)), _signers(endorsers[member_id, role], roles, inceptions))
                for quorums in thresholds
            )
        }
        if not admitted:
            return roles
        waiting -= admitted
        for member_id, role in admitted:
            roles[member_id] = roles.get(member_id, frozenset()) | {role}


def _signers(authors: Iterable[MemberId], roles: Roles, inceptions: Inceptions) -> list[tuple[frozenset[int], str]]:
    return [
        (roles[author], inceptions[author].country if author in inceptions else "")
        for author in set(authors)
        if author in roles
    ]


def _named_by_quorum(
    needed: Quorum | None, said: frozenset[Said], roles: Roles, inceptions: Inceptions
) -> frozenset[MemberId]:
    authors: dict[MemberId, set[MemberId]] = defaultdict(set)
    for one in said:
        authors[one.member_id].add(one.author)
    return frozenset(
        member_id
        for member_id, signers in authors.items()
        if quorum.is_met(needed, _signers(signers, roles, inceptions))
    )


def _revoked(
    needed: Quorum | None, said: frozenset[Said], roles: Roles, inceptions: Inceptions
) -> dict[MemberId, Bounds]:
    named = _named_by_quorum(needed, said, roles, inceptions)
    return {
        member_id: _bounds(needed, [one for one in said if one.member_id == member_id], roles, inceptions)
        for member_id in sorted(named)
    }


def _bounds(needed: Quorum | None, said: list[Said], roles: Roles, inceptions: Inceptions) -> Bounds:
    """Cut off is what a quorum by itself leaves out: fewer cannot, and nobody else's bounds can undo it."""
    found = {}
    for feed_id in sorted({feed_id for one in said for feed_id, _ in one.bounds}):
        lasts: dict[MemberId, int] = {}
        for one in said:
            last = dict(one.bounds).get(feed_id, 0)
            lasts[one.author] = min(last, lasts.get(one.author, last))
        found[feed_id] = next(
            last
            for last in sorted(set(lasts.values()))
            if quorum.is_met(needed, _signers([who for who in lasts if lasts[who] <= last], roles, inceptions))
        )
    return found


def _suspended(
    quorums: Quorums, said: frozenset[Said], roles: Roles, inceptions: Inceptions, now_ms: int
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


def _standing(facts: Facts, now_ms: int, counts: Callable[[HeaderHash], bool]) -> Facts:
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
    moments = {said.created_ms + ENDORSEMENT_LIFE_MS for said in facts.endorsements}
    moments |= {said.until_ms for said in facts.suspensions}
    moments |= {said.created_ms + SUSPENSION_MS for said in facts.suspensions}
    for said in (*facts.endorsements, *facts.suspensions, *facts.revocations):
        moments.add(said.created_ms - limits.FUTURE_MS_MAX)
    return min((moment for moment in moments if moment > now_ms), default=NEVER_MS)


def _inceptions(charter: Charter, facts: Facts) -> Inceptions:
    return {inception.member_id: inception for inception in (*charter.founders, *facts.inceptions)}


def _charter_in_force(charter: Charter, facts: Facts, inceptions: Inceptions) -> bool:
    roles = {founder.member_id: frozenset((founder.role,)) for founder in charter.founders}
    accepted = [inception.member_id for inception in facts.inceptions]
    return quorum.is_met(charter.quorums[Act.ACCEPT, 0], _signers(accepted, roles, inceptions))


def _proposed(facts: Facts, rules: Rules, roles: Roles, inceptions: Inceptions) -> list[Proposal]:
    """The amendments that follow these rules and what they would make of them, smallest hash first."""
    authors: dict[Amended, set[MemberId]] = defaultdict(set)
    for amended in facts.amendments:
        if (amended.number, amended.previous) == (rules.number + 1, rules.hash):
            authors[replace(amended, author=MemberId(b""))].add(amended.author)
    return [_proposal(rules, amended, authors[amended], roles, inceptions) for amended in sorted(authors, key=_by_hash)]


def _by_hash(amended: Amended) -> bytes:
    return amended.hash


def _proposal(
    before: Rules, amended: Amended, authors: set[MemberId], roles: Roles, inceptions: Inceptions
) -> Proposal:
    needed = before.quorums[Act.AMEND, 0]  # the charter has it, and no row is ever taken out
    counted = frozenset(author for author in authors if needed.roles & roles.get(author, frozenset()))
    countries = {inceptions[author].country for author in counted if author in inceptions}
    return Proposal(
        Rules({**before.quorums, **quorum.decode(amended.quorums)}, amended.document, amended.number, amended.hash),
        amended,
        needed,
        frozenset(author for author in authors if author in roles),
        counted,
        len(countries - {""}),
        quorum.is_met(needed, _signers(authors, roles, inceptions)),
    )


def _complete(facts: Facts, rules: Rules, roles: Roles, inceptions: Inceptions) -> list[Rules]:
    """What the complete amendments that follow these rules make of them, smallest hash first."""
    return [one.rules for one in _proposed(facts, rules, roles, inceptions) if one.complete]


def _ever_in_force(charter: Charter, facts: Facts, roles: Roles, inceptions: Inceptions) -> list[Quorums]:
    """The charter's thresholds and those of every amendment that was ever complete, on any branch."""
    found, waiting = [charter.quorums], [Rules(charter.quorums)]
    while waiting:
        complete = _complete(facts, waiting.pop(), roles, inceptions)
        found += [rules.quorums for rules in complete]
        waiting += complete
    return found
