"""What the root signed, here or elsewhere: journalled first, then the same door in as everyone's.

A signature is in the sign journal before it is in the ledger, the root's as well as the node's own,
so the start takes in again what a crash or a lost ledger undid, and no place is ever signed twice.
"""

from collections.abc import Sequence

from node.errors import Refused
from node.exchange.admission import Admitted
from node.exchange.exchange import Exchange
from node.exchange.trust import Log
from node.exchange.verified import Checked
from node.feed import chain
from node.feed.chain import Place
from node.feed.entry import Entry
from node.v1 import header_pb2


def keep(exchange: Exchange, made: Sequence[Entry], now_ms: int) -> Admitted:
    """Keep what the root signed, here or elsewhere: in the journal, then in the ledger. Raises Refused."""
    require_next(exchange.trust.logs.get(exchange.reader.member_id), made)
    checked = exchange.verify(letters(made))
    require_whole(checked, made)
    exchange.author.journal.append([(one.header.body, one.signature) for one in made])
    return exchange.admit(checked, now_ms)


def require_next(log: Log | None, made: Sequence[Entry]) -> None:
    """Raise Refused unless these stand right behind the log: a second entry at one place forks it, for good."""
    head = log.head if log else None
    for one in made:
        if chain.place(head, one.header) is not Place.NEXT:
            raise _unfit("others stand there by now")
        head = chain.head_of(one.header)


def require_whole(checked: Checked, made: Sequence[Entry]) -> None:
    """Raise Refused unless all that was signed may come in."""
    if checked.fault is not None or len(checked.entries) != len(made):
        raise _unfit(checked.fault.reason if checked.fault else "something before them is not here")


def _unfit(reason: str) -> Refused:
    return Refused(
        f"what was signed does not follow this member's log: {reason}",
        next_step="Ask for it again: the log has grown meanwhile, or another key signed.",
        field="root_key",
    )


def letters(made: Sequence[Entry]) -> list[header_pb2.SignedEntry]:
    """As they are checked and sent."""
    return [header_pb2.SignedEntry(header=one.header.body, signature=one.signature) for one in made]
