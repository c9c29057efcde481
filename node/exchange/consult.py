"""What tools ask: lists, look-ups and single entries, as this node holds them now. Reads only."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

from node.content import names, profiles
from node.content.names import Called
from node.exchange import documents, halting, opinions, project, records, restricting
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import entry, keys
from node.feed.header import Header
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.roster import Roster
from node.policy import border, effect
from node.policy.effect import Right
from node.policy.following import Follows, List, State
from node.policy.ignoring import NOTHING as NOTHING_IGNORED
from node.policy.ignoring import Ignores
from node.policy.parameters import Parameters
from node.store import arrivals, counts, digests, index, ledger, payloads, remainders
from node.store.arrivals import Arrival, Cursor
from node.store.counts import Count
from node.store.halts import Halt
from node.store.index import Record
from node.store.ledger import Row
from node.store.stores import Stores
from node.v1 import header_pb2, record_pb2, tools_pb2

ANSWER_BYTES_MAX = 8 << 20

Shown = TypeVar("Shown", tools_pb2.CrisisView, tools_pb2.ListView)


@dataclass(frozen=True, slots=True)
class View:
    """From where the stores are looked at: by what is trusted and followed, and when."""

    trust: Trust
    roster: Roster
    now_ms: int
    follows: Follows
    rules: Parameters | None = None  # in force; None: not here yet, or of a later version
    ignores: Ignores = NOTHING_IGNORED


def view(trust: Trust, follows: Follows, now_ms: int, ignores: Ignores = NOTHING_IGNORED) -> View:
    """Everything that reads below needs; the roster is computed once."""
    return View(trust, trust.roster(now_ms), now_ms, follows, documents.rules_in_force(trust), ignores)


# ---- Lists


def lists(stores: Stores, seen: View, named: str, *, exercises: bool) -> list[tools_pb2.ListView]:
    """All lists by name, or the one that is named; raises Refused where it names none."""
    halts = halting.every(stores, seen.trust)
    said = _read_on(index.of_kinds(stores.index, [Kind.LIST]), halts)
    newest = {(one.member_id, one.object_id, one.exercise): one for one in said}
    counted = [_counted(stores, seen, exercise=exercise) for exercise in (False, True)]
    arriving = _arriving(stores, seen)
    disputed, judged = opinions.disputed_by_list(stores, seen), opinions.of_lists(stores, seen)
    rising = index.object_ids(stores.index)
    found = []
    for called, one in newest.items():
        key = one.member_id, one.object_id
        if exercises or named or not one.exercise:
            count = counted[one.exercise].get(key, Count())
            view = _list_view(stores, one, count, arriving.get(key, (0, 0)), rising, seen, halts.get(key, ()))
            tally = judged.get(called, opinions.NOBODY).at()
            view.opinion, view.agreeing, view.objecting = tally.state, tally.agreeing, tally.objecting
            view.disputed = disputed.get(called, 0)
            found.append(view)
    if named:
        taken = {one.name for one in found if not one.withdrawn}
        found = meant(named, "list", [(one, Called(one.object_id, _names_of(one, taken, seen))) for one in found])
    return bounded(sorted(found, key=lambda one: (one.name, one.object_id)))


def _read_on(found: Sequence[Record], halts: Mapping[List, Sequence[Halt]]) -> list[Record]:
    """Without what is behind a halt of its object."""
    return [one for one in found if not halting.is_behind(halts.get((one.member_id, one.object_id), ()), one)]


def _names_of(one: tools_pb2.ListView, taken: Collection[str], seen: View) -> tuple[str, ...]:
    """Our own are also called without their owner; a name that was withdrawn goes to whoever has it now."""
    if one.withdrawn and one.name in taken:
        return (one.reference,)
    own = (one.list.name,) if one.member_id == seen.follows.me else ()
    return (one.name, one.reference, *own)


def item_total(stores: Stores, seen: View) -> int:
    """Items that stand here in all lists, but for those of drills."""
    return sum(one.items for one in _counted(stores, seen).values())


def _counted(stores: Stores, seen: View, *, exercise: bool = False) -> dict[List, Count]:
    """What stands in each list now; nothing of a drill stands in a list that is none, nor the other way round."""
    counted = counts.counts(stores.index, Kind.ITEMS, seen.now_ms, exercise=exercise)
    restricted = restricting.restricted(stores, Kind.ITEMS, seen.trust)
    elsewhere = counts.elsewhere(stores.index, list(restricted))
    for number, record in index.records(stores.index, list(restricted)).items():
        found, what = counted.get((record.member_id, record.object_id)), restricted[number]
        if found is None or record.expires_ms <= seen.now_ms or record.exercise != exercise:
            continue
        counted[record.member_id, record.object_id] = replace(
            found,
            records=found.records - bool(what.reason),
            items=found.items - (record.items if what.reason else what.count),
            elsewhere=found.elsewhere - (bool(what.reason) and number in elsewhere),
        )
    return counted


def _arriving(stores: Stores, seen: View) -> dict[List, tuple[int, int]]:
    """Of each list, how many records are on their way, and how many are here and not in the index yet."""
    found: dict[List, tuple[int, int]] = {}
    for held in payloads.held_of_lists(stores.ledger, project.cursor(stores)):
        feed = seen.trust.feeds.get(held.feed_id)
        if feed is not None:
            missing, behind = found.get((feed.member_id, held.list_id), (0, 0))
            found[feed.member_id, held.list_id] = (missing + held.missing, behind + held.unprojected)
    return found


def meant(typed: str, what: str, called: Sequence[tuple[Shown, Called]]) -> list[Shown]:
    """What was meant: one, or all that share an id, which anyone may take; raises Refused where it is none."""
    return [called[place][0] for place in names.closest(typed, what, [one for _, one in called])]


def bounded(views: Sequence[Shown]) -> list[Shown]:
    """As many as fit one answer: whoever floods must not hide the rest behind an error."""
    sizes = accumulate(one.ByteSize() for one in views)
    return [one for one, size in zip(views, sizes, strict=True) if size <= ANSWER_BYTES_MAX]


def _list_view(
    stores: Stores,
    record: Record,
    count: Count,
    arriving: tuple[int, int],
    rising: Sequence[bytes],
    seen: View,
    halted: Sequence[Halt],
) -> tools_pb2.ListView:
    said = record_pb2.Record.FromString(record.content)
    letter = said.list
    return tools_pb2.ListView(
        member_id=record.member_id,
        object_id=record.object_id,
        reference=names.reference("l", record.object_id, rising),
        name=list_name(seen.trust, record.member_id, letter.name),
        member_name=seen.trust.name_of(record.member_id),
        list=letter,
        exercise=record.exercise,
        items=count.items,
        records=count.records,
        missing=arriving[0],
        updated_ms=max(count.updated_ms, record.created_ms),
        expires_ms=record.expires_ms,
        following="own" if record.member_id == seen.follows.me else _following(record, seen),
        records_elsewhere=count.elsewhere if record.member_id == seen.follows.me else 0,
        withdrawn=restricting.restriction(stores, record, seen.trust, halted).reason,
        unprojected=arriving[1],
        notice=halting.notice(halted, record),
        crisis=crisis_reference(stores, said.crisis_id) if said.crisis_id else "",
        handling=said.handling if said.HasField("handling") else None,
    )


def crisis_reference(stores: Stores, object_id: bytes) -> str:
    """How a crisis, or an alert, is typed, whoever declared it."""
    is_alert = not index.first_of_owners(stores.index, object_id, Kind.DECLARATION, 1) and bool(
        index.first_of_owners(stores.index, object_id, Kind.ALERT, 1)
    )
    return names.reference("a" if is_alert else "c", object_id, index.neighbours(stores.index, object_id))


def _following(record: Record, seen: View) -> str:
    state = seen.follows.state(record.member_id, record.object_id)
    return State.OFFERED if state is State.DROPPED else state


def publisher_obstacle(member_id: MemberId, seen: View, record: Record | None = None) -> str:
    """Why a member's items, or those of one record, match for review only; empty where they do not."""
    place = _place(record) if record else None
    return effect.obstacle(Right.PUBLISH, member_id, seen.roster, seen.rules, place)


