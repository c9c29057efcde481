"""Figures about the stores, for whoever watches them: counts and ages, never content."""

from dataclasses import dataclass

import sqlalchemy as sa

from node.store import driver, index, ledger, payloads
from node.store.arrivals import Cursor
from node.store.stores import Stores


@dataclass(frozen=True, slots=True)
class Figures:
    """What the stores hold, and what is still to be done. ``unprojected``: urgent entries, and all others."""

    entries: int
    records: int
    items: int
    wanted: int
    oldest_wanted_ms: int  # when its header came; 0: nothing is wanted
    unprojected: tuple[int, int]


def read(stores: Stores) -> Figures:
    """The figures as of now."""
    projected = index.projected(stores.index, ledger.read_meta(stores.ledger, "store_id") or b"")
    return Figures(
        entries=ledger.entry_count(stores.ledger),
        records=index.record_total(stores.index),
        items=index.item_total(stores.index),
        wanted=payloads.want_count(stores.ledger),
        oldest_wanted_ms=_oldest_wanted_ms(stores.ledger),
        unprojected=_unprojected(stores.ledger, projected),
    )


def _oldest_wanted_ms(connection: sa.Connection) -> int:
    found: int | None = driver.scalar(
        connection, "SELECT min(e.received_ms) FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.state = 0"
    )
    return found or 0


def _unprojected(connection: sa.Connection, projected: Cursor) -> tuple[int, int]:
    statement = "SELECT count(*) FROM arrival WHERE urgent = ? AND position > ?"
    return (
        driver.scalar(connection, statement, (True, projected.urgent)),
        driver.scalar(connection, statement, (False, projected.bulk)),
    )
