"""Parts of entries in an order that no honest peer sends: nothing gets stuck, and nothing blocks the rest."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from node.exchange import consult, crises, ingest, verification
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed import box as boxes
from node.feed.header import BULK, NORMAL, SEALED_RELAY, URGENT
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.store import arrivals, index, ledger, payloads
from node.store.payloads import State
from node.v1 import header_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.simulator.members import BASE_MS, FRAMEWORK, Federation, SeededWrapping, federation

DAY_MS = 86_400_000
ENDS_MS = BASE_MS + 30 * DAY_MS
Letter = header_pb2.SignedEntry


def said(author: Exchange, *drafts: Draft, now_ms: int = BASE_MS) -> list[Letter]:
    admitted = author.publish(drafts, now_ms)
    return [
        Letter(header=one.header.body, signature=one.entry.signature, box=one.box, payload=one.payload)
        for one in admitted.entries
    ]


def take(node: Exchange, letters: Sequence[Letter]) -> None:
    checked = node.verify(node.unseen(letters))
    assert checked.fault is None
    node.admit(checked, BASE_MS)


def without(letter: Letter, *parts: str) -> Letter:
    made = Letter()
    made.CopyFrom(letter)
    for part in parts:
        made.ClearField(part)  # type: ignore[arg-type]
    return made


def hash_of(node: Exchange, letter: Letter) -> HeaderHash:
    return verification.header_hash(letter, node.trust.federation_id)


def items_draft(urgency: int = BULK, first: int = 1) -> Draft:
    digests = b"".join(i.to_bytes(32) for i in range(first, first + 4096))
    letter = record_pb2.Items(kind="sha256", digests=digests)
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.ITEMS, object_id=b"l" * 16, items=letter)
    return Draft(Kind.ITEMS, urgency, record=record.SerializeToString(), object_id=b"l" * 16, expires_ms=ENDS_MS)


def crisis_draft(size: int = 0) -> Draft:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2),
        kind=Kind.DECLARATION,
        object_id=b"c" * 16,
        crisis=record_pb2.Crisis(framework=FRAMEWORK, title="t" + "x" * size, ends_ms=ENDS_MS),
    )
    return Draft(
        Kind.DECLARATION, URGENT, record=record.SerializeToString(), object_id=b"c" * 16, expires_ms=ENDS_MS + DAY_MS
    )


def test_an_urgent_entry_before_its_predecessor_in_one_frame_does_not_stop_its_feed(
    author: Exchange, node: Exchange
) -> None:
    anchor = header_pb2.Anchor(journal_size=1).SerializeToString()
    letters = said(author, *(Draft(Kind.ANCHOR, urgency, statement=anchor) for urgency in (NORMAL, URGENT, NORMAL)))
    take(node, [letters[1], letters[0]])
    take(node, letters)
    found = ledger.head(node.stores.ledger, author.author.feed_id)
    assert found
    assert found.seq == 4


def test_what_was_kept_above_a_gap_that_is_closed_is_chained_at_the_start(author: Exchange, node: Exchange) -> None:
    anchor = header_pb2.Anchor(journal_size=1).SerializeToString()
    take(node, said(author, Draft(Kind.ANCHOR, URGENT, statement=anchor)))
    node.stores.ledger.exec_driver_sql("UPDATE entry SET chained = 0 WHERE kind = 51")
    node.stores.ledger.exec_driver_sql(
        "UPDATE head SET seq = 1, hash = (SELECT hash FROM entry e WHERE e.seq = 1"
        " AND e.feed_id = head.feed_id) WHERE seq = 2 AND feed_id IN"
        " (SELECT feed_id FROM entry WHERE kind = 51)"
    )
    node.stores.commit("ledger")
    node.start(BASE_MS)
    found = ledger.head(node.stores.ledger, author.author.feed_id)
    assert found
    assert found.seq == 2


@pytest.mark.parametrize("order", [("payload", "box"), ("box", "payload")])
def test_box_and_payload_in_either_order_make_the_entry_readable(
    author: Exchange, node: Exchange, order: tuple[str, str]
) -> None:
    (letter,) = said(author, items_draft())
    take(node, [without(letter, "box", "payload")])
    for part in order:
        take(node, [without(letter, part)])
    assert payloads.state(node.stores.ledger, hash_of(node, letter)) == State.PRESENT


class Trying(SeededWrapping):
    """Counts the wraps that are tried."""

    tried = 0

    def unwrap(self, wrapped: bytes, private_key: bytes, context: bytes) -> bytes | None:
        self.tried += 1
        return super().unwrap(wrapped, private_key, context)


@pytest.mark.parametrize("is_late", [False, True], ids=["with its header", "after it"])
def test_the_wraps_of_a_box_are_tried_once_however_often_it_comes(
    author: Exchange, node: Exchange, is_late: bool
) -> None:
    """It is for others, and to be passed on: its payload is wanted, and never comes."""
    elsewhere, trying = tuple(bytes([number]) * 32 for number in range(20)), Trying()
    sealed = replace(items_draft(), readers=elsewhere, carriage=SEALED_RELAY)
    (letter,) = said(author, sealed)
    node.author = replace(node.author, reader=replace(node.reader, wrapping=trying))
    if is_late:
        take(node, [without(letter, "box", "payload")])
    for _ in range(3):
        take(node, [without(letter, "payload")])
    assert payloads.state(node.stores.ledger, hash_of(node, letter)) == State.MISSING
    assert trying.tried == len(boxes.decode(letter.box).data) // boxes.WRAP_BYTES


def test_the_last_chunk_first_is_fetched_from_the_first_that_is_missing(author: Exchange, node: Exchange) -> None:
    (letter,) = said(author, items_draft())
    hash_ = hash_of(node, letter)
    take(node, [without(letter, "payload")])
    chunks = [author.serve_chunk(hash_, number, BASE_MS) for number in range(3)]
    assert chunks[2]
    assert not node.keep_chunk(chunks[2].chunk, BASE_MS)
    ((want, _),) = node.wants(BASE_MS)
    assert want.first == 0
    for chunk in chunks[:2]:
        assert chunk
        node.keep_chunk(chunk.chunk, BASE_MS)
    assert payloads.state(node.stores.ledger, hash_) == State.PRESENT


def test_payloads_that_cannot_be_had_do_not_keep_others_from_being_wanted(
    tmp_path: Path, world: Federation, author: Exchange, node: Exchange
) -> None:
    flooded = said(author, *(items_draft(URGENT, number) for number in range(300)))
    take(node, [without(letter, "payload") for letter in flooded])
    honest = said(node_in(tmp_path / "honest", world, 2), items_draft(URGENT))
    take(node, [without(letter, "payload") for letter in honest])
    assert hash_of(node, honest[0]) in [want.hash for want, _ in node.wants(BASE_MS)]
    take(node, [without(letter, "box", "payload") for letter in said(author, items_draft(first=9))])
    assert len(node.boxless(BASE_MS)) == 1
    assert not node.wants(ENDS_MS)
    assert not node.boxless(ENDS_MS)


def test_a_date_ahead_waits_also_where_the_payload_came_by_chunks(author: Exchange, node: Exchange) -> None:
    letters = said(author, crisis_draft(20_000), now_ms=BASE_MS + 3_600_000)
    hash_ = hash_of(node, letters[0])
    take(node, [without(letters[0], "payload")])
    chunk = author.serve_chunk(hash_, 0, BASE_MS)
    assert chunk
    assert node.keep_chunk(chunk.chunk, BASE_MS)
    last = arrivals.last(node.stores.ledger, bytes(16))
    assert not [
        one
        for one in arrivals.after(node.stores.ledger, arrivals.Cursor(bytes(16)), 999).arrivals
        if one.row.hash == hash_
    ]
    assert node.mature(BASE_MS + 3_600_000)
    assert arrivals.last(node.stores.ledger, bytes(16)) != last


def test_what_has_expired_is_not_served(author: Exchange) -> None:
    letters = said(author, crisis_draft(), items_draft())
    inline, bulk = (hash_of(author, letter) for letter in letters)
    from node.v1 import peer_pb2  # noqa: PLC0415 - beside its only use

    want = peer_pb2.Want(entries=[inline])
    ((fresh,),) = author.serve(author.reader.member_id, want, BASE_MS)
    ((late,),) = author.serve(author.reader.member_id, want, ENDS_MS + DAY_MS)
    assert fresh.payload
    assert (late.header, late.box, late.payload) == (fresh.header, b"", b"")
    frame = author.serve_chunk(bulk, 0, ENDS_MS)
    assert frame
    assert frame.WhichOneof("body") == "absent"


def test_a_record_without_an_object_and_one_that_is_too_large_harm_no_listing(author: Exchange, node: Exchange) -> None:
    opinion = record_pb2.Record(
        kind=Kind.OPINION, handling=record_pb2.Handling(tlp=2), opinion=record_pb2.Opinion(note="of nothing")
    )
    take(
        node,
        said(
            author,
            crisis_draft(),
            Draft(Kind.OPINION, record=opinion.SerializeToString(), expires_ms=ENDS_MS),
            crisis_draft(size=400_000),
        ),
    )
    while node.project():
        pass
    assert len(index.of_kinds(node.stores.index, [Kind.DECLARATION])) == 1
    assert len(crises.every(node.stores, consult.view(node.trust, node.follows, BASE_MS), "", exercises=True)) == 1


def test_what_members_said_that_others_let_in_counts_after_a_restart_and_for_a_client(tmp_path: Path) -> None:
    world = federation(26)
    node, late = node_in(tmp_path / "node", world, 0), node_in(tmp_path / "late", world, 25)
    endorse = header_pb2.Endorse(member_id=b"x" * 32, role=4)
    take(node, said(late, Draft(Kind.ENDORSE, statement=endorse.SerializeToString())))
    assert ingest.load(node.stores, trusts.begin(world.charter)).facts == node.trust.facts
    letters = consult.governance(node.stores)
    found, trust, fault = verification.verify_all(letters, trusts.begin(world.charter), node.reader)
    assert fault is None
    assert (len(found), trust.facts) == (len(letters), node.trust.facts)


def test_a_place_that_was_signed_and_not_stored_is_not_signed_again(
    author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    anchor = Draft(Kind.ANCHOR, statement=header_pb2.Anchor(journal_size=1).SerializeToString())
    for _ in range(2):
        with monkeypatch.context() as broken:
            broken.setattr(ingest, "admit", full)
            with pytest.raises(OSError, match="No space"):
                author.publish([anchor], BASE_MS)
            author.stores.rollback()
    author.publish([anchor], BASE_MS)
    places = [
        verification.of_log(Letter(header=body, signature=signature), author.trust.federation_id).header.seq
        for body, signature in author.author.journal.lines()
    ]
    assert len(places) == len(set(places))
