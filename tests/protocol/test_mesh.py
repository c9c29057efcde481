"""To whom new entries are pushed, and what makes a peer lose its place."""

import itertools
from collections.abc import Sequence
from random import Random

import pytest

from node import limits
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol.mesh import REDRAWN_EVERY_S, WITHHELD_S, Mesh

FEED = FeedId(b"f" * 32)


def peers(count: int, first: int = 0) -> list[MemberId]:
    return [MemberId(bytes([i]) * 32) for i in range(first, first + count)]


def linked(own: Sequence[MemberId], inbound: Sequence[MemberId] = (), seed: int = 1) -> Mesh:
    mesh = Mesh(Random(seed), now=0)
    for peer in own:
        mesh.link_up(peer, dialled=True)
    for peer in inbound:
        mesh.link_up(peer, dialled=False)
    return mesh


def test_up_to_twelve_peers_all_hear_of_what_is_new() -> None:
    ready = peers(limits.FLOOD_PEERS_MAX)
    assert linked(ready).chosen(0, ready) == ready


def test_above_twelve_eight_hear_of_it_and_they_stay_the_same() -> None:
    ready = peers(30)
    mesh = linked(ready)
    chosen = mesh.chosen(0, ready)
    assert len(set(chosen)) == limits.MESH_PEERS
    assert all(mesh.chosen(now, ready) == chosen for now in (1, 100, REDRAWN_EVERY_S - 1))


def test_who_leaves_is_replaced_and_the_others_stay() -> None:
    ready = peers(30)
    mesh = linked(ready)
    before = mesh.chosen(0, ready)
    ready.remove(before[3])
    mesh.link_down(before[3])
    after = mesh.chosen(1, ready)
    assert len(after) == limits.MESH_PEERS
    assert set(before) - set(after) == {before[3]}


def test_one_place_is_redrawn_every_ten_minutes() -> None:
    ready = peers(60)
    mesh = linked(ready)
    seen = [set(mesh.chosen(now * REDRAWN_EVERY_S, ready)) for now in range(40)]
    assert all(len(one & other) >= limits.MESH_PEERS - 1 for one, other in itertools.pairwise(seen))
    assert len(set().union(*seen)) > 2 * limits.MESH_PEERS


@pytest.mark.parametrize("seed", range(20))
def test_a_flood_of_callers_takes_no_more_than_half_of_the_places(seed: int) -> None:
    own, inbound = peers(6), peers(200, first=50)
    mesh = linked(own, inbound, seed)
    for now in range(20):
        chosen = mesh.chosen(now * REDRAWN_EVERY_S, [*own, *inbound])
        assert len(chosen) == limits.MESH_PEERS
        assert len(set(chosen) & set(own)) >= limits.MESH_DIALLED_MIN


def owed(source: MemberId, came_at: float, *, seq: int = 5) -> tuple[bool, bool]:
    """Whether the peer that claimed five entries at 10 lost its place, and then its link."""
    ready = peers(30)
    mesh = linked(ready)
    late = mesh.chosen(0, ready)[0]
    mesh.asked(10, late, {FEED: 5}, [FEED])
    mesh.came(came_at, [Head(FEED, seq, HeaderHash(bytes(32)))], source or late)
    return mesh.is_demoted(late), late in mesh.chosen(came_at, ready)


def test_who_claims_an_entry_and_lets_another_give_it_loses_its_place() -> None:
    other = peers(1, first=99)[0]
    assert owed(other, 10 + WITHHELD_S) == (True, False)


def test_who_is_only_a_little_slower_or_gives_it_itself_or_never_claimed_it_keeps_its_place() -> None:
    other = peers(1, first=99)[0]
    assert owed(other, 10 + WITHHELD_S - 0.1) == (False, True)
    assert owed(MemberId(b""), 100) == (False, True)
    assert owed(other, 100, seq=4) == (False, True)


def test_when_all_lost_their_places_they_have_them_still() -> None:
    ready = peers(20)
    mesh = linked(ready)
    for peer in ready:
        mesh.asked(0, peer, {FEED: 5}, [FEED])
    mesh.came(100, [Head(FEED, 5, HeaderHash(bytes(32)))], peers(1, first=99)[0])
    assert all(mesh.is_demoted(peer) for peer in ready)
    assert len(mesh.chosen(100, ready)) == limits.MESH_PEERS


def test_invented_claims_are_not_remembered_for_ever() -> None:
    (peer,) = ready = peers(1)
    mesh = linked(ready)
    for number in range(3 * limits.RANGES_PER_PEER_MAX):
        feed_id = FeedId(number.to_bytes(32))
        mesh.asked(0, peer, {feed_id: 1}, [feed_id])
    assert len(mesh._peers[peer].owes) == limits.RANGES_PER_PEER_MAX
