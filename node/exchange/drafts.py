"""Drafts of what we say: records with everything that decides who may read them and for how long.

The author's half of the disclosure policy stands here: what is not marked is not shared, and only
what is CLEAR or GREEN is readable by all members.
"""

from collections.abc import Iterator, Sequence

from node import limits
from node.content import hashes, items, names
from node.content.hashes import HashKind
from node.content.items import Gathered
from node.errors import Refused
from node.exchange.publish import Draft
from node.feed.header import BULK, NORMAL, URGENT
from node.feed.kinds import Kind
from node.policy.parameters import Parameters
from node.v1 import record_pb2, tools_pb2

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CRISIS_KEPT_MS = 30 * DAY_MS  # after its end, for the review
LIST_LIFE_MS = 180 * DAY_MS  # the originator's ceiling where the publisher names none
TEXT_BYTES_MAX = 16 << 10
CLEAR, GREEN = 1, 2
ADVICE = ("block", "review", "monitor", "ignore")


def declaration(request: tools_pb2.DeclareRequest, rules: Parameters, now_ms: int) -> Draft:
    """A crisis as it is declared; raises Refused, naming the field."""
    crisis = request.crisis
    _check_handling(request.handling)
    if len(request.object_id) != names.ID_BYTES:
        raise Refused(
            f"an object id has {names.ID_BYTES} bytes, got {len(request.object_id)}",
            next_step="Draw it at random, once for each declaration, and send it again when you retry.",
            field="object_id",
        )
    if not crisis.title.strip() or crisis.ByteSize() > TEXT_BYTES_MAX:
        raise Refused(
            "a crisis needs a title" if not crisis.title.strip() else f"more than {TEXT_BYTES_MAX} bytes of text",
            next_step="Say in a few words what happened and where.",
            field="title",
        )
    _check_framework(crisis, rules)
    _check_times(crisis, rules, now_ms)
    return Draft(
        Kind.DECLARATION,
        URGENT,
        record=_record(Kind.DECLARATION, request.object_id, request.handling, request.exercise, crisis=crisis),
        object_id=request.object_id,
        exercise=request.exercise,
        expires_ms=crisis.ends_ms + CRISIS_KEPT_MS,
    )


def _check_framework(crisis: record_pb2.Crisis, rules: Parameters) -> None:
    known = [framework.name for framework in rules.frameworks]
    if crisis.framework.name not in known:
        raise Refused(
            f"this federation has no framework {crisis.framework.name!r}",
            next_step=f"Use one of {', '.join(known) or 'none: the charter names none'}.",
            field="framework",
        )


def _check_times(crisis: record_pb2.Crisis, rules: Parameters, now_ms: int) -> None:
    starts_ms = crisis.starts_ms or now_ms
    longest = rules.crisis.longest_hours
    if crisis.ends_ms <= max(starts_ms, now_ms):
        raise Refused(
            "a crisis needs an end that is still to come", next_step="For how long? --for 48h", field="ends_ms"
        )
    if crisis.ends_ms - starts_ms > longest * HOUR_MS:
        raise Refused(
            f"this federation's crises last {longest} hours at most",
            next_step="Declare it for less; it can be declared again.",
            field="ends_ms",
        )


def crisis_end(view: tools_pb2.CrisisView, text: str, handling: record_pb2.Handling, now_ms: int) -> Draft:
    """Our own crisis ends now, before its time."""
    act = record_pb2.CrisisAct(entry=view.entry, end=record_pb2.Note(text=text[:TEXT_BYTES_MAX]))
    return Draft(
        Kind.CRISIS_ACT,
        URGENT,
        record=_record(Kind.CRISIS_ACT, view.object_id, handling, view.exercise, crisis_act=act),
        object_id=view.object_id,
        exercise=view.exercise,
        expires_ms=max(view.crisis.ends_ms, now_ms) + CRISIS_KEPT_MS,
    )


