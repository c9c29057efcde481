"""Profiles: of each member the newest that stands, alike everywhere, and nothing of those before it for long."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from nacl.signing import SigningKey

from node import limits
from node.content.profiles import OUT_OF_HOURS, Contact, Endpoint, Profile
from node.exchange import drafts, profiles
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.profiles import Held
from node.exchange.publish import Draft
from node.feed.header import NORMAL
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.policy.cooling import HOUR_MS
from node.policy.renewing import DAY_MS
from node.store import index, payloads, restrictions
from node.store.payloads import State
from node.v1 import header_pb2, record_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_erase import shows_none, sweep
from tests.exchange.test_forks import by_root
from tests.exchange.test_membership import revoke, tell
from tests.exchange.test_odd_order import hash_of, said, take, without
from tests.simulator.members import BASE_MS, Federation, Member, SeededWrapping, seed

Letter = header_pb2.SignedEntry
NODE, OTHER = b"n" * 16, b"o" * 16
LIFE_MS = limits.PROFILE_LIFE_MS_MAX


@pytest.fixture(autouse=True)
def _chance(author: Exchange) -> None:
    author.author = replace(author.author, randomness=Random(1).randbytes)


def profile(function: str, **more: int) -> Profile:
    return Profile(contacts=(Contact(OUT_OF_HOURS, function, "+49 611 555 0100"),), **more)  # type: ignore[arg-type]


def draft(
    who: Exchange, said_: Profile, replaces: Sequence[HeaderHash] = (), ends_ms: int = BASE_MS + LIFE_MS
) -> Draft:
    return profiles.draft(who.reader.member_id, said_, replaces, ends_ms)


def counting(node: Exchange, member_id: MemberId, now_ms: int = BASE_MS) -> Held | None:
    while node.project():
        pass
    one = profiles.of(node.stores, node.trust, member_id, now_ms)
    assert profiles.every(node.stores, node.trust, now_ms).get(member_id) == one
    return one


def function(node: Exchange, member_id: MemberId, now_ms: int = BASE_MS) -> str:
    """Of the profile that counts; empty: there is none."""
    held = counting(node, member_id, now_ms)
    return held.profile.contacts[0].function if held else ""


def second_node(folder: Path, world: Federation, member: Member) -> tuple[Exchange, list[Letter]]:
    """Another node of the same member, and what makes others know it."""
    other = replace(member, feed_key=SigningKey(seed("second feed")))
    certificate = header_pb2.Node(
        node_id=OTHER,
        feed_key=bytes(other.feed_key.verify_key),
        kem_key=SeededWrapping.public(member.kem),
        tls_issuer=b"issuer",
    )
    letters = by_root(world, member, (Kind.NODE, certificate.SerializeToString()))
    folder.mkdir()
    node = exchange_in(folder, world, other)
    node.author = replace(node.author, randomness=Random(2).randbytes)
    take(node, letters)
    node.start(BASE_MS)
    opened = header_pb2.Open(member_id=member.member_id, feed_key=bytes(other.feed_key.verify_key))
    return node, [*letters, *said(node, Draft(Kind.OPEN, NORMAL, statement=opened.SerializeToString()))]


def test_the_newest_of_any_node_of_a_member_counts_in_whatever_order_they_come(
    tmp_path: Path, world: Federation, author: Exchange
) -> None:
    second, known = second_node(tmp_path / "second", world, world.members[1])
    take(author, known)
    first = said(author, draft(author, profile("first")), now_ms=BASE_MS)
    newest = said(second, draft(second, profile("newest")), now_ms=BASE_MS + 2)
    middle = said(author, draft(author, profile("middle"), [hash_of(author, first[0])]), now_ms=BASE_MS + 1)
    for number, order in enumerate(permutations([first[0], middle[0], newest[0]])):
        node = node_in(tmp_path / f"n{number}", world, 0)
        take(node, known)
        take(node, [without(one, "payload") for one in (*first, *middle, *newest)])
        for one in order:
            take(node, [one])
            counting(node, author.reader.member_id)
        assert function(node, author.reader.member_id) == "newest"
        node.stores.close()


def test_of_two_of_one_moment_the_larger_hash_counts(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    second, known = second_node(tmp_path / "second", world, world.members[1])
    letters = [*said(author, draft(author, profile("one"))), *said(second, draft(second, profile("two")))]
    take(node, known)
    take(node, letters)
    held = counting(node, author.reader.member_id)
    assert held
    assert held.hash == max(hash_of(author, one) for one in letters)


def test_what_is_replaced_is_erased_within_the_hour_and_a_rebuilt_index_is_the_same(
    tmp_path: Path, node: Exchange, author: Exchange
) -> None:
    me = author.reader.member_id
    take(node, said(author, draft(author, profile("Former desk"))))
    while author.project():
        pass
    before = profiles.replaced(author.stores, me)
    take(node, said(author, draft(author, profile("Present desk"), before), now_ms=BASE_MS + 1))
    assert function(node, me) == "Present desk"
    assert not shows_none(tmp_path / "node", b"Former desk")
    assert [one.entry for one in sweep(node, BASE_MS + 1 + HOUR_MS)] == before
    assert shows_none(tmp_path / "node", b"Former desk")
    assert function(node, me) == "Present desk"
    live = index.of_kinds(node.stores.index, [Kind.PROFILE]), restrictions.all_said(node.stores.index)
    node.rebuild()
    again = index.of_kinds(node.stores.index, [Kind.PROFILE]), restrictions.all_said(node.stores.index)
    assert again == live
    assert len(again[0]) == 1


def test_who_has_missed_one_does_not_keep_what_went_before_it(tmp_path: Path, node: Exchange, author: Exchange) -> None:
    me, letters = author.reader.member_id, list[Letter]()
    for number, function_ in enumerate(("first desk", "second desk", "third desk")):
        now_ms = BASE_MS + number * 2 * HOUR_MS
        sweep(author, now_ms)
        replaces = profiles.replaced(author.stores, me)
        letters += said(author, draft(author, profile(function_), replaces), now_ms=now_ms)
    first, second, third = letters
    assert len(index.of_kinds(author.stores.index, [Kind.PROFILE])) == 1, "the first is erased before the third is said"
    node.admit(node.verify([first, without(second, "payload"), third]), BASE_MS + 4 * HOUR_MS)
    assert function(node, me) == "third desk"
    sweep(node, BASE_MS + DAY_MS)
    assert shows_none(tmp_path / "node", b"first desk")


def test_a_node_that_has_lost_what_its_member_said_knows_that_it_was_said(node: Exchange, author: Exchange) -> None:
    """Else it would say a first profile, and nobody's contacts would count everywhere."""
    feeds = [author.author.feed_id]

    def lacks(now_ms: int, *states: State) -> bool:
        return payloads.is_lacking(node.stores.ledger, feeds, Kind.PROFILE, now_ms, states)

    (letter,) = said(author, draft(author, profile("desk")))
    assert not lacks(BASE_MS, State.MISSING)
    take(node, [without(letter, "payload")])
    assert lacks(BASE_MS, State.MISSING)
    assert not lacks(BASE_MS + LIFE_MS, State.MISSING), "it is over"
    take(node, [letter])
    assert not lacks(BASE_MS, State.MISSING, State.ERASED)
    take(node, said(author, drafts.withdrawal(hash_of(author, letter), 0, 8)))
    sweep(node, BASE_MS + DAY_MS)
    assert lacks(BASE_MS + DAY_MS, State.MISSING, State.ERASED)
    assert not payloads.is_lacking(node.stores.ledger, [], Kind.PROFILE, BASE_MS, list(State))


