"""Matching: at which places of lists values stand and count, and what a tool is told of each. Reads only.

In two steps, so that a question that cannot be is refused before it reaches the stores: `ask` and
`look_up`. One without any match, which nearly all are, costs a single statement.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from node import limits
from node.content import hashes, names
from node.content.hashes import HashKind
from node.errors import Refused
from node.exchange import consult, drafts, halting, opinions, restricting, standing
from node.exchange.consult import View
from node.exchange.opinions import Judged
from node.exchange.restricting import Restriction
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.policy import vocabulary
from node.policy.ignoring import Thing, What
from node.policy.opinions import lowered
from node.store import index, lookup
from node.store.halts import Halt
from node.store.index import Record
from node.store.lookup import Place
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2

PLACES_OF_MEMBER_MAX = 64  # of one value: so one value's matches of 250 members fit an answer


# ---- Asking


@dataclass(frozen=True, slots=True)
class Question:
    """Values of one kind as the index has them, end to end: first those of fixed length, then the texts."""

    kind: HashKind
    packed: bytes

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.packed) // self.kind.key_bytes


def ask(request: tools_pb2.LookUpRequest) -> Question:
    """What is asked; raises Refused for values that cannot be, and a kind that is not known here."""
    kind = drafts.kind_named(request.kind)
    count = len(request.values) + len(request.texts)
    if count > limits.VALUES_PER_LOOK_UP_MAX:
        raise Refused(
            f"{count} values at a time; at most {limits.VALUES_PER_LOOK_UP_MAX}",
            next_step="Ask in parts.",
            field="values",
        )
    if kind.is_fixed:
        return Question(kind, _digests(kind, request))
    return Question(kind, _texts(kind, request))


def _digests(kind: HashKind, request: tools_pb2.LookUpRequest) -> bytes:
    values = list(request.values)
    if request.texts:
        raise Refused(
            f"{kind.name} has {kind.digest_bytes} bytes and no texts",
            next_step="Send the digest itself, not its text.",
            field="texts",
        )
    if set(map(len, values)) - {kind.digest_bytes}:
        i = next(i for i, value in enumerate(values) if len(value) != kind.digest_bytes)
        raise Refused(
            f"value {i}: {kind.name} has {kind.digest_bytes} bytes, got {len(values[i])}",
            next_step="Send the digest itself, not its text.",
            field="values",
        )
    return b"".join(values)


def _texts(kind: HashKind, request: tools_pb2.LookUpRequest) -> bytes:
    """A text that is written in another than its one form would match nothing, and silently."""
    if request.values:
        raise Refused(f"{kind.name} is a text", next_step="Send it in texts.", field="values")
    for i, text in enumerate(request.texts):
        try:
            form = hashes.parse(kind, text)
        except ValueError as error:
            raise Refused(f"text {i}: {error}", next_step="Send each as it is written.", field="texts") from error
        if form != text:
            raise Refused(f"text {i} is not in the one form of {kind.name}", next_step=f"It is {form!s}", field="texts")
    return b"".join(map(hashes.key, request.texts))


# ---- Telling


def look_up(stores: Stores, seen: View, question: Question) -> tools_pb2.LookUpResponse:
    """What is said of every place at which one of the values stands and counts, in the order of the values.

    What this node's people ignore stands apart.
    """
    found = lookup.find(stores.digests, question.kind.number, question.kind.key_bytes, question.packed)
    return _tell(stores, seen, question, found) if found else tools_pb2.LookUpResponse()


def _tell(stores: Stores, seen: View, question: Question, found: Sequence[Place]) -> tools_pb2.LookUpResponse:
    rows = index.records(stores.index, sorted({one.record for one in found}), exercises=False)
    records = _Records(stores, seen, opinions.of_records(stores, seen, list(rows.values())))
    weighed = {number: records.weigh(record) for number, record in rows.items()}
    said = tools_pb2.LookUpResponse()
    for _, group in groupby(found, key=lambda one: one.asked):
        here = _bounded((one, about) for one in group if (about := weighed.get(one.record)) and about.has(one.position))
        members = len({about.match.member_id for _, about in here})
        for place, about in here:
            ignored = seen.ignores.first(_things(place, about.match, question), seen.now_ms)
            match = said.matches.add() if ignored is None else said.ignored.add()
            _tell_match(match, place, about, members)
            if ignored is not None:
                match.ignored_by = seen.ignores.reference(ignored)
                match.ignored_until_ms = ignored.until_ms
    return said


def _things(place: Place, match: tools_pb2.Match, question: Question) -> Iterator[Thing]:
    """As what a match may be ignored; the most particular first."""
    size = question.kind.key_bytes
    yield Thing(What.ITEM, match.entry, place.position)
    yield Thing(What.VALUE, question.packed[place.asked * size : (place.asked + 1) * size], question.kind.number)
    yield Thing(What.LIST, match.list_id, member_id=match.member_id)
    if match.crisis_id:
        yield Thing(What.CRISIS, match.crisis_id)


def _bounded(here: Iterable[tuple[Place, "_Weighed"]]) -> list[tuple[Place, "_Weighed"]]:
    """Whoever lists one value in very many records must not hide where others list it behind an error."""
    found: list[tuple[Place, _Weighed]] = []
    of_member: Counter[bytes] = Counter()
    for place, about in here:
        of_member[about.match.member_id] += 1
        if of_member[about.match.member_id] <= PLACES_OF_MEMBER_MAX:
            found.append((place, about))
    return found


def restriction(stores: Stores, record: Record, seen: View, halted: Sequence[Halt]) -> Restriction | None:
    """Which of a record's items count. None where no item does.

    Drills, what is past its end, what is not followed, what stands above the end of its feed, what is
    behind a halt of its list, and what its author took back match nothing.
    """
    if record.exercise or seen.now_ms >= record.expires_ms:
        return None
    if not seen.follows.matches(record.member_id, record.object_id):
        return None
    found = restricting.restriction(stores, record, seen.trust, halted)
    return None if found.reason else found


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A record that counts: what all its matches have alike, and which of its items match at all."""

    match: tools_pb2.Match
    reference: str
    restriction: Restriction
    qualities: bytes
    quality_floor: int
    judged: Judged

    def has(self, position: int) -> bool:
        """Whether the item stands and is good enough; what is not known is."""
        if self.restriction.covers(position):
            return False
        quality = self.quality(position)
        return quality is None or quality >= self.quality_floor

    def quality(self, position: int) -> int | None:
        """How good the image was, where that is known."""
        found = self.qualities[position] if position < len(self.qualities) else hashes.QUALITY_UNKNOWN
        return None if found == hashes.QUALITY_UNKNOWN else found


