"""Changes of a list: what a publication adds, takes out and says anew, decided before anything is said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from node.content import items
from node.content.hashes import HashKind
from node.errors import Refused
from node.exchange import drafts
from node.exchange.drafts import Sharing
from node.exchange.holdings import Holding, Item, Part
from node.exchange.publish import Draft
from node.v1 import record_pb2, tools_pb2

REWRITTEN_AT = 4  # a record that has lost a quarter of its items, or more, is written anew at once
REWRITTEN_AFTER_MS = 1_800_000  # half of the time after which withdrawn items are erased, and remainders not served


@dataclass(frozen=True, slots=True)
class Change:
    """What is to change. ``removed`` has bits by position, for each record that loses some."""

    added: int = 0
    unchanged: int = 0
    removed: Mapping[int, int] = field(default_factory=dict)
    anew: Sequence[Part] = ()  # records whose labels, advice or end change

    @property
    def removed_count(self) -> int:
        """How many items no longer stand."""
        return sum(bits.bit_count() for bits in self.removed.values())

    @property
    def is_nothing(self) -> bool:
        """Whether no item and no record changes."""
        return not (self.added or self.removed or self.anew)


@dataclass(frozen=True, slots=True)
class Group:
    """Records that say the same, and what of them goes: one record takes their place."""

    parts: tuple[Part, ...]
    dropped: tuple[int, ...]  # bits by position, for each of the parts

    @property
    def left(self) -> int:
        """How many items the new record has."""
        return sum(part.row.items - bits.bit_count() for part, bits in zip(self.parts, self.dropped, strict=True))


def of_item(before: Holding, named: Item, typed: str) -> Change:
    """The change that takes out one item, or a record; raises Refused where it stands no more."""
    part = next((one for one in before.parts.values() if one.hash == named.record), None)
    bits = 0
    if part is not None:
        bits = (1 << part.row.items) - 1 if named.position is None else 1 << named.position
        bits &= ((1 << part.row.items) - 1) & ~part.restriction.positions
    if part is None or not bits:
        raise Refused(f"{typed} stands no more", next_step="`tocsin withdraw status` has what was withdrawn.")
    return Change(removed={part.number: bits})


def says_otherwise(part: Part, sharing: Sharing) -> bool:
    """Whether a record would be said differently, or for longer, from now on."""
    said = record_pb2.Record()
    said.CopyFrom(part.said)
    sharing.say_in(said)
    said.items.version = part.said.items.version
    return said != part.said or part.row.expires_ms < sharing.ends_ms - drafts.DAY_MS


def check_removal(draft: tools_pb2.ListDraft, before: Holding, change: Change) -> None:
    """Raise Refused where more would go than the caller allows."""
    gone, most = change.removed_count, draft.removed_percent_max
    if most and gone * 100 > before.items * most:
        raise Refused(
            f"{gone:,} of the {before.items:,} items of {draft.name} are not in this file, more than {most} %",
            next_step="Nothing was changed. If that is meant, say so with --yes; --dry-run shows what would change.",
            field="removed_percent_max",
        )


def check_qualities(draft: tools_pb2.ListDraft, kind: HashKind, below: int) -> None:
    """Raise Refused where items are of too low a quality for the list."""
    if below:
        raise Refused(
            f"{below:,} items of {kind.name} have a quality below {draft.quality_floor}, which match anything",
            next_step="Leave them out, or lower the list's floor with --quality-floor.",
            field="quality_floor",
        )


def withdrawals(before: Holding, removed: Mapping[int, int], reason: int) -> list[Draft]:
    """The statements that take items out: one for each record that they stand in."""
    made = []
    for number, bits in sorted(removed.items()):
        part = before.parts[number]
        whole = (bits | part.restriction.positions).bit_count() == part.row.items
        made.append(drafts.withdrawal(part.hash, 0 if whole else bits, reason, exercise=part.row.exercise))
    return made


def ended(parts: Iterable[Part]) -> list[Draft]:
    """The statements that end for good what these records took the place of, before they change in their turn.

    Whoever has an older record and not the one in its place would go on by the older one.
    """
    older = sorted({(target, part.row.exercise) for part in parts for target in part.older})
    return [drafts.withdrawal(target, 0, drafts.REPLACED, exercise=exercise) for target, exercise in older]


def groups(before: Holding, removed: Mapping[int, int], now_ms: int) -> list[Group]:
    """What of a list is to be written anew: records that lost much, or something long ago, several in one.

    A new record costs as much as a whole one, whatever was lost; so removals gather for half an hour.
    """
    found: dict[bytes, list[tuple[Part, int]]] = {}
    for number, part in sorted(before.parts.items()):
        bits = part.restriction.positions | removed.get(number, 0)
        lost, since_ms = bits.bit_count(), part.restriction.since_ms
        if not lost or lost == part.row.items or part.kind is None:
            continue
        if lost * REWRITTEN_AT >= part.row.items or (since_ms and now_ms >= since_ms + REWRITTEN_AFTER_MS):
            found.setdefault(_alike(part), []).append((part, bits))
    return [group for alike in found.values() for group in _filled(alike)]


def anew(parts: Sequence[Part], removed: Mapping[int, int]) -> list[Group]:
    """Each of these records alone, since what it says changes; none where nothing of it is left."""
    made = [Group((part,), (part.restriction.positions | removed.get(part.number, 0),)) for part in parts]
    return [group for group in made if group.left]


def _alike(part: Part) -> bytes:
    """Equal for records that may be one: they say the same for as long."""
    letter = record_pb2.Record()
    letter.CopyFrom(part.said)
    letter.items.ClearField("version")
    letter.items.ClearField("qualities")
    letter.ClearField("replaces")
    return letter.SerializeToString(deterministic=True) + part.row.expires_ms.to_bytes(8, "big")


def _filled(alike: Sequence[tuple[Part, int]]) -> list[Group]:
    """As few records as hold all that is left."""
    made: list[Group] = []
    for part, bits in sorted(alike, key=lambda one: one[0].row.items - one[1].bit_count()):
        left = part.row.items - bits.bit_count()
        small = part.kind is not None and part.kind.is_fixed  # texts may be long: each record for itself
        if made and small and made[-1].left + left <= items.RECORD_ITEMS:
            last = made.pop()
            made.append(Group((*last.parts, part), (*last.dropped, bits)))
        else:
            made.append(Group((part,), (bits,)))
    return made
