"""Frameworks that are replaced, missing, unreadable, too large or short of something: what is declared under them."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from node import limits
from node.crisis.states import State
from node.exchange import documents
from node.exchange.exchange import Exchange
from node.feed.kinds import Kind
from node.v1 import record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_amendments import TEXT, proposed, seen_by, signed
from tests.exchange.test_crises import (
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
from tests.simulator.members import BASE_MS, federation

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
