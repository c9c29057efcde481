"""The border: what of our own records may be said at all, by how personal each field is, and to whom.

What a field may hold stands beside it in record.proto, and is read from there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from node.content import personal
from node.crisis import marks
from node.errors import Refused
from node.feed import kinds
from node.feed.header import AUTHOR_ONLY
from node.feed.kinds import Kind
from node.v1 import protection_pb2, record_pb2

Personal = Literal["refuse", "audience"]

CLEAR, GREEN, AMBER, AMBER_STRICT, RED = 1, 2, 3, 4, 5  # of TLP; the other scales are read by it
FOR_ALL = (CLEAR, GREEN)
MARKED_BY_KIND = frozenset(
    {Kind.PROFILE, Kind.GRANT, Kind.DOCUMENT, Kind.ACKNOWLEDGEMENT}
)  # each is for whom its kind says
URL = "url"
BY_SUMMARY = 3  # bit of H3

_BY_CODE = {0: GREEN, 1: GREEN, 2: AMBER_STRICT, 3: RED}  # Europol's, by bit: what a reader may do with it
_BY_PAP = {0: CLEAR, 1: CLEAR, 2: GREEN, 3: AMBER, 4: RED}
_LEGAL_CHANNEL = "Remove it, or say it through SIENA or your own legal channel."
_ENTITLED = "Remove it; or, where it is nobody's private data, say so with --allow-personal REASON."


@dataclass(frozen=True, slots=True)
class Border:
    """Whether what is personal may be said to a named audience, and whose national telephone numbers are known."""

    personal: Personal = "refuse"
    countries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """To whom a record goes, and on whose word."""

    for_all: bool = True
    carriage: int = 0
    reason: str = ""  # of somebody who is entitled to say that what is found is nobody's private data


# ---- Marks


def strictness(handling: record_pb2.Handling) -> int:
    """The strictest of the three scales, as TLP has it; 0: not marked. What is not known is RED."""
    return max(level for level, _, _ in _levels(handling)) if handling.tlp else 0


def _levels(handling: record_pb2.Handling) -> tuple[tuple[int, str, str], ...]:
    """Each scale as TLP has it, with its field, and what it is called beside TLP."""
    codes = [_BY_CODE.get(bit, RED) for bit in marks.code_bits(handling)]
    return (
        (min(handling.tlp, RED), "handling", ""),
        (max(codes, default=CLEAR), "handling.europol_codes", "handling code"),
        (_BY_PAP.get(handling.pap, RED), "handling.pap", "PAP"),
    )


def require_mark(handling: record_pb2.Handling, *, for_all: bool = True) -> None:
    """Raise Refused for what is not marked, and for what is marked for fewer than are to read it, at that scale."""
    if not handling.tlp:
        step = "Mark it TLP:CLEAR or TLP:GREEN if all members may read it."
        raise Refused("not marked, therefore not shared", next_step=step, field="handling")
    for level, field, called in _levels(handling) if for_all else ():
        if level not in FOR_ALL:
            less = f", and its {called} says less" if called else ""
            step = f"Leave the {called} out" if called else "Mark it TLP:CLEAR or TLP:GREEN"
            raise Refused(
                f"only CLEAR and GREEN are for all members{less}",
                next_step=f"{step} if all members may read it; a crisis for some is declared with --to ROLE|MEMBER.",
                field=field,
            )


def require_summary(handling: record_pb2.Handling, summary: str) -> None:
    """Raise Refused where a code says that the summary restricts its use, and there is none."""
    if handling.europol_codes >> BY_SUMMARY & 1 and not summary.strip():
        raise Refused(
            "H3 says that what else restricts its use stands in the summary, and there is none",
            next_step="Say it in the summary, as by --summary; or leave H3 out.",
            field="summary",
        )


def is_marked(record: record_pb2.Record) -> bool:
    """Whether its author said what readers may do with it, or its kind does; of later kinds, later versions decide."""
    return record.kind in MARKED_BY_KIND or record.kind not in kinds.NAMES or bool(record.handling.tlp)


def require_audience(record: record_pb2.Record, *, for_all: bool) -> None:
    """Raise Refused where the record and its box are not for the same readers, or for none."""
    named = len(record.audience.roles) + len(record.audience.member_ids)
    if record.HasField("audience") and (for_all or not named):
        raise Refused(
            "its audience is empty" if not named else "it is meant for some members, and all could read it",
            next_step="Name those who may read it, or leave the audience out: then all members may.",
            field="audience",
        )


# ---- Fields


def check(record: record_pb2.Record, border: Border, reach: Reach) -> None:
    """Raise Refused for the first thing in the content that is more personal than its field may hold."""
    content = record.WhichOneof("content")
    if content:
        check_content(getattr(record, content), border, reach)


def check_content(content: Message, border: Border, reach: Reach) -> None:
    """The same for a content by itself."""
    for place, field, value in fields(content):
        _check_field(place, field, value, border, reach)


def fields(message: Message, path: str = "") -> Iterator[tuple[str, FieldDescriptor, Any]]:
    """Every field that is set, with its place as people read it: "event.place_name", "criteria[2].ground"."""
    for field, value in message.ListFields():
        place = f"{path}{field.name}"
        yield place, field, value
        if field.type != FieldDescriptor.TYPE_MESSAGE or _is_map(field):
            continue
        for number, one in enumerate(value if field.is_repeated else [value], 1):
            yield from fields(one, f"{place}[{number}]." if field.is_repeated else f"{place}.")


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _check_field(place: str, field: FieldDescriptor, value: Any, border: Border, reach: Reach) -> None:
    texts = _texts(field, value)
    options, allowed = field.GetOptions(), _may_be_personal(border, reach)
    holds = options.Extensions[protection_pb2.holds]
    is_personal = options.Extensions[protection_pb2.data_class] >= protection_pb2.DATA_CLASS_P2
    if texts and is_personal and not holds and not allowed:
        raise Refused(f"{place}: it may name persons", next_step=_ENTITLED, field=place)
    for text in texts:
        if holds == URL:
            _check_url(place, text, allowed=allowed)
        else:
            _check_text(place, text, holds, border.countries, allowed=allowed)


def _texts(field: FieldDescriptor, value: Any) -> list[str]:
    if _is_map(field):
        return sorted(key for key in value if isinstance(key, str))
    if field.type != FieldDescriptor.TYPE_STRING:
        return []
    return list(value) if field.is_repeated else [value]


def _check_text(place: str, text: str, holds: str, countries: Sequence[str], *, allowed: bool) -> None:
    for one in personal.find(text, countries):
        is_made_for_it = holds == one.what.field != ""
        if is_made_for_it or (allowed and one.what not in personal.NEVER):
            continue
        raise Refused(
            f"{place}: character {one.start + 1} to {one.end} is {one.what.words}",
            next_step=_LEGAL_CHANNEL if one.what in personal.NEVER else _ENTITLED,
            field=place,
        )


def _check_url(place: str, url: str, *, allowed: bool) -> None:
    if fault := personal.url_fault(url, allowed=allowed):
        raise Refused(fault, next_step="Leave it out.", field=place)


def _may_be_personal(border: Border, reach: Reach) -> bool:
    to_some = border.personal == "audience" and not reach.for_all and reach.carriage == AUTHOR_ONLY
    return to_some or bool(reach.reason)
