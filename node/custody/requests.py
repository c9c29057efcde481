"""The file that carries what the root is to sign to the machine where it is, and the signatures back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from nacl.signing import SigningKey

from node.config import Config
from node.custody import auditing, ceremonies, files, folder, identities, joining, looking, renewal, reopening
from node.custody.ceremonies import Ceremony
from node.custody.identities import Act
from node.errors import Malformed, Refused
from node.exchange import rooted
from node.exchange.trust import Log
from node.feed import chain, entry, header, identity, keys, kinds, statements
from node.feed.entry import Entry
from node.feed.kinds import Kind
from node.feed.pae import NO_FEDERATION, FederationId
from node.feed.statements import Bound
from node.store import ledger
from node.store.stores import Stores
from node.v1 import header_pb2, identity_pb2

ROTATION: Act = (Kind.ROTATE, b"")  # the keys are filled in where they are
FILE_BYTES_MAX = 1 << 20  # a log of a thousand entries


@dataclass(frozen=True, slots=True)
class Request:
    """What a file asks for, its log checked."""

    letter: identity_pb2.IdentityRequest
    log: Log
    acts: tuple[Act, ...]

    @property
    def federation_id(self) -> FederationId:
        """Of the log."""
        return FederationId(self.letter.federation_id)

    @property
    def rotates(self) -> bool:
        """Whether the root key is to change; which one comes next is not known where this was asked."""
        return self.acts == (ROTATION,)


def write(config: Config, ceremony: Ceremony, path: Path, now_ms: int) -> None:
    """Ask for it in a new file; the node's keys that it is about wait in the folder."""
    charter = joining.read_charter(config)
    with renewal.held(config.data_folder):
        reopening.settle_if_whole(config, now_ms)
        with reopening.governed(config, charter) as (opened, trust):
            member_id = folder.read_member(config.data_folder)
            log = letters_of(opened, identities.own(trust, member_id))
        if ceremony.fresh is not None:
            renewal.propose(config.data_folder, ceremony.fresh)
    letter = identity_pb2.IdentityRequest(
        federation_id=charter.federation_id,
        federation_name=charter.name,
        log=log,
        acts=[identity_pb2.IdentityAct(kind=kind, statement=statement) for kind, statement in ceremony.acts],
        created_ms=now_ms,
    )
    files.create_public(path, letter.SerializeToString(deterministic=True))
    asked = ", ".join(kinds.name(kind) for kind, _ in ceremony.acts)
    with renewal.held(config.data_folder):
        auditing.note_keys(config, charter.federation_id, now_ms, f"ask the root to sign {asked}")


def letters_of(opened: Stores, log: Log) -> list[header_pb2.SignedEntry]:
    """A log, entry by entry."""
    rows = ledger.span(opened.ledger, log.head.feed_id, 1, log.head.seq, log.head.seq)
    return [header_pb2.SignedEntry(header=row.body, signature=row.signature) for row in rows]


def read(path: Path) -> Request:
    """A file, everything in it checked but for what it asks; raises Refused."""
    try:
        letter = identity_pb2.IdentityRequest.FromString(files.read_public(path, FILE_BYTES_MAX))
        federation_id = FederationId(letter.federation_id)
        entries = [entry.decode(one.header, one.signature, federation_id) for one in letter.log]
        log = _log(entries, federation_id)
        acts = tuple((Kind(act.kind), act.statement) for act in letter.acts)
        describe(log, acts)
    except (DecodeError, Malformed, ValueError) as error:
        reason = error.reason if isinstance(error, Malformed) else "it cannot be read"
        raise Refused(
            f"{path} is no request for the root's signature, or was changed: {reason}",
            next_step="Have the node write it again, with --export.",
            field="file",
        ) from error
    return Request(letter, log, acts)


def _log(entries: Sequence[Entry], federation_id: FederationId) -> Log:
    if not entries:
        raise Malformed("identity-opening", "there is no log in it")
    head = None
    for one in entries:
        if chain.place(head, one.header) is not chain.Place.NEXT:
            raise Malformed("previous-place", "its log has a gap")
        head = chain.head_of(one.header)
    found = identity.begin(entries[0], federation_id)
    for one in entries[1:]:
        found = identity.follow(found, one, federation_id)
    return Log(found, chain.head_of(entries[-1].header))


