"""A crisis for some members alone: who reads it, what follows, and what nobody else ever learns."""

from dataclasses import replace
from pathlib import Path

import pytest

from node.errors import Refused
from node.exchange import acknowledging, audiences, consult, crises, declaring, membership
from node.exchange.declaring import Speaker
from node.exchange.exchange import Exchange
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.store import ledger
from node.v1 import record_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_crises import (
    LONE,
    NOW_MS,
    PAIR,
    PLATFORM,
    POLICE,
    SIGNED_BY_POLICE,
    Stage,
    X,
    crisis,
    rules,
)
from tests.exchange.test_odd_order import Letter, hash_of, said, take
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation

WHAT = crisis(LONE)
WHAT.framework.CopyFrom(record_pb2.Reference(name="eu-ocrf"))
WHAT.summary = "Not before the press conference"
AUTHORITY, AMBER = 1, record_pb2.Handling(tlp=3)


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


def view(node: Exchange) -> consult.View:
    while node.project():
        pass
    return consult.view(node.trust, node.follows, NOW_MS)


def speaker(node: Exchange, seen: consult.View) -> Speaker:
    return Speaker(node.reader.member_id, seen.roster.seats[node.reader.member_id], BASE_MS)


def declared(node: Exchange, audience: record_pb2.Audience, handling: record_pb2.Handling = AMBER) -> Letter:
    seen = view(node)
    seen = replace(seen, follows=replace(seen.follows, me=node.reader.member_id))
    request = tools_pb2.DeclareRequest(object_id=X, crisis=WHAT, handling=handling, audience=audience)
    (letter,) = said(node, declaring.declaration(request, seen, speaker(node, seen)))
    return letter


@pytest.fixture(name="stage")
def _stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, federation(25, rules(PAIR, LONE, POLICE, SIGNED_BY_POLICE)))


@pytest.fixture(name="members")
def _members(tmp_path: Path, world: Federation) -> list[Exchange]:
    """Two authorities, and a platform."""
    return [node_in(tmp_path / str(number), world, number) for number in (1, 2, 12)]


def test_a_crisis_for_authorities_is_read_by_them_and_others_see_that_somebody_said_something(
    members: list[Exchange],
) -> None:
    first, second, platform = members
    letter = declared(first, record_pb2.Audience(roles=[AUTHORITY]))
    hash_ = hash_of(first, letter)
    for node in (second, platform):
        take(node, [letter])
        assert ledger.kind_of(node.stores.ledger, hash_) == Kind.SEALED
    shown = [[one.audience for one in crises.every(node.stores, view(node), exercises=True)] for node in members]
    assert shown == [["every authority"], ["every authority"], []]


def test_what_is_said_of_it_is_for_the_same_and_nobody_is_told_who_has_it(members: list[Exchange]) -> None:
    first, second, platform = members
    letter = declared(first, record_pb2.Audience(member_ids=[second.reader.member_id]))
    take(second, [letter])
    seen = view(second)
    found = crises.one(second.stores, seen, first.reader.member_id, X)
    assert found is not None
    act = declaring.speaking(
        found, record_pb2.CrisisAct(comment=record_pb2.Note(text="seen")), speaker(second, seen), seen
    )
    (answer,) = said(second, declaring.act_draft(found, act, None, speaker(second, seen), seen))
    for node in (first, platform):
        take(node, [letter, answer])
    (shown,) = crises.every(first.stores, view(first), X.hex(), exercises=True)
    assert [one.act.comment.text for one in shown.acts] == ["seen"]
    assert crises.every(platform.stores, view(platform), exercises=True) == []
    asked = tools_pb2.ListAcknowledgementsRequest(entry=HeaderHash(shown.entry))
    assert not acknowledging.view(first.stores, view(first), asked).members


