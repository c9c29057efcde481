"""Items that a caller sent, sorted and compared on disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from node.content import hashes
from node.content.hashes import PDQ, SHA256, URL
from node.store import digests, staging, stores
from node.store.stores import Stores


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Stores]:
    found = stores.open_folder(tmp_path)
    yield found
    found.close()


@pytest.fixture
def staged(opened: Stores, tmp_path: Path) -> Iterator[sa.Connection]:
    connection = staging.open_staging(tmp_path)
    yield connection
    connection.close()


def joined(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32) for number in numbers)


def test_each_value_counts_once_and_comes_out_rising_whatever_came_first(staged: sa.Connection) -> None:
    staging.add_packed(staged, SHA256, joined(5, 3, 5))
    staging.add_packed(staged, SHA256, joined(4, 3))
    staging.add_rows(staged, URL, [(hashes.key(text), text, 255) for text in ("https://b", "https://é", "https://a")])
    assert staging.settle(staged) == {SHA256.number: 3, URL.number: 3}
    staging.compare_with(staged, [], [], exercise=False)
    assert staging.page(staged, SHA256, None, standing=False) == [(joined(i), 255) for i in (3, 4, 5)]
    assert staging.page(staged, SHA256, joined(3), standing=False) == [(joined(i), 255) for i in (4, 5)]
    assert [text for text, _ in staging.page(staged, URL, None, standing=False)] == [
        "https://a",
        "https://b",
        "https://é",
    ]
    assert staging.page(staged, URL, "https://b", standing=False) == [("https://é", 255)]


def test_what_stands_is_told_from_what_does_not_position_by_position(staged: sa.Connection, opened: Stores) -> None:
    for record, packed in ((1, joined(1, 2, 3)), (2, joined(3, 9)), (3, joined(4))):
        digests.put(opened.digests, SHA256.number, 32, record, packed, 0, len(packed) // 32, exercise=False)
    opened.commit("digests")
    staging.add_packed(staged, SHA256, joined(1, 2, 3, 4, 5))
    staging.settle(staged)
    staging.compare_with(
        staged, [1, 2], [(1, 0)], exercise=False
    )  # the first item of the first was taken back; the third is another list's
    assert staging.matched(staged, SHA256.number) == staging.Matched(items=2, places=3)
    assert sorted(staging.touched(staged)) == [1, 2]
    assert [value for value, _ in staging.page(staged, SHA256, None, standing=True)] == [joined(2), joined(3)]
    assert [value for value, _ in staging.page(staged, SHA256, None, standing=False)] == [joined(i) for i in (1, 4, 5)]
    assert staging.positions(staged, SHA256, joined(3, 9), sent=True) == 0b01
    assert staging.positions(staged, SHA256, joined(3, 9), sent=False) == 0b10


def test_qualities_stay_with_their_values_and_low_ones_are_counted(staged: sa.Connection) -> None:
    rows = [(joined(i), joined(i), quality) for i, quality in ((1, 49), (2, 50), (3, 255))]
    staging.add_rows(staged, PDQ, rows)
    staging.settle(staged)
    staging.compare_with(staged, [], [], exercise=False)
    assert [quality for _, quality in staging.page(staged, PDQ, None, standing=False)] == [49, 50, 255]
    assert staging.below(staged, PDQ.number, 50) == 1


def test_nothing_of_it_has_a_name_in_the_folder(staged: sa.Connection, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    staging.add_packed(staged, SHA256, joined(*range(1, 20_000)))
    staging.settle(staged)
    assert sorted(tmp_path.iterdir()) == before
