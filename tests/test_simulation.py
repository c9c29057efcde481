"""The simulator itself: it gives one trace for one seed, and it finds the bugs that are put in.

The many seeds run by themselves (scripts/simulate, which scripts/test calls).
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from node.crisis import leadership, lifecycle
from node.crisis.lifecycle import Voice
from node.exchange import consult, crises, lifecycles, signing
from node.exchange.exchange import Exchange
from node.feed import chain, keys
from node.feed.chain import Place
from node.feed.keys import HeaderHash, MemberId
from node.protocol.fetch import Fetch
from node.store import index
from node.store.index import Record
from node.v1 import peer_pb2
from tests.simulator import amendments, clocks, copies
from tests.simulator.disk import Disk
from tests.simulator.members import BASE_MS, FOUNDERS
from tests.simulator.world import SAYING_S, World

ROOT = Path(__file__).parent.parent
Plant = Callable[[pytest.MonkeyPatch], None]


def trace_of(seed: int, hash_seed: str) -> str:
    program = f"from tests.simulator.world import World; print(World({seed}).run().trace)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.strip()


def test_one_seed_gives_one_trace_whatever_the_hash_seed() -> None:
    assert trace_of(6, "1") == trace_of(6, "2")


def test_another_seed_gives_another_trace_and_enough_is_said() -> None:
    one, other = World(3).run(), World(4).run()
    assert one.trace != other.trace
    assert min(one.entries, other.entries) >= 40
    assert min(len(one.faults), len(other.faults)) >= 3


class AmongLatecomers(World):
    """Nothing fails, but one member that is no founder loses its stores, and its peers are no founders either."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, FOUNDERS + 9)
        self.faults = ()
        self.disturb(self.faults)
        self.victim = self.nodes[self.federation.members[-3].member_id]

    def _link(self, one: MemberId, other: MemberId) -> None:
        numbers = sorted(self.nodes[member_id].member.number for member_id in (one, other))
        if self.victim.member.number not in numbers or numbers[0] >= FOUNDERS:
            super()._link(one, other)

    def _plan(self) -> None:
        self.amendments = amendments.plan(self, SAYING_S)
        self.at(5.0, lambda: copies.wipe(self, self.victim))


def test_a_member_that_lost_its_stores_hears_all_from_peers_that_it_cannot_know_as_members_yet() -> None:
    assert AmongLatecomers(1).run().counts["fault: wiped store"] == 1


def lose_a_want(patch: pytest.MonkeyPatch) -> None:
    wanted = Fetch.wanted
    patch.setattr(Fetch, "wanted", lambda self, now, wants: wanted(self, now, wants[1:]))


def skip_the_previous_check(patch: pytest.MonkeyPatch) -> None:
    place = chain.place
    patch.setattr(
        chain, "place", lambda head, header: Place.NEXT if place(head, header) is Place.BROKEN else place(head, header)
    )


def acknowledge_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    keep = Exchange.keep_chunk

    def keep_chunk(self: Exchange, chunk: peer_pb2.Chunk, now_ms: int) -> bool:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Disk, "commit", lambda self, name: None)
            return keep(self, chunk, now_ms)

    patch.setattr(Exchange, "keep_chunk", keep_chunk)


def swap_the_commit_order(patch: pytest.MonkeyPatch) -> None:
    commit = Disk.commit

    def swapped(self: Disk, name: str) -> None:
        if name == "ledger":
            commit(self, "ledger")
            commit(self, "keys")
        elif name != "keys":
            commit(self, name)

    patch.setattr(Disk, "commit", swapped)


def leave_the_signature_check_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(keys, "verify", lambda *_: True)


@pytest.mark.parametrize(
    ("plant", "finding"),
    [
        (lose_a_want, "no agreement"),
        (skip_the_previous_check, "I3"),
        (acknowledge_before_the_commit, "I12: an acknowledged chunk"),
        (swap_the_commit_order, "never reached the disk|no agreement"),  # its payload is there, or still wanted
        (leave_the_signature_check_out, "I14"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_bug_is_caught(plant: Plant, finding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        run_worlds_with("crash", range(100, 140))


def test_a_node_that_would_sign_before_its_peers_have_shown_what_they_hold_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signing, "require", lambda *_, **__: None)
    with pytest.raises(AssertionError, match=r"I1: two entries|C6: two nodes"):  # by its entries, or what follows
        run_worlds_with("rollback", range(1000, 1060))


def fold_in_order_of_arrival(patch: pytest.MonkeyPatch) -> None:
    def as_they_came(said: Callable[..., list[Record]]) -> Callable[..., list[Record]]:
        return lambda stores, *of: sorted(said(stores, *of), key=lambda one: index.number(stores.index, one.hash) or 0)

    for name in ("said", "said_of_all"):
        patch.setattr(lifecycles, name, as_they_came(getattr(lifecycles, name)))
    patch.setattr(crises, "sorted", lambda found, **_: list(found), raising=False)
    patch.setattr(leadership, "_read_at_all", lambda _, acts: list(acts))


class Anybodys(dict[HeaderHash, list[Voice]]):
    """Whatever proposal is asked for, all that anybody said of any."""

    def get(self, *_: object) -> list[Voice]:
        return next(iter(self.values()), [])


def count_cosignatures_of_any_proposal(patch: pytest.MonkeyPatch) -> None:
    latest, any_ = lifecycle._latest, HeaderHash(b"")
    patch.setattr(lifecycle, "_latest", lambda voices: Anybodys(latest(replace(one, about=any_) for one in voices)))


def end_a_minute_late(patch: pytest.MonkeyPatch) -> None:
    expired = lifecycle._expired
    patch.setattr(lifecycle, "_expired", lambda found, now_ms: expired(found, now_ms - 60_000))


def let_a_node_read_by_a_clock_that_stands(patch: pytest.MonkeyPatch) -> None:
    view = consult.view
    patch.setattr(consult, "view", lambda trust, follows, now_ms: view(trust, follows, min(now_ms, BASE_MS + 8_000)))


def let_clocks_be_off_by_more_than_is_borne(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clocks, "_off_ms", lambda _: -2 * clocks.TOLERANCE_MS)
    patch.setattr(clocks, "is_within", lambda _: True)


def let_drills_count(patch: pytest.MonkeyPatch) -> None:
    about = lifecycles.about

    def with_drills(record: Record, said: Iterable[Record], others: Iterable[HeaderHash]) -> list[Record]:
        every = list(said)
        alike = [replace(one, exercise=record.exercise) for one in every]
        found = {one.hash for one in about(record, alike, others)}
        return [one for one in every if one.hash in found]

    patch.setattr(lifecycles, "about", with_drills)


@pytest.mark.parametrize(
    ("plant", "finding"),
    [
        (fold_in_order_of_arrival, "C6"),
        (count_cosignatures_of_any_proposal, "C2"),
        (end_a_minute_late, "C1"),
        (let_a_node_read_by_a_clock_that_stands, "C1"),
        (let_clocks_be_off_by_more_than_is_borne, "C1"),
        (let_drills_count, "C4|C5"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bug_planted_in_how_crises_are_read_is_caught(
    plant: Plant, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        run_worlds(range(5))


def run_worlds(seeds: range) -> None:
    for seed in seeds:
        World(seed).run()


def run_worlds_with(fault: str, seeds: range) -> None:
    for world in map(World, seeds):
        if fault in world.faults:
            world.run()
