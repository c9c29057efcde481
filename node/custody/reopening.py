"""A feed opened anew: a node never goes on signing where it may have signed already, it begins again.

The node gets fresh keys; what lets them in is signed by a spare, or by the root. The feeds it had are
ended by the new one, once it has heard from its peers how far they go (exchange/succession.py).
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from nacl.signing import SigningKey

from node.config import Config
from node.custody import auditing, folder, identities, joining, renewal
from node.custody.folder import NodeKeys
from node.custody.issuer import Issuer
from node.custody.spares import Spare
from node.errors import ConfigError, Refused
from node.exchange import ingest, rooted, succession, verification
from node.exchange import trust as trusts
from node.exchange.feeds import Feed
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import box, entry, identity, keys, statements
from node.feed.charter import Charter
from node.feed.entry import Entry
from node.feed.identity import Identity
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.pae import Purpose
from node.feed.statements import Open
from node.store import ledger, stores
from node.store.journal import Signed
from node.store.ledger import Row
from node.store.stores import Stores
from node.v1 import header_pb2


@dataclass(frozen=True, slots=True)
class Former:
    """A feed of this node that has not ended, and the highest entry of it that is known here."""

    feed_id: FeedId
    seq: int


@contextmanager
def governed(config: Config, charter: Charter) -> Iterator[tuple[Stores, Trust]]:
    """What a folder's ledger says, whoever signed there; for whoever holds the folder."""
    opened = stores.open_folder(config.data_folder)
    try:
        yield opened, ingest.load(opened, trusts.begin(charter))
    finally:
        opened.close()


def settle(config: Config, now_ms: int) -> None:
    """Take into the ledger what was signed here and had not got there. For whoever holds the folder."""
    exchange = joining.open_exchange(config, folder.read_keys(config.data_folder), joining.read_charter(config))
    try:
        exchange.start(now_ms)
    finally:
        joining.close_exchange(exchange)


def settle_if_whole(config: Config, now_ms: int) -> None:
    """The same where what signed here can still be read: for a feed that is given up anyway."""
    try:
        settle(config, now_ms)
    except (ConfigError, OSError):
        return


def fresh_keys(node: NodeKeys, *, issuer: Issuer | None = None) -> NodeKeys:
    """New feed and KEM keys for a node; what was sealed to it stays readable. ``issuer``: its next one."""
    return replace(
        node,
        feed_key=SigningKey.generate(),
        kem_key=secrets.token_bytes(folder.KEY_BYTES),  # noqa: TID251 - custody has real randomness
        former_kem_keys=(*node.former_kem_keys, node.kem_key),
        next_issuer=issuer or node.next_issuer,
    )


def former_feeds(opened: Stores, trust: Trust, node: NodeKeys) -> list[Former]:
    """The feeds that this node had, and that nothing has ended yet."""
    found = sorted(feed_id for feed_id, feed in trust.feeds.items() if _is_of(feed, node))
    places = [(feed_id, succession.highest(opened, trust, feed_id)) for feed_id in found]
    return [
        Former(feed_id, place[0] if place else 0)
        for feed_id, place in places
        if not succession.is_ended(trust.marks, feed_id)
    ]


def log_entries(config: Config) -> int:
    """How long the own log is here."""
    with renewal.held(config.data_folder), governed(config, joining.read_charter(config)) as (_, trust):
        return identities.own(trust, folder.read_member(config.data_folder)).head.seq


def _is_of(feed: Feed, node: NodeKeys) -> bool:
    return (feed.member_id, feed.certificate.node_id) == (node.member_id, node.node_id)


def reopen(config: Config, spare: Spare, now_ms: int) -> None:
    """Open a feed anew with a spare, or finish an earlier call that was interrupted."""
    with renewal.held(config.data_folder):
        settle_if_whole(config, now_ms)
        if not _is_through(config, spare):
            node = folder.read_node_keys(config.data_folder, SigningKey.generate())
            open_by_spare(config, fresh_keys(node), spare, now_ms)
            # Whoever is told that a copy of its feed runs has run on an old copy since it started.
            federation_id = joining.read_charter(config).federation_id
            auditing.resume(config.data_folder, federation_id, now_ms, "feed opened anew", since_start=True)
            auditing.note_keys(config, federation_id, now_ms, "reopen", f"spare:{spare.public.hex()}")


def _is_through(config: Config, spare: Spare) -> bool:
    """Whether the feed that is signed here was opened by this spare, and nothing was said in it."""
    charter = joining.read_charter(config)
    try:
        node = folder.read_keys(config.data_folder)
    except ConfigError:
        return False
    feed_id = keys.feed_id(charter.federation_id, node.member_id, bytes(node.feed_key.verify_key))
    with governed(config, charter) as (opened, trust):
        rows = ledger.span(opened.ledger, feed_id, 1, 2, 2)
        return len(rows) == 1 and _spare_of(rows[0], trust) == spare.public


def prospect(config: Config, now_ms: int) -> list[Former]:
    """What opening a feed anew would end, without doing it. Raises ConfigError while the folder is in use."""
    charter = joining.read_charter(config)
    with renewal.held(config.data_folder):
        settle_if_whole(config, now_ms)
        with governed(config, charter) as (opened, trust):
            node = folder.read_node_keys(config.data_folder, SigningKey.generate())
            return former_feeds(opened, trust, node)


