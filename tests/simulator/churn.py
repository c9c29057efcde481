"""Churn: members come, are suspended and are removed while everything else goes on (F21)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from node.exchange import membership, vouching
from node.exchange.publish import Draft
from node.feed.header import NORMAL, URGENT
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.v1 import header_pb2
from tests.simulator import members
from tests.simulator.members import BASE_MS, Federation
from tests.simulator.node import Node

HOUR_MS = 3_600_000
AUTHORITIES = 10
ENOUGH = 3
STRANGERS = (1001, 1002, 1003)

Say = tuple[MemberId, Callable[[Node, int], Sequence[Draft]]]


@dataclass(frozen=True, slots=True)
class Churn:
    """Who is removed in this world, and what is said of members, by whom."""

    removed: MemberId
    enough: bool  # of those who can say so are there
    sayings: tuple[Say, ...]


def plan(random: Random, federation: Federation, busy: Sequence[MemberId]) -> Churn:
    """Three remove one who publishes nothing that others wait for; others are endorsed and suspended."""
    able = [one.member_id for one in federation.members[AUTHORITIES:-1] if one.member_id not in busy]
    removed, suspended = random.sample(able, 2)
    # What strikes a node that publishes may keep it from signing for good.
    steady = [one.member_id for one in federation.members[:AUTHORITIES] if one.member_id not in busy]
    authorities = random.sample(steady, min(len(steady), ENOUGH))
    stranger = members.member(random.choice(STRANGERS))
    sayings: list[Say] = [(one, lambda node, now_ms: _revoke(node, removed, now_ms)) for one in authorities]
    sayings += [(one, lambda _, now_ms: [_suspend(suspended, now_ms)]) for one in authorities]
    sayings += [(one, lambda _, __: [_endorse(stranger)]) for one in authorities]
    sayings += [(removed, lambda _, __: [Draft(61, NORMAL, b"still here")])] * 3
    return Churn(removed, len(authorities) == ENOUGH, tuple(sayings))


def _revoke(node: Node, target: MemberId, now_ms: int) -> Sequence[Draft]:
    """Once: a machine that died in it may have signed it, and its start took that in."""
    trust = node.exchange.trust
    if any(said.author == node.id and said.member_id == target for said in trust.facts.revocations):
        return []
    found = membership.place(trust, target, now_ms)
    return [vouching.revocation(node.disk, trust, node.id, found, 0, now_ms, nothing_stands=False)]


def _suspend(target: MemberId, now_ms: int) -> Draft:
    statement = header_pb2.Suspend(member_id=target, until_ms=now_ms + HOUR_MS)
    return Draft(Kind.SUSPEND, URGENT, statement.SerializeToString(deterministic=True))


def _endorse(stranger: members.Member) -> Draft:
    statement = header_pb2.Endorse(member_id=stranger.member_id, role=stranger.inception.role)
    return Draft(Kind.ENDORSE, URGENT, statement.SerializeToString(deterministic=True))


def agreed(churn: Churn, nodes: Sequence[Node]) -> None:
    """I19: a removed member's later entries count nowhere; and all have one roster."""
    rosters = [node.exchange.trust.roster(BASE_MS + HOUR_MS // 2) for node in nodes]
    assert all(one == rosters[0] for one in rosters), "two nodes have different rosters"
    assert not churn.enough or churn.removed in rosters[0].revoked, "I19: a removal was lost"
    if not churn.enough:
        return
    for feed_id, last in rosters[0].revoked[churn.removed].items():
        assert rosters[0].seat_of(churn.removed, feed_id, last + 1) is None, "I19: a later entry counts"
