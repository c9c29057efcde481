"""Two nodes of opposite policies hold the same: each erases what the other keeps, and gets nothing of it back."""

import json
import shutil
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from node.custody import joining, policies
from node.exchange import trust as trusts
from node.exchange import verification
from node.exchange.verified import Reader
from node.feed import box, chain
from node.feed.identity import Role
from node.feed.keys import FeedId, MemberId
from node.store import ledger, stores
from node.v1 import header_pb2
from tests.acts import declare, has, hears, is_in_step, publish
from tests.federation import Node, federation

VALUES = sorted(sha256(b"opposites" + bytes([i])).digest() for i in range(200))
LATER = [i.to_bytes(32) for i in range(1, 100)]
TITLE = "Opposites at the harbour"


@pytest.fixture(name="three")
def _three(tmp_path: Path) -> Iterator[Sequence[Node]]:
    """One that says things, and two others; all of them approved each other and hold the same."""
    with federation(tmp_path, 3) as nodes:
        for node in nodes[:-1]:
            node.cli("peer", "add", "--founders", "--yes", "--no-wait")
        nodes[-1].cli("peer", "add", "--founders", "--yes")
        for node in nodes:
            is_in_step(node, peers=2)
        yield nodes


def policy(classes: str) -> str:
    """Nothing of these classes is kept, and all else as long as may be."""
    rules = (f'class = [{classes}], keep = "0 d"', 'class = "any", keep = "as its author allows"')
    return 'name = "test"\nrules = [\n' + "".join(f'  {{ {one}, ground = "a test" }},\n' for one in rules) + "]\n"


NO_DIGESTS, NO_CRISES = policy('"cryptographic"'), policy('"alert", "declaration"')


def apply(node: Node, text: str, count: int) -> None:
    """Put a policy in force by which at least so much goes, and wait until that is gone.

    Members go on telling each other what reached them, which goes with the crisis.
    """
    file = node.folder / "new.toml"
    file.write_text(text)
    found = node.json("policy", "preview", file)["now"]
    assert found >= count
    node.cli("policy", "apply", file, "--justify", "DPIA-7", "a test", "--yes", str(found + 100))
    node.wait_for("erased")


def shows_none(node: Node, *secrets: bytes) -> bool:
    texts = [path.read_bytes() for path in sorted(node.config.data_folder.rglob("*")) if path.is_file()]
    return not any(one in text for one in secrets for text in texts)


def crises(node: Node) -> list[str]:
    return [one["crisis"]["title"] for one in node.json("crisis", "list")]


def items(node: Node) -> int:
    return int(node.json("status")["items"])


def check_feeds(node: Node) -> None:
    """Every feed that is here holds from its first header: signature, number, and the hash of the one before."""
    opened = stores.open_to_read(node.config.data_folder)
    heads = ledger.heads(opened.ledger)
    rows = [row for head in heads for row in ledger.span(opened.ledger, head.feed_id, 1, head.seq, head.seq)]
    opened.close()
    charter = joining.read_charter(node.config)
    letters = [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows]
    nobody = Reader(MemberId(bytes(32)), (), box.Hpke())
    found, _, fault = verification.verify_all(letters, trusts.begin(charter), nobody)
    assert fault is None
    assert len(found) == len(rows) == sum(head.seq for head in heads)
    reached: dict[FeedId, chain.Head] = {}
    for header in sorted((one.header for one in found), key=lambda one: (one.feed_id, one.seq)):
        assert chain.place(reached.get(header.feed_id), header) is chain.Place.NEXT
        reached[header.feed_id] = chain.head_of(header)
    assert sorted(reached.values()) == heads


async def test_two_nodes_of_opposite_policies_erase_each_by_its_own_and_get_nothing_back(
    three: Sequence[Node], tmp_path: Path
) -> None:
    author, shorter, longer = three
    await publish(author, "harbour", VALUES)
    await declare(author, TITLE)
    for node in (shorter, longer):
        has(node, VALUES)
        await hears(node, TITLE)
    author.stop()
    shorter.stop()
    shutil.copytree(shorter.config.data_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("sign", "node"))
    shorter.start()
    is_in_step(shorter)
    apply(shorter, NO_DIGESTS, len(VALUES))
    shorter.wait_for("compacted")
    apply(longer, NO_CRISES, 1)
    longer.wait_for("compacted")
    is_in_step(shorter)

    def check() -> None:
        assert (items(shorter), crises(shorter)) == (0, [TITLE])
        assert (items(longer), crises(longer)) == (len(VALUES), [])
        assert shows_none(shorter, *VALUES)
        assert shows_none(longer, TITLE.encode())

    check()
    shorter.stop()
    for path in (tmp_path / "copy").glob("*.db*"):  # as a backup of these files brings them back
        shutil.copy2(path, shorter.config.data_folder)
    shorter.start()
    assert items(shorter) == 0, "before anybody is let in"
    assert shows_none(shorter, *VALUES), "nor in what came back of the files"
    is_in_step(shorter)
    author.start()  # which comes late, with everything as it was
    for node in three:
        is_in_step(node, peers=2)
    as_shipped = shorter.folder / "shipped.toml"  # by which digests are kept for years: what is erased stays so
    as_shipped.write_bytes(policies.shipped(Role.AUTHORITY))
    shorter.cli("policy", "apply", as_shipped, "--justify", "DPIA-8", "a test", "--yes", "0")
    await publish(author, "later", LATER)
    # Not more is asked: that the crisis reached it, the longer one said and erased; nobody can give that again.
    shorter.until(lambda status: status["items"] == len(LATER), "status")
    longer.until(lambda status: status["items"] == len(VALUES) + len(LATER), "status")
    assert crises(shorter) == [TITLE]
    assert crises(longer) == []
    for node in three:
        check_feeds(node)


async def test_what_fell_due_while_a_node_was_down_is_gone_before_it_lets_anybody_in(two: Sequence[Node]) -> None:
    author, node = two
    await publish(author, "harbour", VALUES)
    has(node, VALUES)
    node.stop()
    policies.write(node.config.data_folder, NO_DIGESTS.encode())
    node.start()
    assert items(node) == 0
    node.stop()
    events = [json.loads(line)["event"] for line in node.log if line.startswith("{")]
    second_start = events[events.index("stopped") :]
    assert second_start.index("erased") < second_start.index("compacted") < second_start.index("ready")
    assert shows_none(node, *VALUES)
