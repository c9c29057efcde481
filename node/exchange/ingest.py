"""The one door in. ``verify`` is pure; ``admit`` is the only caller of the ledger's append.

Whose fault: what the sender alone could have checked is a PeerFault; a missing predecessor, an
unknown feed, a date in the future are nobody's, and are fetched or wait.
"""

from collections.abc import Sequence

from node.errors import Malformed, PeerFault
from node.exchange import admission
from node.exchange import trust as trusts
from node.exchange.admission import Admission
from node.exchange.trust import Trust
from node.exchange.verified import Admitted, Checked, Reader, Verified, learn
from node.feed import box as boxes
from node.feed import chain, entry, identity, kinds, pae, payload, statements
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.pae import FederationId, Purpose
from node.feed.statements import Open
from node.store import arrivals, ledger, payloads
from node.store.ledger import ForkRow
from node.store.payloads import State
from node.store.stores import Stores
from node.v1 import header_pb2


def header_hash(letter: header_pb2.SignedEntry, federation_id: FederationId) -> HeaderHash:
    """What the entry is called, before anything is checked."""
    return HeaderHash(pae.digest(Purpose.HEADER, federation_id, letter.header))


def unseen(
    stores: Stores, letters: Sequence[header_pb2.SignedEntry], federation_id: FederationId
) -> list[header_pb2.SignedEntry]:
    """The entries that are not stored, or that bring a box or payload that is missing."""
    hashes = [header_hash(letter, federation_id) for letter in letters]
    held = ledger.held(stores.ledger, sorted(set(hashes)))
    return [
        letter
        for letter, hash_ in zip(letters, hashes, strict=True)
        if hash_ not in held
        or ((letter.box or letter.payload) and payloads.state(stores.ledger, hash_) == State.MISSING)
    ]


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
    elif header.seq > log.head.seq or not reader.verifies(one, log.identity.root_key, trust.federation_id):
        return None
    return Verified(one, member_id, statements.read(header), b"", b"", readable=False)


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


def admit(stores: Stores, checked: Checked, trust: Trust, now_ms: int) -> Admitted:
    """Store what follows its feed, keys before ledger, each in one commit.

    A crash between the two commits leaves boxes without headers; the start removes them.
    """
    work = Admission(stores, trust, now_ms)
    for verified in checked.entries:
        work.take(verified)
    payloads.put_boxes(stores.keys, work.boxes)
    stores.commit("keys")
    ledger.append(stores.ledger, work.rows)
    ledger.set_heads(stores.ledger, (work.heads[feed] for feed in sorted(work.moved)))
    arrivals.add(stores.ledger, work.arrived)
    stores.commit("ledger")
    return Admitted(
        heads=tuple(work.heads[feed] for feed in sorted(work.moved)),
        entries=tuple(work.entries),
        gaps=tuple(sorted(work.gaps, key=lambda gap: (gap.feed_id, gap.seq))),
        forks=tuple(work.forks),
        arrived=bool(work.arrived),
        trust=work.trust,
    )


def take_fork(stores: Stores, letter: header_pb2.ForkProof, trust: Trust) -> tuple[Trust, ForkRow | None]:
    """Take a proof from a peer; raises PeerFault where it proves nothing. None: nothing new, or not ours to judge."""
    one, other = (entry.decode(e.header, e.signature, trust.federation_id) for e in (letter.first, letter.second))
    feed = trust.feeds.get(one.header.feed_id)
    if feed is None:
        return trust, None
    row = admission.fork_row(chain.prove_fork(one, other, feed.certificate.feed_key, trust.federation_id))
    if not ledger.keep_fork(stores.ledger, row):
        return trust, None
    stores.commit("ledger")
    return trusts.with_fork(trust, row.feed_id, row.seq), row


def load(stores: Stores, trust: Trust) -> Trust:
    """Everything the ledger's governance amounts to, read again from its own signatures."""
    for row in ledger.statements(stores.ledger):
        one = entry.decode(row.body, row.signature, trust.federation_id)
        author = MemberId(bytes(row.feed_id))
        if not kinds.is_identity(one.header.kind):
            found = trusts.feed_key(trust, one.header, statements.read(one.header))
            if found is None:
                continue
            author = found[0]
        trust = learn(trust, Verified(one, author, statements.read(one.header), b"", b"", readable=False))
    for fork in ledger.forks(stores.ledger):
        trust = trusts.with_fork(trust, fork.feed_id, fork.seq)
    return trust
