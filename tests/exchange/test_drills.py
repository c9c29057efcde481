"""Drills: their records and items stand in tables of their own, from which they leave as all others do."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from node.content import hashes
from node.exchange import consult, crises, drafts, due, leaving, subjects
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import BULK
from node.feed.keys import HeaderHash, ObjectId
from node.feed.kinds import Kind
from node.policy.cooling import HOUR_MS, PRESSING_PER_HOUR_MAX
from node.policy.opinions import Verdict
from node.store import counts, driver, index, ledger, lookup, version_8
from node.v1 import header_pb2, record_pb2
from tests.exchange.test_crises import LONE, Stage, X, _stage, _world, crisis, declare  # noqa: F401 - fixtures
from tests.exchange.test_erase import AT_RISK, DIGESTS, LATER_MS, MISTAKE, holds, look, shows_none, sweep
from tests.exchange.test_odd_order import ENDS_MS, Letter, hash_of, said, take
from tests.simulator.members import BASE_MS

FALSE_POSITIVE = record_pb2.Opinion(verdict=Verdict.FALSE_POSITIVE)
DRILL, REAL = DIGESTS[:10], DIGESTS[10:15]


def draft(values: Sequence[bytes], *, exercise: bool) -> Draft:
    object_id = (b"d" if exercise else b"r") * 16
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.ITEMS, object_id=object_id, exercise=exercise
    )
    record.items.kind, record.items.digests = "sha256", b"".join(values)
    return Draft(
        Kind.ITEMS,
        BULK,
        record=record.SerializeToString(),
        object_id=object_id,
        exercise=exercise,
        expires_ms=ENDS_MS,
    )


def table(node: Exchange, name: str) -> set[bytes]:
    return {row[0] for row in driver.rows(node.stores.digests, f"SELECT value FROM {name}")}  # noqa: S608 - ours


@pytest.fixture(name="letters")
def _letters(node: Exchange, author: Exchange) -> list[header_pb2.SignedEntry]:
    """One record of a drill, and a real one, both taken and projected."""
    found = [*said(author, draft(DRILL, exercise=True)), *said(author, draft(REAL, exercise=False))]
    take(node, found)
    while node.project():
        pass
    return found


def test_items_of_a_drill_stand_where_no_look_up_reads_and_in_no_figure(
    node: Exchange, letters: list[header_pb2.SignedEntry]
) -> None:
    assert (table(node, "drill"), table(node, "digest")) == (set(DRILL), set(REAL))
    found = lookup.find(node.stores.digests, hashes.SHA256.number, 32, b"".join((*DRILL, *REAL)))
    assert [one.asked for one in found] == list(range(len(DRILL), len(DRILL) + len(REAL)))
    records = {name: driver.scalar(node.stores.index, f"SELECT object_id FROM {name}") for name in index.TABLES}  # noqa: S608 - ours
    assert records == {"record": b"r" * 16, "drill_record": b"d" * 16}
    assert (counts.item_total(node.stores.index), counts.record_total(node.stores.index)) == (len(REAL), 1)
    node.rebuild()
    assert (table(node, "drill"), table(node, "digest")) == (set(DRILL), set(REAL))


def test_no_record_of_a_drill_comes_among_the_others_nor_one_of_them_among_those(
    node: Exchange, letters: list[header_pb2.SignedEntry]
) -> None:
    for name in index.TABLES:
        with pytest.raises(sqlite3.IntegrityError, match="exercise"):
            driver.execute(node.stores.index, f"UPDATE {name} SET exercise = NOT exercise")  # noqa: S608 - ours
    numbers = [number for number, _ in index.every(node.stores.index)]
    assert len(numbers) == len(letters)
    assert [one.exercise for one in index.records(node.stores.index, numbers, exercises=False).values()] == [False]


def test_a_number_is_given_once_to_records_of_drills_and_others(
    node: Exchange, author: Exchange, letters: list[header_pb2.SignedEntry]
) -> None:
    last = max(number for number, _ in index.every(node.stores.index))
    for exercise in (True, False):
        for number, _ in index.every(node.stores.index):
            index.drop_record(node.stores.index, number)
        take(node, said(author, draft(REAL, exercise=exercise)))
        while node.project():
            pass
        ((number, _),) = index.every(node.stores.index)
        assert number > last
        last = number


def test_whoever_asks_what_is_held_of_a_person_is_told_of_drills_too(
    node: Exchange, letters: list[header_pb2.SignedEntry]
) -> None:
    asked = [hashes.Item(hashes.SHA256, one) for one in (DRILL[0], REAL[0])]
    assert [one.record.exercise for one in subjects.items(node.stores, asked)] == [True, False]


def test_an_item_of_a_drill_that_is_taken_back_leaves_every_file_and_at_its_end_all_of_them_do(
    node: Exchange, author: Exchange, letters: list[header_pb2.SignedEntry], tmp_path: Path
) -> None:
    take(node, said(author, drafts.withdrawal(hash_of(node, letters[0]), 0b1, MISTAKE)))
    assert holds(tmp_path / "node", *DRILL)
    sweep(node, LATER_MS)
    assert shows_none(tmp_path / "node", DRILL[0])
    assert (table(node, "drill"), table(node, "digest")) == (set(DRILL[1:]), set(REAL))
    sweep(node, ENDS_MS)
    assert shows_none(tmp_path / "node", *DRILL, *REAL)
    assert (table(node, "drill"), table(node, "digest")) == (set(), set())


def test_an_upgrade_reads_from_the_headers_which_payloads_are_of_drills(
    node: Exchange, letters: list[header_pb2.SignedEntry]
) -> None:
    before = list(driver.rows(node.stores.ledger, "SELECT hash, exercise FROM payload ORDER BY hash"))
    assert sorted(one for _, one in before) == [False, True]
    ledger.write_meta(node.stores.ledger, "federation_id", node.trust.federation_id)
    driver.execute(node.stores.ledger, "UPDATE payload SET exercise = 0")
    node.stores.commit("ledger")
    raw = node.stores.ledger.connection.driver_connection
    version_8.fill(raw)  # type: ignore[arg-type]
    assert list(driver.rows(node.stores.ledger, "SELECT hash, exercise FROM payload ORDER BY hash")) == before


# ---- By one id both


def test_a_drill_by_the_same_id_hides_nothing_that_is_real(stage: Stage) -> None:
    stage.say(1, declare(crisis(LONE, title="drill"), exercise=True), BASE_MS - 5)
    real = stage.say(1, declare(crisis(LONE, title="real")))
    stage.say(2, drafts.opinion(_of(stage, real), 1, FALSE_POSITIVE, BASE_MS))
    (shown,) = crises.every(stage.reader.stores, stage.seen(), exercises=False)
    assert (shown.crisis.title, [one.member_name for one in shown.disputes]) == ("real", ["Member 2"])
    assert sorted(one.crisis.title for one in crises.every(stage.reader.stores, stage.seen(), exercises=True)) == [
        "drill",
        "real",
    ]
    single = crises.one(stage.reader.stores, stage.seen(), stage.id_of(1), X)
    assert single is not None
    assert single.record.hash == real


def test_no_list_takes_its_name_or_its_number_of_items_from_a_drill_by_the_same_id(
    node: Exchange, author: Exchange
) -> None:
    letters = [list_draft(name, exercise=exercise) for name, exercise in (("real", False), ("drill", True))]
    take(node, said(author, *letters, draft_of(REAL, exercise=False), draft_of(DRILL, exercise=True)))
    while node.project():
        pass
    about = author.reader.member_id, ObjectId(b"l" * 16)
    head = index.newest(node.stores.index, Kind.LIST, *about, exercise=False)
    assert head is not None
    assert record_pb2.Record.FromString(head.content).list.name == "real"
    found = [
        counts.count(node.stores.index, Kind.ITEMS, *about, BASE_MS, exercise=exercise) for exercise in (False, True)
    ]
    assert [one.items for one in found] == [len(REAL), len(DRILL)]


def _of(stage: Stage, entry: HeaderHash) -> index.Record:
    stage.seen()
    found = index.by_hash(stage.reader.stores.index, entry)
    assert found is not None
    return found


def list_draft(name: str, *, exercise: bool) -> Draft:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2),
        kind=Kind.LIST,
        object_id=b"l" * 16,
        exercise=exercise,
        list=record_pb2.HashList(name=name, kinds=["sha256"]),
    )
    content = record.SerializeToString()
    return Draft(Kind.LIST, BULK, record=content, object_id=b"l" * 16, exercise=exercise, expires_ms=ENDS_MS)


def draft_of(values: Sequence[bytes], *, exercise: bool) -> Draft:
    one = draft(values, exercise=exercise)
    record = record_pb2.Record.FromString(one.record)
    record.object_id = b"l" * 16
    return replace(one, record=record.SerializeToString(), object_id=b"l" * 16)


# ---- Taken back


def of(numbers: range, *, exercise: bool = True) -> Draft:
    return draft([number.to_bytes(32) for number in numbers], exercise=exercise)


def erased(node: Exchange, now_ms: int) -> set[HeaderHash]:
    return {one.entry for one in look(node, now_ms).erasures}


def test_drills_that_are_taken_back_make_nothing_real_wait_and_are_told_of_as_no_theft(
    node: Exchange, author: Exchange
) -> None:
    letters = said(author, of(range(4000), exercise=False), of(range(5000, 5030), exercise=False), of(range(300)))
    _, real, drill = (hash_of(node, one) for one in letters)
    taken = [drafts.withdrawal(one, 0, MISTAKE, exercise=one == drill) for one in (drill, real)]
    take(node, [*letters, *said(author, *taken)])
    assert erased(node, BASE_MS + HOUR_MS) == {real}
    assert erased(node, LATER_MS) == {real, drill}
    assert due.withdrawn(node.stores, consult.view(node.trust, node.follows, BASE_MS)).masses == ()


def test_however_many_drills_its_member_has_much_that_is_real_waits_for_a_day(node: Exchange, author: Exchange) -> None:
    letters = said(author, of(range(4000)), of(range(500), exercise=False), of(range(600, 630), exercise=False))
    hashes_ = [hash_of(node, one) for one in letters]
    take(node, [*letters, *said(author, *(drafts.withdrawal(one, 0, MISTAKE) for one in hashes_[1:]))])
    assert erased(node, LATER_MS - 1) == set()
    assert erased(node, LATER_MS) == {*hashes_[1:]}
    (mass,) = due.withdrawn(node.stores, consult.view(node.trust, node.follows, BASE_MS)).masses
    assert (mass.items, mass.withdrawals) == (530, 2)


def test_a_drill_by_the_id_of_what_is_taken_back_makes_it_wait_no_longer(node: Exchange, author: Exchange) -> None:
    both = [draft_of([number.to_bytes(32) for number in range(30 + 900 * one)], exercise=one) for one in (False, True)]
    letters = said(author, of(range(4000), exercise=False), *both)
    take(node, [*letters, *said(author, drafts.object_withdrawal(ObjectId(b"l" * 16), MISTAKE))])
    assert erased(node, BASE_MS + HOUR_MS) == {hash_of(node, one) for one in letters[1:]}


def test_drills_that_press_take_no_turn_from_what_is_real_and_are_as_many(node: Exchange, author: Exchange) -> None:
    letters = said(author, of(range(200)), of(range(200), exercise=False))
    drill, real = (hash_of(node, one) for one in letters)
    count = PRESSING_PER_HOUR_MAX + 20
    taken = [drafts.withdrawal(drill, 1 << place, AT_RISK, exercise=True) for place in range(count)]
    take(node, [*letters, *said(author, *taken)])
    sweep(node, BASE_MS)
    (later,) = said(author, drafts.withdrawal(real, 1, AT_RISK))
    node.admit(node.verify([later]), BASE_MS + 1)  # behind all of these
    (made,) = look(node, BASE_MS + 1).erasures
    assert (made.entry, made.positions) == (real, b"\x01")
    assert len(table(node, "drill")) == 200 - PRESSING_PER_HOUR_MAX


@pytest.mark.parametrize("fetched", [True, False])
def test_what_calls_itself_a_drill_presses_nothing_that_is_real(
    node: Exchange, author: Exchange, *, fetched: bool
) -> None:
    letters = said(author, of(range(20)), of(range(20), exercise=False))
    drill, real = (hash_of(node, one) for one in letters)
    taken = [drafts.withdrawal(one, 0, AT_RISK, exercise=True) for one in (drill, real)]
    held = letters if fetched else [Letter(header=one.header, signature=one.signature, box=one.box) for one in letters]
    take(node, [*held, *said(author, *taken)])
    assert erased(node, BASE_MS) == {drill}
    assert erased(node, LATER_MS) == {drill, real}


def test_whoever_leaves_takes_its_drills_back_behind_what_is_real_and_in_no_lane_0(
    node: Exchange, author: Exchange
) -> None:
    letters = [list_draft(name, exercise=exercise) for name, exercise in (("drill", True), ("real", False))]
    author.publish([of(range(5)), *letters, of(range(5), exercise=False)], BASE_MS)
    while author.project():
        pass
    own = leaving.unwithdrawn(author.stores, author.reader.member_id, BASE_MS)
    assert own == [(b"l" * 16, False), (b"r" * 16, False), (b"d" * 16, True)]
    seen = consult.view(author.trust, author.follows, BASE_MS)
    made = leaving.withdrawals(author.stores, seen, own, MISTAKE)
    assert [(one.object_id, one.lane) for one in made] == [(b"l" * 16, 0), (b"r" * 16, 0), (b"d" * 16, 1)]


def test_whoever_leaves_ends_a_drill_behind_all_that_is_real(stage: Stage) -> None:
    """A crisis is ended before anything is taken back; an end of a drill has no lane 0, and would hold up what has."""
    drill, real = ObjectId(b"d" * 16), ObjectId(b"e" * 16)
    stage.say(1, declare(crisis(LONE), object_id=drill, exercise=True))
    stage.say(1, declare(crisis(LONE), object_id=real))
    own = [(real, False), (drill, True)]
    seen = stage.seen()
    seen = replace(seen, follows=replace(seen.follows, me=stage.id_of(1)))
    made = leaving.withdrawals(stage.reader.stores, seen, own, MISTAKE)
    behind = [(Kind.CRISIS_ACT, real), (Kind.WITHDRAW, real), (Kind.CRISIS_ACT, drill), (Kind.WITHDRAW, drill)]
    assert [(one.kind, one.object_id) for one in made] == behind
