"""Withdrawals of others are answered once, and the answers are read alike in any order."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from node.exchange import consult, crises, drafts, due, erase, restricting, withdrawals
from node.exchange import trust as trusts
from node.exchange.duties import Answering, Holds, Kept, Owed
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed import header as headers
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.feed.marks import Marks
from node.feed.statements import Bound, Receipt
from node.policy import receipts
from node.policy.cooling import DAY_MS, HOUR_MS
from node.policy.receipts import Ground
from node.store import duties, index, ledger, payloads
from node.store.payloads import State
from node.v1 import header_pb2, record_pb2, withdrawals_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_forks import by_root
from tests.exchange.test_odd_order import hash_of, said, take
from tests.exchange.test_standing import LIST, items_of, standing_values
from tests.simulator.members import BASE_MS, FRAMEWORK, Federation, SeededWrapping, seed

MISTAKE, AT_RISK = 1, 6
SOON_MS = BASE_MS + receipts.DELAY_MS + receipts.SPREAD_MS  # by then every member has answered
NOTHING_HELD: Holds = {}
Letter = header_pb2.SignedEntry


def answer(
    node: Exchange, answering: Answering, now_ms: int, holds: Holds = NOTHING_HELD
) -> tuple[list[Receipt], Owed]:
    """One turn: what is due is erased, then what is owed is said."""
    while node.project():
        pass
    seen = consult.view(node.trust, node.follows, now_ms)
    found = due.withdrawn(node.stores, seen)
    if found.erasures:
        node.begin_erasing(found.erasures)
        erase.apply(node.stores, node.erasures, node.keep, node.reader, node.author.randomness)
    node.carry_out(found.carried_out, now_ms)
    owed = answering.look(node.stores, seen, holds)
    node.carry_out(owed.erased, now_ms)
    if owed.drafts:
        node.publish(owed.drafts, now_ms)
        answering.said(owed, now_ms)
    return [receipt_in(one.statement) for one in owed.drafts], owed


def receipt_in(statement: bytes) -> Receipt:
    letter = header_pb2.Receipt.FromString(statement)
    return Receipt(
        HeaderHash(letter.entry),
        letter.restricted_ms,
        letter.erased_ms,
        letter.ground,
        letter.first_seq,
        letter.until_ms,
    )


def receipts_of(node: Exchange) -> list[Letter]:
    rows = ledger.statements_of(node.stores.ledger, Kind.RECEIPT)
    return [Letter(header=row.body, signature=row.signature) for row in rows]


@pytest.fixture(name="answering")
def _answering(node: Exchange) -> Answering:
    return Answering(node.reader.member_id)


def test_it_is_said_once_when_it_restricts_and_once_when_it_is_gone(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    (letter,) = said(author, items_of(range(10)))
    (taken,) = said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))
    take(node, [letter, taken])
    hash_ = hash_of(node, taken)
    assert answer(node, answering, BASE_MS)[0] == [], "it waits for more"
    assert answer(node, answering, SOON_MS)[0] == [Receipt(hash_, restricted_ms=BASE_MS)]
    assert answer(node, answering, BASE_MS + HOUR_MS - 1)[0] == []
    erased_ms = BASE_MS + HOUR_MS
    assert answer(node, answering, erased_ms)[0] == []
    gone = [Receipt(hash_, restricted_ms=BASE_MS, erased_ms=erased_ms)]
    assert answer(node, answering, erased_ms + 2 * HOUR_MS)[0] == gone
    assert answer(node, answering, erased_ms + 10 * HOUR_MS)[0] == []
    assert duties.every(node.stores.ledger, 10) == []


def test_what_presses_is_answered_in_seconds_with_both_times(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    (letter,) = said(author, items_of(range(10)))
    (taken,) = said(author, drafts.withdrawal(hash_of(node, letter), 0b1, AT_RISK))
    take(node, [letter, taken])
    assert answer(node, answering, BASE_MS + 1)[0] == []
    (found,) = answer(node, answering, BASE_MS + 1 + receipts.PRESSING_DELAY_MS)[0]
    assert (found.restricted_ms, found.erased_ms) == (BASE_MS, BASE_MS + 1)


def test_a_thousand_withdrawals_are_one_receipt(node: Exchange, author: Exchange, answering: Answering) -> None:
    (letter,) = said(author, items_of(range(1000)))
    taken = said(author, *(drafts.withdrawal(hash_of(node, letter), 1 << i, MISTAKE) for i in range(1000)))
    take(node, [letter, *taken])
    (found,) = answer(node, answering, SOON_MS)[0]
    rows = [ledger.entry(node.stores.ledger, hash_of(node, one)) for one in (taken[0], taken[-1])]
    assert [row.seq for row in rows if row] == [found.first_seq, found.first_seq + 999]
    assert found.entry == hash_of(node, taken[-1])


def test_who_held_nothing_says_so_and_that_is_all(node: Exchange, author: Exchange, answering: Answering) -> None:
    (letter,) = said(author, items_of(range(10)))
    taken = said(author, drafts.withdrawal(hash_of(node, letter), 0, MISTAKE), drafts.object_withdrawal(b"n" * 16, 1))
    bare = Letter(header=letter.header, signature=letter.signature)
    take(node, [bare, *taken])
    (found,) = answer(node, answering, SOON_MS)[0]
    assert (found.ground, found.erased_ms) == (Ground.HELD_NOTHING, 0)
    assert found.entry == hash_of(node, taken[1])
    assert duties.every(node.stores.ledger, 10) == []


def test_what_is_erased_at_once_and_was_never_here_counts_as_never_held(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    (letter,) = said(author, items_of(range(10)))
    take(node, [Letter(header=letter.header, signature=letter.signature, box=letter.box)])
    take(node, said(author, drafts.withdrawal(hash_of(node, letter), 0, AT_RISK)))
    assert answer(node, answering, BASE_MS)[0] == []
    assert payloads.state(node.stores.ledger, hash_of(node, letter)) is State.ERASED
    (found,) = answer(node, answering, BASE_MS + receipts.PRESSING_DELAY_MS)[0]
    assert (found.ground, found.erased_ms) == (Ground.HELD_NOTHING, 0)


def test_another_feed_that_names_it_is_owed_nothing(
    node: Exchange, author: Exchange, answering: Answering, tmp_path: Path, world: Federation
) -> None:
    stranger = node_in(tmp_path / "stranger", world, 2)
    (letter,) = said(author, items_of(range(10)))
    take(node, [letter, *said(stranger, drafts.withdrawal(hash_of(node, letter), 0, MISTAKE))])
    assert answer(node, answering, BASE_MS + 5 * HOUR_MS)[0] == []


def test_answers_stay_within_a_bound_and_nothing_is_lost(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    """Every second withdrawal has something left here, so no two are answered in one."""
    count = receipts.PER_HOUR_MAX + 30
    (letter,) = said(author, items_of(range(10)))
    odd = [
        drafts.withdrawal(hash_of(node, letter), 1, MISTAKE) if i % 2 else drafts.object_withdrawal(i.to_bytes(16), 1)
        for i in range(count)
    ]
    take(node, [letter, *said(author, *odd)])
    first = answer(node, answering, SOON_MS)[0]
    assert len(first) == receipts.PER_HOUR_MAX
    assert answer(node, answering, SOON_MS + HOUR_MS - 1)[0] == []
    assert len(answer(node, answering, SOON_MS + HOUR_MS)[0]) >= count - receipts.PER_HOUR_MAX


@pytest.mark.parametrize("commits", range(4))
def test_a_death_at_any_commit_of_an_answer_leaves_one(
    node: Exchange, author: Exchange, answering: Answering, commits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was signed strikes the duty out, at the start if need be; what was not is owed still."""
    (letter,) = said(author, items_of(range(10)))
    take(node, [letter, *said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))])
    left = [commits]

    class Death(BaseException):
        pass

    commit = type(node.stores).commit

    def dying(stores: object, name: str) -> None:
        if not left[0]:
            raise Death
        left[0] -= 1
        commit(stores, name)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(type(node.stores), "commit", dying)
        try:
            answer(node, answering, SOON_MS)
        except Death:
            node.stores.rollback()
    node.start(SOON_MS)
    answer(node, Answering(node.reader.member_id), SOON_MS)
    answer(node, Answering(node.reader.member_id), SOON_MS)
    assert len(receipts_of(node)) == 1


