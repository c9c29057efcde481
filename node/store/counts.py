"""How much the index holds: of each object, of each member, and in all."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import MemberId, ObjectId
from node.store import driver
from node.store.index import TABLES, of_both


@dataclass(frozen=True, slots=True)
class Count:
    """What there is of one object: records, and items in them."""

    records: int = 0
    items: int = 0
    updated_ms: int = 0
    elsewhere: int = 0  # records that another member has, where they are ours


def counts(
    index: sa.Connection, kind: int, now_ms: int, *, exercise: bool = False
) -> dict[tuple[MemberId, ObjectId], Count]:
    """What there is now of each object that has records of this kind; for a reader that has the ledger, too."""
    rows = driver.rows(
        index,
        "SELECT r.member_id, r.object_id, count(*), sum(r.items), max(r.created_ms), sum(p.elsewhere)"
        f" FROM {TABLES[exercise]} r JOIN payload p ON p.hash = r.hash"
        " WHERE r.shown AND r.kind = ? AND r.expires_ms > ? GROUP BY r.member_id, r.object_id",
        (kind, now_ms),
    )
    return {(row[0], row[1]): Count(*row[2:]) for row in rows}


def count(
    index: sa.Connection, kind: int, member_id: MemberId, object_id: ObjectId, now_ms: int, *, exercise: bool
) -> Count:
    """What there is now of one object, by the index alone: who has it besides is not known."""
    ((records, items, updated_ms),) = driver.rows(
        index,
        f"SELECT count(*), total(items), max(created_ms) FROM {TABLES[exercise]}"
        " WHERE shown AND kind = ? AND member_id = ? AND object_id = ? AND expires_ms > ?",
        (kind, member_id, object_id, now_ms),
    )
    return Count(records, int(items), updated_ms or 0)


def items_by_member(index: sa.Connection) -> dict[tuple[MemberId, bool], int]:
    """How many items each member has here, of drills and of what is real."""
    statement = of_both("SELECT member_id, exercise, sum(items) FROM {} WHERE shown GROUP BY 1, 2")
    return {(row[0], bool(row[1])): row[2] for row in driver.rows(index, statement)}


def elsewhere(index: sa.Connection, numbers: Sequence[int]) -> set[int]:
    """Those of these records that another member has; for a reader that has the ledger, too."""
    found = set()
    for start in range(0, len(numbers), 500):
        part = tuple(numbers[start : start + 500])
        marks = ",".join("?" * len(part))
        rows = driver.rows(
            index,
            "SELECT r.record FROM any_record r JOIN payload p ON p.hash = r.hash"
            f" WHERE p.elsewhere AND r.record IN ({marks})",
            part,
        )
        found |= {row[0] for row in rows}
    return found


def record_total(index: sa.Connection) -> int:
    """Records held in all, but for drills."""
    count: int = driver.scalar(index, "SELECT count(*) FROM record WHERE shown")
    return count


def item_total(index: sa.Connection) -> int:
    """Items held in all, but for drills."""
    count: int = driver.scalar(index, "SELECT coalesce(sum(items), 0) FROM record WHERE shown")
    return count
