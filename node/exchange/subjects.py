"""Subjects: where a value that a data subject names stands here, in whatever state, why, and until when. Reads only.

A look-up says what counts; this says what is held: also what is restricted, set aside, over and not yet
erased, of a drill, or in the words of a record.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from node.content import hashes, names
from node.content import items as contents
from node.content.hashes import Item
from node.errors import Refused
from node.exchange import audiences, consult, drafts, explaining, matching, project, records, restricting, standing
from node.exchange.consult import View
from node.exchange.explaining import RECORDS_PER_PAGE
from node.exchange.keeping import Keep
from node.exchange.recipients import About
from node.exchange.references import Address
from node.exchange.verified import Reader
from node.feed import entry, keys, pae
from node.feed.header import OPEN_RELAY, Header
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.feed.pae import FederationId, Purpose
from node.policy import border, handling, parameters
from node.policy.reporting import amount
from node.store import deadlines, figures, health, index, ledger, lookup, quarantine, restrictions
from node.store.index import Record
from node.store.stores import Stores
from node.store.vault import Hold
from node.v1 import accountability_pb2, record_pb2

VALUES_MAX = 16  # one thing in all the kinds that it may be written in
OPENED_PER_PAGE = 64  # unsealed in one slice of a reader
PLACES_MAX = 256  # as many as a person reads; each has its recipients beside it
FORMER_MAX = 256  # records whose place one took: a list that changes daily, for most of a year
IN_USE = "in use"
_COOLING = (restricting.WITHDRAWN, restricting.REPLACED)
_GOES = ", and it is erased after its cooling time"
_VALUES = "items.values"  # which are compared whole

Holds = Sequence[tuple[Hold, str]]  # those that go on, each with what people call it


@dataclass(frozen=True, slots=True)
class Found:
    """A place where one of the values stands."""

    record: Record
    kind: str
    position: int | None = None
    field: str = ""  # of a text
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class Here:
    """From where it is looked: by what is trusted and kept, what is set aside, and what is held."""

    seen: View
    keep: Keep
    aside: frozenset[HeaderHash]
    holds: Holds

    @property
    def now_ms(self) -> int:
        """When."""
        return self.seen.now_ms


# ---- Asking


def values(asked: Sequence[accountability_pb2.SubjectValue]) -> list[Item]:
    """What is asked for; raises Refused for what cannot be."""
    if not 0 < len(asked) <= VALUES_MAX:
        raise Refused(
            f"{len(asked)} values; a search has 1 to {VALUES_MAX}",
            next_step="Search for one thing at a time.",
            field="values",
        )
    return [_item(one) for one in asked]


def _item(asked: accountability_pb2.SubjectValue) -> Item:
    kind = drafts.kind_named(asked.kind)
    written = hashes.write(kind, asked.value) if kind.is_fixed else asked.text
    try:
        return Item(kind, hashes.parse(kind, written))
    except ValueError as error:
        raise Refused(str(error), next_step="Send each as its kind is written.", field="values") from error


def commitment(item: Item, salt: bytes, federation_id: FederationId) -> bytes:
    """What the audit log has of a value that was asked for: nothing to whoever has not the salt."""
    written = item.value if isinstance(item.value, bytes) else item.value.encode()
    return pae.digest(Purpose.SUBJECT, federation_id, salt + item.kind.name.encode() + b"\0" + written)


# ---- Finding


def aside(stores: Stores) -> frozenset[HeaderHash]:
    """What is set aside, because it came only from a peer that is quarantined."""
    return frozenset(quarantine.hashes(stores.ledger))


def items(stores: Stores, asked: Sequence[Item]) -> list[Found]:
    """All items with one of these values, shown or not."""
    found = []
    for one, exercise in product(asked, (False, True)):
        packed = hashes.key(one.value)
        for place in lookup.find(stores.digests, one.kind.number, one.kind.key_bytes, packed, exercise=exercise):
            record = deadlines.numbered(stores.index, place.record)
            if record is not None:
                is_shown = index.is_shown(stores.index, record.hash)
                found.append(Found(record, one.kind.name, place.position, is_shown=is_shown))
    return found


def texts(stores: Stores, asked: Sequence[Item], after: int) -> tuple[list[Found], int]:
    """Texts of the next records that have one of the values in them; and where to go on, or -1."""
    wanted = [(one.kind.name, hashes.write(one.kind, one.value).casefold()) for one in asked]
    page = deadlines.page(stores.index, after, RECORDS_PER_PAGE)
    found = []
    for _, record in page:
        for name, text in _said(record_pb2.Record.FromString(record.content)):
            kind = next((kind for kind, value in wanted if value in text.casefold()), None)
            if kind is not None:
                is_shown = index.is_shown(stores.index, record.hash)
                found.append(Found(record, kind, field=name, is_shown=is_shown))
    return found, page[-1][0] if len(page) == RECORDS_PER_PAGE else -1


def beside(stores: Stores, asked: Sequence[Item], keep: Keep, reader: Reader, after: int) -> tuple[list[Found], int]:
    """The same for the next records that are here and not in the index, which are opened to see."""
    wanted = [(one.kind.name, hashes.write(one.kind, one.value).casefold()) for one in asked]
    page = lookup.beside(stores.ledger, after, OPENED_PER_PAGE)
    found = []
    for _, row in page:
        opened = records.open_record(stores, row, keep.trust, reader)
        if opened is None:
            continue
        kind = None if border.is_marked(opened.record) else index.UNMARKED
        record = project.row_of(opened, 0, kind=kind)
        for position, written in enumerate(_written(opened.record.items)):
            found += [Found(record, name, position, is_shown=False) for name, value in wanted if written == value]
        for name, text in _said(opened.record):
            of = next((of for of, value in wanted if value in text.casefold()), None)
            if of is not None and name != _VALUES:
                found.append(Found(record, of, field=name, is_shown=False))
    return found, page[-1][0] if len(page) == OPENED_PER_PAGE else -1


def _written(letter: record_pb2.Items) -> list[str]:
    """The values of a record by position, as they are compared."""
    kind = hashes.KINDS.get(letter.kind)
    try:
        found = contents.values(kind, letter) if kind else list(letter.values)
    except ValueError:  # the author's fault: it is no record of items
        return []
    return [(hashes.write(kind, one) if kind else str(one)).casefold() for one in found]


def _said(letter: Message, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a letter, with its field."""
    for field, value in letter.ListFields():
        name = f"{place}{field.name}"
        for one in value if field.is_repeated else (value,):
            if field.type == FieldDescriptor.TYPE_STRING or isinstance(one, str):
                yield name, one
            elif isinstance(one, Message):
                yield from _said(one, f"{name}.")


