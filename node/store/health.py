"""What the stores tell of how far behind they are."""

from dataclasses import dataclass

import sqlalchemy as sa

from node.store import driver, quarantine
from node.store.arrivals import Cursor

COUNTED_MAX = 100_000  # a projection that is further behind is being made anew


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and since when the oldest of them does."""

    count: int
    since_ms: int


def missing(ledger: sa.Connection, now_ms: int) -> Waiting:
    """Payloads that are wanted and still of use."""
    row = driver.row(
        ledger,
        "SELECT count(*), min(e.received_ms) FROM payload p JOIN entry e ON e.hash = p.hash"
        " WHERE p.state = 0 AND p.expires_ms > ?",
        (now_ms,),
    )
    return Waiting(row[0], row[1] or 0) if row else Waiting(0, 0)


def held_back(ledger: sa.Connection) -> int:
    """Payloads that are not fetched until the erasure journal is known."""
    found: int = driver.scalar(ledger, "SELECT count(*) FROM payload WHERE state = 6")
    return found


def unprojected(ledger: sa.Connection, projected: Cursor) -> Waiting:
    """Arrivals that are not in the index yet."""
    row = driver.row(
        ledger,
        "SELECT count(*), min(received_ms) FROM (SELECT e.received_ms FROM arrival a JOIN entry e ON e.hash = a.hash"
        " WHERE ((a.urgent = 1 AND a.position > ?) OR (a.urgent = 0 AND a.position > ?))"
        f" AND NOT {quarantine.SET_ASIDE} LIMIT ?)",
        (projected.urgent, projected.bulk, COUNTED_MAX),
    )
    return Waiting(row[0], row[1] or 0) if row else Waiting(0, 0)


def sealed(ledger: sa.Connection) -> int:
    """Payloads that are here and that nobody here can read."""
    found: int = driver.scalar(ledger, "SELECT count(*) FROM payload WHERE state = 2")
    return found
