"""What came only from one peer is set aside, and counts again; what others brought or hold counts all the time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from node.exchange import project, quarantine
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import URGENT
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.store import arrivals, driver, health, index, ledger
from node.store.arrivals import Cursor
from node.store.peers import APPROVED, BLOCKED, Peer
from node.v1 import header_pb2, peer_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.simulator.members import BASE_MS, FRAMEWORK, Federation, member

ENDS_MS = BASE_MS + 30 * 86_400_000
SOURCE, OTHER = MemberId(b"s" * 32), MemberId(b"o" * 32)
QUARANTINED = Peer(SOURCE, "", b"", BLOCKED, 1, is_quarantined=True)
RELEASED = replace(QUARANTINED, state=APPROVED, is_quarantined=False)

Letters = Sequence[header_pb2.SignedEntry]

SOMEBODY = member(9).member_id


def crisis(title: str) -> Draft:
    object_id = title.encode().ljust(16, b"-")
    said = record_pb2.Crisis(framework=FRAMEWORK, title=title, ends_ms=ENDS_MS)
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.DECLARATION, object_id=object_id, crisis=said
    )
    return Draft(Kind.DECLARATION, URGENT, record=record.SerializeToString(), object_id=object_id, expires_ms=ENDS_MS)


def said(author: Exchange, *titles: str) -> Letters:
    return [author.letter(one) for one in author.publish([crisis(title) for title in titles], BASE_MS).entries]


def take(node: Exchange, letters: Letters, source: MemberId) -> None:
    node.admit(node.verify(node.unseen(letters)), BASE_MS, source)
    show(node)


def offers(node: Exchange, letters: Letters, peer: MemberId) -> None:
    hashes = [hash_of(node, letter) for letter in letters]
    node.aside.note_offers([(hash_, peer) for hash_ in hashes])
    show(node)


def hash_of(node: Exchange, letter: header_pb2.SignedEntry) -> HeaderHash:
    row = driver.row(node.stores.ledger, "SELECT hash FROM entry WHERE body = ?", (letter.header,))
    assert row is not None
    return HeaderHash(row[0])


def show(node: Exchange) -> None:
    while node.project():
        pass


def titles(node: Exchange) -> list[str]:
    found = index.of_kinds(node.stores.index, [Kind.DECLARATION])
    return sorted(record_pb2.Record.FromString(one.content).crisis.title for one in found)


def set_aside(node: Exchange, held: Mapping[FeedId, int] | None = None) -> list[HeaderHash]:
    """As the administrator's command does it."""
    hashes, _ = node.aside.set_aside(QUARANTINED, held or {}, node.own_feeds)
    quarantine.hide(node.stores, hashes)
    return hashes


def release(node: Exchange) -> list[HeaderHash]:
    hashes, _ = node.aside.release(RELEASED)
    show(node)
    return hashes


def served(node: Exchange, feed_id: FeedId) -> list[int]:
    want = peer_pb2.Want(ranges=[peer_pb2.Range(feed_id=feed_id, first=1, last=100)])
    letters = [letter for answer in node.serve(SOMEBODY, want, BASE_MS) for letter in answer]
    return [header_pb2.Header.FromString(letter.header).seq for letter in letters]


def told(node: Exchange, feed_id: FeedId) -> int:
    return next((head.seq for head in node.aside.heads() if head.feed_id == feed_id), 0)


def feed_of(author: Exchange) -> FeedId:
    return author.author.feed_id


def test_what_came_only_from_it_is_not_shown_served_or_told_and_counts_again_when_released(
    node: Exchange, author: Exchange
) -> None:
    letters = said(author, "one", "two")
    take(node, letters, SOURCE)
    assert titles(node) == ["one", "two"]
    hashes = set_aside(node)
    assert len(hashes) == 2
    assert titles(node) == []
    assert served(node, feed_of(author)) == [1]
    assert told(node, feed_of(author)) == 1
    alone = peer_pb2.Want(entries=hashes)
    assert node.serve(SOMEBODY, alone, BASE_MS) == []
    chunk = node.serve_chunk(hashes[0], 0, BASE_MS)
    assert chunk is not None
    assert chunk.HasField("absent")
    assert release(node) == hashes
    assert titles(node) == ["one", "two"]
    assert served(node, feed_of(author)) == [1, 2, 3]
    assert told(node, feed_of(author)) == 3


def test_what_another_offered_too_counts_all_the_time(node: Exchange, author: Exchange) -> None:
    letters = said(author, "one", "two")
    take(node, letters, SOURCE)
    offers(node, letters[:1], OTHER)
    set_aside(node)
    assert titles(node) == ["one"]
    assert served(node, feed_of(author)) == [1, 2]


