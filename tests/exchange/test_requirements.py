"""What our own node refuses to say of a crisis, and what it says is to be done instead."""

from dataclasses import replace
from pathlib import Path

import pytest

from node.errors import Refused
from node.exchange import declaring
from node.exchange.declaring import Speaker
from node.feed.kinds import Kind
from node.policy import border
from node.v1 import record_pb2, tools_pb2
from tests.exchange.test_crises import ENDS_MS, HOUR_MS, LONE, PAIR, Stage, cosign, crisis, declare, extend, rules
from tests.simulator.members import federation

GREEN = record_pb2.Handling(tlp=border.GREEN)
FOO = record_pb2.Criterion(name="foo", answer=1)


@pytest.fixture(name="stage")
def _stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, federation(25, rules(PAIR, LONE)))


def speaker(stage: Stage) -> Speaker:
    seen = stage.seen()
    return Speaker(stage.id_of(1), seen.roster.seats[stage.id_of(1)], seen.now_ms)


def said(stage: Stage, what: record_pb2.Crisis, handling: record_pb2.Handling = GREEN, *, alert: bool = False) -> Kind:
    """Declared, or warned of, at our own node; raises Refused."""
    request = tools_pb2.DeclareRequest(crisis=what, handling=handling, object_id=b"y" * 16, alert=alert)
    return Kind(declaring.declaration(request, stage.seen(), speaker(stage)).kind)


def updated(stage: Stage, what: record_pb2.Crisis, handling: record_pb2.Handling | None = None) -> None:
    """What the first member declared is updated at its own node; raises Refused."""
    found, by, seen = stage.crisis(1), speaker(stage), stage.seen()
    act = declaring.leading(found, record_pb2.CrisisAct(update=what), by, seen)
    declaring.act_draft(found, act, handling, by, seen)


def test_an_answer_to_what_the_framework_does_not_ask_is_refused_at_its_key_with_what_it_asks(stage: Stage) -> None:
    asked = crisis(LONE)
    asked.criteria.append(FOO)
    stage.say(1, declare(crisis(LONE)))
    for refuse in (lambda: said(stage, asked), lambda: said(stage, asked, alert=True), lambda: updated(stage, asked)):
        with pytest.raises(Refused, match="lone asks nothing that is called foo; it asks grave") as refused:
            refuse()
        assert refused.value.field == "criteria.foo"
    free = record_pb2.Crisis(title="Shooting", ends_ms=ENDS_MS, criteria=[FOO])
    assert said(stage, free, alert=True) == Kind.ALERT


def test_whoever_leaves_something_out_is_told_its_option_and_whoever_answered_is_not_told_to_answer_otherwise(
    stage: Stage,
) -> None:
    open_ = crisis(LONE)
    del open_.criteria[:]
    steps = []
    for what in (open_, crisis(LONE, answer=2)):
        with pytest.raises(Refused, match="asks for more") as refused:
            said(stage, what)
        assert refused.value.field == "criteria.grave"
        steps.append(refused.value.next_step)
    assert steps == [
        "Fill it in with --edit, or give --criterion NAME=ANSWER.",
        "Under this framework it cannot be declared as it is; `tocsin crisis alert` can warn of it.",
    ]


def test_h3_is_refused_where_no_summary_says_what_it_means(stage: Stage) -> None:
    h3 = record_pb2.Handling(tlp=border.GREEN, europol_codes=0b1000)
    stage.say(1, declare(crisis(LONE)))
    with pytest.raises(Refused, match="H3") as refused:
        border.require_summary(h3, " ")
    assert (refused.value.field, "--summary" in refused.value.next_step) == ("summary", True)
    border.require_summary(h3, "Not before the press conference")
    border.require_summary(record_pb2.Handling(tlp=border.GREEN, europol_codes=0b0011), "")
    to = record_pb2.Audience(member_ids=[stage.id_of(2)])
    request = tools_pb2.DeclareRequest(crisis=crisis(LONE), handling=h3, object_id=b"y" * 16, audience=to)
    with pytest.raises(Refused, match="H3"):
        declaring.declaration(request, stage.seen(), speaker(stage))


def test_an_update_that_changes_nothing_is_refused_but_where_it_settles_or_replaces_what_waits(stage: Stage) -> None:
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared))
    with pytest.raises(Refused, match="nothing in it is other than it is"):
        updated(stage, crisis())
    with pytest.raises(Refused, match="nothing in it is other than it is"):
        updated(stage, crisis(), GREEN)
    updated(stage, crisis(title="Attack"))
    updated(stage, crisis(), record_pb2.Handling(tlp=border.CLEAR))
    stage.say(1, extend(declared, ends_ms=ENDS_MS + HOUR_MS))
    updated(stage, crisis())  # what it is now, and not what was proposed
    found = stage.crisis(1)
    clash = replace(found.reading, proposed_ends_ms=0, clashes=((declared, declared),))
    act = record_pb2.CrisisAct(update=crisis())
    declaring.act_draft(replace(found, reading=clash), act, None, speaker(stage), stage.seen())
