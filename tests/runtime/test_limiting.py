"""What an administrator allows a peer: how fast, and of which kinds."""

import asyncio

import pytest

from node import limits
from node.errors import Refused
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.policy import terms
from node.policy.terms import KINDS, Terms
from node.runtime.limiting import Limiting
from node.v1 import header_pb2

PEER, OTHER = MemberId(b"p" * 32), MemberId(b"o" * 32)


class StoppedClock:
    """Stands still, so that nothing has been paid for."""

    def monotonic_s(self) -> float:
        return 100.0

    def now_ms(self) -> int:
        return 0


@pytest.fixture(name="waits")
def _waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited; no time passes."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waits


async def test_a_limited_peer_is_sent_as_many_bytes_a_second_and_each_way_counts_for_itself(waits: list[float]) -> None:
    limiting = Limiting(StoppedClock())
    limiting.terms = {PEER: Terms(bytes_per_s=2 * limits.CHUNK_BYTES)}
    for _ in range(3):
        await limiting.turn(PEER, limits.CHUNK_BYTES, sent=True)
    await limiting.turn(PEER, limits.CHUNK_BYTES, sent=False)
    assert waits == [0.0, 0.5, 1.0, 0.0]


async def test_others_do_not_wait(waits: list[float]) -> None:
    limiting = Limiting(StoppedClock())
    limiting.terms = {PEER: Terms(bytes_per_s=limits.CHUNK_BYTES)}
    for _ in range(3):
        await limiting.turn(OTHER, limits.CHUNK_BYTES, sent=True)
    assert waits == []


def test_without_limits_every_kind_is_taken() -> None:
    assert all(Terms().takes(kind) for kind in range(200))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_of_a_peer_that_is_limited_to_a_kind_that_one_is_taken_and_statements_are(name: str) -> None:
    found = {kind for kind in range(256) if Terms(kinds=frozenset({name})).takes(kind)}
    assert found == set(range(64)) | KINDS[name]


def test_every_kind_with_a_payload_has_a_name() -> None:
    assert frozenset().union(*KINDS.values()) == {kind for kind in Kind if kind > 63}


def test_a_rate_at_which_nothing_comes_through_is_refused_and_so_is_an_unknown_kind() -> None:
    assert terms.check_rate(0) == 0
    assert terms.check_rate(limits.BULK_BYTES_PER_S_MIN) == limits.BULK_BYTES_PER_S_MIN
    with pytest.raises(Refused, match="too few"):
        terms.check_rate(limits.BULK_BYTES_PER_S_MIN - 1)
    with pytest.raises(Refused, match="no kind 'crimes'"):
        terms.check_kinds(["lists", "crimes"])
    assert terms.check_kinds(KINDS) == frozenset()  # all of them is no limit


def test_what_cannot_be_read_is_left_for_verification_to_refuse() -> None:
    limiting = Limiting(StoppedClock())
    limiting.terms = {PEER: Terms(kinds=frozenset({"crises"}))}
    letter = header_pb2.SignedEntry(header=b"junk", payload=b"p")
    assert limiting.taken(OTHER, [letter], bytes(32))[0].payload == b"p"  # type: ignore[arg-type]
    assert limiting.taken(PEER, [letter], bytes(32)) == [letter]  # type: ignore[arg-type]
