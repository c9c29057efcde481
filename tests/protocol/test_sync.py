from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash
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