# ---- What the author sees


def status(author: Exchange, now_ms: int, typed: str = "") -> withdrawals_pb2.GetWithdrawalResponse:
    while author.project():
        pass
    seen = consult.view(author.trust, author.follows, now_ms)
    (only,), more = withdrawals.every(author.stores, seen)
    assert not more
    return withdrawals.one(author.stores, seen, typed or only.reference)


def states(found: withdrawals_pb2.GetWithdrawalResponse) -> dict[str, str]:
    return {one.member_name: one.state for one in found.answers if one.state != "silent"}


def test_the_author_sees_who_restricted_who_erased_and_who_is_silent(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    (letter,) = said(author, items_of(range(10)))
    take(node, [letter, *said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))])
    before = status(author, BASE_MS)
    assert (before.withdrawal.members, before.withdrawal.unanswered) == (24, 24)
    assert (before.withdrawal.kind, before.withdrawal.items, before.withdrawal.statements) == ("items", 1, 1)
    answer(node, answering, SOON_MS)
    take(author, receipts_of(node))
    found = status(author, SOON_MS)
    name = node.trust.name_of(node.reader.member_id)
    assert states(found) == {name: "restricted"}
    assert (found.withdrawal.restricted, found.withdrawal.erased, found.withdrawal.unanswered) == (1, 0, 23)
    answer(node, answering, BASE_MS + HOUR_MS)
    answer(node, answering, BASE_MS + 3 * HOUR_MS)
    author.admit(author.verify(receipts_of(node)), BASE_MS + 3 * HOUR_MS)
    found = status(author, BASE_MS + 3 * HOUR_MS)
    assert states(found) == {name: "erased"}
    (one,) = [one for one in found.answers if one.state == "erased"]
    assert (one.restricted_ms, one.erased_ms) == (BASE_MS, BASE_MS + HOUR_MS)


