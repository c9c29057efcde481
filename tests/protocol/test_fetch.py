"""Who has what is ours: asked at once, at every new link, and then later and later."""

from itertools import pairwise
from random import Random

from node.feed.keys import HeaderHash, MemberId
from node.feed.pae import FederationId
from node.protocol import fetch, session
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Hangup, Keep, Send
from node.protocol.fetch import Fetch, Wanted
from node.protocol.session import Self
from node.v1 import peer_pb2

ME, PEER, OTHER = (MemberId(bytes([i]) * 32) for i in range(1, 4))
FIRST, SECOND = (HeaderHash(bytes([i]) * 32) for i in (8, 9))


def myself(member_id: MemberId) -> Self:
    return Self(FederationId(bytes(32)), member_id, bytes(16), bytes(16), "test")


def linked(*peers: MemberId) -> Fetch:
    made = Fetch(myself(ME), Random(1), Circle(frozenset({PEER, OTHER}), frozenset(), frozenset()))
    for peer in peers:
        made.link_up(0.0, peer, 0)
        made.frame(0.0, peer, session.hello(myself(peer), 0))
    return made


def asked(effects: list[Effect]) -> list[tuple[MemberId, list[bytes]]]:
    return [
        (effect.peer, list(effect.frame.have.entries))
        for effect in effects
        if isinstance(effect, Send) and effect.frame.have.ask
    ]


def test_every_peer_is_asked_once_for_what_is_new_and_a_new_one_for_all() -> None:
    machine = linked(PEER)
    assert asked(machine.unconfirmed(0.0, [FIRST])) == [(PEER, [FIRST])]
    assert asked(machine.unconfirmed(0.0, [FIRST, SECOND])) == [(PEER, [SECOND])]
    machine.link_up(0.0, OTHER, 0)
    assert asked(machine.frame(0.0, OTHER, session.hello(myself(OTHER), 0))) == [(OTHER, [FIRST, SECOND])]


def test_nobody_is_asked_for_ever_at_the_same_pace() -> None:
    machine, times = linked(PEER), []
    machine.unconfirmed(0.0, [FIRST])
    while (now := machine.wake_at) < 20_000:
        assert asked(machine.wakeup(now)) == [(PEER, [FIRST])]
        times.append(now)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[0] == 2 * fetch.ASK_AGAIN_S
    assert pauses[-1] == fetch.ASK_AGAIN_S_MAX
    assert pauses == sorted(pauses)


def test_a_peer_that_comes_back_is_asked_again_soon_however_rarely_the_others_are_asked_by_then() -> None:
    machine, now = linked(PEER, OTHER), 0.0
    machine.unconfirmed(0.0, [FIRST])
    while now < 10_000:
        now = machine.wake_at
        machine.wakeup(now)
    machine.link_down(now, OTHER)
    machine.link_up(now, OTHER, 0)
    assert asked(machine.frame(now, OTHER, session.hello(myself(OTHER), 0))) == [(OTHER, [FIRST])]
    assert machine.wake_at == now + fetch.ASK_AGAIN_S  # its sync takes a moment
    assert asked(machine.wakeup(machine.wake_at)) == [(OTHER, [FIRST])]


def test_the_same_list_again_does_not_put_off_when_peers_are_asked_again() -> None:
    machine = linked(PEER)
    machine.unconfirmed(0.0, [FIRST])
    for tenth in range(1, 20):
        assert machine.unconfirmed(tenth / 10, [FIRST]) == []
    assert asked(machine.wakeup(fetch.ASK_AGAIN_S)) == [(PEER, [FIRST])]


def test_what_a_peer_says_it_has_of_ours_is_kept_and_not_asked_again() -> None:
    machine = linked(PEER)
    machine.unconfirmed(0.0, [FIRST, SECOND])
    said = peer_pb2.Frame(have=peer_pb2.Have(entries=[FIRST, bytes(32)]))
    (kept,) = machine.frame(1.0, PEER, said)
    assert kept == Keep(PEER, peer_pb2.Have(entries=[FIRST]))
    assert asked(machine.wakeup(machine.wake_at)) == [(PEER, [SECOND])]
    assert machine.frame(1.0, PEER, said) == []


def test_what_is_completed_is_said_to_its_author_and_what_was_fetched_for_a_peer_is_not() -> None:
    for for_peer in (False, True):
        machine = linked(PEER, OTHER)
        machine.wanted(0.0, [Wanted(FIRST, 1, 0, PEER, for_peer)])
        effects = machine.kept(0.0, PEER, peer_pb2.Chunk(entry=FIRST, number=0), complete=True)
        told = [one.peer for one in effects if isinstance(one, Send) and one.frame.HasField("have")]
        assert told == ([OTHER] if for_peer else [PEER, OTHER])


def test_a_question_is_for_the_store_and_never_longer_than_a_frame_may_be() -> None:
    machine = linked(PEER)
    many = [HeaderHash(i.to_bytes(32)) for i in range(130)]
    assert [len(entries) for _, entries in asked(machine.unconfirmed(0.0, many))] == [64, 64, 2]
    question = peer_pb2.Have(entries=[FIRST], ask=True)
    assert machine.frame(0.0, PEER, peer_pb2.Frame(have=question)) == [Keep(PEER, question)]
    (end,) = machine.frame(0.0, PEER, peer_pb2.Frame(have=peer_pb2.Have(entries=[FIRST] * 65)))
    assert isinstance(end, Hangup)
