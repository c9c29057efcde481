"""Withdrawals of our own, and what each other member said it did about them. Reads only.

A function of the set of statements that are here: in whatever order they came, and whoever joined or left
meanwhile.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from node.content import names
from node.errors import Refused
from node.exchange import consult, drafts, standing
from node.exchange.addressees import Addressees
from node.exchange.consult import View
from node.exchange.trust import Trust
from node.feed import entry, keys
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.policy import receipts
from node.policy.receipts import Ground
from node.store import index, ledger, restrictions
from node.store import receipts as stored
from node.store.index import Record
from node.store.receipts import Receipt
from node.store.restrictions import Withdrawal
from node.store.stores import Stores
from node.v1 import record_pb2, withdrawals_pb2

SHOWN_MS = receipts.OWED_MS
STATEMENTS_MAX = 4096
ACTS_MAX = 256
ONE_COMMAND_MS = 60_000  # what one command says comes in parts
ERASED, NOTHING, KEPT, RESTRICTED, SILENT = "erased", "nothing", "kept", "restricted", "silent"
WORST_FIRST = (SILENT, KEPT, RESTRICTED, ERASED, NOTHING)


@dataclass(frozen=True, slots=True)
class Act:
    """What was taken back of one object at one time, by statements of one feed, which rise."""

    object_id: bytes
    said: tuple[Withdrawal, ...]

    @property
    def last(self) -> Withdrawal:
        """The statement that names it."""
        return self.said[-1]

    @property
    def feed_id(self) -> FeedId:
        """In which feed."""
        return self.last.feed_id


def every(stores: Stores, seen: View) -> tuple[list[withdrawals_pb2.WithdrawalView], bool]:
    """What this member took back of late, the newest first; and whether there is more."""
    acts, more = _acts(stores, seen)
    titles = _titles(stores, seen)
    members = Addressees(seen)
    return [_view(stores, one, _answers(stores, one, seen, members), titles, acts, seen) for one in acts], more


def one(stores: Stores, seen: View, typed: str) -> withdrawals_pb2.GetWithdrawalResponse:
    """One of them with the answers of all members; raises Refused where none, or several, are meant."""
    acts, _ = _acts(stores, seen)
    titles = _titles(stores, seen)
    found = _meant(stores, acts, titles, typed.strip().lower(), seen)
    answers = _answers(stores, found, seen, Addressees(seen))
    return withdrawals_pb2.GetWithdrawalResponse(
        withdrawal=_view(stores, found, answers, titles, acts, seen), answers=answers
    )


# ---- What was taken back


def _acts(stores: Stores, seen: View) -> tuple[list[Act], bool]:
    rows = restrictions.of_member(stores.index, seen.follows.me, seen.now_ms - SHOWN_MS, STATEMENTS_MAX + 1)
    found: list[Act] = []
    for object_id, said in sorted(
        ((_object_of(stores, row, seen), row) for row in rows[:STATEMENTS_MAX] if not _is_our_own_doing(row)),
        key=lambda pair: (pair[1].feed_id, pair[0], pair[1].reason, pair[1].seq),
    ):
        before = found[-1] if found else None
        if before and _is_same(before, object_id, said):
            found[-1] = Act(object_id, (*before.said, said))
        else:
            found.append(Act(object_id, (said,)))
    found.sort(key=lambda act: (-act.last.created_ms, act.last.hash))
    return found[:ACTS_MAX], len(rows) > STATEMENTS_MAX or len(found) > ACTS_MAX


def _is_our_own_doing(said: Withdrawal) -> bool:
    """A record that was written anew is taken back, too; what stood in it stands in the new one."""
    return said.reason == drafts.REPLACED and len(said.target) == keys.HASH_BYTES and not said.positions


def _is_same(act: Act, object_id: bytes, said: Withdrawal) -> bool:
    last = act.last
    is_whole = len(last.target) != keys.HASH_BYTES or len(said.target) != keys.HASH_BYTES
    alike = (act.object_id, last.feed_id, last.reason) == (object_id, said.feed_id, said.reason)
    return alike and not is_whole and said.created_ms - last.created_ms < ONE_COMMAND_MS


def _object_of(stores: Stores, said: Withdrawal, seen: View) -> bytes:
    if len(said.target) != keys.HASH_BYTES:
        return said.target
    row = ledger.entry(stores.ledger, HeaderHash(said.target))
    return entry.decode(row.body, row.signature, seen.trust.federation_id).header.object_id if row else b""


def _titles(stores: Stores, seen: View) -> dict[bytes, tuple[str, str]]:
    """Of each object of ours what it is, and how it is called."""
    rising = index.object_ids(stores.index)
    found = {}
    for record in index.of_kinds(stores.index, [Kind.LIST, Kind.DECLARATION]):
        if record.member_id != seen.follows.me:
            continue
        if record.kind == Kind.LIST:
            name = record_pb2.Record.FromString(record.content).list.name
            found[bytes(record.object_id)] = "list", consult.list_name(seen.trust, record.member_id, name)
        else:
            found[bytes(record.object_id)] = "crisis", names.reference("c", record.object_id, rising)
    return found


def _meant(stores: Stores, acts: Sequence[Act], titles: dict[bytes, tuple[str, str]], typed: str, seen: View) -> Act:
    """By its reference, or by what was taken back."""
    wanted = typed.removeprefix("w-")
    found = [act for act in acts if names.begins(wanted, act.last.hash)]
    if not found and typed:
        named = [act for act in acts if typed in (titles.get(act.object_id, ("", ""))[1], act.object_id.hex())]
        own = [act for act in acts if titles.get(act.object_id, ("", ""))[1].endswith(f"/{typed}")]
        item = _item(stores, typed, seen) if "/" in typed or ":" in typed else None
        items = [act for act in acts if item and any(_covers(said, *item) for said in act.said)]
        found = (named or items or own)[:1]
    if len(found) == 1:
        return found[0]
    raise Refused(
        f"{typed!r} may be any of {len(found)} withdrawals"
        if found
        else f"nothing of ours called {typed!r} was withdrawn",
        next_step="`tocsin withdraw status` has those of the last 90 days.",
        field="withdrawal",
    )


def _covers(said: Withdrawal, record: HeaderHash, position: int | None) -> bool:
    if said.target != record:
        return False
    return not said.positions or position is None or bool(int.from_bytes(said.positions, "little") >> position & 1)


def _item(stores: Stores, typed: str, seen: View) -> tuple[HeaderHash, int | None] | None:
    """The record that an item's reference names, also one that is erased; None where it names none of ours."""
    place = names.place(typed)
    if place is None:
        return None
    feeds = seen.trust.feeds_of(seen.follows.me)
    hashes = [one for feed in feeds for one in ledger.records_of(stores.ledger, feed, Kind.ITEMS)]
    found = [one for one in hashes if names.begins(place[0], one)]
    return (found[0], place[1]) if len(found) == 1 else None


