from collections.abc import Callable
from dataclasses import replace

import pytest

from node import limits
from node.errors import Refused
from node.exchange import consult, crises, declaring
from node.exchange.consult import View
from node.exchange.declaring import Speaker
from node.exchange.exchange import Exchange
from node.feed.keys import ObjectId
from node.feed.kinds import Kind
from node.v1 import record_pb2, tools_pb2
from tests.exchange.test_odd_order import crisis_draft, said
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS as NOW_MS
from tests.simulator.members import FRAMEWORK, Federation, federation

HOUR_MS = 3_600_000


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


@pytest.fixture(name="seen")
def _seen(author: Exchange) -> View:
    return consult.view(author.trust, author.follows, NOW_MS)


def by(seen: View) -> Speaker:
    me = seen.follows.me
    return Speaker(me, seen.roster.seats[me], seen.now_ms)


def request() -> tools_pb2.DeclareRequest:
    return tools_pb2.DeclareRequest(
        object_id=b"o" * 16,
        crisis=record_pb2.Crisis(
            framework=record_pb2.Reference(name="eu-ocrf"), title="Shooting", ends_ms=NOW_MS + 48 * HOUR_MS
        ),
        handling=record_pb2.Handling(tlp=2),
    )


def test_of_what_begins_in_many_years_something_can_be_said(author: Exchange, seen: View) -> None:
    starts_ms = NOW_MS + 2 * limits.LIFE_MS_MAX
    crisis = record_pb2.Crisis(framework=FRAMEWORK, title="later", starts_ms=starts_ms, ends_ms=starts_ms + HOUR_MS)
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.DECLARATION, object_id=b"c" * 16, crisis=crisis
    )
    said(author, replace(crisis_draft(), record=record.SerializeToString()))
    while author.project():
        pass
    found = crises.one(author.stores, seen, author.reader.member_id, ObjectId(b"c" * 16))
    assert found is not None
    act = declaring.speaking(found, record_pb2.CrisisAct(comment=record_pb2.Note(text="so late?")), by(seen), seen)
    said(author, declaring.act_draft(found, act, None, by(seen), seen))


def test_a_declaration_is_urgent_and_outlives_its_crisis_for_the_review(seen: View) -> None:
    draft = declaring.declaration(request(), seen, by(seen))
    assert (draft.kind, draft.urgency) == (Kind.DECLARATION, 0)
    assert draft.expires_ms == NOW_MS + 48 * HOUR_MS + declaring.KEPT_MS
    assert record_pb2.Record.FromString(draft.record).crisis.title == "Shooting"


def test_a_declaration_outlives_every_end_that_it_may_be_given() -> None:
    longest_ms = 60 * 24 * HOUR_MS
    outlived_ms = declaring._outlived_ms(request().crisis, longest_ms, NOW_MS)
    assert outlived_ms == NOW_MS + longest_ms, "it may be extended until then, and has to be here still"


def _(change: Callable[[tools_pb2.DeclareRequest], None]) -> tools_pb2.DeclareRequest:
    made = request()
    change(made)
    return made


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (_(lambda one: one.ClearField("object_id")), "object_id"),
        (_(lambda one: one.crisis.ClearField("title")), "title"),
        (_(lambda one: setattr(one.crisis, "title", "x" * 20_000)), "title"),
        (_(lambda one: one.crisis.ClearField("ends_ms")), "ends_ms"),
        (_(lambda one: setattr(one.crisis, "ends_ms", NOW_MS)), "ends_ms"),
        (_(lambda one: setattr(one.crisis, "ends_ms", NOW_MS + 337 * HOUR_MS)), "ends_ms"),
        (_(lambda one: setattr(one.crisis.framework, "name", "unknown")), "framework"),
        (_(lambda one: one.ClearField("handling")), "handling"),
        (_(lambda one: setattr(one.handling, "tlp", 3)), "handling"),
        (_(lambda one: setattr(one.handling, "europol_codes", 0b0100)), "handling.europol_codes"),
        (_(lambda one: setattr(one.handling, "pap", 4)), "handling.pap"),
    ],
)
def test_what_cannot_be_declared_is_refused_at_its_field(
    seen: View, wrong: tools_pb2.DeclareRequest, field: str
) -> None:
    with pytest.raises(Refused) as refused:
        declaring.declaration(wrong, seen, by(seen))
    assert refused.value.field == field
    assert refused.value.next_step
