"""A node that was copied, with real daemons: two sign one place, and the root says which of them counts."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from node.custody import host
from tests.acts import declare, introduced
from tests.cli.script import Said
from tests.cli.test_scripts import require_schema
from tests.federation import WORDS, Node, federation


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Sequence[Node]]:
    with federation(tmp_path, 3) as nodes:
        for node in nodes[:2]:
            node.cli("peer", "add", "--founders", "--yes", "--no-wait")
        nodes[2].cli("peer", "add", "--founders", "--yes")
        asyncio.run(introduced(*nodes))
        agreed(nodes)
        yield nodes


def agreed(nodes: Sequence[Node]) -> None:
    """All hold the same; what they acknowledge of themselves may still be on its way."""
    for node in nodes:
        node.until(lambda status: status["peers_in_step"] == len(nodes) - 1, "status")
    nodes[0].until(
        lambda status: {node.json("status")["heads_digest"] for node in nodes[1:]} == {status["heads_digest"]}, "status"
    )


def until_states(nodes: Sequence[Node], wanted: dict[str, tuple[str, str]]) -> None:
    """Every crisis by title: its state, and the first word of the reason."""

    def is_so(found: list[dict[str, Any]]) -> bool:
        said = {one["crisis"]["title"]: (one["state"], one["reason"].partition(":")[0]) for one in found}
        return said == wanted

    for node in nodes:
        node.until(is_so, "crisis", "list")


ACTIVE, CONTESTED, SUPERSEDED = ("active", ""), ("active", "contested"), ("proposed", "superseded")


async def fork(nodes: Sequence[Node], tmp_path: Path) -> None:
    """The first node and a copy of it each declare something in the same place, each to one of the others."""
    author, one, other = nodes
    copy, clone = tmp_path / "copy", tmp_path / "clone"
    author.stop()
    shutil.copytree(author.folder, copy)
    other.stop()
    author.start()
    await declare(author, "by the copy")
    one.until(lambda found: len(found) == 2, "crisis", "list")
    author.stop()
    one.stop()
    author.folder.rename(clone)
    copy.rename(author.folder)
    host.write(author.folder / "data")  # as whoever copies a node would
    other.start()
    author.start()
    await declare(author, "by the true one")
    other.until(lambda found: len(found) == 2, "crisis", "list")
    one.start()


def settle(author: Node, tmp_path: Path) -> None:
    """As its administrator does."""
    author.stop()
    words = tmp_path / "words"
    words.write_text(f"{WORDS}\n")
    words.chmod(0o600)
    typed = ("fork", "settle", "mine", "--branch", "mine", "--passphrase-file", words, "--yes")
    assert "Nothing was changed." in author.cli(*typed, "--dry-run").stdout
    author.cli(*typed)
    author.start()


def shows_the_fork(node: Node, *, own: bool) -> None:
    (found,) = node.json("fork", "list")
    assert (found["state"], found["contested_records"], found["own"]) == ("open", 2, own)
    doctor = json.loads(node.cli("doctor", "--json", check=False).stdout)
    verdicts = [one["verdict"] for one in doctor["findings"] if one["name"] == "feeds"]
    assert verdicts == ["fault" if own else "warning"]
    status = node.json("status")
    assert (status["forks"], status["own_forks"]) == (1, int(own))


async def test_two_copies_of_a_node_sign_one_place_and_its_root_settles_it(
    three: Sequence[Node], tmp_path: Path
) -> None:
    author, one, _ = three
    await declare(author, "before")
    until_states(three, {"before": ACTIVE})
    await fork(three, tmp_path)
    until_states(three, {"before": ACTIVE, "by the copy": CONTESTED, "by the true one": CONTESTED})
    for node in (author, one):
        shows_the_fork(node, own=node is author)
    arguments = ("fork", "show", "mine", "--json")
    written = author.cli(*arguments).stdout
    require_schema(Said(arguments, written))
    shown = json.loads(written)
    titles = ["by the copy", "by the true one"]
    assert sorted(each["title"] for each in shown["fork"]["branches"]) == titles
    assert sorted(each["title"] for each in shown["contested"]) == titles
    refused = author.cli("crisis", "end", "before", "--yes", check=False)
    assert refused.returncode != 0
    assert "signed elsewhere" in refused.stderr
    settle(author, tmp_path)
    settled = {"before": ACTIVE, "by the copy": SUPERSEDED, "by the true one": ACTIVE}
    until_states(three, settled)
    await declare(author, "in the new feed")
    until_states(three, {**settled, "in the new feed": ACTIVE})
    agreed(three)
    assert [each["state"] for each in one.json("fork", "list")] == ["settled"]
