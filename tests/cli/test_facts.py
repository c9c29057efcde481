"""What a crisis says in words, and what a proposal would change: whoever co-signs has it before its eyes."""

import pytest

from node.cli import facts, situation
from node.cli.facts import Proposal
from node.v1 import record_pb2, tools_pb2

GREEN = record_pb2.Handling(tlp=2)
BEFORE = record_pb2.Crisis(
    framework=record_pb2.Reference(name="eu-ocrf", version="2026-03"),
    title="Shooting",
    event=record_pb2.Event(places=["DE-ST"], place_name="Halle", began_ms=1_800_000_000_000, time_zone="+05:00"),
    harm=2,
    criteria=[record_pb2.Criterion(name="cross-border", answer=3)],
)


def waiting(act: record_pb2.CrisisAct, proposed_ends_ms: int = 0) -> tools_pb2.CrisisView:
    said = tools_pb2.CrisisActView(entry=b"u" * 32, act=act, handling=GREEN)
    return tools_pb2.CrisisView(
        crisis=BEFORE,
        handling=GREEN,
        ends_ms=1_800_000_000_000,
        proposal=b"u" * 32,
        cosignatures_needed=2,
        proposed_ends_ms=proposed_ends_ms,
        acts=[said],
    )


def changed(found: tools_pb2.CrisisView) -> dict[str, str]:
    after = facts.proposed(found)
    assert after is not None
    return dict(facts.changes(found, after, {}))


def test_all_that_an_update_would_change_is_said_in_words_and_nothing_else() -> None:
    after = record_pb2.Crisis()
    after.CopyFrom(BEFORE)
    after.title, after.harm = "Attack", 3
    after.criteria[0].answer, after.criteria[0].confidence, after.criteria[0].ground = 1, 3, "copies in two states"
    after.deputies.append(b"d" * 32)
    assert changed(waiting(record_pb2.CrisisAct(update=after))) == {
        "title": "Shooting -> Attack",
        "harm": "moderate -> high",
        "criterion cross-border": "unknown -> yes, confidence high: copies in two states",
        "deputies": f"- -> {(b'd' * 32).hex()}",
    }


def test_what_is_left_out_by_an_update_is_said_too() -> None:
    after = record_pb2.Crisis(framework=BEFORE.framework, title="Shooting", event=BEFORE.event)
    assert changed(waiting(record_pb2.CrisisAct(update=after))) == {
        "harm": "moderate -> -",
        "criterion cross-border": "unknown -> -",
    }


def test_an_extension_changes_the_end_alone() -> None:
    found = waiting(record_pb2.CrisisAct(extend=record_pb2.Extend(ends_ms=1_800_003_600_000)), 1_800_003_600_000)
    assert list(changed(found)) == ["ends"]


def test_marks_are_said_with_what_they_mean_and_a_change_of_them_too() -> None:
    assert "which means" not in {name for name, value in facts.of(BEFORE, GREEN, {}, "all members") if value}
    marked = record_pb2.Handling(tlp=2, europol_codes=0b0010, pap=2)
    said = dict(facts.of(BEFORE, marked, {}, "all members"))
    assert said["mark"] == "TLP:GREEN, H1, PAP:GREEN, to all members"
    assert said["which means"].startswith("H1: not in court without its author's permission; PAP:GREEN: ")
    found = waiting(record_pb2.CrisisAct(update=BEFORE))
    found.acts[0].handling.CopyFrom(marked)
    assert set(changed(found)) == {"mark", "which means"}


def test_what_somebody_says_has_its_mark_beside_it_where_that_is_another_than_the_crisis_s() -> None:
    found = waiting(record_pb2.CrisisAct(comment=record_pb2.Note(text="seen")))
    (one,) = found.acts
    assert situation.marked(one, found) == "says: seen"
    one.handling.pap = 4
    assert situation.marked(one, found) == "says: seen [TLP:GREEN, PAP:RED]"


def test_a_time_is_also_said_as_it_was_there() -> None:
    assert dict(facts.of(BEFORE, GREEN, {}, "all members"))["began"].endswith(", 13:00 there")


@pytest.mark.parametrize(
    ("harm", "marked", "title", "is_other"),
    [
        (2, {"tlp": 2}, "Other words", False),
        (3, {"tlp": 2}, "Shooting", True),
        (2, {"tlp": 1}, "Shooting", True),
        (2, {"tlp": 2, "pap": 2}, "Shooting", True),
        (2, {"tlp": 2, "europol_codes": 2}, "Shooting", True),
        (2, {"tlp": 2, "source_evaluation": 1}, "Shooting", True),
    ],
)
def test_co_signers_answer_for_terms_and_marks_and_not_for_words(
    harm: int, marked: dict[str, int], title: str, is_other: bool
) -> None:
    after = record_pb2.Crisis()
    after.CopyFrom(BEFORE)
    after.harm, after.title = harm, title
    found = waiting(record_pb2.CrisisAct())
    proposal = Proposal(after, record_pb2.Handling(**marked), found.ends_ms)
    assert facts.is_other_to_cosigners(found, proposal) is is_other
