"""Crises as all nodes read them: alike in whatever order they heard, in forks too; and what is kept follows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from nacl.signing import SigningKey

from node.crisis.states import State
from node.errors import Refused
from node.exchange import consult, crises, documents, endings, lifecycles, signing, standing
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.kinds import Kind
from node.store import driver, index, ledger
from node.v1 import header_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_crises import (
    ENDS_MS,
    HOUR_MS,
    LONE,
    NOW_MS,
    PAIR,
    POLICE,
    Stage,
    X,
    Y,
    act,
    cosign,
    crisis,
    declare,
    end,
    extend,
    rules,
    update,
)  # fmt: skip
from tests.exchange.test_forks import by_root
from tests.exchange.test_odd_order import hash_of, said, take, without
from tests.simulator.members import BASE_MS, Federation, SeededWrapping, federation, seed

Letter = header_pb2.SignedEntry
STRANGERS = b"z" * 16


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, rules(PAIR, LONE, POLICE))


@pytest.fixture(name="stage")
def _stage(tmp_path: Path, world: Federation) -> Stage:
    return Stage(tmp_path, world)


# ---- Contested


@pytest.fixture(name="thief")
def _thief(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Exchange:
    """Another node that signs with the key of member 2."""
    monkeypatch.setattr(signing, "require", lambda *_, **__: None)
    return node_in(tmp_path / "thief", stage.world, 2)


def fork(stage: Stage, thief: Exchange) -> None:
    """The thief signs where member 2 has signed."""
    (letter,) = said(thief, declare(crisis(LONE, title="The thief's"), object_id=Y))
    stage.hear(letter)
    assert stage.reader.trust.marks.forked_at(thief.author.feed_id) == 2


def test_a_declaration_of_a_contested_feed_is_active_to_its_end_and_its_contested_end_ends_nothing(
    stage: Stage, thief: Exchange
) -> None:
    declared = stage.say(2, declare(crisis(LONE)))
    stage.say(2, end(declared))
    assert stage.state(2) == State.ENDED
    fork(stage, thief)
    found = stage.view(2)
    assert (found.state, list(found.contested), found.ends_ms) == (State.ACTIVE, [standing.CONTESTED], ENDS_MS)
    assert stage.ends_ms() == ENDS_MS
    assert [stage.state(2, now_ms=ENDS_MS), stage.state(2, Y)] == [State.EXPIRED, State.ACTIVE]


def test_a_contested_co_signature_or_extension_does_not_count(stage: Stage, thief: Exchange) -> None:
    declared = stage.say(1, declare(deputies=[stage.id_of(2)]))
    stage.say(2, cosign(declared))
    longer = stage.say(2, extend(declared))
    stage.say(3, cosign(longer))
    assert (stage.state(1), stage.view(1).ends_ms) == (State.ACTIVE, ENDS_MS + HOUR_MS)
    fork(stage, thief)
    found = stage.view(1)
    assert (found.state, list(found.cosigned_by), found.ends_ms) == (State.PROPOSED, [], ENDS_MS)
    stage.say(4, cosign(declared))
    assert stage.state(1) == State.ACTIVE


# ---- In any order


def views(node: Exchange, now_ms: int) -> list[bytes]:
    """All that is shown of crises, but what is a node's own."""
    while node.project():
        pass
    node.load_documents()
    seen = consult.view(node.trust, node.follows, now_ms)
    found = crises.every(node.stores, seen, "", exercises=True)
    detailed = [one for view in found for one in crises.every(node.stores, seen, view.object_id.hex(), exercises=True)]
    single = [crises.shown(node.stores, seen, one.member_id, one.object_id) for one in found]  # type: ignore[arg-type]
    made = []
    for one in (*found, *detailed, *(one for one in single if one is not None)):
        one.ClearField("received_ms")
        one.ClearField("unverified")  # whoever's own it is has nobody to call
        for said_ in (*one.acts, one.last):
            said_.ClearField("received_ms")
        made.append(one.SerializeToString(deterministic=True))
    return made


