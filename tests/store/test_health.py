"""How far behind the stores say they are."""

from pathlib import Path

from node.feed.keys import FeedId, HeaderHash
from node.store import arrivals, driver, health, ledger, stores
from node.store.arrivals import Cursor
from node.store.health import Waiting


def row(number: int) -> ledger.Row:
    return ledger.Row(HeaderHash(bytes([number]) * 32), FeedId(b"feed"), number, b"body", b"", 1000 + number)


def test_missing_payloads_count_from_when_their_header_came_and_only_while_of_use(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    assert health.missing(opened.ledger, 0) == Waiting(0, 0)
    ledger.append(opened.ledger, [(row(number), 64, True) for number in (1, 2, 3, 4)])
    put = "INSERT INTO payload (hash, state, lane, chunks, expires_ms, boxed) VALUES (?, ?, 1, 1, ?, 1)"
    driver.execute_many(
        opened.ledger,
        put,
        [(row(1).hash, 0, 50), (row(2).hash, 0, 90), (row(3).hash, 0, 90), (row(4).hash, 3, 90)],
    )
    assert health.missing(opened.ledger, 10) == Waiting(3, 1001)
    assert health.missing(opened.ledger, 60) == Waiting(2, 1002)
    opened.close()


def test_what_arrived_and_is_not_projected_counts_in_both_lanes(tmp_path: Path) -> None:
    opened = stores.open_folder(tmp_path)
    ledger.append(opened.ledger, [(row(number), 64, True) for number in (1, 2, 3)])
    arrivals.add(opened.ledger, [(True, row(2).hash), (False, row(1).hash), (False, row(3).hash)])
    assert health.unprojected(opened.ledger, Cursor(b"")) == Waiting(3, 1001)
    assert health.unprojected(opened.ledger, Cursor(b"", urgent=1)) == Waiting(2, 1001)
    assert health.unprojected(opened.ledger, Cursor(b"", urgent=1, bulk=2)) == Waiting(1, 1003)
    assert health.unprojected(opened.ledger, Cursor(b"", urgent=1, bulk=3)) == Waiting(0, 0)
    opened.close()
