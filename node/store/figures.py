"""Figures about the stores, for whoever watches them: counts and ages, never content."""

from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import MemberId
from node.store import counts, deadlines, driver, health, index, ledger
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
    overdue: tuple[int, int]  # payloads that are to be erased by now, and since when the first of them


def read(stores: Stores, now_ms: int) -> Figures:
    """The figures as of now."""
    missing = health.missing(stores.ledger, now_ms)
    projected = index.projected(stores.index, ledger.read_meta(stores.ledger, "store_id") or b"")
    return Figures(
        entries=ledger.entry_count(stores.ledger),
        records=counts.record_total(stores.index),
        items=counts.item_total(stores.index),
        wanted=missing.count,
        oldest_wanted_ms=missing.since_ms,
        unprojected=_unprojected(stores.ledger, projected),
        overdue=deadlines.backlog(stores.index, now_ms),
    )


def unmarked(stores: Stores) -> list[tuple[MemberId, int]]:
    """How many records of each member came without a mark."""
    statement = "SELECT member_id, count(*) FROM any_record WHERE kind = ? GROUP BY member_id ORDER BY member_id"
    return [(row[0], row[1]) for row in driver.rows(stores.index, statement, (index.UNMARKED,))]


def _unprojected(connection: sa.Connection, projected: Cursor) -> tuple[int, int]:
    statement = "SELECT count(*) FROM arrival WHERE urgent = ? AND position > ?"
    return (
        driver.scalar(connection, statement, (True, projected.urgent)),
        driver.scalar(connection, statement, (False, projected.bulk)),
    )
