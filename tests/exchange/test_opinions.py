"""Opinions: whose word counts, in whatever order things came, and what it does to look-ups and lists."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from itertools import permutations
from pathlib import Path

import pytest

from node import limits
from node.errors import Refused
from node.exchange import consult, crises, drafts, matching, opining, opinions, project
from node.exchange.consult import View
from node.exchange.exchange import Exchange
from node.exchange.opining import Subject
from node.exchange.opinions import Judged
from node.exchange.publish import Draft
from node.feed.header import NORMAL, SEALED_RELAY
from node.feed.kinds import Kind
from node.policy import parameters
from node.policy.opinions import Tally, Verdict
from node.store import index, stores
from node.store import opinions as stored
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import opinions_pb2, record_pb2, tools_pb2
from tests.exchange.conftest import node_in, seeded
from tests.exchange.test_keeping import LIST, crisis_draft, items_draft, settle
from tests.exchange.test_odd_order import Letter, hash_of, said, without
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, SeededWrapping

pytestmark = pytest.mark.usefixtures("chance")
DAY_MS = 86_400_000
DISPUTED = Tally(objecting=1)


@pytest.fixture(name="third")
def _third(tmp_path: Path, world: Federation) -> Exchange:
    return seeded(node_in(tmp_path / "third", world, 2), 2)


@pytest.fixture(name="items")
def _items(node: Exchange, author: Exchange) -> Letter:
    """Twenty items of the author's, at the node."""
    (letter,) = said(author, items_draft(crisis_id=b""))
    take(node, [letter])
    return letter


def take(node: Exchange, letters: Sequence[Letter], now_ms: int = BASE_MS) -> None:
    for letter in letters:
        checked = node.verify(node.unseen([letter]))
        assert checked.fault is None
        node.admit(checked, now_ms)
    settle(node)


def view(node: Exchange, now_ms: int = BASE_MS + 1) -> View:
    seen = consult.view(node.trust, node.follows, now_ms, node.ignores)
    return replace(seen, rules=parameters.decode(PLAIN.encode(), "the rules"))


