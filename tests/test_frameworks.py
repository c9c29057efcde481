"""A framework that no code mentions: sent, brought in by an amendment and declared under, on running nodes."""

import json
import re
from pathlib import Path
from typing import Any

from tests.federation import Node, federation
from tests.rules import PLAIN

TEXT = PLAIN.replace("amend = { count = 3", "amend = { count = 2")
MINE = """\
name = "river-watch"
version = "7"
title = "Flood of copies"
required = ["summary"]
[declare]
roles = ["authority"]
[cosign]
count = 1
roles = ["authority"]
[duration]
default_hours = 6
longest_hours = 12
[[criteria]]
name = "rising"
wording = "It is rising."
must = "yes"
"""
DECLARE = (
    "crisis",
    "declare",
    "--framework",
    "river-watch",
    "--title",
    "High water",
    "--summary",
    "Rising",
    "--place",
    "FR",
    "--yes",
)


def state(node: Node, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = node.json("crisis", "show", reference)
    return found


def test_a_framework_that_no_code_mentions_is_sent_amended_in_and_declared_under_while_one_is_away(
    tmp_path: Path,
) -> None:
    with federation(tmp_path, 3, text=TEXT) as nodes:
        first, second, away = nodes
        for node in nodes:
            node.cli("peer", "add", "--founders", "--yes")
        for node in nodes:
            node.until(lambda found: found["charter_in_force"] and found["peers_connected"] == 2, "status")
        away.stop()

        file = tmp_path / "mine.toml"
        file.write_text(MINE)
        early = first.cli(*DECLARE, "--for", "2h", check=False)
        assert "no framework 'river-watch'" in early.stderr
        sent = first.cli("framework", "publish", file, "--yes").stdout
        sha256 = re.search(r'sha256 = "([0-9a-f]{64})"', sent)
        assert sha256
        text = first.cli("charter", "show", "--text").stdout
        row = f'[[frameworks]]\nname = "river-watch"\nversion = "7"\nsha256 = "{sha256[1]}"\n\n[vocabularies]'
        rules = tmp_path / "rules.toml"
        rules.write_text(text.replace("[vocabularies]", row))
        first.cli("charter", "amend", rules, "--yes")
        second.until(lambda found: found and found[0]["text_here"], "charter", "history")
        second.cli("charter", "amend", "--agree", "1", "--yes")
        for node in (first, second):
            node.until(_in_force, "framework", "list")

        # By its own criteria, its own longest time and its own quorum.
        assert "criterion 1 (rising) is missing" in first.cli(*DECLARE, "--for", "2h", check=False).stderr
        long = first.cli(*DECLARE, "--criterion=rising=yes", "--for", "13h", check=False)
        assert "12 hours at most" in long.stderr
        made = first.cli(*DECLARE, "--criterion=rising=yes", "--for", "2h", "--json").stdout
        reference = json.loads(made)["reference"]
        second.until(lambda found: found["reason"] == "co-signatures: 0 of 1", "crisis", "show", reference)
        second.cli("crisis", "cosign", reference, "--without-code", "--yes")
        first.until(lambda found: found["state"] == "active", "crisis", "show", reference)

        back = tmp_path / "back.toml"
        back.write_text(text)
        undone = first.cli("charter", "amend", back, check=False).stdout
        assert f"Mind: {reference} (High water) is active, and would have no effect:" in undone

        # Who was away meanwhile sees the same, and so does everybody after a restart.
        away.start()
        away.until(_in_force, "framework", "list")
        away.until(lambda found: [one["state"] for one in found] == ["active"], "crisis", "list")
        for node in (first, away):
            node.stop()
            node.start()
        assert all(_in_force(node.json("framework", "list")) for node in nodes)
        views = [state(node, reference) for node in nodes]
        assert {(one["state"], one["ends_ms"], *one["cosigned_by"]) for one in views} == {
            ("active", views[0]["ends_ms"], "Ministry B")
        }
        assert [one["crisis"]["framework"]["name"] for one in views] == ["river-watch"] * 3


def _in_force(found: list[dict[str, Any]]) -> bool:
    return any(one["name"] == "river-watch" and one["state"] == "in force" for one in found)
