"""Above twelve links a node pushes to eight, and what is urgent reaches everybody all the same."""

import pytest

from node import limits
from node.protocol.ranges import Ranges
from tests.simulator.spreading import Eclipse, Spreading

NODES, LINKS = 40, 16
PUSHED_WITHIN_S = 0.12  # in the model's time, where a hop takes 5 to 40 ms


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("silent", [0.0, 0.2])
def test_an_urgent_entry_reaches_all_at_once_though_a_fifth_hands_nothing_on(seed: int, silent: float) -> None:
    world = Spreading(seed, NODES, LINKS, silent=silent)
    world.connect()
    world.settle(3)
    assert max(len(node.gossip.ready()) for node in world.nodes.values()) > limits.FLOOD_PEERS_MAX
    for author in world.random.sample(world.honest, 3):
        world.say(author)
        world.until_all_have_it(world.honest, 60)
        assert world.spread.took_s(0.99, world.honest) <= PUSHED_WITHIN_S
        copies = sum(world.spread.copies.values()) / len(world.honest)
        assert copies <= limits.MESH_PEERS + 2  # a node with twelve peers pushes to all of them
        world.settle(1)


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_node_to_which_nobody_pushes_learns_an_urgent_item_within_a_minute_by_comparing_heads(seed: int) -> None:
    world = Eclipse(seed, NODES, LINKS, hostile=limits.MESH_PEERS)
    world.connect()
    world.surround()
    world.settle(3)
    author = next(one for one in world.honest if one != world.victim and one not in world.nodes[world.victim].links)
    world.say(author)
    world.until_all_have_it([world.victim], 60)
    assert world.spread.took_s(1, [world.victim]) <= 60


@pytest.mark.parametrize("seed", [1])
def test_when_all_come_back_at_once_few_are_asked_at_a_time_and_what_is_urgent_does_not_wait(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    takes_on = Ranges.takes_on

    def noting(self: Ranges, peer: bytes) -> bool:
        asked.append(len({one.peer for one in self._asked.values()}))
        return takes_on(self, peer)  # type: ignore[arg-type]

    monkeypatch.setattr(Ranges, "takes_on", noting)
    world = Spreading(seed, 20, LINKS)
    for node in world.nodes.values():
        node.start(0.0, prepared=True)
    for author in list(world.nodes):
        world.say(author)  # before anybody is connected
    world.connect()
    world.settle(0.1)  # all hellos are through, and everybody lacks what everybody else said
    assert len({node.gossip.digest for node in world.nodes.values()}) > 1
    world.say(world.honest[0])
    world.until_all_have_it(world.honest, 60)
    assert world.spread.took_s(0.99, world.honest) <= 2
    world._until(world.now + 60, world._is_agreed)
    assert world._is_agreed()
    assert max(asked) == limits.SYNC_PEERS_MAX
