"""What the log says of crises: every word once, nothing that somebody wrote, and what is not verified plainly so."""

from dataclasses import replace
from pathlib import Path

import pytest

from node.exchange import consult, telling
from node.exchange.exchange import Exchange
from node.exchange.telling import Line, Told
from node.v1 import record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_doubts import POINTER, act, alert
from tests.exchange.test_forks import declaration
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation

SECRET = "what somebody wrote"


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


def look(node: Exchange, before: Told | None, now_ms: int = BASE_MS + 1) -> Told:
    while node.project():
        pass
    seen = consult.view(node.trust, node.follows, now_ms)
    return telling.look(node.stores, seen, before) if before else telling.begin(node.stores, seen)


def words(lines: tuple[Line, ...]) -> list[str]:
    return [one.said["what"].split(",")[0] for one in lines]


def test_every_word_is_told_once_as_it_comes_and_what_was_here_before_is_not(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(9)))
    told = look(node, None)
    assert told.lines == ()
    (letter,) = said(author, declaration(1))
    take(node, [letter, *said(author, alert(2, POINTER))])
    told = look(node, told)
    assert words(told.lines) == ["declares", "IMMINENT THREAT TO LIFE: warns"]
    first = told.lines[0]
    assert first.is_grave
    assert first.said["verified"].startswith("NOT VERIFIED: ")
    assert first.said["by"] == node.trust.name_of(author.reader.member_id)
    assert look(node, told).lines == ()
    comment = record_pb2.CrisisAct(comment=record_pb2.Note(text=SECRET))
    take(node, said(author, act(comment, hash_of(author, letter))))
    told = look(node, told)
    assert words(told.lines) == ["says"]
    assert SECRET not in str(told)


def test_whoever_takes_an_id_for_a_drill_makes_no_threat_to_life_of_another_crisis_one(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    other, drill = node_in(tmp_path / "other", world, 2), declaration(1)
    record = record_pb2.Record.FromString(drill.record)
    record.exercise = True
    (letter,) = said(author, declaration(1))
    drilled = said(other, replace(drill, exercise=True, record=record.SerializeToString()), now_ms=BASE_MS - 1)
    take(node, [letter, *drilled])
    told = look(node, None)
    take(node, said(author, act(record_pb2.CrisisAct(pointer=POINTER), hash_of(author, letter))))
    (line,) = look(node, told).lines
    assert "exercise" not in line.said
    assert line.is_grave


def test_what_follows_from_time_alone_is_told_too(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1)))
    told = look(node, look(node, None), ENDS_MS)
    assert [one.said["what"] for one in told.lines] == ["is expired, was active"]
    assert look(node, told, ENDS_MS + 1).lines == ()


def test_of_very_much_at_once_the_first_are_told_and_how_many_more_there_were(
    node: Exchange, author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LINES_MAX", 2)
    told = look(node, None)
    take(node, said(author, *(declaration(number) for number in range(1, 6))))
    told = look(node, told)
    assert (len(told.lines), told.left_off) == (2, 3)