def open_by_spare(config: Config, fresh: NodeKeys, spare: Spare, now_ms: int) -> None:
    """Open a feed anew with keys that a spare lets in, which is used up by it. For whoever holds the folder.

    Raises Refused for a spare of another member, one the root did not certify, and one that was used.
    """
    charter = joining.read_charter(config)
    with governed(config, charter) as (opened, trust):
        require_usable(opened, trust, fresh.member_id, spare)
    message = Open(
        member_id=fresh.member_id,
        feed_key=bytes(fresh.feed_key.verify_key),
        node_id=fresh.node_id,
        kem_key=fresh.kem_public,
        tls_issuer=fresh.certified_issuer.der,
    )
    signature = keys.sign(spare.key, Purpose.SPARE, charter.federation_id, identity.spare_message(message))
    opening = header_pb2.Open(
        member_id=message.member_id,
        feed_key=message.feed_key,
        node_id=message.node_id,
        kem_key=message.kem_key,
        tls_issuer=message.tls_issuer,
        spare_key=spare.public,
        spare_signature=signature,
    )
    _take_over(config, charter, fresh, opening, [], now_ms)


def open_by_root(config: Config, fresh: NodeKeys, certified: Sequence[Entry], now_ms: int) -> None:
    """Open a feed anew with keys that the root has certified in these entries. For whoever holds the folder."""
    opening = header_pb2.Open(member_id=fresh.member_id, feed_key=bytes(fresh.feed_key.verify_key))
    _take_over(config, joining.read_charter(config), fresh, opening, certified, now_ms)


def require_usable(opened: Stores, trust: Trust, member_id: MemberId, spare: Spare) -> None:
    """Raise Refused unless this spare may open a feed of this member."""
    log = identities.own(trust, member_id)
    if spare.member_id != member_id:
        raise Refused(
            f"this spare is of {keys.fingerprint(spare.member_id)}, and this folder of {keys.fingerprint(member_id)}",
            next_step="Name a spare of this member.",
            field="spare",
        )
    if spare.public not in log.identity.spares:
        raise Refused(
            "the root did not certify this spare, as far as this folder's identity log goes",
            next_step="Name another spare, or restore a backup that was made after `tocsin key spare`.",
            field="spare",
        )
    if spare.public in used_spares(opened, trust):
        raise Refused(
            "this spare opened a feed already, and opens no second one",
            next_step="Destroy its file and name another; `tocsin key show` says how many are left.",
            field="spare",
        )


def used_spares(opened: Stores, trust: Trust) -> set[bytes]:
    """The spares that opened a feed, as far as is known here."""
    return {spare for row in ledger.statements(opened.ledger) if (spare := _spare_of(row, trust))}


def _spare_of(row: Row, trust: Trust) -> bytes:
    """The spare that an entry opens a feed with; empty: none."""
    read = statements.read(entry.decode(row.body, row.signature, trust.federation_id).header)
    return read.statement.spare_key if read is not None and isinstance(read.statement, Open) else b""


def spares_left(opened: Stores, trust: Trust, log: Identity) -> int:
    """How many spares the root certified that opened no feed yet."""
    return len(set(log.spares) - used_spares(opened, trust))


def _take_over(
    config: Config,
    charter: Charter,
    fresh: NodeKeys,
    opening: header_pb2.Open,
    certified: Sequence[Entry],
    now_ms: int,
) -> None:
    feed_id = keys.feed_id(charter.federation_id, fresh.member_id, bytes(fresh.feed_key.verify_key))
    act = Kind.OPEN, opening.SerializeToString(deterministic=True)
    with governed(config, charter) as (opened, trust):
        opened_entries = identities.chained(feed_id, None, [act], fresh.feed_key, charter.federation_id, now_ms)
        rooted.require_next(identities.own(trust, fresh.member_id), certified)
        made = [*certified, *opened_entries]
        reader = Reader(fresh.member_id, (), box.Hpke())
        rooted.require_whole(verification.verify(rooted.letters(made), trust, reader), made)
        former = former_feeds(opened, trust, fresh)
        lines = [*_log_lines(opened, trust, fresh.member_id), *((one.header.body, one.signature) for one in made)]
    fresh = replace(fresh, former_feeds=tuple(one.feed_id for one in former))
    renewal.renew(config.data_folder, fresh, lines, _journal_name(config, charter, fresh.member_id, now_ms))
    settle(config, now_ms)


def _log_lines(opened: Stores, trust: Trust, member_id: MemberId) -> list[Signed]:
    """All of the own log: the new journal is as good as the old one to come back from a lost ledger."""
    head = identities.own(trust, member_id).head
    return [
        (row.body, row.signature)
        for row in ledger.span(opened.ledger, identity.log_id(member_id), 1, head.seq, head.seq)
    ]


def _journal_name(config: Config, charter: Charter, member_id: MemberId, now_ms: int) -> str:
    """Under which what was signed so far is kept: its feed, where that is still known."""
    try:
        key = folder.read_keys(config.data_folder).feed_key
    except ConfigError:
        return str(now_ms)
    return keys.feed_id(charter.federation_id, member_id, bytes(key.verify_key)).hex()
