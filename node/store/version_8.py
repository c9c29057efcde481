"""To version 8: which payloads are of drills, that are fetched behind what is real."""

import sqlite3

from node.feed import header as headers
from node.feed.pae import FederationId

TABLES = ("ALTER TABLE payload ADD COLUMN exercise BOOLEAN NOT NULL DEFAULT '0'",)


def fill(ledger: sqlite3.Connection) -> None:
    """Read from the headers which of those that are not erased are of drills."""
    bound = ledger.execute("SELECT value FROM meta WHERE name = 'federation_id'").fetchone()
    if bound is None:
        return  # it joined no federation, so it holds nothing
    rows = ledger.execute("SELECT p.hash, e.body FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.state != 4")
    drills = [(row[0],) for row in rows if headers.decode(row[1], FederationId(bound[0])).exercise]
    ledger.executemany("UPDATE payload SET exercise = 1 WHERE hash = ?", drills)
