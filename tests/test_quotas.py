"""A list that is larger than its publisher's quota, between two real daemons."""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from tests.federation import Node, federation
from tests.rules import PLAIN

RECORDS, ITEMS = 8, 8 * 4096
TEXT = PLAIN.replace("headers_burst = 200", "headers_burst = 3").replace(
    "publisher_headers_burst = 4096", "publisher_headers_burst = 3"
)


@pytest.fixture(name="two")
def _two(tmp_path: Path) -> Iterator[Sequence[Node]]:
    with federation(tmp_path, 2, text=TEXT) as nodes:
        first, second = nodes
        first.cli("peer", "add", "--founders", "--yes", "--no-wait")
        second.cli("peer", "add", "--founders", "--yes")
        yield nodes


def test_a_list_beyond_its_publisher_s_quota_is_held_whole_by_others_and_everyone_is_told(
    two: Sequence[Node], tmp_path: Path
) -> None:
    publisher, node = two
    file = tmp_path / "digests.txt"
    file.write_text("".join(f"{sha256(number.to_bytes(4)).hexdigest()}\n" for number in range(ITEMS)))
    said = publisher.cli("list", "publish", str(file), "--name", "halle", "--tlp", "green", "--for", "30d", "--yes")
    assert "beyond this member's quota" in said.stdout, said
    node.until(lambda status: status["items"] == ITEMS, "status")
    seen = json.loads(node.cli("status", "--json").stdout)["quotas"]
    assert seen["pushes_ignored"] > 0
    assert seen["members_ignored"] == 1
    assert "pushed entries of one member put off" in node.cli("status").stdout
    assert json.loads(publisher.cli("status", "--json").stdout)["quotas"]["slowed"] >= RECORDS - 3
    assert "over its quota at peers" in publisher.cli("doctor").stdout
    assert "goes the fast way" in node.cli("doctor").stdout
