"""`tocsin peer check` with each obstacle really in the way of two real daemons."""

import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from node.custody import charters, folder, issuer, member, passphrase
from node.feed import identity
from node.rpc.tls import Leaf
from tests import federation as federations
from tests.federation import Node, Result, federation, free_ports
from tests.rpc import strangers
from tests.rules import PLAIN


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    """Four members; nobody has approved anybody, and nobody can dial the last."""
    with federation(tmp_path_factory.mktemp("f"), 4, hidden=1) as running:
        yield running


@pytest.fixture
def first(nodes: Sequence[Node]) -> Node:
    return nodes[0]


@pytest.fixture
def second(nodes: Sequence[Node]) -> Node:
    return nodes[1]


def card_with(node: Node, address: str, path: Path) -> Path:
    """The node's card as it would be with another address."""
    card = node.made.card
    root = SigningKey(passphrase.open_file(node.folder / member.ROOT_KEY, "root", federations.WORDS))
    path.write_bytes(identity.create_card(card.inception, card.tls_issuer, address, root))
    return path


def now() -> datetime:
    """What daemons take for now."""
    return datetime.now(UTC)  # noqa: TID251 - daemons have the real clock


def leaf_of(node: Node, days: int = 0) -> Leaf:
    """What the node shows, made so many days from now; good for a day."""
    keys = folder.read_keys(node.config.data_folder)
    key = issuer.create_key()
    made = issuer.issue_node(keys.issuer, keys.member_id, keys.node_id, key.public_key(), now() + timedelta(days=days))
    return Leaf(issuer.key_pem(key), issuer.certificate_pem(made))


def approve_at(first: Node, second: Node, address: str, tmp_path: Path) -> None:
    """Have the first node call the second at this address."""
    first.cli("peer", "add", card_with(second, address, tmp_path / "their.card"), "--yes", "--no-wait")


def checked(node: Node, name: str) -> tuple[int, list[dict[str, Any]]]:
    done = node.cli("peer", "check", name, "--json", check=False)
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)["findings"]


def assert_obstacle(node: Node, name: str, code: int, step: str, *words: str) -> dict[str, Any]:
    """All is well but the last finding, which says this."""
    found_code, found = checked(node, name)
    *before, last = found
    assert (last["name"], last["verdict"], found_code) == (step, "fault", code), found
    assert {one["verdict"] for one in before} <= {"ok", "warning"}
    assert last["side"] == ("here" if code == 3 else "there")
    assert last["next_step"]
    for word in words:
        assert word in last["found"], last["found"]
    return dict(last)


# ---- Whatever may listen at an address


@contextmanager
def nobody() -> Iterator[str]:
    yield f"127.0.0.1:{free_ports(1)[0]}"


@contextmanager
def old(tmp_path: Path, second: Node) -> Iterator[str]:
    context = strangers.server_context(tmp_path, leaf_of(second))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with strangers.listening(strangers.speaks(context)) as address:
        yield address


def showing(leaf: Callable[[Node], Leaf]) -> Callable[[Path, Node], AbstractContextManager[str]]:
    def listen(tmp_path: Path, second: Node) -> AbstractContextManager[str]:
        return strangers.listening(strangers.speaks(strangers.server_context(tmp_path, leaf(second))))

    return listen


def of_a_new_issuer(node: Node) -> Leaf:
    made, key = issuer.create_issuer(now()), issuer.create_key()
    keys = folder.read_keys(node.config.data_folder)
    leaf = issuer.issue_node(made, keys.member_id, keys.node_id, key.public_key(), now())
    return Leaf(issuer.key_pem(key), issuer.certificate_pem(leaf))


def of_the_web(_: Node) -> Leaf:
    made = issuer.create_issuer(now())
    return Leaf(issuer.key_pem(made.key), made.pem)


@pytest.mark.parametrize(
    ("listen", "step", "words"),
    [
        (lambda *_: nobody(), "connect", ["refuses", "nothing listens at this port"]),
        (lambda *_: strangers.listening(strangers.greets), "tls", ["does not speak TLS"]),
        (lambda *_: strangers.listening(strangers.hangs_up), "tls", ["hangs up before the handshake is over"]),
        (old, "tls", ["speaks TLS 1.2", "needs TLS 1.3"]),
        (
            showing(lambda node: leaf_of(node, -3)),
            "certificate",
            ["its certificate expired at", "2 d 0 h ago", "this machine's clock says"],
        ),
        (
            showing(lambda node: leaf_of(node, +3)),
            "certificate",
            ["not valid before", "which its own clock has passed", "this machine's clock says"],
        ),
        (
            showing(of_a_new_issuer),
            "certificate",
            ["another issuer than the one pinned", "shown SHA-256", "pinned CN="],
        ),
        (showing(of_the_web), "certificate", ["no node", "expected: Ministry B, pinned CN="]),
    ],
    ids=["closed", "ssh", "hangs up", "tls 1.2", "expired", "not yet valid", "another issuer", "no node"],
)
def test_what_listens_there_is_named(
    first: Node,
    second: Node,
    tmp_path: Path,
    listen: Callable[[Path, Node], AbstractContextManager[str]],
    step: str,
    words: list[str],
) -> None:
    with listen(tmp_path, second) as address:
        approve_at(first, second, address, tmp_path)
        assert_obstacle(first, "ministry-b", 5, step, *words)


