"""Ceremonies: what only the root may say of its member, signed here or on a machine without a network.

Each is a list of acts, and with fresh keys of the node where it certifies some. Where the root key is
elsewhere, the acts travel in a file (custody/requests.py), and the keys wait in the folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nacl.signing import SigningKey

from node.config import Config
from node.custody import auditing, folder, identities, issuer, joining, looking, renewal, reopening
from node.custody.folder import NodeKeys
from node.custody.identities import Act
from node.custody.spares import Spare
from node.errors import Refused
from node.exchange import rooted, succession
from node.exchange.trust import Log, Trust
from node.feed import entry, identity, keys, kinds
from node.feed.chain import Head
from node.feed.entry import Entry
from node.feed.identity import Identity
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.store import journal, ledger
from node.store.stores import Stores
from node.v1 import header_pb2

SPARES_MAX = 8  # of one SPARE entry

Unlock = Callable[[Identity], SigningKey]  # asked for the key when it is known whose


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What the root is to sign, and the node's keys that it lets in by that, if it does."""

    acts: tuple[Act, ...]
    fresh: NodeKeys | None = None


def carry_out(config: Config, ceremony: Ceremony, unlock: Unlock, now_ms: int) -> None:
    """Have the root sign it here, and put it in force. Raises Refused for another key than the root's."""
    charter = joining.read_charter(config)
    with renewal.held(config.data_folder):
        reopening.settle_if_whole(config, now_ms)
        with reopening.governed(config, charter) as (_, trust):
            log = identities.own(trust, folder.read_member(config.data_folder))
        made = sign(log, ceremony.acts, unlock(log.identity), charter.federation_id, now_ms)
        _enforce(config, made, ceremony.fresh, now_ms)


def sign(log: Log, acts: Sequence[Act], key: SigningKey, federation_id: FederationId, now_ms: int) -> list[Entry]:
    """The entries, signed; raises Refused for another key than the log wants."""
    if any(kind == Kind.ROTATE for kind, _ in acts):
        require_next_root(log.identity, bytes(key.verify_key))
    else:
        identities.require_root(log.identity, key)
    log_id = identity.log_id(log.identity.member_id)
    return identities.chained(log_id, log.head, acts, key, federation_id, now_ms)


def require_next_root(member: Identity, public: bytes) -> None:
    """Raise Refused unless this is the key that the log is committed to."""
    if identity.next_root_commitment(public) != member.next_root:
        raise Refused(
            f"this is not the next root key of {member.inception.name}: its log is committed to another",
            next_step="Name the file that was made as next-root.key with the present root key.",
            field="root_key",
        )


def take(config: Config, made: Sequence[Entry], now_ms: int) -> None:
    """Put in force what the root signed elsewhere; keys that it certified are those that wait in the folder."""
    with renewal.held(config.data_folder):
        reopening.settle_if_whole(config, now_ms)
        if _is_in_force(config, made):  # an earlier call that was interrupted at its end
            return
        certified = any(one.header.kind == Kind.NODE for one in made)
        fresh = renewal.read_proposed(config.data_folder) if certified else None
        _enforce(config, made, fresh, now_ms)


def _is_in_force(config: Config, made: Sequence[Entry]) -> bool:
    with reopening.governed(config, joining.read_charter(config)) as (opened, _):
        return len(ledger.held(opened.ledger, [one.header.hash for one in made])) == len(made)


def _enforce(config: Config, made: Sequence[Entry], fresh: NodeKeys | None, now_ms: int) -> None:
    _keep(config, made, fresh, now_ms)
    said = ", ".join(kinds.name(one.header.kind) for one in made)
    what = (f"entry:{one.header.hash.hex()}" for one in made)
    auditing.note_keys(config, joining.read_charter(config).federation_id, now_ms, f"root signs {said}", *what)


def _keep(config: Config, made: Sequence[Entry], fresh: NodeKeys | None, now_ms: int) -> None:
    if fresh is not None:
        reopening.open_by_root(config, fresh, made, now_ms)
        return
    exchange = joining.open_exchange(config, folder.read_keys(config.data_folder), joining.read_charter(config))
    try:
        exchange.start(now_ms)
        rooted.keep(exchange, made, now_ms)
    finally:
        joining.close_exchange(exchange)


# ---- Which there are


def rotate_node(config: Config) -> Ceremony:
    """Fresh feed and KEM keys; the present feed is ended by the new one."""
    return certify(reopening.fresh_keys(_node(config)))


def reopen(config: Config) -> Ceremony:
    """The same, whatever became of the folder that signed here."""
    with renewal.held(config.data_folder):
        node = folder.read_node_keys(config.data_folder, SigningKey.generate())
    return certify(reopening.fresh_keys(node))


def certify(fresh: NodeKeys, *more: Act) -> Ceremony:
    """Let in fresh keys of this node, and whatever is said with it."""
    return Ceremony((identities.certify(fresh), *more), fresh)


def rotate_tls(config: Config, now: datetime) -> Ceremony:
    """The same with a next TLS issuer, which is not shown before `tocsin key rotate tls --finish`."""
    return certify(reopening.fresh_keys(_node(config), issuer=issuer.create_issuer(now)))


def rotate_root(key: SigningKey, next_public: bytes) -> Ceremony:
    """The next root key takes over, and commits to the one after it."""
    rotated = header_pb2.Rotate(root_key=bytes(key.verify_key), next_root=identity.next_root_commitment(next_public))
    return Ceremony(((Kind.ROTATE, rotated.SerializeToString(deterministic=True)),))