@pytest.mark.parametrize(
    ("audience", "reason"),
    [
        (record_pb2.Audience(), "no node that could read it"),
        (record_pb2.Audience(roles=[9]), "no node that could read it"),
        (record_pb2.Audience(member_ids=[b"?" * 32]), "has no seat"),
    ],
)
def test_whom_nobody_would_read_it_by_is_refused(
    members: list[Exchange], audience: record_pb2.Audience, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        declared(members[0], audience)


def test_what_is_marked_for_fewer_is_refused_for_all(members: list[Exchange]) -> None:
    seen = view(members[0])
    request = tools_pb2.DeclareRequest(object_id=X, crisis=WHAT, handling=AMBER)
    with pytest.raises(Refused, match="only CLEAR and GREEN"):
        declaring.declaration(request, seen, speaker(members[0], seen))


@pytest.mark.parametrize("scales", [{"europol_codes": 0b0100}, {"europol_codes": 0b1000}, {"pap": 3}, {"pap": 4}])
def test_what_its_handling_code_or_pap_keeps_from_all_goes_to_some_under_tlp_green(
    members: list[Exchange], scales: dict[str, int]
) -> None:
    first, second, platform = members
    handling = record_pb2.Handling(tlp=2, **scales)
    letter = declared(first, record_pb2.Audience(member_ids=[second.reader.member_id]), handling)
    for node in (second, platform):
        take(node, [letter])
    (found,) = crises.every(second.stores, view(second), exercises=True)
    assert (found.handling, crises.every(platform.stores, view(platform), exercises=True)) == (handling, [])


@pytest.mark.parametrize("exercise", [False, True])
def test_what_none_of_its_readers_could_co_sign_is_refused_and_says_whom_to_add(stage: Stage, exercise: bool) -> None:
    seen = stage.seen()
    seen = replace(seen, follows=replace(seen.follows, me=stage.id_of(1)))
    by = Speaker(stage.id_of(1), seen.roster.seats[stage.id_of(1)], BASE_MS)

    def declare(audience: record_pb2.Audience, *, alert: bool = False) -> None:
        request = tools_pb2.DeclareRequest(
            object_id=X, crisis=crisis(PAIR), handling=AMBER, audience=audience, alert=alert, exercise=exercise
        )
        if alert:
            request.crisis.ends_ms = NOW_MS + 1000
        declaring.declaration(request, seen, by)

    platform = record_pb2.Audience(member_ids=[stage.id_of(PLATFORM), stage.id_of(1)])
    with pytest.raises(Refused, match="pair asks for 1 of authority") as refused:
        declare(platform)
    assert refused.value.field == "audience"
    assert "--to authority" in refused.value.next_step
    assert "Member 2" in refused.value.next_step
    assert "Member 1," not in refused.value.next_step, "nobody co-signs its own"
    declare(platform, alert=True)
    declare(record_pb2.Audience(member_ids=[stage.id_of(PLATFORM), stage.id_of(2)]))
    declare(record_pb2.Audience(roles=[AUTHORITY]))


def test_no_update_leads_into_a_framework_that_none_of_its_readers_could_co_sign_under(stage: Stage) -> None:
    node = stage.speaker(1)
    take(node, stage.letters)
    seen = stage.seen(node=node)
    seen = replace(seen, follows=replace(seen.follows, me=stage.id_of(1)))
    audience = record_pb2.Audience(member_ids=[stage.id_of(PLATFORM)])
    request = tools_pb2.DeclareRequest(object_id=X, crisis=crisis(LONE), handling=AMBER, audience=audience)
    said(node, declaring.declaration(request, seen, speaker(node, seen)))
    found = crises.one(node.stores, stage.seen(node=node), stage.id_of(1), X)
    assert found
    again = record_pb2.CrisisAct(update=crisis(LONE, title="Another title"))
    assert declaring.leading(found, again, speaker(node, seen), seen).update.title == "Another title"
    with pytest.raises(Refused, match="could never co-sign it"):
        declaring.leading(found, record_pb2.CrisisAct(update=crisis(PAIR)), speaker(node, seen), seen)


def test_only_who_may_read_it_is_asked_whether_it_takes_part(members: list[Exchange]) -> None:
    first, second, _ = members
    declared(first, record_pb2.Audience(member_ids=[second.reader.member_id]))
    (shown,) = crises.every(first.stores, view(first), X.hex(), exercises=True)
    asked = {one.member_id for one in shown.participation}
    assert asked == {first.reader.member_id, second.reader.member_id} == set(shown.readers.member_ids)


def test_a_node_that_was_taken_out_reads_nothing_more(members: list[Exchange], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _ = members
    seen = view(first)
    every = audiences.readers(record_pb2.Audience(roles=[AUTHORITY]), seen)
    gone = set(first.trust.feeds_of(second.reader.member_id))
    state = membership.feed_state
    monkeypatch.setattr(
        membership,
        "feed_state",
        lambda trust, feed, held: "retired" if feed in gone else state(trust, feed, held),
    )
    left = audiences.readers(record_pb2.Audience(roles=[AUTHORITY]), seen)
    assert len(every) - len(left) == len(gone)
    with pytest.raises(Refused, match=r"Member 2 has no node"):
        audiences.require(record_pb2.Audience(member_ids=[second.reader.member_id]), seen)
