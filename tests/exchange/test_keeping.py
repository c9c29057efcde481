"""Keeping: each node erases by its own policy, in whatever order it heard of things, and nothing comes back."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from node.exchange import consult, crises, due, endings, erase, keeping, project, restricting
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.trust import Trust
from node.feed.header import BULK, NORMAL, URGENT
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.policy import policies, retention
from node.policy.opinions import Verdict
from node.policy.retention import Cause, Policy, Won
from node.store import deadlines, digests, index, ledger, payloads
from node.store.erasures import Erasure, Reason
from node.store.payloads import State
from node.store.stores import Stores
from node.v1 import peer_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import Letter, hash_of, said, without
from tests.exchange.test_standing import standing_values
from tests.simulator.members import BASE_MS, Federation

pytestmark = pytest.mark.usefixtures("chance")
DAY_MS = 86_400_000
CEILING_MS = BASE_MS + 300 * DAY_MS
CRISIS, LIST = b"c" * 16, b"l" * 16
ENDS_MS = BASE_MS + 2 * DAY_MS


def policy(*lines: str) -> Policy:
    rules = "".join(
        f'  {{ {line}, ground = "because" }},\n' for line in (*lines, 'class = "any", keep = "as its author allows"')
    )
    return policies.decode(f'name = "test"\nrules = [\n{rules}]\n'.encode(), "new.toml")


BY_CRISIS = policy(
    'class = "cryptographic", review = "uncategorised", keep = "14 d"',
    'class = "cryptographic", keep = "30 d", after = "crisis-end", longest = "180 d"',
    'class = "opinion", keep = "as the item", longest = "90 d"',
)


def items_draft(first: int = 0, crisis_id: bytes = CRISIS, labels: Sequence[str] = (), list_id: bytes = LIST) -> Draft:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.ITEMS, object_id=list_id, crisis_id=crisis_id
    )
    record.items.kind = "sha256"
    record.items.labels.extend(labels)
    record.items.digests = b"".join(sorted(sha256(bytes([first + i])).digest() for i in range(20)))
    content = record.SerializeToString()
    return Draft(Kind.ITEMS, BULK, record=content, object_id=list_id, expires_ms=CEILING_MS)


def crisis_draft(ends_ms: int = ENDS_MS, linked: Sequence[bytes] = (), kind: Kind = Kind.DECLARATION) -> Draft:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=kind, object_id=CRISIS if kind is Kind.DECLARATION else b"a" * 16
    )
    record.crisis.ends_ms = ends_ms
    record.crisis.linked.extend(linked)
    record.crisis.framework.name = "eu-ocrf"
    object_id = record.object_id
    return Draft(kind, NORMAL, record=record.SerializeToString(), object_id=object_id, expires_ms=CEILING_MS)


def end_draft(*, exercise: bool = False) -> Draft:
    record = record_pb2.Record(
        handling=record_pb2.Handling(tlp=2), kind=Kind.CRISIS_ACT, object_id=CRISIS, exercise=exercise
    )
    record.crisis_act.end.text = "over"
    content = record.SerializeToString()
    return Draft(Kind.CRISIS_ACT, NORMAL, record=content, object_id=CRISIS, expires_ms=CEILING_MS, exercise=exercise)


def opinion_draft(about: bytes, verdict: int = 4) -> Draft:
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.OPINION, object_id=LIST)
    record.opinion.entry, record.opinion.verdict = about, verdict
    return Draft(Kind.OPINION, NORMAL, record=record.SerializeToString(), object_id=LIST, expires_ms=CEILING_MS)


def take(node: Exchange, letters: Sequence[Letter], now_ms: int = BASE_MS) -> None:
    checked = node.verify(node.unseen(letters))
    assert checked.fault is None
    node.admit(checked, now_ms)
    settle(node)


def settle(node: Exchange) -> None:
    while node.project():
        pass


def find(node: Exchange, now_ms: int) -> list[Erasure]:
    over = due.expired(node.stores, node.keep, now_ms, 1000).erasures
    return [*over, *due.sealed(node.stores, node.keep, now_ms, 0)[0].erasures]


def sweep(node: Exchange, now_ms: int) -> list[Erasure]:
    found = find(node, now_ms)
    node.begin_erasing(found)
    erase.apply(node.stores, node.erasures, node.keep, node.reader, node.author.randomness)
    settle(node)
    return found


def due_ms(node: Exchange, hash_: HeaderHash) -> int:
    return deadlines.every(node.stores.index)[hash_].due_ms


def rebuilt(node: Exchange) -> dict[HeaderHash, deadlines.Deadline]:
    node.rebuild()
    return deadlines.every(node.stores.index)


def digest_rows(node: Exchange) -> int:
    return sum(1 for _ in digests.places(node.stores.digests))


def test_what_is_over_by_policy_goes_with_its_cause_and_never_comes_back(node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(crisis_id=b""))
    take(node, letters)
    (hash_,) = (hash_of(node, one) for one in letters)
    assert sweep(node, BASE_MS + 14 * DAY_MS - 1) == []
    (made,) = sweep(node, BASE_MS + 14 * DAY_MS)
    assert (made.entry, made.reason) == (hash_, Reason.POLICY)
    assert retention.decode_cause(made.cause) == Cause(BY_CRISIS.id, 1, Won.RULE)
    assert not standing_values(node)
    assert payloads.state(node.stores.ledger, hash_) is State.ERASED
    node.change_policy(retention.AS_AUTHORED, BASE_MS)
    take(node, letters)
    assert payloads.state(node.stores.ledger, hash_) is State.ERASED, "a longer policy brings nothing back"
    assert digest_rows(node) == 0
    node.start(BASE_MS)
    assert payloads.state(node.stores.ledger, hash_) is State.ERASED


def test_two_nodes_of_opposite_policies_erase_each_by_its_own_and_the_shorter_never_gets_it_back(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    longer = node_in(tmp_path / "longer", world, 2)
    node.change_policy(policy('class = "cryptographic", keep = "1 d"'), BASE_MS)
    longer.change_policy(policy('class = "cryptographic", keep = "9 d"'), BASE_MS)
    (letter,) = said(author, items_draft())
    hash_ = hash_of(node, letter)
    for one in (node, longer):
        take(one, [letter])
    assert len(sweep(node, BASE_MS + 2 * DAY_MS)) == 1
    assert sweep(longer, BASE_MS + 2 * DAY_MS) == []
    (served,) = longer.serve(node.reader.member_id, peer_pb2.Want(entries=[hash_]), BASE_MS + 2 * DAY_MS)[0]
    assert served.payload
    take(node, [served])
    take(node, [letter])
    assert payloads.state(node.stores.ledger, hash_) is State.ERASED
    assert not payloads.has_chunks(node.stores.ledger, hash_)
    assert payloads.wants(node.stores.ledger, BASE_MS, 10, exercise=False) == []
    assert standing_values(longer)
    assert [one.reason for one in sweep(longer, BASE_MS + 9 * DAY_MS)] == [Reason.POLICY]
    longer.stores.close()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 1, 0, 3), (1, 2, 3, 0), (2, 3, 0, 1)])
def test_the_order_in_which_items_and_their_crisis_came_decides_nothing(
    node: Exchange, author: Exchange, order: tuple[int, ...]
) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, crisis_draft(BASE_MS + 9 * DAY_MS), items_draft(), end_draft(), crisis_draft())
    take(node, [without(one, "payload") for one in letters])  # headers come in the order of their feed
    for number in order:
        take(node, [letters[number]])
    found = deadlines.every(node.stores.index)
    assert found[hash_of(node, letters[1])].due_ms == BASE_MS + 30 * DAY_MS, "30 d after the owner ended it"
    assert rebuilt(node) == found


def test_a_crisis_that_nobody_declared_or_that_goes_on_longer_counts_by_what_is_known(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    other = node_in(tmp_path / "other", world, 2)
    node.change_policy(BY_CRISIS, BASE_MS)
    (letter,) = said(author, items_draft())
    take(node, [letter])
    hash_ = hash_of(node, letter)
    assert due_ms(node, hash_) == BASE_MS + 180 * DAY_MS
    take(node, said(author, crisis_draft()))
    assert due_ms(node, hash_) == ENDS_MS + 30 * DAY_MS
    take(node, said(author, crisis_draft(ENDS_MS + 2 * DAY_MS), now_ms=BASE_MS + 1), BASE_MS + 1)
    assert due_ms(node, hash_) == ENDS_MS + 30 * DAY_MS, "its owner's first declaration counts, as people see it"
    take(node, said(other, crisis_draft(ENDS_MS + DAY_MS)))
    assert due_ms(node, hash_) == ENDS_MS + 31 * DAY_MS
    for one in (author, other):
        take(node, said(one, end_draft()))
    assert due_ms(node, hash_) == BASE_MS + 30 * DAY_MS
    other.stores.close()


def halt_draft(kind: int) -> Draft:
    """Something critical about the crisis, of a later version."""
    if kind < 64:
        return Draft(kind, NORMAL, statement=b"later", object_id=CRISIS)
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=kind, object_id=CRISIS)
    return Draft(kind, NORMAL, record=record.SerializeToString(), object_id=CRISIS, expires_ms=CEILING_MS)


@pytest.mark.parametrize("kind", [62, 202])
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (1, 3, 0, 4, 2)])
def test_what_is_behind_a_halt_neither_ends_a_crisis_nor_keeps_it_longer_than_people_see_it(
    node: Exchange, author: Exchange, kind: int, order: tuple[int, ...]
) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    drafts_ = crisis_draft(), items_draft(), halt_draft(kind), end_draft(), crisis_draft(ENDS_MS + 9 * DAY_MS)
    letters = said(author, *drafts_)
    take(node, [without(one, "payload") for one in letters])
    for number in order:
        take(node, [letters[number]])
    found = deadlines.every(node.stores.index)
    assert found[hash_of(node, letters[1])].due_ms == ENDS_MS + 30 * DAY_MS, "30 d after its declared end"
    seen = consult.view(node.trust, node.follows, BASE_MS + 1)
    (shown,) = crises.every(node.stores, seen, "", exercises=True)
    assert shown.ends_ms == ENDS_MS
    assert rebuilt(node) == found


def test_a_halt_that_comes_after_an_end_kept_above_a_gap_is_heeded(node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    first, items, halt, end = said(
        author, crisis_draft(), items_draft(), halt_draft(62), replace(end_draft(), urgency=URGENT)
    )
    take(node, [first, items, end])
    assert due_ms(node, hash_of(node, items)) == BASE_MS + 30 * DAY_MS
    take(node, [halt])
    assert due_ms(node, hash_of(node, items)) == ENDS_MS + 30 * DAY_MS


def test_nobody_ends_a_crisis_of_another_early(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    stranger = node_in(tmp_path / "stranger", world, 2)
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(), crisis_draft())
    take(node, letters)
    take(node, said(stranger, end_draft()))
    take(node, said(stranger, crisis_draft(BASE_MS + 1)))
    assert due_ms(node, hash_of(node, letters[0])) == ENDS_MS + 30 * DAY_MS
    stranger.stores.close()


def test_whoever_takes_an_id_and_dates_it_back_puts_a_crisis_under_no_other_rule(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    stranger = node_in(tmp_path / "stranger", world, 2)
    take(node, said(author, crisis_draft()))
    other = crisis_draft()
    record = record_pb2.Record.FromString(other.record)
    record.crisis.framework.name = "x-other"
    taken = said(stranger, replace(other, record=record.SerializeToString()), now_ms=BASE_MS - DAY_MS)
    take(node, taken, BASE_MS + 1)
    for _ in range(2):
        assert endings.known(node.stores, node.trust, CRISIS, exercise=False).framework == "eu-ocrf"
        node.rebuild()
    stranger.stores.close()


def test_an_end_that_is_marked_as_a_drill_ends_nothing_real(node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(), crisis_draft(), end_draft(exercise=True))
    take(node, letters)
    assert due_ms(node, hash_of(node, letters[0])) == ENDS_MS + 30 * DAY_MS
    take(node, said(author, end_draft()))
    assert due_ms(node, hash_of(node, letters[0])) == BASE_MS + 30 * DAY_MS


def test_an_alert_is_short_lived_until_a_declaration_names_it(node: Exchange, author: Exchange) -> None:
    node.change_policy(policy('class = "alert", crisis = "none", keep = "7 d"'), BASE_MS)
    (letter,) = said(author, crisis_draft(kind=Kind.ALERT))
    take(node, [letter])
    hash_ = hash_of(node, letter)
    assert due_ms(node, hash_) == BASE_MS + 7 * DAY_MS
    take(node, said(author, crisis_draft(linked=[b"a" * 16])))
    assert due_ms(node, hash_) == CEILING_MS
    assert rebuilt(node)[hash_].due_ms == CEILING_MS


def test_an_opinion_goes_with_its_item_whichever_came_first(node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(crisis_id=b""), items_draft(40))
    item, of_crisis = (hash_of(node, one) for one in letters)
    letters += said(author, opinion_draft(item), opinion_draft(of_crisis))
    opinion, other = (hash_of(node, one) for one in letters[2:])
    take(node, [*(without(one, "payload") for one in letters[:2]), *letters[2:]])
    assert due_ms(node, opinion) == BASE_MS + 90 * DAY_MS
    take(node, letters)
    assert due_ms(node, opinion) == due_ms(node, item) == BASE_MS + 14 * DAY_MS
    assert {one.entry for one in sweep(node, BASE_MS + 14 * DAY_MS)} == {item, opinion}
    take(node, said(author, crisis_draft()))
    assert due_ms(node, other) == due_ms(node, of_crisis) == ENDS_MS + 30 * DAY_MS
    assert rebuilt(node)[other].due_ms == due_ms(node, of_crisis)


def test_an_opinion_about_what_is_erased_goes_at_once_and_a_rebuild_agrees(node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft())
    item = hash_of(node, letters[0])
    letters += said(author, opinion_draft(item))
    take(node, letters)
    node.begin_erasing([Erasure(item, BASE_MS, Reason.WITHDRAWAL)])
    erase.apply(node.stores, node.erasures, node.keep, node.reader, node.author.randomness)
    settle(node)
    live = deadlines.every(node.stores.index)
    assert [one.due_ms for one in live.values()] == [0]
    assert rebuilt(node) == live
    assert [one.reason for one in sweep(node, BASE_MS)] == [Reason.POLICY]


def test_our_own_agreement_is_a_review_and_nobody_elses_is(node: Exchange, author: Exchange) -> None:
    node.change_policy(policy('class = "cryptographic", keep = "9 d", after = "review"'), BASE_MS)
    (letter,) = said(author, items_draft())
    take(node, [letter])
    hash_ = hash_of(node, letter)
    take(node, said(author, opinion_draft(hash_, Verdict.AGREE)), BASE_MS + 2 * DAY_MS)
    assert due_ms(node, hash_) == BASE_MS + 9 * DAY_MS
    said(node, opinion_draft(hash_, verdict=4), now_ms=BASE_MS + 3 * DAY_MS)
    settle(node)
    assert due_ms(node, hash_) == BASE_MS + 9 * DAY_MS
    said(node, opinion_draft(hash_, Verdict.AGREE), now_ms=BASE_MS + 4 * DAY_MS)
    settle(node)
    assert due_ms(node, hash_) == BASE_MS + 13 * DAY_MS
    assert rebuilt(node)[hash_].due_ms == BASE_MS + 13 * DAY_MS


def test_what_nobody_categorised_is_short_lived_and_our_own_is_not(node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(crisis_id=b""), items_draft(40, crisis_id=b"", labels=["propaganda"]))
    take(node, letters)
    (own,) = said(node, items_draft(80, crisis_id=b""))
    settle(node)
    found = [due_ms(node, hash_of(node, one)) for one in (*letters, own)]
    assert found == [BASE_MS + days * DAY_MS for days in (14, 30, 30)]


def test_another_policy_decides_everything_anew_in_steps_and_nothing_goes_by_the_old_one_meanwhile(
    node: Exchange, author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "RECORDS_PER_STEP", 2)
    node.change_policy(policy('class = "cryptographic", keep = "1 d"'), BASE_MS)
    letters = said(author, *(items_draft(i) for i in range(5)))
    take(node, letters)
    later = BASE_MS + DAY_MS
    assert len(find(node, later)) == 5
    node.change_policy(policy('class = "cryptographic", keep = "2 d"'), BASE_MS)
    assert find(node, later) == [], "not before the first step"
    steps = 0
    while node.project():
        steps += 1
        assert find(node, later) == []
    assert steps == 3
    assert len(find(node, later + DAY_MS)) == 5
    node.change_policy(policy('class = "cryptographic", keep = "0 d"'), BASE_MS)
    assert node.project()
    again = Exchange(node.stores, node.trust, node.author, node.erasures, policy=node.policy)
    settle(again)
    assert len(find(again, BASE_MS)) == 5, "where the last one stopped"


def test_what_depends_on_something_that_is_to_be_decided_anew_does_not_go_before(
    node: Exchange, author: Exchange
) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    take(node, said(author, items_draft(), crisis_draft()))
    over = ENDS_MS + 30 * DAY_MS
    assert len(find(node, over)) == 1
    deadlines.ask(node.stores.index, CRISIS)
    node.stores.commit("index")
    assert find(node, over) == []
    settle(node)
    assert len(find(node, over)) == 1


def test_of_several_sources_of_a_value_each_record_goes_by_itself(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    other = node_in(tmp_path / "other", world, 2)
    node.change_policy(BY_CRISIS, BASE_MS)
    take(node, said(author, items_draft(crisis_id=b"")))
    take(node, said(other, items_draft(crisis_id=b"", labels=["propaganda"])))
    assert digest_rows(node) == 40, "a row for each record that it stands in"
    values = standing_values(node)
    assert len(sweep(node, BASE_MS + 14 * DAY_MS)) == 1
    assert standing_values(node) == values
    assert digest_rows(node) == 20
    assert len(sweep(node, BASE_MS + 30 * DAY_MS)) == 1
    assert digest_rows(node) == 0
    other.stores.close()


def test_what_would_be_over_at_once_is_not_fetched_until_a_policy_wants_it(node: Exchange, author: Exchange) -> None:
    of_items = 'class = ["url", "cryptographic", "perceptual", "items"]'  # of which kind they are shows no header
    node.change_policy(policy(f'{of_items}, keep = "5 d", after = "created"'), BASE_MS)
    label, letter = said(author, items_draft(40), items_draft())
    hash_, late = hash_of(node, letter), BASE_MS + 5 * DAY_MS
    take(node, [without(label, "payload")], BASE_MS)
    take(node, [without(letter, "payload")], late)
    assert payloads.state(node.stores.ledger, hash_) is State.UNWANTED
    assert [one.hash for one in payloads.wants(node.stores.ledger, late, 10, exercise=False)] == [hash_of(node, label)]
    node.change_policy(retention.AS_AUTHORED, late)
    assert len(payloads.wants(node.stores.ledger, late, 10, exercise=False)) == 2
    node.change_policy(policy('class = "any", keep = "5 d", after = "created"'), late)
    assert payloads.wants(node.stores.ledger, late, 10, exercise=False) == []


def test_what_only_others_can_read_goes_by_a_rule_of_its_own(node: Exchange, author: Exchange) -> None:
    node.change_policy(policy('class = "sealed", keep = "30 d"', 'class = "any", keep = "1 d"'), BASE_MS)
    (letter,) = said(author, items_draft())
    hash_ = hash_of(node, letter)
    take(node, [letter])
    project.hide(node.stores, hash_)
    number = index.number(node.stores.index, hash_)
    assert number is not None
    index.drop_record(node.stores.index, number)
    payloads.set_state(node.stores.ledger, hash_, State.SEALED)
    node.stores.commit("index")
    node.stores.commit("ledger")
    assert sweep(node, BASE_MS + 30 * DAY_MS - 1) == []
    (made,) = sweep(node, BASE_MS + 30 * DAY_MS)
    cause = retention.decode_cause(made.cause)
    assert cause is not None
    assert (made.entry, cause.rule) == (hash_, 1)


def odd_draft(kind: str, **content: Any) -> Draft:
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.ITEMS, object_id=LIST)
    record.MergeFrom(record_pb2.Record(items=record_pb2.Items(kind=kind, **content)))
    return Draft(Kind.ITEMS, BULK, record=record.SerializeToString(), object_id=LIST, expires_ms=CEILING_MS)


def test_what_can_be_opened_and_is_no_use_here_goes_by_the_rule_for_what_is_kept_for_peers(
    node: Exchange, author: Exchange
) -> None:
    node.change_policy(policy('class = "sealed", keep = "1 d"', 'class = "any", keep = "9 d"'), BASE_MS)
    no_digest = odd_draft("sha256", digests=b"x" * 33)
    too_large = odd_draft("sha256", digests=b"x" * 32, labels=["y" * 1000] * 300)
    letters = said(author, no_digest, too_large, items_draft())
    take(node, letters)
    odd = {hash_of(node, one) for one in letters[:2]}
    assert all(index.number(node.stores.index, one) is None for one in odd)
    assert all(payloads.state(node.stores.ledger, one) is State.PRESENT for one in odd)
    assert sweep(node, BASE_MS + DAY_MS - 1) == []
    assert {one.entry for one in sweep(node, BASE_MS + DAY_MS)} == odd
    assert [one.entry for one in sweep(node, BASE_MS + 9 * DAY_MS)] == [hash_of(node, letters[2])]


def test_what_the_projection_has_not_reached_does_not_go_as_if_it_were_no_use(node: Exchange, author: Exchange) -> None:
    node.change_policy(policy('class = "sealed", keep = "1 d"', 'class = "any", keep = "9 d"'), BASE_MS)
    settle(node)
    node.admit(node.verify(said(author, items_draft(), crisis_draft())), BASE_MS)
    assert find(node, BASE_MS + DAY_MS) == []


def test_a_start_goes_by_the_policy_that_is_there_then(node: Exchange, author: Exchange) -> None:
    take(node, said(author, items_draft()))
    again = Exchange(node.stores, node.trust, node.author, node.erasures, policy=policy('class = "any", keep = "1 d"'))
    again.start(BASE_MS)
    assert len(find(again, BASE_MS + DAY_MS)) == 1


def let_go(node: Exchange, hash_: HeaderHash, *, is_erased: bool) -> None:
    row, number = ledger.entry(node.stores.ledger, hash_), project.hide(node.stores, hash_)
    assert row is not None
    assert number is not None
    project.erase_keys(node.stores, row, number, node.trust, node.reader)
    project.forget(node.stores, number, node.keep, is_erased=is_erased)
    settle(node)


EXTENDED_MS = BASE_MS + 5 * DAY_MS


def extend_draft(entry: bytes) -> Draft:
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.CRISIS_ACT, object_id=CRISIS)
    record.crisis_act.extend.ends_ms, record.crisis_act.entry = EXTENDED_MS, entry
    content = record.SerializeToString()
    expires_ms = EXTENDED_MS + 30 * DAY_MS
    return Draft(Kind.CRISIS_ACT, NORMAL, record=content, object_id=CRISIS, expires_ms=expires_ms)


def test_what_was_counted_from_the_end_of_a_crisis_is_not_put_off_when_that_is_forgotten(
    node: Exchange, author: Exchange
) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(), replace(crisis_draft(), expires_ms=ENDS_MS + 30 * DAY_MS))
    take(node, letters)
    items, declaration = (hash_of(node, one) for one in letters)
    take(node, said(author, opinion_draft(items), extend_draft(declaration)))
    assert due_ms(node, items) == EXTENDED_MS + 30 * DAY_MS
    assert [one.entry for one in sweep(node, ENDS_MS + 30 * DAY_MS)] == [declaration]
    assert due_ms(node, items) == EXTENDED_MS + 30 * DAY_MS
    node.change_policy(
        policy('class = "cryptographic", keep = "31 d", after = "crisis-end", longest = "180 d"'), BASE_MS
    )
    settle(node)
    assert due_ms(node, items) == EXTENDED_MS + 30 * DAY_MS, "nor by another policy"
    take(node, said(author, crisis_draft(ENDS_MS + 9 * DAY_MS)))
    assert due_ms(node, items) == ENDS_MS + (9 + 31) * DAY_MS, "what is said anew counts"


def test_of_a_crisis_that_was_taken_back_what_was_counted_from_its_end_is_not_put_off(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    other = node_in(tmp_path / "other", world, 2)
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(), crisis_draft()) + said(other, crisis_draft(ENDS_MS + DAY_MS))
    take(node, letters)
    items, first, second = (hash_of(node, one) for one in letters)
    let_go(node, second, is_erased=True)
    assert due_ms(node, items) == ENDS_MS + 30 * DAY_MS, "by what is left"
    let_go(node, first, is_erased=True)
    assert due_ms(node, items) == ENDS_MS + 30 * DAY_MS
    other.stores.close()


def test_an_opinion_about_what_is_only_let_go_is_kept_by_its_own_rule(node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    (letter,) = said(author, items_draft(crisis_id=b""))
    item = hash_of(node, letter)
    take(node, [letter, *(letters := said(author, opinion_draft(item)))])
    (opinion,) = (hash_of(node, one) for one in letters)
    assert due_ms(node, opinion) == BASE_MS + 14 * DAY_MS
    let_go(node, item, is_erased=False)
    assert due_ms(node, opinion) == BASE_MS + 90 * DAY_MS
    assert find(node, BASE_MS) == []


def test_an_end_that_is_forgotten_before_its_declaration_puts_nothing_off(node: Exchange, author: Exchange) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(), crisis_draft(), end_draft())
    take(node, letters)
    items, _, end = (hash_of(node, one) for one in letters)
    let_go(node, end, is_erased=True)
    assert due_ms(node, items) == BASE_MS + 30 * DAY_MS


def act_draft(verb: str, field: str, number: int, entry: bytes = b"") -> Draft:
    record = record_pb2.Record(handling=record_pb2.Handling(tlp=2), kind=Kind.CRISIS_ACT, object_id=CRISIS)
    record.crisis_act.entry = entry
    setattr(getattr(record.crisis_act, verb), field, str(number))
    content = record.SerializeToString()
    return Draft(Kind.CRISIS_ACT, NORMAL, record=content, object_id=CRISIS, expires_ms=CEILING_MS)


def test_however_much_one_member_says_of_a_crisis_little_of_it_is_weighed_and_an_end_counts(
    node: Exchange, author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "ACTS_MAX", 8)
    monkeypatch.setattr(endings, "ANSWERS_MAX", 4)
    node.change_policy(BY_CRISIS, BASE_MS)
    letters = said(author, items_draft(), *(crisis_draft(ENDS_MS + i) for i in range(30)))
    letters += said(author, *(act_draft("review", "text", i) for i in range(30)))
    declared = min(hash_of(author, one) for one in letters[1:31])  # which of them is read
    letters += said(author, *(act_draft("refuse", "ground", i, declared) for i in range(30)))
    letters += said(author, end_draft(), now_ms=BASE_MS + 1)
    take(node, letters)
    assert due_ms(node, hash_of(node, letters[0])) == BASE_MS + 1 + 30 * DAY_MS
    weighed = list[HeaderHash]()
    weigh = restricting.restriction

    def counted(stores: Stores, record: index.Record, *more: Any) -> Any:
        weighed.append(record.hash)
        return weigh(stores, record, *more)

    monkeypatch.setattr(restricting, "restriction", counted)
    endings.known(node.stores, node.trust, CRISIS, exercise=False)
    assert len(weighed) == 8 + 1 + 4, "reviews, the end, and answers"


def test_what_is_known_of_a_crisis_is_found_once_until_something_comes_that_may_change_it(
    node: Exchange, author: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.change_policy(BY_CRISIS, BASE_MS)
    found, known = list[bytes](), endings.known

    def counted(stores: Stores, trust: Trust, object_id: bytes, *, exercise: bool) -> endings.Known:
        found.append(object_id)
        return known(stores, trust, object_id, exercise=exercise)

    monkeypatch.setattr(endings, "known", counted)
    kept = endings.Endings()

    def write(*drafts_: Draft, at_ms: int = BASE_MS) -> int:
        """How often the end was looked for."""
        node.admit(node.verify(said(author, *drafts_, now_ms=at_ms)), at_ms)
        found.clear()
        into = project.Into.now(node.keep, node.reader, node.follows, node.erasures, kept)
        while step := project.begin(node.stores, into, urgent=False):
            if isinstance(step, project.Heavy):
                project.write_keys(node.stores, step)
                project.finish(node.stores, step)
        return len(found)

    assert write(crisis_draft(), *(items_draft(i, labels=["x"]) for i in range(5))) == 1
    assert write(*(items_draft(i, labels=["x"]) for i in range(5, 9))) == 0
    assert write(end_draft(), items_draft(9, labels=["x"])) == 1
    live = deadlines.every(node.stores.index)
    assert min(one.due_ms for one in live.values()) == BASE_MS + 30 * DAY_MS


def test_an_alert_that_became_a_crisis_ends_with_it_whenever_that_is_said(node: Exchange, author: Exchange) -> None:
    node.change_policy(policy('class = "alert", keep = "30 d", after = "crisis-end", longest = "180 d"'), BASE_MS)
    (letter,) = said(author, crisis_draft(kind=Kind.ALERT))
    alert = hash_of(node, letter)
    take(node, [letter, *said(author, crisis_draft(linked=[b"a" * 16]))])
    assert due_ms(node, alert) == ENDS_MS + 30 * DAY_MS
    take(node, said(author, end_draft()))
    assert due_ms(node, alert) == BASE_MS + 30 * DAY_MS
    live = deadlines.every(node.stores.index)
    assert rebuilt(node) == live
