"""What a list has to say in the words of the rules, and what follows from it."""

from collections.abc import Sequence

import pytest

from node.errors import Refused
from node.policy import parameters, vocabulary
from node.policy.parameters import TEMPLATE
from node.v1 import record_pb2, tools_pb2
from tests.rules import PLAIN

RULES = parameters.decode(TEMPLATE.encode(), "the template")
NO_WORDS = parameters.decode(PLAIN.encode(), "plain rules")


def draft(
    labels: Sequence[str] = ("attack-footage",),
    ground: str = "broadcast by the attacker",
    exemptions: Sequence[str] = ("none-known",),
) -> tools_pb2.ListDraft:
    return tools_pb2.ListDraft(name="halle", labels=labels, ground=ground, exemptions=exemptions)


def test_a_list_in_the_words_of_the_rules_passes() -> None:
    vocabulary.check_list(draft(), RULES, in_crisis=False)
    vocabulary.check_list(draft(exemptions=["news", "counter-speech"]), RULES, in_crisis=False)
    vocabulary.check_list(draft(exemptions=["none-known", "none-known"]), RULES, in_crisis=False)


def test_a_list_of_a_crisis_needs_no_ground_of_its_own() -> None:
    vocabulary.check_list(draft(ground=""), RULES, in_crisis=True)


@pytest.mark.parametrize(
    ("made", "field", "words"),
    [
        (draft(labels=[]), "labels", "no label is given"),
        (draft(labels=["attack-footage", "attack footage"]), "labels", "no label 'attack footage'"),
        (draft(exemptions=[]), "exemptions", "no exemption is given"),
        (draft(exemptions=["press"]), "exemptions", "no exemption 'press'"),
        (draft(exemptions=["none-known", "news"]), "exemptions", "none-known and 1 more"),
        (draft(ground=""), "ground", "nothing says why"),
        (draft(ground=" \t"), "ground", "nothing says why"),
    ],
)
def test_a_list_in_other_words_is_refused_at_the_field_with_the_words_there_are(
    made: tools_pb2.ListDraft, field: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        vocabulary.check_list(made, RULES, in_crisis=False)
    assert refused.value.field == field
    offered = {"labels": "attack-footage, livestream", "exemptions": "news", "ground": "--crisis"}
    assert offered[field] in refused.value.next_step or "Leave out" in refused.value.next_step


def test_where_the_rules_have_no_words_any_will_do_and_none_is_needed() -> None:
    for rules in (NO_WORDS, None):
        vocabulary.check_list(draft([], "", []), rules, in_crisis=False)
        vocabulary.check_list(draft(["anything"], "", ["press"]), rules, in_crisis=False)
        vocabulary.check_label("anything", rules)


def test_the_label_that_is_meant_by_an_opinion_is_a_word_of_the_rules() -> None:
    vocabulary.check_label("propaganda", RULES)
    with pytest.raises(Refused, match="no label 'other'"):
        vocabulary.check_label("other", RULES)


@pytest.mark.parametrize(
    ("advice", "exemptions", "advised", "reason"),
    [
        ("block", [], "block", ""),
        ("block", ["none-known"], "block", ""),
        ("block", ["news", "art"], "review", "may also be news or art"),
        ("monitor", ["news"], "monitor", "may also be news"),
        ("block", ["a word of later rules"], "review", "may also be a word of later rules"),
    ],
)
def test_what_may_be_exempt_is_for_review_at_most(
    advice: str, exemptions: list[str], advised: str, reason: str
) -> None:
    letter = record_pb2.Items(advice=advice, exemptions=exemptions)
    assert (vocabulary.advice_of(letter), vocabulary.reason_of(letter)) == (advised, reason)


def test_what_others_say_of_it_is_shown_in_bounds() -> None:
    letter = record_pb2.Items(exemptions=["x" * 5000] * 5000)
    assert len(vocabulary.reason_of(letter)) < 1000
