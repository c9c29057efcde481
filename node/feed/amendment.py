"""Amendments of the charter: which are complete, and what they make of its rules (protos/README.md section 5.3)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from node.feed import pae, quorum
from node.feed.charter import Charter
from node.feed.facts import Amended, Facts
from node.feed.identity import Inception
from node.feed.keys import HeaderHash, MemberId
from node.feed.pae import Purpose
from node.feed.quorum import Act, Quorum, Quorums

Roles = Mapping[MemberId, frozenset[int]]
Inceptions = Mapping[MemberId, Inception]
Counts = Callable[[HeaderHash], bool]  # whether a statement's entry stands (see marks)


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


def amendment_hash(federation_id: pae.FederationId, statement: bytes) -> bytes:
    """All who sign an amendment sign the same statement bytes."""
    return pae.digest(Purpose.AMENDMENT, federation_id, statement)


def always(_: HeaderHash) -> bool:
    """What counts where it does not matter how entries stand."""
    return True


def rules_in_force(
    charter: Charter, facts: Facts, roles: Roles, inceptions: Inceptions, counts: Counts = always
) -> Rules:
    """What the amendments amount to, at any time; of two complete ones with one number the smaller hash wins."""
    rules = Rules(charter.quorums)
    while found := complete(facts, rules, roles, inceptions, counts):
        rules = found[0]
    return rules


def history(
    charter: Charter, facts: Facts, roles: Roles, inceptions: Inceptions, counts: Counts = always
) -> list[Proposal]:
    """Every amendment that follows the charter or a complete one, on any branch, by number and hash."""
    found: list[Proposal] = []
    waiting = [Rules(charter.quorums)]
    while waiting:
        proposals = proposed(facts, waiting.pop(), roles, inceptions, counts)
        found += [one for one in proposals if one.signers]
        waiting += [one.rules for one in proposals if one.complete]
    return sorted(found, key=lambda one: (one.rules.number, one.rules.hash))


def ever_in_force(charter: Charter, facts: Facts, roles: Roles, inceptions: Inceptions) -> list[Quorums]:
    """The charter's thresholds and those of every amendment that was ever complete, on any branch."""
    found, waiting = [charter.quorums], [Rules(charter.quorums)]
    while waiting:
        following = complete(facts, waiting.pop(), roles, inceptions, always)
        found += [rules.quorums for rules in following]
        waiting += following
    return found


def complete(facts: Facts, rules: Rules, roles: Roles, inceptions: Inceptions, counts: Counts) -> list[Rules]:
    """What the complete amendments that follow these rules make of them, smallest hash first."""
    return [one.rules for one in proposed(facts, rules, roles, inceptions, counts) if one.complete]


def proposed(facts: Facts, rules: Rules, roles: Roles, inceptions: Inceptions, counts: Counts) -> list[Proposal]:
    """The amendments that follow these rules and what they would make of them, smallest hash first."""
    signed: dict[bytes, list[Amended]] = defaultdict(list)
    for one in facts.amendments:
        if (one.number, one.previous) == (rules.number + 1, rules.hash):
            signed[one.hash].append(one)
    return [_proposal(rules, signed[hash_], roles, inceptions, counts) for hash_ in sorted(signed)]


def _proposal(before: Rules, signed: list[Amended], roles: Roles, inceptions: Inceptions, counts: Counts) -> Proposal:
    amended = signed[0]  # all have signed the same bytes
    authors = {one.author for one in signed if counts(one.entry)}
    needed = before.quorums[Act.AMEND, 0]  # the charter has it, and no row is ever taken out
    counted = frozenset(author for author in authors if needed.roles & roles.get(author, frozenset()))
    countries = {inceptions[author].country for author in counted if author in inceptions}
    return Proposal(
        Rules({**before.quorums, **quorum.decode(amended.quorums)}, amended.document, amended.number, amended.hash),
        replace(amended, author=MemberId(b"")),
        needed,
        frozenset(one.author for one in signed if one.author in roles),
        counted,
        len(countries - {""}),
        quorum.is_met(needed, signers(authors, roles, inceptions)),
    )


def signers(authors: Iterable[MemberId], roles: Roles, inceptions: Inceptions) -> list[tuple[frozenset[int], str]]:
    """The roles and the country of each of these that is a member."""
    return [
        (roles[author], inceptions[author].country if author in inceptions else "")
        for author in set(authors)
        if author in roles
    ]
