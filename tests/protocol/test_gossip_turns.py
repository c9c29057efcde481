"""Whom gossip asks for what is missing, and how one link takes over from another."""

from collections.abc import Iterable, Sequence
from random import Random

import pytest

from node import limits
from node.errors import Malformed
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol import session
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Hangup, Ingest, Send
from node.protocol.gossip import Gossip
from node.protocol.news import Fresh, Growth
from node.protocol.session import Self
from node.v1 import header_pb2, peer_pb2

ME = MemberId(b"m" * 32)
PEERS = [MemberId(bytes([i]) * 32) for i in range(6)]
FEEDS = [FeedId(b"f" + bytes([i]) * 31) for i in range(6)]


def myself(member_id: MemberId) -> Self:
    return Self(bytes(32), member_id, bytes(16), bytes(16), "test")


def circle(peers: Iterable[MemberId]) -> Circle:
    return Circle(frozenset(peers), frozenset(), frozenset())


def linked(*peers: MemberId, heads: Sequence[Head] = ()) -> Gossip:
    gossip = Gossip(myself(ME), heads, {}, circle(peers), Random(1), now=0)
    for peer in peers:
        gossip.link_up(0, peer, 0)
        gossip.frame(0, peer, session.hello(myself(peer), 0))
    return gossip


def lists(gossip: Gossip, peer: MemberId, feed_id: FeedId, seq: int = 3, now: float = 0) -> list[Effect]:
    row = peer_pb2.Row(feed_id=feed_id, seq=seq, hash=bytes(32), floor=1)
    return gossip.frame(now, peer, peer_pb2.Frame(heads=peer_pb2.Heads(rows=[row], whole=True, last=True)))


def asked(effects: Sequence[Effect]) -> list[tuple[MemberId, bytes]]:
    return [(sent.peer, one.feed_id) for sent in effects if isinstance(sent, Send) for one in sent.frame.want.ranges]


def head(feed_id: FeedId, seq: int = 3) -> Head:
    return Head(feed_id, seq, HeaderHash(bytes([seq]) * 32))


def test_four_peers_are_asked_at_a_time_and_the_next_when_one_is_through() -> None:
    gossip = linked(*PEERS)
    first = [asked(lists(gossip, peer, feed_id)) for peer, feed_id in zip(PEERS, FEEDS, strict=True)]
    assert first == [[(peer, feed_id)] for peer, feed_id in zip(PEERS[:4], FEEDS[:4], strict=True)] + [[], []]
    through = gossip.grown(1, Growth(heads=[head(FEEDS[1])], source=PEERS[1]))
    assert asked(through) == [(PEERS[4], FEEDS[4])]


def test_what_came_meanwhile_is_not_asked_of_those_who_waited() -> None:
    gossip = linked(*PEERS)
    for peer, feed_id in zip(PEERS, FEEDS, strict=True):
        lists(gossip, peer, feed_id)
    gossip.grown(1, Growth(heads=[head(FEEDS[4])], source=PEERS[0]))
    through = gossip.grown(1, Growth(heads=[head(FEEDS[0])], source=PEERS[0]))
    assert asked(through) == [(PEERS[5], FEEDS[5])]


def test_who_never_answers_makes_room_for_those_who_wait() -> None:
    gossip = linked(*PEERS)
    for peer, feed_id in zip(PEERS, FEEDS, strict=True):
        lists(gossip, peer, feed_id)
    assert set(asked(gossip.wakeup(limits.STALL_S))) >= {(PEERS[4], FEEDS[4]), (PEERS[5], FEEDS[5])}
    assert not gossip._waiting


def test_who_leaves_makes_room_and_does_not_wait_any_more() -> None:
    gossip = linked(*PEERS)
    for peer, feed_id in zip(PEERS, FEEDS, strict=True):
        lists(gossip, peer, feed_id)
    gossip.link_down(1, PEERS[4])
    assert asked(gossip.link_down(1, PEERS[0])) == [(PEERS[5], FEEDS[5])]


def test_a_gap_has_its_own_feed_looked_at_and_not_all_that_the_peer_has_claimed() -> None:
    (peer,) = PEERS[:1]
    looked_at: list[FeedId] = []
    gossip = Gossip(myself(ME), [], {}, circle([peer]), Random(1), now=0, authors=looked_at.append)
    gossip.link_up(0, peer, 0)
    gossip.frame(0, peer, session.hello(myself(peer), 0))
    invented(gossip, peer, 5000)
    for _ in range(3):
        looked_at.clear()
        gossip.grown(1, Growth(gaps=[(FEEDS[0], 9, HeaderHash(b"h" * 32))], source=peer))
        assert len(looked_at) <= 4 * limits.RANGES_PER_PEER_MAX


def test_of_more_rows_than_are_kept_in_mind_those_of_feeds_that_are_held_are() -> None:
    (peer,) = PEERS[:1]
    gossip = linked(peer, heads=[head(FEEDS[0])])
    invented(gossip, peer, 2 * limits.CLAIMS_PER_PEER_MAX, but=[peer_pb2.Row(feed_id=FEEDS[0], seq=4, floor=1)])
    assert len(gossip._peers[peer].claims) == limits.CLAIMS_PER_PEER_MAX
    assert gossip._peers[peer].claims[FEEDS[0]] == 4


