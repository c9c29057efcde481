"""`tocsin doctor`, `status` and what the log says, with real daemons."""

import json
import re
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_peer_check import card_with
from tests.custody.federations import create
from tests.federation import Node, federation, free_ports, make

pytestmark = pytest.mark.xdist_group("doctor")  # each goes on from where the one before left its nodes


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """The first and the second are peers; the third, which nobody can dial, has approved the first in vain."""
    with federation(tmp_path_factory.mktemp("f"), 3, hidden=1) as running:
        first, second, third = running
        for node in running:
            for path in node.folder.glob("*root.key"):
                path.chmod(0o400)  # kept for cards; the doctor warns of it
        first.cli("peer", "add", "ministry-b", "--yes", "--no-wait")
        second.cli("peer", "add", "--founders", "--yes", "--no-wait")
        third.cli("peer", "add", "--founders", "--yes", "--no-wait")
        first.until(lambda found: found["peers_in_step"] == 1 and found["charter_in_force"], "status")
        third.until(
            lambda found: "not approved there yet" in [one["reason"] for one in found["not_connected"]], "status"
        )
        yield running


def doctored(node: Node, code: int = 0) -> dict[str, list[dict[str, Any]]]:
    done = node.cli("doctor", "--json", check=False)
    assert done.returncode == code, done
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(done.stdout)["findings"]:
        found.setdefault(one["name"], []).append(one)
    return found


def verdicts(found: dict[str, list[dict[str, Any]]], *names: str) -> set[str]:
    return {one["verdict"] for name in names for one in found[name]}


# ---- The doctor


def test_a_running_node_is_examined_from_outside_and_by_itself(nodes: Sequence[Node]) -> None:
    first = nodes[0]
    found = doctored(first)
    assert verdicts(found, "folder", "keys", "disk", "clock", "stores", "journal", "backup", "charter") == {"ok"}
    assert verdicts(found, "listens", "certificate", "in force", "wanted", "index", "feeds", "crises") == {"ok"}
    assert found["root key"][0]["verdict"] == "warning"
    assert found["peers"][0]["found"] == "connected to 1 of 1"
    assert "ports" not in found  # they are its own
    assert first.config.peers_listen in found["listens"][0]["found"]
    assert len(found["clock"]) == 2  # by file times, and by its peers


def test_who_tried_to_connect_and_may_not_is_named_with_what_to_do(nodes: Sequence[Node]) -> None:
    first, _, third = nodes
    (found,) = doctored(first)["turned away"]
    assert found["verdict"] == "warning"
    assert found["found"].startswith(f"{third.name} ({third.made.fingerprint}) tried to connect ")
    assert found["next_step"].startswith("`tocsin peer add europol`")


def test_people_read_a_line_a_finding_with_its_next_step_below(nodes: Sequence[Node]) -> None:
    done = nodes[0].cli("doctor")
    lines = done.stdout.splitlines()
    assert re.match(r"  ok       folder +\S+/data: nobody but its user may read it", lines[0])
    at = next(i for i, line in enumerate(lines) if line.startswith("  warning  root key"))
    assert any(line.lstrip().startswith("-> Move the two to offline media") for line in lines[at:])
    assert re.fullmatch(r"\d+ ok, 3 warning", lines[-1])


def test_a_peer_that_never_came_is_a_warning_and_none_at_all_a_fault(nodes: Sequence[Node], tmp_path: Path) -> None:
    first, second, third = nodes
    found = doctored(second)
    assert [one["verdict"] for one in found["peers"]] == ["ok"]
    second.cli("peer", "remove", "ministry-a", "--yes")
    second.cli("peer", "remove", "europol", "--yes")
    second.cli("peer", "add", card_with(third, f"127.0.0.1:{free_ports(1)[0]}", tmp_path / "c"), "--yes", "--no-wait")
    third.cli("peer", "remove", "ministry-b", "--yes")
    found = doctored(second, 3)
    faults = [one for one in found["peers"] if one["verdict"] == "fault"]
    assert "connected to none of 1" in faults[0]["found"]
    assert any(one["next_step"] == "`tocsin peer check europol`" for one in found["peers"])
    second.cli("peer", "add", first.made.card_path, "--yes", "--no-wait")
    third.cli("peer", "add", "ministry-b", "--yes", "--no-wait")


def test_a_payload_that_nobody_has_is_said_with_its_age(tmp_path: Path) -> None:
    """A row as it stands where no peer has had a payload for a day."""
    with federation(tmp_path, 1) as (node,):
        before = doctored(node)
        assert verdicts(before, "wanted", "index") == {"ok"}
        node.stop()
        with closing(sqlite3.connect(node.config.data_folder / "ledger.db")) as ledger:
            (hash_,) = ledger.execute("SELECT hash FROM entry ORDER BY received_ms LIMIT 1").fetchone()
            ledger.execute(
                "INSERT INTO payload (hash, state, lane, chunks, expires_ms, boxed) VALUES (?, 0, 1, 1, ?, 1)",
                (hash_, 1 << 52),
            )
            ledger.execute("UPDATE entry SET received_ms = received_ms - 86400000 WHERE hash = ?", (hash_,))
            ledger.commit()
        node.start()
        (found,) = doctored(node)["wanted"]
        assert found["verdict"] == "warning"
        assert "1 payloads are missing, the oldest for 1 d 0 h" in found["found"]


