"""Whose last word it is, what all of them come to, and that advice is never raised."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import pytest

from node.feed.keys import FeedId, HeaderHash, MemberId
from node.policy.opinions import ADVICE, State, Tally, advised, last_words, lowered

FIRST, SECOND = MemberId(b"1" * 32), MemberId(b"2" * 32)
FEED = FeedId(b"f" * 32)


@dataclass(frozen=True, slots=True)
class Said:
    hash: HeaderHash
    places: int
    seq: int
    member_id: MemberId = FIRST
    feed_id: FeedId = FEED
    created_ms: int = 0


def said(name: int, places: int, seq: int = 1, **others: object) -> Said:
    return Said(HeaderHash(bytes([name]) * 32), places, seq, **others)  # type: ignore[arg-type]


def words(*opinions: Said) -> list[tuple[int, int]]:
    return sorted((one.hash[0], bits) for one, bits in last_words(opinions))


def every_order_says(opinions: Sequence[Said], expected: list[tuple[int, int]]) -> None:
    for order in permutations(opinions):
        assert words(*order) == expected


def test_of_one_feed_the_later_place_counts_whatever_the_dates_say() -> None:
    every_order_says([said(1, 0b1, 1, created_ms=9), said(2, 0b1, 2, created_ms=1)], [(2, 0b1)])


def test_an_opinion_about_some_items_leaves_standing_what_was_said_of_the_others() -> None:
    every_order_says(
        [said(1, 0b1111, 1), said(2, 0b0110, 2), said(3, 0b0010, 3)], [(1, 0b1001), (2, 0b0100), (3, 0b0010)]
    )


def test_of_several_feeds_of_a_member_the_later_date_counts_and_of_several_members_each() -> None:
    other = FeedId(b"g" * 32)
    every_order_says(
        [
            said(1, 0b11, 7, created_ms=1),
            said(2, 0b10, 2, feed_id=other, created_ms=5),
            said(3, 0b11, 1, member_id=SECOND, feed_id=FeedId(b"h" * 32)),
        ],
        [(1, 0b01), (2, 0b10), (3, 0b11)],
    )


@pytest.mark.parametrize(
    ("tally", "state"),
    [
        (Tally(), State.NONE),
        (Tally(agreeing=2), State.POSITIVE),
        (Tally(objecting=1), State.DISPUTED),
        (Tally(agreeing=1, objecting=3), State.DISPUTED),
        (Tally(objecting=1, publisher=False), State.NEGATIVE),
        (Tally(agreeing=1, objecting=1, publisher=False), State.DISPUTED),
        (Tally(publisher=False), State.NONE),
    ],
)
def test_what_is_disputed_has_somebody_for_it_and_somebody_against(tally: Tally, state: State) -> None:
    assert tally.state is state


def test_what_nobody_here_knows_is_advice_for_review() -> None:
    assert [advised(advice) for advice in (*ADVICE, "", "?", "block\x1b[2K")] == [*ADVICE, *["review"] * 3]


@pytest.mark.parametrize(
    ("advice", "after"),
    [
        ("block", "review"),
        ("review", "review"),
        ("monitor", "monitor"),
        ("ignore", "ignore"),
        ("", "review"),
        ("?", "review"),
    ],
)
def test_advice_is_lowered_to_a_review_and_never_raised(advice: str, after: str) -> None:
    assert lowered(advice) == after