def test_it_ends_with_its_time_and_leaves_the_files(tmp_path: Path, node: Exchange, author: Exchange) -> None:
    me = author.reader.member_id
    take(node, said(author, draft(author, profile("Duty desk"))))
    assert function(node, me, BASE_MS + LIFE_MS - 1) == "Duty desk"
    assert function(node, me, BASE_MS + LIFE_MS) == ""
    sweep(node, BASE_MS + LIFE_MS)
    assert shows_none(tmp_path / "node", b"Duty desk")


@pytest.mark.parametrize("fault", ["object", "life", "exercise", "bound", "content", "replaces"])
def test_what_is_no_profile_is_passed_over_and_the_one_before_it_stands(
    node: Exchange, author: Exchange, fault: str
) -> None:
    me = author.reader.member_id
    take(node, said(author, draft(author, profile("right"))))
    while author.project():
        pass
    made = draft(author, profile("wrong"), profiles.replaced(author.stores, me))
    record = record_pb2.Record.FromString(made.record)
    match fault:
        case "object":
            record.object_id = bytes(16)
            made = replace(made, object_id=record.object_id)
        case "life":
            made = replace(made, expires_ms=BASE_MS + LIFE_MS + 2)
        case "exercise":
            record.exercise = True
            made = replace(made, exercise=True)
        case "bound":
            record.profile.contacts[0].function = "x" * (limits.PROFILE_FUNCTION_CHARACTERS_MAX + 1)
        case "content":
            record.list.name = "no profile"
        case "replaces":
            record.replaces.extend([bytes([i]) * 32 for i in range(limits.PROFILE_REPLACES_MAX)])
    take(node, said(author, replace(made, record=record.SerializeToString()), now_ms=BASE_MS + 1))
    assert function(node, me) == "right"


