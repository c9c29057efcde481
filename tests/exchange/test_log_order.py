"""What a root says at or above a fork of its own log: it counts nowhere, whichever branch a node had read before."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest

from node.exchange import signing
from node.exchange.exchange import Exchange
from node.feed import identity, keys
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.protocol import sync
from node.protocol.sync import View
from node.store import ledger
from node.v1 import header_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import by_root, declaration, restarted, retire, settle, standings
from tests.exchange.test_identity_fork import STRANGER, endorsement, node_of, second_feed
from tests.exchange.test_odd_order import hash_of, said, take
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation

Letter = header_pb2.SignedEntry


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


@pytest.fixture(autouse=True)
def _thief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "require", lambda *_, **__: None)


def digest(node: Exchange) -> bytes:
    """What it shows peers of all that it holds."""
    view = View({head.feed_id: head for head in node.heads()}, node.trust.marks.forked())
    return sync.digest(view, node.trust.federation_id)


def rival(world: Federation) -> list[Letter]:
    heir = header_pb2.Successor(member_id=STRANGER).SerializeToString()
    return by_root(world, world.members[1], (Kind.SUCCESSOR, heir))


def in_orders(tmp_path: Path, world: Federation, parts: Sequence[Sequence[Letter]]) -> list[Exchange]:
    """Nodes that are given the parts in every order, and again what they had to refuse; each also started again."""
    nodes = []
    for number, order in enumerate(permutations(parts)):
        node = node_in(tmp_path / f"n{number}", world, 0)
        for part in (*order, *order):
            take(node, part)
        nodes.append(node)
    return nodes


def agree(nodes: list[Exchange]) -> None:
    """All show, trust and mark the same, also after a start."""
    for _ in range(2):
        first, *others = nodes
        for node in others:
            assert node.trust.marks == first.trust.marks
            assert node.trust.known == first.trust.known
            assert node.trust.roster(BASE_MS + 1) == first.trust.roster(BASE_MS + 1)
            assert standings(node) == standings(first)
            assert digest(node) == digest(first)
        for node in nodes:
            restarted(node)


def test_an_end_and_a_settlement_at_or_above_the_fork_count_in_no_order(tmp_path: Path, world: Federation) -> None:
    one, other = node_in(tmp_path / "one", world, 1), node_in(tmp_path / "other", world, 1)
    mine, theirs = said(one, declaration(1), declaration(2)), said(other, declaration(3))
    feed_id, first = one.author.feed_id, hash_of(one, mine[0])
    log = by_root(world, world.members[1], settle(feed_id, 2, first), retire(feed_id, 2, first))
    nodes = in_orders(tmp_path, world, [[*mine, *theirs], log, rival(world)])
    agree(nodes)
    assert nodes[0].trust.marks.forked() == {feed_id: 2, identity.log_id(world.members[1].member_id): 3}
    assert set(standings(nodes[0]).values()) == {Standing.CONTESTED}


def test_what_its_root_said_below_the_fork_goes_on_to_count(tmp_path: Path, world: Federation) -> None:
    one = node_in(tmp_path / "one", world, 1)
    mine = said(one, declaration(1), declaration(2))
    heir = header_pb2.Successor(member_id=STRANGER).SerializeToString()
    end = retire(one.author.feed_id, 2, hash_of(one, mine[0]))
    log = by_root(world, world.members[1], end, end)
    fork = by_root(world, world.members[1], end, (Kind.SUCCESSOR, heir))[1:]
    nodes = in_orders(tmp_path, world, [mine, log, fork])
    agree(nodes)
    assert standings(nodes[0]) == {"crisis 1": Standing.CONTESTED, "crisis 2": Standing.SUPERSEDED}


def test_a_feed_that_was_let_in_there_is_told_to_nobody_and_what_it_said_is_no_fact(
    tmp_path: Path, world: Federation
) -> None:
    member = world.members[1]
    log = by_root(world, member, node_of(member))
    nodes = in_orders(tmp_path, world, [[*log, *second_feed(world, member, endorsement())], rival(world)])
    agree(nodes)
    for node in nodes:
        assert not [one for one in node.trust.facts.endorsements if one.member_id == STRANGER]
        assert not node.trust.admits_log(keys.MemberId(STRANGER))


def test_the_heads_of_such_a_feed_are_taken_back_when_the_fork_is_proven(tmp_path: Path, world: Federation) -> None:
    member, node = world.members[1], node_in(tmp_path / "n", world, 0)
    take(node, by_root(world, member, node_of(member)))
    admitted = node.admit(node.verify(second_feed(world, member, endorsement())), BASE_MS)
    (head,) = admitted.heads
    admitted = node.admit(node.verify(rival(world)), BASE_MS)
    assert [(one.feed_id, one.seq) for one in admitted.heads] == [(head.feed_id, 0)]
    assert head.feed_id not in {one.feed_id for one in node.heads()}
    assert ledger.head(node.stores.ledger, head.feed_id) == head, "what is stored stays"


def test_a_fork_that_was_settled_there_is_open_again_and_said_so(tmp_path: Path, world: Federation) -> None:
    one, other = node_in(tmp_path / "one", world, 1), node_in(tmp_path / "other", world, 1)
    mine, theirs = said(one, declaration(1)), said(other, declaration(3))
    node, feed_id = node_in(tmp_path / "n", world, 0), one.author.feed_id
    take(node, [*mine, *theirs])
    take(node, by_root(world, world.members[1], settle(feed_id, 2, hash_of(node, mine[0]))))
    admitted = node.admit(node.verify(rival(world)), BASE_MS)
    assert admitted.settled == ((feed_id, 2),)


def test_who_left_at_or_above_the_fork_has_not_left(tmp_path: Path, world: Federation) -> None:
    one, member = node_in(tmp_path / "one", world, 1), world.members[1]
    mine = said(one, declaration(1))
    leave = header_pb2.Leave(feed_id=one.author.feed_id, seq=2, header_hash=hash_of(one, mine[0])).SerializeToString()
    nodes = in_orders(tmp_path, world, [mine, by_root(world, member, (Kind.LEAVE, leave)), rival(world)])
    agree(nodes)
    assert {node.trust.left_ms(member.member_id) for node in nodes} == {0}
    assert standings(nodes[0]) == {"crisis 1": Standing.CONTESTED}
