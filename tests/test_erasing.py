"""What is taken back leaves the disks of real nodes, and each can prove it."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from tests.acts import has, pair, publish
from tests.cli.script import Said
from tests.cli.test_scripts import require_schema
from tests.federation import Node

VALUES = sorted(sha256(b"erasing" + bytes([i % 256, i // 256])).digest() for i in range(600))
PROVEN, NOT_PROVEN = 0, 1


@pytest.fixture(scope="module", name="two")
def _two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    with pair(tmp_path_factory.mktemp("two")) as nodes:
        yield nodes


def stands(folder: Path, value: bytes) -> bool:
    return any(value in path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_an_item_that_puts_a_person_at_risk_is_gone_from_both_disks_and_each_proves_it(
    two: Sequence[Node],
) -> None:
    owner, follower = two
    await publish(owner, "halle", VALUES)
    has(follower, VALUES)
    gone, left = VALUES[7].hex(), VALUES[8].hex()
    (match,) = follower.json("lookup", gone)
    item = match["item"]
    not_yet = follower.cli("erase", "prove", item, "--value", gone, check=False)
    assert not_yet.returncode == NOT_PROVEN
    assert "Not erased" in not_yet.stdout
    assert "the value stands in" in not_yet.stdout
    owner.cli("list", "remove", "halle", "--value", gone, "--reason", "person-at-risk")
    for node in two:
        node.wait_for("compacted")
        proven = node.cli("erase", "prove", item, "--value", gone)
        assert "the value stands in none of" in proven.stdout
        arguments = ("erase", "prove", item, "--value", gone, "--json")
        written = node.cli(*arguments).stdout
        require_schema(Said(arguments, written))
        found = json.loads(written)
        assert (found["erased"], found["reason"], found["journal_line"], found["left"]) == (True, "withdrawal", 1, [])
        assert not stands(node.config.data_folder, VALUES[7])
        assert stands(node.config.data_folder, VALUES[8])
        assert json.loads(node.cli("lookup", gone, "--json", check=False).stdout) == []
        (match,) = node.json("lookup", left)
        assert match["remainder"], "the node's word, until the owner's new record is here"
    beside = item.partition(":")[0] + ":8"
    assert follower.cli("erase", "prove", beside, check=False).returncode == NOT_PROVEN


async def test_a_node_that_was_away_finds_it_erased_after_its_start(two: Sequence[Node]) -> None:
    owner, follower = two
    other = sorted(sha256(b"away" + bytes([i])).digest() for i in range(100))  # at once: more than that cools
    before = follower.json("status")["items"]
    await publish(owner, "away", other)
    follower.until(lambda status: status["items"] == before + len(other), "status")
    follower.stop()
    owner.cli("withdraw", "away", "--reason", "court-order", "--yes")
    follower.start()
    follower.wait_for("compacted")
    assert follower.json("status")["items"] == before
    follower.stop()
    assert not any(stands(follower.config.data_folder, one) for one in other)
    follower.start()
