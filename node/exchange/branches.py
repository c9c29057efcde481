"""What there is to see of forks: where they are, their branches in words, what is contested by them. Reads only."""

from collections.abc import Sequence

from node.content import names
from node.errors import Refused
from node.exchange import forks, standing
from node.exchange.consult import View
from node.exchange.trust import Trust
from node.feed import entry, kinds
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.keys import FeedId, MemberId
from node.feed.marks import Standing
from node.store import index, ledger
from node.store.index import Record
from node.store.stores import Stores
from node.v1 import forks_pb2, record_pb2

OPEN, SETTLED, ENDED, FROZEN = "open", "settled", "ended", "frozen"
MINE = "mine"
CONTESTED_MAX = 256  # of one fork in one answer
NEXT_STEPS = {
    (OPEN, False): "Ask its administrator: a copy of its node runs, or its key was stolen.",
    (OPEN, True): "Stop whichever node is not the true one; then `tocsin fork settle` with the root key.",
    (FROZEN, False): "There is no root above its root. It has to be revoked; a new member may name it as predecessor.",
    (FROZEN, True): "The root key is not yours alone. Begin as a new member, and ask others to revoke this one.",
}


def every(stores: Stores, seen: View, here: FeedId) -> list[forks_pb2.ForkView]:
    """All forks that are known: what is open first, then by member."""
    proven = {row.feed_id: row.seq for row in ledger.forks(stores.ledger)}
    settled = {(bound.feed_id, bound.seq) for bound in seen.trust.marks.settled}
    places = sorted({*proven.items(), *settled})
    found = [_view(stores, seen, here, feed_id, seq) for feed_id, seq in places if _is_whole(seen.trust, feed_id)]
    return sorted(found, key=lambda one: (one.state not in (OPEN, FROZEN), one.member_name, one.feed_id, one.seq))


def one(stores: Stores, seen: View, here: FeedId, typed: str) -> forks_pb2.GetForkResponse:
    """The fork that is meant, with what it contests; raises Refused where that is none."""
    found = every(stores, seen, here)
    wanted = here.hex() if typed == MINE else typed
    called: dict[bytes, Sequence[str]] = {
        bytes(view.feed_id): (names.slug(view.member_name), bytes(view.feed_id).hex()) for view in reversed(found)
    }
    if typed == MINE and bytes(here) not in called:
        raise Refused("this node's feed has not forked", next_step="`tocsin fork list` has all that did.", field="fork")
    feed_id = names.resolve(wanted, "fork", called)
    view = next(view for view in found if view.feed_id == feed_id)
    contested = [_contested(record) for record in _contested_records(stores, seen.trust, FeedId(feed_id))]
    return forks_pb2.GetForkResponse(
        fork=view, contested=contested[:CONTESTED_MAX], more=len(contested) > CONTESTED_MAX
    )


def _is_whole(trust: Trust, feed_id: FeedId) -> bool:
    return feed_id in trust.feeds or MemberId(bytes(feed_id)) in trust.logs


def _view(stores: Stores, seen: View, here: FeedId, feed_id: FeedId, seq: int) -> forks_pb2.ForkView:
    member_id = forks.author(seen.trust, feed_id)
    state = state_of(seen.trust, feed_id, seq)
    own = member_id == seen.follows.me
    return forks_pb2.ForkView(
        feed_id=feed_id,
        member_id=member_id,
        member_name=seen.trust.name_of(member_id),
        seq=seq,
        state=state,
        own=own,
        here=feed_id == here,
        contested_records=len(_contested_records(stores, seen.trust, feed_id)) if state in (OPEN, FROZEN) else 0,
        branches=[_branch(stores, seen, one) for one in _proving(stores, seen.trust, feed_id, seq)],
        next_step=NEXT_STEPS.get((state, own), ""),
    )


def state_of(trust: Trust, feed_id: FeedId, seq: int) -> str:
    """How it is with a fork at this place."""
    if feed_id not in trust.feeds:
        return FROZEN
    if any(bound.feed_id == feed_id and bound.seq < seq for bound in trust.marks.ends):
        return ENDED
    return OPEN if seq in trust.marks.open_forks(feed_id) else SETTLED


def alarming(trust: Trust) -> list[FeedId]:
    """Feeds and identity logs that forked, where nobody settled it and it matters."""
    return [feed_id for feed_id, seq in trust.marks.forked().items() if state_of(trust, feed_id, seq) != ENDED]


def _proving(stores: Stores, trust: Trust, feed_id: FeedId, seq: int) -> Sequence[Entry]:
    row = ledger.fork(stores.ledger, feed_id)
    return forks.entries_of(row, trust.federation_id) if row is not None and row.seq == seq else ()


def _branch(stores: Stores, seen: View, proving: Entry) -> forks_pb2.BranchView:
    header = proving.header
    stored = bool(ledger.held(stores.ledger, [header.hash]))
    chained = ledger.is_chained(stores.ledger, header.hash)
    named = seen.trust.marks.named_at(header.feed_id).get(header.seq)
    return forks_pb2.BranchView(
        entry=header.hash,
        kind=kinds.name(header.kind),
        created_ms=header.created_ms,
        object_id=header.object_id,
        title=_title(index.by_hash(stores.index, header.hash)),
        held="chain" if chained else "beside" if stored else "absent",
        named=named == header.hash,
        last_seq=last_of(stores, seen.trust, header).seq if stored else 0,
    )


def last_of(stores: Stores, trust: Trust, header: Header) -> Header:
    """The last entry that is held of the branch on which this one is."""
    head = ledger.head(stores.ledger, header.feed_id)
    if head is not None and ledger.is_chained(stores.ledger, header.hash):
        row = ledger.entry(stores.ledger, head.hash)
        return _header_of(row.body, row.signature, trust) if row else header
    while True:
        rows = [row for row, _ in ledger.unchained_at(stores.ledger, header.feed_id, header.seq + 1)]
        found = (_header_of(row.body, row.signature, trust) for row in rows)
        follower = next((one for one in found if one.previous == header.hash), None)
        if follower is None:
            return header
        header = follower


def _header_of(body: bytes, signature: bytes, trust: Trust) -> Header:
    return entry.decode(body, signature, trust.federation_id).header


def _contested_records(stores: Stores, trust: Trust, feed_id: FeedId) -> list[Record]:
    """Records here that are contested: of a feed, or of all feeds of a member whose identity log forked."""
    member_id = MemberId(bytes(feed_id))
    feeds = [feed_id] if feed_id in trust.feeds else trust.feeds_of(member_id)
    return [
        record
        for each in feeds
        for record in index.from_place(stores.index, each, trust.marks.forked_at(each) or 1).values()
        if standing.standing_of(stores, record, trust) is Standing.CONTESTED
    ]


def _contested(record: Record) -> forks_pb2.ContestedView:
    return forks_pb2.ContestedView(
        entry=record.hash,
        seq=record.seq,
        kind=kinds.name(record.kind),
        created_ms=record.created_ms,
        object_id=record.object_id,
        title=_title(record),
    )


def _title(record: Record | None) -> str:
    """What people call it."""
    letter = record_pb2.Record.FromString(record.content) if record else record_pb2.Record()
    return letter.crisis.title or letter.list.name
