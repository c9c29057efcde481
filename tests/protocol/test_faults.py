from node.feed.keys import MemberId
from node.protocol.faults import CONVICTED_MIN, RULES_PER_PEER_MAX, WINDOW_S, Faults

PEERS = [MemberId(bytes([i]) * 32) for i in range(30)]


def convicted(count: int, now: float = 0.0) -> Faults:
    faults = Faults()
    for peer in PEERS[:count]:
        faults.note(now, 7, peer, "signature")
    return faults


def test_what_a_peer_broke_is_counted_by_rule_with_the_last_time_and_the_latest_first() -> None:
    faults, peer = Faults(), PEERS[0]
    faults.note(0, 1000, peer, "signature")
    faults.note(1, 2000, peer, "frame-size")
    faults.note(2, 3000, peer, "signature")
    assert [(one.rule, one.times, one.last_ms) for one in faults.of(peer)] == [
        ("signature", 2, 3000),
        ("frame-size", 1, 2000),
    ]
    assert faults.by_rule == {"signature": 2, "frame-size": 1}
    assert faults.of(PEERS[1]) == []


def test_no_peer_makes_us_remember_without_end() -> None:
    faults = Faults()
    for number in range(3 * RULES_PER_PEER_MAX):
        faults.note(0, 0, PEERS[0], f"rule {number}")
    assert len(faults.of(PEERS[0])) == RULES_PER_PEER_MAX


def test_when_more_than_three_in_ten_are_at_fault_within_a_minute_it_is_we() -> None:
    assert not convicted(9).are_ours(1, PEERS)
    assert convicted(10).are_ours(1, PEERS)
    assert not convicted(10).are_ours(WINDOW_S, PEERS)


def test_who_was_hung_up_on_still_counts_as_one_of_the_peers() -> None:
    assert not convicted(9).are_ours(1, PEERS[9:])


def test_in_a_small_federation_one_or_two_prove_nothing() -> None:
    assert not convicted(CONVICTED_MIN - 1).are_ours(1, PEERS[:3])
    assert convicted(CONVICTED_MIN).are_ours(1, PEERS[:3])