def test_who_offers_it_again_is_not_another(node: Exchange, author: Exchange) -> None:
    letters = said(author, "one")
    take(node, letters, SOURCE)
    offers(node, letters, SOURCE)
    assert len(set_aside(node)) == 1


def test_what_another_brought_later_vouches_for_all_before_it_in_its_feed(node: Exchange, author: Exchange) -> None:
    take(node, said(author, "one"), SOURCE)
    take(node, said(author, "two"), OTHER)
    take(node, said(author, "three"), SOURCE)
    set_aside(node)
    assert titles(node) == ["one", "two"]


def test_what_others_hold_by_their_heads_is_not_set_aside(node: Exchange, author: Exchange) -> None:
    take(node, said(author, "one", "two"), SOURCE)
    set_aside(node, {feed_of(author): 2})
    assert titles(node) == ["one"]


def test_what_is_our_own_is_never_set_aside_though_a_peer_brought_it_back(node: Exchange, author: Exchange) -> None:
    said(node, "ours")
    driver.execute(node.stores.ledger, "UPDATE entry SET source = ? WHERE seq > 1", (SOURCE,))
    take(node, said(author, "one"), SOURCE)
    assert len(set_aside(node)) == 1
    assert told(node, feed_of(node)) == 2


def test_statements_and_identity_logs_are_never_set_aside(node: Exchange, author: Exchange) -> None:
    driver.execute(node.stores.ledger, "UPDATE entry SET source = ?", (SOURCE,))
    heads = node.aside.heads()
    assert set_aside(node) == []
    assert node.aside.heads() == heads


def test_when_another_brings_more_of_the_feed_what_was_set_aside_counts_again(node: Exchange, author: Exchange) -> None:
    take(node, said(author, "one"), SOURCE)
    set_aside(node)
    take(node, said(author, "two"), OTHER)
    assert titles(node) == ["one", "two"]
    assert told(node, feed_of(author)) == 3


def test_when_another_offers_what_was_set_aside_it_counts_again(node: Exchange, author: Exchange) -> None:
    letters = said(author, "one", "two")
    take(node, letters, SOURCE)
    set_aside(node)
    offers(node, letters[1:], OTHER)
    assert titles(node) == ["one", "two"]
    assert told(node, feed_of(author)) == 3


def test_after_a_start_it_is_set_aside_still_and_its_rows_in_the_index_are_hidden(
    node: Exchange, author: Exchange
) -> None:
    take(node, said(author, "one"), SOURCE)
    node.aside.set_aside(QUARANTINED, {}, node.own_feeds)  # and then the machine dies
    again = Exchange(node.stores, trusts.begin(node.trust.charter), node.author, node.erasures)
    again.start(BASE_MS)
    assert titles(again) == []
    assert told(again, feed_of(author)) == 1


def test_an_index_that_is_made_anew_leaves_it_out_and_is_not_behind_for_it(node: Exchange, author: Exchange) -> None:
    take(node, said(author, "one"), SOURCE)
    set_aside(node)
    node.rebuild()
    assert titles(node) == []
    assert health.unprojected(node.stores.ledger, project.cursor(node.stores)).count == 0
    release(node)
    assert titles(node) == ["one"]


def test_readers_that_follow_are_not_given_it_and_get_it_when_it_is_released(node: Exchange, author: Exchange) -> None:
    take(node, said(author, "one"), SOURCE)
    set_aside(node)
    start = Cursor(project.store_id(node.stores))
    before = arrivals.after(node.stores.ledger, start, 1000).arrivals
    (hash_,) = release(node)
    end = arrivals.last(node.stores.ledger, start.store_id)
    after = arrivals.after(node.stores.ledger, replace(end, urgent=end.urgent - 1), 1000).arrivals
    assert hash_ not in {one.row.hash for one in before}
    assert [one.row.hash for one in after] == [hash_]


def test_nothing_is_erased(node: Exchange, author: Exchange) -> None:
    take(node, said(author, "one"), SOURCE)
    before = ledger.entry_count(node.stores.ledger)
    set_aside(node)
    assert ledger.entry_count(node.stores.ledger) == before
    assert driver.scalar(node.stores.ledger, "SELECT count(*) FROM chunk") == 1


def test_two_nodes_that_hold_the_same_show_the_same_heads_where_one_of_them_set_its_own_aside(
    tmp_path: Path, world: Federation, author: Exchange
) -> None:
    one, other = node_in(tmp_path / "one", world, 2), node_in(tmp_path / "other", world, 3)
    take(one, said(author, "one"), SOURCE)
    set_aside(one)
    assert [head for head in one.aside.heads() if head.feed_id == feed_of(author)] == [
        head for head in other.aside.heads() if head.feed_id == feed_of(author)
    ]
