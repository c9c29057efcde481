"""The commands of lists, as their users type them, with two real daemons."""

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cli.test_online import BY_PEOPLE, misused, refused
from tests.federation import Node, federation


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """Two members that have approved each other."""
    with federation(tmp_path_factory.mktemp("f"), 2) as running:
        running[0].cli("peer", "add", "--founders", "--yes", "--no-wait")
        running[1].cli("peer", "add", "--founders", "--yes")
        yield running


@pytest.fixture
def first(nodes: Sequence[Node]) -> Node:
    return nodes[0]


@pytest.fixture
def second(nodes: Sequence[Node]) -> Node:
    return nodes[1]


def digest_of(number: int) -> str:
    return sha256(number.to_bytes(4)).hexdigest()


def publish(node: Node, path: Path, *arguments: str) -> str:
    return node.cli("list", "publish", path, *arguments).stdout


# ---- Publishing


def test_a_list_is_published_matched_by_the_other_member_and_grown(first: Node, second: Node, tmp_path: Path) -> None:
    path = tmp_path / "Halle 2026.csv"
    path.write_text("# attack footage\n\n" + "".join(f"{digest_of(i)},film {i}\n" for i in range(5000)))
    with second.command("watch", "--json", "--kind", "items") as watching:
        watching.output.until(lambda line: json.loads(line)["event"] == "caught_up")
        said = publish(first, path, "--label", "attack-footage", "--for", "90d")
        expected = rf"ministry-a/halle-2026: \+5,000 -0, 0 unchanged(, version 1)?, until {BY_PEOPLE}\n"
        assert re.fullmatch(expected + r"5,000 items in 2 records, [\w\s]+\n", said), said
        received: list[str] = []
        while len(received) < 5000:
            record = json.loads(watching.output.until(lambda line: '"received"' in line))["record"]
            received += record["items"]["digests"]
        assert sorted(received) == sorted(digest_of(i) for i in range(5000))
        assert record["items"]["labels"] == ["attack-footage"]
        assert watching.interrupt() == 0

    second.until(lambda found: found and found[0]["items"] == 5000, "list")
    row = second.cli("list").stdout.splitlines()[1]
    assert re.match(r"ministry-a/halle-2026  Ministry A  sha256  +5,000  +\S+  \S+ +-  ", row), row
    shown = second.json("list", "show", "ministry-a/halle-2026")
    assert (shown["items"], shown["records"], shown["list"]["labels"]) == (5000, 2, ["attack-footage"])

    until = datetime.fromtimestamp(shown["expires_ms"] / 1000, UTC)
    match = f"MATCH ministry-a/halle-2026  attack-footage  advice: review  until {until:%Y-%m-%d}"
    assert second.cli("lookup", digest_of(7)).stdout == f"{match}\n"
    several = second.cli("lookup", digest_of(8).upper(), digest_of(9999), "0" * 32)
    assert several.stdout == f"{match}  {digest_of(8)}\n"

    with path.open("a") as file:
        file.write(digest_of(5000))
    assert "halle-2026: +1 -0, 5,000 unchanged" in publish(first, path)
    packed = tmp_path / "odd name"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert "halle-2026: +0 -0, 5,001 unchanged" in publish(first, packed, "--name", "halle-2026")


def test_a_bad_line_stops_a_publication_and_nothing_is_published(first: Node, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"{digest_of(1)}\n{digest_of(2)[:-1]},x\nzz\n")
    refused(
        first.cli("list", "publish", path, check=False),
        1,
        f"{path}:2: sha256 needs 64 hex digits, got 63",
        "1 item before it was good. Nothing was published.",
        "--skip-bad",
    )
    refused(first.cli("list", "show", "ministry-a/bad", check=False), 1, "there is no list")
    said = publish(first, path, "--skip-bad")
    assert "ministry-a/bad: +1 -0, " in said
    assert f"left out: 2 bad lines, see {path}.rejects\n         2  sha256 needs 64 hex digits\n" in said
    elsewhere = tmp_path / "elsewhere"
    answer = first.json("list", "publish", path, "--skip-bad", "--rejects", elsewhere)
    assert (answer["added"], answer["unchanged"], answer["rejected"]) == (0, 1, 2)
    assert answer["reasons"] == {"sha256 needs 64 hex digits": 2}
    assert elsewhere.read_text().count("\n") == 2
    misused(first.cli("list", "publish", path, "--skip-bad", "--rejects", path, check=False), "names the list itself")
    assert path.read_text().startswith(digest_of(1))


def test_a_list_that_cannot_be_is_refused(first: Node, tmp_path: Path) -> None:
    refused(first.cli("list", "publish", tmp_path / "no.csv", check=False), 3, "cannot be read: No such file")
    refused(first.cli("list", "publish", tmp_path, "--name", "x", check=False), 3, "cannot be read: Is a directory")
    empty = tmp_path / "empty.csv"
    empty.write_text("# nothing\n")
    refused(first.cli("list", "publish", empty, check=False), 1, "has no items")
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"".join(digest_of(i).encode() + b"\n" for i in range(1000)))[:-9])
    refused(first.cli("list", "publish", cut, check=False), 1, "cut.gz is damaged")
    refused(first.cli("list", "show", "ministry-a/cut", check=False), 1, "there is no list")
    table = tmp_path / "table.csv"
    table.write_text(f"id,hash\n1,{digest_of(1)}\n")
    missing = first.cli("list", "publish", table, "--column", "digest", check=False)
    refused(missing, 1, f"{table}: there is no column 'digest'", "The first row has: id, hash.")
    misused(first.cli("list", "publish", "-", input=digest_of(1), check=False), "stdin makes no name for a list")
    misused(first.cli("list", "--json", "show", "x", check=False), "--json stands behind show")
    both = first.cli("list", "publish", table, "--kind", "md5", "--detect", check=False)
    misused(both, "Give --kind or --detect, not both")
    misused(first.cli("list", "publish", table, "--rejects", "x", check=False), "--rejects is for --skip-bad")
    misused(first.cli("list", "add", "halle", check=False), "Give a FILE (or - for stdin), or --value")
    misused(first.cli("list", "show", " ", check=False), "Which list?")
