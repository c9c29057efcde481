"""Following lists: what was decided, and what of them is wanted therefore."""

from dataclasses import replace

from node.exchange import ingest
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed.keys import FeedId, MemberId, ObjectId
from node.policy.following import Choice, Follows
from node.store import following, ledger, payloads
from node.store.payloads import State
from node.store.stores import Stores

List = tuple[MemberId, ObjectId]

_EVERYTHING = "follow_everything"  # what the configuration said at the last start


def load(stores: Stores, trust: Trust, reader: Reader, follows: Follows, now_ms: int) -> Follows:
    """The decisions as they are stored; a configuration that says otherwise than before is carried out."""
    follows = replace(follows, choices=following.choices(stores.ledger))
    said = bytes([follows.everything])
    before = ledger.read_meta(stores.ledger, _EVERYTHING)
    if before != said:
        if before is not None:
            for held in payloads.held_of_lists(stores.ledger):
                feed = trust.feeds.get(held.feed_id)
                if feed is not None:
                    _carry_out(stores, trust, follows, (feed.member_id, held.list_id))
            ingest.settle_whole(stores, trust, reader, now_ms)
        ledger.write_meta(stores.ledger, _EVERYTHING, said)
        stores.commit("ledger")
    return follows


def choose(
    stores: Stores, trust: Trust, reader: Reader, follows: Follows, about: List, choice: Choice | None, now_ms: int
) -> Follows:
    """Keep a decision, or forget it; its records are wanted from now on, or those on their way are not."""
    choices = {one: made for one, made in follows.choices.items() if one != about}
    if choice is None:
        following.drop(stores.ledger, *about)
    else:
        following.put(stores.ledger, *about, choice)
        choices[about] = choice
    follows = replace(follows, choices=choices)
    _carry_out(stores, trust, follows, about)
    ingest.settle_whole(stores, trust, reader, now_ms)
    stores.commit("ledger")
    return follows


def _carry_out(stores: Stores, trust: Trust, follows: Follows, about: List) -> None:
    """What is here of a list that is not followed any more leaves the index first, and goes then."""
    member_id, object_id = about
    feeds = feeds_of(trust, member_id)
    if follows.fetches(member_id, object_id):
        payloads.unrelay(stores.ledger, feeds, object_id)
        payloads.move_list(stores.ledger, feeds, object_id, State.UNWANTED, State.MISSING)
    else:
        payloads.move_list(stores.ledger, feeds, object_id, State.MISSING, State.UNWANTED)


def feeds_of(trust: Trust, member_id: MemberId) -> list[FeedId]:
    """All feeds of one member, rising."""
    return sorted(feed_id for feed_id, feed in trust.feeds.items() if feed.member_id == member_id)
