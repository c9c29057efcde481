"""Cards: what a member hands over, made anew, by whichever root key is in force."""

from pathlib import Path

from nacl.signing import SigningKey

from node.config import Config
from node.custody import files, folder, identities, looking
from node.custody.ceremonies import Unlock
from node.custody.folder import NodeKeys
from node.errors import Refused
from node.exchange.trust import Log
from node.feed import entry, identity
from node.feed.identity import CARD_ROTATIONS_MAX
from node.feed.pae import FederationId
from node.store import ledger
from node.store.stores import Stores


def write(config: Config, unlock: Unlock, path: Path) -> None:
    """Write this node's card, with the issuer that it shows; the node may run."""
    node = folder.read_node_keys(config.data_folder, SigningKey.generate())  # its feed key is on no card
    with looking.into(config) as (opened, trust):
        log = identities.own(trust, node.member_id)
        made = create(config, opened, log, node, unlock(log.identity), trust.federation_id)
    files.create_public(path, made)


def create(
    config: Config, opened: Stores, log: Log, node: NodeKeys, root: SigningKey, federation_id: FederationId
) -> bytes:
    """A card file; raises Refused for another key than the root in force, and for too many rotations."""
    identities.require_root(log.identity, root)
    if len(log.identity.rotations) > CARD_ROTATIONS_MAX:
        raise Refused(f"the root key was rotated more than {CARD_ROTATIONS_MAX} times: no card proves that")
    rows = [
        row
        for one in log.identity.rotations
        for row in ledger.span(opened.ledger, log.head.feed_id, one.seq, one.seq, 1)
    ]
    rotations = [entry.decode(row.body, row.signature, federation_id) for row in rows]
    return identity.create_card(
        log.identity.inception,
        node.issuer.der,
        config.peers_address,
        root,
        rotations,
        federation_id if rotations else None,
    )
