"""Fitting: how much of crises one answer holds, so that nobody who says much hides what others said."""

from collections.abc import Sequence
from typing import TypeVar

from node.crisis.states import OVER
from node.exchange.consult import ANSWER_BYTES_MAX
from node.feed.turns import in_turn
from node.v1 import record_pb2, tools_pb2

TEXTS_BYTES_MAX = 2 << 20  # of all acts about one crisis
ACTS_MAX = 4096
SAID_BYTES_MAX = 16 << 10  # of one part: as much as our own node lets its people say
POINTER_BYTES_MAX = 4 << 10
TEXT_CHARACTERS_MAX = 1000  # of what is a name or a number

Part = TypeVar("Part", record_pb2.Pointer, record_pb2.Participation)


def answer(views: Sequence[tools_pb2.CrisisView]) -> list[tools_pb2.CrisisView]:
    """As many as fit, in the order they are given: what goes on before what is over, and all owners in turn."""
    turns = in_turn(range(len(views)), lambda place: (views[place].state in OVER, views[place].member_id))
    kept, size = set[int](), 0
    for place in sorted(turns, key=lambda place: views[place].state in OVER):
        more = views[place].ByteSize()
        if not kept or size + more <= ANSWER_BYTES_MAX:
            kept.add(place)
            size += more
    return [one for place, one in enumerate(views) if place in kept]


def acts(views: Sequence[tools_pb2.CrisisActView]) -> list[tools_pb2.CrisisActView]:
    """What was said of one crisis, of all authors in turn the newest first; where there is no room, without its text.

    ``views``: oldest first, and so are those that are given back.
    """
    newest_first = in_turn(reversed(range(len(views))), lambda place: views[place].member_id)
    kept, size = dict[int, tools_pb2.CrisisActView](), 0
    for place in newest_first[:ACTS_MAX]:
        one = views[place]
        if size + one.act.ByteSize() > TEXTS_BYTES_MAX:
            one.act.CopyFrom(act(one.act, 0))
        size += one.act.ByteSize()
        kept[place] = one
    return [one for _, one in sorted(kept.items())]


def act(said: record_pb2.CrisisAct, most: int = SAID_BYTES_MAX) -> record_pb2.CrisisAct:
    """An act, or where it is larger, only which one it is."""
    verb = said.WhichOneof("act")
    if said.ByteSize() <= most or verb is None:
        return said
    bare = record_pb2.CrisisAct(entry=said.entry)
    getattr(bare, verb).SetInParent()
    return bare


def part(said: Part, most: int = SAID_BYTES_MAX) -> Part:
    """A part of a view, or nothing of it where it is larger."""
    return said if said.ByteSize() <= most else type(said)()