def test_another_members_node_at_the_address_is_named(nodes: Sequence[Node], tmp_path: Path) -> None:
    first, second, third, _ = nodes
    approve_at(first, second, third.config.peers_listen, tmp_path)
    found = assert_obstacle(first, "ministry-b", 5, "certificate", "another member's node answers at this address")
    assert f"{third.name}, {third.made.fingerprint}, SHA-256 " in found["found"]
    assert "expected: Ministry B, pinned CN=" in found["found"]


def test_this_very_node_at_the_address_is_named(first: Node, second: Node, tmp_path: Path) -> None:
    approve_at(first, second, first.config.peers_listen, tmp_path)
    assert_obstacle(first, "ministry-b", 5, "certificate", "this node itself answers")


def test_a_host_name_that_is_not_there_is_named(first: Node, second: Node, tmp_path: Path) -> None:
    approve_at(first, second, "no-such-host.invalid:7443", tmp_path)
    code, (found,) = checked(first, "ministry-b")
    assert (found["name"], found["verdict"]) == ("dns", "fault")
    assert "no-such-host.invalid cannot be resolved" in found["found"]
    assert code == (3 if found["side"] == "here" else 5)  # where there is no resolver at all, that is to be mended


def test_one_that_has_not_approved_us_knows_us_and_logs_who_tried(first: Node, second: Node, tmp_path: Path) -> None:
    approve_at(first, second, second.config.peers_listen, tmp_path)
    found = assert_obstacle(first, "ministry-b", 5, "approval", "not approved there", "knows this member")
    assert first.made.fingerprint in found["next_step"]
    line = second.wait_for("turned away")
    assert (line["name"], line["reason"], line["level"]) == (first.name, "not approved here", "warning")
    assert line["fingerprint"] == first.made.fingerprint
    assert line["next_step"] == "tocsin peer add ministry-a"


def test_a_blocked_peer_is_not_called(first: Node, second: Node, tmp_path: Path) -> None:
    approve_at(first, second, second.config.peers_listen, tmp_path)
    first.cli("peer", "block", "ministry-b", "--yes")
    assert_obstacle(first, "ministry-b", 3, "approval", "blocked here")


def test_all_well_says_so_with_the_round_trip_and_who_is_in_step(nodes: Sequence[Node], tmp_path: Path) -> None:
    first, _, third, _ = nodes
    first.cli("peer", "add", third.made.card_path, "--yes", "--no-wait")
    third.cli("peer", "add", first.made.card_path, "--yes")
    for node, name in ((first, "europol"), (third, "ministry-a")):
        done = node.cli("peer", "check", name)
        heading, *lines = done.stdout.splitlines()
        assert heading.startswith(("Europol", "Ministry A"))
        verdicts = [line.split()[:2] for line in lines if line.startswith(("  ok", "  fault"))]
        assert verdicts == [["ok", name] for name in ("connect", "tls", "certificate", "approval", "clock", "link")]
        assert "connected, round trip " in lines[-1]
        assert lines[-1].endswith("in step")


def test_a_check_connects_what_may_be_connected_and_says_what_was_agreed(nodes: Sequence[Node], tmp_path: Path) -> None:
    first, second, *_ = nodes
    approve_at(first, second, f"127.0.0.1:{free_ports(1)[0]}", tmp_path)
    second.cli("peer", "add", card_with(first, "", tmp_path / "first.card"), "--yes", "--no-wait")  # it dials nobody
    approve_at(first, second, second.config.peers_listen, tmp_path)
    code, found = checked(first, "ministry-b")
    assert code == 0, found
    assert found[-1]["found"].startswith("connected")


def test_a_peer_without_an_address_can_only_be_waited_for(nodes: Sequence[Node], tmp_path: Path) -> None:
    first, *_, hidden = nodes
    approve_at(first, hidden, "", tmp_path)
    found = assert_obstacle(first, hidden.name, 5, "address", "nobody can call it: it dials us")
    assert first.made.fingerprint in found["next_step"]


def refused(done: Result) -> str:
    assert done.returncode, done
    return done.stderr


def test_a_name_of_nobody_and_a_node_that_is_down_are_said(first: Node, second: Node) -> None:
    assert "there is no peer 'nobody'" in refused(first.cli("peer", "check", "nobody", check=False))
    assert first.cli("peer", "check", " ", check=False).returncode == 2


# ---- Two federations


def test_another_federation_is_named_with_both_ids(tmp_path: Path) -> None:
    """Two members that signed two charters, each of both."""
    ports, made = free_ports(4), now()
    pair = [
        federations._create(tmp_path / name, i, made, *ports[2 * i : 2 * i + 2], hidden=False, follow="all")
        for i, name in enumerate("xy")
    ]
    cards = [charters.read_card(node.made.card_path) for node in pair]
    small = PLAIN.replace("accept = { count = 4, countries = 2", "accept = { count = 1, countries = 1")
    for node, name in zip(pair, ("One federation", "Another one"), strict=True):
        text = small.replace('"Example federation"', f'"{name}"')
        assert text != small
        federations._join(node, charters.create(text, cards), int(made.timestamp() * 1000))
    first, second = pair
    try:
        for node in pair:
            node.start()
        first.cli("peer", "add", second.made.card_path, "--yes", "--no-wait")
        second.cli("peer", "add", card_with(first, "", tmp_path / "first.card"), "--yes", "--no-wait")
        found = assert_obstacle(first, "ministry-b", 5, "federation", "of another federation")
        for node in pair:
            assert node.json("status")["federation_id"] in found["found"]
        second.stop()
        done = second.cli("peer", "check", "ministry-a", check=False)
        assert done.returncode == 4
        assert f"tocsin run --folder {second.folder}" in done.stderr
    finally:
        for node in pair:
            if node.runs:
                node.kill()
