"""What is left of payloads that were taken back, whether the index has them or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash
from node.store import driver

TARGETS_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Left:
    """A payload, or a place for one, that is not erased; ``target``: its entry or its list, as it was asked for."""

    target: bytes
    hash: HeaderHash
    feed_id: FeedId
    exercise: bool


def of(connection: sa.Connection, targets: Sequence[bytes]) -> list[Left]:
    """What is left of these entries and lists."""
    found = list[Left]()
    statement = (
        "SELECT {0}, p.hash, e.feed_id, p.exercise FROM payload p JOIN entry e ON e.hash = p.hash WHERE p.state != 4"
        " AND {0} IN ({1}) ORDER BY p.rowid"
    )
    for start in range(0, len(targets), TARGETS_AT_A_TIME):
        part = targets[start : start + TARGETS_AT_A_TIME]
        for column in ("p.hash", "p.list_id"):
            rows = driver.rows(connection, statement.format(column, ",".join("?" * len(part))), part)
            found += [Left(row[0], row[1], row[2], bool(row[3])) for row in rows]
    return found