def _place(record: Record) -> effect.Place:
    return record.feed_id, record.seq


def list_name(trust: Trust, member_id: MemberId, name: str) -> str:
    """owner/name, as it is typed: what an owner put into a name and does not show is spelled out."""
    owner = names.slug(trust.name_of(member_id)) or keys.readable(member_id, 5).lower()
    return f"{owner}/{profiles.printable(name)}"


def values(stores: Stores, trust: Trust, *, exercise: bool = False) -> Iterator[tuple[int, bytes]]:
    """Every value that stands, with its kind, rising, of drills or of all else: what who follow the same have alike."""
    restricted = restricting.restricted(stores, Kind.ITEMS, trust)
    last = None
    for place in digests.places(stores.digests, exercise=exercise):
        found = (place.kind, place.value)
        if found != last and not (place.record in restricted and restricted[place.record].covers(place.position)):
            yield found
            last = found


# ---- Entries


def governance(stores: Stores) -> list[header_pb2.SignedEntry]:
    """All statements, in an order in which each can be checked by those before it."""
    return [
        header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in ledger.statements(stores.ledger)
    ]


def deliveries(
    stores: Stores,
    found: Sequence[Arrival],
    cursor: Cursor,
    kinds: frozenset[int],
    trust: Trust,
    reader: Reader,
    count_max: int,
) -> tuple[list[tools_pb2.Delivery], Cursor]:
    """The first of these arrivals as tools get them, each with the cursor behind it; and the cursor behind all."""
    letters: list[tools_pb2.Delivery] = []
    for one in found:
        if len(letters) == count_max:
            break
        cursor = arrivals.advance(cursor, one)
        letter = _delivery(stores, one.row, trust, reader, kinds)
        if letter is not None:
            letter.cursor.CopyFrom(cursor_letter(cursor))
            letters.append(letter)
    return letters, cursor