# ---- What the others did


def _answers(stores: Stores, act: Act, seen: View, members: Addressees) -> list[withdrawals_pb2.AnswerView]:
    """What each member said of all that was taken back, and who said nothing; by name."""
    seqs = sorted(one.seq for one in act.said)
    heard = stored.about(stores.index, act.feed_id, seqs[0], seqs[-1])
    placed = (_placed(stores, one, act.feed_id) for one in heard)
    said: dict[MemberId, list[Receipt]] = {
        member_id: [one for one in part if standing.standing_of(stores, one, seen.trust) is not Standing.SUPERSEDED]
        for member_id, part in groupby((one for one in placed if one), key=lambda one: one.member_id)
    }
    expected = members.expected(act.last.created_ms, seen.follows.me)
    views = []
    for member_id in sorted({*expected, *said} - {seen.follows.me}):
        view = _worst(_by_node(seqs, said.get(member_id, []), member_id, seen.trust))
        view.member_id, view.member_name = member_id, seen.trust.name_of(member_id)
        view.beside = member_id not in expected
        views.append(view)
    return sorted(views, key=lambda one: (one.member_name, one.member_id))


def _by_node(
    seqs: Sequence[int], said: Sequence[Receipt], member_id: MemberId, trust: Trust
) -> list[withdrawals_pb2.NodeAnswerView]:
    """What each node said: those that live, and those that ended and said something."""
    ended = {bound.feed_id for bound in trust.marks.ends}
    feeds: dict[bytes, set[FeedId]] = defaultdict(set)
    for feed_id in trust.feeds_of(member_id):
        feeds[trust.feeds[feed_id].certificate.node_id].add(feed_id)
    views = []
    for node_id, own in sorted(feeds.items()):
        view = _answer(seqs, [one for one in said if one.feed_id in own])
        view.node_id, view.live = node_id, not own <= ended
        if view.live or view.state != SILENT:
            views.append(view)
    return views


