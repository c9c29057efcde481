"""A ledger without payloads: what a backup has of it.

Row by row, so that no ciphertext is ever in the copy. Where it is restored, what was live is wanted
again, and what was erased stays erased.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from node.store import schema, stores
from node.store.payloads import State

_WHOLE = ("entry", "head", "fork", "peer", "following")  # tables that are copied as they are
_KEPT_META = ("federation_id", "echo", "restored")
_STATES = (  # what is live is to be fetched again; what is here for peers alone is not
    f"CASE WHEN state = {State.ERASED} THEN {State.ERASED} WHEN relay_until_ms > 0 THEN {State.UNWANTED}"
    f" WHEN state = {State.UNWANTED} THEN {State.UNWANTED} ELSE {State.MISSING} END"
)


def write(source: Path, target: Path) -> None:
    """Copy a ledger into a new file, in one look at it; it may be written to meanwhile."""
    made = stores.connect(lambda: sqlite3.connect(target))
    stores.create(made, "ledger")
    made.close()
    made.engine.dispose()
    with closing(sqlite3.connect(target, uri=True, isolation_level=None)) as connection:
        connection.execute("ATTACH DATABASE ? AS source", (stores.read_only(source),))
        connection.execute("BEGIN")  # one look: what is written meanwhile is in none of the tables
        for name in _WHOLE:
            columns = ", ".join(column.name for column in schema.ledger.tables[name].columns)
            connection.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM source.{name}")
        connection.execute(
            "INSERT INTO main.payload (hash, state, reason, lane, chunks, expires_ms, boxed, list_id, elsewhere)"
            f" SELECT hash, {_STATES}, reason, lane, chunks, expires_ms, 0, list_id, elsewhere FROM source.payload"
            " ORDER BY rowid"
        )
        columns = ", ".join(column.name for column in schema.ignored.columns)
        connection.execute(  # a value may be somebody's address: it is in no backup
            f"INSERT INTO main.ignored ({columns}) SELECT {columns} FROM source.ignored WHERE what != 'value'"
        )
        # Statements stay readable; records are read again when they come.
        connection.execute(
            "INSERT INTO main.arrival (urgent, hash) SELECT a.urgent, a.hash FROM source.arrival a"
            " JOIN source.entry e ON e.hash = a.hash WHERE e.kind < 64 ORDER BY a.position"
        )
        connection.execute(
            "INSERT INTO main.deferred SELECT d.* FROM source.deferred d"
            " JOIN source.entry e ON e.hash = d.hash WHERE e.kind < 64"
        )
        marks = ", ".join("?" * len(_KEPT_META))
        connection.execute(f"INSERT INTO main.meta SELECT * FROM source.meta WHERE name IN ({marks})", _KEPT_META)
        connection.execute("COMMIT")
        connection.execute("DETACH DATABASE source")
