"""Governance on the branches of a fork: what decides who is known must be held by all, on whichever branch each is.

`known` counts what is contested too (protos/README.md section 5.3), and nobody fetches what stands above an open
fork. So statements that it goes by are kept beside the chain and told with the proof, as what is urgent is.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from node.exchange.feeds import Superseding
from node.exchange.trust import Trust
from node.feed import amendment, entry, statements
from node.feed.header import Header
from node.feed.keys import FeedId, MemberId
from node.feed.statements import Amend, Bound, Endorse, Read
from node.store import ledger
from node.store.ledger import GOVERNING, Row
from node.store.stores import Stores

ALONE_PER_FEED_MAX = 64  # kept beside, of what nobody else says; what others say too is bounded by them
LOOKED_AT_MAX = 256  # statements of one feed on one side of its fork, at a time
TOLD_MAX = 256  # at a time; where there are more, another part the next time


@dataclass(frozen=True, slots=True)
class Voice:
    """What a statement adds to a quorum: whose voice, for what, and whether others have said the same."""

    author: MemberId
    about: Hashable
    is_heard: bool  # from this author, or it makes no difference any more
    has_company: bool


def voice(trust: Trust, author: MemberId, header: Header, read: Read | None) -> Voice | None:
    """What a statement adds to what decides who is known; None where it is about something else."""
    match read.statement if read and read.understood and header.kind in GOVERNING else None:
        case Endorse(member_id=member_id, role=role):
            others = trust.known.endorsers.of((member_id, role))
            has_role = role in trust.known.roles.get(member_id, ())
            return Voice(author, (member_id, role), has_role or author in others, has_role or bool(others - {author}))
        case Amend():
            hash_ = amendment.amendment_hash(trust.federation_id, header.statement)
            others = trust.known.signers.of(hash_)
            return Voice(author, hash_, author in others, bool(others - {author}))
        case Bound() as bound:
            ends = [one for one in trust.marks.ends if one.feed_id == bound.feed_id]
            said = Superseding(header.feed_id, header.seq, header.hash, bound)
            is_heard = bound in ends or (said.feed_id in trust.feeds and not trust.supersedes(said))
            lower = all(bound.seq < one.seq for one in ends)  # there are as many as the feed has places
            return Voice(author, bound, is_heard, lower)
        case _:
            return None


def voices(stores: Stores, trust: Trust, turn: int) -> Sequence[Row]:
    """What peers may lack, for nobody fetches it: a statement for each voice.

    Of a feed with many statements another part is looked at in each turn: a thief may have said as many as it likes.
    """
    rows = ledger.governing_beside(stores.ledger, LOOKED_AT_MAX, turn)
    for feed_id, seq in trust.marks.forked().items():
        rows += ledger.governing_above(stores.ledger, feed_id, seq, LOOKED_AT_MAX, turn)
    return list(_voices(trust, rows).values()) if rows else []


def part(voices: Sequence[Row], now_ms: int) -> Sequence[Row]:
    """So many of them as are told at a time."""
    parts = range(0, len(voices), TOLD_MAX)
    start = parts[now_ms // 1000 % len(parts)] if parts else 0
    return voices[start : start + TOLD_MAX]


def _voices(trust: Trust, rows: Sequence[Row]) -> dict[tuple[MemberId, Hashable], Row]:
    """By author and what it is about; without what the author says where nobody contests it."""
    plain: set[tuple[MemberId, Hashable]] = {
        *((one.author, (one.member_id, one.role)) for one in trust.facts.endorsements if trust.counts(one.entry)),
        *((one.author, one.hash) for one in trust.facts.amendments if trust.counts(one.entry)),
    }
    told: dict[tuple[MemberId, Hashable], Row] = {}
    alone = Counter[FeedId]()
    for row in sorted(rows, key=lambda one: (one.feed_id, one.seq, one.hash)):
        header = entry.decode(row.body, row.signature, trust.federation_id).header
        feed = trust.feeds.get(row.feed_id)
        found = voice(trust, feed.member_id, header, statements.read(header)) if feed and not feed.is_undone else None
        if found is None or (found.author, found.about) in plain:
            continue
        alone[row.feed_id] += not found.has_company
        if found.has_company or alone[row.feed_id] <= ALONE_PER_FEED_MAX:
            told.setdefault((found.author, found.about), row)
    return told
