"""Settling a fork: the root names the branch of a feed that stands, and ends the feed there."""

from dataclasses import dataclass

from node.config import Config
from node.custody import ceremonies, folder, joining, renewal, reopening
from node.custody.ceremonies import Ceremony
from node.errors import Refused
from node.exchange import branches, forks
from node.exchange.trust import Trust
from node.feed import keys, kinds
from node.feed.entry import Entry
from node.feed.header import Header
from node.feed.keys import FeedId, HeaderHash
from node.feed.kinds import Kind
from node.store import ledger
from node.store.stores import Stores
from node.v1 import header_pb2

MINE = branches.MINE
SHOWN_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the root is to sign about a fork, and what it will do, in words."""

    ceremony: Ceremony
    consequences: tuple[str, ...]


def settle(config: Config, feed: str, branch: str, *, retire: bool) -> Settlement:
    """Name a branch of a feed of ours; raises Refused where there is none such.

    With ``retire`` the feed ends at the last entry of that branch that is here; the feed that this
    node signs in is then followed by a new one, with fresh keys.
    """
    charter = joining.read_charter(config)
    with renewal.held(config.data_folder):
        node = folder.read_keys(config.data_folder)
        own = keys.feed_id(charter.federation_id, node.member_id, bytes(node.feed_key.verify_key))
        with reopening.governed(config, charter) as (opened, trust):
            feed_id = _feed(trust, node, own, feed)
            pair = _pair(opened, trust, feed_id)
            signed = ceremonies.signed_here(config, charter.federation_id, feed_id)
            named = _named(pair, signed, branch)
            last = branches.last_of(opened, trust, named)
    settled = header_pb2.Settle(feed_id=feed_id, seq=named.seq, header_hash=named.hash)
    acts = [(Kind.SETTLE, settled.SerializeToString(deterministic=True))]
    what = f"{kinds.name(named.kind)} {named.hash.hex()[:SHOWN_DIGITS]} at entry {named.seq}"
    words = [f"At the peers: {what} and what follows it stands; the other branch is kept, and shown as superseded."]
    if not retire:
        return Settlement(Ceremony(tuple(acts)), (*words, "Whoever has its key can fork it again: retire it soon."))
    seq, hash_ = max([(last.seq, last.hash), *_signed_above(signed, last, named)])
    ended = header_pb2.Retire(feed_id=feed_id, seq=seq, header_hash=hash_)
    acts.append((Kind.RETIRE, ended.SerializeToString(deterministic=True)))
    words.append(
        f"The feed ends at entry {seq}, the last of that branch that is here: nothing above it counts. If there is more"
        " of it elsewhere, settle with --no-retire, run the node until it came, and retire the feed then."
    )
    if feed_id != own:
        return Settlement(Ceremony(tuple(acts)), tuple(words))
    words.append("This node gets fresh keys and goes on in a new feed.")
    return Settlement(ceremonies.certify(reopening.fresh_keys(node), *acts), tuple(words))


def _feed(trust: Trust, node: folder.NodeKeys, own: FeedId, typed: str) -> FeedId:
    """The feed of ours that is meant."""
    ours = trust.feeds_of(node.member_id)
    found = [own] if typed == MINE else [feed_id for feed_id in ours if feed_id.hex().startswith(typed.lower())]
    if len(found) != 1:
        raise Refused(
            f"{typed} names {'several feeds' if found else 'no feed'} of this member: only its own root settles a fork",
            next_step="`tocsin fork list` shows the feeds that forked: type as much of an id as tells them apart.",
            field="feed",
        )
    return found[0]


def _pair(opened: Stores, trust: Trust, feed_id: FeedId) -> tuple[Entry, Entry]:
    """The two entries that prove the fork."""
    row = ledger.fork(opened.ledger, feed_id)
    if row is None:
        raise Refused(
            f"no fork of feed {feed_id.hex()[:SHOWN_DIGITS]} is known here",
            next_step="`tocsin fork list` shows those that are; start the node to hear of more.",
            field="feed",
        )
    return forks.entries_of(row, trust.federation_id)


def _named(pair: tuple[Entry, Entry], signed: dict[int, HeaderHash], typed: str) -> Header:
    """The branch that is meant."""
    headers = [one.header for one in pair]
    if typed == MINE:
        found = [header for header in headers if signed.get(header.seq) == header.hash]
    else:
        found = [header for header in headers if typed and header.hash.hex().startswith(typed.lower())]
    if len(found) == 1:
        return found[0]
    shown = " or ".join(f"{header.hash.hex()[:SHOWN_DIGITS]} ({kinds.name(header.kind)})" for header in headers)
    raise Refused(
        "no journal of this folder has signed either branch" if typed == MINE else f"{typed} names no branch of it",
        next_step=f"Name {shown}: --branch HASH.",
        field="branch",
    )


def _signed_above(signed: dict[int, HeaderHash], last: Header, named: Header) -> list[tuple[int, HeaderHash]]:
    """What was signed here behind the last entry, where it is this node's branch."""
    if signed.get(named.seq) != named.hash:
        return []
    return [(seq, hash_) for seq, hash_ in signed.items() if seq > last.seq]
