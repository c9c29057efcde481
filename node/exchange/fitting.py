"""Fitting: how much of crises one answer holds, so that nobody who says much hides what others said."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from node.crisis.states import OVER
from node.exchange.consult import ANSWER_BYTES_MAX
from node.v1 import record_pb2, tools_pb2

TEXTS_BYTES_MAX = 2 << 20  # of all acts about one crisis
ACTS_MAX = 4096
SAID_BYTES_MAX = 16 << 10  # of one part: as much as our own node lets its people say
POINTER_BYTES_MAX = 4 << 10
TEXT_CHARACTERS_MAX = 1000  # of what is a name or a number

Part = TypeVar("Part", record_pb2.Pointer, record_pb2.Participation)


def answer(views: Sequence[tools_pb2.CrisisView]) -> list[tools_pb2.CrisisView]:
    """As many as fit, in the order they are given: what goes on before what is over, and all owners in turn."""
    said, ranked = Counter[tuple[bool, bytes]](), list[tuple[bool, int, int]]()
    for place, one in enumerate(views):
        of_owner = one.state in OVER, one.member_id
        ranked.append((of_owner[0], said[of_owner], place))
        said[of_owner] += 1
    kept, size = set[int](), 0
    for _, _, place in sorted(ranked):
        more = views[place].ByteSize()
        if not kept or size + more <= ANSWER_BYTES_MAX:
            kept.add(place)
            size += more
    return [one for place, one in enumerate(views) if place in kept]


def acts(views: Sequence[tools_pb2.CrisisActView]) -> list[tools_pb2.CrisisActView]:
    """What was said of one crisis, of all authors in turn the newest first; where there is no room, without its text.

    ``views``: oldest first, and so are those that are given back.
    """
    said, ranked = Counter[bytes](), list[tuple[int, int]]()
    for place in reversed(range(len(views))):
        ranked.append((said[views[place].member_id], -place))
        said[views[place].member_id] += 1
    kept, size = dict[int, tools_pb2.CrisisActView](), 0
    for _, before in sorted(ranked)[:ACTS_MAX]:
        one = views[-before]
        if size + one.act.ByteSize() > TEXTS_BYTES_MAX:
            one.act.CopyFrom(act(one.act, 0))
        size += one.act.ByteSize()
        kept[-before] = one
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