def second_node(stage: Stage, number: int) -> list[Letter]:
    """Another node of the same member, beside the one that speaks as it; what certifies it, and opens its feed."""
    member = stage.world.members[number]
    one = replace(member, feed_key=SigningKey(seed("second")), kem=seed("second kem"))
    key = bytes(one.feed_key.verify_key)
    certified = header_pb2.Node(
        node_id=b"2" * 16, feed_key=key, kem_key=SeededWrapping.public(one.kem), tls_issuer=b"issuer"
    )
    letters = by_root(stage.world, member, (Kind.NODE, certified.SerializeToString()))
    folder = stage.folder / "second node"
    folder.mkdir()
    node = exchange_in(folder, stage.world, one)
    take(node, letters)
    opened = header_pb2.Open(member_id=member.member_id, feed_key=key)
    letters += said(node, Draft(Kind.OPEN, statement=opened.SerializeToString()))
    stage.speakers["second"] = node
    return letters


def whole_crisis(stage: Stage) -> Stage:
    """Two authorities' declarations of one event linked both ways; the lead has two nodes; all sorts of acts."""
    lead, other, platform = 1, 2, 12
    stage.letters += second_node(stage, lead)
    one = stage.say(lead, declare(deputies=[stage.id_of(3)]), heard=False)
    two = stage.say(other, declare(linked=[X], object_id=Y), heard=False)
    stage.say(lead, act(one, link=record_pb2.Link(object_id=Y)), BASE_MS + 1, heard=False)
    stage.say(other, cosign(one), BASE_MS + 2, heard=False)
    stage.say(lead, cosign(two, object_id=Y), BASE_MS + 2, heard=False)
    longer = stage.say(3, extend(one), BASE_MS + 3, heard=False)
    apart = stage.say("second", extend(one, ends_ms=ENDS_MS + 2 * HOUR_MS), BASE_MS + 3, heard=False)
    settled = stage.say(lead, extend(apart, longer, ends_ms=ENDS_MS + 3 * HOUR_MS), BASE_MS + 4, heard=False)
    stage.say(4, cosign(settled), BASE_MS + 5, heard=False)
    stage.say(platform, cosign(settled), BASE_MS + 5, heard=False)
    for stance in (1, 4):
        joined = record_pb2.Participation(stance=stance)
        stage.say(platform, act(one, participation=joined), BASE_MS + 6 + stance, heard=False)
    over = act(settled, hand_over=record_pb2.HandOver(member_id=stage.id_of(4)))
    handed = stage.say(lead, over, BASE_MS + 8, heard=False)
    stage.say(platform, end(one), BASE_MS + 9, heard=False)
    stage.say(4, update(handed, what=crisis(title="Calmer", ends_ms=0)), BASE_MS + 9, heard=False)
    stage.say(platform, declare(linked=[STRANGERS]), BASE_MS + 10, heard=False)  # by the same id
    stage.hear(*stage.letters)
    return stage


@pytest.fixture(name="whole", scope="module")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return whole_crisis(Stage(tmp_path_factory.mktemp("whole"), federation(25, rules(PAIR, LONE, POLICE))))


def test_a_crisis_that_many_speak_of_is_read_as_they_meant_it(whole: Stage) -> None:
    found, other = whole.view(1), whole.view(2, Y)
    assert (found.lead_name, found.crisis.title, found.ends_ms) == ("Member 4", "Calmer", ENDS_MS + 3 * HOUR_MS)
    assert (other.state, other.ends_ms) == (State.ACTIVE, ENDS_MS)
    assert len(found.acts) == 12
    listed = crises.every(whole.reader.stores, whole.seen(), "", exercises=True)
    assert {one.member_name: [*one.linked] for one in listed} == {
        "Member 1": [other.reference],
        "Member 2": [found.reference],
        "Member 12": [other.reference, STRANGERS.hex()],  # what is linked to this id, and its own
    }


@pytest.mark.parametrize("number", range(8))
def test_in_whatever_order_and_parts_it_came_all_nodes_show_the_same(whole: Stage, tmp_path: Path, number: int) -> None:
    chance = Random(number)
    node = node_in(tmp_path / "replica", whole.world, chance.choice((1, 24)))
    order = chance.sample(whole.letters, len(whole.letters))
    at = chance.randrange(len(order))
    for part in (bare(order[:at], chance), order[at:], order):
        take(node, part)
        views(node, NOW_MS)  # what was read of a part must not stay
    for _ in order:
        if waits(node, order):
            take(node, order)
    for now_ms in (NOW_MS, ENDS_MS, ENDS_MS + 3 * HOUR_MS):
        assert views(node, now_ms) == views(whole.reader, now_ms)
    node.rebuild()
    node.stores.commit("index")
    assert views(node, NOW_MS) == views(whole.reader, NOW_MS)


