import pytest

from node.feed.identity import Role
from node.feed.keys import MemberId
from node.policy import parameters, quota
from node.policy.quota import Buckets, Rate
from tests.rules import PLAIN

ME, OTHER = MemberId(b"m" * 32), MemberId(b"o" * 32)
PLATFORM, OBSERVER, STRANGER = Role.PLATFORM, Role.OBSERVER, 0
RULES = parameters.decode(PLAIN.encode(), "test")
HOUR_MS = 3_600_000


def buckets(burst: int = 3, per_hour: int = 60) -> Buckets:
    return Buckets(lambda _: Rate(burst, per_hour / HOUR_MS))


def test_a_full_bucket_gives_its_burst_and_then_one_by_one_as_time_passes() -> None:
    bucket = buckets()
    assert [bucket.take(ME, 0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(ME, 59_999)
    assert bucket.take(ME, 60_000)
    assert not bucket.take(ME, 60_001)


def test_time_fills_a_bucket_to_its_burst_and_no_further() -> None:
    bucket = buckets()
    bucket.take(ME, 0)
    assert bucket.left(ME, 100 * HOUR_MS) == 3


def test_one_author_spends_nothing_of_another_s() -> None:
    bucket = buckets(burst=1)
    assert bucket.take(ME, 0)
    assert bucket.take(OTHER, 0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = buckets(burst=1)
    bucket.take(ME, HOUR_MS)
    assert not bucket.take(ME, 0)


def test_what_was_used_already_is_paid_off_and_the_debt_has_an_end() -> None:
    bucket = buckets(burst=10, per_hour=10)
    bucket.spend(ME, 0, 15)
    assert bucket.left(ME, 0) == -5
    bucket.spend(ME, 0, 1000)
    assert bucket.left(ME, 0) == -10
    assert bucket.left(ME, HOUR_MS) == pytest.approx(0)


def test_who_may_publish_lists_has_the_publishers_burst_and_bytes() -> None:
    publisher, other = quota.rates(PLATFORM, RULES), quota.rates(OBSERVER, RULES)
    assert (publisher.headers.burst, other.headers.burst) == (4096, 200)
    assert (publisher.bulk_bytes.burst, other.bulk_bytes.burst) == (2048 << 20, 64 << 20)
    assert publisher.urgent == other.urgent == Rate(5, 20 / HOUR_MS)
    assert quota.rates(STRANGER, RULES) == other


def test_rules_that_cannot_be_read_hold_nobody_to_less_than_any_member_has() -> None:
    assert quota.rates(STRANGER, None) == quota.rates(PLATFORM, RULES)
