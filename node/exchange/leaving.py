"""Leaving: what a member takes back before it goes, who would be too few without it, and its last word."""

from collections.abc import Sequence

from node.crisis.states import OVER
from node.errors import Refused
from node.exchange import amendments, crises, declaring, drafts, due, rooted
from node.exchange.admission import Admitted
from node.exchange.consult import View
from node.exchange.declaring import Speaker
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.feed import entry, quorum, statements
from node.feed.keys import MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.quorum import Act
from node.policy import wording
from node.store import index, ledger, restrictions
from node.store.stores import Stores
from node.v1 import header_pb2

WITHDRAWN_AT_A_TIME = 64  # statements: urgent, so they go out by themselves, and what else is urgent goes between
ENDED = "its owner leaves the federation"
Own = tuple[ObjectId, bool]  # and whether all that stands of it is a drill
_OBJECTS = (  # of whom others keep copies that no longer stand; the rules and who a member is are not among them
    Kind.ALERT,
    Kind.DECLARATION,
    Kind.CRISIS_ACT,
    Kind.LIST,
    Kind.ITEMS,
    Kind.OPINION,
    Kind.REFERRAL,
    Kind.REFERRAL_ACT,
)


def unwithdrawn(stores: Stores, me: MemberId, now_ms: int) -> list[Own]:
    """Objects of ours of which something still stands, oldest first, and drills last."""
    gone = restrictions.withdrawn_whole(stores.index, me)
    found = dict[ObjectId, bool]()
    for one in index.of_kinds(stores.index, _OBJECTS):
        if one.member_id == me and one.expires_ms > now_ms and one.object_id not in gone:
            found[one.object_id] = found.get(one.object_id, True) and one.exercise
    return sorted(found.items(), key=lambda own: own[1])


def withdrawals(stores: Stores, seen: View, objects: Sequence[Own], reason: int) -> list[Draft]:
    """All of these no longer stand; a crisis is ended first, for others may keep its declaration for a while.

    Drills go last, their ends too: they are in no lane 0, and what is urgent behind them would wait above a gap.
    """
    drafts.check_reason(reason)
    me = seen.follows.me
    own = (found for one, _ in objects if (found := crises.one(stores, seen, me, one)) is not None)
    by = Speaker(me, seen.roster.seats.get(me), seen.now_ms)
    going_on = (one for one in own if one.reading.state not in OVER and one.reading.lead == me)
    ends = [declaring.end(one, ENDED, by, seen) for one in going_on]
    gone = [drafts.object_withdrawal(one, reason, exercise=exercise) for one, exercise in objects]
    return sorted([*ends, *gone], key=lambda draft: draft.exercise)


def entrusted(exchange: Exchange, limit: int) -> int:
    """How many payloads of others are still to be erased, up to a limit; none before this member has left."""
    return len(due.departed(exchange.stores, exchange.trust, exchange.reader.member_id, 0, limit).erasures)


def too_few(seen: View, me: MemberId) -> list[str]:
    """What the members that stay could not do any more, by name, though with this one they can."""
    if me not in seen.roster.seats:
        return []
    seats = [(member_id, seat) for member_id, seat in seen.roster.seats.items() if not seat.suspended]
    staying = [((seat.role,), seat.country) for member_id, seat in seats if member_id != me]
    return [
        f"{wording.act_words(*key)} needs {wording.words(needed)}, which the members that stay are not"
        for key, needed in sorted(seen.trust.rules.quorums.items())
        if key != (Act.ACCEPT, 0)
        and quorum.is_met(needed, amendments.people(seen))
        and not quorum.is_met(needed, staying)
    ]


def take(exchange: Exchange, letters: Sequence[header_pb2.SignedEntry], now_ms: int) -> Admitted:
    """Put in force what the root signed for a node that runs: ends of feeds, and the leave, in which this one ends.

    Raises Refused for anything else, and where this node has said more since it was asked for.
    """
    made = [entry.decode(one.header, one.signature, exchange.trust.federation_id) for one in letters]
    if exchange.trust.left_ms(exchange.reader.member_id):
        raise Refused("this member has left already")
    if not made or {one.header.kind for one in made[:-1]} - {Kind.RETIRE} or made[-1].header.kind != Kind.LEAVE:
        raise Refused("only a leave, and ends of feeds before it, are taken here", next_step="Run `tocsin leave`.")
    read, own = statements.read(made[-1].header), exchange.author.feed_id
    said = read.statement if read else None
    head = ledger.head(exchange.stores.ledger, own)
    here = (own, head.seq, head.hash) if head else (own, 0, b"")
    if not isinstance(said, statements.Leave) or (said.feed_id, said.seq, said.header_hash) != here:
        raise Refused(
            "this node has said something since the leave was asked for",
            next_step="Nothing was changed: run `tocsin leave` again.",
            field="seq",
        )
    return rooted.keep(exchange, made, now_ms)
