"""Turns: whoever has much to be fetched delays nobody but itself."""

from collections.abc import Mapping, Sequence
from random import Random

from node import limits
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Ingest, Send
from node.protocol.gossip import Gossip
from node.protocol.news import Growth
from node.protocol.ranges import Ranges
from node.protocol.session import Self, hello
from node.v1 import header_pb2, peer_pb2

FLOODER, HONEST = MemberId(b"f" * 32), MemberId(b"h" * 32)
ONE, OTHER = MemberId(b"p" * 32), MemberId(b"q" * 32)
CIRCLE = Circle(frozenset({ONE, OTHER}), frozenset(), frozenset())
MILLION = 10**6
TURN = limits.TURN_ENTRIES_MAX


def feed(author: MemberId, number: int = 0) -> FeedId:
    return FeedId(author[:28] + number.to_bytes(4))


class Fetching:
    """Ranges, and what is here by now."""

    def __init__(
        self, held: Mapping[FeedId, int], claims: Mapping[MemberId, Mapping[FeedId, int]] | None = None
    ) -> None:
        self.heads = {feed_id: head(feed_id, seq) for feed_id, seq in held.items()}
        self.claims = claims or {}
        self.ranges = Ranges(self.heads, frozenset(), self._holders, Random(1), self._author)

    def _holders(self, feed_id: FeedId) -> dict[MemberId, int]:
        return {peer: claims[feed_id] for peer, claims in self.claims.items() if feed_id in claims}

    @staticmethod
    def _author(feed_id: FeedId) -> MemberId | None:
        return next((author for author in (FLOODER, HONEST) if feed_id[:28] == author[:28]), None)

    @property
    def noted(self) -> list[FeedId]:
        return [*self.ranges._asked, *self.ranges._waiting]

    def come(self, feed_id: FeedId, seq: int) -> list[tuple[MemberId, FeedId, int, int]]:
        """The feed is held up to here now."""
        self.heads[feed_id] = head(feed_id, seq)
        return asked(self.ranges.moved(1, [self.heads[feed_id]], lambda _: True))


def head(feed_id: FeedId, seq: int) -> Head:
    return Head(feed_id, seq, HeaderHash(bytes(32)))


def asked(effects: Sequence[Effect]) -> list[tuple[MemberId, FeedId, int, int]]:
    return [
        (one.peer, FeedId(part.feed_id), part.first, part.last)
        for one in effects
        if isinstance(one, Send)
        for part in one.frame.want.ranges
    ]


def test_a_turn_is_bounded_and_the_rest_waits_behind_whoever_came_meanwhile() -> None:
    fetching = Fetching({feed(FLOODER): 1})
    assert asked(fetching.ranges.ask(0, ONE, {feed(FLOODER): MILLION})) == [(ONE, feed(FLOODER), 2, TURN + 1)]
    fill = {feed(MemberId(bytes([i]) * 32)): 5 for i in range(limits.RANGES_PER_FRAME_MAX - 1)}
    fetching.ranges.ask(0, ONE, fill)
    assert not fetching.ranges.ask(0, ONE, {feed(HONEST): 5})  # that peer has enough to do
    assert fetching.come(feed(FLOODER), TURN + 1) == [(ONE, feed(HONEST), 1, 5)]
    assert fetching.come(feed(HONEST), 5) == [(ONE, feed(FLOODER), TURN + 2, 2 * TURN + 1)]


def test_many_feeds_of_one_author_have_one_turn_together() -> None:
    feeds = {feed(FLOODER, number): MILLION for number in range(1000)}
    fetching = Fetching(dict.fromkeys([*feeds, feed(HONEST)], 1))
    first = asked(fetching.ranges.ask(0, ONE, feeds))
    assert len(first) == 1
    assert not asked(fetching.ranges.ask(0, OTHER, dict.fromkeys(feeds, 2 * MILLION)))
    assert len(fetching.noted) == limits.FEEDS_PER_AUTHOR_MAX
    assert asked(fetching.ranges.ask(0, ONE, {feed(HONEST): 3})) == [(ONE, feed(HONEST), 2, 3)]


def test_of_one_listing_every_author_has_a_turn_before_any_has_a_second_feed_noted() -> None:
    feeds = {feed(FLOODER, number): MILLION for number in range(1000)}
    fetching = Fetching(dict.fromkeys([*feeds, feed(HONEST)], 1))
    first = asked(fetching.ranges.ask(0, ONE, {**feeds, feed(HONEST): 3}))
    assert {feed_id[:28] for _, feed_id, *_ in first} == {FLOODER[:28], HONEST[:28]}


