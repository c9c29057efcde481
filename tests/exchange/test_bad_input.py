"""Bad input: each is refused or waits, in words, and nothing that was there is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node import limits
from node.errors import Malformed
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Author, Draft
from node.feed import entry, keys, merkle
from node.feed.kinds import Kind
from node.feed.pae import FederationId, Purpose
from node.store import health, ledger, stores
from node.v1 import header_pb2, peer_pb2, record_pb2
from tests.simulator.disk import MemoryErasures, MemoryJournal, Power
from tests.simulator.members import BASE_MS, Federation, Member

MINUTE_MS = 60_000


def exchange_in(folder: Path, world: Federation, member: Member) -> Exchange:
    opened = stores.open_folder(folder)
    ledger.write_meta(opened.ledger, "store_id", bytes(16))
    opened.commit("ledger")
    author = Author(
        member.feed_id(world.charter.federation_id),
        member.feed_key,
        member.reader(),
        lambda size: bytes(size - 1) + b"\x01",
        MemoryJournal(Power(), lambda _: None),
    )
    made = Exchange(opened, trusts.begin(world.charter), author, MemoryErasures(Power()))
    made.start(BASE_MS)
    made.admit(made.verify(world.letters), BASE_MS)
    return made


@pytest.fixture(name="node")
def _node(tmp_path: Path, world: Federation) -> Iterator[Exchange]:
    made = exchange_in(tmp_path, world, world.members[0])
    yield made
    made.stores.close()


def said(
    node: Exchange,
    member: Member,
    *,
    seq_after: int = 1,
    created_ms: int = BASE_MS,
    kind: int = 61,
    urgency: int = 1,
    federation_id: FederationId | None = None,
    previous: bytes = b"",
    tail: bytes = b"",
) -> header_pb2.SignedEntry:
    feed_id = member.feed_id(node.trust.federation_id)
    head = ledger.head(node.stores.ledger, feed_id)
    assert head is not None
    fields = header_pb2.Header(
        version=1,
        feed_id=feed_id,
        seq=head.seq + seq_after,
        previous=previous or (head.hash if seq_after == 1 else b"p" * 32),
        created_ms=created_ms,
        urgency=urgency,
        kind=kind,
        statement=b"s",
    )
    federation_id = federation_id or node.trust.federation_id
    made = entry.create(fields, member.feed_key, federation_id)
    if not tail:
        return header_pb2.SignedEntry(header=made.header.body, signature=made.signature)
    body = made.header.body + tail
    signature = keys.sign(member.feed_key, Purpose.HEADER, federation_id, body)
    return header_pb2.SignedEntry(header=body, signature=signature)


def test_an_entry_of_another_federation_is_the_senders_fault(node: Exchange, world: Federation) -> None:
    letter = said(node, world.members[1], federation_id=FederationId(bytes(31) + b"\x01"))
    checked = node.verify([letter])
    assert isinstance(checked.fault, Malformed)
    assert "not signed by its feed" in checked.fault.reason


def test_what_stands_before_a_bad_entry_of_a_frame_still_comes_in(node: Exchange, world: Federation) -> None:
    good, bad = said(node, world.members[1]), said(node, world.members[2])
    bad.signature = bytes(64)
    checked = node.verify([good, bad])
    assert checked.fault is not None
    assert [head.seq for head in node.admit(checked, BASE_MS).heads] == [2]


def test_a_replayed_frame_changes_nothing(node: Exchange, world: Federation) -> None:
    letter = said(node, world.members[1])
    node.admit(node.verify([letter]), BASE_MS)
    assert node.unseen([letter]) == []
    again = node.admit(node.verify([letter]), BASE_MS)
    assert not again.heads
    assert not again.entries
    assert not again.arrived


def test_an_urgent_entry_above_a_gap_is_kept_and_the_gap_is_named(node: Exchange, world: Federation) -> None:
    admitted = node.admit(node.verify([said(node, world.members[1], seq_after=3, urgency=0)]), BASE_MS)
    assert [gap.seq for gap in admitted.gaps] == [3]
    assert len(admitted.entries) == 1
    assert admitted.arrived
    slow = node.admit(node.verify([said(node, world.members[2], seq_after=3, urgency=1)]), BASE_MS)
    assert slow.gaps
    assert not slow.entries


def test_no_more_than_sixteen_entries_are_kept_above_a_gap(node: Exchange, world: Federation) -> None:
    letters = [said(node, world.members[1], seq_after=3 + i, urgency=0) for i in range(20)]
    admitted = node.admit(node.verify(letters), BASE_MS)
    assert len(admitted.entries) == limits.AHEAD_PER_FEED_MAX


def test_an_entry_dated_ahead_waits_and_one_a_day_ahead_never_arrives(node: Exchange, world: Federation) -> None:
    ahead, far = 60 * MINUTE_MS, 25 * 60 * MINUTE_MS
    one = said(node, world.members[1], created_ms=BASE_MS + ahead)
    other = said(node, world.members[2], created_ms=BASE_MS + far)
    admitted = node.admit(node.verify([one, other]), BASE_MS)
    assert len(admitted.entries) == 2
    assert not admitted.arrived
    assert not node.mature(BASE_MS + ahead - limits.FUTURE_MS_MAX - 1)
    assert node.mature(BASE_MS + ahead - limits.FUTURE_MS_MAX)
    assert not node.mature(BASE_MS + 10 * far)


def test_unknown_kinds_and_fields_are_kept_and_relayed_as_they_came(node: Exchange, world: Federation) -> None:
    unknown_field = b"\x82\x02\x03abc"  # field 32
    letter = said(node, world.members[1], kind=63, tail=unknown_field)
    node.admit(node.verify([letter]), BASE_MS)
    feed_id = world.members[1].feed_id(world.charter.federation_id)
    served = node.serve(peer_pb2.Want(ranges=[peer_pb2.Range(feed_id=feed_id, first=2, last=2)]), BASE_MS)
    assert [(one.header, one.signature) for one in served[0]] == [(letter.header, letter.signature)]


def test_a_fork_is_proven_kept_and_told_once(node: Exchange, world: Federation) -> None:
    one, other = said(node, world.members[1]), said(node, world.members[1], created_ms=BASE_MS + 1)
    node.admit(node.verify([one]), BASE_MS)
    admitted = node.admit(node.verify([other]), BASE_MS)
    assert [row.seq for row in admitted.forks] == [2]
    assert node.trust.marks.forked_at(admitted.forks[0].feed_id) == 2
    assert not node.admit(node.verify([other]), BASE_MS).forks


def test_a_wrong_payload_is_the_senders_fault_and_the_payload_stays_wanted(
    node: Exchange, world: Federation, tmp_path: Path
) -> None:
    (tmp_path / "author").mkdir()
    author = exchange_in(tmp_path / "author", world, world.members[1])
    record = record_pb2.Record(
        kind=Kind.DOCUMENT, object_id=b"o" * 16, document=record_pb2.Document(content=bytes(range(256)) * 300)
    )
    draft = Draft(Kind.DOCUMENT, record=record.SerializeToString(), object_id=b"o" * 16, expires_ms=BASE_MS + 1000)
    published = author.publish([draft], BASE_MS).entries[0]
    node.admit(node.verify([author.letter(published)]), BASE_MS)
    assert health.missing(node.stores.ledger, 0).count == 1
    frame = author.serve_chunk(published.header.hash, 0, BASE_MS)
    assert frame is not None
    wrong = peer_pb2.Chunk()
    wrong.CopyFrom(frame.chunk)
    wrong.data = bytes(len(wrong.data))
    with pytest.raises(Malformed, match="payload-root"):
        node.keep_chunk(wrong, BASE_MS)
    assert health.missing(node.stores.ledger, 0).count == 1
    assert not node.keep_chunk(frame.chunk, BASE_MS)
    rest = author.serve_chunk(published.header.hash, 1, BASE_MS)
    assert rest is not None
    assert node.keep_chunk(rest.chunk, BASE_MS)
    while node.project():
        pass
    assert author.serve_chunk(published.header.hash, 2, BASE_MS) is None
    assert node.serve_chunk(published.header.hash, 0, BASE_MS) == frame
    author.stores.close()


def test_a_checkpoint_stands_after_every_1024_entries_and_its_tree_is_right(node: Exchange) -> None:
    drafts = [Draft(61, statement=b"s") for _ in range(limits.CHECKPOINT_ENTRIES + 5)]
    node.publish(drafts, BASE_MS)
    feed_id = node.author.feed_id
    rows = ledger.span(node.stores.ledger, feed_id, 1, 2**40, 10_000)
    read = entry.decode(rows[1024].body, rows[1024].signature, node.trust.federation_id).header
    assert read.kind == Kind.CHECKPOINT
    hashes = [merkle.leaf(row.hash) for row in rows[:1024]]
    assert header_pb2.Checkpoint.FromString(read.statement).root == merkle.root(hashes)
