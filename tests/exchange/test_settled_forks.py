"""A branch that its root named, and that its thief forked again above: proven wherever both are held, in any order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import pytest

from node.exchange import signing
from node.exchange.exchange import Exchange
from node.feed.keys import FeedId, HeaderHash
from node.feed.marks import Standing
from node.store import ledger
from node.v1 import header_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import by_root, declaration, restarted, settle, standings
from tests.exchange.test_odd_order import hash_of, said, take
from tests.exchange.test_standing import items_of
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation

Letter = header_pb2.SignedEntry


@dataclass
class Deep:
    """Branches that part at 2; the named one, which goes on with 3, parts again at 4 or 5."""

    world: Federation
    feed_id: FeedId
    other: list[Letter]  # seq 2
    more: list[Letter]  # from 3 on, behind the other
    shared: list[Letter]  # seq 2 and 3
    mine: list[Letter]  # from 4 on
    theirs: list[Letter]

    def named(self, node: Exchange) -> list[Letter]:
        """What its root says: the shared branch stands."""
        return by_root(self.world, self.world.members[1], settle(self.feed_id, 2, hash_of(node, self.shared[0])))

    def fork(self, node: Exchange) -> int | None:
        return node.trust.marks.forked_at(self.feed_id)


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


@pytest.fixture(name="deep")
def _deep(tmp_path: Path, world: Federation, monkeypatch: pytest.MonkeyPatch) -> Deep:
    monkeypatch.setattr(signing, "require", lambda *_, **__: None)  # a thief asks nobody
    one, two, three = (node_in(tmp_path / f"copy {i}", world, 1) for i in range(3))
    other = said(three, declaration(2))
    shared = said(one, declaration(3), declaration(4))
    take(two, shared)
    mine = said(one, declaration(5), items_of(range(3)), declaration(6))
    theirs = said(two, declaration(7), items_of(range(4)), declaration(8), declaration(9))
    more = said(three, declaration(10), declaration(11))
    return Deep(world, one.author.feed_id, other, more, shared, mine, theirs)


def heads(node: Exchange, feed_id: FeedId) -> HeaderHash | None:
    found = ledger.head(node.stores.ledger, feed_id)
    return found.hash if found else None


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_fork_above_the_branch_that_is_named_is_proven_in_whatever_order_both_came(
    deep: Deep, tmp_path: Path, order: Sequence[int]
) -> None:
    """Both were kept beside before the root spoke: what is there already comes no second time."""
    node = node_in(tmp_path / "n", deep.world, 0)
    parts = [deep.other, [*deep.shared, deep.mine[0]], [*deep.shared, deep.theirs[0]]]
    for number in order:
        take(node, parts[number])
    take(node, deep.named(node))
    for _ in range(2):
        assert deep.fork(node) == 4
        wanted = {"crisis 2": Standing.SUPERSEDED, "crisis 3": Standing.STANDS, "crisis 4": Standing.STANDS}
        assert standings(node) == wanted | {f"crisis {number}": Standing.CONTESTED for number in (5, 7)}
        restarted(node)


def test_the_proof_is_told_and_kept_with_the_settlement_in_one_change(deep: Deep, tmp_path: Path) -> None:
    node = node_in(tmp_path / "n", deep.world, 0)
    take(node, [*deep.other, *deep.shared, deep.mine[0], deep.theirs[0]])
    admitted = node.admit(node.verify(deep.named(node)), BASE_MS)
    assert [(row.feed_id, row.seq) for row in admitted.forks] == [(deep.feed_id, 4)]
    assert admitted.settled == ((deep.feed_id, 4),)


def test_two_entries_kept_above_a_gap_prove_a_fork_though_none_of_them_is_chained(deep: Deep, tmp_path: Path) -> None:
    node = node_in(tmp_path / "n", deep.world, 0)
    take(node, [deep.mine[0], deep.theirs[0]])
    assert deep.fork(node) == 4
    take(node, deep.shared)
    restarted(node)
    assert deep.fork(node) == 4
    assert {standings(node)[f"crisis {number}"] for number in (5, 7)} == {Standing.CONTESTED}


def test_where_a_branch_kept_beside_parts_above_the_named_place_is_asked_for_and_proven(
    deep: Deep, tmp_path: Path
) -> None:
    """Of the other branch only what is urgent is here, and not the place where it parts."""
    node = node_in(tmp_path / "n", deep.world, 0)
    take(node, [*deep.shared, *deep.mine, *deep.other])
    take(node, deep.theirs[2:3])
    take(node, deep.named(node))
    assert deep.fork(node) is None, "two entries of one place with different predecessors prove nothing above it"
    asked = node.admit(node.verify(deep.theirs[3:]), BASE_MS)
    assert asked.parted == ((deep.feed_id, 6),)
    take(node, deep.theirs[:1])
    assert deep.fork(node) == 4
    assert node.admit(node.verify(deep.theirs[3:]), BASE_MS).parted == ()


def test_what_goes_on_with_the_branch_that_was_not_named_asks_for_nothing(deep: Deep, tmp_path: Path) -> None:
    """It is clear of which branch that is."""
    node = node_in(tmp_path / "n", deep.world, 0)
    take(node, [*deep.shared, *deep.mine, *deep.other])
    take(node, deep.named(node))
    for one in deep.more:
        assert node.admit(node.verify([one]), BASE_MS).parted == ()
    assert deep.fork(node) is None
