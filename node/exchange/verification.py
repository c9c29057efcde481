"""The pure half of the door in: wire rules, signatures, boxes and payloads against the header.

Needs no store, so any thread may run it, and in-house tools check with it what their node gives
them. Whose fault: what the sender alone could have checked is a PeerFault; a feed that nothing
certifies yet is nobody's.
"""

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from node.errors import Malformed, PeerFault
from node.exchange import trust as trusts
from node.exchange.trust import Trust
from node.exchange.verified import Checked, Reader, Verified, learn
from node.feed import box as boxes
from node.feed import entry, identity, kinds, pae, payload, statements
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.pae import FederationId, Purpose
from node.feed.statements import Open
from node.v1 import header_pb2, record_pb2

OBJECT_ID_BYTES = 16


def header_hash(letter: header_pb2.SignedEntry, federation_id: FederationId) -> HeaderHash:
    """What the entry is called, before anything is checked."""
    return HeaderHash(pae.digest(Purpose.HEADER, federation_id, letter.header))


def verify_all(
    letters: Sequence[header_pb2.SignedEntry], trust: Trust, reader: Reader
) -> tuple[list[Verified], Trust, PeerFault | None]:
    """Governance in any order: again and again over what nothing certified yet, until nothing more is learnt."""
    found: list[Verified] = []
    waiting = list(letters)
    while waiting:
        left = []
        for letter in waiting:
            checked = verify([letter], trust, reader)
            if checked.fault is not None:
                return found, trust, checked.fault
            if not checked.entries:
                left.append(letter)
            for one in checked.entries:
                found.append(one)
                trust = learn(trust, one)
        if len(left) == len(waiting):
            break
        waiting = left
    return found, trust, None


def verify(letters: Sequence[header_pb2.SignedEntry], trust: Trust, reader: Reader) -> Checked:
    """Check what needs no store: wire rules, signature, box and payload against the header.

    Identity entries count for those behind them, so one frame can bring a member and its feed.
    """
    found: list[Verified] = []
    unknown: list[FeedId] = []
    for letter in letters:
        try:
            one = entry.decode(letter.header, letter.signature, trust.federation_id)
            checked = (
                _verify_identity(one, trust, reader)
                if kinds.is_identity(one.header.kind)
                else _verify_feed(one, letter, trust, reader)
            )
        except PeerFault as fault:
            return Checked(tuple(found), tuple(unknown), fault)
        if checked is None:
            unknown.append(one.header.feed_id)
            continue
        found.append(checked)
        trust = learn(trust, checked)
    return Checked(tuple(found), tuple(unknown))


def _verify_identity(one: Entry, trust: Trust, reader: Reader) -> Verified | None:
    """An identity entry can be checked only where all before it were read."""
    header, member_id = one.header, MemberId(bytes(one.header.feed_id))
    log = trust.logs.get(member_id)
    if log is None:
        if header.kind != Kind.ACCEPT or not trust.admits_log(member_id):
            return None
        identity.begin(one, trust.federation_id)
    elif header.seq == log.head.seq + 1:
        if header.previous != log.head.hash:
            return None
        identity.follow(log.identity, one, trust.federation_id)
    elif header.seq > log.head.seq or not reader.verifies(
        one, identity.signer_at(log.identity, one), trust.federation_id
    ):
        return None
    return Verified(one, member_id, statements.read(header), b"", b"", readable=False)


def of_log(letter: header_pb2.SignedEntry, federation_id: FederationId) -> Verified:
    """An entry of an identity log that was verified before, in its place; raises Malformed."""
    one = entry.decode(letter.header, letter.signature, federation_id)
    return Verified(one, MemberId(bytes(one.header.feed_id)), statements.read(one.header), b"", b"", readable=False)


def _verify_feed(one: Entry, letter: header_pb2.SignedEntry, trust: Trust, reader: Reader) -> Verified | None:
    read = statements.read(one.header)
    found = trusts.feed_key(trust, one.header, read)
    if found is None:
        return None
    member_id, key = found
    if not reader.verifies(one, key, trust.federation_id):
        raise Malformed("signature", f"{kinds.name(one.header.kind)} at seq {one.header.seq} is not signed by its feed")
    if read is not None and isinstance(read.statement, Open) and read.statement.member_id != member_id:
        raise Malformed("open-member", "the opening names another member than the one that certified the feed")
    box = check_box(one.header, letter.box, trust.federation_id)
    if letter.payload:
        check_payload(one.header, letter.payload)
    readable = box is not None and open_key(one.header, box, member_id, trust.federation_id, reader) is not None
    return Verified(one, member_id, read, letter.box, letter.payload, readable=readable)


def check_box(header: Header, encoded: bytes, federation_id: FederationId) -> boxes.Box | None:
    """The box that came along, if it is the header's; raises Malformed, at the sender's charge."""
    if not encoded:
        return None
    box = boxes.decode(encoded)
    if not header.has_payload or boxes.box_hash(federation_id, box) != header.box_hash:
        raise Malformed("box-hash", "the box is not the one the header names")
    if not boxes.fits_carriage(box, header.carriage):
        raise Malformed("box-carriage", f"box type {box.type} under carriage {header.carriage}")
    return box


def check_payload(header: Header, ciphertext: bytes) -> None:
    """Raises Malformed where it is not the header's payload: the sender's fault, never an erasure."""
    if not header.has_payload or not payload.fits(header.payload_size, header.payload_root, ciphertext):
        raise Malformed("payload-root", "the payload is not the one the header names")


def open_key(
    header: Header, box: boxes.Box, author: MemberId, federation_id: FederationId, reader: Reader
) -> bytes | None:
    """The content key, where the box is for this node and the key is the one committed to."""
    context = payload.context(federation_id, author, header.carriage, header.exercise, header.payload_id)
    key = boxes.open_box(box, reader.private_keys, context, reader.wrapping)
    if key is None or payload.commit(federation_id, key) != header.key_commit:
        return None
    return key


def unseal(header: Header, author: MemberId, key: bytes, ciphertext: bytes, trust: Trust) -> record_pb2.Record:
    """The record in a ciphertext; raises Malformed, at the author's charge, where it is not one."""
    context = payload.context(trust.federation_id, author, header.carriage, header.exercise, header.payload_id)
    return read_record(header, payload.unseal(key, context, ciphertext))


def read_record(header: Header, plaintext: bytes) -> record_pb2.Record:
    """The record that a header is about; raises Malformed, at the author's charge, where it is another or none."""
    try:
        record = record_pb2.Record.FromString(plaintext)
    except DecodeError as error:
        raise Malformed("record-encoding", "the payload holds no record") from error
    sealed = header.kind == Kind.SEALED
    if not sealed and (record.kind, record.object_id) != (header.kind, header.object_id):
        raise Malformed("record-header", "the record's kind or object is not the header's")
    if len(record.object_id) not in (0, OBJECT_ID_BYTES):
        raise Malformed("record-header", "the record's object id is none")
    if record.exercise != header.exercise:
        raise Malformed("record-exercise", "the record's exercise flag is not the header's")
    return record