# ---- Telling


def place(stores: Stores, here: Here, found: Found) -> tuple[accountability_pb2.HeldPlace, About] | None:
    """What is said of one place, and what the audit log is to be asked; None where it went meanwhile."""
    record, seen = found.record, here.seen
    row = ledger.entry(stores.ledger, record.hash)
    if row is None:
        return None
    header = entry.decode(row.body, row.signature, seen.trust.federation_id).header
    letter = record_pb2.Record.FromString(record.content)
    list_name = _list_name(stores, seen, record)
    crisis = _crisis(stores, record, letter)
    author = seen.roster.seats.get(record.member_id) or seen.roster.former.get(record.member_id)
    reference = names.shortest(record.hash, lookup.neighbours(stores.index, record.hash))
    item = matching.item_record(stores, list_name, record.hash) if list_name else reference
    said = accountability_pb2.HeldPlace(
        entry=record.hash,
        position=found.position,
        item=item if found.position is None else f"{item}:{found.position}",
        value_kind=found.kind,
        field=found.field,
        member_id=record.member_id,
        member_name=seen.trust.name_of(record.member_id),
        member_role=parameters.role_name(author.role) if author else "",
        member_country=author.country if author else "",
        list=list_name,
        crisis=crisis.title,
        framework=" ".join(filter(None, (crisis.framework.name, crisis.framework.version))),
        legal_basis=crisis.legal_basis,
        created_ms=record.created_ms,
        received_ms=record.received_ms,
        exercise=record.exercise,
        carriage=header.effective_carriage,
        audience=_audience(header, letter, seen),
        handling=handling.words(letter.handling),
        keeping=explaining.explain(stores, here.keep, Address(record.hash, found.position), None, seen),
        holds=[name for hold, name in here.holds if any(one.entry == record.hash for one in hold.covers)],
    )
    said.states.extend(_states(stores, here, found, said.keeping.due_ms) or [IN_USE])
    former = restrictions.former(stores.index, record.hash, FORMER_MAX)
    return said, replace(_about(found, list_name), former=tuple(former))


