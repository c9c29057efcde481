# ruff: noqa: E501 - statements as the program gave them
"""Stores as the program of version 1 made them: what an upgrade begins with. Never changes."""

import sqlite3
from contextlib import closing
from pathlib import Path

TABLES = {
    "ledger": """
CREATE TABLE meta (name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (name));
CREATE TABLE entry (hash BLOB NOT NULL, feed_id BLOB NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL, chained BOOLEAN NOT NULL, received_ms INTEGER NOT NULL, body BLOB NOT NULL, signature BLOB NOT NULL, PRIMARY KEY (hash));
CREATE INDEX entry_place ON entry (feed_id, seq);
CREATE INDEX entry_statement ON entry (kind) WHERE kind < 64;
CREATE TABLE head (feed_id BLOB NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (feed_id)) WITHOUT ROWID;
CREATE TABLE fork (feed_id BLOB NOT NULL, seq INTEGER NOT NULL, first_body BLOB NOT NULL, first_signature BLOB NOT NULL, second_body BLOB NOT NULL, second_signature BLOB NOT NULL, PRIMARY KEY (feed_id));
CREATE TABLE payload (hash BLOB NOT NULL, state INTEGER NOT NULL, reason TEXT DEFAULT '' NOT NULL, lane INTEGER NOT NULL, chunks INTEGER NOT NULL, expires_ms INTEGER NOT NULL, boxed BOOLEAN NOT NULL, PRIMARY KEY (hash));
CREATE INDEX payload_missing ON payload (lane) WHERE state = 0;
CREATE TABLE chunk (chunk INTEGER NOT NULL, hash BLOB NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (chunk));
CREATE UNIQUE INDEX chunk_place ON chunk (hash, number);
CREATE TABLE arrival (position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, urgent BOOLEAN NOT NULL, hash BLOB NOT NULL);
CREATE INDEX arrival_order ON arrival (urgent, position);
CREATE TABLE "deferred" (hash BLOB NOT NULL, urgent BOOLEAN NOT NULL, due_ms INTEGER NOT NULL, PRIMARY KEY (hash)) WITHOUT ROWID;
CREATE TABLE peer (member_id BLOB NOT NULL, address TEXT NOT NULL, tls_issuer BLOB NOT NULL, state TEXT NOT NULL, added_ms INTEGER NOT NULL, PRIMARY KEY (member_id));
CREATE TABLE acknowledged (name TEXT NOT NULL, urgent INTEGER NOT NULL, bulk INTEGER NOT NULL, PRIMARY KEY (name));
""",
    "keys": """
CREATE TABLE box (hash BLOB NOT NULL, box BLOB NOT NULL, PRIMARY KEY (hash)) WITHOUT ROWID;
""",
    "index": """
CREATE TABLE projected (store_id BLOB NOT NULL, urgent INTEGER NOT NULL, bulk INTEGER NOT NULL, PRIMARY KEY (store_id));
CREATE TABLE record (record INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL, shown BOOLEAN NOT NULL, feed_id BLOB NOT NULL, seq INTEGER NOT NULL, member_id BLOB NOT NULL, object_id BLOB NOT NULL, kind INTEGER NOT NULL, exercise BOOLEAN NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, items INTEGER NOT NULL, content BLOB NOT NULL, UNIQUE (hash));
CREATE INDEX record_kind ON record (kind);
CREATE INDEX record_object ON record (object_id, member_id);
""",
    "digests": """
CREATE TABLE digest (kind INTEGER NOT NULL, value BLOB NOT NULL, record INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (kind, value, record, position)) WITHOUT ROWID;
CREATE TABLE written (record INTEGER NOT NULL, whole BOOLEAN NOT NULL, PRIMARY KEY (record));
""",
}


def make(folder: Path) -> None:
    """The four files, empty but for one row in ledger and keys."""
    for name, tables in TABLES.items():
        with closing(sqlite3.connect(folder / f"{name}.db")) as connection, connection:
            connection.executescript(f"PRAGMA journal_mode = WAL; {tables} PRAGMA user_version = 1;")
    with closing(sqlite3.connect(folder / "ledger.db")) as connection, connection:
        connection.execute("INSERT INTO payload VALUES (?, 0, '', 3, 1, 9, 1)", (b"h" * 32,))
    with closing(sqlite3.connect(folder / "keys.db")) as connection, connection:
        connection.execute("INSERT INTO box VALUES (?, ?)", (b"h" * 32, b"box"))
