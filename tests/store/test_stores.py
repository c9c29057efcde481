import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from node.feed.keys import FeedId, HeaderHash
from node.store import arrivals, counts, digests, index, ledger, lookup, payloads, stores
from node.store.arrivals import Cursor
from node.store.payloads import State


def test_every_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    opened.close()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.db")} == {0o600}


def test_what_is_committed_is_there_after_opening_again(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    ledger.write_meta(opened.ledger, "store_id", b"kept")
    opened.commit("ledger")
    ledger.write_meta(opened.ledger, "lost", b"not committed")
    opened.rollback()
    opened.close()
    again = stores.open_folder(tmp_path)
    assert ledger.read_meta(again.ledger, "store_id") == b"kept"
    assert ledger.read_meta(again.ledger, "lost") is None
    again.close()


def test_a_full_disk_fails_the_write_and_loses_nothing_that_was_there(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    payloads.put_boxes(opened.keys, [(b"first".ljust(32), b"box")])  # type: ignore[list-item]
    opened.commit("keys")
    pages = opened.keys.exec_driver_sql("PRAGMA page_count").scalar_one()
    opened.keys.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    rows = [(HeaderHash(bytes([i]) * 32), bytes(4000)) for i in range(64)]
    with pytest.raises((OperationalError, sqlite3.OperationalError), match="full"):
        payloads.put_boxes(opened.keys, rows)
    opened.rollback()
    assert payloads.box_hashes(opened.keys) == [b"first".ljust(32)]
    opened.close()


def row(name: bytes) -> ledger.Row:
    return ledger.Row(HeaderHash(name), FeedId(b"feed"), 1, b"body", b"signature", 0)


def test_urgent_arrivals_are_read_first_and_positions_are_never_given_twice(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    ledger.append(opened.ledger, [(row(name), 82, True) for name in (b"a", b"b", b"c", b"d")])
    arrivals.add(opened.ledger, [(False, HeaderHash(b"a")), (True, HeaderHash(b"b")), (False, HeaderHash(b"c"))])
    cursor = Cursor(b"store")
    order = []
    while found := arrivals.after(opened.ledger, cursor, 1).arrivals:
        cursor = arrivals.advance(cursor, found[0])
        order.append(found[0].row.hash)
    assert order == [b"b", b"a", b"c"]
    opened.ledger.exec_driver_sql("DELETE FROM arrival")
    arrivals.add(opened.ledger, [(True, HeaderHash(b"d"))])
    assert arrivals.after(opened.ledger, cursor, 1).arrivals[0].position == 4
    opened.close()


def test_an_erased_payload_stays_erased(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    hash_ = b"h" * 32
    opened.ledger.exec_driver_sql("INSERT INTO payload VALUES (?, 0, '', 1, 1, 1, 1, NULL, 0, 0, 0)", (hash_,))
    payloads.set_state(opened.ledger, hash_, State.ERASED, "expired")  # type: ignore[arg-type]
    payloads.set_state(opened.ledger, hash_, State.PRESENT)  # type: ignore[arg-type]
    assert payloads.state(opened.ledger, hash_) == State.ERASED  # type: ignore[arg-type]
    opened.close()


def test_digests_of_a_record_that_is_not_shown_yet_are_not_found(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    record = index.Record(b"h" * 32, b"f" * 32, 1, b"m" * 32, b"o" * 16, 98, False, 1, 2, 1, 1, b"")  # type: ignore[arg-type]
    number = index.put_record(opened.index, record, shown=False)
    digests.put(opened.digests, 3, 32, number, b"d" * 32, 0, 1, exercise=False)
    assert [found.record for found in lookup.find(opened.digests, 3, 32, b"d" * 32 + b"e" * 32)] == [number]
    assert not index.records(opened.index, [number])
    index.show(opened.index, number)
    assert list(index.records(opened.index, [number])) == [number]
    opened.close()


def test_a_snapshot_stays_as_it_was_when_it_was_taken(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    reader = stores.open_to_read(tmp_path)
    with lookup.snapshot(reader.index):
        record = index.Record(b"h" * 32, b"f" * 32, 1, b"m" * 32, b"o" * 16, 98, False, 1, 2, 1, 1, b"")  # type: ignore[arg-type]
        index.put_record(opened.index, record, shown=True)
        opened.commit("index")
        assert counts.record_total(reader.index) == 0
    assert counts.record_total(reader.index) == 1
    reader.close()
    opened.close()


def test_digests_of_records_that_the_index_lost_are_never_read_as_anothers(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    for number in (1, 2, 3):
        digests.note_written(opened.digests, number, whole=True)
        digests.put(opened.digests, 3, 32, number, bytes([number]) * 32, 0, 1, exercise=False)
    opened.index.exec_driver_sql(
        "INSERT INTO record VALUES (2, 'h', 1, 'f', 1, 'm', 'o', 98, 0, 1, 1, 1, 1, 0, 'c')",
    )
    assert index.drop_orphans(opened.index, opened.digests)
    assert not index.drop_orphans(opened.index, opened.digests)
    assert [one.record for one in lookup.find(opened.digests, 3, 32, b"\x01" * 32 + b"\x02" * 32 + b"\x03" * 32)] == [2]
    opened.close()
