"""Which list is meant, whatever others say."""

from pathlib import Path

from node.exchange import consult, drafts, holdings
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.store import stores
from node.v1 import record_pb2, tools_pb2
from tests.exchange.test_odd_order import said, take
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
    node.publish([drafts.list_withdrawal(b"a" * 16, 1)], BASE_MS)
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
