"""What this node ignores, by its own decision. Values of it are in no backup, and go with their date."""

from collections.abc import Sequence

import sqlalchemy as sa

from node.policy.ignoring import Ignored, Thing, What
from node.store import driver


def every(ledger: sa.Connection) -> list[Ignored]:
    """All decisions, in the order of their ids."""
    rows = driver.rows(
        ledger, "SELECT id, what, target, place, member_id, made_ms, by, until_ms FROM ignored ORDER BY id"
    )
    return [Ignored(row[0], Thing(What(row[1]), row[2], row[3], row[4]), row[5], row[6], row[7]) for row in rows]


def put(ledger: sa.Connection, one: Ignored) -> None:
    """Keep a decision."""
    thing = one.thing
    driver.execute(
        ledger,
        "INSERT OR REPLACE INTO ignored (id, what, target, place, member_id, made_ms, by, until_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (one.id, thing.what, thing.target, thing.place, thing.member_id, one.made_ms, one.by, one.until_ms),
    )


def drop(ledger: sa.Connection, ids: Sequence[bytes]) -> None:
    """Forget decisions; SQLite overwrites what they named."""
    driver.execute_many(ledger, "DELETE FROM ignored WHERE id = ?", [(id_,) for id_ in ids])
