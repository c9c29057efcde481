"""What a node can tell of how far it is behind a peer."""

from random import Random

from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol import session
from node.protocol.circle import Circle
from node.protocol.effects import Send, Serve
from node.protocol.gossip import FORKS_AGAIN_S, Gossip
from node.protocol.news import Growth
from node.protocol.peer import RESYNC_S
from node.protocol.session import Self
from node.v1 import header_pb2, peer_pb2

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


def test_a_peer_that_compares_heads_is_sent_the_proof_of_a_fork_that_it_does_not_know() -> None:
    gossip = ready([_head(HELD, 5)], {HELD: 3})
    row = peer_pb2.Row(feed_id=HELD, seq=5, hash=bytes(32), floor=1)
    effects = gossip.frame(0, PEER, peer_pb2.Frame(heads=peer_pb2.Heads(rows=[row], last=True)))
    assert [effect.forks for effect in effects if isinstance(effect, Serve)] == [(HELD,)]
    row.forked = 3
    effects = gossip.frame(0, PEER, peer_pb2.Frame(heads=peer_pb2.Heads(rows=[row], last=True)))
    assert not [effect for effect in effects if isinstance(effect, Serve)]


def test_a_new_link_is_told_of_open_forks_and_of_what_is_urgent_above_them() -> None:
    gossip = Gossip(_self(ME), [_head(HELD, 5), _head(NEW, 5)], {HELD: 3}, MEMBERS, Random(1), now=0)
    gossip.link_up(0, PEER, 0)
    effects = gossip.frame(0, PEER, session.hello(_self(PEER), 0))
    assert [effect.forks for effect in effects if isinstance(effect, Serve)] == [(HELD,)]


def test_a_peer_with_the_same_heads_is_told_again_of_open_forks_a_minute_later_and_not_before() -> None:
    gossip = Gossip(_self(ME), [_head(HELD, 5)], {HELD: 3}, MEMBERS, Random(1), now=0)
    gossip.link_up(0, PEER, 0)
    gossip.frame(0, PEER, session.hello(_self(PEER), 0))
    told = []
    for now in (FORKS_AGAIN_S - 1, FORKS_AGAIN_S, FORKS_AGAIN_S + 1, 2 * FORKS_AGAIN_S):
        effects = gossip.frame(now, PEER, peer_pb2.Frame(digest=peer_pb2.Digest(hash=gossip.digest)))
        told.append([effect.forks for effect in effects if isinstance(effect, Serve)])
    assert told == [[], [(HELD,)], [], [(HELD,)]]


def test_what_governs_on_branches_is_told_with_a_link_and_once_a_minute_and_to_no_want() -> None:
    gossip = Gossip(_self(ME), [_head(HELD, 5)], {HELD: 3}, MEMBERS, Random(1), now=0)
    gossip.link_up(0, PEER, 0)
    row = peer_pb2.Row(feed_id=HELD, seq=5, hash=bytes(32), floor=1)  # and knows of no fork
    said = [
        (0, session.hello(_self(PEER), 0)),
        (1, peer_pb2.Frame(want=peer_pb2.Want())),
        (2, peer_pb2.Frame(heads=peer_pb2.Heads(rows=[row], last=True))),
        (3, peer_pb2.Frame(digest=peer_pb2.Digest(hash=gossip.digest))),
        (FORKS_AGAIN_S, peer_pb2.Frame(digest=peer_pb2.Digest(hash=gossip.digest))),
        (FORKS_AGAIN_S, peer_pb2.Frame(want=peer_pb2.Want(entries=[bytes(32)]))),
    ]
    effects = [effect for now, frame in said for effect in gossip.frame(now, PEER, frame)]
    served = [effect for effect in effects if isinstance(effect, Serve)]
    assert [(one.forks, one.voices) for one in served] == [
        ((HELD,), True),
        ((), False),
        ((HELD,), False),
        ((HELD,), True),
        ((), False),
    ]


def test_a_lower_proof_of_a_place_out_of_reach_is_told_only_to_who_compares_heads() -> None:
    gossip = ready([_head(HELD, 5)], {})
    assert [bool(passed_on(gossip, seq)) for seq in (2**40, 2**39, 7, 6, 3)] == [True, False, False, True, True]
    gossip = ready([_head(HELD, 5)], {})
    passed_on(gossip, 9)
    passed_on(gossip, 8)
    row = peer_pb2.Row(feed_id=HELD, seq=5, hash=_head(HELD, 5).hash, floor=1, forked=9)
    effects = gossip.frame(0, PEER, peer_pb2.Frame(heads=peer_pb2.Heads(rows=[row], last=True)))
    assert [effect.forks for effect in effects if isinstance(effect, Serve)] == [(HELD,)]


def passed_on(gossip: Gossip, seq: int) -> list[bytes]:
    effects = gossip.grown(0, Growth(forks=[(HELD, seq, header_pb2.ForkProof())]))
    return [one.peer for one in effects if isinstance(one, Send) and one.frame.HasField("fork")]


def test_what_is_settled_shows_its_whole_head_again_and_its_sender_is_compared_with() -> None:
    gossip, other = ready([_head(HELD, 5)], {HELD: 3}), ready([_head(HELD, 5)], {})
    assert gossip.digest != other.digest
    gossip.grown(0, Growth(settled=[(HELD, 0)], source=PEER))
    assert gossip.digest == other.digest
    assert gossip.wake_at == RESYNC_S
    gossip.grown(0, Growth(heads=[Head(HELD, 0, HeaderHash(b""))]))
    assert gossip.digest == ready([], {}).digest


def test_where_branches_part_is_asked_of_whoever_showed_another_one() -> None:
    gossip = ready([_head(HELD, 300)], {})
    (effect,) = gossip.grown(0, Growth(parted=[(HELD, 300)], source=PEER))
    assert isinstance(effect, Send)
    assert [(one.first, one.last) for one in effect.frame.want.ranges] == [(44, 299)]


def test_below_a_head_that_differs_is_asked_for_as_well_for_it_may_be_held_beside() -> None:
    gossip = ready([_head(HELD, 300)], {})
    row = peer_pb2.Row(feed_id=HELD, seq=300, hash=b"o" * 32, floor=1)
    effects = gossip.frame(0, PEER, peer_pb2.Frame(heads=peer_pb2.Heads(rows=[row], last=True)))
    (want,) = [one.frame.want for one in effects if isinstance(one, Send) and one.frame.HasField("want")]
    assert list(want.entries) == [b"o" * 32]
    assert [(one.first, one.last) for one in want.ranges] == [(44, 299)]


def ready(heads: list[Head], forks: dict[FeedId, int]) -> Gossip:
    gossip = Gossip(_self(ME), heads, forks, MEMBERS, Random(1), now=0)
    gossip.link_up(0, PEER, 0)
    gossip.frame(0, PEER, session.hello(_self(PEER), 0))
    return gossip


def _self(member_id: MemberId) -> Self:
    return Self(bytes(32), member_id, bytes(16), bytes(16), "test")


def _head(feed_id: FeedId, seq: int) -> Head:
    return Head(feed_id, seq, HeaderHash(seq.to_bytes(32)))
