"""Listings of heads, page by page: however long one is, nobody is hung up on for it and nothing piles up."""

from collections.abc import Iterable, Sequence
from random import Random

import pytest

from node import limits
from node.errors import Malformed
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol import session
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Hangup, Pages, Send, Serve
from node.protocol.gossip import Gossip
from node.protocol.listing import Listing
from node.protocol.news import Growth
from node.protocol.session import Self
from node.protocol.sync import View
from node.v1 import peer_pb2

ME, PEER = MemberId(b"m" * 32), MemberId(b"p" * 32)
MEMBERS = Circle(frozenset({ME, PEER}), frozenset(), frozenset())
OUTSIDE = Circle(frozenset({ME}), frozenset(), frozenset())
SIZE = limits.HEAD_ROWS_PER_FRAME_MAX
DIFFERENT = peer_pb2.Frame(digest=peer_pb2.Digest(hash=b"x" * 32))


def feed(number: int) -> FeedId:
    return FeedId(number.to_bytes(32))


def head(number: int, seq: int = 3) -> Head:
    return Head(feed(number), seq, HeaderHash(seq.to_bytes(32)))


def row(number: int, seq: int = 3, *, hash_: bytes = b"", forked: int = 0) -> peer_pb2.Row:
    return peer_pb2.Row(feed_id=feed(number), seq=seq, hash=hash_ or seq.to_bytes(32), floor=1, forked=forked)


def page(rows: Sequence[peer_pb2.Row], *, whole: bool = True, last: bool = False) -> peer_pb2.Heads:
    return peer_pb2.Heads(rows=rows, whole=whole, last=last)


def told(listing: Listing, rows: Sequence[peer_pb2.Row], size: int) -> tuple[object, ...]:
    """What a listing of these rows has said, in pages of this size, the last of which is empty."""
    for start in range(0, len(rows), size):
        listing.page(page(rows[start : start + size]))
    listing.page(page([], last=True))
    return listing.claims, listing.differing, listing.unproven, listing.ours, listing.theirs


@pytest.mark.parametrize("whole", [True, False])
def test_however_it_is_cut_into_pages_a_listing_says_the_same(whole: bool) -> None:
    held = View(
        {one.feed_id: one for one in (head(2), head(3), head(4, 9), head(6), head(8), head(99))},
        {feed(6): 2, feed(7): 1, feed(8): 2},
    )
    rows = [row(1), row(2, 5), row(3, hash_=b"o" * 32), row(4), row(6), row(8, 1, forked=2), row(90)]
    found = [told(Listing(held, held, lambda _: True, sorted, whole=whole), rows, size) for size in range(1, 9)]
    assert found == found[:1] * 8
    claims, differing, unproven, ours, theirs = found[0]
    assert claims == {feed(1): 3, feed(2): 5, feed(90): 3}
    assert differing == [Head(feed(3), 3, HeaderHash(b"o" * 32))]
    assert unproven == ([feed(6), feed(7)] if whole else [feed(6)])
    assert ours == ({feed(4): 9, feed(6): 1, feed(7): 0, feed(99): 3} if whole else {})
    assert theirs == ({feed(4): 3, feed(6): 3, feed(7): 0, feed(99): 0} if whole else {})


@pytest.mark.parametrize("pages", [[[2, 1]], [[1, 1]], [[1, 2], [2]], [[1, 5], [3]]])
def test_rows_that_do_not_rise_are_the_senders_fault(pages: Sequence[Sequence[int]]) -> None:
    listing = Listing(View({}, {}), View({}, {}), lambda _: True, sorted, whole=True)
    for numbers in pages[:-1]:
        listing.page(page([row(number) for number in numbers]))
    with pytest.raises(Malformed, match="rising"):
        listing.page(page([row(number) for number in pages[-1]]))


# ---- Between two nodes


def myself(member_id: MemberId) -> Self:
    return Self(bytes(32), member_id, bytes(16), bytes(16), "test")


def talking(me: MemberId, peer: MemberId, heads: Iterable[Head] = ()) -> Gossip:
    gossip = Gossip(myself(me), heads, {}, MEMBERS, Random(1), now=0)
    gossip.link_up(0, peer, 0)
    gossip.frame(0, peer, session.hello(myself(peer), 0))
    return gossip


def pages_of(effects: Sequence[Effect]) -> list[Pages]:
    return [one.want for one in effects if isinstance(one, Serve) and isinstance(one.want, Pages)]


def numbers(frame: peer_pb2.Frame) -> list[int]:
    return [int.from_bytes(one.feed_id) for one in frame.heads.rows]


def test_two_nodes_compare_more_feeds_than_any_outbox_holds() -> None:
    count = 150 * SIZE
    one, other = talking(ME, PEER, map(head, range(count))), talking(PEER, ME, [head(0), head(count + 9)])
    (listing,) = pages_of(one.frame(0, PEER, DIFFERENT))
    effects = [effect for frame in listing.frames for effect in other.frame(0, ME, frame)]
    assert not [one for one in effects if isinstance(one, Hangup)]
    assert [len(sent.frame.want.ranges) for sent in effects if isinstance(sent, Send)] == [limits.RANGES_PER_FRAME_MAX]
    (answer,) = pages_of(effects)
    assert [numbers(frame) for frame in answer.frames] == [[count + 9]]
    assert one.behind(PEER) == 0
    assert other.behind(ME) == 3 * limits.CLAIMS_PER_PEER_MAX


def test_a_page_has_the_rows_as_they_are_when_it_leaves() -> None:
    gossip = talking(ME, PEER, map(head, range(1, 2 * SIZE + 1)))
    (listing,) = pages_of(gossip.frame(0, PEER, DIFFERENT))
    assert numbers(next(listing.frames))[-1] == SIZE
    gone = Head(feed(SIZE + 1), 0, HeaderHash(b""))
    gossip.grown(0, Growth(heads=[head(SIZE + 2, 7), gone]))
    last = next(listing.frames)
    assert (numbers(last)[0], last.heads.rows[0].seq, last.heads.last) == (SIZE + 2, 7, True)


def test_whoever_is_no_member_any_more_is_not_listed_the_rest() -> None:
    gossip = talking(ME, PEER, map(head, range(1, 2 * SIZE + 1)))
    (listing,) = pages_of(gossip.frame(0, PEER, DIFFERENT))
    assert numbers(next(listing.frames))
    gossip.seat(OUTSIDE)
    assert [(numbers(frame), frame.heads.last) for frame in listing.frames] == [([], True)]


def test_whoever_has_not_read_a_listing_to_its_end_is_sent_no_other() -> None:
    gossip = talking(ME, PEER, map(head, range(1, 2 * SIZE + 1)))
    (listing,) = pages_of(gossip.frame(0, PEER, DIFFERENT))
    next(listing.frames)
    assert not pages_of(gossip.frame(0, PEER, DIFFERENT))
    assert pages_of(gossip.frame(0, PEER, peer_pb2.Frame(heads=page([], last=True)))), "what it lacks is another one"
    next(listing.frames)
    assert pages_of(gossip.frame(0, PEER, DIFFERENT))


def test_between_the_pages_of_what_a_peer_holds_there_may_be_such_of_what_we_lack() -> None:
    gossip = talking(ME, PEER)
    said = [page([row(5)]), page([row(1), row(2)], whole=False), page([row(6)], last=True)]
    effects = [one for heads in said for one in gossip.frame(0, PEER, peer_pb2.Frame(heads=heads))]
    assert not [one for one in effects if isinstance(one, Hangup)]
    assert gossip.behind(PEER) == 6
