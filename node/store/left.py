"""What is left of payloads that were taken back, whether the index has them or not."""

from collections.abc import Sequence

import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash
from node.store import driver

TARGETS_AT_A_TIME = 500


def of(connection: sa.Connection, targets: Sequence[bytes]) -> list[tuple[bytes, HeaderHash, FeedId]]:
    """Of these entries and lists, all payloads, and places for them, that are not erased: whose, which, where said."""
    found = list[tuple[bytes, HeaderHash, FeedId]]()
    statement = (
        "SELECT {0}, p.hash, e.feed_id FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.state != 4"
        " AND {0} IN ({1}) ORDER BY p.rowid"
    )
    for start in range(0, len(targets), TARGETS_AT_A_TIME):
        part = targets[start : start + TARGETS_AT_A_TIME]
        for column in ("p.hash", "p.list_id"):
            rows = driver.rows(connection, statement.format(column, ",".join("?" * len(part))), part)
            found += [(row[0], row[1], row[2]) for row in rows]
    return found
