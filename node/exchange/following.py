"""Following lists: what was decided, and what of them is wanted therefore."""

from collections.abc import Sequence
from dataclasses import replace

from node.exchange import admission, ingest, keeping
from node.exchange.keeping import Keep
from node.exchange.trust import Trust
from node.exchange.verified import Reader
from node.feed import entry
from node.feed.header import Header
from node.feed.keys import HeaderHash
from node.policy.following import Choice, Follows, List
from node.store import arrivals, deadlines, following, ledger, payloads, relays, remainders
from node.store.ledger import Row
from node.store.payloads import State
from node.store.stores import Stores

_EVERYTHING = "follow_everything"  # what the configuration said at the last start


def load(stores: Stores, trust: Trust, reader: Reader, follows: Follows, now_ms: int) -> Follows:
    """The decisions as they are stored; a configuration that says otherwise than before is carried out."""
    follows = replace(follows, choices=following.choices(stores.ledger))
    said = bytes([follows.everything])
    before = ledger.read_meta(stores.ledger, _EVERYTHING)
    if before != said:
        if before is not None:
            for held in payloads.held_of_lists(stores.ledger, arrivals.last(stores.ledger, b"")):
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
    before, follows = follows, replace(follows, choices=choices)
    _carry_out(stores, trust, follows, about)
    if follows.fetches(*about) and not before.fetches(*about):
        # Still here from before, and perhaps out of the index already, or passed over by it.
        _arrive_again(stores, trust, payloads.of_list(stores.ledger, trust.feeds_of(about[0]), about[1]), now_ms)
    ingest.settle_whole(stores, trust, reader, now_ms)
    stores.commit("ledger")
    return follows


def let_go(stores: Stores, trust: Trust, follows: Follows, hashes: Sequence[HeaderHash], now_ms: int) -> None:
    """Records that have left the index are not kept; those of a list that is followed again come back into it."""
    again, gone = list[HeaderHash](), list[HeaderHash]()
    for hash_ in hashes:
        row = ledger.entry(stores.ledger, hash_)
        feed = trust.feeds.get(row.feed_id) if row else None
        list_id = admission.list_of(_header(row, trust)) if row else None
        is_wanted = feed is not None and list_id is not None and follows.fetches(feed.member_id, list_id)
        (again if is_wanted else gone).append(hash_)
    for hash_ in gone:
        payloads.set_state(stores.ledger, hash_, State.UNWANTED)
        if remainders.find(stores.ledger, hash_) is not None:  # its box is its own; the start removes it
            remainders.drop(stores.ledger, hash_)
            payloads.set_boxed(stores.ledger, hash_, boxed=False)
    payloads.drop_chunks(stores.ledger, gone)
    _arrive_again(stores, trust, again, now_ms)
    stores.commit("ledger")


def spare_over(stores: Stores, keep: Keep, follows: Follows, now_ms: int) -> None:
    """By another policy: what is not here yet and would be over at once is not fetched, all else is again."""
    spared, wanted = list[HeaderHash](), list[HeaderHash]()
    for row in deadlines.unfetched(stores.ledger):
        header, feed = _header(row, keep.trust), keep.trust.feeds.get(row.feed_id)
        list_id = admission.list_of(header)
        if keeping.is_over_by_header(keep, header, row.received_ms, now_ms):
            spared.append(row.hash)
        elif list_id is None or (feed is not None and follows.fetches(feed.member_id, list_id)):
            wanted.append(row.hash)
    deadlines.spare(stores.ledger, spared)
    deadlines.want(stores.ledger, wanted)
    stores.commit("ledger")


def _arrive_again(stores: Stores, trust: Trust, hashes: Sequence[HeaderHash], now_ms: int) -> None:
    for hash_ in hashes:
        row = ledger.entry(stores.ledger, hash_)
        if row is not None:
            lane = payloads.lane(stores.ledger, hash_)
            arrivals.add(stores.ledger, admission.arrival(stores, _header(row, trust), lane, now_ms))


def _header(row: Row, trust: Trust) -> Header:
    return entry.decode(row.body, row.signature, trust.federation_id).header


def _carry_out(stores: Stores, trust: Trust, follows: Follows, about: List) -> None:
    """What is here of a list that is not followed any more leaves the index first, and goes then."""
    member_id, object_id = about
    feeds = trust.feeds_of(member_id)
    if follows.fetches(member_id, object_id):
        relays.unrelay(stores.ledger, feeds, object_id)
        payloads.move_list(stores.ledger, feeds, object_id, State.UNWANTED, State.MISSING)
    else:
        payloads.move_list(stores.ledger, feeds, object_id, State.MISSING, State.UNWANTED)
