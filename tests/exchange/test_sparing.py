"""A record that was taken back before it came is wanted again, once no word that stands takes it back."""

from pathlib import Path

import pytest

from node.exchange import drafts, signing
from node.exchange.exchange import Exchange
from node.feed.keys import HeaderHash, ObjectId
from node.policy import following
from node.policy.following import Choice
from node.store import payloads
from node.store.payloads import State
from node.store.restrictions import Replacement
from node.v1 import header_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import by_root, declaration, restarted, retire, settle
from tests.exchange.test_odd_order import hash_of, said, take, without
from tests.exchange.test_standing import LIST, items_of, standing_values
from tests.simulator.members import BASE_MS, Federation

Letter = header_pb2.SignedEntry
MISTAKE = 1


@pytest.fixture(autouse=True)
def _thief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "require", lambda *_, **__: None)


@pytest.fixture(name="first")
def _first(author: Exchange, node: Exchange) -> Letter:
    """A record whose payload has not come."""
    (first,) = said(author, items_of(range(10)))
    take(node, [without(first, "payload")])
    return first


@pytest.fixture(name="end")
def _end(world: Federation, author: Exchange, first: Letter) -> list[Letter]:
    """Its member's root ends the feed at the record: a stolen key said all that comes then."""
    return by_root(world, world.members[1], retire(author.author.feed_id, 2, hash_of(author, first)))


def wanted(node: Exchange) -> list[HeaderHash]:
    return [one.hash for one, _ in node.wants(BASE_MS)]


def withdrawal(author: Exchange, first: Letter) -> list[Letter]:
    return said(author, drafts.withdrawal(hash_of(author, first), 0, MISTAKE))


def test_a_withdrawal_by_a_stolen_key_keeps_nothing_from_being_fetched_once_its_feed_is_ended_below(
    author: Exchange, node: Exchange, first: Letter, end: list[Letter]
) -> None:
    hash_ = hash_of(node, first)
    take(node, withdrawal(author, first))
    assert (payloads.state(node.stores.ledger, hash_), wanted(node)) == (State.UNWANTED, [])
    assert node.admit(node.verify(end), BASE_MS).wanted
    assert wanted(node) == [hash_]
    take(node, [first])
    assert standing_values(node) == set(range(10))


def test_also_where_the_end_came_first_or_a_stop_came_between(
    author: Exchange, node: Exchange, first: Letter, end: list[Letter]
) -> None:
    hash_, said_ = hash_of(node, first), withdrawal(author, first)
    take(node, end)
    take(node, said_)
    assert wanted(node) == [hash_]
    payloads.spare(node.stores.ledger, hash_)
    node.stores.commit("ledger")
    restarted(node)
    assert wanted(node) == [hash_]


def test_what_another_feed_or_an_earlier_word_takes_back_stays_so(
    world: Federation, author: Exchange, node: Exchange, first: Letter
) -> None:
    take(node, withdrawal(author, first))
    above = withdrawal(author, first)
    take(node, above)
    row = hash_of(node, above[0])
    take(node, by_root(world, world.members[1], retire(author.author.feed_id, 4, row)))
    assert wanted(node) == []


def test_what_is_contested_is_fetched_and_restricted(
    tmp_path: Path, world: Federation, author: Exchange, node: Exchange, first: Letter
) -> None:
    other = node_in(tmp_path / "other", world, 1)
    take(other, [first])
    take(node, withdrawal(author, first))
    rival = said(other, declaration(3))
    take(node, rival)
    assert wanted(node) == [hash_of(node, first)]
    take(node, [first])
    assert standing_values(node) == set()
    take(node, by_root(world, world.members[1], settle(author.author.feed_id, 3, hash_of(node, rival[0]))))
    assert standing_values(node) == set(range(10))


def test_what_a_record_took_the_place_of_is_wanted_again_where_that_record_does_not_stand(
    author: Exchange, node: Exchange, first: Letter, end: list[Letter]
) -> None:
    hash_ = hash_of(node, first)
    (later,) = said(author, items_of(range(1), replaces=[hash_]))
    take(node, [later])
    assert standing_values(node) == {0}
    own = author.reader.member_id, ObjectId(LIST), author.author.feed_id
    node.spare([Replacement(hash_of(node, later), hash_, *own, 3)])
    assert wanted(node) == []
    take(node, end)
    assert wanted(node) == [hash_]


def test_a_list_that_is_not_followed_any_more_stays_unfetched(
    author: Exchange, node: Exchange, first: Letter, end: list[Letter]
) -> None:
    take(node, withdrawal(author, first))
    node.choose(author.reader.member_id, ObjectId(LIST), Choice(following.State.DROPPED), BASE_MS)
    take(node, end)
    assert wanted(node) == []


@pytest.mark.parametrize("is_first", [True, False])
def test_a_record_of_a_list_that_was_taken_back_is_asked_of_nobody_whichever_came_first(
    author: Exchange, node: Exchange, is_first: bool
) -> None:
    """Nobody serves it; and it is asked for again once the word does not stand."""
    first, taken = said(author, items_of(range(10)), drafts.object_withdrawal(LIST, MISTAKE))
    bare = [without(first, "payload"), taken]
    take(node, bare if is_first else bare[::-1])
    take(node, bare)
    standing_values(node)
    assert wanted(node) == []
    assert payloads.state(node.stores.ledger, hash_of(node, first)) is State.UNWANTED
