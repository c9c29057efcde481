"""Heard: that peers held no more of the own identity log than is here, and when: a copy of the stores shows its age."""

from node.feed.chain import Head
from node.store import ledger
from node.store.stores import Stores

RECENT_MS = 3_600_000  # from stopping the node to the root's signature
_HEARD = "heard"  # in the ledger's meta: when, and the header hash of the log's head


def note(stores: Stores, head: Head, now_ms: int) -> None:
    """Enough peers hold all of the own log, and none of them more."""
    ledger.write_meta(stores.ledger, _HEARD, now_ms.to_bytes(8) + head.hash)
    stores.commit("ledger")


def is_recent(stores: Stores, head: Head, now_ms: int) -> bool:
    """Whether that is so of this head, and not long ago."""
    found = ledger.read_meta(stores.ledger, _HEARD) or bytes(8)
    return found[8:] == head.hash and 0 <= now_ms - int.from_bytes(found[:8]) <= RECENT_MS
