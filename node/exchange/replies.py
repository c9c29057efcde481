"""Replies: what a search for a data subject found, in the words of a letter."""

from collections.abc import Callable, Iterator, Sequence

from node.policy.reporting import Document, Section, amount, operator
from node.v1 import accountability_pb2

Moment = Callable[[int], str]

PROOFS = {
    "item": "this very item, by the log",
    "record": "the record that it is in, by the log",
    "former": "a record whose place this one took; whether this item was in it is not on record",
    "list": "its list; whether this item was among it is not on record",
    "stream": "records of that time; whether this one was among them is not on record",
}
# Never that it is not held: what is under legal hold, or sealed for others, is here and cannot be searched.
NOT_FOUND = "It was not found in what could be searched here; what could not be stands below."
ANYONE = 0  # the carriage of what anybody may keep and pass on


def document(said: accountability_pb2.SearchSubjectResponse, moment: Moment) -> Document:
    """The whole answer. ``moment``: how a time is written."""
    real = [one for one in said.places if not one.exercise]
    drills = [one for one in said.places if one.exercise]
    sections = [_first(said, len(real), len(drills), moment)]
    for number, one in enumerate((*real, *drills), 1):
        sections += _place(number, one, moment)
    if any(one.carriage == ANYONE for one in said.places):
        sections.append(_everyone(said))
    sections.append(Section("What could not be searched", tuple(said.unsearched)))
    if said.places:
        sections.append(Section("What the log of recipients cannot prove", tuple(_limits(said, moment))))
    sections.append(_file(said))
    return Document("Answer to a data subject", tuple(sections))


def _first(said: accountability_pb2.SearchSubjectResponse, real: int, drills: int, moment: Moment) -> Section:
    found = f"It is held here at {amount(real, 'place')}." if real else NOT_FOUND
    words = [f"Searched {moment(said.searched_ms)} for what was named.", found]
    if drills:
        words.append(f"It stands at {amount(drills, 'place')} in data of drills, which says nothing of anybody.")
    if said.left_off:
        words.append(f"{said.left_off:,} more places are not listed: withdraw or erase some, or ask for less.")
    return Section("What was searched", tuple(words))


def _place(number: int, one: accountability_pb2.HeldPlace, moment: Moment) -> Iterator[Section]:
    drill = " (of a drill)" if one.exercise else ""
    yield Section(f"{number}. {one.item}{drill}", (), ("what", "here"), tuple(_fields(one, moment)))
    rows = tuple(
        (
            who.who,
            who.act,
            PROOFS.get(who.proof, who.proof),
            moment(who.first_ms),
            moment(who.last_ms),
            "; ".join(who.why) or "-",
        )
        for who in one.recipients
    )
    more = (f"{one.recipients_left_off:,} more are not listed.",) if one.recipients_left_off else ()
    nobody = () if rows else ("The audit log names nobody.",)
    columns = ("who", "act", "what the log has", "first", "last", "why") if rows else ()
    yield Section(f"Recipients of {number}", (*nobody, *more), columns, rows)


def _fields(one: accountability_pb2.HeldPlace, moment: Moment) -> Iterator[tuple[str, str]]:
    by = ", ".join(filter(None, (one.member_role, one.member_country)))
    yield "stands as", f"{one.value_kind}, in the text {one.field}" if one.field else f"{one.value_kind}, an item"
    if one.list:
        yield "list", one.list
    yield "origin", f"{one.member_name} ({by})" if by else one.member_name
    yield "published", moment(one.created_ms)
    yield "received here", moment(one.received_ms)
    yield "use", "; ".join(one.states)
    crisis = " under ".join(filter(None, (one.crisis, one.framework)))
    yield "crisis", crisis or "none that is known here"
    yield "legal basis", one.legal_basis or operator("of this controller; the originator named none in the exchange")
    yield "readers", f"{one.audience}; {one.handling}"
    yield from _keeping(one, moment)
    if one.holds:
        yield "under legal hold", f"other parts of the record: {', '.join(one.holds)}"


def _keeping(one: accountability_pb2.HeldPlace, moment: Moment) -> Iterator[tuple[str, str]]:
    keeping = one.keeping
    if keeping.due_ms:
        yield "kept until", f"{moment(keeping.due_ms)}: {keeping.words}"
    else:
        yield "kept until", f"{moment(keeping.ceiling_ms)} at the latest: what its author allows"
    if keeping.ground:
        yield "ground", keeping.ground


def _everyone(said: accountability_pb2.SearchSubjectResponse) -> Section:
    words = "What is for all members is passed on from one to the other. So each of these may have it, from whomever:"
    return Section("Members that may have it", (words, f"{', '.join(said.members)}."))


def _limits(said: accountability_pb2.SearchSubjectResponse, moment: Moment) -> Sequence[str]:
    since = f"The log goes back to {moment(said.log_since_ms)}; who received something before that is not on record."
    return [since if said.log_since_ms else "There is no log.", *said.limits]


def _file(said: accountability_pb2.SearchSubjectResponse) -> Section:
    return Section(
        "For the officer's own file",
        (
            (
                "The audit log has this search without the value, as the digests below. Whoever has the salt and the "
                "value can show that a line is about it; the salt stands here and nowhere else."
            ),
            f"Salt {said.salt.hex()}.",
            *(f"asked:{one.hex()}" for one in said.asked),
        ),
    )
