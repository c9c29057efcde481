"""The keys of a member as its log and its node's folder say; nothing secret."""

from dataclasses import dataclass

from node.config import Config
from node.custody import folder, identities, issuer, looking, member, reopening
from node.custody.folder import NodeKeys
from node.exchange.trust import Trust
from node.feed import entry, identity, keys
from node.feed.identity import Identity, NodeCertificate
from node.feed.keys import FeedId, MemberId
from node.feed.pae import FederationId
from node.store import ledger
from node.store.ledger import Row
from node.store.stores import Stores

SHOWN_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Key:
    """One key: what it is for, and what became of it."""

    use: str
    key: str
    since_ms: int
    place: str
    state: str


@dataclass(frozen=True, slots=True)
class Keyring:
    """All of them."""

    member_id: MemberId
    name: str
    log_entries: int
    spares: int
    spares_left: int
    keys: tuple[Key, ...]

    @property
    def fingerprint(self) -> str:
        """Of the member."""
        return keys.fingerprint(self.member_id)


def read(config: Config) -> Keyring:
    """Which keys there are; of a node that runs as well."""
    with looking.into(config) as (opened, trust):
        member_id = folder.read_member(config.data_folder)
        log = identities.own(trust, member_id)
        since = _since(opened, trust, member_id)
        rows = [_root(config, log.identity, since), *_feeds(config, opened, trust, member_id)]
        return Keyring(
            member_id,
            log.identity.inception.name,
            log.head.seq,
            len(log.identity.spares),
            reopening.spares_left(opened, trust, log.identity),
            (*rows, *_local(config)),
        )


def feeds(config: Config) -> list[FeedId]:
    """The feeds of this member."""
    with looking.into(config) as (_, trust):
        return trust.feeds_of(folder.read_member(config.data_folder))


def members(config: Config) -> list[MemberId]:
    """The members that are known here."""
    with looking.into(config) as (_, trust):
        return sorted(trust.logs)


def _root(config: Config, log: Identity, since: dict[int, int]) -> Key:
    lying = [name for name in (member.ROOT_KEY, member.NEXT_ROOT_KEY) if (config.folder / name).exists()]
    last = log.rotations[-1].seq if log.rotations else 1
    place = f"{', '.join(lying)} in {config.folder}: move it away" if lying else "offline"
    return Key("root", log.root_key.hex()[:SHOWN_DIGITS], since.get(last, 0), place, "in force")


def _since(opened: Stores, trust: Trust, member_id: MemberId) -> dict[int, int]:
    """When each entry of the log was signed."""
    head = identities.own(trust, member_id).head
    rows = ledger.span(opened.ledger, identity.log_id(member_id), 1, head.seq, head.seq)
    return {row.seq: _created_ms(row, trust.federation_id) for row in rows}


def _created_ms(row: Row, federation_id: FederationId) -> int:
    return entry.decode(row.body, row.signature, federation_id).header.created_ms


def _feeds(config: Config, opened: Stores, trust: Trust, member_id: MemberId) -> list[Key]:
    node = folder.read_keys(config.data_folder)
    own = keys.feed_id(trust.federation_id, member_id, bytes(node.feed_key.verify_key))
    found = [feed.certificate for feed in trust.feeds.values() if feed.member_id == member_id]
    return [_feed(opened, trust, one, own, node) for one in found]


def _feed(opened: Stores, trust: Trust, one: NodeCertificate, own: FeedId, node: NodeKeys) -> Key:
    first = ledger.span(opened.ledger, one.feed_id, 1, 1, 1)
    since_ms = _created_ms(first[0], trust.federation_id) if first else 0
    ends = [bound.seq for bound in trust.marks.ends if bound.feed_id == one.feed_id]
    head = ledger.head(opened.ledger, one.feed_id)
    state = f"ended at {min(ends)}" if ends else f"open, {head.seq if head else 0} entries"
    ours = "this node" if one.feed_id == own else "this node before" if one.node_id == node.node_id else "another node"
    if ours == "this node before" and not ends:
        state += ": ended when the node has heard its peers"
    return Key("feed", one.feed_id.hex()[:SHOWN_DIGITS], since_ms, ours, state)


def _local(config: Config) -> list[Key]:
    node = folder.read_keys(config.data_folder)
    rows = [("TLS issuer", node.issuer), ("next TLS issuer", node.next_issuer), ("tools issuer", node.tools)]
    place = str(config.data_folder / "node")
    made = [Key("KEM", node.kem_public.hex()[:SHOWN_DIGITS], 0, place, "in use")]
    made += [
        Key("KEM", folder.exchange_public(former).hex()[:SHOWN_DIGITS], 0, place, "reads what was sealed to it")
        for former in node.former_kem_keys
    ]
    return made + [_issuer(use, found, place) for use, found in rows if found is not None]


def _issuer(use: str, found: issuer.Issuer, place: str) -> Key:
    begins = int(found.certificate.not_valid_before_utc.timestamp() * 1000)
    ends = f"until {found.certificate.not_valid_after_utc:%Y-%m-%d}"
    name = found.certificate.subject.rfc4514_string().partition("=")[2]
    return Key(use, name, begins, place, ends)
