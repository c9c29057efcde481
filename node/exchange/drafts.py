"""Drafts of what we say: records with everything that decides who may read them and for how long."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node import limits
from node.content import hashes, items, names
from node.content.hashes import HashKind
from node.errors import Refused
from node.exchange.publish import Draft
from node.feed.header import BULK, NORMAL, URGENT
from node.feed.kinds import Kind
from node.policy import border
from node.policy.opinions import ADVICE
from node.store.index import Record
from node.v1 import header_pb2, record_pb2, tools_pb2

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LIST_LIFE_MS = 180 * DAY_MS  # the originator's ceiling where the publisher names none
TEXT_BYTES_MAX = 16 << 10
VERSION_DIGITS_MAX = 18
OUTDATED, REPLACED = 4, 5  # withdrawal reasons (protos/README.md section 4)


def check_list(draft: tools_pb2.ListDraft, now_ms: int) -> None:
    """Raises Refused, naming the field, where no list can be like this."""
    if draft.HasField("handling"):
        border.require_mark(draft.handling)
    if not names.LIST_NAME.fullmatch(draft.name):
        raise Refused(
            f"{draft.name!r} cannot be the name of a list",
            next_step="Use up to 63 lower-case letters, digits, dots, dashes and underscores.",
            field="name",
        )
    if draft.advice and draft.advice not in ADVICE:
        raise Refused(
            f"there is no advice {draft.advice!r}", next_step=f"Use one of {', '.join(ADVICE)}.", field="advice"
        )
    if draft.ByteSize() > TEXT_BYTES_MAX:
        raise Refused(f"more than {TEXT_BYTES_MAX} bytes of text", next_step="Shorten it.", field="description")
    if draft.kind:
        kind_named(draft.kind)
    if draft.quality_floor > hashes.QUALITY_MAX:
        raise Refused(
            f"a quality floor of {draft.quality_floor}",
            next_step=f"Qualities go from 0 to {hashes.QUALITY_MAX}.",
            field="quality_floor",
        )
    ends_ms = list_end_ms(draft, now_ms)
    if not now_ms < ends_ms <= now_ms + limits.LIFE_MS_MAX:
        raise Refused("a list ends in the future, within five years", next_step="Name another end.", field="expires_ms")


def texts_of(draft: tools_pb2.ListDraft) -> tuple[record_pb2.HashList, record_pb2.Items]:
    """What a draft has its list and its records say in words: what is looked through is what is said."""
    head = record_pb2.HashList(
        name=draft.name,
        description=draft.description,
        labels=draft.labels,
        ground=draft.ground,
        exemptions=draft.exemptions,
    )
    return head, record_pb2.Items(algorithm_version=draft.algorithm_version, media_type=draft.media_type)


def kind_named(name: str) -> HashKind:
    """The kind; raises Refused where there is none of this name."""
    kind = hashes.KINDS.get(name)
    if kind is None:
        raise Refused(f"there is no kind {name!r}", next_step=f"Use one of {', '.join(hashes.KINDS)}.", field="kind")
    return kind


def list_end_ms(draft: tools_pb2.ListDraft, now_ms: int) -> int:
    """When the list ends: as asked, or after the usual time."""
    return draft.expires_ms or now_ms + LIST_LIFE_MS


def continued(draft: tools_pb2.ListDraft, said: record_pb2.Record, ends_ms: int, now_ms: int) -> tools_pb2.ListDraft:
    """The draft of a list that is there already: what it leaves open is as before."""
    made, head = tools_pb2.ListDraft(), said.list
    made.CopyFrom(draft)
    if not made.HasField("handling"):
        made.handling.CopyFrom(said.handling)
    if not made.labels:
        made.labels.extend(head.labels)
    if not made.exemptions:
        made.exemptions.extend(head.exemptions)
    made.advice = made.advice or head.advice
    made.description = made.description or head.description
    made.ground = made.ground or head.ground
    if not made.HasField("quality_floor"):
        made.quality_floor = head.quality_floor
    if not made.expires_ms and ends_ms > now_ms + DAY_MS:
        made.expires_ms = ends_ms
    return made


def begun(draft: tools_pb2.ListDraft) -> tools_pb2.ListDraft:
    """The draft of a new list: what it leaves open is as usual; raises Refused where it is not marked."""
    border.require_mark(draft.handling)
    made = tools_pb2.ListDraft()
    made.CopyFrom(draft)
    if not made.HasField("quality_floor"):
        made.quality_floor = hashes.QUALITY_FLOOR
    return made


def next_version(head: record_pb2.HashList) -> int:
    """The label behind the present one; labels order nothing, so any will do where it is no number."""
    return int(head.version) + 1 if head.version.isdecimal() and len(head.version) < VERSION_DIGITS_MAX else 1


@dataclass(frozen=True, slots=True)
class Sharing:
    """A list as it is to be from now on, apart from its items."""

    draft: tools_pb2.ListDraft
    object_id: bytes
    crisis_id: bytes
    version: int
    now_ms: int

    @property
    def ends_ms(self) -> int:
        """When the list ends."""
        return list_end_ms(self.draft, self.now_ms)

    def head(self, count: int, kinds: Iterable[str]) -> record_pb2.HashList:
        """What is said of the list as a whole."""
        said, _ = texts_of(self.draft)
        said.version, said.advice = str(self.version), self.draft.advice
        said.quality_floor, said.items = self.draft.quality_floor, count
        said.kinds.extend(sorted(set(kinds)))
        return said

    def letter(self, kind: HashKind) -> record_pb2.Items:
        """A record of the list, without its items."""
        _, said = texts_of(self.draft)
        said.kind, said.advice, said.version = kind.name, self.draft.advice, str(self.version)
        said.labels.extend(self.draft.labels)
        said.exemptions.extend(self.draft.exemptions)
        return said

    def say_in(self, said: record_pb2.Record) -> None:
        """Let a record of the list say what is so from now on."""
        letter = said.items
        del letter.labels[:]
        letter.labels.extend(self.draft.labels)
        del letter.exemptions[:]
        letter.exemptions.extend(self.draft.exemptions)
        letter.advice, letter.version = self.draft.advice, str(self.version)
        letter.algorithm_version = self.draft.algorithm_version or letter.algorithm_version
        letter.media_type = self.draft.media_type or letter.media_type
        said.handling.CopyFrom(self.draft.handling)
        said.crisis_id = self.crisis_id


def sharing_of(said: record_pb2.Record, ends_ms: int, now_ms: int) -> Sharing:
    """A list as it is, at its next version."""
    head = said.list
    draft = tools_pb2.ListDraft(
        name=head.name,
        labels=head.labels,
        description=head.description,
        advice=head.advice,
        quality_floor=head.quality_floor,
        ground=head.ground,
        exemptions=head.exemptions,
        expires_ms=ends_ms,
        handling=said.handling,
        exercise=said.exercise,
    )
    return Sharing(draft, said.object_id, said.crisis_id, next_version(head), now_ms)


def list_head(sharing: Sharing, head: record_pb2.HashList) -> Draft:
    """What is said of the list as a whole, as an entry."""
    draft = sharing.draft
    return Draft(
        Kind.LIST,
        NORMAL,
        record=_record(
            Kind.LIST, sharing.object_id, draft.handling, draft.exercise, list=head, crisis_id=sharing.crisis_id
        ),
        object_id=sharing.object_id,
        exercise=draft.exercise,
        expires_ms=sharing.ends_ms,
        looked_through=True,
    )


def list_items(sharing: Sharing, kind: HashKind, rows: Sequence[items.Row], replaces: Sequence[bytes] = ()) -> Draft:
    """A record of the list, perhaps in the place of others."""
    letter = sharing.letter(kind)
    items.pack(letter, kind, rows)
    draft = sharing.draft
    return _bulk(
        _record(
            Kind.ITEMS,
            sharing.object_id,
            draft.handling,
            draft.exercise,
            items=letter,
            crisis_id=sharing.crisis_id,
            replaces=replaces,
        ),
        sharing.object_id,
        sharing.ends_ms,
        exercise=draft.exercise,
    )


def rewritten(before: record_pb2.Record, rows: Sequence[items.Row], replaces: Sequence[bytes], ends_ms: int) -> Draft:
    """What is left of some records that say the same, in the place of all of them."""
    record, kind = record_pb2.Record(), hashes.KINDS[before.items.kind]
    record.CopyFrom(before)
    for name in ("digests", "values", "qualities"):
        record.items.ClearField(name)
    items.pack(record.items, kind, rows)
    del record.replaces[:]
    record.replaces.extend(replaces)
    content = record.SerializeToString(deterministic=True)
    return _bulk(content, record.object_id, ends_ms, exercise=record.exercise)


def _bulk(content: bytes, object_id: bytes, ends_ms: int, *, exercise: bool) -> Draft:
    return Draft(
        Kind.ITEMS,
        BULK,
        record=content,
        object_id=object_id,
        exercise=exercise,
        expires_ms=ends_ms,
        looked_through=True,
    )


def withdrawal(entry: bytes, positions: int, reason: int, *, exercise: bool = False) -> Draft:
    """Items of one record no longer stand; as bits by position, 0: all of them."""
    packed = positions.to_bytes(-(-positions.bit_length() // 8), "little")
    statement = header_pb2.Withdraw(entry=entry, positions=packed, reason=reason)
    return Draft(Kind.WITHDRAW, URGENT, statement.SerializeToString(deterministic=True), exercise=exercise)


def object_withdrawal(object_id: bytes, reason: int, *, exercise: bool = False) -> Draft:
    """The whole list, or a crisis, no longer stands, for good."""
    statement = header_pb2.Withdraw(reason=reason).SerializeToString(deterministic=True)
    return Draft(Kind.WITHDRAW, URGENT, statement, object_id=object_id, exercise=exercise)


def opinion(about: Record, places: int, letter: record_pb2.Opinion, now_ms: int, allowed: str = "") -> Draft:
    """What we make of something of another's: for all members, and no longer than that is there."""
    said = record_pb2.Opinion(verdict=letter.verdict, label=letter.label, note=letter.note, entry=about.hash)
    if places.bit_count() > 1:
        said.positions = places.to_bytes(-(-places.bit_length() // 8), "little")
    else:
        said.position = places.bit_length() - 1
    handling = record_pb2.Handling(tlp=border.GREEN)
    return Draft(
        Kind.OPINION,
        NORMAL,
        record=_record(Kind.OPINION, about.object_id, handling, about.exercise, opinion=said),
        object_id=about.object_id,
        exercise=about.exercise,
        expires_ms=max(min(about.expires_ms, now_ms + limits.LIFE_MS_MAX), now_ms + DAY_MS),
        allowed=allowed,
    )


def check_reason(reason: int) -> None:
    """Raises Refused for a number that is no withdrawal reason (protos/README.md section 4)."""
    if not 1 <= reason <= limits.REASON_MAX:
        raise Refused(
            f"there is no withdrawal reason {reason}", next_step="protos/README.md section 4 has them.", field="reason"
        )


def _record(
    kind: Kind,
    object_id: bytes,
    handling: record_pb2.Handling,
    exercise: bool,
    *,
    list: record_pb2.HashList | None = None,  # noqa: A002 - the field's name
    items: record_pb2.Items | None = None,
    opinion: record_pb2.Opinion | None = None,
    crisis_id: bytes = b"",
    replaces: Sequence[bytes] = (),
) -> bytes:
    return record_pb2.Record(
        kind=kind,
        object_id=object_id,
        exercise=exercise,
        handling=handling,
        crisis_id=crisis_id,
        replaces=replaces,
        list=list,
        items=items,
        opinion=opinion,
    ).SerializeToString(deterministic=True)
