"""Proofs of forks by the dozen: how many of an author come in, and which of them is the next."""

from pathlib import Path

import pytest
from nacl.signing import SigningKey

from node.exchange.exchange import Exchange
from node.feed import entry, keys
from node.feed.kinds import Kind
from node.runtime import growth
from node.store import ledger
from node.v1 import header_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_budgets import AUTHORITY, DOCUMENT, SIX_SECONDS_MS, note, take
from tests.exchange.test_forks import by_root
from tests.exchange.test_identity_fork import OPENED, node_of
from tests.exchange.test_odd_order import Letter, hash_of, said
from tests.simulator.members import BASE_MS, Federation, federation

BURST = 4  # of an authority's headers, and of the proofs about it
HIGH = 2**40


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, DOCUMENT)


def proof(world: Federation, seq: int, feed_key: SigningKey | None = None) -> header_pb2.ForkProof:
    """Two entries of one place, as whoever has the key may sign them for any."""
    member, federation_id = world.members[AUTHORITY], world.charter.federation_id
    key = feed_key or member.feed_key
    letters = []
    for previous in (b"one", b"other"):
        fields = header_pb2.Header(
            feed_id=keys.feed_id(federation_id, member.member_id, bytes(key.verify_key)),
            seq=seq,
            previous=previous.ljust(32),
            created_ms=BASE_MS,
            urgency=1,
            kind=Kind.ANCHOR,
            statement=header_pb2.Anchor(journal_size=1).SerializeToString(),
        )
        made = entry.create(fields, key, federation_id)
        letters.append(Letter(header=made.header.body, signature=made.signature))
    return header_pb2.ForkProof(first=letters[0], second=letters[1])


def show(node: Exchange, shown: header_pb2.ForkProof, now_ms: int = BASE_MS) -> list[int]:
    """Where the fork is of which peers are told for it."""
    admitted = node.take_fork(shown, now_ms)
    return [seq for _, seq, _ in growth.proven(admitted, node.reader.member_id).forks]


def test_of_proofs_without_an_end_an_author_s_quota_comes_in_and_the_lowest_is_the_next(
    node: Exchange, world: Federation
) -> None:
    """However fast higher ones follow it: the true one waits for no more than the next turn."""
    told = [show(node, proof(world, HIGH - number)) for number in range(BURST + 2)]
    assert told == [[HIGH - number] for number in range(BURST)] + [[], []]
    assert show(node, proof(world, 2)) == []
    later_ms = BASE_MS + SIX_SECONDS_MS
    assert [show(node, proof(world, HIGH - number), later_ms) for number in (7, 8)] == [[2], []]
    assert node.budgets.ignored == {world.members[AUTHORITY].member_id: 3}
    assert show(node, proof(world, 2), later_ms) == []
    assert node.trust.marks.forked() == {world.members[AUTHORITY].feed_id(world.charter.federation_id): 2}


def test_proofs_of_one_feed_take_no_turn_from_that_of_another_of_its_author(node: Exchange, world: Federation) -> None:
    take(node, by_root(world, world.members[AUTHORITY], node_of(world.members[AUTHORITY])))
    for number in range(BURST):
        assert show(node, proof(world, HIGH - number))
    waiting = [(HIGH - 4, None), (7, OPENED), (HIGH - 5, None), (6, OPENED), (HIGH - 6, None)]
    assert [show(node, proof(world, *one)) for one in waiting] == [[]] * 5
    told, then_ms = [], BASE_MS
    for number in range(7, 9):
        then_ms += SIX_SECONDS_MS
        told.append(show(node, proof(world, HIGH - number), then_ms))
    assert told == [[HIGH - 7], [6]]


def test_what_an_author_pushes_keeps_no_proof_of_its_fork_out(
    author: Exchange, node: Exchange, world: Federation
) -> None:
    take(node, said(author, *note(BURST + 1)))
    assert show(node, proof(world, 2)) == [2]


def test_proofs_of_places_out_of_reach_leave_the_true_one_room_for_its_entries(
    tmp_path: Path, world: Federation
) -> None:
    node, there, then_ms = node_in(tmp_path / "n", world, 0), proof(world, 2), BASE_MS
    for number in range(20):
        then_ms += SIX_SECONDS_MS
        assert show(node, proof(world, HIGH - number), then_ms)
    assert show(node, there, then_ms + SIX_SECONDS_MS) == [2]
    held = ledger.held(node.stores.ledger, [hash_of(node, one) for one in (there.first, there.second)])
    assert len(held) == 2
