"""What an author takes back stands no more, in whatever order it is heard, and only if the author said so."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from node.content import hashes
from node.exchange import drafts, restricting
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import BULK
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.feed.marks import Marks
from node.feed.statements import Bound
from node.store import digests, index
from node.v1 import header_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take
from tests.simulator.members import Federation

LIST = b"l" * 16
Letter = header_pb2.SignedEntry


def items_of(numbers: range, replaces: list[bytes] | None = None, list_id: bytes = LIST) -> Draft:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.ITEMS, object_id=list_id, replaces=replaces
    )
    record.items.kind, record.items.digests = "sha256", b"".join(i.to_bytes(32) for i in numbers)
    return Draft(Kind.ITEMS, BULK, record=record.SerializeToString(), object_id=list_id, expires_ms=ENDS_MS)


def standing_values(node: Exchange) -> set[int]:
    """What look-ups may find: each place of a value is asked whether it stands."""
    while node.project():
        pass
    found = set()
    for place in digests.places(node.stores.digests):
        assert place.kind == hashes.SHA256.number
        record = index.records(node.stores.index, [place.record])[place.record]
        if not restricting.restriction(node.stores, record, node.trust).covers(place.position):
            found.add(int.from_bytes(place.value))
    return found


def test_withdrawals_and_replacements_mean_the_same_in_every_order(
    tmp_path: Path, world: Federation, author: Exchange
) -> None:
    """Entries of one feed are chained; it is their payloads that come in any order."""
    (first,) = said(author, items_of(range(10)))
    (second,) = said(author, items_of(range(20, 30)))
    old = [hash_of(author, one) for one in (first, second)]
    (taken,) = said(author, drafts.withdrawal(old[0], 0b11, 4))
    (third,) = said(author, items_of(range(2, 6), replaces=[old[0]]))
    chain = [first, second, taken, third]
    for number, order in enumerate(permutations([first, second, third])):
        node = node_in(tmp_path / f"n{number}", world, 0)
        take(node, [Letter(header=one.header, signature=one.signature, box=one.box) for one in chain])
        for one in order:
            take(node, [one])
            while node.project():
                pass
        assert standing_values(node) == {*range(2, 6), *range(20, 30)}
        node.stores.close()


def test_what_is_left_counts_until_the_record_that_replaces_it_is_here(
    tmp_path: Path, world: Federation, author: Exchange
) -> None:
    node = node_in(tmp_path / "node", world, 0)
    (first,) = said(author, items_of(range(10)))
    hash_ = hash_of(author, first)
    (taken,) = said(author, drafts.withdrawal(hash_, 0b1, 4))
    (later,) = said(author, items_of(range(1, 10), replaces=[hash_]))
    take(node, [first, taken, Letter(header=later.header, signature=later.signature, box=later.box)])
    assert standing_values(node) == set(range(1, 10))
    take(node, [later])
    assert standing_values(node) == set(range(1, 10))
    shown = index.of_kinds(node.stores.index, [Kind.ITEMS])
    assert [bool(restricting.restriction(node.stores, one, node.trust).reason) for one in shown].count(True) == 1


@pytest.mark.parametrize("whole_list", [False, True])
def test_all_of_a_record_or_of_a_list_is_taken_back_before_or_after_it_came(
    tmp_path: Path, world: Federation, author: Exchange, whole_list: bool
) -> None:
    node = node_in(tmp_path / "node", world, 0)
    (first,) = said(author, items_of(range(10)))
    draft = drafts.object_withdrawal(LIST, 1) if whole_list else drafts.withdrawal(hash_of(author, first), 0, 1)
    (taken,) = said(author, draft)
    (other,) = said(author, items_of(range(50, 60), list_id=b"o" * 16))
    (again,) = said(author, items_of(range(30, 40)))
    take(node, [first, taken, other, again])
    assert standing_values(node) == ({*range(50, 60)} if whole_list else {*range(30, 40), *range(50, 60)})


def test_another_members_word_takes_nothing_back(tmp_path: Path, world: Federation, author: Exchange) -> None:
    node, stranger = node_in(tmp_path / "node", world, 0), node_in(tmp_path / "stranger", world, 2)
    (first,) = said(author, items_of(range(10)))
    hash_ = hash_of(author, first)
    odd = said(
        stranger,
        drafts.withdrawal(hash_, 0, 4),
        drafts.withdrawal(hash_, 0b1, 4),
        items_of(range(90, 91), replaces=[hash_]),
        drafts.object_withdrawal(LIST, 4),  # of its own list of the same id
    )
    take(node, [first, *odd])
    assert standing_values(node) == set(range(10))


def test_a_record_of_another_list_replaces_nothing(tmp_path: Path, world: Federation, author: Exchange) -> None:
    node = node_in(tmp_path / "node", world, 0)
    (first,) = said(author, items_of(range(10)))
    (other,) = said(author, items_of(range(90, 91), replaces=[hash_of(author, first)], list_id=b"o" * 16))
    take(node, [first, other])
    assert standing_values(node) == {*range(10), 90}


def test_what_was_said_above_the_end_of_a_stolen_feed_is_undone(
    tmp_path: Path, world: Federation, author: Exchange
) -> None:
    node = node_in(tmp_path / "node", world, 0)
    (first,) = said(author, items_of(range(10)))
    hash_ = hash_of(author, first)
    stolen = said(author, drafts.withdrawal(hash_, 0, 1), items_of(range(1), replaces=[hash_]))
    take(node, [first, *stolen])
    assert standing_values(node) == {0}
    first_row = next(one for one in index.of_kinds(node.stores.index, [Kind.ITEMS]) if one.hash == hash_)
    end = Bound(author.author.feed_id, first_row.seq, HeaderHash(hash_))
    ended = replace(node.trust, marks=node.trust.marks.merge(Marks(ends=frozenset({end}))))
    assert restricting.restriction(node.stores, first_row, ended) == restricting.Restriction()
