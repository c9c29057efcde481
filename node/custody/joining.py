"""Joining: the member's identity log begins under a charter, and its node's feed with it.

Whatever a crash or a lost ledger undoes, a repeated join takes in again what was signed once; a
second acceptance with other bytes would be a fork that every member can prove.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import SigningKey

from node.config import Config
from node.custody import charters, files, folder, host, identities, policies, renewal
from node.custody.folder import NodeKeys
from node.custody.identities import Act
from node.custody.invites import Invite
from node.errors import ConfigError, Refused
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Author, Draft
from node.exchange.verified import Reader
from node.feed import box, keys
from node.feed.charter import Charter
from node.feed.identity import Inception
from node.feed.keys import MemberId
from node.feed.kinds import Kind
from node.store import ledger, peers, stores
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
        policy = policies.load(config.data_folder, opened, charter, node.member_id)
        erasures = FileErasures(config.data_folder / FILE, charter.federation_id)
    except BaseException:
        opened.close()
        raise
    author = Author(
        feed_id=keys.feed_id(charter.federation_id, node.member_id, bytes(node.feed_key.verify_key)),
        key=node.feed_key,
        reader=Reader(node.member_id, (node.kem_key, *node.former_kem_keys), box.Hpke(), node_id=node.node_id),
        randomness=secrets.token_bytes,  # noqa: TID251 - custody has real randomness
        journal=journal,
        former=node.former_feeds,
        in_place=host.is_unchanged(config.data_folder),
    )
    return Exchange(
        opened,
        trusts.begin(charter),
        author,
        erasures,
        follow_all=config.lists_follow == "all",
        policy=policy,
    )


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
    _, charter, _ = charters.decode(charter_file, source)
    inception = _founder(charter, folder.read_member(config.data_folder))
    return _join(config, charter, inception, charter_file, unlock, now_ms)


def join_invited(config: Config, invite: Invite, unlock: Unlock, now_ms: int) -> Joined:
    """Join as a candidate, with the sponsor as the first peer, or finish such a join.

    Raises Refused where the invite is for another member or the folder is another federation's.
    """
    member_id, candidate = folder.read_member(config.data_folder), invite.candidate
    if candidate.member_id != member_id:
        raise Refused(
            f"the invite is for {candidate.name}, {keys.fingerprint(MemberId(candidate.member_id))}, "
            f"and this folder is of {keys.fingerprint(member_id)}",
            next_step="Name the folder whose card was endorsed: --folder.",
            field="invite",
        )
    return _join(config, invite.charter, candidate, invite.charter_file, unlock, now_ms, invite)


def _join(
    config: Config,
    charter: Charter,
    inception: Inception,
    charter_file: bytes,
    unlock: Unlock,
    now_ms: int,
    invite: Invite | None = None,
) -> Joined:
    with renewal.held(config.data_folder):
        node = folder.read_keys(config.data_folder)
        _require_same_federation(config.data_folder / folder.CHARTER, charter)
        exchange = open_exchange(config, node, charter)
        try:
            exchange.start(now_ms)
            if invite is not None:
                _take_in(exchange, invite, now_ms)
            signed = _sign_log(config, exchange, node, inception, charter_file, unlock, now_ms)
            signed += _open_feed(exchange, node, now_ms)
            # Also where nothing had to be signed: the file may have newer cards, or be gone.
            _bind(config, exchange, charter_file)
            if invite is not None:
                _keep_sponsor(exchange, invite, now_ms)
        finally:
            close_exchange(exchange)
    return Joined(charter, inception, tuple(kind.name.lower() for kind in signed))


def _founder(charter: Charter, member_id: MemberId) -> Inception:
    inception = charter.founder(member_id)
    if inception is None:
        names = ", ".join(founder.name for founder in charter.founders)
        raise Refused(
            f"this member, {keys.fingerprint(member_id)}, is not in the charter of {charter.name} ({names})",
            next_step="Send your card to a member: it endorses it, and sends back an invite. If you are in the charter "
            "by name, that is an older card.",
            field="charter",
        )
    return inception


def _take_in(exchange: Exchange, invite: Invite, now_ms: int) -> None:
    """What shows that this member is a candidate, by the one door in; then what its journal has, if it has any."""
    while (checked := exchange.verify(exchange.unseen(invite.entries))).entries:
        if not exchange.admit(checked, now_ms).entries:
            break  # kept ahead already as much as there is room for
    if exchange.reader.member_id not in exchange.trust.logs:
        exchange.start(now_ms)


def _keep_sponsor(exchange: Exchange, invite: Invite, now_ms: int) -> None:
    """Its administrator has heard the sponsor's fingerprint; a later decision about it stands."""
    sponsor = invite.peer(now_ms)
    if all(one.member_id != sponsor.member_id for one in peers.every(exchange.stores.ledger)):
        exchange.keep_peers([sponsor])


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
    identities.append(exchange, root, missing, now_ms)
    return [kind for kind, _ in missing]


def _missing(exchange: Exchange, node: NodeKeys, inception: Inception) -> list[Act]:
    accept = header_pb2.Accept(inception=inception.body, inception_signature=inception.signature)
    missing: list[Act] = []
    if node.member_id not in exchange.trust.logs:
        missing.append((Kind.ACCEPT, accept.SerializeToString(deterministic=True)))
    if exchange.author.feed_id not in exchange.trust.feeds:
        missing.append(identities.certify(node))
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
