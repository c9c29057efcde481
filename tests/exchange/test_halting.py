"""What is critical and not known halts its object: alike in every order, and by its owner's word only."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from node.exchange import consult, crises, drafts, halting, matching
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed import kinds
from node.feed.header import NORMAL, SEALED_RELAY, URGENT
from node.feed.keys import FeedId, HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Marks
from node.feed.statements import Bound
from node.store import driver, halts, ledger, stores, version_4
from node.store.halts import Halt
from node.store.index import Record
from node.v1 import header_pb2, record_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import declaration, end_of, restarted
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take, without
from tests.exchange.test_standing import items_of, standing_values
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, SeededWrapping, federation

ODD, EVEN, EVEN_STATEMENT = 201, 202, 62
MARKED = record_pb2.Handling(tlp=2)
ACTIVE = ("active", "")
HALTED = ("active", halting.NOTICE)
LIST = b"l" * 16
Letter = header_pb2.SignedEntry


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


def later(number: int, kind: int = EVEN, urgency: int = URGENT, *, exercise: bool = False) -> Draft:
    """Something of a later version about a crisis."""
    object_id = number.to_bytes(16)
    if kind == EVEN_STATEMENT:
        return Draft(kind, urgency, statement=b"of a later version", object_id=object_id)
    record = record_pb2.Record(handling=MARKED, kind=kind, object_id=object_id, exercise=exercise)
    return Draft(
        kind,
        urgency,
        record=record.SerializeToString(),
        object_id=object_id,
        expires_ms=ENDS_MS,
        exercise=exercise,
    )


def shown(node: Exchange) -> dict[str, tuple[str, str]]:
    """Every crisis by title: its state, and what is not understood of it."""
    while node.project():
        pass
    seen = consult.view(node.trust, node.follows, BASE_MS + 1)
    views = {one.crisis.title: one for one in crises.every(node.stores, seen, "", exercises=True)}
    for one in views.values():
        single = crises.shown(node.stores, seen, MemberId(one.member_id), ObjectId(one.object_id))
        assert single is not None
        assert (single.state, single.notice) == (one.state, one.notice)
    return {title: (one.state, one.notice) for title, one in views.items()}


def in_orders(tmp_path: Path, world: Federation, letters: Sequence[Letter]) -> list[dict[str, tuple[str, str]]]:
    """What nodes show that heard these in every order, live, started anew, and with an index made anew."""
    views = []
    for number, order in enumerate(permutations(letters)):
        node = node_in(tmp_path / f"n{number}", world, 0)
        for one in order:
            take(node, [one])
            shown(node)
        views.append(shown(node))
        restarted(node)
        node.rebuild()
        views.append(shown(node))
        node.stores.close()
    return views


@pytest.mark.parametrize("kind", [EVEN, EVEN_STATEMENT])
def test_what_was_understood_before_stays_until_its_end_and_nothing_behind_is_read(
    tmp_path: Path, world: Federation, author: Exchange, kind: int
) -> None:
    letters = said(author, declaration(1), later(1, kind), end_of(1))
    views = in_orders(tmp_path, world, letters)
    assert views[0] == {"crisis 1": HALTED}
    assert all(view == views[0] for view in views)


def test_a_declaration_behind_it_is_not_shown_and_another_object_is(
    tmp_path: Path, world: Federation, author: Exchange
) -> None:
    letters = said(author, later(2), declaration(2), declaration(1))
    assert all(view == {"crisis 1": ACTIVE} for view in in_orders(tmp_path, world, letters))


def test_it_halts_from_its_header_on_whether_or_not_it_is_ever_read(
    node: Exchange, author: Exchange, world: Federation
) -> None:
    letters = said(author, declaration(1), later(1), end_of(1))
    take(node, [letters[0], without(letters[1], "box", "payload"), letters[2]])
    assert shown(node) == {"crisis 1": HALTED}


def test_nobody_halts_what_another_member_owns_and_a_drill_halts_nothing_real(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    other = node_in(tmp_path / "other", world, 2)
    take(node, said(author, declaration(1), later(1, exercise=True)))
    take(node, said(other, later(1), later(1, EVEN_STATEMENT)))
    take(node, said(author, end_of(1)))
    assert shown(node) == {"crisis 1": ("ended", "")}


def test_an_odd_kind_halts_nothing(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1), later(1, ODD), end_of(1)))
    assert shown(node) == {"crisis 1": ("ended", "")}


def test_what_is_sealed_halts_for_those_who_can_read_it(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    key = SeededWrapping.public(world.members[0].kem)
    sealed = replace(later(1), urgency=NORMAL, object_id=b"", carriage=SEALED_RELAY, readers=(key,))
    letters = said(author, declaration(1), sealed, end_of(1))
    other = node_in(tmp_path / "other", world, 2)
    for one in (node, other):
        take(one, letters)
    assert shown(node) == {"crisis 1": HALTED}
    assert shown(other) == {"crisis 1": ("ended", "")}


def test_what_stands_above_the_end_of_its_feed_halts_nothing(node: Exchange, author: Exchange) -> None:
    letters = said(author, declaration(1), later(1))
    take(node, letters)
    assert shown(node) == {"crisis 1": HALTED}
    end = Bound(author.author.feed_id, 2, hash_of(node, letters[0]))
    node.trust = replace(node.trust, marks=node.trust.marks.merge(Marks(ends=frozenset({end}))))
    assert shown(node) == {"crisis 1": ACTIVE}


def test_a_contested_halt_halts(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1), later(1)))
    fork = frozenset({(author.author.feed_id, 3)})
    node.trust = replace(node.trust, marks=node.trust.marks.merge(Marks(forks=fork)))
    assert shown(node) == {"crisis 1": HALTED}


def test_items_before_a_halt_match_for_review_and_those_behind_it_do_not(
    tmp_path: Path, world: Federation, author: Exchange
) -> None:
    head = record_pb2.Record(handling=MARKED, kind=Kind.LIST, object_id=LIST, list=record_pb2.HashList(name="halle"))
    renamed = record_pb2.Record(handling=MARKED, kind=Kind.LIST, object_id=LIST, list=record_pb2.HashList(name="other"))
    halt = replace(
        later(1),
        record=record_pb2.Record(handling=MARKED, kind=EVEN, object_id=LIST).SerializeToString(),
        object_id=LIST,
    )
    first, before, stop, again, behind = said(
        author, list_of(head), items_of(range(1, 4)), halt, list_of(renamed), items_of(range(4, 8))
    )
    (replacing,) = said(author, items_of(range(2, 4), replaces=[hash_of(author, before)]))
    (taken,) = said(author, drafts.withdrawal(hash_of(author, before), 0b1, 4))
    for number, order in enumerate(permutations([stop, behind, replacing])):
        node = node_in(tmp_path / f"n{number}", world, 0)
        chain = [first, before, stop, again, behind, replacing]
        take(node, [Letter(header=one.header, signature=one.signature, box=one.box) for one in chain])
        for one in (first, before, again, *order):
            take(node, [one])
            while node.project():
                pass
        assert standing_values(node) == {1, 2, 3}
        reading = stores.open_to_read(tmp_path / f"n{number}")
        seen = consult.view(node.trust, node.follows, BASE_MS + 1)
        (view,) = consult.lists(reading, seen, "", exercises=False)
        assert (view.list.name, view.items, view.notice, view.withdrawn) == ("halle", 3, halting.NOTICE, "")
        matches = [
            matching.look_up(
                reading, seen, matching.ask(tools_pb2.LookUpRequest(kind="sha256", values=[value]))
            ).matches
            for value in ((1).to_bytes(32), (4).to_bytes(32))
        ]
        reading.close()
        assert [[(one.advice, one.reason, one.list) for one in found] for found in matches] == [
            [("review", halting.NOTICE, "member-1/halle")],
            [],
        ]
        take(node, [taken])
        assert standing_values(node) == {2, 3}, "what is taken back is, whatever else is not read"
        node.stores.close()


def list_of(record: record_pb2.Record) -> Draft:
    return Draft(Kind.LIST, record=record.SerializeToString(), object_id=LIST, expires_ms=ENDS_MS)


def test_a_program_that_knows_the_kind_reads_on(
    node: Exchange, author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(node, said(author, declaration(1), later(1), end_of(1)))
    assert shown(node) == {"crisis 1": HALTED}
    monkeypatch.setitem(kinds.NAMES, EVEN, "known by now")
    assert shown(node) == {"crisis 1": ("ended", "")}
    restarted(node)
    assert shown(node) == {"crisis 1": ("ended", "")}


def test_in_another_feed_of_its_owner_the_dates_decide() -> None:
    one, other = FeedId(b"1" * 32), FeedId(b"2" * 32)
    halt = Halt(HeaderHash(b"h" * 32), ObjectId(b"o" * 16), one, 5, EVEN, exercise=False, created_ms=100)

    def is_behind(feed_id: FeedId, seq: int, created_ms: int) -> bool:
        member_id, object_id = MemberId(b"m" * 32), ObjectId(b"o" * 16)
        times = created_ms, created_ms, created_ms
        record = Record(HeaderHash(b"r" * 32), feed_id, seq, member_id, object_id, 82, False, *times, 0, b"")
        return halting.is_behind([halt], record)

    assert [is_behind(one, 4, 200), is_behind(one, 6, 1)] == [False, True]
    assert [is_behind(other, 9, 99), is_behind(other, 1, 100)] == [False, True]


def test_what_is_noted_is_found_in_a_store_of_before(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1), later(1), later(2, ODD), later(3, EVEN_STATEMENT)))
    before = halts.every(node.stores.ledger)
    assert len(before) == 2
    ledger.write_meta(node.stores.ledger, "federation_id", node.trust.federation_id)
    driver.execute(node.stores.ledger, "DELETE FROM halt")
    node.stores.commit("ledger")
    raw = node.stores.ledger.connection.driver_connection
    version_4.fill(raw)  # type: ignore[arg-type]
    assert halts.every(node.stores.ledger) == before
