"""Joining: the member's identity log begins under a charter, and its node's feed with it.

Each signature is in the sign journal before it is in the ledger, the root's as well as the node's
own. So whatever a crash or a lost ledger undoes, a repeated join takes in again what was signed
once; a second acceptance with other bytes would be a fork that every member can prove.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import SigningKey

from node.config import Config
from node.custody import charters, files, folder
from node.custody.folder import NodeKeys
from node.errors import ConfigError, Refused
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Author, Draft
from node.exchange.verified import Reader
from node.feed import box, chain, entry, identity, keys
from node.feed.charter import Charter
from node.feed.entry import Entry
from node.feed.header import NORMAL
from node.feed.identity import Inception
from node.feed.kinds import Kind
from node.store import ledger, stores
from node.store.erasures import FILE, FileErasures
from node.store.journal import FileJournal
from node.store.stores import Stores
from node.v1 import header_pb2

STORE_ID_BYTES = 16

Unlock = Callable[[Inception], SigningKey]  # asked for the root key only when something needs it


@dataclass(frozen=True, slots=True)
class Joined:
    """What a join came to."""

    charter: Charter
    inception: Inception
    signed: tuple[str, ...]  # the kinds signed this time; none: all of it stood already


def open_exchange(config: Config, node: NodeKeys, charter: Charter) -> Exchange:
    """The exchange over a data folder, not started; for whoever holds the folder's lock.

    Raises ConfigError where the stores are another federation's than the charter.
    """
    opened = stores.open_folder(config.data_folder)
    try:
        _check_bound(config, opened, charter)
        if ledger.read_meta(opened.ledger, "store_id") is None:
            ledger.write_meta(opened.ledger, "store_id", secrets.token_bytes(STORE_ID_BYTES))  # noqa: TID251 - custody
            opened.commit("ledger")
        journal = FileJournal(config.data_folder / folder.JOURNAL)
        erasures = FileErasures(config.data_folder / FILE, charter.federation_id)
    except BaseException:
        opened.close()
        raise
    author = Author(
        feed_id=keys.feed_id(charter.federation_id, node.member_id, bytes(node.feed_key.verify_key)),
        key=node.feed_key,
        reader=Reader(node.member_id, (node.kem_key,), box.Hpke()),
        randomness=secrets.token_bytes,  # noqa: TID251 - custody has real randomness
        journal=journal,
    )
    return Exchange(opened, trusts.begin(charter), author, erasures, follow_all=config.lists_follow == "all")


def _check_bound(config: Config, opened: Stores, charter: Charter) -> None:
    bound = ledger.read_meta(opened.ledger, "federation_id")
    if bound not in (None, charter.federation_id):
        raise ConfigError(
            f"the stores in {config.data_folder} are those of another federation than {charter.name}",
            next_step=f"Restore {folder.CHARTER}, or use the folder they belong to.",
        )


def close_exchange(exchange: Exchange) -> None:
    """Close the stores and the journal."""
    exchange.stores.close()
    if isinstance(exchange.author.journal, FileJournal):
        exchange.author.journal.close()
    if isinstance(exchange.erasures, FileErasures):
        exchange.erasures.close()


def has_charter(config: Config) -> bool:
    """Whether this folder is of a federation, be the join complete or not."""
    return (config.data_folder / folder.CHARTER).exists()


def read_charter(config: Config) -> Charter:
    """The charter this folder joined; raises ConfigError where it joined none."""
    path = config.data_folder / folder.CHARTER
    if not has_charter(config):
        raise ConfigError(
            f"{config.folder} has not joined a federation",
            next_step="Run `tocsin join CHARTER` with the file you were sent.",
        )
    return charters.read(path)[1]


def is_complete(exchange: Exchange) -> bool:
    """Whether our log certifies our feed and the feed is open: nothing is left for a join to do."""
    feed_id = exchange.author.feed_id
    return feed_id in exchange.trust.feeds and ledger.head(exchange.stores.ledger, feed_id) is not None


def join(config: Config, charter_file: bytes, unlock: Unlock, now_ms: int, source: str = "the charter file") -> Joined:
    """Join the federation of a charter file, or finish a join that was interrupted.

    Raises Refused where the member is not in the charter or the folder is another federation's.
    """
    node = folder.read_keys(config.data_folder)
    _, charter, _ = charters.decode(charter_file, source)
    inception = _founder(charter, node)
    with files.locked(config.data_folder):
        _require_same_federation(config.data_folder / folder.CHARTER, charter)
        exchange = open_exchange(config, node, charter)
        try:
            exchange.start(now_ms)
            _take_signed(exchange, now_ms)
            signed = _sign_log(config, exchange, node, inception, charter_file, unlock, now_ms)
            signed += _open_feed(exchange, node, now_ms)
            # Also where nothing had to be signed: the file may have newer cards, or be gone.
            _bind(config, exchange, charter_file)
        finally:
            close_exchange(exchange)
    return Joined(charter, inception, tuple(kind.name.lower() for kind in signed))


def _founder(charter: Charter, node: NodeKeys) -> Inception:
    inception = charter.founder(node.member_id)
    if inception is None:
        names = ", ".join(founder.name for founder in charter.founders)
        raise Refused(
            f"this member, {keys.fingerprint(node.member_id)}, is not in the charter of {charter.name} ({names})",
            next_step="Send your card to whoever writes the charter. If it is in there by name, it is an older card.",
            field="charter",
        )
    return inception


def _require_same_federation(path: Path, charter: Charter) -> None:
    if not path.exists():
        return
    held = charters.read(path)[1]
    if held.federation_id != charter.federation_id:
        raise Refused(
            f"this folder belongs to {held.name} (federation {held.federation_id.hex()[:16]}) "
            f"and cannot join {charter.name} (federation {charter.federation_id.hex()[:16]}) too",
            next_step="One folder is for one federation: make another one with `tocsin init --folder`.",
            field="charter",
        )


def _take_signed(exchange: Exchange, now_ms: int) -> None:
    """Take in what the journal has of our identity log, then again what stands behind it."""
    member_id, federation_id = exchange.reader.member_id, exchange.trust.federation_id
    own = [
        header_pb2.SignedEntry(header=body, signature=signature)
        for body, signature in exchange.author.journal.lines()
        if entry.decode(body, signature, federation_id).header.feed_id == identity.log_id(member_id)
    ]
    _admit(exchange, own, now_ms)
    if own:
        exchange.start(now_ms)  # the node's own feed could not come in before the log that certifies it


def _admit(exchange: Exchange, letters: list[header_pb2.SignedEntry], now_ms: int) -> None:
    checked = exchange.verify(letters)
    if checked.fault is not None:
        raise ConfigError(
            f"the sign journal does not fit the charter: {checked.fault.reason}",
            next_step="It was made under another charter or changed. Set this node up anew in another folder.",
        ) from checked.fault
    exchange.admit(checked, now_ms)


def _sign_log(
    config: Config,
    exchange: Exchange,
    node: NodeKeys,
    inception: Inception,
    charter_file: bytes,
    unlock: Unlock,
    now_ms: int,
) -> list[Kind]:
    """Have the root sign what its log still lacks: the acceptance, and this node."""
    missing = _missing(exchange, node, inception)
    if not missing:
        return []
    root = unlock(inception)
    log = exchange.trust.logs.get(node.member_id)
    if bytes(root.verify_key) != (log.identity.root_key if log else inception.root_key):
        raise Refused(
            f"this is not the root key of {inception.name}, {keys.fingerprint(node.member_id)}",
            next_step="Name the root key that was made with this folder: --root-key.",
            field="root_key",
        )
    # From here on the folder is this federation's: what is signed must not lie beside another charter.
    _bind(config, exchange, charter_file)
    head = log.head if log else None
    made: list[Entry] = []
    for kind, statement in missing:
        fields = header_pb2.Header(
            feed_id=identity.log_id(node.member_id),
            seq=head.seq + 1 if head else 1,
            previous=head.hash if head else b"",
            created_ms=now_ms,
            urgency=NORMAL,
            kind=kind,
            statement=statement,
        )
        signed = entry.create(fields, root, exchange.trust.federation_id)
        head = chain.head_of(signed.header)
        made.append(signed)
    exchange.author.journal.append([(one.header.body, one.signature) for one in made])
    _admit(exchange, [header_pb2.SignedEntry(header=one.header.body, signature=one.signature) for one in made], now_ms)
    return [kind for kind, _ in missing]


def _missing(exchange: Exchange, node: NodeKeys, inception: Inception) -> list[tuple[Kind, bytes]]:
    accept = header_pb2.Accept(inception=inception.body, inception_signature=inception.signature)
    certified = header_pb2.Node(
        node_id=node.node_id,
        feed_key=bytes(node.feed_key.verify_key),
        kem_key=node.kem_public,
        tls_issuer=node.issuer.der,
    )
    missing = []
    if node.member_id not in exchange.trust.logs:
        missing.append((Kind.ACCEPT, accept.SerializeToString(deterministic=True)))
    if exchange.author.feed_id not in exchange.trust.feeds:
        missing.append((Kind.NODE, certified.SerializeToString(deterministic=True)))
    return missing


def _open_feed(exchange: Exchange, node: NodeKeys, now_ms: int) -> list[Kind]:
    if is_complete(exchange):
        return []
    opened = header_pb2.Open(member_id=node.member_id, feed_key=bytes(node.feed_key.verify_key))
    exchange.publish([Draft(Kind.OPEN, statement=opened.SerializeToString(deterministic=True))], now_ms)
    while exchange.project():
        pass
    return [Kind.OPEN]


def _bind(config: Config, exchange: Exchange, charter_file: bytes) -> None:
    """Make the folder this federation's, for good."""
    files.replace_secret(config.data_folder / folder.CHARTER, charter_file)
    ledger.write_meta(exchange.stores.ledger, "federation_id", exchange.trust.federation_id)
    exchange.stores.commit("ledger")