def _worst(nodes: Sequence[withdrawals_pb2.NodeAnswerView]) -> withdrawals_pb2.AnswerView:
    """What is said of a member: no better than the worst of its live nodes; where none lives, of all that spoke."""
    counting = [one for one in nodes if one.live] or nodes
    if not counting:
        return withdrawals_pb2.AnswerView(state=SILENT)
    worst = min(counting, key=lambda one: (WORST_FIRST.index(one.state), -one.until_ms, one.node_id))
    is_silent = worst.state == SILENT
    return withdrawals_pb2.AnswerView(
        state=worst.state,
        restricted_ms=0 if is_silent else max(one.restricted_ms for one in counting),
        erased_ms=max(one.erased_ms for one in counting) if worst.state == ERASED else 0,
        ground=worst.ground,
        until_ms=worst.until_ms,
        nodes=nodes,
    )


def _placed(stores: Stores, one: Receipt, feed_id: FeedId) -> Receipt | None:
    """A receipt with its places; they were not known where it came before what it answers. None: of another feed."""
    if one.about_feed:
        return one
    row = ledger.entry(stores.ledger, one.entry)
    if row is None or row.feed_id != feed_id:
        return None
    return stored.placed(one, row.feed_id, row.seq)


def _answer(seqs: Sequence[int], said: Sequence[Receipt]) -> withdrawals_pb2.NodeAnswerView:
    """One node's receipts, its feeds one after the other, each in order."""
    restricts, gone = set[int](), set[int]()
    erases = [one for one in said if one.erased_ms or one.ground == Ground.HELD_NOTHING]
    for one in said:
        restricts.update(_covered(seqs, one))
    for one in erases:
        gone.update(_covered(seqs, one))
    covering = [one for one in said if _covered(seqs, one)]
    if not covering or len(restricts) < len(seqs):
        return withdrawals_pb2.NodeAnswerView(state=SILENT)
    restricted_ms = max(one.restricted_ms for one in covering)
    if len(gone) == len(seqs):
        erased_ms = max(one.erased_ms for one in erases)
        return withdrawals_pb2.NodeAnswerView(
            state=ERASED if erased_ms else NOTHING,
            restricted_ms=restricted_ms,
            erased_ms=erased_ms,
            ground=covering[-1].ground if not erased_ms else 0,
        )
    holds = [one for one in covering if one.ground in receipts.HOLDS and not gone.issuperset(_covered(seqs, one))]
    held = max(holds, key=lambda one: one.until_ms, default=None)
    return withdrawals_pb2.NodeAnswerView(
        state=KEPT if held else RESTRICTED,
        restricted_ms=restricted_ms,
        ground=held.ground if held else 0,
        until_ms=held.until_ms if held else 0,
    )


def _covered(seqs: Sequence[int], one: Receipt) -> Iterable[int]:
    return seqs[bisect_left(seqs, one.first_seq) : bisect_right(seqs, one.last_seq)]


def _view(
    stores: Stores,
    act: Act,
    answers: Sequence[withdrawals_pb2.AnswerView],
    titles: dict[bytes, tuple[str, str]],
    acts: Sequence[Act],
    seen: View,
) -> withdrawals_pb2.WithdrawalView:
    what, title = titles.get(act.object_id, ("object", ""))
    is_whole = len(act.last.target) != keys.HASH_BYTES
    kind = what if is_whole else "items" if any(one.positions for one in act.said) else "record"
    states = [one.state for one in answers if not one.beside]
    others = sorted(one.last.hash for one in acts)
    return withdrawals_pb2.WithdrawalView(
        reference=names.reference("w", act.last.hash, others),
        entry=act.last.hash,
        statements=len(act.said),
        kind=kind,
        target=title or names.reference("l" if what == "list" else "o", act.object_id, [act.object_id]),
        object_id=act.object_id,
        items=_items(stores, act, seen),
        reason=act.last.reason,
        created_ms=act.last.created_ms,
        standing=standing.standing_of(stores, act.last, seen.trust).name.lower(),
        members=len(states),
        restricted=sum(state != SILENT for state in states),
        erased=sum(state in (ERASED, NOTHING) for state in states),
        kept=states.count(KEPT),
        unanswered=states.count(SILENT),
    )


def _items(stores: Stores, act: Act, seen: View) -> int:
    """How many; of what left the index as a whole nobody knows any more."""
    count = 0
    for said in act.said:
        if said.positions:
            count += int.from_bytes(said.positions, "little").bit_count()
            continue
        found: list[Record] = (
            list(index.records(stores.index, index.numbers(stores.index, [HeaderHash(said.target)])).values())
            if len(said.target) == keys.HASH_BYTES
            else index.of_object(stores.index, seen.follows.me, said.target)  # type: ignore[arg-type]
        )
        count += sum(record.items for record in found)
    return count
