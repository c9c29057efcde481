"""Opining: what is meant, what is still to be said of it, and how opinions are shown. Reads only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from node import limits
from node.errors import Refused
from node.exchange import consult, ignoring, lifecycles, matching, opinions, references
from node.exchange.consult import View
from node.exchange.opinions import Judged, Word
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.policy import border
from node.policy.opinions import Verdict
from node.store import index
from node.store import opinions as stored
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import opinions_pb2, record_pb2

ABOUT_MAX = 256  # references in one call: each is looked for among all records
SHOWN_MAX = 512  # opinions in one answer
TARGETS_MAX = 256  # things of ours that are looked at
TEXT_CHARACTERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Subject:
    """A record, and which of its items are meant, as bits; or the newest entry of a list or a crisis."""

    record: Record
    places: int
    is_whole: bool = False


# ---- What is meant


def check(request: opinions_pb2.OpineRequest) -> None:
    """Raises Refused, naming the field, for an opinion that cannot be."""
    if request.verdict not in set(Verdict):
        raise Refused(f"there is no verdict {request.verdict}", next_step="1 to 6: section 7.3.", field="verdict")
    if not 0 < len(request.about) <= ABOUT_MAX:
        raise Refused(
            f"{len(request.about):,} things; an opinion is about 1 to {ABOUT_MAX:,}",
            next_step="Name items, records, lists or crises.",
            field="about",
        )
    if bool(request.label) != (request.verdict == Verdict.WRONG_LABEL):
        raise Refused(
            "which label is meant?" if not request.label else "a label goes with the verdict wrong label alone",
            next_step="Say which one would be right with --label." if not request.label else "Leave it out.",
            field="label",
        )
    for text, field in ((request.note, "note"), (request.label, "label")):
        if len(text) > TEXT_CHARACTERS_MAX:
            raise Refused(f"{len(text):,} characters", next_step=f"At most {TEXT_CHARACTERS_MAX:,}.", field=field)


def subject(stores: Stores, seen: View, typed: str) -> Subject:
    """What is meant; raises Refused for what is not here, is our own, or is not for all members."""
    found = _subject(stores, seen, typed.strip())
    _require_others(stores, seen, found)
    return found


def joined(subjects: Iterable[Subject]) -> list[Subject]:
    """Each record once, with all items of it that are meant."""
    found: dict[HeaderHash, Subject] = {}
    for one in subjects:
        before = found.get(one.record.hash)
        found[one.record.hash] = replace(one, places=one.places | before.places) if before else one
    return list(found.values())


def _subject(stores: Stores, seen: View, typed: str) -> Subject:
    named = references.find_whole(stores, seen, typed)
    if named is not None:
        each = (opinions.heads(stores, *named, exercise=exercise) for exercise in (False, True))
        return Subject(next(filter(None, each))[-1], opinions.WHOLE, is_whole=True)
    address = references.find(stores, typed)
    record = index.by_hash(stores.index, address.entry)
    every = (1 << record.items) - 1 if record else 0
    places = every if address.position is None else 1 << address.position & every
    if record is None or record.kind != Kind.ITEMS or not places:
        raise Refused(
            f"{typed} is no item that is here", next_step="Give it as `tocsin lookup` prints it.", field="about"
        )
    return Subject(record, places)


def _require_others(stores: Stores, seen: View, one: Subject) -> None:
    if one.record.member_id == seen.follows.me:
        raise Refused(
            f"{_typed(stores, seen, one.record, one.places)} is ours: we take back what we do not stand by",
            next_step="`tocsin withdraw` does that, with a --reason.",
            field="about",
        )
    if not is_for_all(one.record):
        raise Refused(
            f"{_typed(stores, seen, one.record, one.places)} is not for all members, and an opinion goes to all",
            next_step="`tocsin crisis dispute` tells its readers, and with --take-back that it is so no more."
            if one.record.kind in lifecycles.HEADS
            else "Tell its owner: `tocsin profile show` says whom to call there.",
            field="about",
        )


def is_for_all(record: Record) -> bool:
    """Whether all members may read it: an opinion goes to all. A crisis without an audience is read by all anyway."""
    said = record_pb2.Record.FromString(record.content)
    is_crisis = record.kind == Kind.DECLARATION
    return not said.HasField("audience") and (is_crisis or border.strictness(said.handling) in border.FOR_ALL)


def still_to_say(stores: Stores, seen: View, one: Subject, letter: record_pb2.Opinion) -> int:
    """The items to be named in what is said now, as bits: with those of which we said the same; 0: nothing is new."""
    same = 0
    for word in judged(stores, seen, one).words:
        if word.said.member_id == seen.follows.me and _letter(word) == (letter.verdict, letter.label, letter.note):
            same |= word.places
    return one.places | same if one.places & ~same else 0


def _letter(word: Word) -> tuple[int, str, str]:
    said = record_pb2.Record.FromString(word.said.record.content).opinion
    return said.verdict, said.label, said.note


# ---- What is shown


def judged(stores: Stores, seen: View, one: Subject) -> Judged:
    """All last words about it."""
    if one.is_whole:
        about = one.record.member_id, one.record.object_id
        heads = opinions.heads(stores, *about, exercise=one.record.exercise)
        return opinions.about_object(stores, seen, heads)
    return opinions.about(stores, seen, one.record)


def every(stores: Stores, seen: View, request: opinions_pb2.ListOpinionsRequest) -> opinions_pb2.ListOpinionsResponse:
    """Opinions about one thing, about what is ours, or of our own; raises Refused where nothing is named."""
    if request.about:
        about = subjects_named(stores, seen, request.about)
    elif request.own:
        hashes = [one.target for one in stored.of_member(stores.index, seen.follows.me, SHOWN_MAX)]
        about = _of(stores, hashes)
    elif request.mine:
        about = _of(stores, stored.of_owner(stores.index, seen.follows.me, TARGETS_MAX))
    else:
        raise Refused("opinions about what?", next_step="Name it, or ask for --mine or --own.", field="about")
    views = [
        view(stores, seen, one, word)
        for one in about
        for word in judged(stores, seen, one).words
        if word.places & one.places and (not request.own or word.said.member_id == seen.follows.me)
    ]
    views.sort(key=lambda one: (-one.created_ms, one.entry))
    sizes = accumulate(one.ByteSize() for one in views[:SHOWN_MAX])
    shown = [one for one, size in zip(views, sizes, strict=False) if size <= consult.ANSWER_BYTES_MAX]
    return opinions_pb2.ListOpinionsResponse(opinions=shown, more=len(views) > len(shown))


def subjects_named(stores: Stores, seen: View, typed: str) -> list[Subject]:
    """What is meant; of a list also its records."""
    one = _subject(stores, seen, typed.strip())
    if not one.is_whole:
        return [one]
    of_list = index.of_list(stores.index, one.record.member_id, one.record.object_id, Kind.ITEMS)
    touched = stored.touched(stores.index, [record.hash for record in of_list.values()])
    return [one, *_of(stores, sorted(touched))]


def _of(stores: Stores, hashes: Sequence[HeaderHash]) -> list[Subject]:
    found: dict[tuple[bytes, bytes], Subject] = {}
    for hash_ in hashes:
        record = index.by_hash(stores.index, hash_)
        if record is None:
            continue
        if record.kind == Kind.ITEMS:
            found[record.hash, b""] = Subject(record, (1 << record.items) - 1)
        elif record.kind in (Kind.LIST, Kind.DECLARATION):
            found[record.member_id, record.object_id] = Subject(record, opinions.WHOLE, is_whole=True)
    return list(found.values())


def view(stores: Stores, seen: View, one: Subject, word: Word) -> opinions_pb2.OpinionView:
    """One opinion as it is told."""
    said, places = word.said, word.places & one.places
    letter = record_pb2.Record.FromString(said.record.content).opinion
    whole = "list" if one.record.kind == Kind.LIST else "crisis"
    return opinions_pb2.OpinionView(
        entry=said.hash,
        member_id=said.member_id,
        member_name=seen.trust.name_of(said.member_id),
        verdict=letter.verdict,
        label=letter.label[:TEXT_CHARACTERS_MAX],
        note=letter.note[:TEXT_CHARACTERS_MAX],
        kind=whole if one.is_whole else "item" if places.bit_count() == 1 else "items",
        about=_typed(stores, seen, one.record, places),
        target=one.record.hash,
        positions=() if one.is_whole else [at for at in range(limits.ITEMS_MAX) if places >> at & 1],
        obstacle=word.obstacle,
        created_ms=said.created_ms,
        expires_ms=said.record.expires_ms,
        mine=one.record.member_id == seen.follows.me,
    )


def _typed(stores: Stores, seen: View, record: Record, places: int) -> str:
    """As it is typed; of several items the first."""
    if record.kind == Kind.DECLARATION:
        return consult.crisis_reference(stores, record.object_id)
    name = ignoring.list_name(stores, seen, record.member_id, record.object_id, record.exercise)
    if record.kind == Kind.LIST:
        return name
    first = (places & -places).bit_length() - 1
    return f"{matching.item_record(stores, name, record.hash)}:{first}"
