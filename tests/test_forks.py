"""A node that was copied, with real daemons: two sign one place, and the root says which of them counts."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from node.custody import host
from tests.federation import WORDS, Node, federation
from tests.test_federation import declare


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Sequence[Node]]:
    with federation(tmp_path, 3) as nodes:
        for node in nodes[:2]:
            node.cli("peer", "add", "--founders", "--yes", "--no-wait")
        nodes[2].cli("peer", "add", "--founders", "--yes")
        agreed(nodes)
        yield nodes


def agreed(nodes: Sequence[Node]) -> None:
    for node in nodes:
        node.until(lambda status: status["peers_in_step"] == len(nodes) - 1, "status")
    assert len({node.json("status")["heads_digest"] for node in nodes}) == 1


def states(node: Node) -> dict[str, tuple[str, str]]:
    """Every crisis by title: its state, and the first word of the reason."""
    return {
        one["crisis"]["title"]: (one["state"], one["reason"].partition(":")[0]) for one in node.json("crisis", "list")
    }


def until_states(nodes: Sequence[Node], wanted: dict[str, tuple[str, str]]) -> None:
    for node in nodes:
        node.until(lambda found: {one["crisis"]["title"] for one in found} == set(wanted), "crisis", "list")
        node.until(lambda found: len(found) == len(wanted) and states(node) == wanted, "crisis", "list")


async def test_two_copies_of_a_node_sign_one_place_and_its_root_settles_it(
    three: Sequence[Node], tmp_path: Path
) -> None:
    author, one, other = three
    await declare(author, "before")
    until_states(three, {"before": ("active", "")})
    author.stop()
    copy, clone = tmp_path / "copy", tmp_path / "clone"
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
    contested = ("active", "contested")
    wanted = {"before": ("active", ""), "by the copy": contested, "by the true one": contested}
    until_states(three, wanted)
    for node in three:
        (fork,) = node.json("fork", "list")
        assert (fork["state"], fork["contested_records"], fork["own"]) == ("open", 2, node is author)
        assert node.json("status")["forks"] == 1
        doctor = json.loads(node.cli("doctor", "--json", check=False).stdout)
        assert [found["verdict"] for found in doctor["findings"] if found["name"] == "feeds"] == [
            "fault" if node is author else "warning"
        ]
    shown = author.json("fork", "show", "mine")
    assert sorted(one["title"] for one in shown["fork"]["branches"]) == ["by the copy", "by the true one"]
    assert sorted(one["title"] for one in shown["contested"]) == ["by the copy", "by the true one"]
    refused = author.cli("crisis", "end", "before", "--yes", check=False)
    assert refused.returncode != 0
    assert "forked" in refused.stderr
    author.stop()
    words = tmp_path / "words"
    words.write_text(f"{WORDS}\n")
    words.chmod(0o600)
    typed = ("fork", "settle", "mine", "--branch", "mine", "--passphrase-file", words, "--yes")
    assert "Nothing was changed." in author.cli(*typed, "--dry-run").stdout
    author.cli(*typed)
    author.start()
    superseded = ("declared", "superseded")
    wanted = {"before": ("active", ""), "by the copy": superseded, "by the true one": ("active", "")}
    until_states(three, wanted)
    await declare(author, "in the new feed")
    until_states(three, {**wanted, "in the new feed": ("active", "")})
    agreed(three)
    for node in three:
        node.stop()
        node.cli("index", "rebuild")
        node.start()
    until_states(three, {**wanted, "in the new feed": ("active", "")})
    assert [fork["state"] for fork in one.json("fork", "list")] == ["settled"]
    agreed(three)
