"""Which lists this node's people decided to follow, to look at for a while, or not to have."""

import sqlalchemy as sa

from node.feed.keys import MemberId, ObjectId
from node.policy.following import Choice, List, State
from node.store import driver


def choices(ledger: sa.Connection) -> dict[List, Choice]:
    """Every decision."""
    rows = driver.rows(ledger, "SELECT member_id, object_id, state, until_ms, by_crisis FROM following ORDER BY 1, 2")
    return {(row[0], row[1]): Choice(State(row[2]), row[3], bool(row[4])) for row in rows}


def put(ledger: sa.Connection, member_id: MemberId, object_id: ObjectId, choice: Choice) -> None:
    """Keep a decision; the last one counts."""
    driver.execute(
        ledger,
        "INSERT OR REPLACE INTO following (member_id, object_id, state, until_ms, by_crisis) VALUES (?, ?, ?, ?, ?)",
        (member_id, object_id, choice.state, choice.until_ms, choice.by_crisis),
    )


def drop(ledger: sa.Connection, member_id: MemberId, object_id: ObjectId) -> None:
    """Forget a decision."""
    driver.execute(ledger, "DELETE FROM following WHERE member_id = ? AND object_id = ?", (member_id, object_id))
