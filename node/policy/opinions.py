"""Opinions: what members make of a thing of another's, which of their words is the last, and what follows from all.

All of it is advice: an opinion lowers what is advised to a review, raises nothing, and removes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # a command line that prints a verdict needs no signatures
    from node.feed.keys import FeedId, HeaderHash, MemberId

REVIEW = "review"
WEAKER = frozenset({REVIEW, "monitor", "ignore"})
ADVICE = ("block", REVIEW, "monitor", "ignore")


class Verdict(IntEnum):
    """What a member says, by its number on the wire."""

    AGREE = 1
    WRONG_LABEL = 2
    OUT_OF_SCOPE = 3
    FALSE_POSITIVE = 4
    SEEN_TOO = 5
    ACTION_TAKEN = 6

    @property
    def words(self) -> str:
        """As people say it."""
        return self.name.lower().replace("_", " ")


AGREEING = frozenset({Verdict.AGREE, Verdict.SEEN_TOO, Verdict.ACTION_TAKEN})
OBJECTING = frozenset({Verdict.WRONG_LABEL, Verdict.OUT_OF_SCOPE, Verdict.FALSE_POSITIVE})


class State(StrEnum):
    """What all opinions that count come to."""

    NONE = ""
    POSITIVE = "positive"
    NEGATIVE = "negative"
    DISPUTED = "disputed"


class Said(Protocol):
    """One opinion, wherever it is kept."""

    @property
    def hash(self) -> "HeaderHash":
        """Of its entry."""
        ...

    @property
    def member_id(self) -> "MemberId":
        """Who said it."""
        ...

    @property
    def feed_id(self) -> "FeedId":
        """In which feed."""
        ...

    @property
    def seq(self) -> int:
        """Where in it."""
        ...

    @property
    def created_ms(self) -> int:
        """When, as it says."""
        ...

    @property
    def places(self) -> int:
        """About which items, as bits."""
        ...


One = TypeVar("One", bound=Said)


def last_words(said: Iterable[One]) -> list[tuple[One, int]]:
    """Of opinions about one entry those that are their member's last about any item, and about which, as bits.

    In one feed the later place is later. Of what several feeds of a member say last, the later date; then the hash.
    """
    by_feed: dict[tuple[MemberId, FeedId], list[One]] = {}
    for one in said:
        by_feed.setdefault((one.member_id, one.feed_id), []).append(one)
    by_member: dict[MemberId, list[tuple[One, int]]] = {}
    for (member_id, _), found in by_feed.items():
        falling = sorted(found, key=lambda one: (one.seq, one.hash), reverse=True)
        by_member.setdefault(member_id, []).extend(_first_about_each([(one, one.places) for one in falling]))
    words = []
    for _, part in sorted(by_member.items()):
        latest = sorted(part, key=lambda word: (word[0].created_ms, word[0].hash), reverse=True)
        words += _first_about_each(latest)
    return words


def _first_about_each(words: Sequence[tuple[One, int]]) -> list[tuple[One, int]]:
    """Each without the items that one before it is about."""
    seen, found = 0, []
    for one, bits in words:
        if left := bits & ~seen:
            found.append((one, left))
            seen |= bits
    return found


@dataclass(frozen=True, slots=True)
class Tally:
    """Who agrees and who objects, of those whose word counts; and whether that of its publisher does."""

    agreeing: int = 0
    objecting: int = 0
    publisher: bool = True

    @property
    def state(self) -> State:
        """What that comes to: the publisher stands by what it says."""
        if self.objecting:
            return State.DISPUTED if self.agreeing or self.publisher else State.NEGATIVE
        return State.POSITIVE if self.agreeing else State.NONE


def advised(advice: str) -> str:
    """What is advised where nobody objects: a review, if its publisher says nothing or what nobody here knows."""
    return advice if advice in ADVICE else REVIEW


def lowered(advice: str) -> str:
    """A review at most: what is advised of an item to which somebody objects. Never more than before."""
    return advice if advice in WEAKER else REVIEW
