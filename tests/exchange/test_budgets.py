"""What an author's quota means for what others push of it, at the door in."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from node.exchange import budgets, outgoing
from node.exchange.admission import Admitted
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.trust import Trust
from node.feed import chain, entry, identity, known
from node.feed.facts import Facts
from node.feed.header import BULK, NORMAL, URGENT
from node.feed.identity import Role
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.protocol.effects import PUSHED, Asked
from node.runtime import growth
from node.store import arrivals, ledger, payloads
from node.store.payloads import State
from node.v1 import header_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_forks import by_root
from tests.exchange.test_odd_order import Letter, crisis_draft, hash_of, items_draft, said
from tests.feed import worlds
from tests.rules import PLAIN
from tests.simulator.members import BASE_MS, Federation, federation, member, own_letters

DOCUMENT = (
    PLAIN.replace("headers_burst = 200", "headers_burst = 4")
    .replace("publisher_headers_burst = 4096", "publisher_headers_burst = 6")
    .replace("urgent_burst = 5", "urgent_burst = 2")
    .replace('publish = ["authority", "europol", "industry_body", "platform"]', 'publish = ["platform"]')
    .replace("publisher_bulk_mib_per_day = 2048", "publisher_bulk_mib_per_day = 1")
    .replace("\nbulk_mib_per_day = 64", "\nbulk_mib_per_day = 1")
    .encode()
)
AUTHORITY, PLATFORM = 1, 20
SIX_SECONDS_MS = 6000  # for one header more


@pytest.fixture(name="world")
def _world() -> Federation:
    return federation(25, DOCUMENT)


@pytest.fixture(name="platform")
def _platform(tmp_path: Path, world: Federation) -> Exchange:
    return node_in(tmp_path / "platform", world, PLATFORM)


def note(count: int = 1, urgency: int = NORMAL) -> list[Draft]:
    return [
        Draft(Kind.RECEIPT, urgency, header_pb2.Receipt(entry=bytes([i]) * 32).SerializeToString())
        for i in range(count)
    ]


def withdrawal(count: int) -> list[Draft]:
    statement = header_pb2.Withdraw(reason=1).SerializeToString()
    return [Draft(Kind.WITHDRAW, URGENT, statement, object_id=bytes([i]) * 16) for i in range(1, count + 1)]


def take(
    node: Exchange, letters: list[Letter], asked: Asked = PUSHED, now_ms: int = BASE_MS
) -> tuple[Admitted, frozenset[HeaderHash], list[tuple[HeaderHash, int]]]:
    """As a driver takes a frame in: what came in, what is beyond a quota, and what is passed on in which lane."""
    worth, over = node.worth_checking(letters, asked, now_ms)
    checked, beyond = node.rule(node.verify(worth), asked, now_ms)
    early = growth.urgent(node, checked, node.author.reader.member_id)
    admitted = node.admit(checked, now_ms)
    later = growth.committed(node, admitted, checked, node.author.reader.member_id)
    passed_on = [(one.hash, one.lane) for one in (*(early.fresh if early else ()), *later.fresh)]
    return admitted, over | beyond, passed_on


def test_what_is_pushed_beyond_the_quota_is_not_taken_in_and_not_passed_on(author: Exchange, node: Exchange) -> None:
    letters = said(author, *note(6))
    admitted, over, passed_on = take(node, letters)
    assert [len(admitted.entries), len(over), len(passed_on)] == [4, 2, 4]
    assert node.budgets.ignored == {author.author.reader.member_id: 2}


def test_one_frame_after_the_other_and_copies_from_every_peer_give_no_more_budget_and_cost_none(
    author: Exchange, node: Exchange
) -> None:
    letters = said(author, *note(6))
    for letter in letters[:3]:
        for _ in range(3):
            assert not take(node, [letter])[1]
    assert [bool(take(node, [letter])[1]) for letter in letters[3:]] == [False, True, True]


def test_copies_of_what_waits_for_its_predecessor_cost_nothing_more(author: Exchange, node: Exchange) -> None:
    letters = said(author, *note(4))
    for _ in range(12):
        take(node, [letters[1]])
    assert len(take(node, [letters[0], *letters[1:]])[0].entries) == 4


def test_what_is_beyond_the_quota_costs_no_signature_check(
    author: Exchange, node: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = said(author, *note(8))
    take(node, letters[:4])
    monkeypatch.setattr(type(node), "verify", _forbidden(type(node).verify))
    take(node, letters[4:])


def _forbidden(verify: Callable[..., object]) -> Callable[..., object]:
    def check(self: Exchange, letters: list[Letter]) -> object:
        assert not letters
        return verify(self, letters)

    return check


def test_a_forged_header_spends_nothing_of_whom_it_names(author: Exchange, node: Exchange) -> None:
    letters = said(author, *note(4))
    for letter in letters:
        forged = Letter(header=letter.header, signature=bytes(64))
        checked = node.verify(node.worth_checking([forged], PUSHED, BASE_MS)[0])
        assert checked.fault is not None
        node.rule(checked, PUSHED, BASE_MS)
    assert len(take(node, letters)[0].entries) == 4


def test_what_was_asked_for_comes_in_whatever_the_quota_and_is_pushed_on_within_it(
    author: Exchange, node: Exchange
) -> None:
    letters = said(author, *note(8))
    asked = Asked({author.author.feed_id: 100})
    admitted, over, passed_on = take(node, letters, asked)
    assert (len(admitted.entries), len(over), len(passed_on)) == (8, 0, 4)
    assert len(take(node, said(author, *note(1)))[2]) == 1  # and history costs nothing of what is pushed


def test_more_than_was_asked_for_is_pushed(author: Exchange, node: Exchange) -> None:
    letters = said(author, *note(8))
    asked = Asked({author.author.feed_id: 4})  # three of them: the opening stands before
    assert len(take(node, letters, asked)[1]) == len(letters) - 3 - 4


def test_what_completes_a_stored_entry_comes_in_whatever_the_quota(author: Exchange, node: Exchange) -> None:
    (letter,) = said(author, items_draft(NORMAL))
    take(node, [Letter(header=letter.header, signature=letter.signature)])
    node.budgets._charged.clear()  # long ago
    left = node.budgets._pushed.headers.left(author.author.reader.member_id, BASE_MS)
    take(node, boxed([letter]))
    assert node.budgets._pushed.headers.left(author.author.reader.member_id, BASE_MS) == left
    take(node, said(author, *note(9)))
    node.budgets._charged.clear()
    assert not take(node, [letter])[1]
    assert payloads.state(node.stores.ledger, hash_of(node, letter)) == State.PRESENT


def test_time_gives_a_member_more(author: Exchange, node: Exchange) -> None:
    letters = said(author, *note(6))
    take(node, letters)
    assert len(take(node, letters, now_ms=BASE_MS + SIX_SECONDS_MS)[0].entries) == 1


def test_a_publisher_may_push_more(platform: Exchange, node: Exchange) -> None:
    assert len(take(node, said(platform, *note(8)))[0].entries) == 6


def test_what_a_quota_lets_in_of_an_identity_log_above_what_it_does_not_comes_in_with_that(
    author: Exchange, node: Exchange, world: Federation
) -> None:
    """What is urgent is within it. Who signs there was known in that frame alone."""
    member, federation_id = world.members[AUTHORITY], world.charter.federation_id
    (below,) = by_root(world, member, (Kind.SUCCESSOR, header_pb2.Successor(member_id=b"x" * 32).SerializeToString()))
    fields = header_pb2.Header.FromString(below.header)
    fields.seq, fields.urgency, fields.previous = fields.seq + 1, URGENT, hash_of(node, below)
    made = entry.create(fields, member.root, federation_id)
    log = [below, Letter(header=made.header.body, signature=made.signature)]
    checked = node.verify(node.worth_checking(log, PUSHED, BASE_MS)[0])
    take(node, said(author, *note(4)))  # while its signatures are checked
    found, over = node.rule(checked, PUSHED, BASE_MS)
    assert ([one.header for one in found.entries], len(over)) == ([made.header], 1)
    assert node.admit(found, BASE_MS).gaps
    log_id = identity.log_id(member.member_id)
    for letter in log:  # as they are fetched
        take(node, [letter], Asked({log_id: made.header.seq}))
    head = ledger.head(node.stores.ledger, log_id)
    assert head == chain.head_of(made.header) == node.trust.logs[member.member_id].head


def endorsed(author: Exchange, world: Federation, *numbers: int) -> list[list[Letter]]:
    """What the author says of so many strangers, and two entries of the log of each."""
    strangers = [member(number) for number in numbers]
    said_of = [
        Draft(Kind.ENDORSE, statement=header_pb2.Endorse(member_id=one.member_id, role=4).SerializeToString())
        for one in strangers
    ]
    return [said(author, *said_of), *(own_letters(world.charter, one)[:2] for one in strangers)]


def test_all_whom_a_member_endorsed_have_one_quota_together_and_take_nothing_of_its_own(
    author: Exchange, node: Exchange, world: Federation
) -> None:
    endorsements, *logs = endorsed(author, world, 26, 27, 28)
    take(node, endorsements)
    pushed = [take(node, [letter]) for log in logs for letter in log]
    assert [len(over) for _, over, _ in pushed] == [0, 0, 0, 0, 1, 1]
    assert set(node.budgets.ignored) == {member(28).member_id}
    assert [len(over) for _, over, _ in (take(node, [letter]) for letter in said(author, *note(2)))] == [0, 1]
    assert not take(node, logs[2], now_ms=BASE_MS + 2 * SIX_SECONDS_MS)[1]


def test_of_a_frame_as_well_no_more_comes_in_of_whom_a_member_endorsed(
    author: Exchange, node: Exchange, world: Federation
) -> None:
    endorsements, *logs = endorsed(author, world, 26, 27, 28)
    take(node, endorsements)
    worth, over = node.worth_checking([letter for log in logs for letter in log], PUSHED, BASE_MS)
    assert (len(worth), len(over)) == (4, 2), "which costs no signature check"


def test_whom_two_endorsed_takes_from_whichever_has_more_left(
    tmp_path: Path, author: Exchange, node: Exchange, world: Federation
) -> None:
    both = (author, node_in(tmp_path / "second", world, 2))
    first, second = sorted(both, key=lambda one: one.reader.member_id)
    endorsements, *logs = endorsed(first, world, 26, 27, 28)
    take(node, [*endorsements, *endorsed(second, world, 28)[0]])
    assert [len(take(node, log)[1]) for log in logs] == [0, 0, 0]


def test_who_is_no_member_yet_has_no_lane_0_also_where_the_rules_cannot_be_read(tmp_path: Path) -> None:
    world = federation(25)
    author, node = (node_in(tmp_path / str(number), world, number) for number in (AUTHORITY, 0))
    endorsements, log = endorsed(author, world, 26)
    take(node, endorsements)
    fields = header_pb2.Header.FromString(log[0].header)
    fields.urgency = URGENT
    made = entry.create(fields, member(26).root, world.charter.federation_id)
    urgent = Letter(header=made.header.body, signature=made.signature)
    assert node.budgets.lane_of(urgent, BASE_MS) == NORMAL
    assert lanes(take(node, [urgent])[2]) == [NORMAL]


# ---- Lane 0


def lanes(passed_on: list[tuple[HeaderHash, int]]) -> list[int]:
    return [lane for _, lane in passed_on]


def test_what_is_urgent_beyond_the_quota_goes_in_lane_1_and_arrives_there(author: Exchange, node: Exchange) -> None:
    admitted, over, passed_on = take(node, said(author, *withdrawal(4)))
    assert (lanes(passed_on), over) == ([URGENT, URGENT, NORMAL, NORMAL], frozenset())
    assert admitted.arrived == {True, False}
    store_id = ledger.read_meta(node.stores.ledger, "store_id") or b""
    urgent = arrivals.after_in_lane(node.stores.ledger, arrivals.Cursor(store_id), 10, urgent=True)
    assert len(urgent) == 2
    assert node.budgets.demoted == {author.author.reader.member_id: 2}


def test_spam_that_calls_itself_urgent_has_no_more_than_both_buckets_hold(author: Exchange, node: Exchange) -> None:
    admitted, over, _ = take(node, said(author, *withdrawal(10)))
    assert (len(admitted.entries), len(over)) == (2 + 4, 4)
    assert node.budgets.ignored == {author.author.reader.member_id: 4}


def test_a_demoted_entry_whose_payload_comes_later_arrives_in_lane_1(platform: Exchange, node: Exchange) -> None:
    (letter,) = said(platform, crisis_draft())
    take(node, [Letter(header=letter.header, signature=letter.signature)])
    assert take(node, [letter])[0].arrived == {False}


def test_who_may_not_declare_has_no_lane_0_but_to_take_back(
    platform: Exchange, author: Exchange, node: Exchange
) -> None:
    assert lanes(take(node, said(platform, crisis_draft()))[2]) == [NORMAL]
    assert lanes(take(node, said(platform, *withdrawal(1)))[2]) == [URGENT]
    assert lanes(take(node, said(author, crisis_draft()))[2]) == [URGENT]


def test_a_warning_does_not_wait_behind_its_author_s_other_entries(author: Exchange, node: Exchange) -> None:
    letters = said(author, *note(6), *withdrawal(1))
    admitted, over, passed_on = take(node, letters)
    assert len(over) == 2
    assert lanes(passed_on)[0] == URGENT
    assert admitted.gaps


def test_a_frame_of_spam_that_calls_itself_urgent_has_no_turn_before_others(author: Exchange, node: Exchange) -> None:
    letters = said(author, *withdrawal(3))
    assert node.budgets.lane_of(letters[0], BASE_MS) == URGENT
    take(node, letters)
    spam = said(author, *withdrawal(1))[0]
    assert node.budgets.lane_of(spam, BASE_MS) == NORMAL
    assert node.budgets.lane_of(letters[0], BASE_MS) == URGENT  # a copy of one that was within


def of_a_drill(one: Draft) -> Draft:
    record = record_pb2.Record.FromString(one.record)
    record.exercise = True
    return replace(one, exercise=True, record=record.SerializeToString())


def drill() -> Draft:
    return of_a_drill(crisis_draft())


def test_drills_take_nothing_from_what_is_real_of_their_author_and_go_behind_it(
    author: Exchange, node: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Draft, "lane", property(lambda one: one.urgency))  # another program asks lane 0 for them
    letters = said(author, *(drill() for _ in range(4)))
    assert node.budgets.lane_of(letters[0], BASE_MS) == NORMAL
    admitted, over, passed_on = take(node, letters)
    assert (lanes(passed_on), len(over), admitted.arrived) == ([NORMAL] * 4, 0, frozenset({False}))
    assert take(node, said(author, drill()))[1], "they have a bucket of their own"
    assert node.budgets.demoted == {}, "nobody was too loud"
    _, over, passed_on = take(node, said(author, *withdrawal(2), *note(4)))
    assert (lanes(passed_on)[:2], over) == ([URGENT, URGENT], frozenset())


def test_a_drill_above_a_gap_takes_no_place_of_what_is_real(
    author: Exchange, node: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Draft, "lane", property(lambda one: one.urgency))
    letters = said(author, *note(1), drill(), *withdrawal(1))
    admitted, _, _ = take(node, letters[1:])
    assert [one.header.exercise for one in admitted.entries] == [False]
    take(node, letters[:2])
    assert ledger.head(node.stores.ledger, author.author.feed_id) is not None


def test_we_ask_lane_0_for_no_drill_and_nobody_is_slower_for_it(author: Exchange) -> None:
    admitted = author.publish([drill() for _ in range(4)], BASE_MS)
    assert {one.header.urgency for one in admitted.entries} == {NORMAL}
    assert author.budgets.slowed == 0
    assert author.publish([drill()], BASE_MS).entries
    assert author.budgets.slowed == 1, "the fifth is beyond what drills have"
    author.publish([*withdrawal(2), *note(4)], BASE_MS)
    assert author.budgets.slowed == 1


def test_a_charter_that_cannot_be_read_keeps_lane_0_open_within_the_usual_quota(tmp_path: Path) -> None:
    world = federation(25)
    platform, node = (node_in(tmp_path / str(number), world, number) for number in (PLATFORM, 0))
    passed_on = take(node, said(platform, *(crisis_draft() for _ in range(7))))[2]
    assert lanes(passed_on) == [URGENT] * 5 + [NORMAL] * 2


# ---- Our own


def test_our_own_entries_are_never_held_back_and_what_others_slow_is_counted(author: Exchange) -> None:
    admitted = author.publish([*note(6), *withdrawal(3)], BASE_MS)
    assert len(admitted.entries) == 9
    assert not any(one.demoted for one in admitted.entries)
    assert (author.budgets.slowed, author.budgets.slowed_ms) == (3, BASE_MS)


# ---- Payloads


def test_beyond_a_day_s_bytes_an_author_s_payloads_are_wanted_after_all_others(
    platform: Exchange, author: Exchange, node: Exchange
) -> None:
    platforms, authors = said(platform, items_draft()), said(author, items_draft())
    take(node, [Letter(header=one.header, signature=one.signature, box=one.box) for one in (*platforms, *authors)])
    order = [hash_of(node, platforms[0]), hash_of(node, authors[0])]
    assert [want.hash for want, _ in node.wants(BASE_MS)] == order
    node.budgets.fetched_bytes(platform.author.reader.member_id, 2 << 20, BASE_MS, exercise=False)
    assert [want.hash for want, _ in node.wants(BASE_MS)] == order[::-1]
    later_ms = BASE_MS + 2 * 86_400_000
    assert [want.hash for want, _ in node.wants(later_ms)] == order


def test_every_chunk_that_comes_in_is_counted(platform: Exchange, node: Exchange) -> None:
    (letter,) = said(platform, items_draft())
    member_id = platform.author.reader.member_id
    take(node, [Letter(header=letter.header, signature=letter.signature, box=letter.box)])
    before = node.budgets._bulk[False].left(member_id, BASE_MS)
    frame = platform.serve_chunk(hash_of(node, letter), 0, BASE_MS)
    assert frame is not None
    node.keep_chunk(frame.chunk, BASE_MS)
    assert before - node.budgets._bulk[False].left(member_id, BASE_MS) == len(frame.chunk.data)


def boxed(letters: list[Letter]) -> list[Letter]:
    return [Letter(header=one.header, signature=one.signature, box=one.box) for one in letters]


def test_however_much_of_it_waits_a_large_author_keeps_no_other_out_of_what_is_wanted(
    platform: Exchange, author: Exchange, node: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, others = said(platform, items_draft()), said(author, items_draft(BULK, 1), items_draft(BULK, 5000))
    take(node, boxed([*large, *others]))
    node.budgets.fetched_bytes(platform.author.reader.member_id, 2 << 20, BASE_MS, exercise=False)
    order = [hash_of(node, letter) for letter in (*others, *large)]
    assert [want.hash for want, _ in node.wants(BASE_MS)] == order
    monkeypatch.setattr(outgoing, "WANTS_AT_A_TIME", 1)
    assert [want.hash for want, _ in node.wants(BASE_MS)] == order[:1]


def test_bytes_of_drills_take_nothing_from_what_is_real_of_their_author(
    platform: Exchange, author: Exchange, node: Exchange
) -> None:
    drills = said(platform, of_a_drill(items_draft()), of_a_drill(items_draft(BULK, 9000)))
    others, real = said(author, of_a_drill(items_draft())), said(author, items_draft(BULK, 5000))
    platforms = said(platform, items_draft(BULK, 5000))
    take(node, boxed([*drills, *others, *platforms, *real]))
    frame = platform.serve_chunk(hash_of(node, drills[0]), 0, BASE_MS)
    assert frame is not None
    node.keep_chunk(frame.chunk, BASE_MS)
    member_id = platform.author.reader.member_id
    full = 1 << 20
    assert {drill: full - one.left(member_id, BASE_MS) for drill, one in node.budgets._bulk.items()} == {
        True: len(frame.chunk.data),
        False: 0,
    }
    node.budgets.fetched_bytes(member_id, 2 << 20, BASE_MS, exercise=True)
    order = [hash_of(node, letter) for letter in (*platforms, *real, *others, *drills)]
    assert [want.hash for want, _ in node.wants(BASE_MS)] == order, "what is real goes first"
    node.budgets.fetched_bytes(member_id, 2 << 20, BASE_MS, exercise=False)
    assert [want.hash for want, _ in node.wants(BASE_MS)] == [order[1], order[0], *order[2:]], "however much it is"


def test_drills_are_wanted_behind_what_is_real_and_never_not_at_all(
    author: Exchange, node: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    drills = said(author, *(of_a_drill(items_draft(NORMAL, first)) for first in (1, 5000)))
    real = said(author, *(items_draft(BULK, first) for first in (1, 5000, 10_000)))
    take(node, boxed([*drills, *real]), Asked({author.author.feed_id: 100}))
    first, second, *reals = (hash_of(node, letter) for letter in (*drills, *real))
    assert [want.hash for want, _ in node.wants(BASE_MS)] == [*reals, first, second]
    monkeypatch.setattr(outgoing, "WANTS_AT_A_TIME", 3)
    monkeypatch.setattr(outgoing, "DRILLS_WANTED_MIN", 1)
    assert [want.hash for want, _ in node.wants(BASE_MS)] == [*reals[:2], first]


def test_authors_have_their_payloads_fetched_by_turns_however_many_feeds_they_have(
    tmp_path: Path, world: Federation, platform: Exchange, author: Exchange, node: Exchange
) -> None:
    second = node_in(tmp_path / "second", world, PLATFORM + 1)
    letters = [said(one, items_draft())[0] for one in (platform, second, author)]
    take(node, boxed(letters))
    feeds = {**node.trust.feeds, second.author.feed_id: node.trust.feeds[platform.author.feed_id]}
    node.trust = replace(node.trust, feeds=feeds)  # as if both feeds were one member's
    order = [hash_of(node, letters[i]) for i in (0, 2, 1)]
    assert [want.hash for want, _ in node.wants(BASE_MS)] == order


def test_entries_of_our_own_member_that_others_push_are_taken_in_whatever_the_quota(
    author: Exchange, tmp_path: Path, world: Federation
) -> None:
    twin = node_in(tmp_path / "twin", world, AUTHORITY)
    admitted, over, _ = take(twin, said(author, *note(9), *withdrawal(3)))
    assert (len(admitted.entries), len(over)) == (12, 0)
    assert not any(one.demoted for one in admitted.entries)


def test_a_member_by_endorsement_has_the_budgets_of_its_role_whatever_the_time() -> None:
    world = worlds.world()
    newcomer, stranger = world.others[:2]
    endorsements = frozenset(worlds.said("e", one, newcomer, role=Role.PLATFORM) for one in world.founders[:4])
    facts = Facts(frozenset((newcomer.inception,)), endorsements)
    rules = budgets.rules(Trust(world.charter, known.known(world.charter, facts), facts=facts))
    assert rules.role_of(newcomer.member_id) == Role.PLATFORM
    assert rules.role_of(stranger.member_id) == 0