def _about(found: Found, list_name: str) -> About:
    record = found.record
    called = {record.object_id.hex()}
    if list_name:
        whole = keys.readable(record.object_id, len(record.object_id) * 8 // 5).lower()
        called |= {list_name, list_name.rpartition("/")[2], f"l-{whole}"}
    return About(record.hash, found.position, record.feed_id, record.seq, record.received_ms, frozenset(called - {""}))


def _states(stores: Stores, here: Here, found: Found, due_ms: int) -> list[str]:
    """Why it is not in use; nothing where it is."""
    record, seen = found.record, here.seen
    said = []
    if record.exercise:
        said.append("of a drill: matched by nothing")
    if record.hash in here.aside:
        said.append("set aside: it came only from a peer that is quarantined")
    elif not found.is_shown:
        said.append("not in the index: no look-up finds it")
    if record.kind == index.UNMARKED:
        said.append("not used: its author did not say what readers may do with it")
    if here.now_ms >= min(record.expires_ms, due_ms or record.expires_ms):
        said.append("over, and to be erased")
    restricted = restricting.restriction(stores, record, seen.trust)
    if restricted.reason:
        said.append(f"restricted: {restricted.reason}{_GOES if restricted.reason in _COOLING else ''}")
    elif found.position is not None and restricted.covers(found.position):
        said.append(f"restricted: its author took this item back{_GOES}")
    elif standing.standing_of(stores, record, seen.trust) is Standing.CONTESTED:
        said.append("in doubt: its author's feed has forked, and it matches for review only")
    if record.kind == Kind.ITEMS and not seen.follows.matches(record.member_id, record.object_id):
        said.append("not matched: its list is not followed here")
    return said


def _list_name(stores: Stores, seen: View, record: Record) -> str:
    if record.kind not in (Kind.ITEMS, Kind.LIST):
        return ""
    about = record.member_id, record.object_id
    head = index.newest(stores.index, Kind.LIST, *about, exercise=record.exercise)
    name = record_pb2.Record.FromString(head.content).list.name if head else record.object_id.hex()
    return consult.list_name(seen.trust, record.member_id, name)


def _crisis(stores: Stores, record: Record, letter: record_pb2.Record) -> record_pb2.Crisis:
    """What it was declared as; empty where it belongs to none that is known here."""
    of_crisis = record.kind in (Kind.ALERT, Kind.DECLARATION, Kind.CRISIS_ACT)
    crisis_id = record.object_id if of_crisis else letter.crisis_id
    declared = index.of_any_owner(stores.index, crisis_id, Kind.DECLARATION) if crisis_id else iter(())  # type: ignore[arg-type]
    alike = (one for one in declared if one.exercise == record.exercise)
    first = min(alike, key=index.by_date, default=None)
    if first is not None:
        return record_pb2.Record.FromString(first.content).crisis
    return letter.crisis if of_crisis else record_pb2.Crisis()


def _audience(header: Header, letter: record_pb2.Record, seen: View) -> str:
    if header.effective_carriage == OPEN_RELAY:
        return audiences.EVERYONE
    return audiences.words(letter.audience, seen.trust) or "the readers it is sealed to"


# ---- What could not be looked into


def unsearched(stores: Stores, here: Here, asked: Sequence[Item]) -> list[str]:
    """A sentence for each thing that this search is blind to, with how much of it there is."""
    found = figures.read(stores, here.now_ms)
    said = [
        f"{name}: {_amount(hold)} under legal hold ({hold.ground.value}), sealed to its custodian. Only the custodian "
        f"can look: `tocsin hold open {name}`."
        for hold, name in here.holds
    ]
    if sealed := health.sealed(stores.ledger):
        said.append(f"Kept sealed for other members, readable to nobody here: {amount(sealed, 'payload')}.")
    if found.wanted:
        said.append(f"Announced, and not here yet: {amount(found.wanted, 'payload')}.")
    if waiting := sum(found.unprojected):
        said.append(f"Here, and not in the index yet: {amount(waiting, 'record')}. Search again in a moment.")
    if any(one.kind is hashes.URL for one in asked):
        said.append("An address is found as it is written: another way to write it is another value.")
    else:
        said.append(
            "Digests are compared exactly: a picture or film that is only alike is not found, and a file that was "
            "changed by a byte is another file."
        )
    said.append(
        "What is erased has left no value behind, so nobody can say whether this was here before. Exports, what "
        "in-house programs keep, backups and disk images are outside of the node."
    )
    return said


def _amount(hold: Hold) -> str:
    items = sum(one.positions.bit_count() for one in hold.covers)
    whole = sum(not one.positions for one in hold.covers)
    parts = [amount(items, "item") if items else "", amount(whole, "whole record") if whole else ""]
    return " and ".join(filter(None, parts))