def certify_spares(spares: Sequence[Spare]) -> Ceremony:
    """These may each open one feed."""
    joined = header_pb2.Spare(keys=b"".join(spare.public for spare in spares))
    return Ceremony(((Kind.SPARE, joined.SerializeToString(deterministic=True)),))


def make_spares(config: Config, count: int) -> list[Spare]:
    """So many new spares, certified by nobody yet."""
    if not 1 <= count <= SPARES_MAX:
        raise Refused(
            f"one entry certifies 1 to {SPARES_MAX} spares, not {count}", next_step="Make them in turns.", field="count"
        )
    node = _node(config)
    return [Spare(node.member_id, SigningKey.generate(), node.certified_issuer) for _ in range(count)]


def name_successor(member_id: MemberId) -> Ceremony:
    """Who goes on in this member's place."""
    named = header_pb2.Successor(member_id=member_id)
    return Ceremony(((Kind.SUCCESSOR, named.SerializeToString(deterministic=True)),))


def retire(config: Config, feed_id: FeedId | None, at: int | None) -> Ceremony:
    """End a feed of ours: what stands above the bound counts no more, with everyone.

    The present feed's bound is the last entry that was signed here, and the node gets fresh keys.
    Raises Refused where it is not known what stands at the bound.
    """
    charter = joining.read_charter(config)
    node = _node(config)
    own = keys.feed_id(charter.federation_id, node.member_id, bytes(node.feed_key.verify_key))
    feed_id = feed_id or own
    with renewal.held(config.data_folder), reopening.governed(config, charter) as (opened, trust):
        _require_ours(trust, node.member_id, feed_id)
        bound = _bound(config, opened, charter.federation_id, feed_id, at)
    ended = _retire(feed_id, bound)
    if feed_id != own:
        return Ceremony((ended,))
    return certify(reopening.fresh_keys(node), ended)


def leave(config: Config) -> Ceremony:
    """This member's part in the federation is over: its other feeds end as far as they are here, then this node's.

    The node may run: what it says meanwhile makes the leave be refused. Raises Refused for a member that has left.
    """
    charter, node = joining.read_charter(config), folder.read_keys(config.data_folder)
    own = keys.feed_id(charter.federation_id, node.member_id, bytes(node.feed_key.verify_key))
    with looking.into(config) as (opened, trust):
        identities.own(trust, node.member_id)
        _require_ours(trust, node.member_id, own)
        if trust.left_ms(node.member_id):
            raise Refused("this member has left already", next_step="`tocsin status` says when.")
        bound = _bound(config, opened, charter.federation_id, own, None)
        others = [
            (feed_id, ledger.head(opened.ledger, feed_id))
            for feed_id in trust.feeds_of(node.member_id)
            if feed_id != own and not succession.is_ended(trust.marks, feed_id)
        ]
    ended = [_retire(feed_id, head) for feed_id, head in others]
    last = header_pb2.Leave(feed_id=own)
    if bound is not None:
        last.seq, last.header_hash = bound.seq, bound.hash
    return Ceremony((*ended, (Kind.LEAVE, last.SerializeToString(deterministic=True))))


def _retire(feed_id: FeedId, bound: Head | None) -> Act:
    statement = header_pb2.Retire(feed_id=feed_id)
    if bound is not None:
        statement.seq, statement.header_hash = bound.seq, bound.hash
    return Kind.RETIRE, statement.SerializeToString(deterministic=True)


def finish_tls(config: Config, now_ms: int) -> None:
    """Show the next TLS issuer from now on. Raises Refused where there is none."""
    with renewal.held(config.data_folder):
        node = folder.read_keys(config.data_folder)
        if node.next_issuer is None:
            raise Refused("no next TLS issuer waits here", next_step="Begin with `tocsin key rotate tls`.")
        renewal.replace_issuer(config.data_folder, node)
        federation_id = joining.read_charter(config).federation_id
        auditing.note_keys(config, federation_id, now_ms, "key rotate tls --finish")


def _node(config: Config) -> NodeKeys:
    with renewal.held(config.data_folder):
        return folder.read_keys(config.data_folder)


def _require_ours(trust: Trust, member_id: MemberId, feed_id: FeedId) -> None:
    feed = trust.feeds.get(feed_id)
    if feed is None or feed.member_id != member_id:
        raise Refused(
            f"{feed_id.hex()[:16]} is no feed of this member",
            next_step="`tocsin key show` lists its feeds.",
            field="feed",
        )


def _bound(config: Config, opened: Stores, federation_id: FederationId, feed_id: FeedId, at: int | None) -> Head | None:
    """Where a feed ends: as asked for, or at the last entry of it that a journal here has."""
    signed = signed_here(config, federation_id, feed_id)
    if at == 0:
        return None
    if at is None:
        if not signed:
            raise Refused(
                "no journal in this folder says how far this feed was signed here",
                next_step="Say the last entry that is yours with --at SEQ; 0 is: nothing of it stands.",
                field="at",
            )
        at = max(signed)
    hash_ = signed.get(at) or ledger.hash_at(opened.ledger, feed_id, at)
    if hash_ is None:
        raise Refused(f"entry {at} of this feed is not here", next_step="Choose one that is.", field="at")
    return Head(feed_id, at, hash_)


def signed_here(config: Config, federation_id: FederationId, feed_id: FeedId) -> dict[int, HeaderHash]:
    """What the journals say was signed in a feed: the present one, and those that were kept."""
    data: Path = config.data_folder
    found = {}
    for path in (data / folder.JOURNAL, data / folder.FORMER_JOURNALS / feed_id.hex()):
        if path.exists():
            for body, signature in journal.read(path)[0]:
                header = entry.decode(body, signature, federation_id).header
                if header.feed_id == feed_id:
                    found[header.seq] = header.hash
    return found
