"""What reads records of drills and others together does so by its keys: no table is written out for it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash, MemberId, ObjectId
from node.store import (
    acknowledgements,
    counts,
    deadlines,
    driver,
    ends,
    figures,
    index,
    lookup,
    opinions,
    restrictions,
    stores,
)
from node.store.stores import Stores

HASH, FEED, MEMBER, OBJECT = HeaderHash(b"h" * 32), FeedId(b"f" * 32), MemberId(b"m" * 32), ObjectId(b"o" * 16)

WHOLE = 4  # of these, that are asked for all there is, or seldom
READERS: Sequence[Callable[[Stores], object]] = (
    lambda held: index.object_ids(held.index),
    lambda held: index.kinds(held.index),
    lambda held: deadlines.every(held.index),
    lambda held: index.from_place(held.index, FEED, 1),
    lambda held: index.is_shown(held.index, HASH),
    lambda held: index.is_unmarked(held.index, HASH),
    lambda held: index.number(held.index, HASH),
    lambda held: index.numbers(held.index, [HASH]),
    lambda held: index.records(held.index, [1, 2]),
    lambda held: index.of_kinds(held.index, [1, 2]),
    lambda held: index.newer(held.index, 1, [1, 2]),
    lambda held: index.hashes_of_kind(held.index, 1),
    lambda held: index.by_hash(held.index, HASH),
    lambda held: index.of_list(held.index, MEMBER, OBJECT, 1),
    lambda held: index.of_object(held.index, MEMBER, OBJECT),
    lambda held: list(index.of_any_owner(held.index, OBJECT, 1)),
    lambda held: index.first_of_owners(held.index, OBJECT, 1, 2),
    lambda held: ends.of_feeds(held.index, [1], 2, OBJECT),
    lambda held: ends.of_feeds(held.index, [1, 2], 2),
    lambda held: ends.beyond_feeds(held.index, [1, 2], 2),
    lambda held: ends.of_objects(held.index, 1, [OBJECT], 2, 2),
    lambda held: ends.beyond_objects(held.index, 1, [OBJECT], 2, 2),
    lambda held: index.of_member(held.index, MEMBER, 1),
    lambda held: index.has_any(held.index, OBJECT, 1),
    lambda held: index.of_no_such_kind(held.index, MEMBER, OBJECT, [1, 2]),
    lambda held: index.newest(held.index, 1, MEMBER, OBJECT, exercise=True),
    lambda held: index.neighbours(held.index, OBJECT),
    lambda held: counts.count(held.index, 1, MEMBER, OBJECT, 0, exercise=True),
    lambda held: counts.elsewhere(held.index, [1, 2]),
    lambda held: acknowledgements.of_entry(held.index, HASH),
    lambda held: deadlines.of_entry(held.index, HASH),
    lambda held: deadlines.over(held.index, 0, 2),
    lambda held: deadlines.backlog(held.index, 0),
    lambda held: deadlines.page(held.index, 1, 2),
    lambda held: deadlines.page(held.index, 1, 2, HASH),
    lambda held: deadlines.record(held.index, HASH),
    lambda held: deadlines.numbered(held.index, 1),
    lambda held: deadlines.said_about(held.index, HASH, MEMBER, 1, 2),
    figures.unmarked,
    lambda held: lookup.beside(held.index, 1, 2),
    lambda held: lookup.neighbours(held.index, HASH),
    lambda held: opinions.about(held.index, HASH),
    lambda held: opinions.of_member(held.index, MEMBER, 2),
    lambda held: opinions.targets(held.index, 1),
    lambda held: opinions.of_owner(held.index, MEMBER, 2),
    lambda held: opinions.moves(held.index, MEMBER),
    lambda held: restrictions.said_of(held.index, MEMBER, HASH, OBJECT),
    lambda held: restrictions.all_said(held.index),
    lambda held: restrictions.touched(held.index, 1),
)


@pytest.fixture(name="held", scope="module")
def _held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    folder = tmp_path_factory.mktemp("plans")
    stores.open_folder(folder).close()
    held = stores.open_to_read(folder)
    yield held
    held.close()


@pytest.mark.parametrize("reader", READERS)
def test_no_table_is_written_out_for_a_reader_nor_read_whole(
    held: Stores, reader: Callable[[Stores], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = () if reader in READERS[:WHOLE] else ("SCAN record", "SCAN drill_record")
    plans: list[str] = []

    def noting(connection: sa.Connection, statement: str, parameters: Sequence[Any] = ()) -> Iterator[Sequence[Any]]:
        rows = driver.execute(connection, f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        plans.extend(row[3] for row in rows)
        return iter(driver.execute(connection, statement, parameters).fetchall())

    monkeypatch.setattr(driver, "rows", noting)
    monkeypatch.setattr(driver, "row", lambda *asked: next(noting(*asked), None))
    monkeypatch.setattr(driver, "scalar", lambda *asked: next((row[0] for row in noting(*asked)), None))
    reader(held)
    assert plans
    assert not [one for one in plans if one.startswith(("MATERIALIZE any_record", *scans))]
