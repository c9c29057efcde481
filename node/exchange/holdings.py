"""Holdings: what stands here of one list, record by record."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from node.content import hashes, items, names
from node.content.hashes import HashKind
from node.errors import Refused
from node.exchange import consult, records, restricting
from node.exchange.consult import View
from node.exchange.restricting import Restriction
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.policy import vocabulary
from node.store import index, ledger, restrictions
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2

NOTHING = Restriction()


@dataclass(frozen=True, slots=True)
class Part:
    """One record of a list that stands, at least in part. ``said`` is the record without its items."""

    number: int
    row: Record
    said: record_pb2.Record
    kind: HashKind | None  # None: a kind of later versions
    restriction: Restriction
    older: tuple[HeaderHash, ...] = ()  # records whose place it took, and that are not withdrawn

    @property
    def hash(self) -> HeaderHash:
        """The header hash, which names it."""
        return self.row.hash

    @property
    def items(self) -> int:
        """How many items of it stand."""
        return self.row.items - self.restriction.count


@dataclass(frozen=True, slots=True)
class Holding:
    """What stands of one list."""

    parts: Mapping[int, Part]

    def of_kind(self, kind: HashKind) -> list[Part]:
        """Its records of this kind."""
        return [part for part in self.parts.values() if part.kind == kind]

    @property
    def kinds(self) -> set[str]:
        """The names of all its kinds."""
        return {part.said.items.kind for part in self.parts.values()}

    def without(self, parts: Iterable[Part]) -> "Holding":
        """All but these."""
        left_out = {part.number for part in parts}
        return Holding({number: part for number, part in self.parts.items() if number not in left_out})

    @property
    def items(self) -> int:
        """How many items stand in all."""
        return sum(part.items for part in self.parts.values())

    @property
    def exempt(self) -> str:
        """Why all of it is for review only by what its publisher says; empty where some of it is not."""
        each = [vocabulary.exempting(part.said.items) for part in self.parts.values()]
        words = sorted({word for said in each for word in said}) if all(each) else []
        return vocabulary.reason_of(record_pb2.Items(exemptions=words))

    @property
    def gone(self) -> Iterator[tuple[int, int]]:
        """Items that do not stand, of records that do: record number and position."""
        for number, part in self.parts.items():
            yield from ((number, i) for i in positions(part.restriction.positions))


def positions(bits: int) -> Iterator[int]:
    """The places of a bitmap that are set, rising."""
    for byte, value in enumerate(bits.to_bytes(-(-bits.bit_length() // 8), "little")):
        if value:
            yield from (byte * 8 + i for i in range(8) if value >> i & 1)


def hold(stores: Stores, member_id: MemberId, object_id: ObjectId, seen: View) -> Holding:
    """What stands of a list now."""
    found = index.of_list(stores.index, member_id, object_id, Kind.ITEMS)
    restricted = restricting.restricted(stores, Kind.ITEMS, seen.trust)
    withdrawn = restrictions.withdrawn_whole(stores.index, member_id)
    return Holding(
        {
            number: _part(number, row, restricted.get(number, NOTHING), withdrawn)
            for number, row in found.items()
            if seen.now_ms < row.expires_ms and not restricted.get(number, NOTHING).reason
        }
    )


def _part(number: int, row: Record, restriction: Restriction, withdrawn: Collection[bytes]) -> Part:
    said = record_pb2.Record.FromString(row.content)
    older = tuple(HeaderHash(target) for target in said.replaces if target not in withdrawn)
    return Part(number, row, said, hashes.KINDS.get(said.items.kind), restriction, older)


def own_list(stores: Stores, seen: View, name: str, *, exercise: bool) -> Record | None:
    """Our list of this name as it was said last; a drill's is another than the real one."""
    for head in reversed(index.of_kinds(stores.index, [Kind.LIST])):
        is_ours = (head.member_id, head.exercise) == (seen.follows.me, exercise)
        if is_ours and record_pb2.Record.FromString(head.content).list.name == name:
            withdrawn = restricting.restriction(stores, head, seen.trust).reason
            return None if withdrawn else head
    return None


def named(stores: Stores, seen: View, typed: str) -> tools_pb2.ListView:
    """The list that is meant; raises Refused where it is none.

    Another member may have taken an id of ours, which says nothing: each owns its own.
    """
    if not typed:
        raise Refused("which list?", next_step="Name it, as europol/halle: `tocsin list` has all.", field="list")
    found = consult.lists(stores, seen, typed, exercises=True)
    return next((one for one in found if one.member_id == seen.follows.me), found[0])


@dataclass(frozen=True, slots=True)
class Item:
    """A place in a record of ours, or all of the record."""

    object_id: ObjectId
    record: HeaderHash
    position: int | None


def item(stores: Stores, seen: View, typed: str) -> Item:
    """The item of ours that a reference names; raises Refused where it names none, or may be several."""
    wanted, position = names.place(typed) or ("", None)
    own = [one for one in index.of_kinds(stores.index, [Kind.ITEMS]) if one.member_id == seen.follows.me]
    found = [one for one in own if names.begins(wanted, one.hash)]
    if len(found) != 1:
        raise Refused(
            f"{typed} may be any of {len(found)}" if len(found) > 1 else f"no list of ours has an item {typed}",
            next_step="A look-up shows items as owner/list/record:position.",
            field="item",
        )
    return Item(found[0].object_id, found[0].hash, position)


def again(stores: Stores, seen: View, view: tools_pb2.ListView) -> tools_pb2.ListView:
    """The same list as it is now."""
    found = consult.lists(stores, seen, view.object_id.hex(), exercises=True)
    return next((one for one in found if one.member_id == view.member_id), view)


def require_ours(view: tools_pb2.ListView, seen: View) -> None:
    """Raise Refused for another member's list, and for one that was withdrawn."""
    if view.member_id != seen.follows.me:
        raise Refused(
            f"{view.name} is a list of {view.member_name}; only its owner changes it",
            next_step="Ask them, or stop following it: `tocsin list unfollow`.",
            field="list",
        )
    if view.withdrawn:
        raise Refused(f"{view.name} was withdrawn already", next_step="Publish under another name.", field="list")


def require_here(view: tools_pb2.ListView) -> None:
    """Raise Refused where the items of a list are not here."""
    if view.following not in ("own", "followed"):
        raise Refused(
            f"{view.name} is not followed: its items are not here",
            next_step=f"`tocsin list follow {shlex.quote(view.name)}`, or `tocsin list preview` to look at it before.",
            field="list",
        )


def opened(stores: Stores, hash_: HeaderHash, trust: Trust, reader: Reader) -> record_pb2.Record | None:
    """A record with its items, from its payload; None where that has gone."""
    row = ledger.entry(stores.ledger, hash_)
    found = records.open_record(stores, row, trust, reader) if row else None
    return found.record if found else None


def rows_left(record: record_pb2.Record, kind: HashKind, dropped: int) -> list[tuple[int, items.Row]]:
    """The items of a record at all positions but these, with their positions."""
    return [
        (position, row) for position, row in enumerate(items.rows(kind, record.items)) if not dropped >> position & 1
    ]


def merged(parts: Sequence[Sequence[items.Row]]) -> list[items.Row]:
    """Rows of several records in one order, each value once."""
    found: dict[hashes.Value, int] = {}
    for part in parts:
        for value, quality in part:
            found.setdefault(value, quality)
    # All of one kind: bytes, or texts, which have their order in UTF-8.
    return sorted(found.items(), key=lambda row: row[0] if isinstance(row[0], bytes) else row[0].encode())
