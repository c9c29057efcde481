"""A peer that could have had what is here, and goes on not showing it, is said to be behind, and since when."""

import pytest

from node.protocol.gossip import Gossip
from node.protocol.lag import LATE_S
from node.v1 import peer_pb2
from tests.protocol.test_gossip_turns import FEEDS, PEERS, head, linked, lists

HELD = [head(FEEDS[0], 5), head(FEEDS[1], 2)]
ONE, OTHER = PEERS[:2]


@pytest.fixture
def gossip() -> Gossip:
    """A node whose two peers listed the first feed only, and its last entry not all of them."""
    made = linked(ONE, OTHER, heads=HELD[:1])
    lists(made, ONE, FEEDS[0], seq=4)
    lists(made, OTHER, FEEDS[0], seq=5)
    return made


def test_who_keeps_back_the_end_of_a_feed_is_behind_in_it_since_it_was_first_compared(gossip: Gossip) -> None:
    lists(gossip, ONE, FEEDS[0], seq=4, now=LATE_S - 1)
    assert gossip.lag.late(LATE_S - 1, ONE) == (0, LATE_S - 1)
    assert gossip.lag.late(LATE_S, ONE) == (1, 0)
    assert gossip.lag.late(LATE_S, OTHER) == (0, LATE_S)


def test_who_has_what_there_was_then_is_not_late_however_much_came_since(gossip: Gossip) -> None:
    gossip.lag.listed(200, ONE, {FEEDS[0]: 9}, {FEEDS[0]: 5})
    assert gossip.lag.late(LATE_S, ONE) == (0, LATE_S)
    assert gossip.lag.late(200 + LATE_S, ONE) == (1, 200)


def test_who_holds_the_same_is_not_late(gossip: Gossip) -> None:
    gossip.frame(9, ONE, peer_pb2.Frame(digest=peer_pb2.Digest(hash=gossip.digest, answer=True)))
    assert gossip.lag.late(LATE_S, ONE) == (0, LATE_S)


def test_who_hangs_up_in_between_is_late_all_the_same(gossip: Gossip) -> None:
    gossip.link_down(9, ONE)
    gossip.link_up(10, ONE, 0)
    assert gossip.lag.late(LATE_S, ONE) == (1, 0)


def test_a_feed_that_only_forked_elsewhere_is_not_held_back(gossip: Gossip) -> None:
    gossip.lag.listed(0, ONE, {FEEDS[0]: 5, FEEDS[1]: 2}, {FEEDS[0]: 5, FEEDS[1]: 1})
    assert gossip.lag.late(LATE_S, ONE) == (1, 0)