def invented(gossip: Gossip, peer: MemberId, count: int, but: Sequence[peer_pb2.Row] = ()) -> None:
    """A listing of feeds that there are not, before any that there are."""
    rows = [peer_pb2.Row(feed_id=number.to_bytes(32), seq=9, hash=bytes(32), floor=1) for number in range(count)]
    rows += but
    size = limits.HEAD_ROWS_PER_FRAME_MAX
    for start in range(0, len(rows), size):
        part, last = rows[start : start + size], start + size >= len(rows)
        gossip.frame(0, peer, peer_pb2.Frame(heads=peer_pb2.Heads(rows=part, whole=True, last=last)))


# ---- Taking over


def entries() -> peer_pb2.Frame:
    return peer_pb2.Frame(entries=peer_pb2.Entries(entries=[header_pb2.SignedEntry(header=b"h")], lane=0))


def test_a_link_that_takes_over_is_sent_what_is_new_at_once_behind_our_hello() -> None:
    (peer,) = PEERS[:1]
    gossip = linked(peer)
    (hello,) = gossip.link_up(1, peer, 0)
    assert isinstance(hello, Send)
    assert hello.frame.HasField("hello")
    assert gossip.ready() == [peer]
    fresh = Fresh(HeaderHash(b"e" * 32), FEEDS[0], 0, header_pb2.SignedEntry(header=b"e"))
    (sent,) = gossip.grown(1, Growth(fresh=[fresh]))
    assert isinstance(sent, Send)
    assert sent.peer == peer


def test_a_link_that_takes_over_begins_with_hello_as_any_other() -> None:
    (peer,) = PEERS[:1]
    gossip = linked(peer)
    gossip.link_up(1, peer, 0)
    (refused,) = gossip.frame(1, peer, entries())
    assert isinstance(refused, Hangup)
    assert refused.rule == "frame-place"


def test_over_a_link_that_was_replaced_entries_still_count_and_nothing_else_does() -> None:
    (peer,) = PEERS[:1]
    gossip = linked(peer)
    gossip.link_up(1, peer, 0)
    assert isinstance(gossip.frame(1, peer, entries(), replaced=True)[0], Ingest)
    for frame in (
        peer_pb2.Frame(bye=peer_pb2.Bye(reason="x")),
        peer_pb2.Frame(want=peer_pb2.Want(entries=[b"w" * 32])),
    ):
        assert gossip.frame(1, peer, frame, replaced=True) == []


def test_what_was_asked_over_a_link_that_was_replaced_is_asked_of_another_that_has_it() -> None:
    one, other = PEERS[:2]
    gossip = linked(one, other)
    lists(gossip, one, FEEDS[0])
    lists(gossip, other, FEEDS[0])
    assert asked(gossip.link_up(1, one, 0)) == [(other, FEEDS[0])]


# ---- Who holds what


def test_how_far_a_peer_holds_a_feed_is_what_it_listed_or_all_where_it_holds_the_same() -> None:
    one, other, third = PEERS[:3]
    gossip = linked(one, other, third, heads=[head(FEEDS[0], 5), head(FEEDS[1], 2)])
    lists(gossip, one, FEEDS[0], seq=4)
    gossip.frame(0, other, peer_pb2.Frame(digest=peer_pb2.Digest(hash=gossip.digest, answer=True)))
    assert [gossip.held_by(one, feed_id) for feed_id in FEEDS[:3]] == [4, 0, 0]
    assert [gossip.held_by(other, feed_id) for feed_id in FEEDS[:3]] == [5, 2, 0]
    assert gossip.held_by(third, FEEDS[0]) == 0


def test_a_feed_that_was_set_aside_as_a_whole_is_not_told_any_more() -> None:
    gossip = linked(heads=[head(FEEDS[0], 5)])
    empty = Gossip(myself(ME), [], {}, circle(()), Random(1), now=0).digest
    gossip.grown(0, Growth(heads=[Head(FEEDS[0], 0, HeaderHash(b""))]))
    assert gossip.digest == empty


# ---- Faults


@pytest.mark.parametrize("rule", ["frame-place", "frame-size"])
def test_a_frame_that_no_conforming_peer_sends_is_its_fault_by_the_rule_it_breaks(rule: str) -> None:
    gossip = linked(PEERS[0])
    too_many = peer_pb2.Frame(want=peer_pb2.Want(entries=[bytes(32)] * (limits.RANGES_PER_FRAME_MAX + 1)))
    misplaced = session.hello(myself(PEERS[0]), 0)
    (found,) = gossip.frame(0, PEERS[0], misplaced if rule == "frame-place" else too_many)
    assert isinstance(found, Hangup)
    assert found.rule == rule
    assert Malformed(rule, "").rule == rule