def test_answers_are_read_alike_in_every_order_and_before_what_they_answer(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange, answering: Answering
) -> None:
    """A restored author hears the answers before its own old entries."""
    (letter,) = said(author, items_of(range(10)))
    taken = said(author, *(drafts.withdrawal(hash_of(node, letter), 1 << i, MISTAKE) for i in range(3)))
    take(node, [letter, *taken])
    for now_ms in (SOON_MS, BASE_MS + DAY_MS, BASE_MS + DAY_MS + 3 * HOUR_MS):  # three of ten are a mass
        answer(node, answering, now_ms)
    now_ms = BASE_MS + DAY_MS + 4 * HOUR_MS
    found = []
    for number, order in enumerate(permutations([[letter, *taken], receipts_of(node)])):
        again = node_in(tmp_path / f"again{number}", world, 1)
        for letters in order:
            again.admit(again.verify(letters), now_ms)
            while again.project():
                pass
        found.append(status(again, now_ms).SerializeToString(deterministic=True))
    assert found[0] == found[1]
    assert states(withdrawals_pb2.GetWithdrawalResponse.FromString(found[0])) == {
        node.trust.name_of(node.reader.member_id): "erased"
    }


def test_an_answer_above_the_end_of_its_feed_counts_for_nothing(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    (letter,) = said(author, items_of(range(10)))
    take(node, [letter, *said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))])
    answer(node, answering, SOON_MS)
    take(author, receipts_of(node))
    assert len(states(status(author, SOON_MS))) == 1
    end = Bound(node.author.feed_id, 1, HeaderHash(bytes(32)))
    author.trust = replace(author.trust, marks=author.trust.marks.merge(Marks(ends=frozenset({end}))))
    assert states(status(author, SOON_MS)) == {}


