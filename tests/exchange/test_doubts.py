"""What stands against a crisis and what belongs to it: disputes, calls that nobody made, orders, threats, lists."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest

from node.crisis.states import State
from node.exchange import alarms, consult, crises, verifying
from node.exchange.doubts import FIRST_MS
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.verifying import Verified
from node.feed.header import NORMAL, URGENT
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.policy.alarm import Route, Settings
from node.policy.opinions import Verdict
from node.v1 import record_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import declaration
from tests.exchange.test_odd_order import ENDS_MS, Letter, hash_of, said, take, without
from tests.exchange.test_opinions import opinion
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation

HOUR_MS = 3_600_000
POINTER = record_pb2.Pointer(places=["DE"], channel="PERCI", reference="2026-118", told_ms=BASE_MS)


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


@pytest.fixture(name="third")
def _third(tmp_path: Path, world: Federation) -> Exchange:
    return node_in(tmp_path / "third", world, 2)


def act(said_: record_pb2.CrisisAct, about: bytes, *, exercise: bool = False) -> Draft:
    """About the first crisis."""
    object_id = (1).to_bytes(16)
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2),
        kind=Kind.CRISIS_ACT,
        object_id=object_id,
        crisis_act=said_,
        exercise=exercise,
    )
    record.crisis_act.entry = about
    content = record.SerializeToString()
    return Draft(
        Kind.CRISIS_ACT, NORMAL, record=content, object_id=object_id, expires_ms=ENDS_MS + 1, exercise=exercise
    )


def dispute(about: bytes, text: str = "an old video") -> Draft:
    return act(record_pb2.CrisisAct(dispute=record_pb2.Note(text=text)), about)


def alert(number: int, pointer: record_pb2.Pointer | None = None) -> Draft:
    record = record_pb2.Record.FromString(declaration(number).record)
    record.kind, record.crisis.title = Kind.ALERT, f"alert {number}"
    if pointer:
        record.crisis.pointer.CopyFrom(pointer)
    return Draft(
        Kind.ALERT,
        URGENT,
        record=record.SerializeToString(),
        object_id=number.to_bytes(16),
        expires_ms=ENDS_MS + 1,
    )


def every(node: Exchange, now_ms: int = BASE_MS + 1, named: str = "") -> list[tools_pb2.CrisisView]:
    while node.project():
        pass
    return crises.every(node.stores, consult.view(node.trust, node.follows, now_ms), named, exercises=True)


def only(node: Exchange, now_ms: int = BASE_MS + 1) -> tools_pb2.CrisisView:
    (found,) = every(node, now_ms, "crisis 1")
    return found


def against(node: Exchange) -> list[tuple[str, str]]:
    return [(one.what, one.text) for one in only(node).disputes]


# ---- Disputes


def test_whose_last_word_is_against_it_disputes_it_and_its_state_stays(
    node: Exchange, author: Exchange, third: Exchange
) -> None:
    (letter,) = said(author, declaration(1))
    about = hash_of(author, letter)
    take(node, [letter])
    assert against(node) == []
    state = only(node).state
    take(node, said(third, dispute(about)))
    assert against(node) == [("dispute", "an old video")]
    assert only(node).disputes[0].member_name == node.trust.name_of(third.reader.member_id)
    take(node, said(third, opinion_of(about, Verdict.AGREE), now_ms=BASE_MS + 1))
    assert against(node) == [], "it has thought better of it"
    take(node, said(third, opinion_of(about, Verdict.FALSE_POSITIVE), now_ms=BASE_MS + 2))
    assert against(node) == [("false positive", "")]
    assert only(node).state == state == State.ACTIVE, "it is advice"


def test_whoever_thinks_better_of_it_disputes_it_no_more_without_a_word_to_others_and_may_again(
    node: Exchange, author: Exchange, third: Exchange
) -> None:
    (letter,) = said(author, declaration(1))
    about = hash_of(author, letter)
    agree = act(record_pb2.CrisisAct(agree=record_pb2.Note(text="it is new")), about)
    take(node, [letter, *said(third, dispute(about)), *said(third, agree, now_ms=BASE_MS + 1)])
    assert against(node) == []
    take(node, said(third, dispute(about, "after all"), now_ms=BASE_MS + 2))
    assert against(node) == [("dispute", "after all")]
    take(node, said(third, opinion_of(about, Verdict.FALSE_POSITIVE), now_ms=BASE_MS + 3))
    take(node, said(third, agree, now_ms=BASE_MS + 4))
    assert against(node) == [], "also what it said by an opinion"


def opinion_of(about: bytes, verdict: Verdict) -> Draft:
    return opinion(about, verdict)


def test_its_owners_own_word_against_it_is_no_dispute(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, declaration(1))
    about = hash_of(author, letter)
    take(node, [letter, *said(author, dispute(about), opinion_of(about, Verdict.FALSE_POSITIVE))])
    assert against(node) == []


def test_disputes_come_to_the_same_in_every_order(
    tmp_path: Path, world: Federation, author: Exchange, third: Exchange
) -> None:
    (letter,) = said(author, declaration(1))
    about = hash_of(author, letter)
    words = [
        *said(third, dispute(about)),
        *said(third, opinion_of(about, Verdict.OUT_OF_SCOPE), now_ms=BASE_MS + 5),
    ]
    found = []
    for number, order in enumerate(permutations([letter, *words])):
        node = node_in(tmp_path / f"n{number}", world, 0)
        take(node, [without(one, "payload") for one in (letter, *words)])
        take(node, order)
        found.append(against(node))
    assert found == [[("out of scope", "")]] * 6


# ---- Calls that nobody made


def test_the_first_declaration_of_a_member_is_not_verified_until_somebody_called_and_a_later_one_need_not_be(
    node: Exchange, author: Exchange
) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    assert "the first of" in only(node).unverified
    later = BASE_MS + FIRST_MS
    (second,) = said(author, declaration(2), now_ms=later)
    checked = node.verify(node.unseen([second]))
    node.admit(checked, later)
    found = {one.crisis.title: one.unverified for one in every(node, BASE_MS + 1)}
    assert "the first of" in found["crisis 1"]
    assert found["crisis 2"] == ""
    verifying.note(node.stores, HeaderHash(hash_of(node, letter)), Verified("officer", BASE_MS + 9))
    assert (only(node).unverified, only(node).verified_by, only(node).verified_ms) == ("", "officer", BASE_MS + 9)


def test_a_second_one_soon_after_the_first_is_as_doubtful(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1), declaration(2)))
    assert all("the first of" in one.unverified for one in every(node))


def test_a_grave_one_is_not_verified_whoever_declares_it_and_our_own_needs_no_call(
    node: Exchange, author: Exchange
) -> None:
    record = record_pb2.Record.FromString(declaration(1).record)
    record.crisis.harm = 3
    grave = Draft(
        Kind.DECLARATION,
        URGENT,
        record=record.SerializeToString(),
        object_id=(1).to_bytes(16),
        expires_ms=ENDS_MS + 1,
    )
    take(node, said(author, grave))
    assert "harm is high" in only(node).unverified
    assert only(author).unverified == ""
    assert only(node, ENDS_MS + 1).unverified == "", "it is over"


# ---- What belongs to it


def test_the_clock_of_an_order_is_read_from_all_that_its_member_said(
    node: Exchange, author: Exchange, third: Exchange
) -> None:
    (letter,) = said(author, declaration(1))
    about = hash_of(author, letter)
    take(node, [letter])
    for number, clock, minute in (("77", 1, 0), ("77", 2, 20), ("78", 1, 10)):
        at_ms = BASE_MS + minute * 60_000
        order = record_pb2.Order(
            reference=number, state=clock, at_ms=at_ms, ground="the URL leads nowhere" if clock == 2 else ""
        )
        if clock == 1:
            order.received_ms, order.hours, order.channel = at_ms, 1, "PERCI"
        letters = said(third, act(record_pb2.CrisisAct(order=order), about), now_ms=at_ms)
        node.admit(node.verify(node.unseen(letters)), at_ms)
    first, second = only(node, BASE_MS + HOUR_MS // 2).orders
    assert (first.reference, first.state, first.due_ms) == ("78", "running", BASE_MS + HOUR_MS + 600_000)
    assert (second.reference, second.state, second.left_ms, second.due_ms) == ("77", "paused", 40 * 60_000, 0)
    assert (second.channel, second.ground, first.ground) == ("PERCI", "the URL leads nowhere", "")


@pytest.mark.parametrize("order", [{"at_ms": -(2**63)}, {"received_ms": 2**63 - 1}, {"at_ms": 2**63 - 1}])
def test_a_time_that_no_entry_could_have_is_passed_over_and_makes_no_crisis_unreadable(
    node: Exchange, author: Exchange, third: Exchange, order: dict[str, int]
) -> None:
    (letter,) = said(author, declaration(1))
    bent = record_pb2.Order(reference="77", state=1, **order)  # type: ignore[arg-type]
    take(node, [letter, *said(third, act(record_pb2.CrisisAct(order=bent), hash_of(author, letter)))])
    (shown,) = only(node).orders
    assert (shown.received_ms, shown.due_ms) == (BASE_MS, BASE_MS + HOUR_MS)


def test_a_threat_to_life_is_pointed_to_by_an_alert_of_its_own_and_by_an_act(
    node: Exchange, author: Exchange, third: Exchange
) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter, *said(author, alert(2, POINTER))])
    warned, declared = sorted(every(node), key=lambda one: not one.alert)
    assert [one.pointer.reference for one in warned.pointers] == ["2026-118"]
    assert "life is said to be threatened" in warned.unverified
    assert not declared.pointers
    pointed = act(record_pb2.CrisisAct(pointer=POINTER), hash_of(author, letter))
    take(node, said(third, pointed))
    assert [one.member_name for one in only(node).pointers] == [node.trust.name_of(third.reader.member_id)]


def test_an_alert_of_a_threat_to_life_wakes_before_all_that_came_before_it(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1), alert(2), alert(3, POINTER)))
    every(node)
    seen = consult.view(node.trust, node.follows, BASE_MS + 1)
    found = alarms.look(node.stores, seen, Settings((Route("desk", ("desk",)),), per_hour=1), frozenset())
    (call,) = found.calls
    assert b"IMMINENT THREAT TO LIFE" in call.text
    assert b"2026-118" not in call.text


def test_lists_that_say_so_belong_to_it(node: Exchange, author: Exchange) -> None:
    def made(name: str, crisis_id: bytes, *, exercise: bool = False) -> Draft:
        record = record_pb2.Record(
            handling=record_pb2.Handling(tlp=2),
            kind=Kind.LIST,
            object_id=name.encode().ljust(16),
            list=record_pb2.HashList(name=name),
            crisis_id=crisis_id,
            exercise=exercise,
        )
        content, id_ = record.SerializeToString(), record.object_id
        return Draft(Kind.LIST, NORMAL, record=content, object_id=id_, expires_ms=ENDS_MS + 1, exercise=exercise)

    id_ = (1).to_bytes(16)
    drafts: Sequence[Draft] = (made("halle", id_), made("other", b""), made("drill", id_, exercise=True))
    letters: list[Letter] = said(author, declaration(1), *drafts)
    take(node, letters)
    (found,) = only(node).lists
    assert found.name.endswith("/halle")
    assert (found.items, found.records, found.following) == (0, 0, "followed")
