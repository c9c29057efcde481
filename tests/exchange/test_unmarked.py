"""A record whose author did not say what readers may do with it: not signed here; from others, kept and not shown."""

from contextlib import closing
from pathlib import Path

import pytest

from node.content import hashes
from node.errors import Refused
from node.exchange import consult, crises, disclose, publish
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import BULK, URGENT
from node.feed.keys import HeaderHash, ObjectId
from node.feed.kinds import Kind
from node.policy.following import Follows
from node.store import arrivals, figures, index, ledger, payloads, stores
from node.store.payloads import State
from node.v1 import header_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take
from tests.simulator.members import BASE_MS, FRAMEWORK, Federation

CRISIS, LIST = b"c" * 16, b"l" * 16
GREEN = record_pb2.Handling(tlp=2)


def records(handling: record_pb2.Handling | None) -> list[Draft]:
    crisis = record_pb2.Crisis(framework=FRAMEWORK, title="Shooting", ends_ms=ENDS_MS)
    head = record_pb2.HashList(name="halle", kinds=["sha256"])
    items = record_pb2.Items(kind="sha256", digests=bytes(32))
    made = [
        record_pb2.Record(kind=Kind.DECLARATION, object_id=CRISIS, handling=handling, crisis=crisis),
        record_pb2.Record(kind=Kind.LIST, object_id=LIST, handling=handling, list=head),
        record_pb2.Record(kind=Kind.ITEMS, object_id=LIST, handling=handling, items=items),
    ]
    urgencies = (URGENT, BULK, BULK)
    return [
        Draft(one.kind, urgency, record=one.SerializeToString(), object_id=one.object_id, expires_ms=ENDS_MS)
        for one, urgency in zip(made, urgencies, strict=True)
    ]


@pytest.fixture(name="careless")
def _careless(author: Exchange, monkeypatch: pytest.MonkeyPatch) -> Exchange:
    """A node that signs what ours would not."""
    monkeypatch.setattr(publish, "_require_readers", lambda _: None)
    return author


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("handling", [None, record_pb2.Handling(), record_pb2.Handling(tlp=3)])
def test_what_is_not_marked_for_all_is_not_signed_for_all(
    author: Exchange, number: int, handling: record_pb2.Handling | None
) -> None:
    before = ledger.entry_count(author.stores.ledger)
    with pytest.raises(Refused) as refused:
        author.publish([records(handling)[number]], BASE_MS)
    assert refused.value.field == "handling"
    assert ledger.entry_count(author.stores.ledger) == before
    author.publish([records(GREEN)[number]], BASE_MS)


def test_a_record_for_some_is_not_signed_for_all(author: Exchange) -> None:
    record = record_pb2.Record.FromString(records(GREEN)[0].record)
    record.audience.roles.append(1)
    with pytest.raises(Refused) as refused:
        author.publish([Draft(Kind.DECLARATION, record=record.SerializeToString(), expires_ms=ENDS_MS)], BASE_MS)
    assert refused.value.field == "audience"


def shown(node: Exchange, folder: Path) -> tuple[list[str], list[tuple[str, int]], list[bytes]]:
    """Crises, lists with their items, and values that look-ups may find."""
    while node.project():
        pass
    seen = consult.view(node.trust, Follows(node.reader.member_id, everything=True), BASE_MS)
    with closing(stores.open_to_read(folder)) as reader:
        found = crises.every(reader, seen, "", exercises=True)
        lists = consult.lists(reader, seen, "", exercises=True)
    values = [value for _, value in consult.values(node.stores, node.trust)]
    return [one.crisis.title for one in found], [(one.list.name, one.items) for one in lists], values


def delivered(node: Exchange, folder: Path) -> list[HeaderHash]:
    """What a subscriber is given of records."""
    found, at_end, cursor = list[HeaderHash](), False, arrivals.Cursor(b"")
    with closing(stores.open_to_read(folder)) as reader:
        while not at_end:
            page = arrivals.after(reader.ledger, cursor, 100)
            letters, cursor = consult.deliveries(
                reader, page.arrivals, cursor, frozenset(), node.trust, node.reader, 100
            )
            found += [hash_of(node, one.entry) for one in letters if one.entry.payload]
            at_end = page.at_end
    return found


@pytest.mark.parametrize("is_projected", [True, False])
def test_what_others_did_not_mark_is_kept_and_neither_shown_nor_handed_out_nor_passed_on(
    careless: Exchange, node: Exchange, tmp_path: Path, is_projected: bool
) -> None:
    letters = said(careless, *records(None))
    take(node, letters)
    hashes_ = [hash_of(node, one) for one in letters]
    assert [payloads.state(node.stores.ledger, one) for one in hashes_] == [State.PRESENT] * 3
    if is_projected:
        assert shown(node, tmp_path / "node") == ([], [], [])
    assert delivered(node, tmp_path / "node") == []
    for hash_ in hashes_ if is_projected else ():
        row = ledger.entry(node.stores.ledger, hash_)
        assert row is not None
        sent = disclose.letter(node.stores, row, node.trust, BASE_MS)
        assert (sent.header, sent.box, sent.payload) == (row.body, b"", b"")
        assert not disclose.is_for_others(node.stores, hash_, node.trust, BASE_MS)
    for verified in node.verify(letters).entries:
        assert (node.letter(verified).box, node.letter(verified).payload) == (b"", b"")
    if is_projected:
        assert figures.unmarked(node.stores) == [(careless.reader.member_id, 3)]


def test_the_index_of_what_was_not_marked_has_nothing_of_its_content(
    careless: Exchange, node: Exchange, tmp_path: Path
) -> None:
    take(node, said(careless, *records(None)))
    shown(node, tmp_path / "node")
    rows = index.of_kinds(node.stores.index, [index.UNMARKED])
    assert len(rows) == 3
    for row in rows:
        assert record_pb2.Record.FromString(row.content).WhichOneof("content") is None
        assert row.items == 0


def test_what_is_marked_is_shown_handed_out_and_passed_on(author: Exchange, node: Exchange, tmp_path: Path) -> None:
    """So that the tests above see more than nothing."""
    letters = said(author, *records(GREEN))
    take(node, letters)
    assert shown(node, tmp_path / "node") == (["Shooting"], [("halle", 1)], [bytes(hashes.SHA256.digest_bytes)])
    assert sorted(delivered(node, tmp_path / "node")) == sorted(hash_of(node, one) for one in letters)
    for one, verified in zip(letters, node.verify(letters).entries, strict=True):
        row = ledger.entry(node.stores.ledger, hash_of(node, one))
        assert row is not None
        sent = disclose.letter(node.stores, row, node.trust, BASE_MS)
        assert (sent.box, sent.payload) == (one.box, one.payload)
        assert node.letter(verified) == header_pb2.SignedEntry(
            header=one.header, signature=one.signature, box=one.box, payload=one.payload
        )
    assert figures.unmarked(node.stores) == []


def test_a_rebuilt_index_leaves_it_out_too(
    careless: Exchange, node: Exchange, tmp_path: Path, world: Federation
) -> None:
    letters = said(careless, *records(None))
    later = node_in(tmp_path / "later", world, 2)
    take(later, letters)
    assert shown(later, tmp_path / "later") == ([], [], [])
    index.clear(later.stores.index, later.stores.digests)
    assert shown(later, tmp_path / "later") == ([], [], [])
    assert figures.unmarked(later.stores) == [(careless.reader.member_id, 3)]
    assert node.follows.fetches(careless.reader.member_id, ObjectId(LIST))
