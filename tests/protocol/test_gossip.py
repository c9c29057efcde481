"""What a node can tell of how far it is behind a peer."""

from random import Random

from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol import session
from node.protocol.circle import Circle
from node.protocol.gossip import Gossip, Growth
from node.protocol.session import Self
from node.v1 import peer_pb2

ME, PEER = MemberId(b"m" * 32), MemberId(b"p" * 32)
MEMBERS = Circle(frozenset({PEER}), frozenset(), frozenset())
HELD, NEW = FeedId(b"h" * 32), FeedId(b"n" * 32)


def test_how_far_behind_a_peer_is_what_it_claimed_less_what_came_since() -> None:
    gossip = Gossip(_self(ME), [_head(HELD, 3)], {}, MEMBERS, Random(1), now=0)
    assert gossip.behind(PEER) == 0
    gossip.link_up(0, PEER, 0)
    gossip.frame(0, PEER, session.hello(_self(PEER), 0))
    rows = [peer_pb2.Row(feed_id=feed_id, seq=seq, hash=bytes(32), floor=1) for feed_id, seq in ((HELD, 5), (NEW, 4))]
    gossip.frame(0, PEER, peer_pb2.Frame(heads=peer_pb2.Heads(rows=rows, whole=True, last=True)))
    assert gossip.behind(PEER) == 2 + 4
    gossip.grown(0, Growth(heads=[_head(HELD, 7), _head(NEW, 1)]))
    assert gossip.behind(PEER) == 3
    gossip.link_down(0, PEER)
    assert gossip.behind(PEER) == 0


def _self(member_id: MemberId) -> Self:
    return Self(bytes(32), member_id, bytes(16), bytes(16), "test")


def _head(feed_id: FeedId, seq: int) -> Head:
    return Head(feed_id, seq, HeaderHash(bytes([seq]) * 32))
