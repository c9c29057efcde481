"""Outsiders, who are candidates or no longer members, hear identity logs only; of candidates only theirs is taken."""

from random import Random

import pytest

from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.pae import FederationId
from node.protocol import session, sync
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Keep, Pages, Send, Serve
from node.protocol.fetch import Fetch, Wanted
from node.protocol.gossip import Gossip
from node.protocol.news import Fresh, Growth
from node.protocol.session import Self
from node.protocol.sync import View
from node.v1 import header_pb2, peer_pb2

ME, MEMBER, OUTSIDER, OTHER = (MemberId(bytes([i]) * 32) for i in range(1, 5))
LOGS = frozenset(FeedId(bytes(one)) for one in (ME, MEMBER, OUTSIDER, OTHER))
LOG, FEED = FeedId(bytes(ME)), FeedId(b"f" * 32)
PAYLOAD = HeaderHash(b"p" * 32)
EVERYONE = Circle(frozenset({ME, MEMBER, OUTSIDER}), frozenset(), LOGS)
WITHOUT = Circle(frozenset({ME, MEMBER}), frozenset(), LOGS)  # OUTSIDER was revoked
PENDING = Circle(frozenset({ME, MEMBER}), frozenset({OUTSIDER}), LOGS)  # OUTSIDER is a candidate
HELD = [Head(LOG, 2, HeaderHash(b"l" * 32)), Head(FEED, 5, HeaderHash(b"h" * 32))]


def myself(member_id: MemberId) -> Self:
    return Self(FederationId(bytes(32)), member_id, bytes(16), bytes(16), "test")


def linked(circle: Circle) -> Gossip:
    made = Gossip(myself(ME), HELD, {}, circle, Random(1), now=0)
    for peer in (MEMBER, OUTSIDER):
        made.link_up(0, peer, 0)
        made.frame(0, peer, session.hello(myself(peer), 0))
    return made


def fetching(circle: Circle) -> Fetch:
    made = Fetch(myself(ME), Random(1), circle)
    for peer in (MEMBER, OUTSIDER):
        made.link_up(0, peer, 0)
        made.frame(0, peer, session.hello(myself(peer), 0))
    return made


def said_to(effects: list[Effect], peer: MemberId, body: str) -> list[peer_pb2.Frame]:
    frames = [effect.frame for effect in effects if isinstance(effect, Send) and effect.peer == peer]
    return [frame for frame in frames if frame.WhichOneof("body") == body]


def listed(effects: list[Effect], peer: MemberId) -> list[bytes]:
    listings = [one.want for one in effects if isinstance(one, Serve) and one.peer == peer]
    pages = [frame for one in listings if isinstance(one, Pages) for frame in one.frames]
    return [row.feed_id for frame in pages for row in frame.heads.rows]


def claim(*feeds: bytes) -> peer_pb2.Frame:
    rows = [peer_pb2.Row(feed_id=feed, seq=9, hash=bytes(32), floor=1) for feed in feeds]
    return peer_pb2.Frame(heads=peer_pb2.Heads(rows=rows, whole=True, last=True))


def wanted(effects: list[Effect], peer: MemberId) -> list[bytes]:
    return [one.feed_id for frame in said_to(effects, peer, "want") for one in frame.want.ranges]


DIFFERENT = peer_pb2.Frame(digest=peer_pb2.Digest(hash=b"x" * 32))


@pytest.mark.parametrize("circle", [WITHOUT, PENDING])
def test_an_outsider_is_listed_identity_logs_only(circle: Circle) -> None:
    gossip = linked(circle)
    assert listed(gossip.frame(0, MEMBER, DIFFERENT), MEMBER) == sorted([LOG, FEED])
    assert listed(gossip.frame(0, OUTSIDER, DIFFERENT), OUTSIDER) == [LOG]
    assert listed(gossip.frame(0, OUTSIDER, claim()), OUTSIDER) == [LOG]


def test_an_outsider_that_holds_all_identity_logs_is_in_step() -> None:
    gossip = linked(WITHOUT)
    logs = sync.digest(View({LOG: HELD[0]}, {}), FederationId(bytes(32)))
    gossip.frame(0, OUTSIDER, peer_pb2.Frame(digest=peer_pb2.Digest(hash=logs, answer=True)))
    assert gossip.in_step() == [OUTSIDER]


def test_what_is_new_and_what_proves_a_fork_is_told_to_an_outsider_of_identity_logs_only() -> None:
    gossip = linked(WITHOUT)
    fresh = [Fresh(HeaderHash(bytes(feed)), feed, 1, header_pb2.SignedEntry(header=feed)) for feed in (LOG, FEED)]
    proofs = [(feed, 1, header_pb2.ForkProof()) for feed in (LOG, FEED)]
    effects = gossip.grown(0, Growth(fresh=fresh, forks=proofs))
    told = [one.header for frame in said_to(effects, OUTSIDER, "entries") for one in frame.entries.entries]
    assert told == [LOG]
    assert len(said_to(effects, OUTSIDER, "fork")) == 1
    assert len(said_to(effects, MEMBER, "fork")) == 2


