"""Following: whose lists are fetched, and which of them are matched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from node.feed.keys import MemberId, ObjectId

List: TypeAlias = tuple[MemberId, ObjectId]  # whose, and which


class State(StrEnum):
    """What was decided about a list of another member."""

    FOLLOWED = "followed"
    PREVIEWED = "previewed"  # fetched for a while, matched by nothing
    DROPPED = "dropped"  # against a configuration that follows all
    OFFERED = "offered"  # nothing was decided


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision, and when a preview ends. ``by_crisis``: by taking part in what the list belongs to, or no more."""

    state: State
    until_ms: int = 0
    by_crisis: bool = False


@dataclass(frozen=True, slots=True)
class Follows:
    """All decisions of one node. A member's own lists are always here."""

    me: MemberId
    everything: bool = True  # what is offered is followed
    choices: Mapping[List, Choice] = field(default_factory=dict)

    def state(self, member_id: MemberId, object_id: ObjectId) -> State:
        """What holds for a list now."""
        if member_id == self.me:
            return State.FOLLOWED
        choice = self.choices.get((member_id, object_id))
        if choice is not None:
            return choice.state
        return State.FOLLOWED if self.everything else State.OFFERED

    def fetches(self, member_id: MemberId, object_id: ObjectId) -> bool:
        """Whether records of the list are wanted here."""
        return self.state(member_id, object_id) in (State.FOLLOWED, State.PREVIEWED)

    def matches(self, member_id: MemberId, object_id: ObjectId) -> bool:
        """Whether look-ups find what stands in the list."""
        return self.state(member_id, object_id) is State.FOLLOWED
