"""Known: whose entries are stored and relayed (protos/README.md section 5.3). Reads no clock, and only grows.

It is worked out anew only where something may have made a quorum: whoever says the same a thousand
times, or names a thousand strangers, costs no more than others.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from node import limits
from node.feed import amendment, quorum
from node.feed.amendment import Inceptions, Roles
from node.feed.charter import Charter
from node.feed.facts import Amended, Facts, Said
from node.feed.growing import Growing, Index
from node.feed.keys import HeaderHash, MemberId
from node.feed.quorum import Act, Quorums


@dataclass(frozen=True, slots=True)
class Known:
    """Whose entries are stored and relayed. Candidates: identity log only. Below: what `known_with` goes by."""

    members: frozenset[MemberId]
    candidates: AbstractSet[MemberId]
    roles: Roles = field(compare=False, repr=False)  # that each was ever admitted to
    thresholds: Sequence[Quorums] = field(compare=False, repr=False)  # ever in force
    endorsers: Index[tuple[MemberId, int], MemberId] = field(
        compare=False, repr=False
    )  # of whom, for which role that it has not
    signers: Index[bytes, MemberId] = field(compare=False, repr=False)  # of amendments, by hash
    unheard: frozenset[MemberId] = field(compare=False, repr=False)  # who said something and is no member
    strangers: Mapping[MemberId, "Strangers"] = field(compare=False, repr=False)  # by who endorsed them


@dataclass(frozen=True, slots=True)
class Strangers:
    """Whom a member has endorsed that nobody knows: the first of them, so nobody lets in a crowd."""

    members: frozenset[MemberId] = frozenset()
    last: tuple[int, HeaderHash] = (0, HeaderHash(b""))  # no place of them lies behind this

    @property
    def is_full(self) -> bool:
        """Whether whoever comes behind them is no candidate by this member."""
        return len(self.members) >= limits.STRANGERS_PER_MEMBER_MAX


def known(charter: Charter, facts: Facts) -> Known:
    """The least fixed point: founders, and whoever enough known members ever endorsed."""
    inceptions = inceptions_of(charter, facts)
    roles, thresholds = _known_roles(charter, facts, inceptions)
    endorsements = [one for one in facts.endorsements if one.author in roles]
    authors = {one.author for one in facts.endorsements} | {one.author for one in facts.amendments}
    strangers = _strangers(endorsements, roles)
    return Known(
        frozenset(roles),
        Growing(member_id for held in strangers.values() for member_id in held.members),
        roles,
        thresholds,
        Index(
            ((one.member_id, one.role), one.author)
            for one in endorsements
            if one.role not in roles.get(one.member_id, ())
        ),
        Index((one.hash, one.author) for one in facts.amendments if one.author in roles),
        frozenset(author for author in authors if author not in roles),
        strangers,
    )


def candidates(endorsements: Iterable[Said], members: Container[MemberId]) -> frozenset[MemberId]:
    """Whom these make candidates, if nobody else said anything."""
    found = _strangers((one for one in endorsements if one.author in members), members)
    return frozenset(member_id for held in found.values() for member_id in held.members)


def _strangers(endorsements: Iterable[Said], members: Container[MemberId]) -> dict[MemberId, Strangers]:
    found: dict[MemberId, Strangers] = {}
    for said in sorted(endorsements, key=lambda one: (one.seq, one.entry)):
        held = found.get(said.author, Strangers())
        if said.member_id not in members and not held.is_full:
            found[said.author] = Strangers(held.members | {said.member_id}, (said.seq, said.entry))
    return found


def known_with(charter: Charter, before: Known, more: Facts, facts: Facts) -> Known:
    """`known` of all facts, where ``before`` is that of all but ``more``; ``before`` itself where nothing changes."""
    found: Known | None = before
    for said in more.endorsements:
        found = _with_endorsement(charter, found, said, facts) if found else None
    for signed in more.amendments:
        found = _with_signature(charter, found, signed, facts) if found else None
    return found or known(charter, facts)


def _with_endorsement(charter: Charter, before: Known, said: Said, facts: Facts) -> Known | None:
    """With one more endorsement; None where more may follow from it than its member."""
    member_id, role = about = said.member_id, said.role
    if said.author not in before.members:
        return _with_unheard(before, said.author)
    found = _with_stranger(before, said)
    if found is None:
        return None
    before = found
    if role in before.roles.get(member_id, ()) or said.author in before.endorsers.of(about):
        return before
    endorsers = before.endorsers.grown(about, said.author)
    if _is_ever_met(charter, before, (Act.ADMIT, role), endorsers.of(about), facts):
        if member_id in before.members or member_id in before.unheard or _is_awaited(before, member_id):
            return None
        return replace(
            before,
            members=before.members | {member_id},
            candidates=Growing(one for one in before.candidates if one != member_id),
            roles={**before.roles, member_id: frozenset((role,))},
            endorsers=endorsers,
            strangers={
                author: replace(held, members=held.members - {member_id}) for author, held in before.strangers.items()
            },
        )
    return replace(before, endorsers=endorsers)


def _with_stranger(before: Known, said: Said) -> Known | None:
    """With whoever is a candidate by this; None where somebody else may be none any more."""
    held, place = before.strangers.get(said.author, Strangers()), (said.seq, said.entry)
    if said.member_id in before.members or said.member_id in held.members:
        return before
    if held.is_full:
        return before if place > held.last else None
    grown = Strangers(held.members | {said.member_id}, max(held.last, place))
    return replace(
        before,
        candidates=Growing.of(before.candidates).grown((said.member_id,)),
        strangers={**before.strangers, said.author: grown},
    )


def _is_awaited(before: Known, member_id: MemberId) -> bool:
    """Whether somebody else becomes a candidate in its place once it is a member."""
    return any(held.is_full and member_id in held.members for held in before.strangers.values())


def _with_signature(charter: Charter, before: Known, signed: Amended, facts: Facts) -> Known | None:
    """With one more signature under an amendment; None where that may be complete."""
    if signed.author not in before.members:
        return _with_unheard(before, signed.author)
    if signed.author in before.signers.of(signed.hash):
        return before
    signers = before.signers.grown(signed.hash, signed.author)
    if _is_ever_met(charter, before, (Act.AMEND, 0), signers.of(signed.hash), facts):
        return None
    return replace(before, signers=signers)


def may_complete(who: Known, more: Iterable[Amended]) -> bool:
    """Whether so many signed one of these that it may be in force, if all signatures stand."""
    fewest = min(quorums[Act.AMEND, 0].count for quorums in who.thresholds)
    return any(len(who.signers.of(one.hash)) >= fewest for one in more)


def _with_unheard(before: Known, author: MemberId) -> Known:
    return before if author in before.unheard else replace(before, unheard=before.unheard | {author})


def _is_ever_met(
    charter: Charter, before: Known, act: tuple[int, int], authors: frozenset[MemberId], facts: Facts
) -> bool:
    needed = [row for quorums in before.thresholds if (row := quorums.get(act))]
    if all(len(authors) < row.count for row in needed):
        return False
    signers = amendment.signers(authors, before.roles, inceptions_of(charter, facts))
    return any(quorum.is_met(row, signers) for row in needed)


def inceptions_of(charter: Charter, facts: Facts) -> Inceptions:
    """How every member began whose log has."""
    return {inception.member_id: inception for inception in (*charter.founders, *facts.inceptions)}


def _known_roles(charter: Charter, facts: Facts, inceptions: Inceptions) -> tuple[Roles, Sequence[Quorums]]:
    """The roles each member was ever admitted to, and the thresholds that were ever in force.

    They all count, so more facts never make fewer members; and new members may complete an
    amendment, whose thresholds may admit more: until nothing changes.
    """
    thresholds = [charter.quorums]
    while True:
        roles = admitted(charter, facts, thresholds, inceptions)
        amended = amendment.ever_in_force(charter, facts, roles, inceptions)
        if len(amended) == len(thresholds):
            return roles, thresholds
        thresholds = amended


def admitted(
    charter: Charter,
    facts: Facts,
    thresholds: list[Quorums],
    inceptions: Inceptions,
    removed: frozenset[MemberId] = frozenset(),
) -> Roles:
    """The roles that members have by endorsements, if these thresholds are enough."""
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
        found = {
            (member_id, role)
            for member_id, role in waiting
            if any(
                quorum.is_met(
                    quorums.get((Act.ADMIT, role)), amendment.signers(endorsers[member_id, role], roles, inceptions)
                )
                for quorums in thresholds
            )
        }
        if not found:
            return roles
        waiting -= found
        for member_id, role in found:
            roles[member_id] = roles.get(member_id, frozenset()) | {role}
