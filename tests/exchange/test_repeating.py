"""What we said of items follows them into the record that takes the place of theirs, once, and no further than that."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from node.exchange import drafts, project, repeating
from node.exchange.consult import View
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.repeating import Due, Repeating
from node.feed.header import SEALED_RELAY
from node.feed.keys import HeaderHash
from node.feed.marks import Marks
from node.feed.statements import Bound
from node.policy.opinions import Verdict
from node.policy.quota import Rate
from node.store import opinions as stored
from node.store.opinions import Opinion
from node.v1 import record_pb2
from tests.exchange.conftest import node_in, seeded
from tests.exchange.test_keeping import LIST, items_draft, settle
from tests.exchange.test_odd_order import Letter, hash_of, said
from tests.exchange.test_opinions import opinion, take, view
from tests.simulator.members import BASE_MS, Federation, SeededWrapping

pytestmark = pytest.mark.usefixtures("chance")
VALUES = sorted(sha256(bytes([i])).digest() for i in range(20))  # those of `items_draft`, by position
LATER_MS = BASE_MS + 60_000


@pytest.fixture(name="before")
def _before(node: Exchange, author: Exchange) -> HeaderHash:
    """Twenty items of the author's, at the node."""
    return publish(node, author, items_draft(crisis_id=b""))


def publish(node: Exchange, author: Exchange, *made: Draft) -> HeaderHash:
    letters = said(author, *made)
    take(node, letters)
    return hash_of(node, letters[-1])


def anew(
    before: HeaderHash, values: Sequence[bytes] = VALUES[3:], labels: Sequence[str] = (), list_id: bytes = LIST
) -> Draft:
    """The record in which these of the items are written anew."""
    draft = items_draft(crisis_id=b"", labels=labels, list_id=list_id)
    record = record_pb2.Record.FromString(draft.record)
    record.items.digests = b"".join(values)
    record.replaces.append(before)
    return replace(draft, record=record.SerializeToString())


def say(node: Exchange, *made: Draft, now_ms: int = BASE_MS) -> list[Letter]:
    letters = said(node, *made, now_ms=now_ms)
    settle(node)
    return letters


def due(node: Exchange, seen: View | None = None, again: Repeating | None = None) -> Due:
    return (again or Repeating(node.reader, node.author.feed_id)).look(node.stores, seen or view(node, LATER_MS))


def ours(node: Exchange, target: HeaderHash) -> list[Opinion]:
    return [one for one in stored.about(node.stores.index, target) if one.member_id == node.reader.member_id]


def test_what_was_said_of_an_item_is_said_again_where_it_stands_now_and_only_once(
    node: Exchange, author: Exchange, before: HeaderHash
) -> None:
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111), opinion(before, Verdict.SEEN_TOO, 1 << 19))
    assert due(node) == Due()
    after = publish(node, author, anew(before))
    again = Repeating(node.reader, node.author.feed_id)
    found = due(node, again=again)
    assert all(one.looked_through for one in found.drafts)
    say(node, *found.drafts, now_ms=LATER_MS)
    assert {(Verdict(one.verdict), one.places) for one in ours(node, after)} == {
        (Verdict.FALSE_POSITIVE, 0b11),  # the items at 3 and 4; those before them are in the list no more
        (Verdict.SEEN_TOO, 1 << 16),
    }
    assert due(node).drafts == (), "a node that has just started finds that all was said"
    again.said(found, LATER_MS)
    assert due(node, again=again) == Due()


def test_the_words_of_others_are_theirs_to_repeat(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange, before: HeaderHash
) -> None:
    third = seeded(node_in(tmp_path / "third", world, 2), 2)
    take(node, said(third, opinion(before, Verdict.FALSE_POSITIVE, 0b11111)))
    publish(node, author, anew(before))
    seen = ended(view(node, LATER_MS), third)
    assert due(node, seen) == Due()
    say(node, opinion(before, Verdict.AGREE, 1 << 10))
    (draft,) = due(node, seen).drafts
    assert record_pb2.Record.FromString(draft.record).opinion.verdict == Verdict.AGREE


def ended(seen: View, whose: Exchange, *, by_root: bool = True) -> View:
    end = Bound(whose.author.feed_id, 99, HeaderHash(bytes(32)))
    trust, member_id = (
        replace(seen.trust, marks=replace(seen.trust.marks, ends=frozenset({end}))),
        whose.reader.member_id,
    )
    log = trust.logs[member_id]
    retired = replace(log, identity=replace(log.identity, retired=(end,)))
    return replace(seen, trust=replace(trust, logs={**trust.logs, member_id: retired}) if by_root else trust)


def test_another_node_of_the_member_says_it_as_long_as_its_feed_goes_on(
    node: Exchange, author: Exchange, before: HeaderHash
) -> None:
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    publish(node, author, anew(before))
    other = Repeating(node.reader, author.author.feed_id)
    assert not due(node, again=other).drafts
    assert not due(node, ended(view(node, LATER_MS), node, by_root=False), other).drafts, "it may be a thief's"
    assert due(node, ended(view(node, LATER_MS), node), other).drafts


@pytest.mark.parametrize(
    "made",
    [
        {"labels": ["news"]},
        {"list_id": b"another list, so"},
        {"values": VALUES[5:]},
    ],
    ids=["under other labels", "of another list", "without the item"],
)
def test_what_is_not_the_same_is_not_said_of(
    node: Exchange, author: Exchange, before: HeaderHash, made: dict[str, Sequence[bytes]]
) -> None:
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    publish(node, author, anew(before, **made))  # type: ignore[arg-type]
    assert not due(node).drafts


