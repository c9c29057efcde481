"""What an administrator does about peers, with the commands that do it, on real daemons."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from node.cli import restraining
from tests.acts import approve, declare, hears, in_force
from tests.federation import Node, federation

WORDS = "paused by its administrator"


@pytest.fixture(scope="module", name="three")
def _three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """Three members, all approved by all."""
    with federation(tmp_path_factory.mktemp("three"), 3) as nodes:
        for node in nodes:
            asyncio.run(approve(node, *(other for other in nodes if other is not node)))
        asyncio.run(in_force(*nodes))
        yield nodes


def until(node: Node, other: Node, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until this is true of a peer."""
    found: dict[str, Any] = node.until(is_so, "peer", "show", other.name)
    return found


def connected(found: dict[str, Any]) -> bool:
    return bool(found["connected"])


def test_a_peer_is_paused_and_resumed_and_the_other_side_reads_why(three: Sequence[Node]) -> None:
    one, other, _ = three
    for node, peer in ((one, other), (other, one)):
        until(node, peer, connected)
    said = one.cli("peer", "pause", other.name).stdout
    assert said.startswith(f"Paused {other.name}; 2 streams ended.")
    assert WORDS in until(other, one, lambda found: not connected(found) and WORDS in found["reason"])["reason"]
    here = until(one, other, lambda found: found["state"] == "paused")
    assert (here["reason"], here["dialled_next_ms"]) == ("paused here", 0)
    assert "is not paused" in other.cli("peer", "resume", one.name, check=False).stderr
    assert one.cli("peer", "resume", other.name).stdout == f"Resumed {other.name}.\n"
    assert "paused" in until(one, other, connected)["last_end"]
    until(other, one, connected)


def test_what_a_peer_is_limited_to_is_kept_shown_and_taken_back(three: Sequence[Node]) -> None:
    one, other, _ = three
    said = one.cli("peer", "limit", other.name, "--rate", "2MiB", "--kinds", "crises,lists").stdout
    assert said == f"{other.name}: 2 MiB a second of bulk, each way; payloads of crises, lists only.\n"
    one.cli("peer", "limit", other.name, "--kinds", "crises")  # the rate stays
    assert one.stop() == 0
    one.start()
    found = until(one, other, connected)
    assert (found["bytes_per_s"], found["kinds"]) == (2 << 20, ["crises"])
    assert "payloads of crises only" in one.cli("peer", "show", other.name).stdout
    assert "too few" in one.cli("peer", "limit", other.name, "--rate", "1KiB", check=False).stderr
    assert "no kind 'crimes'" in one.cli("peer", "limit", other.name, "--kinds", "crimes", check=False).stderr
    assert one.cli("peer", "limit", other.name, "--rate", "none", "--kinds", "all").stdout.endswith(": no limit.\n")


def test_peer_show_says_what_is_known_of_a_link(three: Sequence[Node]) -> None:
    one, other, _ = three
    found = until(one, other, connected)
    assert found["in_mesh"]
    assert found["dialled"] != until(other, one, connected)["dialled"]
    assert found["connected_since_ms"] > found["since_ms"]
    assert found["issuer_ends_ms"] > found["since_ms"] + 9 * 365 * 86_400_000
    assert found["faults"] == []
    text = one.cli("peer", "show", other.name).stdout
    assert all(word in text for word in ("dialled", "at once", "issuer ends", "approved, a peer since"))


def titles(found: Sequence[dict[str, Any]]) -> set[str]:
    return {one["crisis"]["title"] for one in found}


def test_what_came_only_from_a_blocked_peer_is_set_aside_and_counts_again(tmp_path: Path) -> None:
    with federation(tmp_path, 2) as (node, author):
        asyncio.run(approve(node, author))
        asyncio.run(approve(author, node))
        asyncio.run(in_force(node, author))
        asyncio.run(declare(author, "only from it"))
        asyncio.run(hears(node, "only from it"))
        node.until(lambda found: "only from it" in titles(found), "crisis", "list")
        said = node.cli("peer", "block", author.name, "--quarantine", "--yes").stdout
        # Its profile, too, where that had come by then.
        assert re.fullmatch(f"Blocked {author.name}; 2 streams ended; (1 entry|2 entries) set aside.\n", said)
        assert node.json("crisis", "list") == []
        assert node.stop() == 0
        node.start()
        assert node.json("crisis", "list") == []
        assert node.json("peer", "show", author.name)["quarantined"]
        assert node.cli("index", "rebuild", check=False).returncode != 0  # it runs
        said = node.cli("peer", "release", author.name, "--yes").stdout
        assert re.fullmatch(f"Released {author.name}; (1 entry|2 entries) no longer set aside.\n", said)
        node.until(lambda found: "only from it" in titles(found), "crisis", "list")
        node.cli("peer", "block", author.name, "--quarantine", "--yes")
        assert node.json("crisis", "list") == []
        node.cli("peer", "add", author.name, "--yes")
        node.until(lambda found: "only from it" in titles(found), "crisis", "list")


@pytest.mark.parametrize(
    ("typed", "bytes_per_s"),
    [("65536", 65536), ("64KiB", 65536), ("2MiB", 2 << 20), ("2mib", 2 << 20), ("1 GiB", 1 << 30), ("none", 0)],
)
def test_a_rate_is_read_as_it_is_typed(typed: str, bytes_per_s: int) -> None:
    assert restraining.Rate().convert(typed, None, None) == bytes_per_s


@pytest.mark.parametrize("typed", ["", "0", "fast", "-1", "2MB", "1.5MiB", "9" * 13])
def test_what_is_no_rate_is_refused(typed: str) -> None:
    with pytest.raises(Exception, match="no rate"):
        restraining.Rate().convert(typed, None, None)
