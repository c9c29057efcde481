"""One event declared by two nodes of one member, under one id and under two, and by two authorities: each as said."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from random import Random

import pytest

from node.crisis.states import State
from node.exchange import crises
from node.feed.keys import HeaderHash, ObjectId
from node.v1 import record_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_crises import (
    ENDS_MS,
    HOUR_MS,
    LONE,
    NOW_MS,
    PAIR,
    POLICE,
    Stage,
    X,
    Y,
    act,
    cosign,
    crisis,
    declare,
    extend,
    rules,
)
from tests.exchange.test_crisis_readings import Letter, bare, second_node, views, waits
from tests.exchange.test_odd_order import take
from tests.simulator.members import BASE_MS, federation

OWNER, OTHER, THIRD = 1, 2, 4
ALONE, APART = ObjectId(b"a" * 16), ObjectId(b"z" * 16)
ORDERS = list(permutations(range(5)))


class Replicas(Stage):
    """A member whose two nodes declare one event; two more authorities do so too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, federation(25, rules(PAIR, LONE, POLICE)))
        self.letters += second_node(self, OWNER)
        self.before = list(self.letters)
        self.first = self.say(OWNER, declare(linked=[APART]), heard=False)
        self.again = self.say("second", declare(crisis(title="Again"), linked=[ALONE]), BASE_MS + 1, heard=False)
        self.say("second", declare(linked=[X], object_id=APART), BASE_MS + 2, heard=False)
        self.by_other = self.say(OTHER, declare(linked=[X], object_id=Y), BASE_MS + 3, heard=False)
        self.say(THIRD, declare(crisis(LONE, title="On its own"), object_id=ALONE), BASE_MS + 3, heard=False)
        self.declared = self.letters[len(self.before) :]
        self.say(OWNER, act(self.first, link=record_pb2.Link(object_id=Y)), BASE_MS + 4, heard=False)
        self.say(OTHER, cosign(self.first), BASE_MS + 5, heard=False)
        self.say(THIRD, cosign(self.again), BASE_MS + 5, heard=False)
        self.say("second", extend(self.again, ends_ms=ENDS_MS + HOUR_MS), BASE_MS + 6, heard=False)
        self.say("second", extend(self.first, ends_ms=ENDS_MS + 2 * HOUR_MS), BASE_MS + 7, heard=False)
        self.after = self.letters[len(self.before) + len(self.declared) :]
        self.hear(*self.letters)

    def shown(self) -> dict[ObjectId, tools_pb2.CrisisView]:
        """All of them, by id: by none of these is there more than one."""
        found = crises.every(self.reader.stores, self.seen(), "", exercises=True)
        by_id = {ObjectId(one.object_id): one for one in found}
        assert len(by_id) == len(found)
        return by_id

    def agrees(self, folder: Path, *parts: Sequence[Letter]) -> None:
        """Whether a node that hears it in these parts shows the same, and nothing of what it showed in between."""
        node = node_in(folder, self.world, 24)
        for part in parts:
            take(node, part)
            views(node, NOW_MS)
        for _ in self.letters:
            if waits(node, self.letters):
                take(node, self.letters)
        for now_ms in (NOW_MS, ENDS_MS):
            assert views(node, now_ms) == views(self.reader, now_ms)


@pytest.fixture(name="replicas", scope="module")
def _replicas(tmp_path_factory: pytest.TempPathFactory) -> Replicas:
    return Replicas(tmp_path_factory.mktemp("replicas"))


def test_two_nodes_that_declare_under_one_id_have_declared_once_and_that_is_the_first(replicas: Replicas) -> None:
    assert set(replicas.shown()) == {X, Y, APART, ALONE}
    found = replicas.view(OWNER)
    assert (HeaderHash(found.entry), found.crisis.title, found.state) == (replicas.first, "Shooting", State.ACTIVE)
    assert [one.member_name for one in found.acts if one.act.HasField("cosign")] == ["Member 2"], "of exactly this one"
    no_effect, waiting = [one.obstacle for one in found.acts if one.act.HasField("extend")]
    assert no_effect.startswith("no effect"), "it follows the other"
    assert (waiting, found.proposed_ends_ms) == ("waits for co-signatures: 0 of 1", ENDS_MS + 2 * HOUR_MS)


def test_two_nodes_that_declare_under_two_ids_have_declared_two_that_are_linked_and_not_merged(
    replicas: Replicas,
) -> None:
    found = replicas.shown()
    one, apart = found[X], found[APART]
    assert one.member_id == apart.member_id
    assert (one.state, apart.state) == (State.ACTIVE, State.PROPOSED), "no co-signature counts for both"
    assert apart.reference in one.linked
    assert list(apart.linked) == [one.reference]
    assert len(replicas.view(OWNER, APART).acts) == 0


def test_what_two_authorities_declare_of_one_event_is_linked_where_one_of_them_says_so(replicas: Replicas) -> None:
    found = replicas.shown()
    assert sorted(found[X].linked) == sorted([found[APART].reference, found[Y].reference])
    assert list(found[Y].linked) == [found[X].reference]
    assert list(found[ALONE].linked) == [], "but by what was said again and does not count"
    assert [found[one].state for one in (Y, ALONE)] == [State.PROPOSED, State.ACTIVE]


@pytest.mark.parametrize("number", range(12))
def test_in_whatever_order_their_declarations_came_all_nodes_show_the_same(
    replicas: Replicas, tmp_path: Path, number: int
) -> None:
    for order in ORDERS[number::12]:
        declared = [[replicas.declared[place]] for place in order]
        replicas.agrees(tmp_path / "".join(map(str, order)), replicas.before, *declared, replicas.after)


@pytest.mark.parametrize("number", range(6))
def test_of_whatever_came_first_of_it_nothing_stays_once_the_rest_is_here(
    replicas: Replicas, tmp_path: Path, number: int
) -> None:
    chance = Random(number)
    order = chance.sample(replicas.letters, len(replicas.letters))
    at = chance.randrange(len(order))
    replicas.agrees(tmp_path / "replica", bare(order[:at], chance), order[at:], order)
