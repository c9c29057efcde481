"""What a node said, by its own ledger: what every other node that follows it takes in once."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from node import limits
from node.custody import folder, joining
from node.feed import keys
from node.feed.kinds import Kind
from node.store import stores
from tests.federation import Node

BOX_BYTES = 38  # a key in clear, as it travels

_SAID = """
SELECT e.kind, EXISTS (SELECT 1 FROM index_file.replacement p WHERE p.hash = e.hash), count(*),
    sum(length(e.body) + length(e.signature)
        + coalesce((SELECT sum(length(data)) + ? FROM chunk WHERE hash = e.hash), 0))
FROM entry e WHERE e.feed_id = ? AND e.seq BETWEEN ? AND ? GROUP BY 1, 2
"""
NAMES = {Kind.WITHDRAW: "withdrawals", Kind.LIST: "list heads", Kind.ITEMS: "new records"}
REPLACEMENTS, REST = "replacement records", "checkpoints"


@dataclass(frozen=True, slots=True)
class Said:
    """Entries with their payloads, by what they are."""

    entries: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)


def last(node: Node) -> int:
    """The number of the last entry in the node's feed."""
    with _ledger(node) as connection:
        (found,) = connection.execute("SELECT max(seq) FROM entry WHERE feed_id = ?", (_feed(node),)).fetchone()
    return int(found)


def since(node: Node, seq: int) -> Said:
    """What the node said behind that entry."""
    return _said(node, seq + 1, limits.SEQ_MAX)


def until(node: Node, seq: int) -> Said:
    """What it said up to there."""
    return _said(node, 1, seq)


def _said(node: Node, first: int, last: int) -> Said:
    found = Said()
    with _ledger(node) as connection:
        for kind, replaces, entries, size in connection.execute(_SAID, (BOX_BYTES, _feed(node), first, last)):
            name = REPLACEMENTS if replaces else NAMES.get(kind, REST)
            found.entries[name] += entries
            found.sizes[name] += size
    return found


def _feed(node: Node) -> bytes:
    own, charter = folder.read_keys(node.config.data_folder), joining.read_charter(node.config)
    return keys.feed_id(charter.federation_id, own.member_id, bytes(own.feed_key.verify_key))


@contextmanager
def _ledger(node: Node) -> Iterator[sqlite3.Connection]:
    data = node.config.data_folder
    with closing(sqlite3.connect(stores.read_only(data / "ledger.db"), uri=True)) as connection:
        connection.execute("ATTACH DATABASE ? AS index_file", (stores.read_only(data / "index.db"),))
        yield connection