def bare(letters: Sequence[Letter], chance: Random) -> list[Letter]:
    """Some of them without what they say, which comes later."""
    return [without(one, "payload") if chance.random() < 0.3 else one for one in letters]


def waits(node: Exchange, letters: Sequence[Letter]) -> bool:
    """Whether something is still to come that was let go behind a gap, or before its feed was known."""
    return any(ledger.entry(node.stores.ledger, hash_of(node, one)) is None for one in letters)


# ---- What is kept


def test_what_is_kept_for_a_crisis_is_kept_to_its_end_as_it_is_read(stage: Stage) -> None:
    declared = stage.say(1, declare(deputies=[stage.id_of(3)]))
    stage.say(2, cosign(declared))
    longer = stage.say(1, extend(declared))
    assert stage.ends_ms() == stage.view(1).ends_ms == ENDS_MS, "nobody has co-signed it"
    stage.say(1, cosign(longer))
    assert stage.ends_ms() == stage.view(1).ends_ms == ENDS_MS
    stage.say(2, cosign(longer))
    assert stage.ends_ms() == stage.view(1).ends_ms == ENDS_MS + HOUR_MS
    stage.say(12, end(longer))
    assert stage.ends_ms() == stage.view(1).ends_ms == ENDS_MS + HOUR_MS
    stage.say(3, end(longer), BASE_MS + 7)
    assert stage.ends_ms() == stage.view(1).ends_ms == BASE_MS + 7


@pytest.mark.parametrize("by_update", [True, False])
def test_what_is_kept_for_a_crisis_is_erased_by_no_date_before_the_end_came_here(stage: Stage, by_update: bool) -> None:
    declared = stage.say(1, declare(crisis(LONE)), BASE_MS - 9 * HOUR_MS)
    over = update(declared, what=crisis(LONE, ends_ms=1)) if by_update else end(declared)
    stage.say(1, over, BASE_MS - 3 * 365 * 24 * HOUR_MS)
    assert stage.view(1).ends_ms == BASE_MS - 9 * HOUR_MS
    assert stage.ends_ms() == BASE_MS


def test_what_is_kept_for_a_crisis_ends_with_what_its_new_lead_ends_and_not_by_its_former(stage: Stage) -> None:
    declared = stage.say(1, declare(crisis(LONE)))
    over = stage.say(1, act(declared, hand_over=record_pb2.HandOver(member_id=stage.id_of(4))))
    stage.say(1, end(over), BASE_MS + 3)
    assert stage.ends_ms() == stage.view(1).ends_ms == ENDS_MS
    stage.say(4, end(over), BASE_MS + 5)
    assert stage.ends_ms() == stage.view(1).ends_ms == BASE_MS + 5


def test_what_is_kept_for_a_crisis_is_not_kept_longer_by_an_update_into_a_framework_that_asks_for_nobody(
    stage: Stage,
) -> None:
    declared = stage.say(1, declare())
    stage.say(2, cosign(declared))
    stage.say(1, update(declared, what=crisis(LONE, ends_ms=ENDS_MS + HOUR_MS)))
    assert stage.ends_ms() == ENDS_MS


# ---- What belongs to a crisis is kept as long as people see it go on


def test_nothing_that_is_undone_or_contested_by_what_does_not_count_ends_it_for_what_is_kept(stage: Stage) -> None:
    declared = stage.say(1, declare(crisis(LONE), deputies=[stage.id_of(3)]))
    unknown = crisis(LONE)
    unknown.framework.sha256 = b"?" * 32  # in no rules: for people it says nothing, and dismisses nobody
    stage.say(1, update(declared, what=unknown))
    stage.say(3, extend(declared, ends_ms=ENDS_MS + 2 * HOUR_MS))
    assert stage.view(1).ends_ms == ENDS_MS + 2 * HOUR_MS
    assert stage.ends_ms() >= stage.view(1).ends_ms


def test_a_co_signature_goes_on_to_count_however_much_its_author_answers_to_what_is_no_proposal(stage: Stage) -> None:
    declared = stage.say(1, declare(crisis(PAIR)))
    stage.say(2, cosign(declared))
    longer = stage.say(1, extend(declared, ends_ms=ENDS_MS + 2 * HOUR_MS))
    stage.say(2, cosign(longer))
    for number in range(endings.ANSWERS_MAX + 1):
        comment = stage.say(2, act(declared, comment=record_pb2.Note(text=str(number))))
        stage.say(2, cosign(comment))
    assert stage.ends_ms() == stage.view(1).ends_ms == ENDS_MS + 2 * HOUR_MS