def test_nobody_agrees_by_itself_to_another_advice(node: Exchange, author: Exchange, before: HeaderHash) -> None:
    say(node, opinion(before, Verdict.AGREE, 1 << 10), opinion(before, Verdict.FALSE_POSITIVE, 1 << 11))
    draft = anew(before)
    record = record_pb2.Record.FromString(draft.record)
    record.items.advice = "block"
    publish(node, author, replace(draft, record=record.SerializeToString()))
    (made,) = due(node).drafts
    assert record_pb2.Record.FromString(made.record).opinion.verdict == Verdict.FALSE_POSITIVE


def test_nothing_is_said_of_a_record_that_its_owner_took_back_too(
    node: Exchange, author: Exchange, before: HeaderHash
) -> None:
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    after = publish(node, author, anew(before))
    publish(node, author, drafts.withdrawal(after, 0b1, 1))
    (draft,) = due(node).drafts
    assert record_pb2.Record.FromString(draft.record).opinion.position == 1
    publish(node, author, drafts.withdrawal(after, 0, 1))
    assert not due(node).drafts


def test_nothing_is_said_to_all_of_what_is_not_for_all(node: Exchange, author: Exchange, before: HeaderHash) -> None:
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    draft = anew(before)
    record = record_pb2.Record.FromString(draft.record)
    record.handling.tlp = 3
    readers = (SeededWrapping.public(node.reader.private_keys[0]),)
    narrow = replace(draft, record=record.SerializeToString(), carriage=SEALED_RELAY, readers=readers)
    publish(node, author, narrow)
    assert not due(node).drafts


def test_a_later_word_about_the_new_place_stands_and_what_was_taken_back_stays_so(
    node: Exchange, author: Exchange, before: HeaderHash
) -> None:
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11000))
    after = publish(node, author, anew(before))
    (letter,) = say(node, opinion(after, Verdict.AGREE, 0b01))
    (draft,) = due(node).drafts
    assert record_pb2.Record.FromString(draft.record).opinion.position == 1
    say(node, drafts.withdrawal(hash_of(node, letter), 0, 1), now_ms=LATER_MS)
    assert not due(node).drafts
    number = project.hide(node.stores, hash_of(node, letter))  # an hour later it is erased
    assert number is not None
    project.forget(node.stores, number, node.keep)
    assert not due(node).drafts, "what we took back would be said again by itself"


def test_a_word_that_does_not_count_is_not_said_again(node: Exchange, author: Exchange, before: HeaderHash) -> None:
    """Else what a thief said where our feed has forked would be ours."""
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    publish(node, author, anew(before))
    seen = view(node, LATER_MS)
    marks = seen.trust.marks.merge(Marks(forks=frozenset({(node.author.feed_id, 2)})))
    assert not due(node, replace(seen, trust=replace(seen.trust, marks=marks))).drafts


def test_what_was_taken_back_is_not_said_of_a_third_record_either(
    node: Exchange, author: Exchange, before: HeaderHash
) -> None:
    say(node, opinion(before, Verdict.AGREE, 1 << 10))
    second = publish(node, author, anew(before))
    (letter,) = say(node, *due(node).drafts, now_ms=LATER_MS)
    say(node, drafts.withdrawal(hash_of(node, letter), 0, 1), now_ms=LATER_MS + 1)
    draft = anew(second)
    record = record_pb2.Record.FromString(draft.record)
    record.replaces.append(before)
    publish(node, author, replace(draft, record=record.SerializeToString()))
    assert not due(node, view(node, LATER_MS + 2)).drafts


def test_a_word_that_was_taken_back_follows_nothing(node: Exchange, author: Exchange, before: HeaderHash) -> None:
    (letter,) = say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    say(node, drafts.withdrawal(hash_of(node, letter), 0, 1))
    publish(node, author, anew(before))
    assert not due(node).drafts


def test_whoever_may_not_judge_says_nothing(node: Exchange, author: Exchange, before: HeaderHash) -> None:
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    publish(node, author, anew(before))
    seen = view(node, LATER_MS)
    me = node.reader.member_id
    suspended = replace(seen.roster, seats={**seen.roster.seats, me: replace(seen.roster.seats[me], suspended=True)})
    assert due(node, replace(seen, roster=suspended)) == Due()


def test_items_that_were_erased_from_the_former_record_are_alike_with_nothing(
    node: Exchange, author: Exchange, before: HeaderHash
) -> None:
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    publish(node, author, drafts.withdrawal(before, 0b1000, 7))
    after = publish(node, author, anew(before))
    say(node, *due(node).drafts, now_ms=LATER_MS)
    assert [one.places for one in ours(node, after)] == [0b11], "it stands there still, whatever was taken back before"


def test_whoever_writes_everything_anew_without_end_makes_nobody_speak_without_end(
    node: Exchange, author: Exchange, before: HeaderHash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "PER_OWNER", Rate(2, 1 / 60_000))
    say(node, opinion(before, Verdict.FALSE_POSITIVE, 0b11111))
    again, count = Repeating(node.reader, node.author.feed_id), 0
    for _ in range(repeating.PAIRS_PER_LOOK_MAX + 1):
        publish(node, author, anew(before))
    for _ in range(5):
        found = due(node, again=again)
        assert len(found.drafts) <= repeating.PAIRS_PER_LOOK_MAX
        count += len(found.drafts)
        say(node, *found.drafts, now_ms=LATER_MS)
        again.said(found, LATER_MS)
    assert (count, found.next_ms) == (4, LATER_MS + 1000), "of the first look all, and nothing until there is room"
    found = due(node, view(node, LATER_MS + 180_000), again)
    assert (len(found.drafts), found.next_ms) == (1, Due().next_ms)
