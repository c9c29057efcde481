"""Ignoring: what counts as no match here, by which decision, and that it ends and leaves nothing behind."""

import sqlite3
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from node import limits
from node.content.hashes import SHA256
from node.errors import Refused
from node.exchange import ignoring, matching
from node.exchange.exchange import Exchange
from node.feed.keys import ObjectId
from node.policy.ignoring import Ignored, Ignores, Thing, What
from node.store import ignored, snapshot
from node.v1 import ignores_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_keeping import CRISIS, LIST, items_draft, take
from tests.exchange.test_odd_order import hash_of, said
from tests.exchange.test_opinions import look_up, view
from tests.simulator.members import BASE_MS, Federation

SOON_MS = BASE_MS + 60_000


@pytest.fixture(name="item")
def _item(node: Exchange, author: Exchange) -> str:
    """Twenty items of a list of the author's, which are of a crisis; and how the fourth is typed."""
    (letter,) = said(author, items_draft())
    take(node, [letter])
    return f"{matching.item_record(node.stores, 'x/y', hash_of(node, letter))}:3"


def decision(number: int, thing: Thing, until_ms: int = 0) -> Ignored:
    return Ignored(bytes([number]) * 16, thing, BASE_MS, "officer", until_ms)


def thing(node: Exchange, about: str = "", **value: object) -> Thing:
    request = ignores_pb2.IgnoreRequest(about=about)
    if value:
        request.value.CopyFrom(tools_pb2.Values(**value))  # type: ignore[arg-type]
    return ignoring.thing(node.stores, view(node), request)


def matching_places(node: Exchange, folder: Path, now_ms: int = BASE_MS + 1) -> tuple[int, int]:
    """How many match, and how many would."""
    found = look_up(folder, view(node, now_ms))
    return len(found.matches), len(found.ignored)


def test_an_item_a_value_a_list_and_a_crisis_are_no_match_each_until_its_end(
    tmp_path: Path, node: Exchange, author: Exchange, item: str
) -> None:
    me = author.reader.member_id
    folder, value = tmp_path / "node", min(sha256(bytes([i])).digest() for i in range(20))
    for number, (about, left) in enumerate(
        [
            (thing(node, item), (19, 1)),
            (thing(node, kind="sha256", digests=value), (19, 1)),
            (Thing(What.LIST, LIST, member_id=me), (0, 20)),
            (Thing(What.CRISIS, CRISIS), (0, 20)),
        ]
    ):
        one = node.ignore(decision(number, about, SOON_MS), BASE_MS)
        assert matching_places(node, folder) == left, about
        assert matching_places(node, folder, SOON_MS) == (20, 0)
        node.end_ignoring([one])
        assert matching_places(node, folder) == (20, 0)


def test_only_that_list_that_place_and_that_kind_are_ignored(
    tmp_path: Path, node: Exchange, author: Exchange, item: str
) -> None:
    at = thing(node, item)
    for number, other in enumerate(
        [
            replace(at, place=20),
            Thing(What.LIST, LIST, member_id=node.reader.member_id),
            Thing(What.LIST, ObjectId(b"m" * 16), member_id=author.reader.member_id),
            Thing(What.VALUE, sha256(bytes([0])).digest(), SHA256.number + 1),
            Thing(What.CRISIS, LIST),
        ]
    ):
        node.ignore(decision(number, other), BASE_MS)
    assert matching_places(node, tmp_path / "node") == (20, 0)


def test_a_match_that_is_ignored_says_by_which_decision_and_until_when(
    tmp_path: Path, node: Exchange, item: str
) -> None:
    node.ignore(decision(1, thing(node, item), SOON_MS), BASE_MS)
    (found,) = look_up(tmp_path / "node", view(node)).ignored
    assert (found.position, found.ignored_by, found.ignored_until_ms) == (3, "i-040g", SOON_MS)
    assert found.advice, "all else is told as of any match"