def test_pushes_above_a_gap_ask_for_it_once() -> None:
    fetching = Fetching({feed(FLOODER): 1})
    assert len(asked(fetching.ranges.ask(0, ONE, {feed(FLOODER): 500}))) == 1
    for seq in range(501, 600):
        for peer in (ONE, OTHER):
            assert not fetching.ranges.ask(0, peer, {feed(FLOODER): seq})
    assert fetching.come(feed(FLOODER), TURN + 1) == [(ONE, feed(FLOODER), TURN + 2, 2 * TURN + 1)]
    assert fetching.come(feed(FLOODER), 2 * TURN + 1) == [(ONE, feed(FLOODER), 2 * TURN + 2, 599)]


def test_what_came_meanwhile_is_not_asked_for() -> None:
    fetching = Fetching({feed(FLOODER, 0): 1, feed(FLOODER, 1): 1})
    fetching.ranges.ask(0, ONE, {feed(FLOODER, 0): 9, feed(FLOODER, 1): 9})
    fetching.heads[feed(FLOODER, 1)] = head(feed(FLOODER, 1), 9)
    assert fetching.come(feed(FLOODER, 0), 9) == []
    assert fetching.ranges.wake_at == float("inf")


def test_a_claim_that_nothing_follows_goes_to_another_as_far_as_that_one_claims() -> None:
    fetching = Fetching({feed(HONEST): 1}, {ONE: {feed(HONEST): MILLION}, OTHER: {feed(HONEST): 7}})
    fetching.ranges.ask(0, ONE, {feed(HONEST): MILLION})
    assert asked(fetching.ranges.wakeup(limits.STALL_S)) == [(OTHER, feed(HONEST), 2, 7)]
    assert fetching.come(feed(HONEST), 7) == []


def test_what_one_peer_claims_is_not_asked_of_another() -> None:
    fetching = Fetching({feed(HONEST): 1})
    fetching.ranges.ask(0, ONE, {feed(HONEST): 7})
    fetching.ranges.ask(0, OTHER, {feed(HONEST): MILLION})
    assert fetching.come(feed(HONEST), 7) == []


def test_what_waits_for_a_peer_that_left_is_asked_of_others() -> None:
    waiting = feed(FLOODER, 1)
    fetching = Fetching({feed(FLOODER): 1, waiting: 1}, {OTHER: {feed(FLOODER): 9, waiting: 9}})
    fetching.ranges.ask(0, ONE, {feed(FLOODER): 9, waiting: 9})
    assert asked(fetching.ranges.leave(1, ONE)) == [(OTHER, feed(FLOODER), 2, 9)]
    assert fetching.come(feed(FLOODER), 9) == [(OTHER, waiting, 2, 9)]


def test_a_peer_s_claims_are_bounded_and_keep_no_other_peer_s_out() -> None:
    fetching = Fetching({})
    invented = {FeedId(number.to_bytes(32)): 9 for number in range(1, 5000)}
    fetching.ranges.ask(0, ONE, invented)
    assert len(fetching.noted) == limits.RANGES_PER_PEER_MAX
    assert asked(fetching.ranges.ask(0, OTHER, {feed(HONEST): 3})) == [(OTHER, feed(HONEST), 1, 3)]


# ---- What counts as asked for


def talking(*peers: MemberId) -> Gossip:
    gossip = Gossip(_self(HONEST), [head(feed(FLOODER), 1)], {}, CIRCLE, Random(1), now=0, authors=Fetching._author)
    for peer in peers:
        gossip.link_up(0, peer, 0)
        gossip.frame(0, peer, hello(_self(peer), 0))
    return gossip


def _self(member_id: MemberId) -> Self:
    return Self(bytes(32), member_id, bytes(16), bytes(16), "test")


def pushed(gossip: Gossip, peer: MemberId) -> Ingest:
    frame = peer_pb2.Frame(entries=peer_pb2.Entries(entries=[header_pb2.SignedEntry(header=b"x")], lane=2))
    (effect,) = gossip.frame(0, peer, frame)
    assert isinstance(effect, Ingest)
    return effect


def test_only_the_peer_that_was_asked_sends_what_was_asked_for_and_no_more_than_a_turn() -> None:
    gossip = talking(ONE, OTHER)
    rows = [peer_pb2.Row(feed_id=feed(FLOODER), seq=MILLION, hash=bytes(32), floor=1)]
    gossip.frame(0, ONE, peer_pb2.Frame(heads=peer_pb2.Heads(rows=rows, whole=True, last=True)))
    assert pushed(gossip, ONE).asked.ranges == {feed(FLOODER): TURN + 1}
    assert pushed(gossip, OTHER).asked.ranges == {}


def test_whoever_pushed_what_is_beyond_a_quota_is_compared_with_soon_and_once() -> None:
    gossip = talking(ONE, OTHER)
    for _ in range(100):
        assert gossip.grown(1, Growth(ignored=True, source=ONE)) == []
    said = [one for one in gossip.wakeup(1.3) if isinstance(one, Send) and one.frame.HasField("digest")]
    assert [one.peer for one in said] == [ONE]
