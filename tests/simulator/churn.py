"""Churn: members come, are suspended, are removed and leave while everything else goes on (F21)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random

from node.exchange import membership, vouching
from node.exchange.publish import Draft
from node.feed import entry
from node.feed.header import NORMAL, URGENT
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.store import ledger
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
    leaver: MemberId
    enough: bool  # of those who can say so are there
    sayings: tuple[Say, ...]


def plan(random: Random, federation: Federation, busy: Sequence[MemberId], amending: Collection[MemberId]) -> Churn:
    """Three remove one who publishes nothing that others wait for; others are endorsed and suspended.

    Half of the time it strikes those who declare and lead crises, but nobody who amends.
    """
    # What strikes a node that publishes may keep it from signing for good.
    steady = [one.member_id for one in federation.members[:AUTHORITIES] if one.member_id not in busy]
    authorities = random.sample(steady, min(len(steady), ENOUGH))
    able = [one.member_id for one in federation.members[AUTHORITIES:-1] if one.member_id not in busy]
    leading = [one for one in steady if one not in authorities and one not in amending]
    struck = random.sample(leading, min(len(leading), random.choice((0, 2))))
    removed, suspended, leaver = random.sample([*struck, *random.sample(able, 3 - len(struck))], 3)
    stranger = members.member(random.choice(STRANGERS))
    sayings: list[Say] = [(one, lambda node, now_ms: _revoke(node, removed, now_ms)) for one in authorities]
    sayings += [(one, lambda _, now_ms: [_suspend(suspended, now_ms)]) for one in authorities]
    sayings += [(one, lambda _, __: [_endorse(stranger)]) for one in authorities]
    sayings += [(removed, lambda _, __: [Draft(61, NORMAL, b"still here")])] * 3
    return Churn(removed, leaver, len(authorities) == ENOUGH, tuple(sayings))


def leave(node: Node, now_ms: int) -> list[header_pb2.SignedEntry]:
    """Its root's word, behind its log as the node has it; none where it has been said."""
    exchange = node.exchange
    if exchange.trust.left_ms(node.id):
        return []
    own, log = exchange.author.feed_id, exchange.trust.logs[node.id].head
    head = ledger.head(node.disk.ledger, own)
    said = header_pb2.Leave(feed_id=own)
    if head is not None:
        said.seq, said.header_hash = head.seq, head.hash
    fields = header_pb2.Header(
        feed_id=log.feed_id,
        seq=log.seq + 1,
        previous=log.hash,
        created_ms=now_ms,
        urgency=NORMAL,
        kind=Kind.LEAVE,
        statement=said.SerializeToString(),
    )
    made = entry.create(fields, node.member.root, exchange.trust.federation_id)
    return [header_pb2.SignedEntry(header=made.header.body, signature=made.signature)]


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
    left = rosters[0].left.get(churn.leaver)
    assert left is not None, "I19: a leave was lost"
    assert churn.leaver not in rosters[0].seats, "I19: who left has a seat"
    for feed_id, last in left.items():
        assert rosters[0].seat_of(churn.leaver, feed_id, last), "I19: what was said before it left does not count"
        assert rosters[0].seat_of(churn.leaver, feed_id, last + 1) is None, "I19: a later entry counts"
    assert not churn.enough or churn.removed in rosters[0].revoked, "I19: a removal was lost"
    if not churn.enough:
        return
    for feed_id, last in rosters[0].revoked[churn.removed].items():
        assert rosters[0].seat_of(churn.removed, feed_id, last + 1) is None, "I19: a later entry counts"
