"""Whom a payload is asked of, and when it is asked of somebody else."""

from random import Random

from node import limits
from node.feed.keys import HeaderHash, MemberId
from node.feed.pae import FederationId
from node.protocol import fetch, session
from node.protocol.circle import Circle
from node.protocol.effects import Effect, Keep, Send
from node.protocol.fetch import Fetch, Wanted
from node.protocol.session import Self
from node.v1 import peer_pb2

ME, SLOW, QUICK, THIRD, AUTHOR = (MemberId(bytes([i]) * 32) for i in range(1, 6))
EVERYONE = Circle(frozenset({SLOW, QUICK, THIRD, AUTHOR}), frozenset(), frozenset())
WANT = HeaderHash(bytes(31) + b"w")
CHUNKS = 4


def myself(member_id: MemberId) -> Self:
    return Self(FederationId(bytes(32)), member_id, bytes(16), bytes(16), "test")


def up(machine: Fetch, *peers: MemberId, now: float = 0.0) -> list[Effect]:
    effects: list[Effect] = []
    for peer in peers:
        effects += machine.link_up(now, peer, 0)
        effects += machine.frame(now, peer, session.hello(myself(peer), 0))
    return effects


def says_have(machine: Fetch, now: float, *peers: MemberId) -> list[Effect]:
    frame = peer_pb2.Frame(have=peer_pb2.Have(entries=[WANT]))
    return [effect for peer in peers for effect in machine.frame(now, peer, frame)]


def asked(effects: list[Effect]) -> list[tuple[MemberId, int]]:
    """Who is asked for the payload, and from which chunk on."""
    return [
        (effect.peer, effect.frame.want_payload.first)
        for effect in effects
        if isinstance(effect, Send) and effect.frame.HasField("want_payload")
    ]


def chunk(number: int) -> peer_pb2.Chunk:
    return peer_pb2.Chunk(entry=WANT, number=number)


def brings(machine: Fetch, now: float, peer: MemberId, number: int) -> list[Effect]:
    """A peer sends a chunk, and it is stored where it is kept."""
    effects = machine.frame(now, peer, peer_pb2.Frame(chunk=chunk(number)))
    if effects == [Keep(peer, chunk(number))]:
        return [*effects, *machine.kept(now, peer, chunk(number), complete=number == CHUNKS - 1)]
    return effects


def of_slow() -> Fetch:
    """One want, asked of the peer that will be slow; the quick one could have it too."""
    machine = Fetch(myself(ME), Random(1), EVERYONE)
    up(machine, SLOW)
    machine.wanted(0.0, [Wanted(WANT, CHUNKS, 0, AUTHOR)])
    assert asked(says_have(machine, 0.0, SLOW)) == [(SLOW, 0)]
    up(machine, QUICK)
    says_have(machine, 0.0, QUICK)
    return machine


def test_what_takes_long_is_asked_of_a_second_peer_that_goes_on_where_the_first_is() -> None:
    machine = of_slow()
    assert brings(machine, 0.9, SLOW, 0)
    assert machine.wake_at == fetch.LATE_S
    assert asked(machine.wakeup(fetch.LATE_S)) == [(QUICK, 1)]
    for number in range(1, CHUNKS):
        effects = brings(machine, 1.1, QUICK, number)
        assert effects[0] == Keep(QUICK, chunk(number))
    assert machine.is_idle
    (late,) = brings(machine, 1.2, SLOW, 1)
    assert isinstance(late, Send)
    assert late.frame.HasField("chunk_ack")  # or its link would wait for ever


def test_of_two_that_give_the_same_each_chunk_is_kept_once_and_either_may_be_the_first() -> None:
    machine = of_slow()
    machine.wakeup(fetch.LATE_S)
    order = [(QUICK, 0), (SLOW, 0), (SLOW, 1), (QUICK, 1), (QUICK, 2), (SLOW, 2), (SLOW, 3)]
    kept = [
        (peer, number) for peer, number in order if brings(machine, 2.0, peer, number)[0] == Keep(peer, chunk(number))
    ]
    assert kept == [(QUICK, 0), (SLOW, 1), (QUICK, 2), (SLOW, 3)]
    assert machine.is_idle


