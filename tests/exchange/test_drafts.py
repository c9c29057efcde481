import pytest

from node.content import hashes
from node.errors import Refused
from node.exchange import drafts
from node.policy import parameters
from node.v1 import record_pb2, tools_pb2
from tests.rules import PLAIN

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
RULES = parameters.decode(PLAIN.encode(), "template")


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
        ({"handling": record_pb2.Handling(tlp=3)}, "handling"),
        ({"handling": record_pb2.Handling(tlp=2, pap=3)}, "handling.pap"),
        ({"description": "x" * 20_000}, "description"),
    ],
)
def test_a_list_that_cannot_be_published_is_refused_at_its_field(changed: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as refused:
        drafts.check_list(list_draft(**changed), NOW_MS)
    assert refused.value.field == field


def test_a_new_list_is_marked_and_one_that_is_there_stays_as_it_was() -> None:
    unmarked = list_draft(handling=None)
    drafts.check_list(unmarked, NOW_MS)
    with pytest.raises(Refused, match="not marked"):
        drafts.begun(unmarked)
    said = record_pb2.Record(handling=record_pb2.Handling(tlp=2, pap=2, europol_codes=2))
    said.list.exemptions.append("news")
    said.list.ground = "streamed by the attacker"
    made = drafts.continued(unmarked, said, NOW_MS + HOUR_MS, NOW_MS)
    assert (made.handling, made.ground, list(made.exemptions)) == (said.handling, said.list.ground, ["news"])
    marked = drafts.continued(list_draft(), said, NOW_MS + HOUR_MS, NOW_MS)
    assert marked.handling == record_pb2.Handling(tlp=2)


def test_a_record_of_a_list_has_its_items_packed_and_says_what_all_have_alike() -> None:
    sharing = drafts.Sharing(list_draft(labels=["attack"]), b"l" * 16, b"c" * 16, 7, NOW_MS)
    rows = [(i.to_bytes(32), hashes.QUALITY_UNKNOWN) for i in range(10)]
    record = record_pb2.Record.FromString(drafts.list_items(sharing, hashes.SHA256, rows, [b"h" * 32]).record)
    assert record.items.digests == b"".join(i.to_bytes(32) for i in range(10))
    assert (list(record.items.labels), record.items.version) == (["attack"], "7")
    assert (record.crisis_id, list(record.replaces)) == (b"c" * 16, [b"h" * 32])
