"""Who is a member is a function of a set (protos/README.md sections 5.3 and 5.4)."""

from dataclasses import fields, replace
from functools import reduce
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node import limits
from node.feed import amendment, known, marks, quorum, roster
from node.feed.facts import Amended, Departed, Facts, Retracted, Said
from node.feed.growing import Growing, Index
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.marks import Marks, Standing
from node.feed.quorum import Act, Quorum
from node.feed.statements import Bound
from node.v1 import header_pb2
from tests.feed import worlds
from tests.feed.worlds import DAY_MS, NOW_MS, said

WORLD = worlds.world()
CHARTER, EVERYONE = WORLD.charter, WORLD.everyone
FEW = settings(max_examples=80, deadline=None)


def amended(author: MemberId, number: int, previous: bytes, document: bytes, count: int) -> Amended:
    """A signature under an amendment that asks for so many endorsements of a platform."""
    rows = quorum.encode({(Act.ADMIT, 4): Quorum(count, 1, worlds.EVERY_ROLE)})
    statement = header_pb2.Amend(number=number, previous=previous, document=document, quorums=rows)
    hash_ = amendment.amendment_hash(WORLD.federation_id, statement.SerializeToString(deterministic=True))
    return Amended(author, number, previous, hash_, rows, document)


FIRST = [amended(MemberId(b""), 1, b"", worlds.seed(f"document {n}"), n) for n in (1, 2, 3)]
AMENDMENTS = [
    *FIRST,
    *(amended(MemberId(b""), 2, first.hash, worlds.seed("second"), number) for number, first in enumerate(FIRST, 1)),
]


@st.composite
def statements_about(draw: st.DrawFn, *, until: bool = False) -> Said:
    author, member = draw(st.sampled_from(EVERYONE)), draw(st.sampled_from(EVERYONE))
    seq = draw(st.integers(1, 4))
    one = said(f"drawn {seq}", author, member, role=0 if until else draw(st.sampled_from((4, 5))))
    made = replace(one, created_ms=NOW_MS - draw(st.sampled_from((0, 400))) * DAY_MS, seq=seq)
    return replace(made, until_ms=NOW_MS + draw(st.sampled_from((-1, 1))) * DAY_MS) if until else made


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    endorsements = draw(st.frozensets(statements_about(), max_size=24))
    back = draw(st.frozensets(st.sampled_from(sorted(endorsements, key=_key)), max_size=3)) if endorsements else ()
    signers = st.sampled_from([one.member_id for one in EVERYONE])
    signed = draw(st.frozensets(st.tuples(signers, st.integers(0, len(AMENDMENTS) - 1)), max_size=16))
    return Facts(
        inceptions=frozenset(one.inception for one in draw(st.frozensets(st.sampled_from(EVERYONE)))),
        endorsements=endorsements,
        unendorsed=frozenset(Retracted(one.author, one.entry, one.entry) for one in back),
        suspensions=draw(st.frozensets(statements_about(until=True), max_size=4)),
        revocations=draw(st.frozensets(statements_about(until=True), max_size=6)),
        amendments=frozenset(replace(AMENDMENTS[number], author=author) for author, number in signed),
        departures=draw(st.frozensets(departures(), max_size=3)),
    )


@st.composite
def departures(draw: st.DrawFn) -> Departed:
    """Some member's; of one whose log has forked there may be two. What is drawn was said in no feed, at place 0."""
    one, label = draw(st.sampled_from(EVERYONE)), draw(st.sampled_from(("first", "second")))
    feeds = draw(st.frozensets(st.sampled_from([other.feed_id(WORLD.federation_id) for other in EVERYONE[:3]])))
    bounds = tuple((feed_id, draw(st.integers(0, 3))) for feed_id in sorted(feeds))
    return Departed(one.member_id, HeaderHash(worlds.seed(f"left {label}")), NOW_MS, bounds)


def _key(one: Said) -> tuple[bytes, int]:
    return one.entry, one.created_ms


@given(facts(), facts(), facts())
@FEW
def test_facts_join_in_any_order_and_any_number_of_times(a: Facts, b: Facts, c: Facts) -> None:
    assert a.merge(a) == a
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(Facts()) == a


@given(facts(), facts())
@FEW
def test_more_facts_never_make_fewer_known_members(a: Facts, b: Facts) -> None:
    fewer, more = known.known(CHARTER, a), known.known(CHARTER, a.merge(b))
    assert fewer.members <= more.members
    assert fewer.members | fewer.candidates <= more.members | more.candidates
    assert not more.members & more.candidates


