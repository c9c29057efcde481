"""Sparing: a record that its author took back before it came is not fetched, for as long as that word stands.

Whether it stands may change: a stolen key takes back everything, and its member's root ends the feed below that.
"""

from collections.abc import Collection

from node.exchange import restricting
from node.exchange.standing import standing_of
from node.exchange.trust import Trust
from node.feed import entry, statements
from node.feed.keys import HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.feed.statements import Withdraw
from node.policy.following import Follows
from node.store import ledger, payloads
from node.store.ledger import Row
from node.store.stores import Stores


def is_spared(stores: Stores, row: Row, trust: Trust) -> bool:
    """Whether a payload that is wanted was taken back meanwhile, so that nobody serves it; then it is wanted no more.

    Whatever was heard first, and of whatever it was said: of it, of its list, or of what takes its place.
    """
    header = entry.decode(row.body, row.signature, trust.federation_id).header
    if not restricting.is_taken_back(stores, header, trust):
        return False
    payloads.spare(stores.ledger, row.hash)
    stores.commit("ledger")
    return True


def want_again(stores: Stores, trust: Trust, follows: Follows) -> bool:
    """Want what was spared and by no word that stands; whether that is anything. The caller commits."""
    spared = payloads.spared(stores.ledger)
    withdrawn = _withdrawn(stores, trust, {hash_ for hash_, _ in spared}) if spared else set()
    again = []
    for hash_, list_id in spared:
        row = ledger.entry(stores.ledger, hash_)
        author = trust.author(row.feed_id) if row else None
        if author is None or (author, hash_) in withdrawn or not follows.fetches(author, list_id):
            continue
        header = entry.decode(row.body, row.signature, trust.federation_id).header if row else None
        if header is not None and not restricting.is_taken_back(stores, header, trust):
            again.append(hash_)
    payloads.want_again(stores.ledger, again, payloads.WITHDRAWN, payloads.REPLACED)
    return bool(again)


def _withdrawn(stores: Stores, trust: Trust, spared: Collection[HeaderHash]) -> set[tuple[MemberId, HeaderHash]]:
    """Which of them are taken back as a whole by a word that stands, and whose word it is."""
    found = set()
    for row in ledger.statements_of(stores.ledger, Kind.WITHDRAW):
        read = statements.read(entry.decode(row.body, row.signature, trust.federation_id).header)
        author, said = trust.author(row.feed_id), read.statement if read else None
        if author is None or not isinstance(said, Withdraw) or said.positions or said.entry not in spared:
            continue
        if standing_of(stores, row, trust) is Standing.STANDS:
            found.add((author, HeaderHash(said.entry)))
    return found
