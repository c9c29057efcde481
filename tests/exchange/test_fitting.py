"""Nobody hides a crisis behind an answer's bound by saying very much, and what wakes somebody has no such bound."""

from pathlib import Path

import pytest

from node.exchange import alarms, consult, crises, fitting, telling
from node.exchange.consult import ANSWER_BYTES_MAX
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import URGENT
from node.feed.kinds import Kind
from node.policy.alarm import Route, Settings
from node.v1 import record_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_doubts import act, every
from tests.exchange.test_forks import declaration
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation

MUCH = "x" * 249_000
MANY = 34


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


def comment(text: str, about: bytes) -> Draft:
    return act(record_pb2.CrisisAct(comment=record_pb2.Note(text=text)), about)


def alert(number: int) -> Draft:
    """One that is over, and long."""
    record = record_pb2.Record(kind=Kind.ALERT, object_id=number.to_bytes(16), handling=record_pb2.Handling(tlp=2))
    record.crisis.title, record.crisis.summary, record.crisis.ends_ms = f"alert {number}", MUCH, BASE_MS + 1
    return Draft(Kind.ALERT, URGENT, record=record.SerializeToString(), object_id=record.object_id, expires_ms=ENDS_MS)


def test_a_crisis_of_which_very_much_is_said_is_shown_with_all_that_was_said_and_can_be_led(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    hash_ = hash_of(node, letter)
    flood = said(node_in(tmp_path / "other", world, 2), *(comment(MUCH, hash_) for _ in range(MANY)))
    last = said(author, comment("calm", hash_))
    take(node, [letter, *last, *flood])
    (found,) = every(node, named="crisis 1")
    assert len(found.acts) == MANY + 1
    texts = [one.act.comment.text for one in found.acts]
    assert "calm" in texts
    assert 1 <= texts.count(MUCH) < MANY, "as many as there is room for"
    assert {one.act.WhichOneof("act") for one in found.acts} == {"comment"}
    assert found.ByteSize() < ANSWER_BYTES_MAX // 2
    seen = consult.view(node.trust, node.follows, BASE_MS + 1)
    assert crises.meant(node.stores, seen, "crisis 1").entry == hash_


def test_crises_that_others_say_later_keep_none_from_being_told_woken_for_and_shown(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    take(node, said(author, declaration(1)))
    other = node_in(tmp_path / "other", world, 2)
    take(node, said(other, *(alert(number) for number in range(2, 2 + MANY)), now_ms=BASE_MS + 1))
    found = every(node, BASE_MS + 2)
    assert len(found) == MANY + 1
    seen = consult.view(node.trust, node.follows, BASE_MS + 2)
    (call,) = alarms.look(node.stores, seen, Settings((Route("desk", ("desk",)),)), frozenset()).calls
    assert b"crisis 1" in call.text
    assert len(telling.begin(node.stores, seen).states) == MANY + 1
    answer = fitting.answer(found)
    assert answer[-1].crisis.title == "crisis 1", "as they came, the newest first"
    assert sum(one.ByteSize() for one in answer) <= ANSWER_BYTES_MAX


def view(owner: bytes, state: str, size: int) -> tools_pb2.CrisisView:
    return tools_pb2.CrisisView(member_id=owner, state=state, reason="x" * size)


def test_what_goes_on_is_shown_before_what_is_over_and_each_owner_in_turn() -> None:
    large = ANSWER_BYTES_MAX // 3
    views = [view(b"a", "active", large) for _ in range(4)] + [view(b"b", "active", large), view(b"c", "ended", large)]
    assert [one.member_id for one in fitting.answer(views)] == [b"a", b"b"]
    assert [one.member_id for one in fitting.answer([views[-1], *views[:-1]])] == [b"a", b"b"]
    assert fitting.answer([view(b"a", "active", ANSWER_BYTES_MAX)]) != [], "whoever asks for one gets it"


def test_of_each_author_in_turn_the_newest_act_has_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def said_by(author: bytes, text: str) -> tools_pb2.CrisisActView:
        return tools_pb2.CrisisActView(
            member_id=author, act=record_pb2.CrisisAct(entry=b"e", comment=record_pb2.Note(text=text))
        )

    monkeypatch.setattr(fitting, "TEXTS_BYTES_MAX", 45)
    monkeypatch.setattr(fitting, "ACTS_MAX", 4)
    views = [said_by(b"b", "early"), *(said_by(b"a", f"{number} and much more") for number in range(4))]
    found = fitting.acts(views)
    assert [one.act.comment.text for one in found] == ["early", "", "", "3 and much more"]
    assert all(one.act.HasField("comment") and one.act.entry == b"e" for one in found)