def opinion(about: bytes, verdict: Verdict, places: int = 1, *, exercise: bool = False) -> Draft:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.OPINION, object_id=LIST, exercise=exercise
    )
    record.opinion.entry, record.opinion.verdict = about, verdict
    record.opinion.positions = places.to_bytes(-(-places.bit_length() // 8), "little")
    content = record.SerializeToString()
    return Draft(Kind.OPINION, NORMAL, record=content, object_id=LIST, expires_ms=BASE_MS + DAY_MS, exercise=exercise)


def target(node: Exchange, letter: Letter) -> Record:
    found = index.by_hash(node.stores.index, hash_of(node, letter))
    assert found is not None
    return found


def judged(node: Exchange, letter: Letter, seen: View | None = None) -> Judged:
    return opinions.about(node.stores, seen or view(node), target(node, letter))


def obstacles(found: Judged) -> list[str]:
    return [word.obstacle for word in found.words]


# ---- What counts


def test_opinions_come_to_the_same_in_every_order_also_before_their_item_and_in_a_rebuild(
    tmp_path: Path, world: Federation, author: Exchange, third: Exchange
) -> None:
    (letter,) = said(author, items_draft(crisis_id=b""))
    hash_ = hash_of(author, letter)
    spoken = said(
        third,
        opinion(hash_, Verdict.FALSE_POSITIVE, 0b0111),
        opinion(hash_, Verdict.AGREE, 0b0010),
    )
    for number, order in enumerate(permutations([letter, *spoken])):
        node = seeded(node_in(tmp_path / f"n{number}", world, 0), 0)
        take(node, [without(one, "payload") for one in (letter, *spoken)])
        take(node, order)
        for _ in range(2):
            found = judged(node, letter)
            assert [found.at(place) for place in range(4)] == [DISPUTED, Tally(agreeing=1), DISPUTED, Tally()]
            node.rebuild()


def test_an_opinion_about_what_is_not_here_waits(node: Exchange, author: Exchange, third: Exchange) -> None:
    (letter,) = said(author, items_draft(crisis_id=b""))
    take(node, said(third, opinion(hash_of(author, letter), Verdict.FALSE_POSITIVE)))
    assert opining.every(node.stores, view(node), opinions_pb2.ListOpinionsRequest(mine=True)).opinions == []
    take(node, [letter])
    assert judged(node, letter).at() == DISPUTED


def test_what_is_taken_back_was_never_said_and_what_is_over_counts_no_more(
    node: Exchange, items: Letter, third: Exchange
) -> None:
    hash_ = hash_of(node, items)
    first, second = said(third, opinion(hash_, Verdict.SEEN_TOO), opinion(hash_, Verdict.FALSE_POSITIVE))
    take(node, [first, second])
    assert judged(node, items).at() == DISPUTED
    take(node, said(third, drafts.withdrawal(hash_of(node, second), 0, 1)))
    assert judged(node, items).at() == Tally(agreeing=1)
    assert judged(node, items, view(node, BASE_MS + DAY_MS)).at() == Tally()


def test_the_word_of_whoever_may_not_publish_is_shown_and_not_counted(
    node: Exchange, items: Letter, third: Exchange
) -> None:
    take(node, said(third, opinion(hash_of(node, items), Verdict.FALSE_POSITIVE)))
    seen = view(node)
    me = third.reader.member_id
    suspended = replace(seen.roster, seats={**seen.roster.seats, me: replace(seen.roster.seats[me], suspended=True)})
    gone = replace(seen.roster, seats={id_: one for id_, one in seen.roster.seats.items() if id_ != me})
    for roster, word in ((suspended, "suspended"), (gone, "not a member")):
        found = judged(node, items, replace(seen, roster=roster))
        assert found.at() == Tally()
        assert word in obstacles(found)[0]
    assert "rules in force" in obstacles(judged(node, items, replace(seen, rules=None)))[0]


def test_nobody_judges_its_own_and_a_drill_judges_nothing_real(
    node: Exchange, author: Exchange, items: Letter, third: Exchange
) -> None:
    hash_ = hash_of(node, items)
    take(node, said(author, opinion(hash_, Verdict.AGREE)))
    take(node, said(third, opinion(hash_, Verdict.FALSE_POSITIVE, exercise=True)))
    found = judged(node, items)
    assert found.at() == Tally()
    assert sorted(obstacles(found)) == [
        "it is about what is its own: who publishes something takes it back",
        "one of the two is a drill",
    ]


def test_without_a_publisher_whose_word_counts_an_objection_is_no_dispute(
    node: Exchange, author: Exchange, items: Letter, third: Exchange
) -> None:
    take(node, said(third, opinion(hash_of(node, items), Verdict.FALSE_POSITIVE)))
    seen = view(node)
    seat = replace(seen.roster.seats[author.reader.member_id], suspended=True)
    roster = replace(seen.roster, seats={**seen.roster.seats, author.reader.member_id: seat})
    assert judged(node, items, replace(seen, roster=roster)).at().state == "negative"


def test_what_can_be_about_nothing_is_passed_over(node: Exchange, third: Exchange) -> None:
    letters = [
        record_pb2.Opinion(entry=bytes(31), verdict=4),
        record_pb2.Opinion(entry=bytes(32), verdict=4, position=limits.ITEMS_MAX),
        record_pb2.Opinion(entry=bytes(32), verdict=4, positions=b"\xff" * (limits.ITEMS_MAX // 8 + 1)),
        record_pb2.Opinion(entry=bytes(32), verdict=4, positions=bytes(4)),
        record_pb2.Opinion(entry=bytes(32)),
        record_pb2.Opinion(entry=bytes(32), verdict=limits.VERDICT_MAX + 1),
        record_pb2.Opinion(entry=bytes(32), verdict=limits.VERDICT_MAX),
    ]
    records = [
        record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.OPINION, opinion=letter) for letter in letters
    ]
    spoken = [
        Draft(Kind.OPINION, NORMAL, record=one.SerializeToString(), expires_ms=BASE_MS + DAY_MS) for one in records
    ]
    take(node, said(third, *spoken))
    (kept,) = stored.of_member(node.stores.index, third.reader.member_id, 10)
    assert (kept.verdict, kept.places) == (limits.VERDICT_MAX, 1)


def test_whoever_says_very_much_of_one_record_is_heard_to_a_bound_and_the_newest_first(
    node: Exchange, items: Letter, third: Exchange
) -> None:
    hash_ = hash_of(node, items)
    many = limits.OPINIONS_OF_FEED_MAX
    spoken = [opinion(hash_, Verdict.AGREE, 0b10), *[opinion(hash_, Verdict.SEEN_TOO)] * (many - 1)]
    take(node, said(third, *spoken))
    assert len(stored.about(node.stores.index, hash_)) == many
    assert judged(node, items).at(1) == Tally(agreeing=1)
    take(node, said(third, opinion(hash_, Verdict.FALSE_POSITIVE)))
    assert len(stored.about(node.stores.index, hash_)) == many
    assert [judged(node, items).at(place) for place in (0, 1)] == [DISPUTED, Tally()]


def test_an_erased_opinion_leaves_nothing_behind(node: Exchange, items: Letter, third: Exchange) -> None:
    (letter,) = said(third, opinion(hash_of(node, items), Verdict.FALSE_POSITIVE))
    take(node, [letter])
    hash_ = hash_of(node, letter)
    number = project.hide(node.stores, hash_)
    assert number is not None
    project.forget(node.stores, number, node.keep)
    assert not stored.touched(node.stores.index, [hash_of(node, items)])


# ---- What it does


@contextmanager
def reading(folder: Path) -> Iterator[Stores]:
    """The stores as readers have them."""
    opened = stores.open_to_read(folder)
    yield opened
    opened.close()


def look_up(folder: Path, seen: View) -> tools_pb2.LookUpResponse:
    values = [sha256(bytes([i])).digest() for i in range(20)]
    with reading(folder) as stores_:
        return matching.look_up(stores_, seen, matching.ask(tools_pb2.LookUpRequest(kind="sha256", values=values)))


@pytest.mark.parametrize(
    ("exemptions", "otherwise", "reason"), [([], "block", ""), (["news"], "review", "may also be news; ")]
)
def test_a_disputed_item_is_for_review_and_says_why_and_the_others_are_as_before(
    tmp_path: Path,
    node: Exchange,
    author: Exchange,
    third: Exchange,
    exemptions: list[str],
    otherwise: str,
    reason: str,
) -> None:
    draft = items_draft(crisis_id=b"")
    record = record_pb2.Record.FromString(draft.record)
    record.items.advice = "block"
    record.items.exemptions.extend(exemptions)
    (letter,) = said(author, replace(draft, record=record.SerializeToString()))
    take(node, [letter, *said(third, opinion(hash_of(author, letter), Verdict.WRONG_LABEL, 0b100))])
    found = {one.position: one for one in look_up(tmp_path / "node", view(node)).matches}
    assert len(found) == 20
    assert {at for at, one in found.items() if (one.advice, one.opinion) != (otherwise, "")} == {2}
    disputed = found[2]
    assert (disputed.advice, disputed.opinion, disputed.objecting) == ("review", "disputed", 1)
    assert disputed.reason == f"{reason}disputed: wrong label, by 1 member"


def test_a_list_says_how_many_of_its_items_are_disputed_and_what_is_made_of_the_whole(
    tmp_path: Path, node: Exchange, author: Exchange, items: Letter, third: Exchange
) -> None:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.LIST, object_id=LIST, list=record_pb2.HashList(name="halle")
    )
    head = Draft(Kind.LIST, NORMAL, record=record.SerializeToString(), object_id=LIST, expires_ms=BASE_MS + 30 * DAY_MS)
    first, second = said(author, head, replace(head, expires_ms=BASE_MS + 31 * DAY_MS))
    take(node, [first, second, *said(third, opinion(hash_of(author, first), Verdict.OUT_OF_SCOPE))])
    take(node, said(third, opinion(hash_of(node, items), Verdict.FALSE_POSITIVE, 0b1110)))
    take(node, said(author, drafts.withdrawal(hash_of(node, items), 0b10, 2)))
    with reading(tmp_path / "node") as stores_:
        (found,) = consult.lists(stores_, view(node), "", exercises=False)
    assert (found.disputed, found.opinion, found.objecting, found.agreeing) == (2, "disputed", 1, 0)


# ---- Saying it


def test_the_same_again_says_nothing_and_more_of_it_is_said_with_what_was(
    node: Exchange, items: Letter, third: Exchange, author: Exchange
) -> None:
    take(third, [items])
    record, letter = target(third, items), record_pb2.Opinion(verdict=Verdict.SEEN_TOO)
    one = Subject(record, 0b11)
    assert opining.still_to_say(third.stores, view(third), one, letter) == 0b11
    take(node, said(third, drafts.opinion(record, 0b11, letter, BASE_MS)))
    settle(third)
    assert opining.still_to_say(third.stores, view(third), one, letter) == 0
    assert opining.still_to_say(third.stores, view(third), Subject(record, 0b110), letter) == 0b111
    other = record_pb2.Opinion(verdict=Verdict.SEEN_TOO, note="on the front page")
    assert opining.still_to_say(third.stores, view(third), one, other) == 0b11
    assert judged(node, items).at(1) == Tally(agreeing=1)


def test_whoever_published_hears_who_objects_and_to_what(
    node: Exchange, author: Exchange, items: Letter, third: Exchange
) -> None:
    settle(author)
    take(author, said(third, opinion(hash_of(node, items), Verdict.FALSE_POSITIVE, 0b101)))
    (found,) = opining.every(author.stores, view(author), opinions_pb2.ListOpinionsRequest(mine=True)).opinions
    assert (found.mine, found.kind, list(found.positions), found.obstacle) == (True, "items", [0, 2], "")
    assert found.about.endswith(":0")
    assert found.member_name == "Member 2"
    assert not opining.every(node.stores, view(node), opinions_pb2.ListOpinionsRequest(mine=True)).opinions


def test_very_long_notes_of_others_leave_room_for_the_rest(
    node: Exchange, items: Letter, third: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_, spoken = hash_of(node, items), []
    for place in range(3):
        record = record_pb2.Record.FromString(opinion(hash_, Verdict.AGREE, 1 << place).record)
        record.opinion.note = "x" * 100_000
        draft = opinion(hash_, Verdict.AGREE)
        spoken.append(replace(draft, record=record.SerializeToString()))
    take(node, said(third, *spoken))
    request = opinions_pb2.ListOpinionsRequest(about=matching.item_record(node.stores, "x/y", hash_))
    whole = opining.every(node.stores, view(node), request)
    assert [len(one.note) for one in whole.opinions] == [opining.TEXT_CHARACTERS_MAX] * 3
    monkeypatch.setattr(consult, "ANSWER_BYTES_MAX", 2 * whole.opinions[0].ByteSize() + 100)
    cut = opining.every(node.stores, view(node), request)
    assert (len(cut.opinions), cut.more) == (2, True)


def test_nothing_is_said_of_our_own_of_what_is_not_here_and_of_what_is_not_for_all(
    node: Exchange, author: Exchange, items: Letter, world: Federation
) -> None:
    settle(author)
    typed = f"{matching.item_record(node.stores, 'x/y', hash_of(node, items))}:3"
    (one,) = opining.joined(
        opining.subject(node.stores, view(node), each) for each in (typed, typed.replace(":3", ":1"))
    )
    assert one.places == 0b1010
    with pytest.raises(Refused, match="is ours"):
        opining.subject(author.stores, view(author), typed)
    with pytest.raises(Refused, match="no item"):
        opining.subject(node.stores, view(node), typed.replace(":3", ":20"))
    draft = items_draft(first=40, crisis_id=b"")
    record = record_pb2.Record.FromString(draft.record)
    record.handling.tlp = 3
    sealed = replace(
        draft,
        record=record.SerializeToString(),
        object_id=b"",
        carriage=SEALED_RELAY,
        readers=(SeededWrapping.public(world.members[0].kem),),
    )
    (letter,) = said(author, sealed)
    take(node, [letter])
    about = f"{matching.item_record(node.stores, 'x/y', hash_of(node, letter))}:0"
    with pytest.raises(Refused, match="not for all members"):
        opining.subject(node.stores, view(node), about)


def test_a_crisis_is_judged_as_a_whole(tmp_path: Path, node: Exchange, author: Exchange, third: Exchange) -> None:
    (letter,) = said(author, crisis_draft())
    take(node, [letter])
    take(third, [letter])
    with reading(tmp_path / "third") as stores_:
        (shown,) = crises.every(stores_, view(third), "", exercises=False)
        one = opining.subject(stores_, view(third), shown.reference)
    assert one.is_whole
    said_of = record_pb2.Opinion(verdict=Verdict.FALSE_POSITIVE)
    take(node, said(third, drafts.opinion(one.record, one.places, said_of, BASE_MS)))
    heads = opinions.heads(node.stores, one.record.member_id, one.record.object_id, exercise=False)
    assert opinions.about_object(node.stores, view(node), heads).at() == DISPUTED


@pytest.mark.parametrize(
    "request_",
    [
        opinions_pb2.OpineRequest(about=["x"], verdict=7),
        opinions_pb2.OpineRequest(verdict=1),
        opinions_pb2.OpineRequest(about=["x"], verdict=2),
        opinions_pb2.OpineRequest(about=["x"], verdict=1, label="propaganda"),
        opinions_pb2.OpineRequest(about=["x"], verdict=1, note="x" * (opining.TEXT_CHARACTERS_MAX + 1)),
        opinions_pb2.OpineRequest(about=["x"] * (opining.ABOUT_MAX + 1), verdict=1),
    ],
)
def test_an_opinion_that_cannot_be_is_refused(request_: opinions_pb2.OpineRequest) -> None:
    with pytest.raises(Refused):
        opining.check(request_)