def test_nobody_takes_the_place_of_anothers(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    stranger = node_in(tmp_path / "stranger", world, 2)
    (first,) = said(author, draft(author, profile("right")))
    hash_ = hash_of(author, first)
    forged = replace(draft(author, profile("forged"), [hash_]))
    take(node, [first, *said(stranger, forged, draft(stranger, profile("stranger"), [hash_]), now_ms=BASE_MS + 1)])
    assert function(node, author.reader.member_id) == "right"
    assert function(node, stranger.reader.member_id) == "stranger"


def test_what_is_contested_neither_counts_nor_silences_what_stands(node: Exchange, author: Exchange) -> None:
    me = author.reader.member_id
    (first,) = said(author, draft(author, profile("before the theft")))
    (second,) = said(author, draft(author, profile("after it"), [hash_of(author, first)]), now_ms=BASE_MS + 1)
    take(node, [first, second])
    assert function(node, me) == "after it"
    node.trust = trusts.with_fork(node.trust, author.author.feed_id, 3, parts=True)
    assert function(node, me) == "before the theft"
    sweep(node, BASE_MS + DAY_MS)
    assert function(node, me) == "before the theft"


def test_what_was_withdrawn_does_not_count(node: Exchange, author: Exchange) -> None:
    (first,) = said(author, draft(author, profile("right")))
    take(node, [first, *said(author, drafts.withdrawal(hash_of(author, first), 0, 8))])
    assert function(node, author.reader.member_id) == ""


def test_a_profile_of_a_removed_member_is_not_shown_and_nobody_is_dialled_for_it(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange
) -> None:
    me, address = author.reader.member_id, Profile((Endpoint(NODE, "node.example:7443"),))
    take(node, said(author, draft(author, address)))
    counting(node, me)
    views = profiles.views(node.stores, node.trust, node.reader.member_id, BASE_MS)
    assert me in [one.member_id for one in views if one.entry]
    assert profiles.addresses(profiles.every(node.stores, node.trust, BASE_MS)) == {me: ("node.example:7443",)}
    for number in (2, 3, 4):
        one = node_in(tmp_path / f"r{number}", world, number)
        revoke(one, me)
        tell(node, one)
    assert counting(node, me) is None
    views = profiles.views(node.stores, node.trust, node.reader.member_id, BASE_MS)
    assert me not in [one.member_id for one in views]


def test_a_node_says_by_itself_where_it_is_and_the_same_again_before_it_ends() -> None:
    use, full = frozenset({NODE, OTHER}), profile("desk", checked_ms=BASE_MS)
    first = profiles.due(None, NODE, "node.example:1", use, BASE_MS)
    assert first == Profile((Endpoint(NODE, "node.example:1"),))
    assert profiles.due(None, NODE, "", use, BASE_MS) is None
    held = Held(HeaderHash(b""), BASE_MS, BASE_MS + LIFE_MS, full.with_address(NODE, "node.example:1"))
    assert profiles.due(held, NODE, "node.example:1", use, BASE_MS) is None
    moved = profiles.due(held, NODE, "node.example:2", use, BASE_MS)
    assert moved
    assert (moved.endpoints, moved.contacts) == ((Endpoint(NODE, "node.example:2"),), full.contacts)
    hidden = profiles.due(held, NODE, "", use, BASE_MS)
    assert hidden
    assert (hidden.endpoints, hidden.contacts) == ((), full.contacts)
    late = BASE_MS + LIFE_MS - 29 * DAY_MS
    assert profiles.due(held, NODE, "node.example:1", use, late) is None, "nobody confirmed it for a year"
    confirmed = replace(held, profile=replace(held.profile, checked_ms=late - 300 * DAY_MS))
    assert profiles.due(confirmed, NODE, "node.example:1", use, late) == confirmed.profile


def test_nodes_that_are_no_more_are_left_out_of_what_is_said() -> None:
    both = Profile((Endpoint(NODE, "node.example:1"), Endpoint(OTHER, "other.example:1")))
    held = Held(HeaderHash(b""), BASE_MS, BASE_MS + LIFE_MS, both)
    assert profiles.due(held, NODE, "node.example:1", frozenset({NODE, OTHER}), BASE_MS) is None
    assert profiles.due(held, NODE, "node.example:1", frozenset({NODE}), BASE_MS) == Profile(both.endpoints[:1])


def test_the_largest_profile_floods_with_its_header(node: Exchange, author: Exchange) -> None:
    contact = Contact(OUT_OF_HOURS, "x" * 80, "+49 611 5550100", f"{'x' * 200}@ministry.example")
    large = Profile(contacts=(contact,) * 16, languages=("de",) * 16)
    replaces = [HeaderHash(bytes([i]) * 32) for i in range(limits.PROFILE_REPLACES_MAX)]
    (letter,) = said(author, draft(author, large, replaces))
    assert len(letter.payload) <= limits.INLINE_BYTES_MAX
    take(node, [letter])
    assert counting(node, author.reader.member_id)
