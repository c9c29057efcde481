"""Metrics of real nodes, as Prometheus reads them."""

import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.acts import publish
from tests.federation import GUARD_S, Node, free_ports, make

ROOT = Path(__file__).parent.parent.parent
DIGESTS = [i.to_bytes(32) for i in range(1, 3000)]
ROW = re.compile(r"^\| `([a-z_]+)` \| (gauge|counter|histogram) \| (.*?) \| (.*) \|$", re.MULTILINE)


def measured(folder: Path, count: int) -> Sequence[Node]:
    """Nodes that answer Prometheus."""
    nodes = make(folder, count)
    for node, port in zip(nodes, free_ports(count), strict=True):
        file = node.folder / "node.toml"
        file.write_text(file.read_text().replace('listen = ""', f'listen = "127.0.0.1:{port}"'))
    return nodes


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Sequence[Node]]:
    nodes = measured(tmp_path, 2)
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            node.cli("peer", "add", "--founders", "--yes", "--no-wait")
        nodes[1].until(lambda status: status["peers_in_step"] == 1, "status")
        yield nodes
    finally:
        for node in nodes:
            if node.runs:
                node.kill()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Node]:
    (node,) = measured(tmp_path, 1)
    try:
        node.start()
        yield node
    finally:
        if node.runs:
            node.kill()


def url(node: Node) -> str:
    return f"http://{node.config.metrics_listen}/metrics"


def opened(address: str, sent: bytes | None = None) -> Any:
    return urlopen(Request(address, data=sent), timeout=GUARD_S)  # noqa: S310 - our own


def scrape(node: Node) -> dict[str, Metric]:
    with opened(url(node)) as answer:
        return {family.name: family for family in text_string_to_metric_families(answer.read().decode())}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    (found,) = [
        one.value
        for family in families.values()
        for one in family.samples
        if one.name == sample and labels.items() <= one.labels.items()
    ]
    return found


async def test_the_table_says_what_the_node_says_and_nothing_else(two: Sequence[Node]) -> None:
    publisher, node = two
    await publish(publisher, "halle", DIGESTS)
    node.until(lambda status: status["items"] == len(DIGESTS), "status")
    node.cli("lookup", DIGESTS[4].hex())
    families = scrape(node)
    text = (ROOT / "configs" / "README.md").read_text()
    written = {name: (kind, labels.replace("`", ""), meaning) for name, kind, labels, meaning in ROW.findall(text)}
    said = {}
    for family in families.values():
        labels = dict.fromkeys(name for sample in family.samples for name in sample.labels if name != "le")
        name = f"{family.name}_total" if family.type == "counter" else family.name
        said[name] = (family.type, set(labels), family.documentation)
    # No peer is at fault here, and nobody says much, so these labels do not show.
    never = {"tocsin_verification_failures_total", "tocsin_pushes_ignored_total", "tocsin_entries_demoted_total"}
    assert said.keys() == written.keys()
    for name, (kind, labels, meaning) in written.items():
        kind_said, labels_said, meaning_said = said[name]
        assert (kind, meaning) == (kind_said, meaning_said), name
        assert name in never or set(filter(None, labels.split(", "))) == labels_said, name
    for name in re.findall(r"tocsin_\w+", text):
        assert name in written, f"{name} is in a rule and not in the table"

    assert value(families, "tocsin_peer_connected", peer="Ministry A") == 1
    assert value(families, "tocsin_peer_in_step", peer="Ministry A") == 1
    assert value(families, "tocsin_items") == len(DIGESTS)
    answered = value(families, "tocsin_lookup_duration_seconds_count")
    assert value(families, "tocsin_lookup_values_total") >= answered >= 1  # one for each kind it may be
    assert value(families, "tocsin_store_bytes", store="digests") > 32 * len(DIGESTS)
    for family in families.values():
        for sample in family.samples:
            assert "halle" not in str(sample.labels)
            assert DIGESTS[4].hex() not in str(sample.labels)

    publisher.stop()
    node.wait_for("link down")
    assert value(scrape(node), "tocsin_peer_connected", peer="Ministry A") == 0


def test_what_is_wanted_ages(one: Node) -> None:
    one.stop()
    with closing(sqlite3.connect(one.config.data_folder / "ledger.db")) as ledger, ledger:
        ledger.execute(
            "INSERT INTO payload (hash, state, lane, chunks, expires_ms, boxed)"
            " SELECT hash, 0, 3, 1, 9e15, 0 FROM entry WHERE seq = 1 LIMIT 1"
        )
        ledger.execute("UPDATE entry SET received_ms = 1000 WHERE hash = (SELECT hash FROM payload)")
    one.start()
    families = scrape(one)
    assert value(families, "tocsin_want_list_payloads") == 1
    assert value(families, "tocsin_want_list_oldest_seconds") > 1e9


def test_whoever_asks_is_answered_as_plain_http_and_a_silent_one_stops_nobody_for_long(one: Node) -> None:
    host, _, port = one.config.metrics_listen.rpartition(":")
    with socket.create_connection((host, int(port)), GUARD_S) as silent:
        silent.sendall(b"GET / HT")
        with opened(url(one)) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
    with pytest.raises(HTTPError, match="405"):
        opened(url(one), b"x")
    one.stop()
    assert all(line.startswith("{") for line in one.log), "the library wrote past the log"


def test_where_metrics_are_off_their_library_is_not_even_loaded() -> None:
    script = "import sys, node.daemon; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_port_that_is_taken_is_named_and_the_node_does_not_start(tmp_path: Path) -> None:
    (node,) = measured(tmp_path, 1)
    host, _, port = node.config.metrics_listen.rpartition(":")
    with socket.create_server((host, int(port))):
        refused = node.cli("run", check=False)
    assert refused.returncode == 3
    assert f"metrics.listen: {host}:{port} cannot be listened on: Address already in use" in refused.stderr