def test_a_member_with_two_nodes_has_erased_what_both_erased(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange, answering: Answering
) -> None:
    """Each answers for itself, in whatever order they hear of each other's answers."""
    certificates, second = second_node(tmp_path / "second", world)
    node.author = replace(node.author, reader=replace(node.reader, node_id=seed("node 0")[:16]))
    (letter,) = said(author, items_of(range(200)))
    taken = said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))
    opening = own_of(second, Kind.OPEN)
    for one in (node, author):
        take(one, [*certificates, *opening])
    for one in (node, second):
        take(one, [letter, *taken])
    erase_and_say(node, answering)
    name = node.trust.name_of(node.reader.member_id)
    assert shown(author, node, name) == ("silent", ["erased", "silent"])
    take(second, receipts_of(node))
    other = Answering(second.reader.member_id)
    (restricted,) = answer(second, other, SOON_MS)[0]
    assert restricted.erased_ms == 0, "what the other erased is here still"
    assert shown(author, second, name) == ("restricted", ["erased", "restricted"])
    erase_and_say(second, other)
    assert shown(author, second, name) == ("erased", ["erased", "erased"])


def test_of_a_node_that_ended_nobody_waits_for_an_answer_and_its_own_stays(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange, answering: Answering
) -> None:
    certificates, second = second_node(tmp_path / "second", world)
    (letter,) = said(author, items_of(range(200)))
    taken = said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))
    take(author, [*certificates, *own_of(second, Kind.OPEN)])
    for one in (node, second):
        take(one, [letter, *taken])
    erase_and_say(node, answering)
    name = node.trust.name_of(node.reader.member_id)
    answer(second, Answering(second.reader.member_id), SOON_MS)
    shown(author, node, name)
    assert shown(author, second, name)[0] == "restricted"
    head = ledger.head(second.stores.ledger, second.author.feed_id)
    assert head is not None
    ended = frozenset({Bound(second.author.feed_id, head.seq, head.hash)})
    author.trust = replace(author.trust, marks=author.trust.marks.merge(Marks(ends=ended)))
    assert shown(author, node, name) == ("erased", ["erased", "restricted"])


def erase_and_say(node: Exchange, answering: Answering) -> None:
    for hours in (1, 3):
        answer(node, answering, BASE_MS + hours * HOUR_MS)


def second_node(folder: Path, world: Federation) -> tuple[list[Letter], Exchange]:
    """Another node of the first member, and what its root says of it."""
    one = replace(world.members[0], feed_key=SigningKey(seed("feed 0 b")), kem=seed("kem 0 b"))
    certified = header_pb2.Node(
        node_id=b"2" * 16,
        feed_key=bytes(one.feed_key.verify_key),
        kem_key=SeededWrapping.public(one.kem),
        tls_issuer=b"issuer",
    )
    certificates = by_root(world, one, (Kind.NODE, certified.SerializeToString()))
    folder.mkdir()
    made = exchange_in(folder, world, one)
    made.author = replace(made.author, reader=replace(made.reader, node_id=b"2" * 16))
    take(made, certificates)
    opened = header_pb2.Open(member_id=one.member_id, feed_key=bytes(one.feed_key.verify_key))
    made.publish([Draft(Kind.OPEN, headers.NORMAL, statement=opened.SerializeToString())], BASE_MS)
    return certificates, made


def own_of(node: Exchange, kind: Kind) -> list[Letter]:
    rows = [row for row in ledger.statements_of(node.stores.ledger, kind) if row.feed_id == node.author.feed_id]
    return [Letter(header=row.body, signature=row.signature) for row in rows]


def shown(author: Exchange, answered: Exchange, name: str) -> tuple[str, list[str]]:
    """What the author sees of a member and of its nodes, once it has heard what one of them said."""
    author.admit(author.verify(receipts_of(answered)), BASE_MS + 3 * HOUR_MS)
    found = status(author, BASE_MS + 3 * HOUR_MS)
    (one,) = [one for one in found.answers if one.member_name == name]
    return one.state, sorted(each.state for each in one.nodes)