def test_what_moves_a_crisis_is_hidden_by_nothing_else_that_its_author_says_whatever_its_dates(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycles, "SAID_MAX", 4)
    declared = stage.say(1, declare(crisis(LONE)))
    comments = [act(declared, comment=record_pb2.Note(text=str(number))) for number in range(8)]
    for one in comments[:4]:
        stage.say(1, one, BASE_MS + 1)
    over = stage.say(1, act(declared, hand_over=record_pb2.HandOver(member_id=stage.id_of(4))), BASE_MS + 5)
    for number, one in enumerate(comments[4:]):
        stage.say(1, one, BASE_MS + 10 + number)
    stage.say(4, end(over), BASE_MS + 20)
    for number in range(6):
        stage.say(1, act(declared, de_escalate=record_pb2.Note(text=str(number))), BASE_MS - 9 + number)
    found = stage.view(1)
    assert (found.state, found.lead_name) == (State.ENDED, "Member 4")


# ---- Erased while it is read


@pytest.mark.parametrize("named", ["", X.hex()])
@pytest.mark.parametrize("kinds", [[Kind.DECLARATION], [Kind.CRISIS_ACT], [Kind.DECLARATION, Kind.CRISIS_ACT]])
def test_what_a_sweep_erases_between_any_two_statements_of_a_reader_is_gone_and_breaks_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kinds: Sequence[Kind], named: str
) -> None:
    for declared, object_id in ((stage.say(1, declare(object_id=one)), one) for one in (Y, X)):
        stage.say(2, cosign(declared, object_id=object_id))
        stage.say(3, act(declared, object_id=object_id, dispute=record_pb2.Note(text="old")))
    seen, held = stage.seen(), stage.reader.stores
    gone = index.numbers(held.index, [one.hash for one in index.of_kinds(held.index, kinds) if one.object_id == X])
    held.index.commit()
    statements, cursor, before = 0, driver._cursor, -1

    def sweeping(connection: sa.Connection) -> object:
        nonlocal statements
        statements += 1
        if statements == before:
            for number in gone:
                index.drop_record(held.index, number)
        return cursor(connection)

    monkeypatch.setattr(driver, "_cursor", sweeping)
    while before < statements:
        before, statements = max(before, 0) + 1, 0
        try:
            found = crises.every(held, seen, named, exercises=True)
            assert named or Y in [one.object_id for one in found]
        except Refused as error:
            assert named, error  # noqa: PT017 - it was gone before it was found
        crises.shown(held, seen, stage.id_of(1), X)
        held.index.rollback()
    assert before > 20, "a reader has many statements"


# ---- After its end


OWING = PAIR + b'\n[review]\nwithin_days = 7\nduties = ["Report to the Forum."]\n'


def test_what_is_owed_after_the_end_of_a_crisis_is_shown_until_it_is_closed_and_of_no_drill(tmp_path: Path) -> None:
    stage = Stage(tmp_path, federation(25, rules(OWING)))
    stage.say(9, documents.draft(OWING, "a framework", "1", BASE_MS))
    for exercise, object_id in ((True, Y), (False, X)):
        declared = stage.say(1, declare(crisis(OWING), object_id=object_id, exercise=exercise))
        assert not stage.view(1, object_id).duties, "nobody has co-signed it"
        assert not stage.view(1, object_id, now_ms=ENDS_MS).duties, "and so it never was one"
        stage.say(2, cosign(declared, object_id=object_id, exercise=exercise))
        assert not stage.view(1, object_id).duties
        over = stage.view(1, object_id, now_ms=ENDS_MS)
        owed = ([], 0) if exercise else (["Report to the Forum."], ENDS_MS + 7 * 24 * HOUR_MS)
        assert (list(over.duties), over.duties_ms) == owed
    over_early = stage.say(1, end(declared))
    assert list(stage.view(1).duties) == ["Report to the Forum."]
    stage.say(1, act(over_early, close=record_pb2.Note()))
    assert (stage.state(1), list(stage.view(1).duties)) == (State.CLOSED, [])
