"""After a restore: what may have been erased before is taken in from nobody, until the journal says what was."""

from pathlib import Path

import pytest

from node.exchange import restored
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.restored import Journal, Restored
from node.feed.kinds import Kind
from node.store import payloads, withheld
from node.store.erasures import Erasure, Reason
from node.store.payloads import State
from node.v1 import record_pb2
from tests.exchange.test_erase import DIGESTS, digests_draft, shows_none
from tests.exchange.test_odd_order import ENDS_MS, crisis_draft, hash_of, said, take
from tests.exchange.test_standing import standing_values
from tests.simulator.members import BASE_MS


def restore(node: Exchange, journal: Journal, at_ms: int = BASE_MS) -> None:
    """As a restored ledger is at its first start, or after the administrator's answer at the next."""
    restored.note(node.stores, Restored(journal, at_ms))
    node.stores.commit("ledger")
    node.start(BASE_MS)


def test_what_is_older_than_a_restore_waits_for_the_journal_and_then_comes_unless_it_was_erased(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    first, second = said(author, digests_draft(), digests_draft(DIGESTS[:9]))
    restore(node, Journal.PENDING)
    take(node, [first, second])
    hashes = [hash_of(node, one) for one in (first, second)]
    assert [payloads.state(node.stores.ledger, one) for one in hashes] == [State.HELD_BACK] * 2
    assert not node.wants(BASE_MS)
    assert shows_none(tmp_path / "node", *DIGESTS)
    take(node, [first, second])
    assert not standing_values(node)
    node.erasures.append([Erasure(hashes[0], BASE_MS, Reason.WITHDRAWAL)])
    restore(node, Journal.FOUND)
    assert payloads.state(node.stores.ledger, hashes[0]) is State.ERASED
    take(node, [first, second])
    assert standing_values(node) == {int.from_bytes(one) for one in DIGESTS[:9]}
    assert restored.load(node.stores) == Restored()


def test_where_the_journal_is_lost_what_is_older_counts_as_erased_whenever_it_comes(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    first, second = said(author, digests_draft(), digests_draft(DIGESTS[:9]))
    restore(node, Journal.PENDING)
    take(node, [first])
    restore(node, Journal.LOST)
    take(node, [second])
    for one in (first, second):
        assert payloads.state(node.stores.ledger, hash_of(node, one)) is State.ERASED
        assert node.erasures.whole[hash_of(node, one)] is Reason.PURGE
    take(node, [first, second])
    assert not standing_values(node)
    assert shows_none(tmp_path / "node", *DIGESTS)


@pytest.mark.parametrize("journal", [Journal.PENDING, Journal.LOST])
def test_what_is_newer_than_a_restore_and_documents_are_taken_in(
    node: Exchange, author: Exchange, journal: Journal
) -> None:
    restore(node, journal, BASE_MS - 1)
    take(node, said(author, digests_draft()))
    assert len(standing_values(node)) == len(DIGESTS)
    restore(node, journal, BASE_MS)
    record = record_pb2.Record(kind=Kind.DOCUMENT, document=record_pb2.Document(content=b"rules"))
    letters = said(author, Draft(Kind.DOCUMENT, record=record.SerializeToString(), expires_ms=ENDS_MS), crisis_draft(7))
    take(node, letters)
    states = [payloads.state(node.stores.ledger, hash_of(node, one)) for one in letters]
    assert states[0] is State.PRESENT
    assert states[1] is (State.HELD_BACK if journal is Journal.PENDING else State.ERASED)


def test_what_was_not_wanted_before_is_not_wanted_behind_it(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, digests_draft())
    take(node, [letter])
    hash_ = hash_of(node, letter)
    for state in (State.UNWANTED, State.MISSING):
        payloads.set_state(node.stores.ledger, hash_, state)
        withheld.put(node.stores.ledger, [hash_])
        assert payloads.state(node.stores.ledger, hash_) is State.HELD_BACK
        withheld.let_go(node.stores.ledger)
        assert payloads.state(node.stores.ledger, hash_) is state
