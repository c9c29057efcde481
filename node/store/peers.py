"""Approved, paused and blocked peers: this administrator's decisions, told to nobody."""

from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import MemberId
from node.store import driver

APPROVED, PAUSED, BLOCKED = "approved", "paused", "blocked"

_ROW = "member_id, address, tls_issuer, state, added_ms, kinds, bytes_per_s, quarantined"


@dataclass(frozen=True, slots=True)
class Peer:
    """A member whose node this node connects to, or refuses to. ``tls_issuer`` is the one of its card, if one came."""

    member_id: MemberId
    address: str
    tls_issuer: bytes
    state: str
    added_ms: int
    kinds: frozenset[str] = frozenset()  # by name, of which payloads are taken from it; none: all
    bytes_per_s: int = 0  # of bulk, each way; 0: no limit
    is_quarantined: bool = False  # what came only from it is set aside


def put(ledger: sa.Connection, peer: Peer) -> None:
    """Add a peer, or change what is known of it."""
    driver.execute(
        ledger,
        f"INSERT INTO peer ({_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (member_id) DO UPDATE SET"
        " address = excluded.address, tls_issuer = excluded.tls_issuer, state = excluded.state,"
        " kinds = excluded.kinds, bytes_per_s = excluded.bytes_per_s, quarantined = excluded.quarantined",
        (
            peer.member_id,
            peer.address,
            peer.tls_issuer,
            peer.state,
            peer.added_ms,
            " ".join(sorted(peer.kinds)),
            peer.bytes_per_s,
            peer.is_quarantined,
        ),
    )


def drop(ledger: sa.Connection, member_id: MemberId) -> None:
    """Forget a peer."""
    driver.execute(ledger, "DELETE FROM peer WHERE member_id = ?", (member_id,))


def every(ledger: sa.Connection) -> list[Peer]:
    """All peers in the order in which they were added: of two roots with one name the earlier is pinned."""
    rows = driver.rows(ledger, f"SELECT {_ROW} FROM peer ORDER BY added_ms, member_id")
    return [
        Peer(member_id, address, issuer, state, added_ms, frozenset(kinds.split()), bytes_per_s, bool(is_quarantined))
        for member_id, address, issuer, state, added_ms, kinds, bytes_per_s, is_quarantined in rows
    ]
