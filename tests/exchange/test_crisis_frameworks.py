"""Frameworks that are replaced, missing, unreadable, too large or short of something: what is declared under them."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from node import limits
from node.crisis import frameworks
from node.crisis.frameworks import Document
from node.crisis.states import State
from node.exchange import documents, foreseeing
from node.exchange.exchange import Exchange
from node.feed.kinds import Kind
from node.policy import parameters
from node.policy.parameters import TEMPLATE
from node.v1 import record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_amendments import TEXT, proposed, seen_by, signed
from tests.exchange.test_crises import (
    HOUR_MS,
    LONE,
    NOW_MS,
    PAIR,
    PLATFORM,
    POLICE,
    Stage,
    cosign,
    crisis,
    declare,
    document,
    reference,
    update,
)
from tests.exchange.test_crises import rules as rules_of
from tests.exchange.test_odd_order import said, take
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, federation

SHIPPED = {one.framework.name: one for one in frameworks.shipped()}
OCRF, EUCP, PCI = SHIPPED["eu-ocrf"], SHIPPED["eucp-2019"], SHIPPED["gifct-pci"]
NINTH, TENTH, GONE = (
    document("several", "authority").replace(b'version = "1"', b'version = "%s"' % version)
    for version in (b"9", b"10", b"11")
)
GONE = GONE.replace(b"[declare]", b'status = "retired"\n[declare]', 1)
LATER = document("later", "authority")
REPLACED = document("lone", "authority", must="open")
UNREADABLE = LATER.replace(b"[declare]", b"[of_a_later_version]\nkey = 1\n[declare]")
LARGE = LATER + b"#" * limits.DOCUMENT_BYTES_MAX


def stage_with(folder: Path, *texts: bytes) -> Stage:
    """Where the rules also name these, whose documents nobody has said."""
    return Stage(folder, federation(25, rules_of(PAIR, LONE, POLICE, *texts)))


def crisis_under(text: bytes) -> record_pb2.Crisis:
    named = record_pb2.Reference(name="later", version="1", sha256=sha256(text).digest())
    made = crisis(LONE)
    made.framework.CopyFrom(named)
    return made


def test_what_is_declared_under_a_missing_document_is_kept_and_has_effect_once_it_comes(tmp_path: Path) -> None:
    stage = stage_with(tmp_path, LATER)
    stage.say(1, declare(crisis(LATER)))
    found = stage.view(1)
    assert (found.state, found.reason) == (State.PROPOSED, "the document of framework later has not come yet")
    stage.say(PLATFORM, documents.draft(LATER, "later", "1", BASE_MS))  # whoever brings it
    assert (stage.state(1), stage.view(1).reason) == (State.ACTIVE, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (UNREADABLE, "framework later is of a later version than this program can read"),
        (LARGE, "the document of framework later has not come yet"),
    ],
    ids=["unreadable", "too large"],
)
def test_under_a_document_that_cannot_be_read_or_is_too_large_nothing_has_effect(
    tmp_path: Path, text: bytes, reason: str
) -> None:
    named = rules_of(PAIR, LONE, POLICE).decode()
    row = f'[[frameworks]]\nname = "later"\nversion = "1"\nsha256 = "{sha256(text).hexdigest()}"\n\n'
    stage = Stage(tmp_path, federation(25, named.replace("[vocabularies]", f"{row}[vocabularies]").encode()))
    declared = stage.say(1, declare(crisis_under(text)))
    stage.say(9, documents.draft(text, "later", "1", BASE_MS))
    stage.say(2, cosign(declared))
    assert (stage.state(1), stage.view(1).reason) == (State.PROPOSED, reason)
    views = documents.every_framework(stage.reader.trust, documents.rules_in_force(stage.reader.trust))
    (shown,) = [one for one in views if one.name == "later"]
    assert shown.state in ("unreadable", "waiting")


def test_a_document_of_the_same_name_takes_no_others_place(tmp_path: Path) -> None:
    """Neither one that somebody sends, nor one that somebody declares under."""
    stage = stage_with(tmp_path)
    stage.say(1, declare(crisis(LONE, answer=2)))
    stage.say(4, documents.draft(REPLACED, "lone", "1", BASE_MS))
    assert stage.view(1).reason == "lone asks for more: criterion 1 (grave) has to be yes, it is no"
    stage.say(4, declare(crisis(REPLACED, answer=2)))
    assert (stage.state(4), stage.view(4).reason) == (State.PROPOSED, "the rules in force have no framework lone 1")


@pytest.mark.parametrize("named", [record_pb2.Reference(), record_pb2.Reference(name="lone"), reference(LATER)])
def test_what_names_no_framework_of_the_rules_has_no_effect(tmp_path: Path, named: record_pb2.Reference) -> None:
    stage = stage_with(tmp_path)
    made = crisis(LONE)
    made.framework.CopyFrom(named)
    stage.say(1, declare(made))
    found = stage.view(1)
    assert found.state == State.PROPOSED
    assert found.reason.startswith("the rules in force have no framework")


@pytest.mark.parametrize("answer", [0, 2, 3, 9])
def test_what_lacks_an_answer_is_not_in_effect_for_any_reader_and_no_update_takes_one_away(
    tmp_path: Path, answer: int
) -> None:
    stage = stage_with(tmp_path)
    stage.say(1, declare(crisis(LONE, answer=answer)))
    assert stage.state(1) == State.PROPOSED
    assert stage.view(1).reason.startswith("lone asks for more: criterion 1 (grave) ")
    declared = stage.say(4, declare(crisis(LONE)))
    stage.say(4, update(declared, what=crisis(LONE, title="Another", answer=answer)))
    found = stage.view(4)
    assert (found.state, found.crisis.title, found.crisis.criteria[0].answer) == (State.ACTIVE, "Shooting", 1)
    assert found.acts[0].obstacle


def test_the_document_in_force_outlives_a_restart_and_its_record(tmp_path: Path) -> None:
    stage = stage_with(tmp_path)
    stage.say(1, declare(crisis(LONE)))
    assert stage.state(1) == State.ACTIVE
    reader = stage.reader
    reader.stores.index.exec_driver_sql("DELETE FROM record WHERE kind = ?", (int(Kind.DOCUMENT),))
    reader.stores.commit("index")
    stage.reader = Exchange(reader.stores, reader.trust, reader.author, reader.erasures)
    stage.reader.trust = replace(reader.trust, documents={})
    stage.reader.start(NOW_MS)
    assert stage.state(1) == State.ACTIVE


def test_an_amendment_brings_the_framework_that_it_names_though_both_were_here_before(tmp_path: Path) -> None:
    text = TEXT.replace("[vocabularies]", f"{row(LATER)}[vocabularies]")
    world = federation(25, TEXT.encode())
    node = node_in(tmp_path / "node", world, 24)
    letters = said(node_in(tmp_path / "bringer", world, 9), documents.draft(LATER, "later", "1", BASE_MS))
    letters += signed(tmp_path, world, proposed(node, text), 1, 2, 3)
    take(node, letters)
    seen = seen_by(node)
    assert documents.under(seen.trust, seen.rules, reference(LATER)).framework


def row(text: bytes) -> str:
    named = reference(text)
    return f'[[frameworks]]\nname = "{named.name}"\nversion = "1"\nsha256 = "{named.sha256.hex()}"\n\n'


# ---- Those that come with the program


def test_the_document_that_the_template_names_comes_with_the_program_and_asks_for_all_that_it_says(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path, federation(25, TEMPLATE.encode()))
    stage.say(4, declare(grave(OCRF, harm=0)))
    assert (stage.state(4), stage.view(4).reason) == (State.PROPOSED, "eu-ocrf asks for more: harm is missing")
    declared = stage.say(1, declare(grave(OCRF)))
    assert (stage.state(1), stage.view(1).reason) == (State.PROPOSED, "co-signatures: 0 of 1")
    stage.say(2, cosign(declared))
    assert stage.state(1) == State.ACTIVE
    assert stage.view(1).ends_ms == NOW_MS + 24 * HOUR_MS


def test_what_is_declared_under_a_retired_framework_has_no_effect_for_any_reader(tmp_path: Path) -> None:
    """Of a member whose own node did not refuse it; an alert under one neither, and it stays readable."""
    stage = stage_with(tmp_path, EUCP.text)
    made = grave(EUCP)
    stage.say(1, declare(made))
    stage.say(4, declare(made, kind=Kind.ALERT))
    for number in (1, 4):
        found = stage.view(number)
        assert found.state == State.PROPOSED
        assert found.reason == "framework eucp-2019 is retired: nothing is declared under it any more"
        assert found.crisis.title == made.title
    declared = stage.say(2, declare(crisis(LONE)))
    stage.say(2, update(declared, what=made))
    assert stage.view(2).crisis.framework.name == "lone"
    views = documents.every_framework(stage.reader.trust, documents.rules_in_force(stage.reader.trust))
    (shown,) = [one for one in views if one.name == "eucp-2019"]
    assert (shown.state, bool(shown.words)) == ("retired", True)


def grave(named: Document, harm: int = 3) -> record_pb2.Crisis:
    """A crisis that this shipped document takes."""
    made = crisis(LONE, ends_ms=NOW_MS + 24 * HOUR_MS)
    made.framework.CopyFrom(reference(named.text))
    made.event.kind, made.lead.function, made.harm, made.virality = "shooting", "Situation centre", harm, 3
    del made.criteria[:]
    made.criteria.extend(record_pb2.Criterion(name=one.name, answer=1) for one in named.framework.criteria)
    return made


# ---- Several of one name


def test_of_several_versions_one_declares_under_the_newest_in_force_unless_another_is_named(tmp_path: Path) -> None:
    stage = stage_with(tmp_path, TENTH, GONE, NINTH)
    stage.reader.trust = replace(stage.reader.trust, documents={})
    for text in (TENTH, GONE, NINTH):
        stage.say(9, documents.draft(text, "several", "1", BASE_MS))
    seen = stage.seen()

    def found(**named: object) -> parameters.Framework | None:
        return documents.meant(seen.trust, seen.rules, record_pb2.Reference(name="several", **named))  # type: ignore[arg-type]

    for named, text in (({}, TENTH), ({"version": "9"}, NINTH), ({"version": "10"}, TENTH), ({"version": "11"}, GONE)):
        row = found(**named)
        assert row, named
        assert row.sha256 == sha256(text).hexdigest(), named
    assert found(sha256=sha256(NINTH).digest())
    assert not found(version="12")
    assert not found(version="9", sha256=sha256(TENTH).digest())
    shown = [one.version for one in documents.every_framework(seen.trust, seen.rules) if one.name == "several"]
    assert shown == ["9", "10", "11"]


def test_whoever_names_another_version_than_its_documents_declares_nothing(tmp_path: Path) -> None:
    stage = stage_with(tmp_path)
    made = crisis(LONE)
    made.framework.version = "2"
    stage.say(1, declare(made))
    assert (stage.state(1), stage.view(1).reason) == (State.PROPOSED, "the rules in force have no framework lone 2")


# ---- Before rules come into force


def test_whoever_amends_is_told_which_crises_would_lose_effect(tmp_path: Path) -> None:
    """Rules decide on what was said before, too: a replaced framework is best left beside the later one."""
    stage = stage_with(tmp_path, EUCP.text)
    declared = stage.say(1, declare(crisis(PAIR)))
    stage.say(2, cosign(declared))
    stage.say(2, declare(crisis(LONE, title="Another")))
    stage.say(4, declare(crisis(PAIR, title="Waits")))
    stage.say(5, declare(grave(EUCP)))  # has no effect now, and loses none
    seen, present = stage.seen(), rules_of(PAIR, LONE, POLICE, EUCP.text)

    def told(text: bytes) -> list[str]:
        return foreseeing.warnings(stage.reader.stores, seen, text)

    assert told(present) == []
    assert told(rules_of(LATER, PAIR, LONE)) == []
    lost = told(rules_of(LATER, LONE))
    assert sorted(line.split(" (")[1] for line in lost[:-1]) == [
        "Shooting) is active, and would have no effect: the rules in force have no framework pair.",
        "Waits) is proposed, and would have no effect: the rules in force have no framework pair.",
    ]
    assert "beside what follows it" in lost[-1]
    (line, _) = told(present.replace(b'cosign = ["authority", "europol"]', b'cosign = ["platform"]'))[-2:]
    assert "is active, and would have no effect: co-signatures: 0 of 1." in line


def test_whoever_amends_is_told_of_a_framework_that_asks_for_nobody_who_may(tmp_path: Path) -> None:
    stage = stage_with(tmp_path)
    found = foreseeing.warnings(stage.reader.stores, stage.seen(), rules_of(PAIR, LONE, POLICE, PCI.text))
    by_whom, co_signed = found
    assert by_whom == (
        "nobody can declare under gifct-pci 2025: it lets industry body do that, and rights.declare "
        "authority or europol."
    )
    assert co_signed == (
        "nothing under gifct-pci 2025 ever becomes active: it asks for co-signatures of industry body or platform, "
        "and rights.cosign has authority or europol."
    )
    assert foreseeing.warnings(stage.reader.stores, stage.seen(), PLAIN.encode()) == [
        "eu-ocrf 1 has no document: whoever may declare does so alone, with nothing filled in."
    ]
    rules = parameters.decode(rules_of(PAIR, PCI.text), "the rules")
    shown = {one.name: list(one.notices) for one in documents.every_framework(stage.seen().trust, rules)}
    assert shown["gifct-pci"] == found
    assert not shown["pair"]
    assert not shown["eu-ocrf"]
