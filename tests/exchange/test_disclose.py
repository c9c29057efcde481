"""What leaves for peers and for tools: nothing that was taken back, and all of it again where that is undone."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from node.exchange import consult, disclose, drafts
from node.exchange.exchange import Exchange
from node.feed.keys import HeaderHash
from node.feed.marks import Marks
from node.feed.statements import Bound
from node.store import ledger, stores
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import hash_of, said, take
from tests.exchange.test_standing import LIST, items_of
from tests.simulator.members import BASE_MS, Federation

MISTAKE = 1


@pytest.fixture(name="node")
def _node(tmp_path: Path, world: Federation) -> Exchange:
    return node_in(tmp_path / "node", world, 0)


def leaves(node: Exchange, hash_: HeaderHash, folder: Path) -> tuple[bool, bool, bool]:
    """Whether its payload goes out with its entry, by chunks, and to a tool."""
    while node.project():
        pass
    row = ledger.entry(node.stores.ledger, hash_)
    assert row is not None
    letter = disclose.letter(node.stores, row, node.trust, BASE_MS)
    by_chunks = disclose.is_for_others(node.stores, hash_, node.trust, BASE_MS)
    with closing(stores.open_to_read(folder / "node")) as reader:
        given = consult.delivery(reader, hash_, node.trust, node.reader, frozenset())
    assert given is not None
    assert bool(letter.box) == bool(letter.payload)
    assert bool(given.entry.box) == bool(given.entry.payload)
    return bool(letter.payload), by_chunks, bool(given.entry.payload)


@pytest.mark.parametrize("how", ["record", "list", "replaced"])
def test_what_its_author_took_back_leaves_no_more_though_it_is_still_here(
    node: Exchange, author: Exchange, tmp_path: Path, how: str
) -> None:
    """It cools for an hour or a day before it is erased; whoever has it not needs not erase it."""
    (letter,) = said(author, items_of(range(10)))
    hash_ = hash_of(author, letter)
    take(node, [letter])
    assert leaves(node, hash_, tmp_path) == (True, True, True)
    word = {
        "record": drafts.withdrawal(hash_, 0, MISTAKE),
        "list": drafts.object_withdrawal(LIST, MISTAKE),
        "replaced": items_of(range(5), replaces=[hash_]),
    }[how]
    take(node, said(author, word))
    assert leaves(node, hash_, tmp_path) == (False, False, False)


def test_of_a_record_of_which_a_part_was_taken_back_all_else_is_still_served(
    node: Exchange, author: Exchange, tmp_path: Path
) -> None:
    (letter,) = said(author, items_of(range(10)))
    hash_ = hash_of(author, letter)
    take(node, [letter, *said(author, drafts.withdrawal(hash_, 0b11, MISTAKE))])
    assert leaves(node, hash_, tmp_path) == (True, True, True)


def test_another_members_word_keeps_nothing_from_leaving(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    stranger = node_in(tmp_path / "stranger", world, 2)
    (letter,) = said(author, items_of(range(10)))
    hash_ = hash_of(author, letter)
    odd = said(stranger, drafts.withdrawal(hash_, 0, MISTAKE), items_of(range(1), replaces=[hash_]))
    take(node, [letter, *odd])
    assert leaves(node, hash_, tmp_path) == (True, True, True)


def test_what_a_thief_took_back_leaves_again_once_its_feed_is_ended_below(
    node: Exchange, author: Exchange, tmp_path: Path
) -> None:
    (letter,) = said(author, items_of(range(10)))
    hash_ = hash_of(author, letter)
    take(node, [letter, *said(author, drafts.withdrawal(hash_, 0, MISTAKE))])
    assert leaves(node, hash_, tmp_path) == (False, False, False)
    row = ledger.entry(node.stores.ledger, hash_)
    assert row is not None
    node.trust = replace(node.trust, marks=Marks(ends=frozenset({Bound(row.feed_id, row.seq, hash_)})))
    assert leaves(node, hash_, tmp_path) == (True, True, True)
