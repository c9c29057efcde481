"""Invites: the file that a candidate joins by. All of it but the sponsor's address is proven from the charter."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from node.content import addresses
from node.custody import charters
from node.errors import Malformed, Refused
from node.exchange import trust as trusts
from node.exchange import verification
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import box, identity
from node.feed.charter import Charter
from node.feed.identity import Inception
from node.feed.keys import MemberId
from node.store.peers import APPROVED, Peer
from node.v1 import header_pb2, membership_pb2

ENTRIES_MAX = 4096
FILE_BYTES_MAX = charters.FILE_BYTES_MAX + (4 << 20)  # two thousand entries that show who let the sponsor in
SENT = "Ask your sponsor to send it again, another way."


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite as read."""

    charter_file: bytes
    charter: Charter
    candidate: Inception
    sponsor: Inception
    tls_issuer: bytes  # of the sponsor's nodes
    address: str  # empty: the sponsor dials
    entries: Sequence[header_pb2.SignedEntry]

    def peer(self, now_ms: int) -> Peer:
        """The sponsor, as the peer that it is from the first day on."""
        return Peer(MemberId(self.sponsor.member_id), self.address, self.tls_issuer, APPROVED, now_ms)


def is_one(data: bytes) -> bool:
    """Whether this is an invite rather than a charter file."""
    try:
        return bool(membership_pb2.Invite.FromString(data).charter_file)
    except DecodeError:
        return False


def decode(data: bytes, source: str = "the invite") -> Invite:
    """An invite's content, everything in it checked; raises Refused."""
    letter = membership_pb2.Invite.FromString(data)
    _, charter, _ = charters.decode(letter.charter_file, source)
    try:
        candidate = identity.decode_inception(letter.inception, letter.inception_signature)
    except Malformed as error:
        raise Refused(f"{source} was changed: {error.reason}", next_step=SENT, field="invite") from error
    fault = addresses.fault(letter.address) if letter.address else ""
    if fault:
        raise Refused(f"{source}: {fault}", next_step=SENT, field="invite")
    trust = _shown(charter, letter, source)
    sponsor = trust.logs.get(MemberId(letter.sponsor))
    if sponsor is None or letter.sponsor not in trust.known.members or not sponsor.identity.nodes:
        raise Refused(f"{source} does not show that its sponsor is a member", next_step=SENT, field="invite")
    known = trust.known
    if candidate.member_id not in known.candidates | known.members:
        raise Refused(f"{source} does not show that {candidate.name} was endorsed", next_step=SENT, field="invite")
    issuer = sponsor.identity.nodes[-1].tls_issuer
    begun = sponsor.identity.inception
    return Invite(letter.charter_file, charter, candidate, begun, issuer, letter.address, letter.entries)


def _shown(charter: Charter, letter: membership_pb2.Invite, source: str) -> Trust:
    """What its entries prove, whatever their order."""
    if len(letter.entries) > ENTRIES_MAX:
        raise Refused(f"{source} has too many entries", next_step=SENT, field="invite")
    nobody = Reader(MemberId(bytes(32)), (), box.Hpke())
    _, trust, fault = verification.verify_all(letter.entries, trusts.begin(charter), nobody)
    if fault is not None:
        raise Refused(f"{source} was changed: {fault.reason}", next_step=SENT, field="invite") from fault
    return trust