def delivery(
    stores: Stores, hash_: HeaderHash, trust: Trust, reader: Reader, kinds: frozenset[int]
) -> tools_pb2.Delivery | None:
    """One entry with all that is needed to check and read it; None where it is not held, readable or of these kinds."""
    row = ledger.entry(stores.ledger, hash_)
    return _delivery(stores, row, trust, reader, kinds) if row else None


def _delivery(
    stores: Stores, row: Row, trust: Trust, reader: Reader, kinds: frozenset[int]
) -> tools_pb2.Delivery | None:
    header = entry.decode(row.body, row.signature, trust.federation_id).header
    if header.has_payload and not _is_marked(stores, row, header, trust, reader):
        return None
    letter = tools_pb2.Delivery(
        entry=header_pb2.SignedEntry(header=row.body, signature=row.signature), received_ms=row.received_ms
    )
    if header.kind == Kind.SEALED:
        # A sealed entry shows no kind; what is inside does.
        opened = records.open_record(stores, row, trust, reader)
        if opened is None or (kinds and opened.record.kind not in kinds):
            return None
        letter.key = opened.key
    elif kinds and header.kind not in kinds:
        return None
    if header.has_payload and restricting.is_taken_back(stores, header, trust):
        letter.key = b""
        return letter  # that it was is said; what it said is shown to nobody
    if header.has_payload and remainders.find(stores.ledger, row.hash) is not None:
        opened = records.open_record(stores, row, trust, reader)
        letter.remainder = opened.record.SerializeToString(deterministic=True) if opened else b""
    elif header.has_payload:
        letter.entry.box, letter.entry.payload = payloads.sealed(stores.ledger, row.hash)
    return letter


def _is_marked(stores: Stores, row: Row, header: Header, trust: Trust, reader: Reader) -> bool:
    """Whether its author said what readers may do with it. What is not projected yet is opened to see."""
    if header.kind in border.MARKED_BY_KIND:
        return True
    if index.number(stores.index, row.hash) is not None:
        return not index.is_unmarked(stores.index, row.hash)
    opened = records.open_record(stores, row, trust, reader)
    return opened is None or border.is_marked(opened.record)


def cursor_letter(cursor: Cursor) -> tools_pb2.Cursor:
    """A cursor as it travels."""
    return tools_pb2.Cursor(store_id=cursor.store_id, urgent=cursor.urgent, bulk=cursor.bulk)