def test_a_node_that_is_down_is_examined_as_far_as_it_can_be(tmp_path: Path) -> None:
    (node,) = make(tmp_path, 1)
    found = doctored(node, 3)
    assert verdicts(found, "ports", "stores", "keys", "journal") == {"ok"}
    (running,) = found["running"]
    assert running["verdict"] == "fault"
    assert f"tocsin run --folder {node.folder}" in running["next_step"]
    # Nothing that a command with other modes could have left behind keeps the node from starting.
    node.start()
    assert node.stop() == 0


def test_a_node_that_hangs_is_said_to_hang(nodes: Sequence[Node]) -> None:
    third = nodes[2]
    third.signal(signal.SIGSTOP)
    try:
        (found,) = doctored(third, 3)["running"]
    finally:
        third.signal(signal.SIGCONT)
    assert "does not answer" in found["found"]


def test_a_folder_that_has_not_joined_has_nothing_to_run(tmp_path: Path) -> None:
    made = create(tmp_path / "acme")
    node = Node(made.folder, made.made)
    found = doctored(node)
    assert verdicts(found, "running") == {"unknown"}
    assert verdicts(found, "charter") == {"warning"}


# ---- Status


def test_status_names_who_is_not_connected_and_why(nodes: Sequence[Node], tmp_path: Path) -> None:
    first, _, third = nodes
    line, missing, *_ = third.cli("status").stdout.splitlines()
    assert "1 of 2 peers connected" in line
    assert missing == f"  {first.name}: not approved there yet (ask them to approve {third.made.fingerprint})"
    found = third.json("status")
    assert found["not_connected"] == [
        {"name": first.name, "fingerprint": first.made.fingerprint, "reason": "not approved there yet"}
    ]
    assert "index_digest" not in found
    assert "index_digest" in json.loads(third.cli("status", "--index-digest", "--json").stdout)


# ---- Approving


def test_a_card_of_nobody_in_the_federation_is_warned_of(nodes: Sequence[Node], tmp_path: Path) -> None:
    third = nodes[2]
    stranger = create(tmp_path / "stranger", "Stranger Ltd").made
    done = third.cli("peer", "add", stranger.card_path, "--yes", "--no-wait")
    assert f"warning: Stranger Ltd, {stranger.fingerprint}, is not a member of this federation" in done.stderr
    found = doctored(third)["peers"]
    assert any(stranger.fingerprint in one["found"] and "is not a member" in one["found"] for one in found)
    checked = third.json("peer", "list")
    assert any(one["role"] == "not a member yet" for one in checked)
    third.cli("peer", "remove", stranger.fingerprint[:5], "--yes")


def test_a_founder_is_approved_by_its_name_and_nobody_else_is(nodes: Sequence[Node]) -> None:
    second = nodes[1]
    done = second.cli("peer", "add", "nobody-of-this-name", "--yes", check=False)
    assert (done.returncode, "there is no member 'nobody-of-this-name'" in done.stderr) == (1, True)
    done = second.cli("peer", "add", "missing.card", "--yes", check=False)
    assert (done.returncode, "missing.card cannot be read" in done.stderr) == (3, True)
    assert second.cli("peer", "add", "europol", "--yes", "--no-wait").stdout.endswith("1 approved\n")


# ---- After a removal


def test_both_sides_say_what_became_of_a_removed_peer(tmp_path: Path) -> None:
    """One that is dialled, and one that dials: either way it is told why."""
    with federation(tmp_path, 2, hidden=1) as (first, second):
        for node in (first, second):
            node.cli("peer", "add", "--founders", "--yes", "--no-wait")
        first.until(lambda found: found["peers_connected"] == 1, "status")
        first.cli("peer", "remove", "ministry-b", "--yes")
        (found,) = second.until(lambda found: not found[0]["connected"], "peer", "list")
        assert found["reason"] == "no longer approved there"
        line = first.wait_for("turned away")
        assert (line["name"], line["next_step"]) == (second.name, "tocsin peer add ministry-b")
        second.cli("peer", "remove", "ministry-a", "--yes")
        first.cli("peer", "add", "ministry-b", "--yes", "--no-wait")
        second.cli("peer", "add", "ministry-a", "--yes")
        second.cli("peer", "remove", "ministry-a", "--yes")  # it is the one that dialled
        (found,) = first.until(lambda found: not found[0]["connected"], "peer", "list")
        assert found["reason"] in ("peer said bye: no longer approved", "no longer approved there")
