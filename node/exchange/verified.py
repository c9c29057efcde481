"""What passes between the two halves of the door in: verified entries, and what they teach."""

from collections.abc import Callable
from dataclasses import dataclass

from node.errors import PeerFault
from node.exchange import trust as trusts
from node.exchange.trust import Trust
from node.feed import entry, identity, kinds
from node.feed.box import Wrapping
from node.feed.entry import Entry
from node.feed.header import NORMAL, URGENT, Header
from node.feed.keys import FeedId, MemberId
from node.feed.pae import FederationId
from node.feed.statements import Read

Verifies = Callable[[Entry, bytes, FederationId], bool]


@dataclass(frozen=True, slots=True)
class Reader:
    """What this node can open: its KEM keys, and how wraps are made."""

    member_id: MemberId
    private_keys: tuple[bytes, ...]
    wrapping: Wrapping
    verifies: Verifies = entry.is_signed_by
    node_id: bytes = b""  # which of its member's nodes this is; empty: it has but one


@dataclass(frozen=True, slots=True)
class Verified:
    """An entry whose signature, box and payload hold. ``readable``: its box opens here.

    ``demoted``: urgent for its author, and not carried in lane 0. ``passed_on``: pushed to the peers.
    """

    entry: Entry
    member_id: MemberId
    read: Read | None
    box: bytes
    payload: bytes
    readable: bool
    demoted: bool = False
    passed_on: bool = True

    @property
    def header(self) -> Header:
        """The header."""
        return self.entry.header

    @property
    def lane(self) -> int:
        """The lane of this hop: what the author asked for, or less."""
        return URGENT if self.header.is_urgent and not self.demoted else max(self.header.urgency, NORMAL)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a frame holds that may come in. Made only by `verification.verify`."""

    entries: tuple[Verified, ...] = ()
    unknown: tuple[FeedId, ...] = ()  # feeds that nothing here certifies yet
    fault: PeerFault | None = None  # at the first entry that is the sender's fault; the ones before hold


def learn(trust: Trust, verified: Verified) -> Trust:
    """What a verified entry adds to what is trusted."""
    header = verified.header
    if not kinds.is_statement(header.kind):
        return trust
    if not kinds.is_identity(header.kind):
        return trusts.with_statement(trust, verified.member_id, header, verified.read)
    log = trust.logs.get(verified.member_id)
    if log is None:
        return trusts.with_log(trust, identity.begin(verified.entry, trust.federation_id), verified.entry)
    if header.seq != log.head.seq + 1 or header.previous != log.head.hash or trust.marks.forked_at(header.feed_id):
        return trust  # of a log that has forked, nothing more is believed
    followed = identity.follow(log.identity, verified.entry, trust.federation_id)
    return trusts.with_log(trust, followed, verified.entry)
