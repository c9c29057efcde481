"""Withheld payloads: after a restore, what may have been erased before is neither fetched nor taken in."""

from collections.abc import Sequence

import sqlalchemy as sa

from node.feed.keys import HeaderHash
from node.store import driver

NOT_WANTED = "not wanted"  # what was held back was not to be fetched anyway


def candidates(connection: sa.Connection) -> list[HeaderHash]:
    """What is missing, or might be wanted some day."""
    return [row[0] for row in driver.rows(connection, "SELECT hash FROM payload WHERE state IN (0, 1) ORDER BY hash")]


def every(connection: sa.Connection) -> list[HeaderHash]:
    """What is held back."""
    return [row[0] for row in driver.rows(connection, "SELECT hash FROM payload WHERE state = 6 ORDER BY hash")]


def put(connection: sa.Connection, hashes: Sequence[HeaderHash]) -> None:
    """These are not fetched, until `let_go`; what was not wanted has a reason meanwhile."""
    driver.execute_many(
        connection,
        "UPDATE payload SET reason = CASE WHEN state = 1 AND reason = '' THEN ? ELSE reason END, state = 6,"
        " relay_until_ms = 0 WHERE hash = ? AND state IN (0, 1)",
        [(NOT_WANTED, hash_) for hash_ in hashes],
    )


def let_go(connection: sa.Connection) -> None:
    """What was held back is what it was before: missing, or not wanted."""
    driver.execute(
        connection,
        "UPDATE payload SET state = CASE reason WHEN '' THEN 0 ELSE 1 END, reason = replace(reason, ?, '')"
        " WHERE state = 6",
        (NOT_WANTED,),
    )