def sign(request: Request, key: SigningKey, path: Path, next_public: bytes = b"") -> None:
    """Write the file anew with the signatures in it; raises Refused for another key than the root's.

    Where the root key is to change, ``key`` is the next one and ``next_public`` the one after it.
    """
    acts = ceremonies.rotate_root(key, next_public).acts if request.rotates else request.acts
    made = ceremonies.sign(request.log, acts, key, request.federation_id, request.letter.created_ms)
    signed = identity_pb2.IdentityRequest()
    signed.CopyFrom(request.letter)
    del signed.signed[:]
    signed.signed.extend(rooted.letters(made))
    files.replace_public(path, signed.SerializeToString(deterministic=True))


def require_key(request: Request, key: SigningKey) -> None:
    """Raise Refused for another key than the one that takes over."""
    ceremonies.require_next_root(request.log.identity, bytes(key.verify_key))


def take(config: Config, request: Request, now_ms: int) -> None:
    """Put in force what came back signed; raises Refused where it did not, or does not follow the log."""
    if not request.letter.signed:
        raise Refused(
            "the root has not signed this file yet",
            next_step="Carry it to the root key and run `tocsin identity sign FILE --root-key KEY` there.",
            field="file",
        )
    if request.federation_id != joining.read_charter(config).federation_id:
        raise Refused("this file is of another federation", next_step="Name the right one.", field="file")
    decoded = [entry.decode(one.header, one.signature, request.federation_id) for one in request.letter.signed]
    ceremonies.take(config, decoded, now_ms)


# ---- In words


def preview(config: Config, acts: Sequence[Act]) -> list[str]:
    """What would be signed behind the log as it is in this folder."""
    with looking.into(config) as (_, trust):
        return describe(identities.own(trust, folder.read_member(config.data_folder)), acts)


def require_next_root(config: Config, public: bytes) -> None:
    """Raise Refused unless this is the key that this folder's log is committed to."""
    with looking.into(config) as (_, trust):
        log = identities.own(trust, folder.read_member(config.data_folder))
        ceremonies.require_next_root(log.identity, public)


def describe(log: Log, acts: Sequence[Act]) -> list[str]:
    """What will be signed, for whom."""
    member = log.identity
    lines = [
        f"{member.inception.name}, {keys.fingerprint(member.member_id)}, signs behind entry {log.head.seq} of its log:"
    ]
    return [*lines, *(f"  - {_words(act, log)}" for act in acts)]


def _words(act: Act, log: Log) -> str:
    if act == ROTATION:
        return "the next root key takes over, and the one before signs nothing more"
    match _statement(act, log):
        case statements.Node(node_id=node_id, feed_key=feed_key):
            return f"node {node_id.hex()[:8]} publishes with the new feed key {feed_key.hex()[:16]}"
        case statements.Rotate(root_key=root_key):
            return f"the root key is {root_key.hex()[:16]} from now on; the one before signs nothing more"
        case statements.Spare(keys=joined):
            count = len(joined) // keys.KEY_BYTES
            return f"{count} spare keys, each of which may open one feed: {_listed(joined)}"
        case statements.Successor(member_id=member_id):
            return f"{keys.fingerprint(member_id)} goes on in this member's place"
        case Bound(feed_id=feed_id, seq=seq) if act[0] == Kind.RETIRE:
            what = f"nothing above entry {seq} counts" if seq else "nothing of it counts"
            return f"feed {feed_id.hex()[:16]} is over: {what}, with everyone and for good"
        case statements.Leave(feed_id=feed_id, seq=seq):
            what = f"nothing above entry {seq} of its feed {feed_id.hex()[:16]} counts"
            return f"it leaves the federation, for good: {what}, and it has no seat any more"
        case Bound(feed_id=feed_id, seq=seq, header_hash=header_hash):
            return f"of the branches of feed {feed_id.hex()[:16]} the one with {header_hash.hex()[:16]} at {seq} counts"
        case _:
            return kinds.name(act[0])


def _listed(joined: bytes) -> str:
    return ", ".join(
        joined[start : start + keys.KEY_BYTES].hex()[:8] for start in range(0, len(joined), keys.KEY_BYTES)
    )


def _statement(act: Act, log: Log) -> statements.Statement:
    """The statement of an act; raises Malformed for a kind no root signs, or bytes that are none."""
    kind, _ = act
    fields = identities.fields(identity.log_id(log.identity.member_id), log.head, act, 1)
    fields.version = 1
    read = statements.read(header.decode(fields.SerializeToString(deterministic=True), NO_FEDERATION))
    if read is None or not kinds.is_identity(kind):
        raise Malformed("identity-kind", f"{kinds.name(kind)} is not signed by a root")
    return read.statement
