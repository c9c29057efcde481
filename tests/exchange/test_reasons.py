"""What of a crisis wakes somebody: a proposal whoever is asked to co-sign it, and once more that it became active."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from node.crisis.states import State
from node.exchange import acknowledging, alarms, crises, documents
from node.policy.alarm import HOUR_MS, Route, Settings
from node.policy.deliveries import ENTRIES_MAX, Stage
from node.store import alarms as stored
from node.v1 import record_pb2
from tests.exchange import test_crises
from tests.exchange.conftest import node_in
from tests.exchange.test_crises import (
    LONE,
    NOW_MS,
    PAIR,
    SIGNED_BY_POLICE,
    act,
    cosign,
    crisis,
    declare,
    document,
    extend,
    rules,
)
from tests.exchange.test_forks import restarted
from tests.exchange.test_odd_order import said
from tests.simulator.members import BASE_MS, Federation, federation

TRIO = document("trio", "authority", count=2)
AUTHORITY, PLATFORM = 3, 12
SETTINGS = Settings((Route("desk", ("desk",)), Route("officer", ("officer",), after_ms=HOUR_MS)))


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, rules(PAIR, LONE, TRIO, SIGNED_BY_POLICE))


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, world: Federation) -> test_crises.Stage:
    return heard_by(AUTHORITY, tmp_path, world)


def heard_by(number: int, folder: Path, world: Federation) -> test_crises.Stage:
    """As that member's node hears it."""
    stage = test_crises.Stage(folder, world)
    stage.reader = stage.speakers[number] = node_in(folder / f"reader {number}", world, number)
    stage.say(9, documents.draft(TRIO, "a framework", "1", BASE_MS), heard=False)
    stage.hear(*stage.letters)
    return stage


def woken(stage: test_crises.Stage, now_ms: int = NOW_MS, settings: Settings = SETTINGS) -> list[str]:
    """One turn: for each call the state that it tells."""
    node = stage.reader
    found = alarms.look(node.stores, stage.seen(now_ms), settings, frozenset())
    alarms.begin(node.stores, found)
    for call in found.calls:
        alarms.note(node.stores, replace(call.ringing, through=True))
    return [json.loads(call.text)["state"] for call in found.calls]


def acknowledge(stage: test_crises.Stage, now_ms: int = NOW_MS) -> None:
    """As a person of the member does."""
    seen = stage.seen(now_ms)
    (found,) = crises.every(stage.reader.stores, seen, "", exercises=True)
    about = acknowledging.unconfirmed(stage.reader.stores, seen, found, Stage.SEEN)
    said(stage.reader, acknowledging.draft(about, Stage.SEEN, now_ms, 0, seen), now_ms=now_ms)


def take_at(stage: test_crises.Stage, now_ms: int, letters: Sequence[test_crises.Letter]) -> None:
    stage.reader.admit(stage.reader.verify(list(letters)), now_ms)


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        (PAIR, AUTHORITY, [State.PROPOSED]),
        (PAIR, PLATFORM, []),
        (SIGNED_BY_POLICE, AUTHORITY, []),
        (LONE, PLATFORM, [State.ACTIVE]),
    ],
    ids=["asked", "of another role", "not asked", "active"],
)
def test_a_proposal_wakes_whoever_is_asked_to_co_sign_it_and_nobody_else(
    tmp_path: Path, world: Federation, text: bytes, number: int, expected: list[str]
) -> None:
    stage = heard_by(number, tmp_path, world)
    stage.say(1, declare(crisis(text)))
    assert woken(stage) == expected


def test_a_drill_by_the_id_of_a_crisis_asks_for_its_own_co_signatures(stage: test_crises.Stage) -> None:
    drills = replace(SETTINGS, exercises=True)
    stage.say(1, declare(crisis(LONE)))
    assert woken(stage, settings=drills) == [State.ACTIVE]
    stage.say(1, declare(crisis(TRIO), exercise=True))
    assert woken(stage, settings=drills) == [State.PROPOSED]


def test_a_proposal_wakes_nobody_who_made_or_answered_it(stage: test_crises.Stage) -> None:
    ours = replace(SETTINGS, own=True)
    stage.say(AUTHORITY, declare(crisis(TRIO)))
    assert woken(stage, settings=ours) == []
    theirs = declare(crisis(TRIO), object_id=test_crises.Y)
    stage.say(AUTHORITY, cosign(stage.say(1, theirs), object_id=test_crises.Y))
    assert woken(stage, settings=ours) == []


def test_whoever_saw_the_proposal_is_woken_once_more_when_it_is_active(stage: test_crises.Stage) -> None:
    declared = stage.say(1, declare())
    assert woken(stage) == [State.PROPOSED]
    acknowledge(stage)
    assert woken(stage) == []
    stage.say(2, cosign(declared))
    assert woken(stage) == [State.ACTIVE]
    restarted(stage.reader)
    take_at(stage, BASE_MS - 1, said(stage.speaker(4), cosign(declared)))  # the clock went back
    assert woken(stage, NOW_MS + 1) == []
    acknowledge(stage)
    stage.say(5, cosign(declared))
    longer = stage.say(1, extend(declared))
    stage.say(2, cosign(longer))
    assert woken(stage, NOW_MS + HOUR_MS) == [], "it was active when somebody saw it"


def test_whoever_saw_some_of_the_co_signatures_has_not_seen_that_it_is_active(stage: test_crises.Stage) -> None:
    declared = stage.say(1, declare(crisis(TRIO)))
    stage.say(2, cosign(declared))
    assert woken(stage) == [State.PROPOSED]
    acknowledge(stage)
    stage.say(4, cosign(declared))
    assert woken(stage) == [State.ACTIVE]
    comments = [act(declared, comment=record_pb2.Note(text=str(number))) for number in range(ENTRIES_MAX)]
    take_at(stage, NOW_MS, said(stage.speaker(5), *comments))
    acknowledge(stage)
    assert woken(stage, NOW_MS + HOUR_MS) == []


def test_a_member_that_hears_of_it_when_it_is_active_is_woken_once(tmp_path: Path, world: Federation) -> None:
    stage = heard_by(PLATFORM, tmp_path, world)
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared))
    assert woken(stage) == [State.ACTIVE]
    assert woken(stage, NOW_MS + 1) == []
    acknowledge(stage)
    assert woken(stage, NOW_MS + HOUR_MS) == []


def test_what_was_seen_here_alone_wakes_nobody_again(stage: test_crises.Stage) -> None:
    """As of what is sealed to us."""
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared))
    assert woken(stage) == [State.ACTIVE]
    alarms.confirm(stage.reader.stores, list(stored.begun(stage.reader.stores.ledger)), NOW_MS)
    stage.say(4, cosign(declared))
    assert woken(stage, NOW_MS + HOUR_MS) == []


def test_whoever_answered_a_proposal_is_not_told_what_had_come_before(stage: test_crises.Stage) -> None:
    declared = stage.say(1, declare(crisis(TRIO)))
    acknowledge(stage)
    stage.say(2, cosign(declared))
    stage.say(4, cosign(declared), heard=False)
    late = stage.letters[-1]
    stage.say(AUTHORITY, cosign(declared))
    assert stage.state(1) == State.ACTIVE
    assert woken(stage) == []
    take_at(stage, NOW_MS, [late])
    assert woken(stage, NOW_MS + 1) == []
