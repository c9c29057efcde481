"""The documents that come with the program: what each says, and what the template of a charter names of them."""

import re
from pathlib import Path

import msgspec
import pytest

from node.crisis import frameworks
from node.crisis.frameworks import Framework
from node.crisis.words import LEVELS
from node.feed.identity import Role
from node.feed.quorum import Quorum
from node.policy import parameters
from node.v1 import record_pb2

AUTHORITY, EUROPOL, BODY, PLATFORM = Role.AUTHORITY, Role.EUROPOL, Role.INDUSTRY_BODY, Role.PLATFORM
SHIPPED = {one.framework.name: one for one in frameworks.shipped()}
HASHES = {  # federations name them: a document that was shipped never changes, a later one is a further file
    ("christchurch-call", "2019-05"): "d36387eb801981b4b27b447f4b0cf9b04cc5b7a49d1ac0c63395363a6935673c",
    ("eu-ocrf", "2026-03"): "1817537c3c244b0c68488b715778b65532e687730b71d28a3ed8e1a0512918d7",
    ("eucp-2019", "2019-10"): "4ebb2d777badf5b246aa5400c740e9096dd19c8b17c35877e8423d8368e7917e",
    ("gifct-pci", "2025"): "82bf1480ee39f3c4ed50463074427dc352611ec24856b4c7f350c0392de0212a",
    ("national-example", "1"): "d47358e66ea537855e9c87d92c320d865ec97e40f6f9df6f78a5042df6126992",
}
SAID = [  # name, in force, who may declare, who may warn, the quorum, hours, days of the review, its duties, criteria
    ("christchurch-call", True, [AUTHORITY, BODY], [AUTHORITY, BODY, PLATFORM],
     Quorum(1, 0, frozenset({AUTHORITY, BODY, EUROPOL})), (24, 168), 60, 1,
     {"perpetrator-content": "yes", "several-services": "answered"}),
    ("eu-ocrf", True, [AUTHORITY, EUROPOL], [AUTHORITY, EUROPOL, BODY, PLATFORM],
     Quorum(1, 0, frozenset({AUTHORITY, EUROPOL})), (48, 168), 60, 3,
     {"dissemination": "yes", "real-world-event": "yes", "harm": "yes", "intimidation": "answered",
      "terrorism-link": "answered", "cross-border": "yes"}),
    ("eucp-2019", False, [AUTHORITY, EUROPOL], [AUTHORITY, EUROPOL], None, (48, 336), 60, 1,
     {"extraordinary": "yes", "several-services": "yes"}),
    ("gifct-pci", True, [BODY], [BODY, PLATFORM], Quorum(2, 0, frozenset({BODY, PLATFORM})), (48, 168), 90, 2,
     {"perpetrator-content": "yes", "mass-violence": "yes", "depicts-killing": "answered", "on-member-service": "yes"}),
    ("national-example", True, [AUTHORITY], [AUTHORITY, PLATFORM], None, (24, 72), 30, 1,
     {"objectionable": "answered"}),
]  # fmt: skip


def test_a_document_that_was_shipped_never_changes() -> None:
    found = {(one.framework.name, one.framework.version): one.sha256.hex() for one in frameworks.shipped()}
    assert HASHES.items() <= found.items()
    folder = Path(__file__).parents[2] / "configs/frameworks"
    assert {one.text for one in frameworks.shipped()} == {path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "in_force", "declare", "alert", "quorum", "hours", "days", "duties", "criteria"),
    SAID,
    ids=[row[0] for row in SAID],
)
def test_each_shipped_document_says_what_it_was_made_to_say(
    name: str,
    in_force: bool,
    declare: list[Role],
    alert: list[Role],
    quorum: Quorum | None,
    hours: tuple[int, int],
    days: int,
    duties: int,
    criteria: dict[str, str],
) -> None:
    found = SHIPPED[name].framework
    assert found.status == ("in force" if in_force else "retired")
    assert [Role[one.upper()] for one in found.declare.roles] == declare
    assert [Role[one.upper()] for one in found.declare.alert] == alert
    assert found.cosign.quorum == quorum
    assert (found.duration.default_hours, found.duration.longest_hours) == hours
    assert (found.review.within_days, len(found.review.duties)) == (days, duties)
    assert {one.name: one.must for one in found.criteria} == criteria
    assert all(len(one.wording) > 20 for one in found.criteria)
    assert bool(found.matrix) == (name == "national-example")
    assert frameworks.words(found)


def test_the_national_matrix_has_a_level_in_each_cell_and_a_crisis_in_three() -> None:
    found = SHIPPED["national-example"].framework
    usual, watched, grave = "business-as-usual", "increased-monitoring", "crisis"
    cells = {
        ("low", "low"): usual,
        ("low", "moderate"): usual,
        ("low", "high"): watched,
        ("moderate", "low"): usual,
        ("moderate", "moderate"): watched,
        ("moderate", "high"): grave,
        ("high", "low"): watched,
        ("high", "moderate"): grave,
        ("high", "high"): grave,
    }
    assert found.matrix
    assert found.matrix.declared_at == [grave]
    for (harm, virality), level in cells.items():
        assert found.matrix.level(_number(harm), _number(virality)) == level
        may = not frameworks.shortcomings(found, _national(_number(harm), _number(virality)))
        assert may == (level == grave), (harm, virality)
    for harm_, virality_ in ((0, 3), (3, 0), (0, 0), (4, 3)):
        assert frameworks.shortcomings(found, _national(harm_, virality_)) == ["harm and virality are missing"]


def _number(level: str) -> int:
    return LEVELS.index(level) + 1


def _national(harm: int, virality: int) -> record_pb2.Crisis:
    return record_pb2.Crisis(
        event=record_pb2.Event(kind="shooting"),
        legal_basis="Police Act 12",
        criteria=[record_pb2.Criterion(name="objectionable", answer=1)],
        harm=harm,
        virality=virality,
    )


def test_the_template_names_shipped_documents_in_force_and_no_other_framework() -> None:
    """Also those that an editor only has to take the marks away of."""
    (named,) = parameters.decode(parameters.TEMPLATE.encode(), "the template").frameworks
    assert _document_of(named).name == "eu-ocrf"
    rows = re.findall(r"(?m)^# (\[\[frameworks\]\])\n# (name.*)\n# (version.*)\n# (sha256.*)$", parameters.TEMPLATE)
    text = parameters.TEMPLATE + "\n".join("\n".join(row) for row in rows)
    every = parameters.decode(text.encode(), "the template").frameworks
    assert {_document_of(one).name for one in every} == {row[0] for row in SAID if row[1]}


def _document_of(named: parameters.Framework) -> Framework:
    text = frameworks.shipped_text(bytes.fromhex(named.sha256))
    assert text is not None, f"no document of {named.name} comes with the program"
    found = frameworks.decode(text, named.name)
    assert (found.name, found.version, found.status) == (named.name, named.version, "in force")
    return found


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_each_shipped_document_is_toml_with_no_key_that_is_not_known(name: str) -> None:
    assert set(msgspec.toml.decode(SHIPPED[name].text)) <= set(Framework.__struct_fields__)
