"""Opinions of members about each other's items, lists and crises: whose word counts, and what follows. Reads only.

A function of the set of records that are here: an opinion may come before what it is about, and waits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from node import limits
from node.exchange import restricting, standing
from node.feed import keys
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.policy import effect
from node.policy.effect import Right
from node.policy.opinions import AGREEING, OBJECTING, Tally, Verdict, last_words
from node.store import index, opinions
from node.store.index import Record
from node.store.opinions import Opinion
from node.store.stores import Stores
from node.v1 import record_pb2

if TYPE_CHECKING:
    from node.exchange.consult import View

List = tuple[MemberId, ObjectId, bool]  # by its owner and its id; whether it is a drill
WHOLE = 1  # the places of what has no items


# ---- In


def note(stores: Stores, number: int, record: Record, letter: record_pb2.Opinion) -> None:
    """Beside a record that was just written, in its transaction; one that can be about nothing is passed over."""
    places = places_of(letter)
    if places and len(letter.entry) == keys.HASH_BYTES and 0 < letter.verdict <= limits.VERDICT_MAX:
        opinions.put(stores.index, number, record, HeaderHash(letter.entry), letter.verdict, places)


def places_of(letter: record_pb2.Opinion) -> int:
    """Which items it is about, as bits; 0 where that cannot be."""
    if letter.positions:
        return int.from_bytes(letter.positions, "little") if len(letter.positions) <= limits.ITEMS_MAX // 8 else 0
    return 1 << letter.position if letter.position < limits.ITEMS_MAX else 0


# ---- What counts


@dataclass(frozen=True, slots=True)
class Word:
    """A member's last word about some items, as bits, and why it does not count, if so."""

    said: Opinion
    places: int
    obstacle: str


@dataclass(frozen=True, slots=True)
class Judged:
    """All last words about one record, list or crisis."""

    words: Sequence[Word] = ()
    publisher: bool = True  # its own word counts

    def at(self, position: int = 0) -> Tally:
        """What they come to, of one item."""
        said = [one.said.verdict for one in self.words if not one.obstacle and one.places >> position & 1]
        return Tally(
            sum(verdict in AGREEING for verdict in said), sum(verdict in OBJECTING for verdict in said), self.publisher
        )

    @property
    def judged(self) -> int:
        """The items on which anybody's word counts, as bits."""
        return self._places(AGREEING | OBJECTING)

    @property
    def disputed(self) -> int:
        """The items to which anybody objects whose word counts, as bits."""
        return self._places(OBJECTING)

    def reason(self, position: int) -> str:
        """Why the item is for review only, in words; empty where nobody objects."""
        against = [
            one
            for one in self.words
            if not one.obstacle and one.said.verdict in OBJECTING and one.places >> position & 1
        ]
        if not against:
            return ""
        count = len(against)
        what = ", ".join(Verdict(verdict).words for verdict in sorted({one.said.verdict for one in against}))
        return f"{self.at(position).state}: {what}, by {count} member{'' if count == 1 else 's'}"

    def _places(self, verdicts: frozenset[Verdict]) -> int:
        bits = 0
        for one in self.words:
            bits |= one.places if not one.obstacle and one.said.verdict in verdicts else 0
        return bits


NOBODY = Judged()


def about(stores: Stores, seen: "View", target: Record) -> Judged:
    """What is said of the items of one record."""
    every = (1 << target.items) - 1
    said = [replace(one, places=one.places & every) for one in opinions.about(stores.index, target.hash)]
    return _judged(stores, seen, target, said)


def of_records(stores: Stores, seen: "View", targets: Sequence[Record]) -> dict[HeaderHash, Judged]:
    """What is said of the items of these records, where anything is."""
    touched = opinions.touched(stores.index, [one.hash for one in targets])
    return {one.hash: about(stores, seen, one) for one in targets if one.hash in touched}


def about_object(stores: Stores, seen: "View", heads: Sequence[Record]) -> Judged:
    """What is said of a list or a crisis as a whole, by any of the entries that said what it is."""
    touched = opinions.touched(stores.index, [one.hash for one in heads])
    said = [one for head in heads if head.hash in touched for one in opinions.about(stores.index, head.hash)]
    return _judged(stores, seen, heads[-1], [replace(one, places=WHOLE) for one in said]) if said else NOBODY


def heads(stores: Stores, member_id: MemberId, object_id: ObjectId, *, exercise: bool) -> list[Record]:
    """The entries that said what a list or a crisis is, oldest first; a drill by its id is another one."""
    each = (index.of_list(stores.index, member_id, object_id, kind) for kind in (Kind.LIST, Kind.DECLARATION))
    found = (one for said in each for one in said.values() if one.exercise == exercise)
    return sorted(found, key=index.by_date)


def _judged(stores: Stores, seen: "View", target: Record, said: Iterable[Opinion]) -> Judged:
    live = [one for one in said if seen.now_ms < one.record.expires_ms and _stands(stores, seen, one)]
    words = [
        Word(one, places, _mismatch(one, target) or _obstacle(stores, seen, one)) for one, places in last_words(live)
    ]
    return Judged(words, not _publisher_obstacle(stores, seen, target))


def _stands(stores: Stores, seen: "View", one: Opinion) -> bool:
    """What its author took back, or said where its feed has ended, was never said."""
    return not restricting.restriction(stores, one.record, seen.trust).reason


def _mismatch(one: Opinion, target: Record) -> str:
    if one.member_id == target.member_id:
        return "it is about what is its own: who publishes something takes it back"
    if one.record.exercise != target.exercise:
        return "one of the two is a drill"
    return ""


def _obstacle(stores: Stores, seen: "View", one: Opinion) -> str:
    """Why a member's opinion does not count; empty where it does: who may publish may judge."""
    place = one.record.feed_id, one.record.seq
    found = effect.obstacle(Right.PUBLISH, one.member_id, seen.roster, seen.rules, place)
    if not found and standing.standing_of(stores, one.record, seen.trust) is Standing.CONTESTED:
        found = standing.contested(one.record.feed_id, seen.trust)
    return found


def _publisher_obstacle(stores: Stores, seen: "View", target: Record) -> str:
    right = Right.DECLARE if target.kind == Kind.DECLARATION else Right.PUBLISH
    found = effect.obstacle(right, target.member_id, seen.roster, seen.rules, (target.feed_id, target.seq))
    if not found and standing.standing_of(stores, target, seen.trust) is Standing.CONTESTED:
        found = standing.contested(target.feed_id, seen.trust)
    return found


# ---- Of lists


def disputed_by_list(stores: Stores, seen: "View") -> dict[List, int]:
    """Of each list, how many items that stand have somebody object to them."""
    found: dict[List, int] = {}
    for record in opinions.targets(stores.index, Kind.ITEMS):
        what = restricting.restriction(stores, record, seen.trust)
        if what.reason or record.expires_ms <= seen.now_ms:
            continue
        count = (about(stores, seen, record).disputed & ~what.positions).bit_count()
        key = record.member_id, record.object_id, record.exercise
        found[key] = found.get(key, 0) + count
    return found


def of_lists(stores: Stores, seen: "View") -> dict[List, Judged]:
    """What is said of each list as a whole, where anything is."""
    said = {(one.member_id, one.object_id, one.exercise) for one in opinions.targets(stores.index, Kind.LIST)}
    return {
        (member_id, object_id, exercise): about_object(
            stores, seen, heads(stores, member_id, object_id, exercise=exercise)
        )
        for member_id, object_id, exercise in sorted(said)
    }
