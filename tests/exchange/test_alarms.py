"""Whom a crisis wakes, by which way and when: as far as nobody has acknowledged it, over every restart."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.exchange import acknowledging, alarms, belongings, consult, crises
from node.exchange.acknowledging import About
from node.exchange.alarms import TITLE_CHARACTERS_MAX, Key, Look
from node.exchange.exchange import Exchange
from node.feed.header import AUTHOR_ONLY
from node.feed.keys import ObjectId
from node.feed.marks import Marks
from node.feed.statements import Bound
from node.policy import alarm
from node.policy.alarm import BACK_OFF_MS, HOUR_MS, Route, Settings
from node.policy.deliveries import ENTRIES_MAX, Stage
from node.store import alarms as stored
from node.store.alarms import TEST, Ringing
from node.v1 import record_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_doubts import POINTER, act, alert
from tests.exchange.test_forks import declaration, drill, end_of, restarted
from tests.exchange.test_odd_order import ENDS_MS, hash_of, said, take
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, SeededWrapping, federation

AFTER_MS = 5 * 60_000
SETTINGS = Settings((Route("desk", ("desk",)), Route("officer", ("officer",), after_ms=AFTER_MS)))
NOW_MS = BASE_MS + 1


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


def look(node: Exchange, now_ms: int, settings: Settings = SETTINGS, under_way: frozenset[Key] = frozenset()) -> Look:
    while node.project():
        pass
    seen = consult.view(node.trust, node.follows, now_ms)
    return alarms.look(node.stores, seen, settings, under_way)


def ring(
    node: Exchange, now_ms: int, *, through: bool = True, settings: Settings = SETTINGS
) -> list[tuple[str, Mapping[str, Any]]]:
    """One turn: what is due is tried; the routes, and what they were told."""
    found = look(node, now_ms, settings)
    alarms.begin(node.stores, found)
    for call in found.calls:
        alarms.note(node.stores, replace(call.ringing, through=through, answer="it said"))
    return [(call.route.name, json.loads(call.text)) for call in found.calls]


def names(node: Exchange, now_ms: int, *, through: bool = True, settings: Settings = SETTINGS) -> list[str]:
    return [name for name, _ in ring(node, now_ms, through=through, settings=settings)]


def test_route_after_route_is_tried_once_until_somebody_here_acknowledges_it(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    assert names(node, NOW_MS) == ["desk"]
    assert names(node, NOW_MS + AFTER_MS - 1) == []
    assert look(node, NOW_MS).next_ms == NOW_MS + AFTER_MS
    about = About(ObjectId((1).to_bytes(16)), False, (hash_of(node, letter),), ENDS_MS)
    seen = consult.view(node.trust, node.follows, NOW_MS)
    delivered, confirmed = (
        acknowledging.draft(about, stage, NOW_MS, 1, seen) for stage in (Stage.DELIVERED, Stage.SEEN)
    )
    said(node, delivered)
    assert [call.route.name for call in look(node, NOW_MS + AFTER_MS).calls] == ["officer"], "no person has seen it"
    said(node, confirmed)
    assert names(node, NOW_MS + AFTER_MS) == []
    assert acknowledging.routes_tried(node.stores, [hash_of(node, letter)]) == 1


def routes_shown(node: Exchange, crisis_id: bytes = b"", entry: bytes = b"") -> dict[str, int]:
    """By each member that is shown; those of our own also while nobody has answered."""
    while node.project():
        pass
    request = tools_pb2.ListAcknowledgementsRequest(crisis=crisis_id.hex(), entry=entry)
    shown = acknowledging.view(node.stores, consult.view(node.trust, node.follows, NOW_MS), request)
    return {one.member_name: one.route for one in shown.members if one.route}


def test_how_many_routes_were_tried_here_is_shown_before_anybody_answers(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    assert routes_shown(node, (1).to_bytes(16)) == {}
    ring(node, NOW_MS)
    assert routes_shown(node, (1).to_bytes(16)) == {"Member 0": 1}
    other = node_in(tmp_path / "other", world, 2)
    take(node, said(other, act(record_pb2.CrisisAct(pointer=POINTER), hash_of(author, letter))))
    ring(node, NOW_MS + AFTER_MS)
    assert routes_shown(node, (1).to_bytes(16)) == {"Member 0": 2}, "because of the threat, too"
    assert routes_shown(node, entry=hash_of(node, letter)) == {"Member 0": 1}
    confirm(node)
    assert routes_shown(node, (1).to_bytes(16)) == {}, "as it was said when somebody answered"


def test_what_is_sealed_to_us_wakes_nobody_any_more_once_somebody_here_has_seen_it_and_nobody_is_told(
    node: Exchange, author: Exchange
) -> None:
    to_us = (SeededWrapping.public(node.reader.private_keys[0]),)
    (letter,) = said(author, replace(declaration(1), readers=to_us, carriage=AUTHOR_ONLY))
    take(node, [letter])
    assert names(node, NOW_MS) == ["desk"]
    seen = consult.view(node.trust, node.follows, NOW_MS)
    (crisis,) = crises.every(node.stores, seen, exercises=True)
    assert acknowledging.unconfirmed(node.stores, seen, crisis, Stage.SEEN).entries == ()
    sealed = acknowledging.waking_sealed(node.stores, seen, crisis)
    assert sealed == (hash_of(node, letter),)
    alarms.confirm(node.stores, sealed, NOW_MS)
    restarted(node)
    assert names(node, NOW_MS + AFTER_MS) == []
    assert acknowledging.waking_sealed(node.stores, seen, crisis) == ()


def test_another_member_that_has_seen_it_stops_nothing_and_another_node_of_ours_does(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    about = About(ObjectId((1).to_bytes(16)), False, (hash_of(node, letter),), ENDS_MS)
    for number, expected in ((2, ["desk"]), (0, [])):
        reader = node_in(tmp_path / f"r{number}", world, 0)
        other = node_in(tmp_path / f"o{number}", world, number)
        for one in (reader, other):
            take(one, [letter])
        seen = consult.view(other.trust, other.follows, NOW_MS)
        take(reader, said(other, acknowledging.draft(about, Stage.SEEN, NOW_MS, 0, seen)))
        assert names(reader, NOW_MS) == expected


def test_a_restart_neither_repeats_nor_forgets(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1)))
    assert names(node, NOW_MS) == ["desk"]
    restarted(node)
    assert names(node, NOW_MS + 1) == []
    assert names(node, NOW_MS + AFTER_MS) == ["officer"]
    restarted(node)
    assert names(node, NOW_MS + HOUR_MS) == []


def test_one_that_was_under_way_when_the_node_stopped_is_tried_again(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1)))
    found = look(node, NOW_MS)
    alarms.begin(node.stores, found)
    ((hash_, name),) = ((call.ringing.hash, call.route.name) for call in found.calls)
    assert look(node, NOW_MS + BACK_OFF_MS, under_way=frozenset({(hash_, name)})).calls == (), "it still is"
    restarted(node)
    assert names(node, NOW_MS + BACK_OFF_MS - 1) == []
    assert names(node, NOW_MS + BACK_OFF_MS) == ["desk"]


def test_one_that_does_not_come_through_is_tried_again_and_then_the_next_one_does_not_wait(
    node: Exchange, author: Exchange
) -> None:
    take(node, said(author, declaration(1)))
    settings = replace(SETTINGS, routes=(SETTINGS.routes[0], replace(SETTINGS.routes[1], after_ms=HOUR_MS)))
    times = range(NOW_MS, NOW_MS + HOUR_MS // 10, BACK_OFF_MS)
    tried = [name for now_ms in times for name in names(node, now_ms, through=False, settings=settings)]
    assert tried[: alarm.TRIES_MAX + 1] == ["desk"] * alarm.TRIES_MAX + ["officer"]
    now_ms = times[-1]
    (desk, _) = alarms.routes(node.stores, SETTINGS, now_ms)
    assert (desk.tries, desk.failures, desk.answer) == (alarm.TRIES_MAX, alarm.TRIES_MAX, "it said")
    warned = list(alarms.warnings(node.stores, SETTINGS, now_ms))
    assert warned[0] == "route 1 (desk) did not come through: it said"


def test_what_is_over_or_not_in_effect_wakes_nobody(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    platform = node_in(tmp_path / "platform", world, 12)  # it may not declare
    take(node, [*said(author, declaration(1), end_of(1), declaration(2)), *said(platform, declaration(3))])
    assert [told["title"] for _, told in ring(node, NOW_MS)] == ["crisis 2"]
    assert look(node, ENDS_MS + 1).calls == ()


def test_an_alert_without_effect_wakes_nobody_and_no_threat_that_it_is_itself(node: Exchange, author: Exchange) -> None:
    take(node, said(author, alert(1), alert(2, POINTER)))
    assert names(node, NOW_MS) == ["desk", "desk"]
    node.trust = replace(node.trust, marks=Marks(ends=frozenset({Bound(author.author.feed_id, 1, bytes(32))})))
    assert look(node, NOW_MS + AFTER_MS).calls == ()


def test_an_alert_wakes_from_its_start_on_and_that_is_looked_for_then(node: Exchange, author: Exchange) -> None:
    later = alert(1)
    record = record_pb2.Record.FromString(later.record)
    record.crisis.starts_ms = NOW_MS + HOUR_MS
    take(node, said(author, replace(later, record=record.SerializeToString())))
    assert names(node, NOW_MS) == []
    assert look(node, NOW_MS).next_ms == NOW_MS + HOUR_MS
    assert names(node, NOW_MS + HOUR_MS) == ["desk"]


def test_our_own_and_drills_wake_somebody_only_where_that_is_set(node: Exchange, author: Exchange) -> None:
    take(node, said(author, drill(1)))
    said(node, declaration(2))
    assert names(node, NOW_MS) == []
    ((_, told),) = ring(node, NOW_MS, settings=replace(SETTINGS, exercises=True))
    assert told["text"].startswith("EXERCISE ")
    assert told["title"].startswith("EXERCISE ")
    assert told["exercise"] is True
    assert names(node, NOW_MS, settings=replace(SETTINGS, own=True)) == ["desk"]


def test_what_is_beyond_an_hours_bound_waits_and_is_not_forgotten(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    settings = replace(SETTINGS, routes=SETTINGS.routes[:1], per_hour=4)
    take(node, said(author, *map(declaration, range(1, 5))))
    other = node_in(tmp_path / "other", world, 2)
    assert len(ring(node, NOW_MS, settings=settings)) == 2
    assert look(node, NOW_MS, settings).waiting == 2
    take(node, said(other, declaration(9)))
    assert [told["title"] for _, told in ring(node, NOW_MS, settings=settings)] == ["crisis 9"]
    assert len(ring(node, NOW_MS + HOUR_MS, settings=settings)) == 2


def test_drills_keep_no_crisis_of_their_author_from_waking_and_wake_after_it(node: Exchange, author: Exchange) -> None:
    settings = replace(SETTINGS, routes=SETTINGS.routes[:1], per_hour=2, exercises=True)
    take(node, said(author, *map(drill, range(1, 4))))
    assert len(ring(node, NOW_MS, settings=settings)) == 1, "half of an hour that is theirs alone"
    restarted(node)
    take(node, said(author, declaration(9)))
    assert [told["title"] for _, told in ring(node, NOW_MS, settings=settings)] == ["crisis 9"]
    later_ms = NOW_MS + HOUR_MS
    take(node, said(author, declaration(8)))
    told = [told["title"] for _, told in ring(node, later_ms, settings=settings)]
    assert [told[0], told[1][:15]] == ["crisis 8", "EXERCISE crisis"]


def confirm(node: Exchange, now_ms: int = NOW_MS) -> None:
    """As a person of our member does: all that was said of the one crisis."""
    seen = consult.view(node.trust, node.follows, now_ms)
    (crisis,) = crises.every(node.stores, seen, "", exercises=False)
    about = acknowledging.unconfirmed(node.stores, seen, crisis, Stage.SEEN)
    said(node, acknowledging.draft(about, Stage.SEEN, now_ms, 0, seen))


def test_a_threat_to_life_wakes_although_the_crisis_was_acknowledged(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    assert names(node, NOW_MS) == ["desk"]
    confirm(node)
    other = node_in(tmp_path / "other", world, 2)
    take(node, said(other, act(record_pb2.CrisisAct(pointer=POINTER), hash_of(author, letter))))
    ((_, told),) = ring(node, NOW_MS + 1)
    assert told["text"].startswith("IMMINENT THREAT TO LIFE ")
    assert told["member"] == "Member 2", "who says so"
    assert names(node, NOW_MS + 2) == []
    assert names(node, NOW_MS + 1 + AFTER_MS) == ["officer"]
    confirm(node)
    assert names(node, NOW_MS + 2 * AFTER_MS) == []


def test_threats_that_are_said_again_and_again_silence_nothing_and_are_confirmed_at_once(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    assert names(node, NOW_MS) == ["desk"]
    other, about = node_in(tmp_path / "other", world, 2), hash_of(author, letter)
    threat = act(record_pb2.CrisisAct(pointer=POINTER), about)
    take(node, said(other, threat))
    settings = replace(SETTINGS, per_hour=2)
    assert names(node, NOW_MS + 1, settings=settings) == ["desk"]
    take(node, said(other, *[threat] * 8))
    words = [act(record_pb2.CrisisAct(comment=record_pb2.Note(text=str(i))), about) for i in range(ENTRIES_MAX)]
    take(node, said(other, *words))
    assert names(node, NOW_MS + 2, settings=settings) == []
    assert names(node, NOW_MS + 1 + AFTER_MS, settings=settings) == ["officer"], "the same threat goes on"
    confirm(node)
    assert names(node, NOW_MS + 2 * HOUR_MS, settings=settings) == []


def test_nobody_silences_what_another_member_says_of_a_threat_to_life(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    """However much a member says, and however late by its dates: of each the newest is shown, and wakes."""
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    assert names(node, NOW_MS) == ["desk"]
    confirm(node)
    others = [node_in(tmp_path / f"other {number}", world, number) for number in (2, 3)]
    threat = act(record_pb2.CrisisAct(pointer=POINTER), hash_of(author, letter))
    take(node, said(others[1], threat))
    for _ in range(belongings.SHOWN_MAX // 8):
        take(node, said(others[0], *[threat] * 8, now_ms=NOW_MS))
    told = [one["member"] for _, one in ring(node, NOW_MS + 2)]
    assert sorted(told) == ["Member 2", "Member 3"]


def test_nobody_waits_longer_for_the_next_route_because_more_is_said_meanwhile(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    other, rung = node_in(tmp_path / "other", world, 2), []
    threat = act(record_pb2.CrisisAct(pointer=POINTER), hash_of(author, letter))
    for minute in range(7):
        take(node, said(other, threat, now_ms=BASE_MS + minute))
        rung += names(node, NOW_MS + minute * 60_000)
    assert rung.count("officer") >= 1
    assert rung.index("officer") == 6, "five minutes after the first, whatever came between"


def test_what_others_wrote_is_one_line_and_steers_nothing() -> None:
    crisis = record_pb2.Crisis(title="Halle\nTEST: nothing has happened\x1b[2J \u202eeno")
    told = json.loads(alarms.text(tools_pb2.CrisisView(crisis=crisis), SETTINGS.routes[0], b""))
    assert told["title"].isprintable()
    assert told["title"].startswith("Halle\\nTEST")


def test_what_is_told_has_nothing_personal_and_nothing_beyond_its_title(node: Exchange, author: Exchange) -> None:
    one = declaration(1)
    record = record_pb2.Record.FromString(one.record)
    record.crisis.title, record.crisis.summary = "Call +49 345 22400 or ask @witness", "a summary"
    record.crisis.framework.name = "eu-ocrf"
    take(node, said(author, replace(one, record=record.SerializeToString())))
    ((_, told),) = ring(node, NOW_MS)
    standing = {"state", "alert", "verified"}
    other = {"text", "reference", "title", "member", "framework", "ends_ms", "exercise", "test", "route"}
    assert set(told) == standing | other
    assert told["member"] == "Member 1"
    assert told["framework"] == "eu-ocrf"
    assert told["ends_ms"] == BASE_MS + 14 * 86_400_000  # as long as the rules let it
    assert not any(part in json.dumps(told) for part in ("22400", "@witness", "summary"))


@pytest.mark.parametrize(
    ("crisis", "words"),
    [
        (tools_pb2.CrisisView(state="alert", alert=True), "c-1 alert: "),
        (
            tools_pb2.CrisisView(state="proposed", cosignatures_needed=2, unverified="it is the first"),
            "c-1 proposed, asks for co-signatures, NOT VERIFIED: ",
        ),
        (tools_pb2.CrisisView(state="proposed"), "c-1 proposed: "),
        (tools_pb2.CrisisView(state="active", verified_ms=1), "c-1 active: "),
        (tools_pb2.CrisisView(state="active", handling=record_pb2.Handling(tlp=2, europol_codes=2)), "c-1 active: "),
        (
            tools_pb2.CrisisView(state="active", handling=record_pb2.Handling(tlp=2, europol_codes=4, pap=4)),
            "c-1 active, TLP:GREEN, H2, PAP:RED: ",
        ),
        (
            tools_pb2.CrisisView(state="active", audience="Ministry B", handling=record_pb2.Handling(tlp=2)),
            "c-1 active, for some members alone: ",
        ),
        (
            tools_pb2.CrisisView(state="active", audience="Ministry B", handling=record_pb2.Handling(tlp=3)),
            "c-1 active, TLP:AMBER, for some members alone: ",
        ),
    ],
)
def test_what_is_told_says_how_it_stands_and_whether_it_is_verified(crisis: tools_pb2.CrisisView, words: str) -> None:
    crisis.reference = "c-1"
    told = json.loads(alarms.text(crisis, SETTINGS.routes[0], b""))
    assert told["text"].startswith(words)
    assert (told["state"], told["alert"], told["verified"]) == (crisis.state, crisis.alert, crisis.verified_ms > 0)


def test_of_title_and_framework_the_beginning_is_told_and_nothing_personal() -> None:
    crisis = record_pb2.Crisis(title="@witness" + "x" * 10_000)
    crisis.framework.name = "eu-ocrf of +49 345 22411 " + "x" * 10_000
    told = json.loads(alarms.text(tools_pb2.CrisisView(crisis=crisis), SETTINGS.routes[0], b""))
    assert told["framework"].startswith("eu-ocrf of [")
    assert len(told["framework"]) == len(told["title"]) == TITLE_CHARACTERS_MAX
    assert not any(part in json.dumps(told) for part in ("22411", "@witness"))


def test_it_is_remembered_for_ninety_days_who_was_woken(node: Exchange, author: Exchange) -> None:
    take(node, said(author, declaration(1)))
    ring(node, NOW_MS)
    alarms.note(node.stores, Ringing(TEST, "desk", 1, NOW_MS, through=True))
    alarms.tidy(node.stores, NOW_MS + alarm.LIFE_MS)
    assert len(stored.ringing(node.stores.ledger)) == 2
    alarms.tidy(node.stores, NOW_MS + alarm.LIFE_MS + 1)
    assert stored.begun(node.stores.ledger) == {}
    assert stored.ringing(node.stores.ledger) == []
