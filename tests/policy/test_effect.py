from dataclasses import replace

import pytest

from node.errors import Refused
from node.feed import charter as charters
from node.feed.charter import Charter
from node.feed.identity import Card
from node.feed.keys import FeedId, MemberId
from node.feed.roster import Roster, Rules, Seat
from node.policy import effect, parameters
from node.policy.effect import Right
from tests.feed.worlds import quorums, world

MINISTRY, PLATFORM, STRANGER = MemberId(b"m" * 32), MemberId(b"p" * 32), MemberId(b"s" * 32)
SEATS = {
    MINISTRY: Seat(MINISTRY, "Ministry", 1, "FR"),
    PLATFORM: Seat(PLATFORM, "Platform", 4, "IE"),
}
ROSTER = Roster(SEATS, Rules(quorums()), in_force=True)


def charter(document: bytes = parameters.TEMPLATE.encode()) -> Charter:
    cards = [Card(founder.inception, b"", "") for founder in world().founders]
    return charters.create("test", cards, quorums(), document)


def test_the_charter_says_who_may_do_what() -> None:
    assert effect.obstacle(Right.DECLARE, MINISTRY, ROSTER, charter()) == ""
    assert effect.obstacle(Right.DECLARE, PLATFORM, ROSTER, charter()) == "a platform may not declare"
    assert effect.obstacle(Right.PUBLISH, PLATFORM, ROSTER, charter()) == ""


def test_whoever_is_no_member_or_suspended_or_removed_may_nothing() -> None:
    assert "not a member" in effect.obstacle(Right.DECLARE, STRANGER, ROSTER, charter())
    removed = replace(ROSTER, revoked={STRANGER: {}})
    assert "was removed" in effect.obstacle(Right.DECLARE, STRANGER, removed, charter())
    suspended = replace(ROSTER, seats={MINISTRY: replace(SEATS[MINISTRY], suspended=True)})
    assert "suspended" in effect.obstacle(Right.DECLARE, MINISTRY, suspended, charter())


def test_what_a_revocation_leaves_standing_goes_on_counting_and_nothing_above_it() -> None:
    feed_id, seats = FeedId(b"f" * 32), {PLATFORM: SEATS[PLATFORM]}
    removed = replace(ROSTER, seats=seats, revoked={MINISTRY: {feed_id: 7}}, former={MINISTRY: SEATS[MINISTRY]})

    def counts(seq: int, feed: FeedId = feed_id) -> bool:
        return not effect.obstacle(Right.DECLARE, MINISTRY, removed, charter(), (feed, seq))

    assert counts(7)
    assert not counts(8)
    assert not counts(1, FeedId(b"g" * 32))
    assert "was removed" in effect.obstacle(Right.DECLARE, MINISTRY, removed, charter())


def test_nobody_may_anything_before_the_charter_is_in_force() -> None:
    waiting = replace(ROSTER, in_force=False)
    assert "not in force" in effect.obstacle(Right.DECLARE, MINISTRY, waiting, charter())


def test_a_role_that_this_program_does_not_know_may_nothing() -> None:
    later = replace(ROSTER, seats={MINISTRY: replace(SEATS[MINISTRY], role=77)})
    assert effect.obstacle(Right.DECLARE, MINISTRY, later, charter()) == "a role 77 may not declare"


def test_a_document_that_cannot_be_read_entitles_nobody() -> None:
    unknown = charter(b"rights = 'of a later version'")
    assert "cannot read" in effect.obstacle(Right.DECLARE, MINISTRY, ROSTER, unknown)
    with pytest.raises(Refused):
        effect.rules_of(unknown)
