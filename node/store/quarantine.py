"""Set aside: entries that came only from a peer that is quarantined. They stay where they are, and do not count.

An entry's source is the peer it came from first, until another offers it, too; then it has none.
"""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from node.feed.keys import FeedId, HeaderHash, MemberId
from node.store import driver

# Of an `entry e`. Statements are never set aside: what is trusted has to be the same everywhere.
SET_ASIDE = "(e.kind > 63 AND EXISTS (SELECT 1 FROM peer q WHERE q.quarantined AND q.member_id = e.source))"


def first(ledger: sa.Connection) -> dict[FeedId, int]:
    """Of each feed that has some, the lowest entry that is set aside."""
    if not driver.scalar(ledger, "SELECT 1 FROM peer WHERE quarantined"):
        return {}
    found = driver.rows(ledger, f"SELECT e.feed_id, min(e.seq) FROM entry e WHERE {SET_ASIDE} GROUP BY e.feed_id")
    return {row[0]: row[1] for row in found}


def hashes(ledger: sa.Connection) -> list[HeaderHash]:
    """All entries that are set aside."""
    found = driver.rows(ledger, f"SELECT e.hash FROM entry e WHERE {SET_ASIDE} ORDER BY e.rowid")
    return [row[0] for row in found]


def vouched(ledger: sa.Connection, source: MemberId) -> dict[FeedId, int]:
    """Each feed of which this peer was the first to bring something, and up to where others brought it, too.

    Whoever brings an entry of a feed vouches for all before it, for it names them by their hashes.
    """
    found = driver.rows(
        ledger,
        "SELECT e.feed_id, (SELECT max(o.seq) FROM entry o WHERE o.feed_id = e.feed_id AND o.chained AND"
        " (o.source IS NULL OR o.source <> ?1)) FROM (SELECT DISTINCT feed_id FROM entry WHERE source = ?1) e"
        " ORDER BY e.feed_id",
        (source,),
    )
    return {row[0]: row[1] or 0 for row in found}


def vouch(ledger: sa.Connection, through: Mapping[FeedId, int], voucher: MemberId | None = None) -> None:
    """Another peer brought, or holds, these feeds up to here: so far nothing came only from somebody else."""
    driver.execute_many(
        ledger,
        "UPDATE entry SET source = NULL WHERE feed_id = ? AND seq <= ? AND source IS NOT NULL AND source IS NOT ?",
        [(feed_id, seq, voucher) for feed_id, seq in sorted(through.items()) if seq],
    )


def offer(ledger: sa.Connection, offers: Iterable[tuple[HeaderHash, MemberId]]) -> None:
    """Another peer offered these entries, too."""
    driver.execute_many(
        ledger, "UPDATE entry SET source = NULL WHERE hash = ? AND source IS NOT NULL AND source <> ?", list(offers)
    )


def arrive_again(ledger: sa.Connection, released: Sequence[HeaderHash]) -> None:
    """What had arrived of these arrives anew: readers have passed its place."""
    for start in range(0, len(released), 500):
        part = tuple(released[start : start + 500])
        driver.execute(
            ledger,
            "INSERT INTO arrival (urgent, hash) SELECT urgent, hash FROM arrival"
            f" WHERE hash IN ({','.join('?' * len(part))}) GROUP BY hash ORDER BY min(position)",
            part,
        )
