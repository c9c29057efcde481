"""Notes: what was said without a record, as the index has it: what was taken back, and what was answered to that."""

from node.exchange import keeping
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import entry, kinds, statements
from node.feed.header import Header
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.feed.statements import Receipt, Withdraw
from node.store import ledger, receipts, restrictions
from node.store.ledger import Row
from node.store.restrictions import Withdrawal
from node.store.stores import Stores


def note(stores: Stores, row: Row, trust: Trust, reader: Reader) -> None:
    """Of an entry that has no record here: a statement, or one whose payload is gone."""
    header = entry.decode(row.body, row.signature, trust.federation_id).header
    feed = trust.feeds.get(header.feed_id)
    if kinds.is_halting(header.kind):
        keeping.halted(stores, header.object_id)
    if header.kind not in (Kind.WITHDRAW, Kind.RECEIPT) or feed is None:
        return
    read = statements.read(header)
    if read is None or not read.understood:
        return
    match read.statement:
        case Withdraw():
            _note_withdrawal(stores, header, read.statement, feed.member_id)
        case Receipt():
            _note_receipt(stores, header, read.statement, feed.member_id, trust, reader)
        case _:
            pass


def _note_withdrawal(stores: Stores, header: Header, said: Withdraw, member_id: MemberId) -> None:
    restrictions.withdraw(
        stores.index,
        Withdrawal(
            hash=header.hash,
            target=said.entry or header.object_id,
            member_id=member_id,
            feed_id=header.feed_id,
            seq=header.seq,
            created_ms=header.created_ms,
            reason=said.reason,
            positions=said.positions,
        ),
    )


def _note_receipt(
    stores: Stores, header: Header, said: Receipt, member_id: MemberId, trust: Trust, reader: Reader
) -> None:
    """Those about withdrawals of our own; what they answer may still be under way, after a restore."""
    row = ledger.entry(stores.ledger, said.entry)
    if row is not None and trust.author(row.feed_id) != reader.member_id:
        return
    receipts.put(
        stores.index,
        receipts.Receipt(
            hash=header.hash,
            member_id=member_id,
            feed_id=header.feed_id,
            seq=header.seq,
            entry=said.entry,
            about_feed=row.feed_id if row else b"",
            last_seq=row.seq if row else 0,
            first_seq=said.first_seq or (row.seq if row else 0),
            restricted_ms=said.restricted_ms,
            erased_ms=said.erased_ms,
            ground=said.ground,
            until_ms=said.until_ms,
        ),
    )
