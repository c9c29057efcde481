"""Members speak of one another: the same on every node whatever the order, and only what counts counts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from node.errors import Refused
from node.exchange import circles, ingest, membership, vouching
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.trust import Trust
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.feed.roster import Roster
from node.store import ledger
from node.v1 import header_pb2, peer_pb2
from tests.exchange.conftest import node_in
from tests.simulator import members
from tests.simulator.members import BASE_MS, Federation, own_letters

HOUR_MS = 3_600_000
STRANGER = members.member(99)


@pytest.fixture(name="three")
def _three(tmp_path: Path, world: Federation) -> list[Exchange]:
    return [node_in(tmp_path / str(number), world, number) for number in range(3)]


def letters_of(node: Exchange) -> list[header_pb2.SignedEntry]:
    """Everything that a node holds."""
    rows = [
        row
        for head in ledger.heads(node.stores.ledger)
        for row in ledger.span(node.stores.ledger, head.feed_id, 1, head.seq, head.seq)
    ]
    return [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows]


def tell(receiver: Exchange, *senders: Exchange) -> None:
    """As long as there is anything new."""
    letters = [letter for sender in senders for letter in letters_of(sender)]
    while fresh := receiver.unseen(letters):
        if not receiver.admit(receiver.verify(fresh), BASE_MS).entries:
            return


def revoke(node: Exchange, target: MemberId) -> None:
    found, me = membership.place(node.trust, target, BASE_MS), node.reader.member_id
    node.publish([vouching.revocation(node.stores, node.trust, me, found, 0, BASE_MS, nothing_stands=False)], BASE_MS)


def endorse(node: Exchange, candidate: members.Member) -> None:
    node.publish([vouching.endorsement(node.trust, node.reader.member_id, candidate.inception, BASE_MS)], BASE_MS)


def state(node: Exchange, member_id: MemberId, now_ms: int = BASE_MS) -> str:
    return membership.place(node.trust, member_id, now_ms).state


def test_a_revocation_on_one_side_and_acts_on_the_other_give_one_roster_when_they_meet(
    three: Sequence[Exchange], world: Federation, tmp_path: Path
) -> None:
    revoked = node_in(tmp_path / "revoked", world, 3)
    target = revoked.reader.member_id
    for node in three:
        revoke(node, target)
    revoked.publish([Draft(63, statement=b"x")], BASE_MS)  # while it has not heard
    everyone = [*three, revoked]
    for order in (everyone, everyone[::-1]):
        for node in everyone:
            tell(node, *order)
    rosters = [node.trust.roster(BASE_MS) for node in everyone]
    assert all(one == rosters[0] for one in rosters)
    assert len({len(letters_of(node)) for node in everyone}) == 1  # stored and passed on all the same
    feed_id = revoked.author.feed_id
    assert rosters[0].seat_of(target, feed_id, 1) is not None  # held when it was revoked
    assert rosters[0].seat_of(target, feed_id, 2) is None
    own, other = revoked.circle(BASE_MS), three[0].circle(BASE_MS)
    assert own.tells(three[0].reader.member_id, feed_id)  # what it has to withdraw
    assert not own.tells(three[0].reader.member_id, three[1].author.feed_id)
    assert not other.tells(target, three[1].author.feed_id)
    assert other.takes(target, feed_id)


def test_members_that_revoke_each_other_both_go_on_every_node(tmp_path: Path, world: Federation) -> None:
    nodes = [node_in(tmp_path / str(number), world, number) for number in range(4)]
    one, other = nodes[0].reader.member_id, nodes[1].reader.member_id
    for node, targets in zip(nodes, ([other], [one], [one, other], [one, other]), strict=True):
        for target in targets:
            revoke(node, target)
    for node in nodes:
        tell(node, *nodes)
    assert [set(node.trust.roster(BASE_MS).revoked) for node in nodes] == [{one, other}] * 4
    assert [state(node, one) for node in nodes] == ["revoked"] * 4


def test_what_is_said_of_a_victim_stands_in_the_feeds_of_those_who_say_it(
    three: Sequence[Exchange], world: Federation
) -> None:
    """Endorsement spam costs its authors their places, and the victim nothing."""
    one, spammer, _ = three
    victim, before = world.members[5], letters_of(one)
    statement = header_pb2.Endorse(member_id=victim.member_id, role=4).SerializeToString()
    spammer.publish([Draft(Kind.ENDORSE, statement=statement)] * 20, BASE_MS)
    tell(one, spammer)
    fresh = [letter for letter in letters_of(one) if letter not in before]
    assert {header_pb2.Header.FromString(letter.header).feed_id for letter in fresh} == {spammer.author.feed_id}
    assert one.trust.roster(BASE_MS).seats[victim.member_id].role == victim.inception.role


def test_hostile_members_suspend_three_and_no_more(three: Sequence[Exchange], world: Federation) -> None:
    targets = [world.members[number].member_id for number in range(10, 20)]
    for node in three:
        for target in targets:
            statement = header_pb2.Suspend(member_id=target, until_ms=BASE_MS + 999 * HOUR_MS)
            node.publish([Draft(Kind.SUSPEND, statement=statement.SerializeToString())], BASE_MS)
    one = three[0]
    tell(one, *three)
    assert [state(one, target) for target in targets] == ["suspended"] * 3 + ["member"] * 7
    shown = membership.about(one.trust.facts.by_member.suspensions, targets[-1])
    said = {*membership.obstacles(one.trust, shown, BASE_MS)}
    assert said == {"its author suspends more than 3 members"}
    found = membership.place(one.trust, world.members[20].member_id, BASE_MS)
    with pytest.raises(Refused, match="suspends 10 members already"):
        vouching.suspension(one.trust, one.reader.member_id, found, BASE_MS + HOUR_MS, 0, BASE_MS)


def test_a_suspended_member_says_when_it_is_over(three: Sequence[Exchange], world: Federation) -> None:
    one, target = three[0], world.members[10].member_id
    for node, hours in zip(three, (10, 20, 30), strict=True):
        found = membership.place(node.trust, target, BASE_MS)
        me, until_ms = node.reader.member_id, BASE_MS + hours * HOUR_MS
        node.publish([vouching.suspension(node.trust, me, found, until_ms, 0, BASE_MS)], BASE_MS)
    tell(one, *three)
    assert membership.place(one.trust, target, BASE_MS).until_ms == BASE_MS + 10 * HOUR_MS  # it takes three
    assert state(one, target, BASE_MS + 10 * HOUR_MS) == "member"


def test_whoever_suspends_again_and_again_makes_nobody_look_further(
    three: Sequence[Exchange], world: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, target, looked = three[0], world.members[10].member_id, list[int]()
    for node in three:
        found = membership.place(node.trust, target, BASE_MS)
        for hours in range(1, 31) if node is one else (40,):
            until_ms = BASE_MS + hours * HOUR_MS
            draft = vouching.suspension(node.trust, node.reader.member_id, found, until_ms, 0, BASE_MS)
            node.publish([draft], BASE_MS)
    tell(one, *three)
    roster_at = Trust.roster_at

    def counted(trust: Trust, moment_ms: int) -> Roster:
        looked.append(moment_ms)
        return roster_at(trust, moment_ms)

    monkeypatch.setattr(Trust, "roster_at", counted)
    assert membership.place(one.trust, target, BASE_MS).until_ms == BASE_MS + 30 * HOUR_MS
    assert len(looked) <= 2 * len(three) + 1


def test_who_may_not_is_refused_before_anything_is_said(
    three: Sequence[Exchange], world: Federation, tmp_path: Path
) -> None:
    platform, one = node_in(tmp_path / "platform", world, 15), three[0]
    with pytest.raises(Refused, match="a platform may not endorse a platform"):
        endorse(platform, STRANGER)
    found = membership.place(platform.trust, one.reader.member_id, BASE_MS)
    with pytest.raises(Refused, match="a platform may not suspend anybody"):
        vouching.suspension(platform.trust, platform.reader.member_id, found, BASE_MS + HOUR_MS, 0, BASE_MS)
    endorse(one, STRANGER)
    with pytest.raises(Refused, match="endorsed Member 99 already"):
        endorse(one, STRANGER)
    with pytest.raises(Refused, match="is a founder"):
        endorse(one, world.members[4])
    with pytest.raises(Refused, match="own member"):
        revoke(one, one.reader.member_id)


def test_an_endorsement_that_was_taken_back_is_shown_and_does_not_count(
    three: Sequence[Exchange], world: Federation
) -> None:
    one, other, third = three
    for node in three:
        endorse(node, STRANGER)
    for node in three:
        tell(node, *three)
    one.admit(one.verify(own_letters(world.charter, STRANGER)[:1]), BASE_MS)
    assert state(one, STRANGER.member_id) == "member"
    lapses_ms = membership.place(one.trust, STRANGER.member_id, BASE_MS).until_ms
    assert state(one, STRANGER.member_id, lapses_ms - 1) == "member"
    assert state(one, STRANGER.member_id, lapses_ms) == "lapsed"
    found = membership.place(other.trust, STRANGER.member_id, BASE_MS)
    other.publish(vouching.retractions(other.trust, other.reader.member_id, found, BASE_MS), BASE_MS)
    tell(one, other)
    now = membership.place(one.trust, STRANGER.member_id, BASE_MS)
    assert (now.state, len(now.admission.voices), now.admission.countries) == ("lapsed", 2, 2)
    said = membership.about(one.trust.facts.by_member.endorsements, STRANGER.member_id)
    obstacles = dict(zip((each.author for each in said), membership.obstacles(one.trust, said, BASE_MS), strict=True))
    ids = [node.reader.member_id for node in (one, other, third)]
    assert obstacles == dict(zip(ids, ("", "taken back", ""), strict=True))


def test_a_statement_above_the_end_of_its_feed_does_not_count(three: Sequence[Exchange], world: Federation) -> None:
    one, other, third = three
    target = world.members[10].member_id
    for node in three:
        revoke(node, target)
    tell(one, other, third)
    assert state(one, target) == "revoked"
    first = ledger.hash_at(other.stores.ledger, other.author.feed_id, 1)
    ended = header_pb2.Supersede(feed_id=other.author.feed_id, seq=1, header_hash=first or b"").SerializeToString()
    other.publish([Draft(Kind.SUPERSEDE, statement=ended)], BASE_MS)
    tell(one, other)
    assert state(one, target) == "member"
    (said,) = (said for said in one.trust.facts.revocations if said.author == other.reader.member_id)
    (obstacle,) = membership.obstacles(one.trust, [said], BASE_MS)
    assert "forked or was ended" in obstacle
    one.trust = ingest.load(one.stores, trusts.begin(world.charter))
    assert state(one, target) == "member"  # and after a start


def test_a_candidate_brings_its_own_log_and_nothing_else(three: Sequence[Exchange], world: Federation) -> None:
    node = three[0]
    endorse(node, STRANGER)
    log, foreign = own_letters(world.charter, STRANGER)[0], letters_of(three[1])
    broken = header_pb2.SignedEntry(header=b"no header")
    taken = circles.taken(node.trust, node.reader.member_id, STRANGER.member_id, [log, *foreign, broken])
    assert taken == [log, broken]  # what cannot be read is the sender's fault, which `verify` says
    assert circles.taken(node.trust, node.reader.member_id, three[1].reader.member_id, foreign) == foreign


def test_who_is_no_member_yet_takes_from_a_candidate_what_may_make_it_one(
    three: Sequence[Exchange], world: Federation
) -> None:
    node = three[0]
    endorse(node, STRANGER)
    node.author = replace(node.author, reader=STRANGER.reader())
    foreign = letters_of(three[1])
    assert node.circle(BASE_MS).takes(STRANGER.member_id, bytes(32))
    assert circles.taken(node.trust, STRANGER.member_id, STRANGER.member_id, foreign) == foreign


def test_ranges_and_single_entries_are_served_to_outsiders_of_identity_logs_only(
    three: Sequence[Exchange], world: Federation
) -> None:
    node, feed_id, log_id = three[0], three[1].author.feed_id, bytes(three[1].reader.member_id)
    ranges = [peer_pb2.Range(feed_id=one, first=1, last=9) for one in (feed_id, log_id)]
    hash_ = ledger.hash_at(node.stores.ledger, feed_id, 1)
    assert hash_

    def served(peer: MemberId, want: peer_pb2.Want) -> set[bytes]:
        answers = [letter for answer in node.serve(peer, want, BASE_MS) for letter in answer]
        return {header_pb2.Header.FromString(letter.header).feed_id for letter in answers}

    outsider, member = STRANGER.member_id, world.members[2].member_id
    assert served(member, peer_pb2.Want(ranges=ranges)) == {bytes(feed_id), log_id}
    assert served(member, peer_pb2.Want(entries=[hash_])) == {bytes(feed_id)}
    assert served(outsider, peer_pb2.Want(ranges=ranges)) == {log_id}
    assert served(outsider, peer_pb2.Want(entries=[hash_])) == set()


def test_a_candidates_own_feed_is_open_at_home_and_taken_by_nobody(
    three: Sequence[Exchange], world: Federation
) -> None:
    sponsor, home, _ = three
    endorse(sponsor, STRANGER)
    tell(home, sponsor)
    feed_id = STRANGER.feed_id(world.charter.federation_id)
    home.author = replace(home.author, feed_id=feed_id, key=STRANGER.feed_key, reader=STRANGER.reader())
    own = own_letters(world.charter, STRANGER)
    home.admit(home.verify(own), BASE_MS)
    assert ledger.head(home.stores.ledger, feed_id) is not None
    assert feed_id in ingest.load(home.stores, trusts.begin(world.charter), STRANGER.member_id).feeds
    checked = sponsor.verify(own)
    assert [one.header.feed_id for one in checked.entries] == [bytes(STRANGER.member_id)] * 2
    assert not home.circle(BASE_MS).members  # so it tells identity logs only


def test_a_roster_is_computed_once_for_as_long_as_it_holds(three: Sequence[Exchange], world: Federation) -> None:
    node = three[0]
    before = node.trust.roster(BASE_MS)
    assert node.trust.roster(BASE_MS + 1) is before
    assert node.circle(BASE_MS) is node.circle(BASE_MS + 1)
    revoke(node, world.members[9].member_id)
    assert node.trust.roster(BASE_MS + 1) is not before


def test_everyone_is_listed_candidates_first(three: Sequence[Exchange], world: Federation) -> None:
    endorse(three[0], STRANGER)
    found = membership.every(three[0].trust, BASE_MS)
    assert (found[0].member_id, found[0].state) == (STRANGER.member_id, "candidate")
    assert found[0].name == STRANGER.member_id.hex()[:8]  # its log has not come
    by_card = membership.place(three[0].trust, STRANGER.member_id, BASE_MS, STRANGER.inception)
    assert by_card.name == "Member 99"
    assert {one.state for one in found[1:]} == {"member"}
    assert len(found) == len(world.members) + 1