def list_kind(draft: tools_pb2.ListDraft, now_ms: int) -> HashKind:
    """The kind of a list that is to be published; raises Refused, naming the field."""
    _check_handling(draft.handling)
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
    ends_ms = list_end_ms(draft, now_ms)
    if not now_ms < ends_ms <= now_ms + limits.LIFE_MS_MAX:
        raise Refused("a list ends in the future, within five years", next_step="Name another end.", field="expires_ms")
    kind = hashes.KINDS.get(draft.kind)
    if kind is None:
        raise Refused(
            f"there is no kind {draft.kind!r}", next_step=f"Use one of {', '.join(hashes.KINDS)}.", field="kind"
        )
    return kind


def list_end_ms(draft: tools_pb2.ListDraft, now_ms: int) -> int:
    """When the list ends: as asked, or after the usual time."""
    return draft.expires_ms or now_ms + LIST_LIFE_MS


def continued(draft: tools_pb2.ListDraft, head: record_pb2.HashList, ends_ms: int, now_ms: int) -> tools_pb2.ListDraft:
    """The draft of a list that is there already: what it leaves open is as before."""
    made = tools_pb2.ListDraft()
    made.CopyFrom(draft)
    if not made.labels:
        made.labels.extend(head.labels)
    made.advice = made.advice or head.advice
    made.description = made.description or head.description
    if not made.expires_ms and ends_ms > now_ms + DAY_MS:
        made.expires_ms = ends_ms
    return made


def says_the_same(draft: tools_pb2.ListDraft, content: bytes) -> bool:
    """Whether a record of the list stands as the draft would have it: kind, labels and advice."""
    letter = record_pb2.Record.FromString(content).items
    return (letter.kind, list(letter.labels), letter.advice) == (draft.kind, list(draft.labels), draft.advice)


def list_head(
    draft: tools_pb2.ListDraft, object_id: bytes, count: int, other_kinds: Sequence[str], now_ms: int
) -> Draft:
    """What the list is, apart from its items."""
    letter = record_pb2.HashList(
        name=draft.name,
        description=draft.description,
        kinds=sorted({draft.kind, *other_kinds}),
        labels=draft.labels,
        advice=draft.advice,
        items=count,
    )
    return Draft(
        Kind.LIST,
        NORMAL,
        record=_record(Kind.LIST, object_id, draft.handling, draft.exercise, list=letter),
        object_id=object_id,
        exercise=draft.exercise,
        expires_ms=list_end_ms(draft, now_ms),
    )


def list_items(
    draft: tools_pb2.ListDraft, object_id: bytes, crisis_id: bytes, gathered: Gathered, now_ms: int
) -> Iterator[Draft]:
    """Its items, a record at a time."""
    for packed in items.cut(gathered):
        letter = record_pb2.Items(kind=draft.kind, labels=draft.labels, advice=draft.advice, digests=packed)
        yield Draft(
            Kind.ITEMS,
            BULK,
            record=_record(Kind.ITEMS, object_id, draft.handling, draft.exercise, items=letter, crisis_id=crisis_id),
            object_id=object_id,
            exercise=draft.exercise,
            expires_ms=list_end_ms(draft, now_ms),
        )


def _check_handling(handling: record_pb2.Handling) -> None:
    if handling.tlp not in (CLEAR, GREEN):
        raise Refused(
            "not marked, therefore not shared" if not handling.tlp else "only CLEAR and GREEN are for all members",
            next_step="Mark it TLP:CLEAR or TLP:GREEN if all members may read it.",
            field="handling",
        )


def _record(
    kind: Kind,
    object_id: bytes,
    handling: record_pb2.Handling,
    exercise: bool,
    *,
    crisis: record_pb2.Crisis | None = None,
    crisis_act: record_pb2.CrisisAct | None = None,
    list: record_pb2.HashList | None = None,  # noqa: A002 - the field's name
    items: record_pb2.Items | None = None,
    crisis_id: bytes = b"",
) -> bytes:
    return record_pb2.Record(
        kind=kind,
        object_id=object_id,
        exercise=exercise,
        handling=handling,
        crisis_id=crisis_id,
        crisis=crisis,
        crisis_act=crisis_act,
        list=list,
        items=items,
    ).SerializeToString(deterministic=True)
