"""Index and digests do not wait for the disk: a power cut takes a different end off each of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from node import limits
from node.exchange import erase
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import BULK
from node.feed.kinds import Kind
from node.store import driver, payloads
from node.store.erasures import Erasure, Reason
from node.store.payloads import State
from node.v1 import record_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.simulator.members import BASE_MS, federation

ENDS_MS = BASE_MS + 30 * 86_400_000
PART = ("index", "digests")


def publish(exchange: Exchange, first: int) -> None:
    for start in range(first, first + 5000, limits.ITEMS_MAX):
        packed = b"".join(i.to_bytes(32) for i in range(start, min(start + limits.ITEMS_MAX, first + 5000)))
        record = record_pb2.Record(
            handling=record_pb2.Handling(tlp=2),
            kind=Kind.ITEMS,
            object_id=b"l" * 16,
            items=record_pb2.Items(kind="sha256", digests=packed),
        )
        draft = Draft(Kind.ITEMS, BULK, record=record.SerializeToString(), object_id=b"l" * 16, expires_ms=ENDS_MS)
        exchange.publish([draft], BASE_MS)


def content(exchange: Exchange) -> list[tuple[object, ...]]:
    """What look-ups can find: every value with the record that it stands in, by name."""
    shown = {
        row[0]: row[1] for row in driver.rows(exchange.stores.index, "SELECT record, hash FROM record WHERE shown")
    }
    rows = driver.rows(exchange.stores.digests, "SELECT value, record, position FROM digest")
    return sorted((row[0], shown[row[1]], row[2]) for row in rows)


def lose_ends(folder: Path, before: Path, names: tuple[str, ...]) -> None:
    """These files are as they were before."""
    for name in names:
        for end in ("-wal", "-shm"):
            (folder / f"{name}.db{end}").unlink(missing_ok=True)
        shutil.copy(before / f"{name}.db", folder / f"{name}.db")


def copy(exchange: Exchange, folder: Path, into: Path) -> None:
    """As a disk would have it if the power went now."""
    into.mkdir()
    for name in PART:
        getattr(exchange.stores, name).exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(folder / f"{name}.db", into / f"{name}.db")


@pytest.mark.parametrize("old", [("index",), ("digests",), PART])
@pytest.mark.parametrize("half", [lambda _: None, lambda exchange: exchange.project()])
def test_whichever_file_lost_its_end_the_next_start_finds_everything_once(
    tmp_path: Path, old: tuple[str, ...], half: Callable[[Exchange], object]
) -> None:
    world, folder = federation(25), tmp_path / "node"
    folder.mkdir()
    exchange = exchange_in(folder, world, world.members[0])
    publish(exchange, 1)
    while exchange.project():
        pass
    copy(exchange, folder, tmp_path / "before")
    publish(exchange, 5001)
    half(exchange)
    while half(exchange) is not None and exchange.project():
        pass
    exchange.stores.close()
    lose_ends(folder, tmp_path / "before", old)
    again = exchange_in(folder, world, world.members[0])
    again.start(BASE_MS)
    found = content(again)
    assert len(found) == 10_000
    assert [row[0] for row in found] == [i.to_bytes(32) for i in range(1, 10_001)]
    again.stores.close()


@pytest.mark.parametrize("old", [("index",), ("digests",), PART])
def test_what_was_erased_is_not_found_again_whichever_file_lost_that(tmp_path: Path, old: tuple[str, ...]) -> None:
    world, folder = federation(25), tmp_path / "node"
    folder.mkdir()
    exchange = exchange_in(folder, world, world.members[0])
    publish(exchange, 1)
    publish(exchange, 5001)
    while exchange.project():
        pass
    hashes = [row[0] for row in driver.rows(exchange.stores.index, "SELECT hash FROM record ORDER BY record")]
    copy(exchange, folder, tmp_path / "before")
    found = [Erasure(hashes[0], BASE_MS, Reason.HOLD), Erasure(hashes[2], BASE_MS, Reason.WITHDRAWAL, b"\x07")]
    exchange.begin_erasing(found)
    erase.apply(exchange.stores, exchange.erasures, exchange.keep, exchange.reader, exchange.author.randomness)
    left = content(exchange)
    assert len(left) == 10_000 - limits.ITEMS_MAX - 3
    exchange.stores.close()
    lose_ends(folder, tmp_path / "before", old)
    again = exchange_in(folder, world, world.members[0])
    again.erasures = exchange.erasures
    again.start(BASE_MS)
    assert content(again) == left
    assert payloads.state(again.stores.ledger, hashes[0]) is State.ERASED
    assert not erase.is_unfinished(again.stores, again.erasures)
    again.stores.close()
