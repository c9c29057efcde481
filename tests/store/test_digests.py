"""The values of a record are forgotten one by one, however many others there are."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from node.store import digests, stores
from node.store.digests import Found
from tests.simulator.disk import raw

KIND, BYTES = 3, 32
VALUES = b"".join(sorted(sha256(bytes([i])).digest() for i in range(100)))
OTHERS = b"".join(sorted(sha256(i.to_bytes(4)).digest() for i in range(20_000)))
STEPS = 1000  # of SQLite's machine, between two counts
Forget = Callable[[sa.Connection], None]


@pytest.fixture(name="connection")
def _connection(tmp_path: Path) -> Iterator[sa.Connection]:
    opened = stores.open_folder(tmp_path)
    for number in (1, 2):
        digests.put(opened.digests, KIND, BYTES, number, VALUES, 0, 100, exercise=False)
    yield opened.digests
    opened.close()


def all_of_it(connection: sa.Connection) -> None:
    digests.drop(connection, KIND, BYTES, 1, VALUES, exercise=False)


def every_place(connection: sa.Connection) -> None:
    digests.drop_places(connection, KIND, BYTES, 1, VALUES, range(100), exercise=False)


@pytest.mark.parametrize("forget", [all_of_it, every_place])
def test_a_record_is_forgotten_and_the_same_values_of_another_stay(connection: sa.Connection, forget: Forget) -> None:
    forget(connection)
    assert [(one.record, one.position) for one in digests.places(connection)] == [(2, i) for i in range(100)]


def test_of_a_value_that_stands_twice_the_place_that_was_named_goes(connection: sa.Connection) -> None:
    twice = b"v" * (2 * BYTES)
    digests.put(connection, KIND, BYTES, 9, twice, 0, 2, exercise=False)
    digests.drop_places(connection, KIND, BYTES, 9, twice, [1], exercise=False)
    assert [one for one in digests.places(connection) if one.record == 9] == [Found(KIND, b"v" * BYTES, 9, 0)]


@pytest.mark.parametrize("forget", [all_of_it, every_place])
def test_what_is_forgotten_is_all_that_is_read(connection: sa.Connection, forget: Forget) -> None:
    digests.put(connection, KIND, BYTES, 3, OTHERS, 0, 20_000, exercise=False)
    counted: list[None] = []
    raw(connection).set_progress_handler(lambda: counted.append(None), STEPS)
    forget(connection)
    assert len(counted) * STEPS < 20_000, "less than one step for each of the others"
