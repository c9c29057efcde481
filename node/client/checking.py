"""What the node hands out, checked against the federation id; what does not verify goes no further."""

from collections.abc import Sequence

from node.client.connection import Connection
from node.client.events import Received
from node.client.records import Kept, Records
from node.content import hashes, names
from node.content.hashes import Value
from node.errors import NodeError, PeerFault
from node.exchange import trust as trusts
from node.exchange import verification
from node.exchange.trust import Trust
from node.exchange.verified import Reader, Verified
from node.feed import box as boxes
from node.feed import charter as charters
from node.feed import kinds, payload
from node.feed.keys import HeaderHash, MemberId
from node.feed.pae import FederationId
from node.v1 import header_pb2, record_pb2, tools_pb2


class Unverified(PeerFault):
    """The node handed out something that its author did not sign, or not like this."""


class Checking:
    """What is known of the federation, all of it proven from its id."""

    def __init__(self, connection: Connection, federation_id: FederationId) -> None:
        self._connection = connection
        self._federation_id = federation_id
        # No key of its own: the node opens sealed payloads and hands out the content key.
        self._reader = Reader(MemberId(bytes(32)), (), boxes.Hpke())
        self._trust: Trust | None = None
        self._identities: set[HeaderHash] = set()
        self._records = Records()

    async def governance(self) -> Trust:
        """All governance as of now, every statement of it checked."""
        return await self._fetch_governance()

    async def check_match(self, match: tools_pb2.Match, kind: str, values: Sequence[Value]) -> None:
        """Raise Unverified unless the value that matched stands in the signed record, at that position."""
        kept = await self._record(HeaderHash(match.entry))
        match.remainder = kept.remainder
        if not 0 <= match.index < len(values) or not _stands(match, kind, values[match.index], kept):
            raise Unverified(
                "the node names a match that does not stand in the signed record",
                next_step="Do not act on it. Compare with another node of your member, and check this one.",
            )

    async def check(self, delivery: tools_pb2.Delivery) -> Received:
        """What a delivery says, if its author signed it; raises Unverified."""
        verified = await self._verified(delivery.entry)
        header = verified.header
        record = self._opened(verified, delivery) if header.has_payload else None
        assert self._trust is not None  # noqa: S101 - nothing verifies without
        log = self._trust.logs.get(verified.member_id)
        return Received(
            entry=header.hash,
            member_id=verified.member_id,
            member_name=names.unmistakable(log.identity.inception.name) if log else verified.member_id.hex()[:8],
            kind=record.kind if record else header.kind,
            object_id=record.object_id if record else header.object_id,
            exercise=header.exercise,
            urgent=header.is_urgent,
            created_ms=header.created_ms,
            expires_ms=header.expires_ms,
            received_ms=delivery.received_ms,
            record=record,
            cursor=delivery.cursor,
        )

    async def _verified(self, letter: header_pb2.SignedEntry) -> Verified:
        """Check by what is trusted; governance that came since is fetched once."""
        trust = self._trust or await self._fetch_governance()
        for attempt in range(2):
            checked = verification.verify([letter], trust, self._reader)
            if checked.fault is not None:
                raise Unverified(f"the node handed out an entry that does not verify: {checked.fault.reason}")
            if checked.entries:
                return checked.entries[0]
            known = self._identity(letter, trust)
            if known is not None:
                return known
            if attempt == 0:
                trust = await self._fetch_governance()
        raise Unverified("the node handed out an entry of a feed that nothing in this federation certifies")

    def _identity(self, letter: header_pb2.SignedEntry, trust: Trust) -> Verified | None:
        """An entry of an identity log that was verified in its place when governance was fetched."""
        hash_ = verification.header_hash(letter, trust.federation_id)
        if hash_ not in self._identities:
            return None
        return verification.of_log(letter, trust.federation_id)

    async def _fetch_governance(self) -> Trust:
        trust: Trust | None = None
        letters: list[header_pb2.SignedEntry] = []
        request = tools_pb2.GetGovernanceRequest()
        async for response in self._connection.streamed(lambda tools: tools.GetGovernance(request)):
            if response.WhichOneof("part") == "charter":
                trust = trusts.begin(self._charter(response.charter))
            else:
                letters.append(response.entry)
        if trust is None:
            raise Unverified("the node did not show its charter")
        found, trust, fault = verification.verify_all(letters, trust, self._reader)
        if fault is not None:
            raise Unverified(f"the node handed out governance that does not verify: {fault.reason}")
        self._identities |= {one.header.hash for one in found if kinds.is_identity(one.header.kind)}
        self._trust = trust
        return trust

    def _charter(self, body: bytes) -> charters.Charter:
        try:
            charter = charters.decode(body)
        except NodeError as error:
            raise Unverified(f"the node's charter is none: {error.reason}") from error
        if charter.federation_id != self._federation_id:
            raise Unverified(
                f"the node is of federation {charter.federation_id.hex()[:16]}, "
                f"not of {self._federation_id.hex()[:16]}",
                next_step="Check the federation id in your configuration, and which node you call.",
            )
        return charter

    def _opened(self, verified: Verified, delivery: tools_pb2.Delivery) -> record_pb2.Record | None:
        """The record, by the key in the box or the one handed out; either must be the one committed to.

        None where it is not effective: of a later version, or sealed wrongly. The header's commitments
        hold by then, so that is its author's fault and not the node's, and must not stop what follows.
        """
        assert self._trust is not None  # noqa: S101 - nothing verifies without
        header = verified.header
        if delivery.remainder:
            return self._left(verified, delivery.remainder)
        if not verified.box or not verified.payload:
            raise Unverified("the node handed out an entry without its payload")
        box = boxes.decode(verified.box)
        key = box.data if box.type == boxes.CLEAR else delivery.key
        if payload.commit(self._federation_id, key) != header.key_commit:
            raise Unverified("the content key is not the one that the header commits to")
        if not header.understood:
            return None
        try:
            return verification.unseal(header, verified.member_id, key, verified.payload, self._trust)
        except PeerFault:
            return None

    def _left(self, verified: Verified, plaintext: bytes) -> record_pb2.Record:
        """What is left of a record after a part was erased; the header is signed, and the rest the node's word."""
        try:
            return verification.read_record(verified.header, plaintext)
        except PeerFault as fault:
            raise Unverified(f"what is left of the record is none: {fault.reason}") from fault

    async def _record(self, hash_: HeaderHash) -> Kept:
        """A verified record of a list."""
        kept = self._records.get(hash_)
        if kept is not None:
            return kept
        request = tools_pb2.GetEntryRequest(entry=hash_)
        delivery = (await self._connection.asked(lambda tools: tools.GetEntry(request))).delivery
        verified = await self._verified(delivery.entry)
        if verified.header.hash != hash_:
            raise Unverified("the node handed out another entry than the one it named")
        record = self._opened(verified, delivery)
        if record is None:
            raise Unverified("the node names a match in a payload that does not open")
        return self._records.put(hash_, verified.member_id, record, remainder=bool(delivery.remainder))


def _stands(match: tools_pb2.Match, kind: str, value: Value, kept: Kept) -> bool:
    if kept.kind != kind or kept.member_id != match.member_id or kept.object_id != match.list_id:
        return False
    if isinstance(value, str):
        return match.position < len(kept.texts) and kept.texts[match.position] == value
    # One value of thousands: splitting the record for each match would take most of a large look-up.
    start = match.position * len(value)
    return len(value) == hashes.KINDS[kind].digest_bytes and kept.digests[start : start + len(value)] == value
