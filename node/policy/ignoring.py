"""Ignoring: what this node's people decided to count as no match, for a time or for good, without asking anyone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self, TypeAlias

from node.content import names


class What(StrEnum):
    """What is ignored."""

    ITEM = "item"
    VALUE = "value"  # whoever lists it
    LIST = "list"
    CRISIS = "crisis"  # all items of it


@dataclass(frozen=True, slots=True)
class Thing:
    """One item, value, list or crisis. ``target``: its record, the value as digests are kept, or the object."""

    what: What
    target: bytes
    place: int = 0  # of the item; of a value the number of its kind
    member_id: bytes = b""  # the owner; of a value nobody

    @property
    def key(self) -> "Key":
        """By what a look-up finds it. An item is named by its record alone, whoever wrote that."""
        owner = self.member_id if self.what is What.LIST else b""
        return self.what, self.target, self.place, owner


Key: TypeAlias = tuple[What, bytes, int, bytes]


@dataclass(frozen=True, slots=True)
class Ignored:
    """One decision."""

    id: bytes
    thing: Thing
    made_ms: int
    by: str
    until_ms: int  # 0: for good

    def is_over(self, now_ms: int) -> bool:
        """Whether it counts no more."""
        return 0 < self.until_ms <= now_ms


@dataclass(frozen=True, slots=True)
class Ignores:
    """All decisions of one node, by what they are about; and their ids, rising."""

    every: Mapping[Key, Ignored] = field(default_factory=dict)
    ids: Sequence[bytes] = ()

    @classmethod
    def of(cls, decisions: Iterable[Ignored]) -> Self:
        """These."""
        found = {one.thing.key: one for one in decisions}
        return cls(found, tuple(sorted(one.id for one in found.values())))

    def reference(self, one: Ignored) -> str:
        """What people call one of them."""
        return names.reference("i", one.id, self.ids)

    def first(self, things: Iterable[Thing], now_ms: int) -> Ignored | None:
        """By which decision a match is ignored: that about the first of these; None where it counts."""
        if not self.every:
            return None
        found = (self.every.get(thing.key) for thing in things)
        return next((one for one in found if one and not one.is_over(now_ms)), None)

    def over(self, now_ms: int) -> list[Ignored]:
        """Those that count no more."""
        return [one for one in self.every.values() if one.is_over(now_ms)]


NOTHING = Ignores()
