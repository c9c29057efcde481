"""A lost disk, and the root key on a machine of its own; what else happens to keys is in test_drill.py."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.acts import declare, has, is_in_step, publish
from tests.federation import Node, environment, program

FIRST = [i.to_bytes(32) for i in range(1, 2000)]
SECOND = [i.to_bytes(32) for i in range(5000, 6000)]
THIRD = [i.to_bytes(32) for i in range(9000, 9500)]


def feeds(node: Node) -> list[tuple[str, str]]:
    """Public key and state of the member's feeds, as this folder knows them."""
    return [(key["public"], key["state"]) for key in node.json("key", "show")["keys"] if key["use"] == "feed"]


async def test_a_lost_disk_comes_back_with_a_spare_and_what_was_said_after_the_backup_stands(
    two: Sequence[Node], words: Path, tmp_path: Path
) -> None:
    node, peer = two
    node.stop()
    spares, copy = tmp_path / "stick", tmp_path / "erasures"
    file = node.folder / "node.toml"
    file.write_text(file.read_text().replace('copy = ""', f'copy = "{copy}"'))
    spares.mkdir()
    typed = ("--passphrase-file", words, "--yes")
    assert "Spares left: 0 of 0" in node.cli("key", "show").stdout
    node.cli("key", "spare", "--count", "1", "--to", spares, *typed)
    (spare,) = spares.iterdir()
    node.start()
    await publish(node, "gone", THIRD[:9])
    await publish(node, "first", FIRST)
    has(peer, FIRST, THIRD[:9])
    made = node.json("backup", tmp_path / "backup.tar")
    assert {one["list"] for one in made["only_here"]} <= {"ministry-a/first", "ministry-a/gone"}
    await publish(node, "second", SECOND)
    has(peer, FIRST, SECOND, THIRD[:9])
    node.cli("withdraw", "gone", "--reason", "court-order", "--yes")
    node.wait_for("erasure journal copied")
    ((old, _),) = feeds(node)
    node.kill()
    shutil.rmtree(node.folder)
    with_copy = ("restore", tmp_path / "backup.tar", "--spare", spare, "--journal", copy, "--dry-run")
    assert "lines, the last of 20" in node.cli(*with_copy).stdout
    restored = node.cli("restore", tmp_path / "backup.tar", "--spare", spare, *typed)
    assert "fresh keys, a new feed" in restored.stdout
    node.start()
    is_in_step(node)
    status = node.json("status")
    assert (status["items"], status["payloads_wanted"]) == (0, 0), "what may have been erased is not taken in"
    assert status["held_back"]
    node.stop()
    assert " erasures since the backup" in node.cli("erase", "journal", copy).stdout
    assert "nothing waits" in node.cli("erase", "journal", "--lost", "--yes", check=False).stderr
    node.start()
    has(node, FIRST, SECOND)
    await publish(node, "third", THIRD)
    for each in two:
        has(each, FIRST, SECOND, THIRD)
        is_in_step(each)
    node.until(lambda found: any(key["state"].startswith("ended") for key in found["keys"]), "key", "show")
    states = dict(feeds(node))
    assert set(states) > {old}
    at = int(states.pop(old).removeprefix("ended at "))
    assert at >= 4, "where the peer had it, and not where the backup ended"
    assert [state.split(",")[0] for state in states.values()] == ["open"]
    shown = peer.json("list")
    assert sorted(one["name"] for one in shown) == ["ministry-a/first", "ministry-a/second", "ministry-a/third"]
    assert "opened a feed already" in node_stopped(node).cli("reopen", "--spare", spare, *typed, check=False).stderr
    node.start()


def node_stopped(node: Node) -> Node:
    node.stop()
    return node


def offline_cli(*arguments: str) -> str:
    """A command on a machine that has no node."""
    done = subprocess.run(program(*arguments), capture_output=True, text=True, check=True, env=environment())
    return done.stdout


async def test_the_root_signs_on_a_machine_without_a_network(two: Sequence[Node], words: Path, tmp_path: Path) -> None:
    node, peer = two
    node.stop()
    offline = tmp_path / "offline"
    offline.mkdir()
    shutil.move(node.folder / "root.key", offline)
    request = tmp_path / "request"
    node.cli("key", "rotate", "node", "--export", request)

    shown = offline_cli(
        "identity",
        "sign",
        str(request),
        "--root-key",
        str(offline / "root.key"),
        "--passphrase-file",
        str(words),
        "--yes",
    )
    assert "publishes with the new feed key" in shown
    node.cli("identity", "import", request, "--yes")
    node.start()
    await declare(node, "signed elsewhere")
    peer.until(lambda found: [one["crisis"]["title"] for one in found] == ["signed elsewhere"], "crisis", "list")


async def test_the_root_opens_a_feed_anew_behind_a_log_that_peers_were_heard_about(
    two: Sequence[Node], words: Path, tmp_path: Path
) -> None:
    """The node that stops notes it; one that was killed has to be started again, or a peer writes the log."""
    node, peer = two
    peer.cli("identity", "log", "ministry-a", tmp_path / "log")
    typed = ("reopen", "--root-key", node.folder / "root.key", "--passphrase-file", words, "--yes")
    node.kill()
    assert "a second one at a place forks this member" in node.cli(*typed, check=False).stderr
    assert "0 entries of the log are new here" in node.cli(*typed, "--log", tmp_path / "log").stdout
    node.start()
    is_in_step(node)
    node.stop()
    assert "Done." in node.cli(*typed).stdout
    node.start()
    is_in_step(node)
