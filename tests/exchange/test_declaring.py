from collections.abc import Callable

import pytest

from node.errors import Refused
from node.exchange import consult, declaring
from node.exchange.consult import View
from node.exchange.declaring import Speaker
from node.exchange.exchange import Exchange
from node.feed.kinds import Kind
from node.policy import parameters
from node.v1 import record_pb2, tools_pb2
from tests.simulator.members import BASE_MS as NOW_MS
from tests.simulator.members import Federation, federation

HOUR_MS = 3_600_000


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, parameters.TEMPLATE.encode())


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


def test_a_declaration_is_urgent_and_outlives_its_crisis_for_the_review(seen: View) -> None:
    draft = declaring.declaration(request(), seen, by(seen))
    assert (draft.kind, draft.urgency) == (Kind.DECLARATION, 0)
    assert draft.expires_ms == NOW_MS + 48 * HOUR_MS + declaring.KEPT_MS
    assert record_pb2.Record.FromString(draft.record).crisis.title == "Shooting"


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
    ],
)
def test_what_cannot_be_declared_is_refused_at_its_field(
    seen: View, wrong: tools_pb2.DeclareRequest, field: str
) -> None:
    with pytest.raises(Refused) as refused:
        declaring.declaration(wrong, seen, by(seen))
    assert refused.value.field == field
    assert refused.value.next_step
