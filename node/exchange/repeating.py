"""Repeating: what we said of items is said again of the record in which their owner wrote them anew.

There they have another address, and once the former record is erased nobody can tell any more which items are the
same. So the node whose feed said it says it again while both are here: of the items that are in both, under the same
labels; and nobody agrees by itself to another advice. Of which we said something there is left as it is, and nothing
is said that does not count, or after which we took back a word about the list.
"""

from dataclasses import dataclass, replace
from itertools import groupby

from node.content import hashes, items
from node.exchange import drafts, opining, opinions, records, restricting
from node.exchange.consult import View
from node.exchange.duties import AGAIN_MS, NEVER_MS
from node.exchange.publish import Draft
from node.exchange.records import Opened
from node.exchange.verified import Reader
from node.feed import entry
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.policy import effect, vocabulary
from node.policy.effect import Right
from node.policy.opinions import AGREEING
from node.policy.quota import HOUR_MS, Buckets, Rate
from node.store import index, ledger, restrictions
from node.store import opinions as stored
from node.store.index import Record
from node.store.opinions import Move, Opinion
from node.store.stores import Stores
from node.v1 import record_pb2

PAIRS_PER_LOOK_MAX = 4  # each is two records to open, of four thousand items
PER_OWNER = Rate(256, 256 / HOUR_MS)  # whoever writes its lists anew again and again makes nobody speak without end
TAKEN_BACK_MAX = 1024  # of our own withdrawals, the newest, those that are looked through


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be said again now, for which moves, and when to look again if nothing new comes."""

    drafts: tuple[Draft, ...] = ()
    owners: tuple[MemberId, ...] = ()  # of what each draft is about
    moves: tuple[Move, ...] = ()
    next_ms: int = NEVER_MS


class Repeating:
    """Says again what this feed said. What it remembers may be lost: what was said again shows in the stores."""

    def __init__(self, reader: Reader, feed_id: FeedId) -> None:
        self._reader, self._feed_id = reader, feed_id
        self._through: frozenset[Move] = frozenset()
        self._left = Buckets(lambda _: PER_OWNER)

    def look(self, stores: Stores, seen: View) -> Due:
        """What is due now. Reads only."""
        if effect.obstacle(Right.PUBLISH, seen.follows.me, seen.roster, seen.rules):
            return Due()
        every = stored.moves(stores.index, seen.follows.me)
        self._through &= frozenset(every)
        new = (one for one in every if one not in self._through)
        pairs = [list(moves) for _, moves in groupby(new, key=lambda one: (one.before, one.after))]
        looked = [moves for moves in pairs if self._left.left(moves[0].owner, seen.now_ms) >= 1][:PAIRS_PER_LOOK_MAX]
        made = [(draft, moves[0].owner) for moves in looked for draft in self._again(stores, seen, moves[0])]
        return Due(
            tuple(draft for draft, _ in made),
            tuple(owner for _, owner in made),
            tuple(move for moves in looked for move in moves),
            NEVER_MS if len(looked) == len(pairs) else seen.now_ms + AGAIN_MS,
        )

    def said(self, due: Due, now_ms: int) -> None:
        """These were said."""
        self._through |= frozenset(due.moves)
        for owner in due.owners:
            self._left.spend(owner, now_ms, 1)

    def _again(self, stores: Stores, seen: View, move: Move) -> list[Draft]:
        before, after = (index.by_hash(stores.index, hash_) for hash_ in (move.before, move.after))
        if before is None or after is None or not _may_follow(seen, before, after):
            return []
        restricted = restricting.restriction(stores, after, seen.trust)
        if restricted.reason:
            return []
        moved = _moved(*(self._opened(stores, seen, one) for one in (before, after)))
        left = ~_judged(stores, seen, after) & ~restricted.positions
        found, says_the_same = [], _advice(before) == _advice(after)
        since_ms = _took_back_ms(stores, seen, before)
        for word in opinions.about(stores, seen, before).words if moved else ():
            places = sum(1 << new for old, new in moved.items() if word.places >> old & 1) & left
            follows = says_the_same or word.said.verdict not in AGREEING
            stands = not word.obstacle and word.said.record.received_ms > since_ms
            if places and follows and stands and self._is_ours(seen, word.said):
                letter = record_pb2.Record.FromString(word.said.record.content).opinion
                draft = drafts.opinion(after, places, letter, seen.now_ms)
                found.append(replace(draft, looked_through=True))
        return found

    def _opened(self, stores: Stores, seen: View, record: Record) -> Opened | None:
        row = ledger.entry(stores.ledger, record.hash)
        return records.open_record(stores, row, seen.trust, self._reader) if row else None

    def _is_ours(self, seen: View, said: Opinion) -> bool:
        """Another node of this member speaks for its own feed, until the root has ended that.

        What another feed ended may be somebody else's by then: a thief's words must not become ours.
        """
        believed = seen.trust.believed(said.member_id)
        retired = believed is not None and any(end.feed_id == said.feed_id for end in believed.retired)
        return said.member_id == seen.follows.me and (said.feed_id == self._feed_id or retired)


def _may_follow(seen: View, before: Record, after: Record) -> bool:
    is_alike = before.kind == after.kind == Kind.ITEMS and before.exercise == after.exercise
    return is_alike and seen.now_ms < after.expires_ms and opining.is_for_all(after)


def _advice(record: Record) -> str:
    return vocabulary.advice_of(record_pb2.Record.FromString(record.content).items)


def _took_back_ms(stores: Stores, seen: View, before: Record) -> int:
    """When we last took back any word about this list: no former one is to undo that, however often it is rewritten."""
    said = restrictions.of_member(stores.index, seen.follows.me, before.received_ms, TAKEN_BACK_MAX)  # the newest first
    for one in said:
        row = ledger.entry(stores.ledger, HeaderHash(one.target)) if not one.positions else None
        header = entry.decode(row.body, row.signature, seen.trust.federation_id).header if row else None
        if header and header.kind == Kind.OPINION and header.object_id == before.object_id:
            return one.created_ms
    return 0


def _judged(stores: Stores, seen: View, after: Record) -> int:
    """The items there of which we said anything, also what we took back, as bits."""
    places = 0
    for one in stored.about(stores.index, after.hash):
        places |= one.places if one.member_id == seen.follows.me else 0
    return places


def _moved(before: Opened | None, after: Opened | None) -> dict[int, int]:
    """Where the items of one record stand in the other; nowhere, where it is not the same that is said of them."""
    if before is None or after is None or _said_of_all(before) != _said_of_all(after):
        return {}
    places = {key: place for place, key in _keys(after).items()}
    return {place: places[key] for place, key in _keys(before).items() if key in places}


def _said_of_all(opened: Opened) -> tuple[str, ...]:
    letter = opened.record.items
    return letter.kind, *sorted(letter.labels)


def _keys(opened: Opened) -> dict[int, bytes]:
    """The items that are there, by place, as they are compared."""
    letter, kind = opened.record.items, hashes.KINDS.get(opened.record.items.kind)
    packed, size = (items.keys(kind, letter), kind.key_bytes) if kind else (b"", 1)
    keys = (packed[start : start + size] for start in range(0, len(packed), size))
    return {place: key for place, key in enumerate(keys) if not opened.gone >> place & 1}
