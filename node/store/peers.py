"""Approved and blocked peers: this administrator's decisions, told to nobody."""

from dataclasses import dataclass

import sqlalchemy as sa

from node.feed.keys import MemberId
from node.store import driver

APPROVED, BLOCKED = "approved", "blocked"

_ROW = "member_id, address, tls_issuer, state, added_ms"


@dataclass(frozen=True, slots=True)
class Peer:
    """A member whose node this node connects to, or refuses to. ``tls_issuer`` is the one of its card."""

    member_id: MemberId
    address: str
    tls_issuer: bytes
    state: str
    added_ms: int


def put(ledger: sa.Connection, peer: Peer) -> None:
    """Add a peer, or change what is known of it."""
    driver.execute(
        ledger,
        f"INSERT INTO peer ({_ROW}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (member_id) DO UPDATE SET"
        " address = excluded.address, tls_issuer = excluded.tls_issuer, state = excluded.state",
        (peer.member_id, peer.address, peer.tls_issuer, peer.state, peer.added_ms),
    )


def drop(ledger: sa.Connection, member_id: MemberId) -> None:
    """Forget a peer."""
    driver.execute(ledger, "DELETE FROM peer WHERE member_id = ?", (member_id,))


def every(ledger: sa.Connection) -> list[Peer]:
    """All peers in the order in which they were added: of two roots with one name the earlier is pinned."""
    rows = driver.rows(ledger, f"SELECT {_ROW} FROM peer ORDER BY added_ms, member_id")
    return [Peer(*row) for row in rows]
