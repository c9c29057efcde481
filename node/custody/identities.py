"""A member's own identity log: what its root signs behind it."""

from collections.abc import Sequence

from nacl.signing import SigningKey

from node.custody.folder import NodeKeys
from node.errors import ConfigError, Refused
from node.exchange import rooted
from node.exchange.exchange import Exchange
from node.exchange.trust import Log, Trust
from node.feed import chain, entry, identity, keys
from node.feed.chain import Head
from node.feed.entry import Entry
from node.feed.header import NORMAL
from node.feed.identity import Identity
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.feed.pae import FederationId
from node.v1 import header_pb2

Act = tuple[Kind, bytes]  # what is to be signed: a kind and its statement


def append(exchange: Exchange, root: SigningKey, acts: Sequence[Act], now_ms: int) -> list[Entry]:
    """Have the root sign these at the end of its log; durable when it returns.

    Raises Refused for a key that may not sign them, before anything is kept.
    """
    log_id, log = identity.log_id(exchange.reader.member_id), exchange.trust.logs.get(exchange.reader.member_id)
    made = chained(log_id, log.head if log else None, acts, root, exchange.trust.federation_id, now_ms)
    rooted.keep(exchange, made, now_ms)
    return made


def chained(
    feed_id: FeedId,
    head: Head | None,
    acts: Sequence[Act],
    key: SigningKey,
    federation_id: FederationId,
    now_ms: int,
) -> list[Entry]:
    """Statements signed one behind the other; kept by nobody yet."""
    made: list[Entry] = []
    for act in acts:
        made.append(entry.create(fields(feed_id, head, act, now_ms), key, federation_id))
        head = chain.head_of(made[-1].header)
    return made


def fields(feed_id: FeedId, head: Head | None, act: Act, now_ms: int) -> header_pb2.Header:
    """A header behind this head, to be signed."""
    kind, statement = act
    return header_pb2.Header(
        feed_id=feed_id,
        seq=head.seq + 1 if head else 1,
        previous=head.hash if head else b"",
        created_ms=now_ms,
        urgency=NORMAL,
        kind=kind,
        statement=statement,
    )


def certify(node: NodeKeys) -> Act:
    """What lets a node in: its keys."""
    certified = header_pb2.Node(
        node_id=node.node_id,
        feed_key=bytes(node.feed_key.verify_key),
        kem_key=node.kem_public,
        tls_issuer=node.certified_issuer.der,
    )
    return Kind.NODE, certified.SerializeToString(deterministic=True)


def own(trust: Trust, member_id: MemberId) -> Log:
    """This member's log as far as it is here; raises ConfigError where it never began."""
    log = trust.logs.get(member_id)
    if log is None:
        raise ConfigError(
            f"the identity log of {keys.fingerprint(member_id)} is not in this folder",
            next_step="Finish `tocsin join` first, or restore a backup that has it.",
        )
    return log


def require_root(identity_: Identity, root: SigningKey) -> None:
    """Raise Refused for another key than the root in force."""
    if bytes(root.verify_key) != identity_.root_key:
        raise Refused(
            f"this is not the root key in force of {identity_.inception.name}, {keys.fingerprint(identity_.member_id)}",
            next_step="Name the file of the present root key: --root-key.",
            field="root_key",
        )
