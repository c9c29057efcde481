"""What of a list is written anew, when, and how many records that makes."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from node.content import hashes
from node.errors import Refused
from node.exchange import changes, drafts, holdings
from node.exchange.changes import Change
from node.exchange.holdings import Holding, Part
from node.exchange.restricting import Restriction
from node.feed.header import NORMAL
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.store.index import Record
from node.v1 import record_pb2, tools_pb2

NOW_MS = 1_800_000_000_000
LATER_MS = NOW_MS + changes.REWRITTEN_AFTER_MS


def part(
    number: int, items: int, lost: int = 0, since_ms: int = NOW_MS, label: str = "a", kind: str = "sha256"
) -> Part:
    said = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2),
        kind=Kind.ITEMS,
        object_id=b"l" * 16,
        items=record_pb2.Items(kind=kind, labels=[label]),
    )
    row = Record(
        hash=number.to_bytes(32),  # type: ignore[arg-type]
        feed_id=b"f" * 32,  # type: ignore[arg-type]
        seq=number,
        member_id=b"m" * 32,  # type: ignore[arg-type]
        object_id=b"l" * 16,  # type: ignore[arg-type]
        kind=Kind.ITEMS,
        exercise=False,
        created_ms=NOW_MS,
        expires_ms=NOW_MS + 86_400_000,
        received_ms=NOW_MS,
        items=items,
        content=said.SerializeToString(),
    )
    restriction = Restriction(positions=(1 << lost) - 1, since_ms=since_ms if lost else 0)
    return Part(number, row, said, hashes.KINDS.get(kind), restriction)


def holding(*parts: Part) -> Holding:
    return Holding({one.number: one for one in parts})


def rewritten(before: Holding, removed: Mapping[int, int] = {}, now_ms: int = NOW_MS) -> list[list[int]]:
    return [[one.number for one in group.parts] for group in changes.groups(before, removed, now_ms)]


def test_a_record_that_lost_a_little_waits_for_half_an_hour_and_one_that_lost_a_quarter_does_not() -> None:
    before = holding(part(1, 4096, lost=1), part(2, 4096, lost=1024), part(3, 4096))
    assert rewritten(before) == [[2]]
    assert rewritten(before, now_ms=LATER_MS) == [[2], [1]]


def test_what_is_left_of_several_records_becomes_as_few_as_hold_it() -> None:
    before = holding(*(part(number, 4096, lost=3096) for number in range(1, 9)))
    assert rewritten(before) == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_records_that_say_something_else_or_have_long_texts_are_never_one() -> None:
    before = holding(
        part(1, 10, lost=9),
        part(2, 10, lost=9, label="b"),
        part(3, 10, lost=9, kind="url"),
        part(4, 10, lost=9, kind="url"),
    )
    assert sorted(rewritten(before)) == [[1], [2], [3], [4]]


def test_a_record_of_which_nothing_is_left_is_withdrawn_as_a_whole_and_not_written_anew() -> None:
    before = holding(part(1, 10, lost=9))
    assert rewritten(before, {1: 1 << 9}) == []
    (draft,) = changes.withdrawals(before, {1: 1 << 9}, 4)
    assert draft == drafts.withdrawal((1).to_bytes(32), 0, 4)


def test_what_takes_items_of_a_drill_back_is_marked_as_that() -> None:
    one = part(1, 10)
    of_drill = holding(replace(one, row=replace(one.row, exercise=True), older=(one.hash,)))
    (taken,) = changes.withdrawals(of_drill, {1: 1}, 4)
    (ended,) = changes.ended(of_drill.parts.values())
    assert (taken.exercise, ended.exercise) == (True, True)
    assert (taken.lane, ended.lane) == (NORMAL, NORMAL)


def test_what_goes_now_counts_with_what_went_before() -> None:
    assert rewritten(holding(part(1, 100, lost=20)), {1: 0b11111 << 20}) == [[1]]


@pytest.mark.parametrize(("most", "is_refused"), [(0, False), (50, True), (60, False)])
def test_more_than_was_allowed_is_never_removed(most: int, is_refused: bool) -> None:
    draft = tools_pb2.ListDraft(name="halle", removed_percent_max=most)
    change = Change(removed={1: (1 << 60) - 1})
    if not is_refused:
        changes.check_removal(draft, holding(part(1, 100)), change)
        return
    with pytest.raises(Refused, match="60 of the 100 items of halle"):
        changes.check_removal(draft, holding(part(1, 100)), change)


def test_positions_are_read_from_bits_and_values_merged_in_their_order() -> None:
    assert list(holdings.positions(0b1000_0000_0101)) == [0, 2, 11]
    assert holdings.merged([[("b", 1), ("é", 2)], [("a", 3), ("b", 4)]]) == [("a", 3), ("b", 1), ("é", 2)]


def test_what_a_record_took_the_place_of_is_ended_before_it_changes_itself() -> None:
    older = [HeaderHash(bytes([i]) * 32) for i in (9, 8)]
    changed = replace(part(1, 100), older=tuple(older))
    assert changes.ended([changed, part(2, 100), changed]) == [drafts.withdrawal(one, 0, 5) for one in sorted(older)]
