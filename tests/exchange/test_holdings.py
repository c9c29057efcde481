"""Which list is meant, whatever others say."""

from pathlib import Path
from typing import cast

import pytest

from node.exchange import changes, consult, drafts, holdings
from node.exchange.exchange import Exchange
from node.exchange.holdings import NOTHING, Holding, Part
from node.exchange.publish import Draft
from node.feed.keys import ObjectId
from node.store import stores
from node.store.index import Record
from node.v1 import record_pb2, tools_pb2
from tests.exchange.test_odd_order import hash_of, said, take, without
from tests.exchange.test_standing import items_of, standing_values
from tests.simulator.members import BASE_MS

GREEN = record_pb2.Handling(tlp=2)


def head(name: str, object_id: bytes) -> Draft:
    draft = drafts.begun(tools_pb2.ListDraft(name=name, handling=GREEN))
    sharing = drafts.Sharing(draft, object_id, b"", 1, BASE_MS)
    return drafts.list_head(sharing, sharing.head(0, []))


def test_a_member_that_takes_the_id_of_another_ones_list_is_not_taken_for_it(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    node.publish([head("ours", b"l" * 16)], BASE_MS)
    take(node, said(author, head("theirs", b"l" * 16)))
    while node.project():
        pass
    reader = stores.open_to_read(tmp_path / "node")
    seen = consult.view(node.trust, node.follows, BASE_MS)
    view = holdings.named(reader, seen, (b"l" * 16).hex())
    assert (view.list.name, view.following) == ("ours", "own")
    (name,) = [one.name for one in consult.lists(reader, seen, "", exercises=True) if one != view]
    theirs = holdings.named(reader, seen, name)
    assert holdings.again(reader, seen, theirs).list.name == "theirs"
    assert holdings.again(reader, seen, view).list.name == "ours"
    reader.close()


def test_a_name_that_was_withdrawn_is_the_one_of_the_list_that_has_it_now(tmp_path: Path, node: Exchange) -> None:
    node.publish([head("halle", b"a" * 16)], BASE_MS)
    node.publish([drafts.object_withdrawal(b"a" * 16, 1)], BASE_MS)
    while node.project():
        pass
    reader = stores.open_to_read(tmp_path / "node")
    seen = consult.view(node.trust, node.follows, BASE_MS)
    assert holdings.named(reader, seen, "halle").withdrawn
    assert holdings.own_list(reader, seen, "halle", exercise=False) is None
    node.publish([head("halle", b"b" * 16)], BASE_MS)
    while node.project():
        pass
    assert holdings.named(reader, seen, "halle").object_id == b"b" * 16
    reader.close()


def test_who_has_an_older_record_and_not_the_one_in_its_place_matches_nothing_that_was_withdrawn(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    """The second took the place of the first; an item of it goes, and the node never had the second's payload."""
    (first,) = said(author, items_of(range(10)))
    (second,) = said(author, items_of(range(10), replaces=[hash_of(author, first)]))
    while author.project():
        pass
    seen = consult.view(author.trust, author.follows, BASE_MS)
    reader = stores.open_to_read(tmp_path / "author")
    holding = holdings.hold(reader, seen.follows.me, ObjectId(b"l" * 16), seen)
    (part,) = holding.parts.values()
    assert (part.hash, part.older) == (hash_of(author, second), (hash_of(author, first),))
    gone = said(author, *changes.ended([part]), *changes.withdrawals(holding, {part.number: 0b1}, 4))
    take(node, [first, without(second, "payload"), *gone])
    assert standing_values(node) == set()
    take(node, [second])
    assert standing_values(node) == set(range(1, 10))
    while author.project():
        pass
    (part,) = holdings.hold(reader, seen.follows.me, ObjectId(b"l" * 16), seen).parts.values()
    assert part.older == ()
    reader.close()


@pytest.mark.parametrize(
    ("said_of_each", "reason"),
    [
        ([], ""),
        ([["news"], ["news", "art"]], "may also be art or news"),
        ([["news"], ["none-known"]], ""),
        ([["news"], []], ""),
    ],
)
def test_all_of_a_list_is_for_review_where_each_record_of_it_may_be_exempt(
    said_of_each: list[list[str]], reason: str
) -> None:
    row = cast("Record", None)  # none of it is asked for
    letters = [record_pb2.Record(items=record_pb2.Items(exemptions=words)) for words in said_of_each]
    parts = {number: Part(number, row, said_, None, NOTHING) for number, said_ in enumerate(letters)}
    assert Holding(parts).exempt == reason
