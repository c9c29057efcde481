"""What came of a crisis is told once, and what members tell is read alike, whoever tells it in whatever order."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from node.errors import Refused
from node.exchange import acknowledging, consult, crises
from node.exchange.acknowledging import About, Reached, Row
from node.exchange.delivering import Delivering
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed.header import AUTHOR_ONLY, URGENT
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Marks
from node.feed.statements import Bound
from node.policy import deliveries as telling
from node.policy.deliveries import Stage
from node.store import acknowledgements, deliveries, index, payloads
from node.store.payloads import State
from node.v1 import header_pb2, record_pb2, tools_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_doubts import POINTER, act
from tests.exchange.test_forks import declaration, drill, end_of, restarted
from tests.exchange.test_odd_order import ENDS_MS, hash_of, items_draft, said, take, without
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, SeededWrapping, federation

SOON_MS = BASE_MS + telling.DELAY_MS + telling.SPREAD_MS  # by then every member has told it
Letter = header_pb2.SignedEntry


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, PLAIN.encode())


@pytest.fixture(name="delivering")
def _delivering(node: Exchange) -> Delivering:
    return Delivering(node.reader.member_id)


def view(node: Exchange, now_ms: int) -> consult.View:
    while node.project():
        pass
    return consult.view(node.trust, node.follows, now_ms)


def tell(node: Exchange, delivering: Delivering, now_ms: int = SOON_MS) -> list[tuple[Letter, record_pb2.Record]]:
    """One turn: what is due is said."""
    seen = view(node, now_ms)
    due = delivering.look(node.stores, seen)
    letters = said(node, *due.drafts, now_ms=now_ms) if due.drafts else []
    delivering.said(due, now_ms)
    return [(one, record_pb2.Record.FromString(draft.record)) for one, draft in zip(letters, due.drafts, strict=True)]


def entries(told: Sequence[tuple[Letter, record_pb2.Record]]) -> list[list[bytes]]:
    return [list(record.acknowledgement.entries) for _, record in told]


def acknowledge(node: Exchange, hash_: HeaderHash, stage: Stage, at_ms: int, route: int = 0) -> Letter:
    """What a member says of the first crisis."""
    about = About(ObjectId((1).to_bytes(16)), False, (hash_,), ENDS_MS)
    (letter,) = said(node, acknowledging.draft(about, stage, at_ms, route, view(node, BASE_MS)))
    return letter


def rows(node: Exchange, *hashes: HeaderHash) -> dict[MemberId, Row]:
    seen = view(node, BASE_MS + 1)
    return {one.member_id: one for one in acknowledging.of_entries(node.stores, seen, hashes)}


# ---- What came is told


def test_what_came_of_a_crisis_is_told_once(node: Exchange, author: Exchange, delivering: Delivering) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    assert tell(node, delivering, BASE_MS) == [], "not all members at once"
    ((_, record),) = tell(node, delivering)
    assert list(record.acknowledgement.entries) == [hash_of(node, letter)]
    assert (record.acknowledgement.stage, record.acknowledgement.at_ms) == (Stage.DELIVERED, BASE_MS)
    assert (record.handling.tlp, record.object_id) == (2, (1).to_bytes(16))
    assert deliveries.every(node.stores.ledger, 0) == []
    assert tell(node, delivering, SOON_MS + 10**6) == []
    assert tell(node, Delivering(node.reader.member_id), SOON_MS + 10**6) == [], "nor by a node that was started anew"


def test_what_comes_soon_after_is_told_together_and_a_drill_apart(
    node: Exchange, author: Exchange, delivering: Delivering
) -> None:
    real, act, other, drilled = said(author, declaration(1), end_of(1), declaration(3), drill(2))
    take(node, [real, act, other, drilled])
    told = tell(node, delivering)
    hashes = [hash_of(node, one) for one in (real, act, other, drilled)]
    assert {frozenset(one) for one in entries(told)} == {
        frozenset(hashes[:2]),
        frozenset([hashes[2]]),
        frozenset([hashes[3]]),
    }
    flags = {bytes(one.acknowledgement.entries[0]): one.exercise for _, one in told}
    assert [flags[hash_] for hash_ in hashes[2:]] == [False, True]


def test_of_one_crisis_it_is_told_ever_so_often_and_of_one_author_so_much_in_an_hour(
    node: Exchange, author: Exchange, delivering: Delivering, tmp_path: Path, world: Federation
) -> None:
    first, second = said(author, declaration(1), end_of(1))
    take(node, [first])
    assert len(tell(node, delivering)) == 1
    take(node, [second])
    assert tell(node, delivering, SOON_MS + telling.EVERY_MS - 1) == []
    assert len(tell(node, delivering, SOON_MS + telling.EVERY_MS)) == 1
    many = telling.PER_AUTHOR_MAX + 5
    other = node_in(tmp_path / "other", world, 2)
    take(node, said(author, *map(declaration, range(2, 2 + many))))
    take(node, said(other, declaration(900)))
    later_ms = SOON_MS + telling.EVERY_MS + 1
    assert len(tell(node, delivering, later_ms)) == telling.PER_AUTHOR_MAX - 2 + 1, "the other author waits for nothing"
    assert tell(node, delivering, later_ms + 1000) == []
    assert len(tell(node, delivering, later_ms + 3_600_000)) == many + 2 - telling.PER_AUTHOR_MAX


def test_drills_are_told_last_and_keep_nothing_real_of_their_author_from_being_told(
    node: Exchange, author: Exchange, delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "PER_HOUR_MAX", telling.PER_AUTHOR_MAX + 1)
    monkeypatch.setattr(telling, "WAITING_PER_AUTHOR_MAX", telling.PER_AUTHOR_MAX + 2)
    take(node, said(author, *map(drill, range(1, telling.PER_AUTHOR_MAX + 10))))
    take(node, said(author, declaration(900)))
    first, *others = tell(node, delivering)
    assert [first[1].exercise, *{record.exercise for _, record in others}] == [False, True]
    assert len(others) == telling.PER_AUTHOR_MAX
    take(node, said(author, declaration(901)))
    ((_, told),) = tell(node, delivering, SOON_MS + 1)
    assert told.object_id == (901).to_bytes(16)
    assert len(tell(node, delivering, SOON_MS + 3_600_000)) == 2, "the drills wait for their turn"


def test_nothing_is_told_of_our_own_of_lists_of_what_is_not_here_and_of_what_is_sealed(
    node: Exchange, author: Exchange, delivering: Delivering
) -> None:
    sealed = replace(
        declaration(5),
        readers=(SeededWrapping.public(node.reader.private_keys[0]),),
        carriage=AUTHOR_ONLY,
    )
    bare, list_, closed = said(author, declaration(1), items_draft(), sealed)
    take(node, [without(bare, "box", "payload"), list_, closed])
    said(node, declaration(7))
    assert payloads.state(node.stores.ledger, hash_of(node, closed)) is State.PRESENT
    assert tell(node, delivering) == []
    take(node, [bare])
    assert entries(tell(node, delivering)) == [[hash_of(node, bare)]], "once it can be read"


def test_another_node_of_the_member_that_told_it_spares_this_one(
    node: Exchange, author: Exchange, delivering: Delivering, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    twin = node_in(tmp_path / "twin", world, 0)
    take(twin, [letter])
    take(node, [letter])
    ((told, _),) = tell(twin, Delivering(twin.reader.member_id))
    take(node, [told])
    assert deliveries.every(node.stores.ledger, 0) == []


def test_what_was_signed_and_not_stored_is_not_told_again(
    node: Exchange, author: Exchange, delivering: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(node, said(author, declaration(1)))
    with monkeypatch.context() as patch:
        patch.setattr("node.exchange.ingest.admit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tell(node, delivering)
    restarted(node)
    assert tell(node, Delivering(node.reader.member_id), SOON_MS + 10**6) == []


def comment(number: int, about: bytes = b"") -> Draft:
    object_id = number.to_bytes(16)
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.CRISIS_ACT, object_id=object_id)
    record.crisis_act.comment.text, record.crisis_act.entry = "more", about
    return Draft(Kind.CRISIS_ACT, URGENT, record=record.SerializeToString(), object_id=object_id, expires_ms=ENDS_MS)


def test_what_is_over_before_it_could_be_told_is_told_no_more_and_keeps_nothing_else_waiting(
    node: Exchange, author: Exchange, delivering: Delivering
) -> None:
    short = replace(end_of(1), expires_ms=BASE_MS + 1000)
    letters = said(author, short, declaration(2))
    take(node, letters)
    assert entries(tell(node, delivering)) == [[hash_of(node, letters[1])]]
    assert deliveries.every(node.stores.ledger, 0) != []
    node.tidy_duties(0, 0, SOON_MS)
    assert deliveries.every(node.stores.ledger, 0) == []


def test_what_is_over_is_refused_and_signed_by_nobody(author: Exchange) -> None:
    with pytest.raises(Refused, match="over before"):
        said(author, replace(comment(1), expires_ms=BASE_MS))


def test_one_member_that_says_very_much_keeps_no_other_waiting(
    node: Exchange,
    author: Exchange,
    delivering: Delivering,
    tmp_path: Path,
    world: Federation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "WAITING_PER_AUTHOR_MAX", telling.PER_AUTHOR_MAX + 10)
    other = node_in(tmp_path / "other", world, 2)
    victims, last = 900, 901
    take(node, said(author, comment(victims), *map(declaration, range(1, 100))))
    rows = deliveries.every(node.stores.ledger, 0)
    assert len(rows) == telling.PER_AUTHOR_MAX + 10, "beyond that nothing waits"
    theirs = said(other, declaration(victims), declaration(last))
    node.admit(node.verify(node.unseen(theirs)), BASE_MS + 1)
    told = [one for each in entries(tell(node, delivering)) for one in each]
    assert {hash_of(node, one) for one in theirs} <= set(told)


# ---- What members tell


def test_each_member_is_shown_as_far_as_it_says_by_whoever_of_its_nodes_and_silence_too(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    hash_ = hash_of(node, letter)
    others = [node_in(tmp_path / f"m{number}", world, number) for number in (2, 3, 4)]
    for one in (node, *others):
        take(one, [letter])
    told = [
        acknowledge(others[0], hash_, Stage.DELIVERED, BASE_MS + 10),
        acknowledge(others[1], hash_, Stage.DELIVERED, BASE_MS + 20),
        acknowledge(others[1], hash_, Stage.SEEN, BASE_MS + 500, route=2),
        acknowledge(others[2], hash_, Stage.ACTED, BASE_MS + 900),
    ]
    by_number = {one.number: one.member_id for one in world.members}
    views = []
    for number, order in enumerate(list(permutations(range(len(told))))[::5]):
        reader = node_in(tmp_path / f"n{number}", world, 0)
        if number % 2:
            take(reader, [letter])
        for place in (0, 1, 2, 3):
            take(reader, [without(told[place], "payload")])  # of one feed they are chained; payloads come in any order
        for place in order:
            take(reader, [told[place]])
            view(reader, BASE_MS)
        take(reader, [letter])
        views.append(rows(reader, hash_))
        reader.rebuild()
        views.append(rows(reader, hash_))
        reader.stores.close()
    found = views[0]
    assert all(one == found for one in views)
    assert found[by_number[2]].delivered == Reached(BASE_MS + 10, BASE_MS, 0)
    assert found[by_number[2]].seen is None
    seen = found[by_number[3]]
    assert (seen.delivered, seen.seen) == (Reached(BASE_MS + 20, BASE_MS, 0), Reached(BASE_MS + 500, BASE_MS, 2))
    acted = found[by_number[4]]
    assert acted.delivered == acted.seen == acted.acted == Reached(BASE_MS + 900, BASE_MS, 0), "who acts has seen it"
    assert found[by_number[5]] == Row(by_number[5]), "silence is counted"
    assert author.reader.member_id not in found, "nobody waits for whoever said it"
    assert len(found) == 24
    assert not any(one.beside for one in found.values())


def test_of_several_entries_a_member_has_come_as_far_as_with_all_of_them(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    letters = said(author, declaration(1), end_of(1))
    first, second = (hash_of(node, one) for one in letters)
    other = node_in(tmp_path / "other", world, 2)
    for one in (node, other):
        take(one, letters)
    take(node, [acknowledge(other, first, Stage.SEEN, BASE_MS + 1)])
    assert rows(node, first, second)[other.reader.member_id].delivered is None
    take(node, [acknowledge(other, second, Stage.DELIVERED, BASE_MS + 2)])
    found = rows(node, first, second)[other.reader.member_id]
    assert found.delivered is not None
    assert found.seen is None


def test_of_a_drill_nothing_is_said_that_is_not_marked_so_and_what_is_superseded_counts_nowhere(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    hash_ = hash_of(node, letter)
    other = node_in(tmp_path / "other", world, 2)
    for one in (node, other):
        take(one, [letter])
    about = About(ObjectId((1).to_bytes(16)), True, (hash_,), ENDS_MS)
    take(node, said(other, acknowledging.draft(about, Stage.SEEN, BASE_MS, 0, view(other, BASE_MS))))
    member_id = other.reader.member_id
    assert rows(node, hash_)[member_id].seen is None
    take(node, [acknowledge(other, hash_, Stage.SEEN, BASE_MS)])
    assert rows(node, hash_)[member_id].seen is not None
    node.trust = replace(node.trust, marks=Marks(ends=frozenset({Bound(other.author.feed_id, 1, bytes(32))})))
    assert rows(node, hash_)[member_id].seen is None


def test_what_is_no_acknowledgement_is_not_counted(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    hash_ = hash_of(node, letter)
    take(node, [letter])
    said_by = node_in(tmp_path / "other", world, 2)
    bent_ones: list[tuple[int, list[bytes]]] = [(9, [hash_]), (1, [hash_, b"short"]), (1, [hash_] * 257)]
    for number, (stage, named) in enumerate(bent_ones):
        record = record_pb2.Record(kind=Kind.ACKNOWLEDGEMENT, object_id=number.to_bytes(16))
        record.acknowledgement.stage = stage
        record.acknowledgement.entries.extend(named)
        bent = Draft(
            Kind.ACKNOWLEDGEMENT,
            1,
            record=record.SerializeToString(),
            object_id=number.to_bytes(16),
            expires_ms=ENDS_MS,
        )
        take(node, said(said_by, bent))
    view(node, BASE_MS)
    assert acknowledgements.of_entry(node.stores.index, hash_) == []


def test_what_is_erased_is_counted_no_more(node: Exchange, author: Exchange, tmp_path: Path, world: Federation) -> None:
    (letter,) = said(author, declaration(1))
    hash_ = hash_of(node, letter)
    other = node_in(tmp_path / "other", world, 2)
    for one in (node, other):
        take(one, [letter])
    told = acknowledge(other, hash_, Stage.SEEN, BASE_MS)
    take(node, [told])
    assert rows(node, hash_)[other.reader.member_id].seen
    number = index.number(node.stores.index, hash_of(node, told))
    assert number
    index.drop_record(node.stores.index, number)
    assert acknowledgements.of_entry(node.stores.index, hash_) == []
    assert rows(node, hash_)[other.reader.member_id].seen is None


# ---- What a person confirms


def test_what_others_said_of_a_crisis_is_confirmed_once_and_what_they_say_later_too(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])

    def left(stage: Stage = Stage.SEEN) -> tuple[HeaderHash, ...]:
        seen = view(node, BASE_MS + 1)
        (crisis,) = crises.every(node.stores, seen, "crisis 1", exercises=True)
        return acknowledging.unconfirmed(node.stores, seen, crisis, stage).entries

    hash_ = hash_of(node, letter)
    assert left() == (hash_,)
    acknowledge(node, hash_, Stage.SEEN, BASE_MS)
    assert left() == ()
    assert left(Stage.ACTED) == (hash_,)
    assert acknowledging.is_confirmed(node.stores, view(node, BASE_MS), hash_)
    other = node_in(tmp_path / "other", world, 2)
    (more,) = said(other, comment(1, hash_))
    take(node, [more])
    said(node, comment(1, hash_))
    assert left() == (hash_of(node, more),), "our own is nothing that we confirm"


def test_what_is_sealed_or_about_another_members_crisis_by_the_same_id_is_not_confirmed(
    node: Exchange, author: Exchange, tmp_path: Path, world: Federation
) -> None:
    other = node_in(tmp_path / "other", world, 2)
    (real,), (junk,) = said(author, declaration(1)), said(other, declaration(1))
    hashes = [hash_of(node, one) for one in (real, junk)]
    threat, about_junk = (act(record_pb2.CrisisAct(pointer=POINTER), one) for one in hashes)
    to_us = (SeededWrapping.public(node.reader.private_keys[0]),)
    sealed = replace(comment(1), readers=to_us, carriage=AUTHOR_ONLY)
    said_of_it = said(author, threat, sealed, replace(comment(1), expires_ms=BASE_MS + 10_000))
    said_of_junk = said(other, about_junk)
    take(node, [real, junk, *said_of_it, *said_of_junk])
    seen = view(node, BASE_MS + 1)
    found = {one.member_id: one for one in crises.every(node.stores, seen, "crisis 1", exercises=True)}

    def left(by: Exchange) -> set[HeaderHash]:
        return set(acknowledging.unconfirmed(node.stores, seen, found[by.reader.member_id], Stage.SEEN).entries)

    assert left(author) == {hashes[0], hash_of(node, said_of_it[0])}
    assert left(other) == {hashes[1], hash_of(node, said_of_junk[0])}


@pytest.mark.parametrize("at_ms", [-(2**63), 2**63 - 1])
def test_an_acknowledgement_of_a_time_that_no_entry_could_have_is_shown_as_of_when_it_came(
    node: Exchange, author: Exchange, at_ms: int
) -> None:
    (letter,) = said(author, declaration(1))
    take(node, [letter])
    acknowledge(node, hash_of(node, letter), Stage.SEEN, at_ms)
    found = acknowledging.view(
        node.stores, view(node, BASE_MS + 1), tools_pb2.ListAcknowledgementsRequest(crisis="crisis 1")
    )
    (own,) = (one for one in found.members if one.member_id == node.reader.member_id)
    assert (own.seen.at_ms, own.seen.after_ms) == (BASE_MS, 0)


def test_how_far_it_came_is_shown_by_its_name_or_by_an_entry(node: Exchange, author: Exchange) -> None:
    letters = said(author, declaration(1), end_of(1))
    take(node, letters)
    acknowledge(node, hash_of(node, letters[0]), Stage.DELIVERED, BASE_MS + 300)
    seen = view(node, BASE_MS + 1)
    found = acknowledging.view(node.stores, seen, tools_pb2.ListAcknowledgementsRequest(crisis="crisis 1"))
    assert (found.expected, found.delivered, found.seen, found.acted) == (24, 1, 0, 0)
    (own,) = (one for one in found.members if one.member_id == node.reader.member_id)
    assert (own.state, own.delivered.after_ms, own.HasField("seen")) == ("delivered", 300, False)
    by_entry = tools_pb2.ListAcknowledgementsRequest(entry=hash_of(node, letters[1]))
    found = acknowledging.view(node.stores, seen, by_entry)
    assert (found.crisis.crisis.title, found.delivered) == ("crisis 1", 0)
