"""Retention: the first rule that fits decides, and no policy keeps anything longer than its originator allows."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import ConfigError
from node.feed.kinds import Kind
from node.policy import policies, retention
from node.policy.policies import HOUR_MS, UNITS_MS
from node.policy.retention import (
    CAUSE_BYTES,
    OF_ITEMS,
    After,
    Cause,
    Class,
    Crisis,
    Decision,
    Facts,
    Keep,
    Policy,
    Review,
    Rule,
    Won,
)
from node.store import erasures

ROOT = Path(__file__).parent.parent.parent
DAY_MS = UNITS_MS["d"]
CREATED, RECEIVED, ENDED, REVIEWED = (day * DAY_MS for day in (90, 100, 110, 120))
CEILING = 300 * DAY_MS
URL = Facts(Class.URL, CEILING, CREATED, RECEIVED)
IN_CRISIS = replace(URL, crisis=Crisis.DECLARED, crisis_end_ms=ENDED)
SHIPPED = ("authority", "europol", "platform")


def policy(*lines: str, last: str = 'class = "any", keep = "as its author allows"') -> Policy:
    rules = "".join(f'  {{ {line}, ground = "because" }},\n' for line in (*lines, last))
    return policies.decode(f'name = "test"\nrules = [\n{rules}]\n'.encode(), "new.toml")


@pytest.mark.parametrize(
    ("line", "facts", "day", "won"),
    [
        ('class = "url", keep = "30 d"', URL, 130, Won.RULE),
        ('class = "url", keep = "30 d", after = "created"', URL, 120, Won.RULE),
        ('class = "url", keep = "30 d", after = "created"', replace(URL, created_ms=CEILING), 130, Won.RULE),
        ('class = "url", keep = "400 d"', URL, 300, Won.CEILING),
        ('class = "url", keep = "200 d"', URL, 300, Won.CEILING),  # of equal ones the author's word
        ('class = "url", keep = "0 d"', URL, 100, Won.RULE),
        ('class = "url", keep = "30 d", after = "crisis-end", longest = "180 d"', IN_CRISIS, 140, Won.CRISIS_END),
        (
            'class = "url", keep = "30 d", after = "crisis-end", longest = "35 d"',
            IN_CRISIS,
            135,
            Won.LONGEST,
        ),
        (  # a crisis without an end, as far as is known
            'class = "url", keep = "30 d", after = "crisis-end", longest = "180 d"',
            replace(IN_CRISIS, crisis_end_ms=None),
            280,
            Won.LONGEST,
        ),
        (
            'class = "url", keep = "30 d", after = "crisis-end", longest = "180 d"',
            replace(IN_CRISIS, crisis=Crisis.UNKNOWN, crisis_end_ms=None),
            280,
            Won.LONGEST,
        ),
        ('class = "url", keep = "30 d", after = "crisis-end", longest = "180 d"', URL, 130, Won.RULE),  # of no crisis
        ('class = "url", keep = "30 d", grace = "5 d"', IN_CRISIS, 115, Won.CRISIS_END),
        ('class = "url", keep = "30 d", grace = "5 d"', URL, 130, Won.RULE),
        ('class = "url", keep = "30 d", grace = "5 d"', replace(IN_CRISIS, crisis_end_ms=None), 130, Won.RULE),
        ('class = "url", keep = "as its author allows", grace = "5 d"', IN_CRISIS, 115, Won.CRISIS_END),
        ('class = "url", keep = "30 d", after = "review"', URL, 130, Won.RULE),
        ('class = "url", keep = "30 d", after = "review"', replace(URL, reviewed_ms=REVIEWED), 150, Won.RULE),
        (
            'class = "opinion", keep = "as the item", longest = "10 d"',
            replace(URL, class_=Class.OPINION, item_due_ms=105 * DAY_MS),
            105,
            Won.RULE,
        ),
        (
            'class = "opinion", keep = "as the item", longest = "10 d"',
            replace(URL, class_=Class.OPINION),
            110,
            Won.LONGEST,
        ),
    ],
)
def test_the_earliest_of_three_bounds_ends_it(line: str, facts: Facts, day: int, won: Won) -> None:
    assert retention.decide(policy(line), facts) == Decision(day * DAY_MS, 1, won)


MINIMUM = 'minimum = { keep = "30 d", ground = "TCO Art. 6", authority = "BKA" }'


@pytest.mark.parametrize(
    ("line", "facts", "erased_day", "end_day"),
    [
        (MINIMUM, URL, 105, 130),
        (MINIMUM, URL, 129, 130),
        (MINIMUM, URL, 130, None),
        (MINIMUM.replace("}", ', after = "erased" }'), URL, 250, 280),
        (MINIMUM, replace(URL, exercise=True), 105, None),
        (MINIMUM, replace(URL, class_=Class.LIST), 105, None),
        ('longest = "1 d"', URL, 105, None),
    ],
)
def test_what_the_law_has_kept_is_held_until_its_minimum_is_over(
    line: str, facts: Facts, erased_day: int, end_day: int | None
) -> None:
    found = policy(f'class = "url", keep = "1 d", {line}')
    required = retention.required(found, facts, erased_day * DAY_MS)
    assert (required.end_ms // DAY_MS if required else None) == end_day
    assert required is None or (required.rule, required.minimum.authority) == (1, "BKA")


def test_a_minimum_keeps_nothing_longer_in_use() -> None:
    bare, with_minimum = (policy(f'class = "url", keep = "1 d"{more}') for more in ("", f", {MINIMUM}"))
    assert retention.decide(with_minimum, URL) == retention.decide(bare, URL)
    assert (bare.has_minimum, with_minimum.has_minimum) == (False, True)
    assert policies.minimum_words(with_minimum.rules[0]) == "receiving + 30 d, for BKA: TCO Art. 6"
    assert policies.minimum_words(bare.rules[0]) == ""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('minimum = { keep = "30 d", ground = "law" }', "authority"),
        (MINIMUM.replace("BKA", " "), "minimum.authority: needs 1 to 200 characters"),
        (MINIMUM.replace("30 d", "0 d"), "minimum.keep: nothing is kept for no time"),
        (MINIMUM.replace("30 d", "3 weeks"), "minimum.keep: '3 weeks' is no time"),
        (MINIMUM.replace("}", ', after = "review" }'), "minimum.after"),
        (f"exercise = true, {MINIMUM}", "minimum: a drill is under no duty"),
    ],
)
def test_a_minimum_names_how_long_why_and_for_whom(line: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        policy(f'class = "url", keep = "1 d", {line}')
    with pytest.raises(ConfigError, match="not readable here"):
        policy(f'class = ["url", "sealed"], keep = "1 d", {MINIMUM}')


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ('class = ["alert", "url"]', URL),
        ('class = "any", role = "platform"', replace(URL, role="platform")),
        ('class = "any", framework = "eu-ocrf"', replace(IN_CRISIS, framework="eu-ocrf")),
        ('class = "any", crisis = ["unknown", "declared"]', IN_CRISIS),
        ('class = "any", review = "uncategorised"', replace(URL, review=Review.UNCATEGORISED)),
        ('class = "any", exercise = true', replace(URL, exercise=True)),
    ],
)
def test_every_condition_of_a_rule_must_fit(condition: str, fits: Facts) -> None:
    found = policy(f'{condition}, keep = "1 d"')
    assert retention.decide(found, fits).rule == 1
    assert retention.decide(found, Facts(Class.LIST, CEILING, CREATED, RECEIVED)).rule == 2


def test_the_first_rule_from_the_top_decides() -> None:
    found = policy('class = "url", keep = "2 d"', 'class = "url", role = "platform", keep = "1 d"')
    assert retention.decide(found, replace(URL, role="platform")).rule == 1
    assert policies.warnings(found) == [(4, "url: never reached: the rules above take all that it is about")]


def test_rules_that_are_all_that_another_is_about_only_together_hide_it_too() -> None:
    by_review = [f'class = "url", review = "{one}", keep = "1 d"' for one in Review]
    assert [line for line, _ in policies.warnings(policy(*by_review, 'class = "url", keep = "9 d"'))] == [6]
    assert policies.warnings(policy(*by_review[1:], 'class = "url", keep = "9 d"')) == []


def test_a_check_says_where_the_ceiling_wins_and_where_the_longest() -> None:
    found = policies.warnings(
        policy('class = "url", keep = "400 d"', 'class = "alert", keep = "9 d", after = "crisis-end", longest = "8 d"')
    )
    assert found == [
        (
            3,
            "url: keep 400 d is over the originators' ceiling (180 d): the ceiling wins, unless they name a later end",
        ),
        (4, "alert: longest 8 d is less than keep 9 d: longest wins"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = 1", "new.toml: name: Expected `str`, got `int`"),
        ("name =", "new.toml:1: no TOML"),
        ('name = "x"\nrules = []', "new.toml: rules: needs 1 to 64"),
        ('name = "x"\nrule = 1', "unknown field `rule`"),
        ('name = ""\nrules = [\n{ class = "any", keep = "1 d", ground = "g" }\n]', "name: needs"),
        ('{ class = "url", keep = "1 d", ground = "g" }', "new.toml:3: the last rule must fit everything"),
        ('{ class = "any", review = "reviewed", keep = "1 d", ground = "g" }', "the last rule must fit everything"),
        ('{ class = "urls", keep = "1 d", ground = "g" }', "new.toml:3: rules[1].class: 'urls' is none of alert"),
        ('{ class = [], keep = "1 d", ground = "g" }', "new.toml:3: rules[1].class"),
        ('{ class = "any", role = "police", keep = "1 d", ground = "g" }', "rules[1].role: 'police' is none of"),
        ('{ class = "any", keep = "3 weeks", ground = "g" }', "new.toml:3: rules[1].keep: '3 weeks' is no time"),
        ('{ class = "any", keep = "11 y", ground = "g" }', "rules[1].keep: '11 y' is no time"),
        ('{ class = "any", keep = "1 d", ground = "g", longer = "1 d" }', "new.toml:3: rules[1]: Object contains"),
        ('{ class = "any", keep = "1 d", ground = "" }', "rules[1].ground: needs"),
        ('{ class = "any", keep = "1 d" }', "new.toml:3: rules[1]: Object missing required field `ground`"),
        ('{ class = "any", keep = 1, ground = "g" }', "new.toml:3: rules[1].keep: Expected `str`, got `int`"),
        ('{ class = "any", keep = "1 d", after = "birth", ground = "g" }', "new.toml:3: rules[1].after"),
        ('{ class = "any", keep = "1 d", after = "crisis-end", ground = "g" }', "rules[1].longest: is needed"),
        ('{ class = "any", keep = "as the item", longest = "1 d", ground = "g" }', "is for the class opinion alone"),
        ('{ class = "any", keep = "as its author allows", after = "created", ground = "g" }', "means nothing beside"),
        (
            '{ class = "url", keep = "1 d", ground = "g" }, { class = "any", keep = "1 d", ground = "g" }',
            "each begins a line of its own",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_its_key(text: str, reason: str) -> None:
    if text.startswith("{"):
        text = f'name = "x"\nrules = [\n{text}\n]'
    with pytest.raises(ConfigError) as raised:
        policies.decode(text.encode(), "new.toml")
    assert reason in raised.value.reason


@pytest.mark.parametrize("name", SHIPPED)
def test_a_policy_that_comes_with_the_program_holds_and_hides_no_rule(name: str) -> None:
    path = ROOT / "configs" / "policies" / f"{name}.toml"
    found = policies.decode(path.read_bytes(), path)
    assert found.name == name
    assert not [said for _, said in policies.warnings(found) if "never reached" in said]
    assert (ROOT / "node" / "policy" / "shipped" / f"{name}.toml").read_bytes() == found.text, "what the wheel has"


def test_each_role_has_a_policy() -> None:
    assert [policies.shipped_name(role) for role in range(1, 7)] == [
        "authority",
        "europol",
        "platform",
        "platform",
        "platform",
        "platform",
    ]


FAR = 5 * 366 * DAY_MS
times = st.integers(0, FAR)
maybe = st.none() | times
facts = st.builds(
    Facts,
    class_=st.sampled_from(Class),
    ceiling_ms=times,
    created_ms=times,
    received_ms=times,
    role=st.sampled_from(["", "platform", "authority"]),
    crisis=st.sampled_from(Crisis),
    crisis_end_ms=maybe,
    framework=st.sampled_from(["", "eu-ocrf"]),
    review=st.sampled_from(Review),
    reviewed_ms=maybe,
    exercise=st.booleans(),
    item_due_ms=maybe,
)
rules = st.builds(
    Rule,
    number=st.just(1),
    line=st.just(1),
    ground=st.just("because"),
    classes=st.frozensets(st.sampled_from([one.value for one in Class])),
    roles=st.frozensets(st.sampled_from(["platform"])),
    crises=st.frozensets(st.sampled_from([one.value for one in Crisis])),
    reviews=st.frozensets(st.sampled_from([one.value for one in Review])),
    exercise=st.none() | st.booleans(),
    keep=times | st.sampled_from(Keep),
    after=st.sampled_from(After),
    grace_ms=maybe,
    longest_ms=maybe,
)


@given(st.lists(rules, max_size=4), rules, facts)
def test_no_policy_keeps_anything_longer_than_its_originator_allows(
    some: list[Rule], last: Rule, record: Facts
) -> None:
    last = Rule(9, 9, "because", keep=last.keep, after=last.after, grace_ms=last.grace_ms, longest_ms=last.longest_ms)
    found = retention.decide(Policy("test", (*some, last)), record)
    assert found.due_ms <= record.ceiling_ms
    assert found.due_ms <= retention.decide(retention.AS_AUTHORED, record).due_ms
    if found.won is not Won.CEILING:
        assert found.due_ms < record.ceiling_ms


@given(rules, facts, times)
def test_a_later_arrival_shortens_nothing_and_an_earlier_end_of_the_crisis_lengthens_nothing(
    rule: Rule, record: Facts, earlier: int
) -> None:
    found = Policy("test", (replace(rule, classes=frozenset(), roles=frozenset(), crises=frozenset()),))
    if record.crisis_end_ms is not None and found.rules[0].fits(record):
        sooner = replace(record, crisis_end_ms=min(earlier, record.crisis_end_ms))
        assert retention.decide(found, sooner).due_ms <= retention.decide(found, record).due_ms


def test_items_are_classed_by_what_they_find() -> None:
    found = {kind: retention.class_of(Kind.ITEMS, kind) for kind in ("url", "sha256", "md5", "pdq", "tmk", "keyword")}
    assert list(found.values()) == [
        Class.URL,
        Class.CRYPTOGRAPHIC,
        Class.CRYPTOGRAPHIC,
        Class.PERCEPTUAL,
        Class.PERCEPTUAL,
        Class.ITEMS,
    ]
    assert set(found.values()) == set(OF_ITEMS)
    assert retention.class_of(Kind.CRISIS_ACT) is Class.DECLARATION
    assert retention.class_of(Kind.GRANT) is Class.OTHER
    assert retention.class_of(250) is Class.OTHER, "of a later version"


def test_a_cause_comes_back_from_the_journal() -> None:
    cause = Cause(b"p" * 8, 4, Won.CRISIS_END)
    assert retention.decode_cause(cause.encoded) == cause
    assert len(cause.encoded) == CAUSE_BYTES == erasures.CAUSE_BYTES
    assert retention.decode_cause(b"") is None
    assert retention.decode_cause(b"p" * 10 + b"\x63") is None


@pytest.mark.parametrize(
    ("time_ms", "words"),
    [
        (48 * HOUR_MS, "2 d"),
        (HOUR_MS, "1 h"),
        (0, "0 h"),
        (730 * HOUR_MS, "1 month"),
        (24 * 730 * HOUR_MS, "2 y"),
        (30 * DAY_MS, "30 d"),
    ],
)
def test_times_are_said_in_their_largest_unit(time_ms: int, words: str) -> None:
    assert policies.time_words(time_ms) == words


def test_what_decided_is_said_as_its_officer_would() -> None:
    found = policy('class = "url", keep = "30 d", after = "crisis-end", longest = "180 d"')
    said = [
        policies.decision_words(found, retention.decide(found, one))
        for one in (IN_CRISIS, replace(IN_CRISIS, crisis_end_ms=None), URL, replace(URL, ceiling_ms=RECEIVED))
    ]
    assert said == [
        "crisis end + 30 d (rule 1), shorter than the ceiling",
        "received + 180 d, the longest (rule 1), shorter than the ceiling",
        "received + 30 d (rule 1), shorter than the ceiling",
        "what its author allows (rule 1)",
    ]
