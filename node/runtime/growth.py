"""From what the store took in to what gossip has to tell: shared by the daemon and the simulator."""

from collections.abc import Iterable

from node.exchange import disclose
from node.exchange.admission import Admitted
from node.exchange.exchange import Exchange
from node.exchange.verified import Checked, Verified
from node.feed.header import URGENT
from node.feed.keys import MemberId
from node.protocol.news import Fresh, Growth
from node.v1 import header_pb2


def urgent(exchange: Exchange, checked: Checked, source: MemberId) -> Growth | None:
    """What goes on before the commit: verified entries of lane 0."""
    fresh = _fresh(exchange, [verified for verified in checked.entries if verified.lane == URGENT])
    return Growth(fresh=fresh, source=source) if fresh else None


def published(exchange: Exchange, admitted: Admitted) -> Growth:
    """Our own entries, durable: all lanes go out now."""
    return Growth(heads=admitted.heads, fresh=_fresh(exchange, admitted.entries), settled=admitted.settled)


def committed(
    exchange: Exchange, admitted: Admitted, checked: Checked, source: MemberId, *, ignored: bool = False
) -> Growth:
    """A peer's entries, durable: heads may be told, and what is not urgent goes on, within its author's quota."""
    slower = [verified for verified in admitted.entries if verified.lane != URGENT]
    return Growth(
        heads=admitted.heads,
        fresh=_fresh(exchange, slower),
        forks=[(row.feed_id, row.seq, disclose.fork(row)) for row in admitted.forks],
        gaps=[(gap.feed_id, gap.seq, gap.previous) for gap in admitted.gaps],
        parted=admitted.parted,
        settled=admitted.settled,
        unknown=checked.unknown,
        ignored=ignored,
        source=source,
    )


def proven(admitted: Admitted, source: MemberId) -> Growth:
    """A proof that was news; what it proves goes with it."""
    forks = [(row.feed_id, row.seq, disclose.fork(row)) for row in admitted.forks]
    return Growth(heads=admitted.heads, forks=forks, settled=admitted.settled, source=source)


def _fresh(exchange: Exchange, entries: Iterable[Verified]) -> list[Fresh]:
    return [
        Fresh(one.header.hash, one.header.feed_id, one.lane, _letter(exchange, one)) for one in entries if one.passed_on
    ]


def _letter(exchange: Exchange, one: Verified) -> header_pb2.SignedEntry:
    """As it came; without what was erased here before, of which a lost store knows nothing and the journal does."""
    letter, hash_ = exchange.letter(one), one.header.hash
    if one.header.has_payload and (hash_ in exchange.erasures.whole or hash_ in exchange.erasures.parts):
        return header_pb2.SignedEntry(header=letter.header, signature=letter.signature)
    return letter