def test_the_same_again_moves_the_end_and_a_restart_remembers(
    tmp_path: Path, node: Exchange, item: str, world: Federation
) -> None:
    about = thing(node, item)
    first = node.ignore(decision(1, about, SOON_MS), BASE_MS)
    again = node.ignore(decision(2, about), BASE_MS)
    assert (again.id, again.until_ms) == (first.id, 0)
    assert ignoring.load(node.stores).every == {about.key: again}
    assert node_in(tmp_path / "other", world, 5).ignores == Ignores()
    for until_ms in (BASE_MS, -1):
        with pytest.raises(Refused, match="over already"):
            node.ignore(decision(3, about, until_ms), BASE_MS)


def test_there_is_a_bound_and_what_is_ignored_already_is_within_it(
    node: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IGNORED_MAX", 1)
    node.ignore(decision(1, Thing(What.CRISIS, CRISIS)), BASE_MS)
    node.ignore(decision(2, Thing(What.CRISIS, CRISIS)), BASE_MS)
    with pytest.raises(Refused, match="no more can be"):
        node.ignore(decision(3, Thing(What.CRISIS, LIST)), BASE_MS)


def test_what_is_meant_is_refused_where_it_is_nothing_here_or_several_things(node: Exchange, item: str) -> None:
    for about, words in ((item.replace(":3", ":20"), "no item"), (item.replace(":3", ""), "many items"), ("", "names")):
        with pytest.raises(Refused, match=words):
            thing(node, about)
    with pytest.raises(Refused, match="2 values"):
        thing(node, kind="url", texts=["https://t.example/a", "https://t.example/b"])
    with pytest.raises(Refused, match="no kind"):
        thing(node, kind="crc32", digests=b"1234")


def test_a_decision_is_named_by_its_reference_and_shows_no_value(node: Exchange, item: str) -> None:
    value = sha256(bytes([0])).digest()
    one = node.ignore(decision(1, thing(node, kind="sha256", digests=value)), BASE_MS)
    other = node.ignore(decision(2, thing(node, item)), BASE_MS)
    shown = ignoring.every(node.stores, view(node))
    assert [(each.reference, each.what) for each in shown] == [("i-040g", "value"), ("i-0810", "item")]
    assert shown[0].about == f"sha256 {sha256(value).hexdigest()[:16]}"
    assert shown[1].about.endswith(":3")
    assert ignoring.named(node.stores, view(node), "i-040g") == one
    assert ignoring.named(node.stores, view(node), shown[1].about) == other


def test_a_value_is_in_no_backup_and_all_else_is(tmp_path: Path, node: Exchange, item: str) -> None:
    value = sha256(bytes([0])).digest()
    node.ignore(decision(1, thing(node, kind="sha256", digests=value)), BASE_MS)
    kept = node.ignore(decision(2, thing(node, item)), BASE_MS)
    snapshot.write(tmp_path / "node" / "ledger.db", tmp_path / "copy.db")
    assert value in (tmp_path / "node" / "ledger.db-wal").read_bytes() + (tmp_path / "node" / "ledger.db").read_bytes()
    assert value not in (tmp_path / "copy.db").read_bytes()
    with sqlite3.connect(tmp_path / "copy.db") as connection:
        assert connection.execute("SELECT id FROM ignored").fetchall() == [(kept.id,)]


def test_what_is_over_is_forgotten_with_its_value(node: Exchange) -> None:
    one = node.ignore(decision(1, Thing(What.VALUE, b"v" * 32, SHA256.number), SOON_MS), BASE_MS)
    assert node.ignores.over(SOON_MS - 1) == []
    assert node.ignores.over(SOON_MS) == [one]
    node.end_ignoring([one])
    assert ignored.every(node.stores.ledger) == []
    assert node.ignores == Ignores()


def test_a_value_whose_decision_is_over_stands_in_no_page_once_the_files_are_written_anew(
    tmp_path: Path, node: Exchange
) -> None:
    value = Random(9).randbytes(32)
    (one, *others) = (
        node.ignore(decision(i, Thing(What.VALUE, Random(i).randbytes(32), 3), SOON_MS), BASE_MS) for i in range(9, 40)
    )
    assert one.thing.target == value
    before = node.residue.is_there
    node.end_ignoring([one])
    assert (before, node.residue.is_there) == (False, True), "which has the files written anew"
    assert node.residue.compact()
    assert not [path for path in (tmp_path / "node").rglob("*") if path.is_file() and value in path.read_bytes()]
    assert len(node.ignores.every) == len(others)
