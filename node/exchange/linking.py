"""Which crises are about one event: as their owners say, and others who may declare."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from node.exchange import lifecycles
from node.exchange.consult import View
from node.feed.keys import MemberId
from node.policy import effect
from node.policy.effect import Place, Right
from node.store.index import Record
from node.v1 import record_pb2, tools_pb2

LINK = "link"


def obstacle(by: MemberId, owner: MemberId, seen: View, place: Place | None = None) -> str:
    """Why what somebody links to a crisis does not count; empty where it does."""
    seat = seen.roster.seat_of(by, *place) if place else seen.roster.seats.get(by)
    if by == owner and seat is not None and not seat.suspended:
        return ""
    return effect.obstacle(Right.DECLARE, by, seen.roster, seen.rules, place)


def of_act(act: Record, record: Record, seen: View) -> str:
    """The same, of what was said of one."""
    return obstacle(act.member_id, record.member_id, seen, (act.feed_id, act.seq))


def linked(record: Record, content: record_pb2.Crisis, counting: Iterable[Record], seen: View) -> list[bytes]:
    """Ids of what is about the same event."""
    said = [
        lifecycles.act_of(one).link.object_id
        for one in counting
        if lifecycles.verb_of(one) == LINK and not of_act(one, record, seen)
    ]
    return list(dict.fromkeys((*content.linked, *said)))


def both_ways(views: Sequence[tools_pb2.CrisisView]) -> None:
    """Links both ways, by reference; what is not here by its id. Of two by one id each has those of its own."""
    by_id = {one.object_id.hex(): one for one in views}
    back: dict[str, set[str]] = defaultdict(set)
    for one in views:
        for other in one.linked:
            back[other].add(one.object_id.hex())
    for one in views:
        both = sorted({*one.linked, *back[one.object_id.hex()]})
        del one.linked[:]
        one.linked.extend(by_id[id_].reference if id_ in by_id else id_ for id_ in both)
