"""Copies that come back or run beside their node: real daemons on real folders."""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from node.custody import folder
from node.store import journal
from tests.acts import is_in_step, publish
from tests.federation import Node, Result, free_ports

FIRST = [i.to_bytes(32) for i in range(1, 200)]
SECOND = [i.to_bytes(32) for i in range(5000, 5100)]
DECLARE = ("crisis", "declare", "--framework", "eu-ocrf", "--title", "Copy", "--place", "DE", "--for", "2h", "--yes")


def put_back(copy: Path, data: Path, *, in_place: bool) -> None:
    """From a backup; or as a machine's snapshot does it, which leaves every file where it was."""
    if not in_place:
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        return
    for path in (*data.glob("*.db"), data / folder.JOURNAL):
        path.write_bytes((copy / path.relative_to(data)).read_bytes())


def signed(node: Node) -> list[journal.Signed]:
    return journal.read(node.config.data_folder / folder.JOURNAL)[0]


def declare(node: Node) -> Result:
    return node.cli(*DECLARE, check=False)


def state(node: Node) -> str:
    return str(node.json("status")["signing"]["state"])


def no_fork_is_known(node: Node) -> None:
    with closing(sqlite3.connect(node.config.data_folder / "ledger.db")) as ledger:
        assert ledger.execute("SELECT count(*) FROM fork").fetchone() == (0,)


@pytest.mark.parametrize("in_place", [False, True], ids=["a backup", "a snapshot"])
async def test_a_whole_folder_that_was_put_back_signs_nothing_and_goes_on_reading(
    two: Sequence[Node], tmp_path: Path, in_place: bool
) -> None:
    node, peer = two
    await publish(node, "first", FIRST)
    node.stop()
    shutil.copytree(node.config.data_folder, tmp_path / "copy")
    node.start()
    is_in_step(node)
    await publish(node, "second", SECOND)
    is_in_step(peer)
    node.stop()
    put_back(tmp_path / "copy", node.config.data_folder, in_place=in_place)
    before = signed(node)
    node.start()
    refused = declare(node)
    assert refused.returncode != 0
    assert "nothing is signed any more" in refused.stderr
    assert "tocsin reopen --spare FILE" in refused.stderr
    assert "tocsin reopen" in node.cli("status").stdout
    assert "stale" in node.cli("status").stdout
    assert {one["name"]: one["verdict"] for one in doctor(node)}["signing"] == "fault"
    assert declare(peer).returncode == 0
    node.until(lambda crises: len(crises) == 1, "crisis", "list")
    node.until(lambda status: status["items"] == len(FIRST) + len(SECOND), "status")
    node.stop()
    node.start()
    assert state(node) == "stale"
    assert declare(node).returncode != 0
    assert signed(node) == before
    for each in two:
        no_fork_is_known(each)


def doctor(node: Node) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(node.cli("doctor", "--json", check=False).stdout)["findings"]
    return found


async def test_a_copied_folder_that_runs_beside_its_node_signs_nothing(two: Sequence[Node], tmp_path: Path) -> None:
    node, peer = two
    await publish(node, "first", FIRST)
    node.stop()
    clone = Node(shutil.copytree(node.folder, tmp_path / "clone"), node.made)
    text, ports = (clone.folder / "node.toml").read_text(), free_ports(2)
    for before, after in zip((node.config.peers_listen, node.config.tools_listen), ports, strict=True):
        text = text.replace(before, f"127.0.0.1:{after}")
    (clone.folder / "node.toml").write_text(text)
    node.start()
    clone.start()
    try:
        assert state(clone) == "stale"
        assert "may be a copy" in declare(clone).stderr
        assert declare(node).returncode == 0
        peer.until(lambda crises: len(crises) == 1, "crisis", "list")
    finally:
        clone.stop()
    for each in two:
        no_fork_is_known(each)


def test_a_clock_in_doubt_stops_signing_until_the_administrator_confirms_it(two: Sequence[Node]) -> None:
    node, peer = two
    node.stop()
    with closing(sqlite3.connect(node.config.data_folder / "ledger.db")) as ledger:
        ledger.execute("INSERT OR REPLACE INTO meta VALUES ('clock_noted', ?)", ((1 << 42).to_bytes(8),))
        ledger.commit()
    node.start()
    assert state(node) == "clock"
    refused = declare(node)
    assert "the clock of this machine is in doubt" in refused.stderr
    assert "tocsin clock confirm" in refused.stderr
    assert node.cli("clock", "confirm", check=False).returncode == 2, "nobody can answer"
    assert "Signing: " in node.cli("clock", "confirm", "--yes").stdout
    assert declare(node).returncode == 0
    peer.until(lambda crises: len(crises) == 1, "crisis", "list")
    assert "not in doubt" in node.cli("clock", "confirm").stdout
