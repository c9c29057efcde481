"""Remainders: what is left of a record of which a part was erased, sealed anew under a key of this node's own."""

from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import HeaderHash
from node.store import driver


@dataclass(frozen=True, slots=True)
class Remainder:
    """Which items are gone, as bits, and under which name its key box lies among the boxes."""

    positions: int
    box: HeaderHash


def put(ledger: sa.Connection, hash_: HeaderHash, made: Remainder) -> None:
    """A record is a remainder from now on, or a smaller one."""
    positions = made.positions.to_bytes(-(-made.positions.bit_length() // 8), "little")
    driver.execute(ledger, "INSERT OR REPLACE INTO remainder VALUES (?, ?, ?)", (hash_, positions, made.box))


def find(ledger: sa.Connection, hash_: HeaderHash) -> Remainder | None:
    """What is left of a record, if it is not whole."""
    row = driver.row(ledger, "SELECT positions, box FROM remainder WHERE hash = ?", (hash_,))
    return Remainder(int.from_bytes(row[0], "little"), HeaderHash(row[1])) if row else None


def every(ledger: sa.Connection) -> dict[HeaderHash, int]:
    """All of them, with the places that are gone, as bits."""
    rows = driver.rows(ledger, "SELECT hash, positions FROM remainder ORDER BY hash")
    return {HeaderHash(row[0]): int.from_bytes(row[1], "little") for row in rows}


def boxes(ledger: sa.Connection) -> set[HeaderHash]:
    """The names under which their key boxes lie."""
    return {HeaderHash(row[0]) for row in driver.rows(ledger, "SELECT box FROM remainder ORDER BY box")}


def drop(ledger: sa.Connection, hash_: HeaderHash) -> None:
    """Nothing is left of it."""
    driver.execute(ledger, "DELETE FROM remainder WHERE hash = ?", (hash_,))
