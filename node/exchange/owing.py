"""Owing: what an entry obliges to as it comes in, and what it has answered. In one transaction with it."""

from node.errors import Malformed
from node.exchange import verification
from node.exchange.trust import Trust
from node.exchange.verified import Reader, Verified
from node.feed import box as boxes
from node.feed.header import Header
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.feed.kinds import Kind
from node.feed.statements import Receipt, Withdraw
from node.policy import cooling, receipts
from node.policy import deliveries as telling
from node.policy.receipts import Ground
from node.store import deliveries, duties, ledger
from node.store.deliveries import Delivery
from node.store.duties import Duty, Said
from node.store.stores import Stores


def note(stores: Stores, verified: Verified, reader: Reader, trust: Trust, now_ms: int) -> None:
    """A statement comes in: what it obliges to, or what this node has answered by it. The caller commits."""
    own = reader.member_id
    statement = verified.read.statement if verified.read and verified.read.understood else None
    if isinstance(statement, Withdraw) and verified.member_id != own:
        header = verified.header
        if header.created_ms > now_ms - receipts.OWED_MS:
            target, pressing = statement.entry or header.object_id, statement.reason in cooling.PRESSING
            about = (verified.member_id, target, statement.positions, pressing)
            duties.put(stores.ledger, Duty(header.hash, header.feed_id, header.seq, *about, now_ms))
    elif isinstance(statement, Receipt) and verified.member_id == own and _is_by_this(verified, reader, trust):
        row = ledger.entry(stores.ledger, statement.entry)
        if row is not None:
            duties.answer(stores.ledger, row.feed_id, statement.first_seq, row.hash, _said(statement))


def _is_by_this(verified: Verified, reader: Reader, trust: Trust) -> bool:
    """Whether this node said it, or did in a feed that it had before: what another one erased may be here still."""
    feed = trust.feeds.get(verified.header.feed_id)
    return not reader.node_id or (feed is not None and feed.certificate.node_id == reader.node_id)


def _said(statement: Receipt) -> Said | None:
    """What is answered by it; None: all there is to say."""
    if statement.erased_ms or statement.ground == Ground.HELD_NOTHING:
        return None
    return Said.KEPT if statement.ground in receipts.HOLDS else Said.RESTRICTED


ABOUT_CRISES = frozenset({Kind.ALERT, Kind.DECLARATION, Kind.CRISIS_ACT})


def note_opened(stores: Stores, header: Header, author: MemberId, own: MemberId, now_ms: int) -> None:
    """A record can be read here: what is said of a crisis, for all members, is told to have come. The caller commits.

    Of what is sealed nothing is told: that it came would tell everybody who reads it.
    """
    is_recent = header.created_ms > now_ms - telling.OWED_MS
    if header.kind in ABOUT_CRISES and author != own and header.object_id and is_recent:
        about = ObjectId(header.object_id), header.exercise
        told = Delivery(header.hash, author, *about, now_ms, header.expires_ms)
        deliveries.put(stores.ledger, told, telling.WAITING_PER_AUTHOR_MAX)


def note_told(stores: Stores, verified: Verified, trust: Trust, reader: Reader) -> None:
    """A record of our own member comes in: what it acknowledges is told. The caller commits."""
    if verified.header.kind != Kind.ACKNOWLEDGEMENT or verified.member_id != reader.member_id or not verified.payload:
        return
    header, author = verified.header, verified.member_id
    key = verification.open_key(header, boxes.decode(verified.box), author, trust.federation_id, reader)
    try:
        said = verification.unseal(header, author, key, verified.payload, trust) if key else None
    except Malformed:
        return
    if said is not None:
        deliveries.told(stores.ledger, [HeaderHash(one) for one in said.acknowledgement.entries])
