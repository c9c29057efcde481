"""Unindexed: payloads that are here and that nobody reads here, so that no row of the index says until when.

Most are sealed for others. Others can be opened, and are no use here: made wrongly, too large, of a later version, or
of a list that only its record says and that is not followed.
"""

from collections.abc import Sequence

from node.exchange import keeping, project
from node.exchange.keeping import Keep
from node.feed import entry
from node.feed.keys import HeaderHash
from node.policy.retention import Decision
from node.store import arrivals, deadlines, index, ledger
from node.store.payloads import State
from node.store.stores import Stores

PAYLOADS_PER_STEP = 1024


def page(stores: Stores, keep: Keep, after: int) -> tuple[list[tuple[HeaderHash, Decision]], int]:
    """Those among the next payloads that are here, with their decisions; and where to go on, or 0."""
    held = deadlines.held(stores.ledger, after, PAYLOADS_PER_STEP)
    sealed = [one.hash for one in held if one.state is State.SEALED]
    opened = [one.hash for one in held if one.state is not State.SEALED]
    found = [(hash_, _decide(stores, keep, hash_)) for hash_ in sorted([*sealed, *_passed_over(stores, opened)])]
    return found, held[-1].number if len(held) == PAYLOADS_PER_STEP else 0


def is_one(stores: Stores, hash_: HeaderHash, state: State | None) -> bool:
    """Whether a payload is here and nobody reads it."""
    return state is State.SEALED or (state in (State.PRESENT, State.REMAINDER) and bool(_passed_over(stores, [hash_])))


def _passed_over(stores: Stores, hashes: Sequence[HeaderHash]) -> list[HeaderHash]:
    """Those without a row behind which the projection is: it looked at them, and they are nothing to it."""
    cursor = project.cursor(stores)  # first of all: what comes into the index meanwhile is ahead of it
    missing = [hash_ for hash_ in hashes if index.number(stores.index, hash_) is None]
    ahead = arrivals.ahead(stores.ledger, cursor, missing)
    return [hash_ for hash_ in missing if hash_ not in ahead]


def _decide(stores: Stores, keep: Keep, hash_: HeaderHash) -> Decision:
    row = ledger.entry(stores.ledger, hash_)
    assert row is not None  # noqa: S101 - what has a payload has an entry
    header = entry.decode(row.body, row.signature, keep.trust.federation_id).header
    return keeping.of_sealed(keep, header, row.received_ms)