def test_no_payload_is_asked_of_more_than_two_however_late_it_is() -> None:
    machine = of_slow()
    up(machine, THIRD)
    says_have(machine, 0.0, THIRD)
    first = asked(machine.wakeup(fetch.LATE_S))
    assert len(first) == 1
    for now in (2.0, 3.0, 4.0):
        assert asked(machine.wakeup(now)) == []
        assert machine.wake_at > now


def test_what_is_late_waits_for_a_free_peer_without_waking_anybody_again_and_again() -> None:
    machine = Fetch(myself(ME), Random(1), EVERYONE)
    up(machine, SLOW)
    machine.wanted(0.0, [Wanted(WANT, CHUNKS, 0, AUTHOR)])
    says_have(machine, 0.0, SLOW)
    assert asked(machine.wakeup(fetch.LATE_S)) == []
    assert machine.wake_at == limits.STALL_S
    assert asked(up(machine, QUICK, now=2.0)) == [(QUICK, 0)]


def test_new_wants_go_before_second_requests() -> None:
    machine = of_slow()
    others = [Wanted(HeaderHash(bytes([i]) * 32), 1, 0, QUICK) for i in range(fetch.UNDER_WAY_PER_PEER_MAX)]
    given = machine.wanted(0.5, [Wanted(WANT, CHUNKS, 0, AUTHOR), *others])
    assert len(asked(given)) == fetch.UNDER_WAY_PER_PEER_MAX
    assert asked(machine.wakeup(fetch.LATE_S)) == []
    done = peer_pb2.Chunk(entry=others[0].hash, number=0)
    assert asked(machine.kept(1.5, QUICK, done, complete=True)) == [(QUICK, 0)]


def test_one_that_stalls_is_not_asked_again_because_it_says_have_once_more() -> None:
    machine = of_slow()
    machine.link_down(0.5, QUICK)
    machine.wakeup(limits.STALL_S)
    for tenth in range(10):
        assert asked(says_have(machine, limits.STALL_S + tenth / 10, SLOW)) == []
    again = limits.STALL_S + fetch.RETRY_S
    assert machine.wake_at == again
    assert asked(machine.wakeup(again)) == [(SLOW, 0)]


def test_one_that_said_absent_is_asked_again_when_it_says_have_or_comes_back() -> None:
    absent = peer_pb2.Frame(absent=peer_pb2.Absent(entry=WANT))
    for comes_back in (False, True):
        machine = of_slow()
        machine.link_down(0.5, QUICK)
        assert asked(machine.frame(1.0, SLOW, absent)) == []
        machine.wakeup(2.0)
        if comes_back:
            machine.link_down(2.0, SLOW)
            assert asked(up(machine, SLOW, now=2.5)) == [(SLOW, 0)]
        else:
            assert asked(says_have(machine, 2.5, SLOW)) == [(SLOW, 0)]


def test_what_a_peer_was_asked_before_it_was_restarted_is_asked_again_though_nobody_saw_its_old_link_end() -> None:
    machine = of_slow()
    machine.link_down(0.5, QUICK)
    effects = up(machine, SLOW, now=0.6)
    assert asked([*effects, *says_have(machine, 0.7, SLOW)]) == [(SLOW, 0)]


def test_a_chunk_is_acknowledged_only_over_the_link_that_brought_it() -> None:
    machine = of_slow()
    (kept,) = machine.frame(0.1, SLOW, peer_pb2.Frame(chunk=chunk(0)))
    assert kept == Keep(SLOW, chunk(0))
    up(machine, SLOW, now=0.2)  # before it is durable
    effects = machine.kept(0.3, SLOW, chunk(0), complete=False)
    assert not [one for one in effects if isinstance(one, Send) and one.frame.HasField("chunk_ack")]
    (late,) = machine.frame(0.4, SLOW, peer_pb2.Frame(chunk=chunk(3)))
    assert isinstance(late, Send)
    assert late.frame.HasField("chunk_ack")


def test_a_peer_whose_payloads_of_this_kind_are_not_taken_is_not_asked() -> None:
    machine = Fetch(myself(ME), Random(1), EVERYONE)
    machine.takes = lambda peer, kind: (peer, kind) != (QUICK, 96)
    up(machine, QUICK)
    machine.wanted(0, [Wanted(WANT, CHUNKS, 0, AUTHOR, kind=96)])
    assert asked(says_have(machine, 0, QUICK)) == []
    assert asked(machine.wakeup(60)) == []
    assert asked(up(machine, SLOW, now=60)) == [(SLOW, 0)]
