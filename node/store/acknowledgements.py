"""Acknowledgements: which records say of an entry that it was delivered, seen or acted on. A projection."""

from collections.abc import Sequence

import sqlalchemy as sa

from node.feed.keys import HeaderHash
from node.store import driver
from node.store.index import RECORD, Record


def put(index: sa.Connection, number: int, entries: Sequence[HeaderHash]) -> None:
    """This record acknowledges these; again is the same."""
    driver.execute_many(
        index,
        "INSERT OR IGNORE INTO acknowledgement (entry, record) VALUES (?, ?)",
        [(one, number) for one in entries],
    )


def of_entry(index: sa.Connection, entry: HeaderHash) -> list[Record]:
    """All that acknowledge it, in the order in which they came here."""
    rows = driver.rows(
        index,
        f"SELECT {', '.join(f'r.{name}' for name in RECORD.split(', '))} FROM acknowledgement a"
        " JOIN any_record r ON r.record = a.record WHERE a.entry = ? AND r.shown ORDER BY received_ms, r.hash",
        (entry,),
    )
    return [Record(*row) for row in rows]
