"""A small federation, a node of it, and another that says things."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from node.exchange.exchange import Exchange
from tests.exchange.test_bad_input import exchange_in
from tests.simulator.members import Federation, federation


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25)


@pytest.fixture(name="author")
def _author(tmp_path: Path, world: Federation) -> Exchange:
    return node_in(tmp_path / "author", world, 1)


@pytest.fixture(name="node")
def _node(tmp_path: Path, world: Federation) -> Exchange:
    return node_in(tmp_path / "node", world, 0)


def node_in(folder: Path, world: Federation, number: int) -> Exchange:
    """The node of one member, in a folder of its own."""
    folder.mkdir()
    return exchange_in(folder, world, world.members[number])


def seeded(one: Exchange, number: int) -> Exchange:
    """With keys that can be searched for: otherwise they are almost nothing but zeros."""
    one.author = replace(one.author, randomness=Random(number).randbytes)
    return one


@pytest.fixture(name="chance")
def _chance(node: Exchange, author: Exchange) -> None:
    """Both with such keys."""
    for number, one in enumerate((node, author)):
        seeded(one, number)