def test_a_hold_shows_its_ground_and_until_when(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, items_of(range(10)))
    (taken,) = said(author, drafts.object_withdrawal(LIST, MISTAKE))
    take(node, [letter, taken])
    held = header_pb2.Receipt(
        entry=hash_of(node, taken), restricted_ms=BASE_MS, ground=Ground.KEPT_BY_LAW, until_ms=BASE_MS + HOUR_MS
    ).SerializeToString(deterministic=True)
    node.publish([Draft(Kind.RECEIPT, headers.NORMAL, held)], BASE_MS)
    (row,) = duties.every(node.stores.ledger, 10)
    assert row.said, "that it restricts is said; that it is gone, some day, is not"
    take(author, receipts_of(node))
    found = status(author, BASE_MS, LIST.hex())
    (kept,) = [one for one in found.answers if one.state == "kept"]
    assert (kept.ground, kept.until_ms, found.withdrawal.kept) == (Ground.KEPT_BY_LAW, BASE_MS + HOUR_MS, 1)


def test_what_is_under_hold_here_is_answered_with_its_ground_and_as_gone_when_the_hold_is_over(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    (letter,) = said(author, items_of(range(10)))
    about = hash_of(node, letter)
    one, other = (said(author, drafts.withdrawal(about, bits, MISTAKE))[0] for bits in (0b1, 0b10))
    take(node, [letter, one, other])
    until_ms = BASE_MS + 3 * DAY_MS
    holds = {about: Kept(0b1, Ground.ORDER, until_ms)}
    held, free = (hash_of(node, each) for each in (one, other))
    assert answer(node, answering, SOON_MS, holds)[0] == [
        Receipt(held, restricted_ms=BASE_MS, ground=Ground.ORDER, until_ms=until_ms),
        Receipt(free, restricted_ms=BASE_MS),
    ]
    assert answer(node, answering, BASE_MS + DAY_MS, holds)[0] == [], "a fifth of what there was, so a day later"
    assert [found.entry for found in answer(node, answering, BASE_MS + 2 * DAY_MS, holds)[0]] == [free]
    assert answer(node, answering, until_ms, holds)[0] == []
    (gone,) = answer(node, answering, until_ms)[0]
    assert (gone.entry, gone.erased_ms > 0) == (held, True)


def test_what_goes_under_hold_when_it_is_erased_is_answered_as_restricted_then_as_held_then_as_gone(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    """As where the law has it kept: the hold is made when its cooling time is over, and not before."""
    (letter,) = said(author, items_of(range(10)))
    about = hash_of(node, letter)
    take(node, [letter, *said(author, drafts.withdrawal(about, 0, MISTAKE))])
    until_ms = BASE_MS + 9 * DAY_MS
    holds = {about: Kept(-1, Ground.KEPT_BY_LAW, until_ms)}
    (first,) = answer(node, answering, SOON_MS)[0]
    assert (first.ground, first.erased_ms) == (Ground.NONE, 0)
    (second,) = answer(node, answering, BASE_MS + 2 * DAY_MS, holds)[0]
    assert (second.ground, second.until_ms, second.erased_ms) == (Ground.KEPT_BY_LAW, until_ms, 0)
    assert answer(node, answering, BASE_MS + 3 * DAY_MS, holds)[0] == [], "said once"
    (third,) = answer(node, answering, until_ms)[0]
    assert third.erased_ms > 0
    take(author, receipts_of(node))
    assert len(states(status(author, until_ms))) == 1


def test_a_list_that_was_taken_back_is_answered_with_the_hold_on_a_record_of_it(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    (letter,) = said(author, items_of(range(10)))
    (taken,) = said(author, drafts.object_withdrawal(LIST, MISTAKE))
    take(node, [letter, taken])
    holds = {hash_of(node, letter): Kept(-1, Ground.EVIDENCE, BASE_MS + DAY_MS)}
    (found,) = answer(node, answering, SOON_MS, holds)[0]
    assert (found.ground, found.until_ms) == (Ground.EVIDENCE, BASE_MS + DAY_MS)


@pytest.mark.parametrize("whole_list", [False, True])
def test_nobody_hears_what_is_held_of_another_members_by_taking_it_back(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange, answering: Answering, whole_list: bool
) -> None:
    stranger = node_in(tmp_path / "stranger", world, 2)
    (letter,) = said(author, items_of(range(10)))
    about = hash_of(node, letter)
    word = drafts.object_withdrawal(LIST, AT_RISK) if whole_list else drafts.withdrawal(about, 0, AT_RISK)
    take(node, [letter, *said(stranger, word)])
    holds = {about: Kept(-1, Ground.EVIDENCE, BASE_MS + DAY_MS)}
    for moment_ms in (SOON_MS, BASE_MS + DAY_MS):
        assert not [one for one in answer(node, answering, moment_ms, holds)[0] if one.ground == Ground.EVIDENCE]


def test_who_has_no_seat_any_more_is_shown_and_not_waited_for(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    (letter,) = said(author, items_of(range(10)))
    take(node, [letter, *said(author, drafts.withdrawal(hash_of(node, letter), 0b1, MISTAKE))])
    answer(node, answering, SOON_MS)
    take(author, receipts_of(node))
    assert status(author, SOON_MS).withdrawal.members == 24
    seen = consult.view(author.trust, author.follows, SOON_MS)
    gone = {one: seat for one, seat in seen.roster.seats.items() if one != node.reader.member_id}
    later = replace(seen, roster=replace(seen.roster, seats=gone))
    (only,), _ = withdrawals.every(author.stores, later)
    assert (only.members, only.unanswered) == (23, 23)
    found = withdrawals.one(author.stores, later, only.reference)
    assert [(one.state, one.beside) for one in found.answers if one.state != "silent"] == [("restricted", True)]


# ---- Crises, and records in the place of others


def crisis_of(node: Exchange, now_ms: int) -> str:
    while node.project():
        pass
    (found,) = crises.every(node.stores, consult.view(node.trust, node.follows, now_ms), "", exercises=True)
    return found.state


def declared(object_id: bytes) -> Draft:
    crisis = record_pb2.Crisis(framework=FRAMEWORK, title="x", ends_ms=BASE_MS + 2 * DAY_MS)
    marked = record_pb2.Handling(tlp=2)
    record = record_pb2.Record(kind=Kind.DECLARATION, object_id=object_id, handling=marked, crisis=crisis)
    return Draft(
        Kind.DECLARATION,
        headers.URGENT,
        record=record.SerializeToString(),
        object_id=object_id,
        expires_ms=BASE_MS + 9 * DAY_MS,
    )


@pytest.mark.parametrize("first", [False, True])
def test_a_crisis_is_taken_back_before_or_after_it_came_and_is_erased(
    node: Exchange, author: Exchange, answering: Answering, first: bool
) -> None:
    (letter,) = said(author, declared(b"c" * 16))
    (taken,) = said(author, drafts.object_withdrawal(b"c" * 16, MISTAKE))
    bare = Letter(header=letter.header, signature=letter.signature)
    for one in ([bare], [taken], [letter]) if first else ([letter], [taken]):
        take(node, one)
    assert crisis_of(node, BASE_MS) == "withdrawn"
    answer(node, answering, BASE_MS + HOUR_MS - 1)
    assert payloads.state(node.stores.ledger, hash_of(node, letter)) is State.PRESENT
    answer(node, answering, BASE_MS + HOUR_MS)
    assert payloads.state(node.stores.ledger, hash_of(node, letter)) is State.ERASED


def test_a_crisis_is_taken_back_by_what_stands_alone(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, declared(b"c" * 16))
    (taken,) = said(author, drafts.object_withdrawal(b"c" * 16, MISTAKE))
    take(node, [letter, taken])
    row = ledger.entry(node.stores.ledger, hash_of(node, taken))
    assert row is not None
    assert crisis_of(node, BASE_MS) == "withdrawn"
    node.trust = trusts.with_fork(node.trust, row.feed_id, row.seq, parts=True)
    assert crisis_of(node, BASE_MS) != "withdrawn"


def test_a_record_for_fewer_readers_restricts_the_old_one_at_once_and_erases_it_an_hour_later(
    node: Exchange, author: Exchange, answering: Answering
) -> None:
    """How an audience is narrowed, or a mark raised."""
    (old,) = said(author, items_of(range(10)))
    draft = items_of(range(10), replaces=[hash_of(author, old)])
    kems = tuple(boxes_of(one) for one in (node, author))
    narrow = replace(draft, carriage=headers.SEALED_RELAY, readers=kems)
    (new,) = said(author, narrow)
    take(node, [old, new])
    assert standing_values(node) == set(range(10))
    shown = index.of_kinds(node.stores.index, [Kind.ITEMS])
    (restricted,) = [one for one in shown if restricting.restriction(node.stores, one, node.trust).reason]
    assert restricted.hash == hash_of(node, old)
    answer(node, answering, BASE_MS + HOUR_MS - 1)
    assert payloads.state(node.stores.ledger, hash_of(node, old)) is State.PRESENT
    answer(node, answering, BASE_MS + HOUR_MS)
    assert payloads.state(node.stores.ledger, hash_of(node, old)) is State.ERASED
    assert standing_values(node) == set(range(10))


def boxes_of(one: Exchange) -> bytes:
    return SeededWrapping.public(one.reader.private_keys[0])


# ---- A thief who takes everything back


def test_a_mass_withdrawal_is_told_until_it_is_undone_or_carried_out(node: Exchange, author: Exchange) -> None:
    (letter,) = said(author, items_of(range(150)))
    hash_ = hash_of(node, letter)
    take(node, [letter, *said(author, drafts.object_withdrawal(LIST, MISTAKE))])
    assert standing_values(node) == set()
    seen = consult.view(node.trust, node.follows, BASE_MS + HOUR_MS)
    (mass,) = due.withdrawn(node.stores, seen).masses
    assert (mass.member_id, mass.items, mass.ends_ms) == (author.reader.member_id, 150, BASE_MS + DAY_MS)
    row = ledger.entry(node.stores.ledger, hash_)
    assert row is not None
    end = Bound(row.feed_id, row.seq, hash_)
    node.trust = replace(node.trust, marks=node.trust.marks.merge(Marks(ends=frozenset({end}))))
    undone = due.withdrawn(node.stores, consult.view(node.trust, node.follows, BASE_MS + 2 * DAY_MS))
    assert (undone.masses, undone.erasures) == ((), ())
    assert standing_values(node) == set(range(150)), "nothing is lost"


# ---- What was never here


@pytest.mark.parametrize("whole_list", [False, True])
def test_what_was_never_fetched_goes_with_its_list_and_is_never_fetched(
    tmp_path: Path, world: Federation, author: Exchange, whole_list: bool
) -> None:
    node = node_in(tmp_path / "node", world, 0)
    letters = said(author, items_of(range(10)), items_of(range(20, 30), list_id=b"o" * 16))
    bare = [Letter(header=one.header, signature=one.signature, box=one.box) for one in letters]
    first = hash_of(node, letters[0])
    draft = drafts.object_withdrawal(LIST, MISTAKE) if whole_list else drafts.withdrawal(first, 0, MISTAKE)
    take(node, [*bare, *said(author, draft)])
    answering = Answering(node.reader.member_id)
    answer(node, answering, BASE_MS + HOUR_MS - 1)
    assert payloads.state(node.stores.ledger, first) is not State.ERASED, "its root can still undo it"
    answer(node, answering, BASE_MS + 24 * HOUR_MS)
    assert payloads.state(node.stores.ledger, first) is State.ERASED
    assert payloads.box(node.stores.keys, first) is None
    take(node, letters)
    assert payloads.state(node.stores.ledger, first) is State.ERASED
    assert not payloads.has_chunks(node.stores.ledger, first)
    assert [hash_ for hash_, _ in _wants(node)] == [], "the other list's came"


def _wants(node: Exchange) -> Sequence[tuple[HeaderHash, object]]:
    return [(want.hash, originator) for want, originator in node.wants(BASE_MS)]
