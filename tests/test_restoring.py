"""What comes back from what: the procedures of configs/README.md, with real daemons."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.acts import has, is_in_step, publish
from tests.federation import WORDS, Node

FIRST = [i.to_bytes(32) for i in range(1, 3000)]
SECOND = [i.to_bytes(32) for i in range(5000, 6000)]
THIRD = [i.to_bytes(32) for i in range(9000, 9500)]


def drop_stores(node: Node) -> None:
    for path in node.config.data_folder.glob("*.db*"):
        path.unlink()


async def test_old_stores_beside_the_present_sign_folder_catch_up_and_fork_nothing(
    two: Sequence[Node], tmp_path: Path
) -> None:
    node, peer = two
    await publish(node, "first", FIRST)
    has(peer, FIRST)
    node.stop()
    shutil.copytree(node.config.data_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("sign", "node"))
    node.start()
    is_in_step(node)
    await publish(node, "second", SECOND)
    has(peer, FIRST, SECOND)
    peer.stop()  # so that nobody tells the node what it said since: only its own journal can
    node.stop()
    drop_stores(node)
    for path in (tmp_path / "copy").glob("*.db*"):
        shutil.copy2(path, node.config.data_folder)
    node.start()
    signing = node.json("status")["signing"]
    assert (signing["state"], signing["echoes"], signing["missing"]) == ("waiting", 0, [peer.name])
    peer.start()
    await publish(node, "third", THIRD)  # it waits for what the peer shows, which is what the journal says
    for each in two:
        has(each, FIRST, SECOND, THIRD)


async def test_lost_stores_come_back_from_the_peers_after_joining_again(two: Sequence[Node], tmp_path: Path) -> None:
    node, peer = two
    await publish(node, "first", FIRST)
    await publish(peer, "second", SECOND)
    for each in two:
        has(each, FIRST, SECOND)
    node.stop()
    drop_stores(node)
    charter, words = shutil.copy(node.config.data_folder / "charter.tocsin", tmp_path), tmp_path / "words"
    words.write_text(f"{WORDS}\n")
    words.chmod(0o600)
    assert "has joined already" in node.cli("join", charter, "--passphrase-file", words, "--yes").stdout
    node.start()
    assert not node.json("peer", "list"), "whom it talks to is decided anew"
    node.cli("peer", "add", "--founders", "--yes")
    has(node, FIRST, SECOND)
    await publish(node, "third", THIRD)
    for each in two:
        has(each, FIRST, SECOND, THIRD)


async def test_a_node_moves_with_its_whole_folder(two: Sequence[Node], tmp_path: Path) -> None:
    node, peer = two
    await publish(node, "first", FIRST)
    has(peer, FIRST)
    node.stop()
    node.folder = node.folder.rename(tmp_path / "elsewhere")
    node.start()
    is_in_step(node)
    await publish(node, "second", SECOND)
    has(peer, FIRST, SECOND)


async def test_a_node_whose_erasure_journal_was_put_back_runs_again_once_it_has_the_copy(
    two: Sequence[Node], tmp_path: Path
) -> None:
    node, copy = two[0], tmp_path / "copy"
    settings, journal = node.folder / "node.toml", node.config.data_folder / "erasures"
    node.stop()
    settings.write_text(settings.read_text().replace('copy = ""', f'copy = "{copy}"'))
    node.start()
    await publish(node, "first", FIRST[:100])  # at once: more than that cools
    older = journal.read_bytes()
    node.cli("withdraw", "first", "--reason", "court-order", "--yes")
    node.wait_for("erasure journal copied")
    node.cli("audit", "witness")
    node.stop()
    journal.write_bytes(older)
    verified = node.cli("audit", "verify", "--json", check=False)
    assert (verified.returncode, json.loads(verified.stdout)["journal"]["fault"]) == (1, "LOST")
    refused = node.cli("run", check=False)
    assert (refused.returncode, '"ready"' in refused.stderr) == (3, False)
    assert f"Stopped, run `tocsin erase journal {copy}`" in refused.stderr
    faults = [one for one in findings(node) if one["name"] == "erasures"]
    assert [one["verdict"] for one in faults] == ["fault"] * 2
    assert "lacks" in faults[0]["found"]
    assert "are LOST" in faults[1]["found"]
    node.cli("erase", "journal", copy)
    node.start()
    assert journal.read_bytes() == copy.read_bytes()
    assert node.json("audit", "verify")["journal"]["fault"] == ""


def findings(node: Node) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(node.cli("doctor", "--json", check=False).stdout)["findings"]
    return found