def _tell_match(match: tools_pb2.Match, place: Place, about: _Weighed, sources: int) -> None:
    match.CopyFrom(about.match)
    match.index, match.position, match.sources = place.asked, place.position, sources
    match.item = f"{about.reference}:{place.position}"
    match.remainder = bool(about.restriction.gone)
    quality = about.quality(place.position)
    if quality is not None:
        match.quality = quality
    if about.judged.words:
        _tell_opinions(match, about.judged)


def _tell_opinions(match: tools_pb2.Match, judged: Judged) -> None:
    """A review at most, where somebody objects."""
    tally = judged.at(match.position)
    match.opinion, match.agreeing, match.objecting = tally.state, tally.agreeing, tally.objecting
    if tally.objecting:
        match.advice = lowered(match.advice)
        match.reason = "; ".join(filter(None, (match.reason, judged.reason(match.position))))


class _Records:
    """What is said of records in one answer; lists, members and crises that they share are looked at once."""

    def __init__(self, stores: Stores, seen: View, judged: Mapping[HeaderHash, Judged]) -> None:
        self._stores, self._seen, self._judged = stores, seen, judged
        self._lists: dict[tuple[MemberId, ObjectId], tuple[str, int]] = {}
        self._members: dict[MemberId, tuple[str, str]] = {}
        self._crises: dict[bytes, str] = {b"": ""}
        self._halts: dict[tuple[MemberId, ObjectId], Sequence[Halt]] = {}

    def weigh(self, record: Record) -> _Weighed | None:
        """What the record's matches have alike; None where it does not count."""
        halted = self._halting(record)
        restricted = restriction(self._stores, record, self._seen, halted)
        if restricted is None:
            return None
        letter = record_pb2.Record.FromString(record.content)
        name, quality_floor = self._list(record)
        member_name, obstacle = self._member(record)
        if not obstacle and self._is_contested(record):
            obstacle = standing.contested(record.feed_id, self._seen.trust)
        obstacle = obstacle or halting.notice(halted, record)
        qualities = letter.items.qualities if letter.items.kind == hashes.PDQ.name else b""
        match = tools_pb2.Match(
            entry=record.hash,
            member_id=record.member_id,
            member_name=member_name,
            list_id=record.object_id,
            list=name,
            labels=letter.items.labels,
            exemptions=vocabulary.exempting(letter.items),
            advice=lowered(letter.items.advice) if obstacle else vocabulary.advice_of(letter.items),
            reason=obstacle or vocabulary.reason_of(letter.items),
            expires_ms=record.expires_ms,
            crisis_id=letter.crisis_id,
            crisis=self._crisis(letter.crisis_id),
            handling=letter.handling if letter.HasField("handling") else None,
        )
        judged = self._judged.get(record.hash, opinions.NOBODY)
        reference = item_record(self._stores, name, record.hash)
        return _Weighed(match, reference, restricted, qualities, quality_floor, judged)

    def _is_contested(self, record: Record) -> bool:
        found = standing.standing_of(self._stores, record, self._seen.trust)
        return found is Standing.CONTESTED

    def _list(self, record: Record) -> tuple[str, int]:
        """What the list is called, and below which quality its items match nothing."""
        key = record.member_id, record.object_id
        if key not in self._lists:
            head = self._head(record)
            letter = record_pb2.Record.FromString(head.content).list if head else None
            name = letter.name if letter else record.object_id.hex()
            floor = letter.quality_floor if letter else hashes.QUALITY_FLOOR
            self._lists[key] = consult.list_name(self._seen.trust, record.member_id, name), floor
        return self._lists[key]

    def _head(self, record: Record) -> Record | None:
        """What the list was last said to be, as far as it is read."""
        halted, key = self._halting(record), (record.member_id, record.object_id)
        if not halted:
            return index.newest(self._stores.index, Kind.LIST, *key, exercise=False)
        each = index.of_list(self._stores.index, *key, Kind.LIST).values()
        said = sorted((one for one in each if not one.exercise), key=index.by_date)
        return next((one for one in reversed(said) if not halting.is_behind(halted, one)), None)

    def _halting(self, record: Record) -> Sequence[Halt]:
        """Where the list is not read on."""
        key = record.member_id, record.object_id
        if key not in self._halts:
            self._halts[key] = halting.of_object(self._stores, self._seen.trust, *key)
        return self._halts[key]

    def _member(self, record: Record) -> tuple[str, str]:
        """What the member is called, and why its word does not count in full, if it does not."""
        member_id = record.member_id
        if member_id in self._seen.roster.former:  # of it some records stand
            name = self._seen.trust.name_of(member_id)
            return name, consult.publisher_obstacle(member_id, self._seen, record)
        if member_id not in self._members:
            name = self._seen.trust.name_of(member_id)
            self._members[member_id] = name, consult.publisher_obstacle(member_id, self._seen)
        return self._members[member_id]

    def _crisis(self, crisis_id: bytes) -> str:
        if crisis_id not in self._crises:
            self._crises[crisis_id] = consult.crisis_reference(self._stores, crisis_id)
        return self._crises[crisis_id]


# ---- References


def item_record(stores: Stores, list_name: str, hash_: HeaderHash) -> str:
    """How a record of a list is typed: ``europol/halle/7f3k``; with ``:1042`` behind it, an item in it."""
    return f"{list_name}/{names.shortest(hash_, lookup.neighbours(stores.index, hash_))}"
