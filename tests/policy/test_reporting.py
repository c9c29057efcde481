"""Reports: they say what the configuration says, mark what it cannot, and the same facts make the same text."""

from dataclasses import fields, replace
from typing import Any

import pytest

from node.cli import markdown
from node.feed.identity import Role
from node.policy import impact, policies, processing, reporting
from node.policy.impact import Counted, Standing
from node.policy.processing import _CLASSES
from node.policy.reporting import OFF, Caller, Document, Facts, Member, Section, Settings
from node.policy.retention import Class

POLICY = policies.decode(
    b'name = "ours"\nrules = [\n'
    b'  { class = "perceptual", keep = "30 d", ground = "likeness" },\n'
    b'  { class = "any", keep = "10 d", ground = "all else" },\n]\n',
    "policy.toml",
)
SETTINGS = Settings(
    peers_address="node.acme.example:7443",
    tools_listen="127.0.0.1:7444",
    has_erasures_copy=True,
    audit_days=366,
    justified=("entry", "export"),
    has_custodian=True,
)
FACTS = Facts(
    federation="Example",
    me=Member("Acme Video", Role.PLATFORM, "IE"),
    policy=POLICY,
    settings=SETTINGS,
    contacts=("Out of hours: duty desk, +353 1 234 5678.",),
    others=(Member("Ministry", Role.AUTHORITY, "FR"), Member("Forum", Role.INDUSTRY_BODY, "")),
    peers=("Ministry",),
    frameworks=("eu-ocrf 1",),
    callers=(Caller("scanner", ("match",), 9), Caller("anna", ("protect", "read"), 9, is_person=True)),
)


def section(made: Document, heading: str) -> Section:
    (found,) = (one for one in made.sections if one.heading == heading)
    return found


def text(made: Document) -> str:
    return markdown.written(made)


@pytest.mark.parametrize(
    ("role", "articles"),
    [
        (Role.AUTHORITY, ("LED Art. 24", "LED Art. 27")),
        (Role.EUROPOL, ("LED Art. 24", "LED Art. 27")),
        (Role.INDUSTRY_BODY, ("GDPR Art. 30", "GDPR Art. 35")),
        (Role.PLATFORM, ("GDPR Art. 30", "GDPR Art. 35")),
        (Role.OBSERVER, ("GDPR Art. 30", "GDPR Art. 35")),
    ],
)
def test_the_role_says_which_law_is_named(role: Role, articles: tuple[str, str]) -> None:
    facts = replace(FACTS, me=replace(FACTS.me, role=role))
    titles = processing.document(facts).title, impact.document(facts, (), Standing()).title
    assert all(article in title for article, title in zip(articles, titles, strict=True))
    other = "GDPR" if articles[0].startswith("LED") else "LED"
    law = section(processing.document(facts), "Controller").paragraphs[1]
    assert f"({other})" not in law


def test_a_measure_is_on_only_where_the_configuration_says_so() -> None:
    """Each setting that turns one off is turned, and exactly what depends on it changes."""
    turned = (
        replace(SETTINGS, tools_listen="0.0.0.0:7444"),
        replace(SETTINGS, metrics_listen="0.0.0.0:7445"),
        replace(SETTINGS, follows_all=True),
        replace(SETTINGS, personal="audience"),
        replace(SETTINGS, has_erasures_copy=False),
        replace(SETTINGS, justified=()),
        replace(SETTINGS, has_custodian=False),
    )
    facts = [*(replace(FACTS, settings=one) for one in turned), replace(FACTS, peers=())]
    facts.append(replace(FACTS, policy_is_own=False))
    for other in facts:
        off = [(before, after) for before, after in zip(_states(FACTS), _states(other), strict=True) if before != after]
        assert off
        assert all(OFF in after and OFF not in before for before, after in off), other
    assert not any(OFF in state for state in _states(FACTS))


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_no_setting_is_left_without_a_word(name: str) -> None:
    value: Any = getattr(SETTINGS, name)
    other: Any = {bool: not value, int: 7, str: "192.0.2.7:1"}.get(type(value), ("lookup",))
    changed: Any = {name: other}
    assert whole(replace(FACTS, settings=replace(SETTINGS, **changed))) != whole(FACTS)


def whole(facts: Facts) -> str:
    return text(processing.document(facts)) + text(impact.document(facts, (), Standing()))


def _states(facts: Facts) -> list[str]:
    (risks,) = (one for one in impact.document(facts, (), Standing()).sections if one.heading == "Risks and measures")
    return [*(state for _, state, _ in reporting.measures(facts)), *(row[2] for row in risks.rows)]


def test_the_same_facts_make_the_same_text() -> None:
    assert text(processing.document(FACTS)) == text(processing.document(replace(FACTS)))


def test_every_class_of_data_has_a_purpose_and_the_policy_stands_with_its_grounds() -> None:
    assert set(_CLASSES) == set(Class)
    made = processing.document(FACTS)
    assert {row[0] for row in section(made, "Purposes and categories of data").rows} == set(Class)
    assert [row[5] for row in section(made, "Time limits for erasure").rows] == ["likeness", "all else"]


def test_how_personal_a_class_is_stands_beside_its_field() -> None:
    rows = {row[0]: row[3] for row in section(processing.document(FACTS), "Purposes and categories of data").rows}
    assert (rows["cryptographic"], rows["list"], rows["sealed"]) == ("pseudonymous", "none", "not known here")
    assert rows["url"].startswith("direct")


def test_what_the_node_cannot_know_is_for_people_to_fill_in() -> None:
    bare = replace(FACTS, contacts=(), frameworks=())
    for facts, marks in ((FACTS, 8), (bare, 10)):
        said = text(processing.document(facts))
        assert said.count("[operator: ") == marks + 1  # the disk
        assert said.count("[operator:]") == 0


@pytest.mark.parametrize(
    ("country", "is_third"), [("DE", False), ("NO", False), ("EU", False), ("", False), ("US", True), ("GB", True)]
)
def test_a_transfer_is_one_that_leaves_the_european_economic_area(country: str, *, is_third: bool) -> None:
    facts = replace(FACTS, others=(Member("Other", Role.PLATFORM, country),))
    (row,) = section(processing.document(facts), "Transfers to third countries").rows
    assert ("adequacy" in row[2]) == is_third


def test_what_was_counted_stands_by_period() -> None:
    counted = [Counted("erased: expiry", "erasure journal", (1, 22, 3333))]
    made = section(impact.document(FACTS, counted, Standing(holds=2)), "Counts of the last periods")
    assert made.rows == (("erased: expiry", "erasure journal", "1", "22", "3,333"),)
    assert made.columns[2:] == ("30 days", "90 days", "365 days")
    assert "Under legal hold now: 2." in made.paragraphs


def test_what_others_wrote_makes_no_cell_tag_or_link() -> None:
    made = Document("t", (Section("h", ("<img src=x>",), ("a",), (("x | y [l](javascript:1)\n# z",),)),))
    said = markdown.written(made)
    assert "<img" not in said
    assert "](" not in said
    assert r"x \| y" in said
    assert "\n# z" not in said


def test_what_others_wrote_escapes_no_escape_and_begins_no_block() -> None:
    paragraphs = ("~~~ of a member", "# theirs", "[l]: javascript:1", "[l][m]")
    said = text(Document("t", (Section("h", paragraphs, ("a", "b"), (("x \\| y", "z \\[l](m)"),)),)))
    assert r"| x \\\| y | z \\[l]\(m) |" in said
    assert said.split("\n\n")[2:6] == [r"\~~~ of a member", r"\# theirs", r"[l]\: javascript:1", r"[l]\[m]"]
