"""Telling: what is said of crises, as lines of the node's log. Reads only.

A log outlives what is erased: so a line has who, what and which, and nothing that somebody wrote.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from node.crisis import wording
from node.crisis.states import OVER
from node.crisis.words import EXERCISE, IMMINENT, NOT_VERIFIED
from node.exchange import crises, lifecycles
from node.exchange.consult import View
from node.feed.keys import HeaderHash
from node.feed.kinds import Kind
from node.store import index
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import tools_pb2

KINDS = (Kind.ALERT, Kind.DECLARATION, Kind.CRISIS_ACT)
LINES_MAX = 100  # at once; how many there were beyond that is told
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what happened, what is told with it, and whether somebody should look."""

    event: str
    said: Mapping[str, str]
    is_grave: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """How far it was told: the last record, and the state of each crisis by its entry."""

    number: int
    states: Mapping[bytes, str]
    lines: tuple[Line, ...] = ()
    left_off: int = 0


def begin(stores: Stores, seen: View) -> Told:
    """From now on: what is here already was told, or came while nobody read the log."""
    every = crises.every(stores, seen, "", exercises=True)
    newest = max(index.newer(stores.index, 0, KINDS), default=0)
    return Told(newest, {one.entry: one.state for one in every})


def look(stores: Stores, seen: View, before: Told) -> Told:
    """What was said since, and what came of it."""
    new = index.newer(stores.index, before.number, KINDS)
    every = crises.every(stores, seen, "", exercises=True)
    lines = [*_said(new, _about(stores, new, every), seen), *_moved(every, before.states)]
    states = {one.entry: one.state for one in every}
    return Told(max(new, default=before.number), states, tuple(lines[:LINES_MAX]), max(len(lines) - LINES_MAX, 0))


def _about(
    stores: Stores, new: Mapping[int, Record], every: list[tools_pb2.CrisisView]
) -> dict[HeaderHash, tools_pb2.CrisisView]:
    """Which crisis each of these is, or is about: anyone may use an id that is another's."""
    acts = {one.object_id for one in new.values() if one.kind == Kind.CRISIS_ACT}
    by_owner = {(one.member_id, one.object_id): one for one in every}
    heads = [one for one in new.values() if one.kind != Kind.CRISIS_ACT]
    found = {one.hash: by_owner[of] for one in heads if (of := (one.member_id, one.object_id)) in by_owner}
    for one in every:
        declared = index.by_hash(stores.index, HeaderHash(one.entry)) if one.object_id in acts else None
        if declared is not None:
            found.update(dict.fromkeys((act.hash for act in lifecycles.said_of(stores, declared)), one))
    return found


def _said(new: Mapping[int, Record], about: Mapping[HeaderHash, tools_pb2.CrisisView], seen: View) -> Iterator[Line]:
    for _, one in sorted(new.items()):
        found = about.get(one.hash)
        if found is None:
            continue
        by = seen.trust.name_of(one.member_id)
        if one.kind == Kind.CRISIS_ACT:
            act = lifecycles.act_of(one)
            is_grave = act.WhichOneof("act") == "pointer" and not one.exercise
            yield _line("crisis", found, wording.act(act, BARE), by, is_grave=is_grave)
        else:
            what = "warns" if one.kind == Kind.ALERT else "declares"
            threat = f"{IMMINENT}: " if found.pointers else ""
            is_grave = not one.exercise and found.state not in OVER
            yield _line("crisis", found, f"{threat}{what}, ends {moment(found.ends_ms)}", by, is_grave=is_grave)


def _moved(every: list[tools_pb2.CrisisView], before: Mapping[bytes, str]) -> Iterator[Line]:
    """Also what follows by itself: from co-signatures, and from time."""
    for one in every:
        if one.entry in before and before[one.entry] != one.state:
            yield _line("crisis", one, f"is {one.state}, was {before[one.entry]}", one.lead_name)


def _line(event: str, found: tools_pb2.CrisisView, what: str, by: str, *, is_grave: bool = False) -> Line:
    said = {"reference": found.reference, "what": what, "by": by, "state": found.state}
    if found.exercise:
        said = {"exercise": EXERCISE, **said}
    if found.unverified:
        said["verified"] = f"{NOT_VERIFIED}: {found.unverified}"
    elif found.verified_ms:
        said["verified"] = f"by {found.verified_by}, {moment(found.verified_ms)}"
    if found.disputes:
        said["disputed"] = f"by {', '.join(one.member_name for one in found.disputes)}"
    return Line(event, said, is_grave)


def moment(time_ms: int) -> str:
    """A time as the rest of the log has it."""
    try:
        return (_EPOCH + timedelta(milliseconds=time_ms)).strftime("%Y-%m-%dT%H:%MZ")
    except OverflowError:
        return "beyond all calendars"


BARE = wording.Manner(moment, lambda _: "")
