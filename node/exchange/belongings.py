"""What belongs to a crisis: clocks of removal orders, lists, and that authorities were told of a threat to life."""

from collections.abc import Iterable

from node.crisis import orders
from node.crisis.orders import Clock, Said
from node.exchange import consult, fitting, lifecycles
from node.exchange.consult import View
from node.feed import times
from node.feed.keys import MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.turns import in_turn
from node.policy.following import List, State
from node.store import counts, index
from node.store.counts import Count
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import record_pb2, tools_pb2

SHOWN_MAX = 64


# ---- Removal orders


def orders_of(counting: Iterable[Record], seen: View) -> list[tools_pb2.OrderView]:
    """The clock of each order that a member spoke of: what is due first, then what stands still, then what is done."""
    said: dict[tuple[MemberId, str], list[tuple[Record, record_pb2.Order]]] = {}
    for one in counting:
        letter = lifecycles.act_of(one)
        if letter.WhichOneof("act") == "order" and letter.order.state in set(Clock):
            said.setdefault((one.member_id, letter.order.reference), []).append((one, letter.order))
    views = [_order(*key, acts, seen) for key, acts in sorted(said.items())]
    rank = {Clock.RUNNING.word: 0, Clock.PAUSED.word: 1, Clock.DONE.word: 2}

    def first(one: tools_pb2.OrderView) -> tuple[int, int, int, str, str]:
        return rank[one.state], one.due_ms, one.left_ms, one.member_name, one.reference

    return sorted(in_turn(sorted(views, key=first), lambda one: one.member_id)[:SHOWN_MAX], key=first)


def _order(
    member_id: MemberId, reference: str, acts: list[tuple[Record, record_pb2.Order]], seen: View
) -> tools_pb2.OrderView:
    found = orders.read(
        (
            Said(
                one.hash,
                one.created_ms,
                Clock(letter.state),
                times.read(letter.at_ms),
                times.read(letter.received_ms),
                letter.hours,
            )
            for one, letter in acts
        ),
        seen.now_ms,
    )
    assert found is not None  # noqa: S101 - something was said
    newest = [letter for _, letter in sorted(acts, key=lambda pair: (-pair[0].created_ms, pair[0].hash))]
    return tools_pb2.OrderView(
        member_id=member_id,
        member_name=seen.trust.name_of(member_id),
        reference=reference[: fitting.TEXT_CHARACTERS_MAX],
        channel=next((one.channel for one in newest if one.channel), "")[: fitting.TEXT_CHARACTERS_MAX],
        state=found.clock.word,
        hours=found.hours,
        received_ms=found.received_ms,
        left_ms=found.left_ms,
        due_ms=found.due_ms,
        since_ms=found.since_ms,
        ground=next((one.ground for one in newest if one.state == found.clock), "")[: fitting.TEXT_CHARACTERS_MAX],
    )


# ---- Threats to life


def pointers_of(
    record: Record, content: record_pb2.Crisis, counting: Iterable[Record], seen: View
) -> list[tools_pb2.PointerView]:
    """That authorities were told, by members that have a seat, the oldest first; of each the newest."""
    said = [(record, content.pointer)] if record.kind == Kind.ALERT and content.HasField("pointer") else []
    said += [(one, lifecycles.act_of(one).pointer) for one in counting if lifecycles.verb_of(one) == "pointer"]
    views = [
        tools_pb2.PointerView(
            member_id=one.member_id,
            member_name=seen.trust.name_of(one.member_id),
            pointer=fitting.part(letter, fitting.POINTER_BYTES_MAX),
            said_ms=one.created_ms,
            entry=one.hash,
        )
        for one, letter in said
        if (seat := seen.roster.seat_of(one.member_id, one.feed_id, one.seq)) is not None and not seat.suspended
    ]
    shown = {one.entry for one in in_turn(reversed(views), lambda one: one.member_id)[:SHOWN_MAX]}
    return [one for one in views if one.entry in shown]


# ---- Lists


def lists_of(stores: Stores, record: Record, seen: View) -> list[tools_pb2.CrisisListView]:
    """Lists that say they belong to it, the one that changed last before all others."""
    heads = list_heads(stores, record.object_id, exercise=record.exercise)
    views = [
        _list(one, letter, counts.count(stores.index, Kind.ITEMS, *key, seen.now_ms, exercise=one.exercise), seen)
        for key, (one, letter) in heads.items()
    ]
    return sorted(views, key=lambda one: (-one.updated_ms, one.name))[:SHOWN_MAX]


def list_heads(stores: Stores, crisis_id: bytes, *, exercise: bool) -> dict[List, tuple[Record, record_pb2.Record]]:
    """The newest head of each list that says it belongs to a crisis; to a drill only lists of a drill do."""
    return {
        (one.member_id, one.object_id): (one, letter)
        for one in index.of_kinds(stores.index, [Kind.LIST])  # oldest first
        if one.exercise == exercise and (letter := record_pb2.Record.FromString(one.content)).crisis_id == crisis_id
    }


def _list(one: Record, letter: record_pb2.Record, count: Count, seen: View) -> tools_pb2.CrisisListView:
    state = seen.follows.state(one.member_id, ObjectId(one.object_id))
    followed = State.OFFERED if state is State.DROPPED else state
    return tools_pb2.CrisisListView(
        member_id=one.member_id,
        object_id=one.object_id,
        name=consult.list_name(seen.trust, one.member_id, letter.list.name)[: fitting.TEXT_CHARACTERS_MAX],
        items=count.items,
        records=count.records,
        following="own" if one.member_id == seen.follows.me else followed,
        updated_ms=max(count.updated_ms, one.created_ms),
    )
