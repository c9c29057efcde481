"""To version 4: what is critical and not known, of which object it is and where it stands."""

import sqlite3

from node.feed import header as headers
from node.feed import kinds
from node.feed.pae import FederationId

TABLES = (
    (
        "CREATE TABLE halt (hash BLOB NOT NULL, object_id BLOB NOT NULL, feed_id BLOB NOT NULL, seq INTEGER NOT NULL,"
        " kind INTEGER NOT NULL, exercise BOOLEAN NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY (hash))"
        " WITHOUT ROWID"
    ),
    "CREATE INDEX halt_object ON halt (object_id)",
)


def fill(ledger: sqlite3.Connection) -> None:
    """Read from the headers which entries are critical, not known, and about an object."""
    bound = ledger.execute("SELECT value FROM meta WHERE name = 'federation_id'").fetchone()
    if bound is None:
        return  # it joined no federation, so it holds nothing
    for body, kind in ledger.execute("SELECT body, kind FROM entry WHERE kind > 31 AND kind % 2 = 0").fetchall():
        one = headers.decode(body, FederationId(bound[0])) if kinds.is_halting(kind) else None
        if one is not None and one.object_id:
            ledger.execute(
                "INSERT OR IGNORE INTO halt VALUES (?, ?, ?, ?, ?, ?, ?)",
                (one.hash, one.object_id, one.feed_id, one.seq, one.kind, one.exercise, one.created_ms),
            )
