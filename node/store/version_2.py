"""To version 2: lists are followed or not, and a payload says of which list it is.

Until then every list was fetched and matched. Whatever was here goes on being followed: an upgrade
must not end a match that nobody decided about.
"""

import sqlite3
from collections.abc import Iterator

from node.feed import header as headers
from node.feed import statements
from node.feed.header import Header
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.feed.statements import Open

TABLES = (
    "ALTER TABLE payload ADD COLUMN list_id BLOB",
    "ALTER TABLE payload ADD COLUMN relay_until_ms INTEGER NOT NULL DEFAULT '0'",
    "ALTER TABLE payload ADD COLUMN elsewhere BOOLEAN NOT NULL DEFAULT '0'",
    "CREATE INDEX payload_relayed ON payload (relay_until_ms) WHERE relay_until_ms > 0",
    "CREATE INDEX payload_list ON payload (list_id) WHERE list_id IS NOT NULL",
    (
        "CREATE TABLE following (member_id BLOB NOT NULL, object_id BLOB NOT NULL, state TEXT NOT NULL,"
        " until_ms INTEGER NOT NULL, PRIMARY KEY (member_id, object_id)) WITHOUT ROWID"
    ),
)


def fill(ledger: sqlite3.Connection) -> None:
    """Read from the headers of which list each payload is, and follow all of these lists."""
    bound = ledger.execute("SELECT value FROM meta WHERE name = 'federation_id'").fetchone()
    if bound is None:
        return  # it joined no federation, so it holds nothing
    owners: dict[FeedId, MemberId] = {}
    for header in _headers(ledger, Kind.OPEN, bound[0]):
        read = statements.read(header)
        if read is not None and isinstance(read.statement, Open):
            owners[header.feed_id] = read.statement.member_id
    for header in _headers(ledger, Kind.ITEMS, bound[0]):
        ledger.execute("UPDATE payload SET list_id = ? WHERE hash = ?", (header.object_id, header.hash))
        if header.feed_id in owners:
            ledger.execute(
                "INSERT OR IGNORE INTO following VALUES (?, ?, 'followed', 0)",
                (owners[header.feed_id], header.object_id),
            )


def _headers(ledger: sqlite3.Connection, kind: Kind, federation_id: bytes) -> Iterator[Header]:
    for row in ledger.execute("SELECT body FROM entry WHERE kind = ?", (int(kind),)):
        yield headers.decode(row[0], FederationId(federation_id))