def test_a_candidate_is_asked_for_its_own_log_and_nothing_else() -> None:
    heads = claim(OUTSIDER, OTHER, b"n" * 32)
    assert wanted(linked(PENDING).frame(0, OUTSIDER, heads), OUTSIDER) == [bytes(OUTSIDER)]
    # Of who is no longer a member all that is known is taken: it may have to withdraw its own.
    assert len(wanted(linked(WITHOUT).frame(0, OUTSIDER, heads), OUTSIDER)) == 3


def test_a_link_changes_with_the_roster_and_compares_heads_anew() -> None:
    gossip = linked(PENDING)
    effects = gossip.seat(EVERYONE)
    assert len(said_to(effects, OUTSIDER, "digest")) == 1
    assert not said_to(effects, MEMBER, "digest")
    assert listed(gossip.frame(0, OUTSIDER, DIFFERENT), OUTSIDER) == sorted([LOG, FEED])
    assert said_to(gossip.seat(WITHOUT), OUTSIDER, "digest")
    assert listed(gossip.frame(0, OUTSIDER, DIFFERENT), OUTSIDER) == [LOG]


def test_who_is_no_member_tells_identity_logs_only_and_asks_once_for_what_it_cannot_take_in() -> None:
    gossip = linked(Circle(frozenset(), frozenset({ME}), LOGS))
    assert listed(gossip.frame(0, MEMBER, DIFFERENT), MEMBER) == [LOG]
    heads = claim(b"a" * 32, b"b" * 32)
    assert len(wanted(gossip.frame(0, MEMBER, heads), MEMBER)) == 2
    gossip.grown(0, Growth(unknown=[FeedId(b"a" * 32), FeedId(b"b" * 32)], source=MEMBER))
    assert wanted(gossip.frame(0, MEMBER, heads), MEMBER) == []
    gossip.seat(WITHOUT)  # now there is more that certifies
    assert len(wanted(gossip.frame(0, MEMBER, heads), MEMBER)) == 2


def test_what_who_is_no_member_could_not_take_in_is_asked_for_again_when_an_identity_log_has_come() -> None:
    gossip = linked(Circle(frozenset(), frozenset({ME}), LOGS))
    heads = claim(b"a" * 32)
    assert len(wanted(gossip.frame(0, MEMBER, heads), MEMBER)) == 1
    gossip.grown(0, Growth(unknown=[FeedId(b"a" * 32)], source=MEMBER))
    gossip.grown(0, Growth(heads=[Head(FEED, 5, HeaderHash(bytes(32)))], source=MEMBER))  # that certifies nothing
    assert wanted(gossip.frame(0, MEMBER, heads), MEMBER) == []
    gossip.grown(0, Growth(heads=[Head(LOG, 2, HeaderHash(bytes(32)))], source=MEMBER))
    assert said_to(gossip.wakeup(gossip.wake_at), MEMBER, "digest")
    assert len(wanted(gossip.frame(1, MEMBER, heads), MEMBER)) == 1


def test_an_outsider_gets_no_payload_is_asked_for_none_and_hears_of_none() -> None:
    fetch = fetching(WITHOUT)
    want = peer_pb2.Frame(want_payload=peer_pb2.WantPayload(entry=PAYLOAD))
    assert said_to(fetch.frame(0, OUTSIDER, want), OUTSIDER, "absent")
    ask = peer_pb2.Frame(have=peer_pb2.Have(entries=[PAYLOAD], ask=True))
    assert fetch.frame(0, OUTSIDER, ask) == []
    assert any(isinstance(effect, Keep) for effect in fetch.frame(0, MEMBER, ask))
    effects = fetch.wanted(0, [Wanted(PAYLOAD, 1, 0, OUTSIDER)]) + fetch.wakeup(2)
    assert {effect.peer for effect in effects if isinstance(effect, Send)} == {MEMBER}
    assert not said_to(fetch.unconfirmed(0, [PAYLOAD]), OUTSIDER, "have")


def test_what_an_outsider_was_being_sent_and_asked_for_ends_with_its_seat() -> None:
    fetch = fetching(EVERYONE)
    want = peer_pb2.Frame(want_payload=peer_pb2.WantPayload(entry=PAYLOAD))
    assert fetch.frame(0, OUTSIDER, want)
    assert said_to(fetch.wanted(0, [Wanted(PAYLOAD, 1, 0, OUTSIDER)]), OUTSIDER, "want_payload")
    effects = fetch.seat(1, WITHOUT) + fetch.wakeup(2)
    assert said_to(effects, MEMBER, "want_payload")
    acknowledged = peer_pb2.Frame(chunk_ack=peer_pb2.ChunkAck(entry=PAYLOAD))
    assert fetch.frame(2, OUTSIDER, acknowledged) == []


def test_who_is_no_member_any_more_wakes_nobody_and_who_becomes_one_is_asked_who_has_what_is_ours() -> None:
    fetch = fetching(EVERYONE)
    fetch.unconfirmed(0, [PAYLOAD])
    fetch.seat(0, WITHOUT)
    now = 0.0
    for _ in range(4):
        assert fetch.wake_at > now
        now = fetch.wake_at
        assert not said_to(fetch.wakeup(now), OUTSIDER, "have")
    effects = fetch.seat(now, EVERYONE)
    assert said_to(effects, OUTSIDER, "have")
    assert not said_to(effects, MEMBER, "have")
