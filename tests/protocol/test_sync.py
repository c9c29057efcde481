from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash
from node.feed.pae import FederationId
from node.protocol import sync
from node.protocol.sync import View
from node.v1 import peer_pb2

FEED = FeedId(b"f" * 32)


def view(seq: int, fork: int = 0) -> View:
    return View({FEED: Head(FEED, seq, HeaderHash(b"h" * 32))}, {FEED: fork} if fork else {})


def row(seq: int) -> peer_pb2.Row:
    return peer_pb2.Row(feed_id=FEED, seq=seq, hash=b"h" * 32, floor=1)


def test_what_a_peer_has_more_of_is_missing_here() -> None:
    assert sync.missing(view(3), [row(9)]) == {FEED: 9}
    assert sync.missing(view(9), [row(9)]) == {}
    assert sync.missing(View({}, {}), [row(2)]) == {FEED: 2}


def test_of_a_forked_feed_what_stands_below_the_fork_is_fetched_and_nothing_above() -> None:
    assert sync.missing(view(3, fork=10), [row(9)]) == {FEED: 9}
    assert sync.missing(view(3, fork=10), [row(12)]) == {FEED: 9}
    assert sync.missing(view(9, fork=10), [row(12)]) == {}
    assert sync.missing(view(12, fork=10), [row(12)]) == {}


def test_who_knows_of_a_lower_fork_is_the_one_that_sends_the_proof() -> None:
    said = peer_pb2.Row(feed_id=FEED, seq=9, floor=1, forked=10)
    assert sync.unproven(view(12), [FEED], [said]) == []
    assert sync.unproven(view(12, fork=10), [FEED], [said]) == []
    assert sync.unproven(view(12, fork=11), [FEED], [said]) == []
    assert sync.unproven(view(12, fork=4), [FEED], [said]) == [FEED]
    assert sync.unproven(view(12, fork=4), [FEED], [row(12)]) == [FEED]
    assert sync.unproven(view(12, fork=4), [], [said]) == []


def test_whoever_holds_a_feed_right_up_to_its_fork_has_the_same_row_as_who_holds_more() -> None:
    assert sync.row(view(9, fork=10), FEED) == sync.row(view(12, fork=10), FEED)
    assert sync.row(view(8, fork=10), FEED) != sync.row(view(12, fork=10), FEED)


def test_a_row_with_another_fork_is_answered_whoever_has_more() -> None:
    for held in (view(5), view(30), view(30, fork=12)):
        assert list(sync.ahead(held, [FEED], [peer_pb2.Row(feed_id=FEED, seq=6, floor=1, forked=7)])) == [FEED]
    assert sync.ahead(view(5), [FEED], [row(5)]) == {}
    assert sync.ahead(view(5), [FEED], []) == {FEED: 5}, "it does not list it"
    assert sync.ahead(View({}, {}), [FEED], []) == {}, "what is held no more"


def test_a_feed_that_forked_at_its_opening_has_the_same_row_where_nothing_of_it_is_held() -> None:
    """Nobody fetches what stands above a fork, so a newcomer never holds any of it, and must agree all the same."""
    newcomer = View({}, {FEED: 1})
    assert sync.shown_feeds(newcomer) == sync.shown_feeds(view(5, fork=1))
    assert sync.row(newcomer, FEED) == sync.row(view(5, fork=1), FEED)
    assert sync.digest(newcomer, FederationId(bytes(32))) == sync.digest(view(5, fork=1), FederationId(bytes(32)))
    assert sync.unproven(view(5, fork=1), [FEED], []) == [FEED], "who lists all and passes it over knows of no fork"
    assert sync.unproven(view(5, fork=2), [FEED], []) == []


def test_another_head_at_our_height_is_asked_for_by_its_hash() -> None:
    other = peer_pb2.Row(feed_id=FEED, seq=9, hash=b"o" * 32, floor=1)
    assert [one.hash for one in sync.differing(view(9), [other])] == [b"o" * 32]
    assert sync.differing(view(9), [row(9)]) == []
    assert sync.differing(view(8), [other]) == []  # it comes in by its range
    assert sync.differing(view(9, fork=4), [other]) == []  # proven already