@given(facts(), st.randoms(use_true_random=False))
@FEW
def test_what_is_known_and_what_has_effect_do_not_depend_on_the_order_of_arrival(whole: Facts, chance: Random) -> None:
    parts = [
        Facts(**{kind.name: frozenset((one,))})
        for kind in fields(Facts)
        if kind.init
        for one in getattr(whole, kind.name)
    ]
    chance.shuffle(parts)
    again = reduce(Facts.merge, parts, Facts())
    assert again == whole
    assert known.known(CHARTER, again) == known.known(CHARTER, whole)
    assert roster.roster(CHARTER, again, NOW_MS) == roster.roster(CHARTER, whole, NOW_MS)


@pytest.mark.parametrize("strangers_max", [1, 2, limits.STRANGERS_PER_MEMBER_MAX])
@given(whole=facts(), chance=st.randoms(use_true_random=False))
@FEW
def test_what_is_known_statement_by_statement_is_what_is_known_of_them_all(
    strangers_max: int, whole: Facts, chance: Random
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(limits, "STRANGERS_PER_MEMBER_MAX", strangers_max)
        _follow_known(whole, chance)


def _follow_known(whole: Facts, chance: Random) -> None:
    parts = [
        *(Facts(endorsements=frozenset((one,))) for one in whole.endorsements),
        *(Facts(amendments=frozenset((one,))) for one in whole.amendments),
        *(Facts(revocations=frozenset((one,))) for one in whole.revocations),
    ]
    chance.shuffle(parts)
    facts = Facts(inceptions=whole.inceptions)
    found = known.known(CHARTER, facts)
    for part in parts:
        facts = facts.merge(part)
        found, anew = known.known_with(CHARTER, found, part, facts), known.known(CHARTER, facts)
        assert found == anew
        assert found.roles == anew.roles
        assert list(found.thresholds) == list(anew.thresholds)
        assert found.unheard == anew.unheard
        for said_ in facts.endorsements:
            if said_.role not in anew.roles.get(said_.member_id, ()):
                about = said_.member_id, said_.role
                assert found.endorsers.of(about) == anew.endorsers.of(about)
        for signed in facts.amendments:
            assert found.signers.of(signed.hash) == anew.signers.of(signed.hash)


@given(facts(), statements_about())
@FEW
def test_a_roster_that_is_kept_with_one_endorsement_more_is_the_one_that_would_be_made(whole: Facts, one: Said) -> None:
    more = Facts(endorsements=frozenset((one,)))
    joined = whole.merge(more)
    who = known.known(CHARTER, joined)
    if who.roles != known.known(CHARTER, whole).roles:
        return
    for moment_ms in (0, NOW_MS - 400 * DAY_MS, NOW_MS):
        kept = roster.with_idle(roster.roster(CHARTER, whole, moment_ms), who, more.endorsements, moment_ms)
        assert kept in (None, roster.roster(CHARTER, joined, moment_ms))


def test_a_flood_of_endorsements_keeps_the_roster_and_one_that_admits_does_not() -> None:
    newcomer, (one, other, third) = WORLD.others[0], WORLD.founders[:3]
    before = Facts(frozenset((newcomer.inception,)), frozenset((said("e", one, newcomer, role=4),)))
    held = roster.roster(CHARTER, before, NOW_MS)
    for author, stays in ((one, True), (other, False)):
        more = Facts(endorsements=frozenset((said("again", author, newcomer, role=4),)))
        who = known.known(CHARTER, before.merge(more))
        assert (roster.with_idle(held, who, more.endorsements, NOW_MS) is not None) is stays
    member = Facts(endorsements=frozenset((said("e", third, WORLD.founders[4], role=4),)))
    assert roster.with_idle(held, known.known(CHARTER, before.merge(member)), member.endorsements, NOW_MS) is not None


@given(st.lists(st.lists(st.integers(0, 200), max_size=12), max_size=40))
@FEW
def test_what_grows_holds_what_was_put_in_and_what_it_grew_from_stays_as_it_was(parts: list[list[int]]) -> None:
    grown: Growing[int] = Growing()
    index: Index[int, int] = Index()
    versions = []
    for part in parts:
        versions.append((grown, set(grown)))
        grown = grown.grown(part)
        for one in part:
            index = index.grown(one % 7, one)
    every = {one for part in parts for one in part}
    assert set(grown) == every
    assert len(grown) == len(every) == len(list(grown))
    assert grown == Growing(every)
    assert all(index.of(key) == {one for one in every if one % 7 == key} for key in range(7))
    assert all(set(version) == held for version, held in versions)


@given(facts())
@FEW
def test_whoever_has_effect_is_known_and_neither_revoked_nor_gone(whole: Facts) -> None:
    now = roster.roster(CHARTER, whole, NOW_MS)
    assert set(now.seats) <= known.known(CHARTER, whole).members
    assert not set(now.seats) & set(now.revoked)
    assert not set(now.seats) & {one.member_id for one in whole.departures}
    assert not set(now.left) & set(now.revoked)


@given(facts(), facts())
@FEW
def test_a_revocation_that_is_complete_removes_whatever_else_is_said(a: Facts, b: Facts) -> None:
    target = WORLD.founders[4]
    revocations = frozenset(said("r", author, target) for author in WORLD.founders[:2])
    both = replace(a.merge(b), revocations=revocations)
    assert target.member_id not in roster.roster(CHARTER, both, NOW_MS).seats
    endorsed = frozenset(said("e", author, target, role=role) for author in EVERYONE for role in (1, 4))
    again = both.merge(Facts(endorsements=endorsed))
    assert target.member_id not in roster.roster(CHARTER, again, NOW_MS).seats


def test_one_member_makes_so_many_strangers_candidates_and_no_more() -> None:
    """The first by their places; another member's word is its own."""
    one, other = WORLD.founders[:2]
    most = limits.STRANGERS_PER_MEMBER_MAX
    strangers = [MemberId(worlds.seed(f"stranger {number}")) for number in range(most + 2)]
    by_one = [
        replace(said(f"{seq}", one, other, role=4), member_id=stranger, seq=seq)
        for seq, stranger in enumerate(strangers)
    ]
    assert known.known(CHARTER, Facts(endorsements=frozenset(by_one))).candidates == set(strangers[:most])
    another = MemberId(worlds.seed("another stranger"))
    both = Facts(endorsements=frozenset((*by_one, replace(by_one[-1], author=other.member_id, member_id=another))))
    assert known.known(CHARTER, both).candidates == {*strangers[:most], another}


def test_members_that_revoke_each_other_both_go() -> None:
    one, other, third = WORLD.founders[:3]
    revocations = frozenset(
        said("r", author, member) for author, member in ((one, other), (third, other), (other, one), (third, one))
    )
    now = roster.roster(CHARTER, Facts(revocations=revocations), NOW_MS)
    assert set(now.revoked) == {one.member_id, other.member_id}
    assert third.member_id in now.seats
    alone = frozenset(fact for fact in revocations if fact.author != one.member_id)
    assert roster.roster(CHARTER, Facts(revocations=alone), NOW_MS).revoked.keys() == {one.member_id}


def test_a_contested_statement_does_not_count_but_stays_known() -> None:
    newcomer = WORLD.others[0]
    endorsements = [said("e", author, newcomer, role=4) for author in WORLD.founders[:2]]
    whole = Facts(frozenset((newcomer.inception,)), frozenset(endorsements))
    contested = endorsements[0].entry
    assert newcomer.member_id in roster.roster(CHARTER, whole, NOW_MS).seats
    assert newcomer.member_id not in roster.roster(CHARTER, whole, NOW_MS, lambda entry: entry != contested).seats
    assert newcomer.member_id in known.known(CHARTER, whole).members


def test_what_a_quorum_leaves_out_is_cut_off_and_fewer_can_neither_cut_nor_undo() -> None:
    target, (one, other, third) = WORLD.founders[4], WORLD.founders[:3]
    feed_id = target.feed_id(WORLD.federation_id)

    def revoked_by(*bounds: tuple[worlds.Actor, int]) -> roster.Roster:
        rows = [(author, ((feed_id, last),) if last else ()) for author, last in bounds]
        said_so = frozenset(replace(said("r", author, target), bounds=row) for author, row in rows)
        return roster.roster(CHARTER, Facts(revocations=said_so), NOW_MS)

    now = revoked_by((one, 10), (other, 12))
    assert now.seat_of(target.member_id, feed_id, 12) == now.former[target.member_id]
    assert now.seat_of(target.member_id, feed_id, 13) is None
    assert revoked_by((one, 10), (other, 0)).revoked == {target.member_id: {feed_id: 10}}
    assert revoked_by((one, 10), (other, 10), (third, 1000)).revoked == {target.member_id: {feed_id: 10}}
    assert now.seat_of(target.member_id, FeedId(bytes(32)), 1) is None


def test_whoever_revokes_a_hundred_times_with_other_feeds_has_said_no_more_than_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target, (one, other) = WORLD.founders[4], WORLD.founders[:2]
    feed_id = target.feed_id(WORLD.federation_id)
    asked: list[object] = []
    is_met = quorum.is_met

    def counted(*given: Any) -> bool:
        asked.append(given)
        return is_met(*given)

    def steps(repeated: int) -> int:
        rows = [(FeedId(worlds.seed(f"{number}")), number) for number in range(repeated)]
        said_so = frozenset(
            (
                *(replace(said(f"r{row[1]}", target, target), bounds=((feed_id, 9), row)) for row in rows),
                *(replace(said("r", author, target), bounds=((feed_id, 5),)) for author in (one, other)),
            )
        )
        asked.clear()
        found = roster.roster(CHARTER, Facts(revocations=said_so), NOW_MS)
        assert found.revoked == {target.member_id: {feed_id: 5}}
        return len(asked)

    monkeypatch.setattr(quorum, "is_met", counted)
    assert steps(100) == steps(2)


def test_three_members_suspended_by_one_signer_count_and_later_ones_do_not_take_their_place() -> None:
    one, other = WORLD.founders[:2]
    targets = (*WORLD.founders[2:], *WORLD.others[:1])
    admitted = [said("e", author, WORLD.others[0], role=4) for author in WORLD.founders[2:4]]
    until_ms = NOW_MS + DAY_MS
    suspensions = frozenset(
        replace(said("s", author, target, until_ms=until_ms), seq=seq)
        for author in (one, other)
        for seq, target in enumerate(targets, 1)
    )
    facts = Facts(frozenset((WORLD.others[0].inception,)), frozenset(admitted), suspensions=suspensions)
    seats = roster.roster(CHARTER, facts, NOW_MS).seats
    assert [seats[target.member_id].suspended for target in targets] == [True, True, True, False]


def test_a_suspension_holds_for_72_hours_by_its_own_quorum_and_longer_by_that_of_a_removal() -> None:
    rules = dict(worlds.quorums()) | {(int(Act.REVOKE), 0): Quorum(3, 1, worlds.EVERY_ROLE)}
    charter = replace(CHARTER, quorums=rules)
    target = WORLD.founders[4]
    signed = [said("s", author, target, until_ms=NOW_MS + 9 * DAY_MS) for author in WORLD.founders[:3]]

    def suspended(count: int, now_ms: int) -> bool:
        facts = Facts(suspensions=frozenset(signed[:count]))
        return roster.roster(charter, facts, now_ms).seats[target.member_id].suspended

    assert suspended(2, NOW_MS + 3 * DAY_MS - 1)
    assert not suspended(2, NOW_MS + 3 * DAY_MS)
    assert suspended(3, NOW_MS + 9 * DAY_MS - 1)
    assert not suspended(3, NOW_MS + 9 * DAY_MS)


def test_a_statement_dated_ahead_waits_until_it_no_longer_is() -> None:
    newcomer = WORLD.others[0]
    ahead_ms = NOW_MS + limits.FUTURE_MS_MAX + 1
    endorsements = [replace(said("e", author, newcomer, role=4), created_ms=ahead_ms) for author in WORLD.founders[:2]]
    whole = Facts(frozenset((newcomer.inception,)), frozenset(endorsements))
    now = roster.roster(CHARTER, whole, NOW_MS)
    assert newcomer.member_id not in now.seats
    assert now.holds_until_ms == NOW_MS + 1
    assert newcomer.member_id in roster.roster(CHARTER, whole, NOW_MS + 1).seats


@given(facts())
@FEW
def test_a_roster_holds_for_as_long_as_it_says(whole: Facts) -> None:
    now = roster.roster(CHARTER, whole, NOW_MS)
    later_ms = min(now.holds_until_ms, NOW_MS + 1000 * DAY_MS) - 1
    assert roster.roster(CHARTER, whole, later_ms) == now


def test_taking_back_by_a_contested_statement_takes_nothing_back() -> None:
    newcomer = WORLD.others[0]
    endorsements = [said("e", author, newcomer, role=4) for author in WORLD.founders[:2]]
    by = HeaderHash(worlds.seed("unendorse"))
    back = frozenset((Retracted(endorsements[0].author, endorsements[0].entry, by),))
    whole = Facts(frozenset((newcomer.inception,)), frozenset(endorsements), back)
    assert newcomer.member_id not in roster.roster(CHARTER, whole, NOW_MS).seats
    assert newcomer.member_id in roster.roster(CHARTER, whole, NOW_MS, lambda entry: entry != by).seats


def test_a_chain_of_endorsements_falls_with_its_first_link() -> None:
    """Who was admitted by a newcomer has no effect once the newcomer is revoked."""
    first, second = WORLD.others[:2]
    by_two = [said("e", author, first, role=4) for author in WORLD.founders[:2]]
    by_first = [said("e", author, second, role=4) for author in (WORLD.founders[0], first)]
    whole = Facts(frozenset((first.inception, second.inception)), frozenset((*by_two, *by_first)))
    assert {first.member_id, second.member_id} <= set(roster.roster(CHARTER, whole, NOW_MS).seats)
    revocations = frozenset(said("r", author, first) for author in WORLD.founders[:2])
    after = roster.roster(CHARTER, whole.merge(Facts(revocations=revocations)), NOW_MS)
    assert not {first.member_id, second.member_id} & set(after.seats)
    assert {first.member_id, second.member_id} <= known.known(CHARTER, whole).members


def test_what_a_member_endorsed_before_it_left_stands_and_what_it_says_afterwards_does_not() -> None:
    newcomer, leaver = WORLD.others[0], WORLD.founders[0]
    feed_id = leaver.feed_id(WORLD.federation_id)
    by_leaver = replace(said("e", leaver, newcomer, role=4), feed_id=feed_id, seq=7)
    by_other = said("e", WORLD.founders[1], newcomer, role=4)

    def after(last: int) -> roster.Roster:
        gone = Departed(leaver.member_id, HeaderHash(worlds.seed("leave")), NOW_MS, ((feed_id, last),))
        facts = Facts(frozenset((newcomer.inception,)), frozenset((by_leaver, by_other)), departures=frozenset((gone,)))
        return roster.roster(CHARTER, facts, NOW_MS)

    assert newcomer.member_id in after(7).seats
    assert newcomer.member_id not in after(6).seats
    assert leaver.member_id not in after(7).seats
    assert after(7).seat_of(leaver.member_id, feed_id, 7) == after(7).former[leaver.member_id]
    assert after(7).seat_of(leaver.member_id, feed_id, 8) is None
    assert after(7).seat_of(leaver.member_id, FeedId(bytes(32)), 1) is None


def test_whoever_left_can_still_be_removed_and_then_what_it_endorsed_falls() -> None:
    newcomer, leaver = WORLD.others[0], WORLD.founders[0]
    feed_id = leaver.feed_id(WORLD.federation_id)
    endorsements = [replace(said("e", author, newcomer, role=4), feed_id=feed_id) for author in WORLD.founders[:2]]
    gone = Departed(leaver.member_id, HeaderHash(worlds.seed("leave")), NOW_MS, ((feed_id, 9),))
    left = Facts(frozenset((newcomer.inception,)), frozenset(endorsements), departures=frozenset((gone,)))
    assert newcomer.member_id in roster.roster(CHARTER, left, NOW_MS).seats
    revocations = frozenset(said("r", author, leaver) for author in WORLD.founders[1:3])
    now = roster.roster(CHARTER, left.merge(Facts(revocations=revocations)), NOW_MS)
    assert newcomer.member_id not in now.seats
    assert (set(now.revoked), set(now.left)) == ({leaver.member_id}, set())


def test_a_candidate_becomes_a_member_when_an_amendment_lowers_the_threshold() -> None:
    newcomer = WORLD.others[0]
    one = Facts(frozenset((newcomer.inception,)), frozenset((said("e", WORLD.founders[0], newcomer, role=4),)))
    assert known.known(CHARTER, one).candidates == {newcomer.member_id}
    signers = [founder.member_id for founder in WORLD.founders[:3]]
    complete = one.merge(Facts(amendments=frozenset(replace(FIRST[0], author=author) for author in signers)))
    assert newcomer.member_id in known.known(CHARTER, complete).members
    assert roster.roster(CHARTER, complete, NOW_MS).rules.number == 1


def test_a_signature_that_does_not_stand_amends_nothing_and_admits_all_the_same() -> None:
    newcomer = WORLD.others[0]
    one = Facts(frozenset((newcomer.inception,)), frozenset((said("e", WORLD.founders[0], newcomer, role=4),)))
    places = [HeaderHash(worlds.seed(f"place {number}")) for number in range(4)]
    signers = [founder.member_id for founder in WORLD.founders[:3]]
    signed = [replace(FIRST[0], author=who, entry=at) for who, at in zip(signers, places, strict=False)]
    complete = one.merge(Facts(amendments=frozenset(signed)))
    assert roster.roster(CHARTER, complete, NOW_MS).rules.number == 1
    contested = roster.roster(CHARTER, complete, NOW_MS, lambda entry: entry != places[0])
    assert contested.rules.number == 0
    assert newcomer.member_id not in contested.seats
    assert newcomer.member_id in known.known(CHARTER, complete).members
    again = complete.merge(Facts(amendments=frozenset((replace(signed[0], entry=places[3]),))))
    assert roster.roster(CHARTER, again, NOW_MS, lambda entry: entry != places[0]).rules.number == 1


def test_an_amendment_that_raises_the_threshold_takes_effect_away_but_nobody_is_forgotten() -> None:
    newcomer = WORLD.others[0]
    endorsed = frozenset(said("e", author, newcomer, role=4) for author in WORLD.founders[:2])
    before = Facts(frozenset((newcomer.inception,)), endorsed)
    assert newcomer.member_id in roster.roster(CHARTER, before, NOW_MS).seats
    signers = [founder.member_id for founder in WORLD.founders[:3]]
    after = before.merge(Facts(amendments=frozenset(replace(FIRST[2], author=author) for author in signers)))
    assert newcomer.member_id in known.known(CHARTER, after).members
    assert newcomer.member_id not in roster.roster(CHARTER, after, NOW_MS).seats


# ---- Marks

FEEDS = [FeedId(worlds.seed(f"feed {number}")) for number in range(2)]
BRANCHES = [HeaderHash(worlds.seed(f"branch {number}")) for number in range(3)]


@st.composite
def said_of_feeds(draw: st.DrawFn) -> Marks:
    feeds, places = st.sampled_from(FEEDS), st.integers(1, 6)
    bounds = st.builds(Bound, feeds, places, st.sampled_from(BRANCHES))
    ends = st.one_of(bounds, st.builds(Bound, feeds))
    return Marks(
        draw(st.frozensets(st.tuples(feeds, places), max_size=4)),
        draw(st.frozensets(bounds, max_size=4)),
        draw(st.frozensets(ends, max_size=2)),
    )


@given(said_of_feeds(), said_of_feeds(), said_of_feeds(), st.integers(1, 7), st.sampled_from(BRANCHES))
@FEW
def test_marks_join_in_any_order_and_give_one_standing(
    a: Marks, b: Marks, c: Marks, seq: int, branch: HeaderHash
) -> None:
    assert a.merge(a) == a
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    orders = (a.merge(b).merge(c), c.merge(a).merge(b), b.merge(c).merge(a), c.merge(b).merge(a).merge(c))
    assert len({marks.standing(order, FEEDS[0], seq, lambda _: branch) for order in orders}) == 1


@given(said_of_feeds(), st.integers(1, 7))
@FEW
def test_below_every_fork_and_end_an_entry_stands(whole: Marks, seq: int) -> None:
    settled = [one.seq for one in whole.settled if one.feed_id == FEEDS[0]]
    places = [place for feed, place in whole.forks if feed == FEEDS[0]]
    ends = [end.seq for end in whole.ends if end.feed_id == FEEDS[0]]
    standing = marks.standing(whole, FEEDS[0], seq, lambda _: BRANCHES[0])
    if all(seq < place for place in (*places, *settled, *ends)):
        assert standing is Standing.STANDS
    if any(seq > end for end in ends):
        assert standing is Standing.SUPERSEDED
    assert whole.forked_at(FEEDS[0]) == min((place for place in places if place not in settled), default=None)


@given(said_of_feeds(), st.integers(1, 7))
@FEW
def test_of_two_branches_at_a_fork_at_most_one_stands(whole: Marks, seq: int) -> None:
    forked = whole.merge(Marks(frozenset(((FEEDS[0], seq),))))
    standings = [marks.standing(forked, FEEDS[0], seq, lambda _, branch=branch: branch) for branch in BRANCHES]  # type: ignore[misc]
    assert standings.count(Standing.STANDS) <= 1
