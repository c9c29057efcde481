from collections.abc import Callable

import pytest

from node.content import hashes
from node.errors import Refused
from node.exchange import drafts
from node.feed.kinds import Kind
from node.policy import parameters
from node.v1 import record_pb2, tools_pb2

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
RULES = parameters.decode(parameters.TEMPLATE.encode(), "template")


def request() -> tools_pb2.DeclareRequest:
    return tools_pb2.DeclareRequest(
        object_id=b"o" * 16,
        crisis=record_pb2.Crisis(
            framework=record_pb2.Reference(name="eu-ocrf"), title="Shooting", ends_ms=NOW_MS + 48 * HOUR_MS
        ),
        handling=record_pb2.Handling(tlp=2),
    )


def test_a_declaration_is_urgent_and_outlives_its_crisis_for_the_review() -> None:
    draft = drafts.declaration(request(), RULES, NOW_MS)
    assert (draft.kind, draft.urgency) == (Kind.DECLARATION, 0)
    assert draft.expires_ms == NOW_MS + 48 * HOUR_MS + drafts.CRISIS_KEPT_MS
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
def test_what_cannot_be_declared_is_refused_at_its_field(wrong: tools_pb2.DeclareRequest, field: str) -> None:
    with pytest.raises(Refused) as refused:
        drafts.declaration(wrong, RULES, NOW_MS)
    assert refused.value.field == field
    assert refused.value.next_step


def list_draft(**changed: object) -> tools_pb2.ListDraft:
    fields = {"name": "halle", "kind": "sha256", "handling": record_pb2.Handling(tlp=2), **changed}
    return tools_pb2.ListDraft(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "Halle!"}, "name"),
        ({"kind": "sha3"}, "kind"),
        ({"advice": "delete"}, "advice"),
        ({"expires_ms": NOW_MS - 1}, "expires_ms"),
        ({"expires_ms": NOW_MS + 6 * 366 * 24 * HOUR_MS}, "expires_ms"),
        ({"handling": None}, "handling"),
        ({"description": "x" * 20_000}, "description"),
    ],
)
def test_a_list_that_cannot_be_published_is_refused_at_its_field(changed: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as refused:
        drafts.check_list(list_draft(**changed), NOW_MS)
    assert refused.value.field == field


def test_a_record_of_a_list_has_its_items_packed_and_says_what_all_have_alike() -> None:
    sharing = drafts.Sharing(list_draft(labels=["attack"]), b"l" * 16, b"c" * 16, 7, NOW_MS)
    rows = [(i.to_bytes(32), hashes.QUALITY_UNKNOWN) for i in range(10)]
    record = record_pb2.Record.FromString(drafts.list_items(sharing, hashes.SHA256, rows, [b"h" * 32]).record)
    assert record.items.digests == b"".join(i.to_bytes(32) for i in range(10))
    assert (list(record.items.labels), record.items.version) == (["attack"], "7")
    assert (record.crisis_id, list(record.replaces)) == (b"c" * 16, [b"h" * 32])
