from dataclasses import replace

from node.feed.amendment import Rules
from node.feed.identity import Role
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.roster import Roster, Seat
from node.policy import effect, wording
from node.policy.effect import Right
from node.policy.parameters import Parameters
from tests.feed.worlds import quorums
from tests.rules import PLAIN

MINISTRY, PLATFORM, STRANGER = MemberId(b"m" * 32), MemberId(b"p" * 32), MemberId(b"s" * 32)
SEATS = {
    MINISTRY: Seat(MINISTRY, "Ministry", 1, "FR"),
    PLATFORM: Seat(PLATFORM, "Platform", 4, "IE"),
}
ROSTER = Roster(SEATS, Rules(quorums()), in_force=True)


RULES = effect.read(PLAIN.encode())


def may(right: Right, member_id: MemberId, roster: Roster = ROSTER, rules: Parameters | None = RULES) -> str:
    return effect.obstacle(right, member_id, roster, rules)


def test_the_rules_say_who_may_do_what() -> None:
    assert may(Right.DECLARE, MINISTRY) == ""
    assert may(Right.DECLARE, PLATFORM) == "a platform may not declare"
    assert may(Right.PUBLISH, PLATFORM) == ""
    assert may(Right.COSIGN, MINISTRY) == ""
    assert may(Right.COSIGN, PLATFORM) == "a platform may not cosign"


def test_whoever_is_no_member_or_suspended_or_removed_may_nothing() -> None:
    assert "not a member" in may(Right.DECLARE, STRANGER)
    removed = replace(ROSTER, revoked={STRANGER: {}})
    assert "was removed" in may(Right.DECLARE, STRANGER, removed)
    suspended = replace(ROSTER, seats={MINISTRY: replace(SEATS[MINISTRY], suspended=True)})
    assert "suspended" in may(Right.DECLARE, MINISTRY, suspended)


def test_what_a_revocation_leaves_standing_goes_on_counting_and_nothing_above_it() -> None:
    feed_id, seats = FeedId(b"f" * 32), {PLATFORM: SEATS[PLATFORM]}
    removed = replace(ROSTER, seats=seats, revoked={MINISTRY: {feed_id: 7}}, former={MINISTRY: SEATS[MINISTRY]})

    def counts(seq: int, feed: FeedId = feed_id) -> bool:
        return not effect.obstacle(Right.DECLARE, MINISTRY, removed, RULES, (feed, seq))

    assert counts(7)
    assert not counts(8)
    assert not counts(1, FeedId(b"g" * 32))
    assert "was removed" in may(Right.DECLARE, MINISTRY, removed)


def test_nobody_may_anything_before_the_charter_is_in_force() -> None:
    waiting = replace(ROSTER, in_force=False)
    assert "not in force" in may(Right.DECLARE, MINISTRY, waiting)


def test_a_role_that_this_program_does_not_know_may_nothing() -> None:
    later = replace(ROSTER, seats={MINISTRY: replace(SEATS[MINISTRY], role=77)})
    assert may(Right.DECLARE, MINISTRY, later) == "a role 77 may not declare"


def test_rules_that_cannot_be_read_or_have_not_come_entitle_nobody() -> None:
    assert effect.read(b"rights = 'of a later version'") is None
    assert may(Right.DECLARE, MINISTRY, rules=None) == effect.UNREAD
    assert may(Right.PUBLISH, PLATFORM, rules=None) == effect.UNREAD


def test_frameworks_and_vocabularies_are_data_whatever_their_names() -> None:
    framework = f'[[frameworks]]\nname = "x-later"\nversion = "9.1"\nsha256 = "{"ab" * 32}"'
    text = PLAIN.replace("[vocabularies]", f'{framework}\n[vocabularies]\ngrounds = ["order"]')
    read = effect.read(text.encode())
    assert read is not None
    assert [(one.name, one.version, one.sha256) for one in read.frameworks][1] == ("x-later", "9.1", "ab" * 32)
    assert read.vocabularies["grounds"] == ["order"]
    words = wording.describe(read.rows, read, [], "the members")
    assert f"Frameworks: eu-ocrf 1, x-later 9.1 ({'ab' * 6})." in words
    assert "Words for grounds: order." in words
    assert effect.read(text.replace("ab" * 32, "ab").encode()) is None


def test_lane_0_is_for_those_who_may_declare_and_for_what_takes_back() -> None:
    for role, expected in ((Role.AUTHORITY, True), (Role.PLATFORM, False), (0, False)):
        assert effect.may_be_urgent(Kind.DECLARATION, role, RULES) is expected
        assert effect.may_be_urgent(Kind.SEALED, role, RULES) is expected
        for kind in (Kind.WITHDRAW, Kind.SUSPEND, Kind.REVOKE):
            assert effect.may_be_urgent(kind, role, RULES)


def test_whoever_may_warn_may_warn_of_a_threat_to_life_in_lane_0_also_where_the_crisis_is_there() -> None:
    for kind in (Kind.ALERT, Kind.CRISIS_ACT):
        for role, expected in ((Role.AUTHORITY, True), (Role.PLATFORM, True), (Role.OBSERVER, False), (0, False)):
            assert effect.may_be_urgent(kind, role, RULES) is expected


def test_rules_that_cannot_be_read_keep_no_warning_out_of_lane_0() -> None:
    assert effect.may_be_urgent(Kind.DECLARATION, Role.PLATFORM, None)
