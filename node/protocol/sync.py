"""Comparing heads: which ranges are missing (section 8.4). Pure functions of two views."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from struct import Struct

from node import limits
from node.errors import Malformed
from node.feed import pae
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash
from node.feed.pae import FederationId, Purpose
from node.v1 import peer_pb2

_FLOOR = 1
_PACKED = Struct(">Q32sQQ")  # after the feed id: sequence number, hash or zeros, floor, fork


@dataclass(frozen=True, slots=True)
class View:
    """One node's heads, and where feeds are known to have forked."""

    heads: Mapping[FeedId, Head]
    forks: Mapping[FeedId, int]


def of_logs(view: View, logs: Collection[FeedId]) -> View:
    """The identity logs of a view: all that an outsider is shown."""
    return View(
        {feed_id: head for feed_id, head in view.heads.items() if feed_id in logs},
        {feed_id: seq for feed_id, seq in view.forks.items() if feed_id in logs},
    )


def row(view: View, feed_id: FeedId) -> peer_pb2.Row:
    """One feed's row: of a forked one the last entry below the fork, alike on every branch. The floor is always 1."""
    seq, hash_, forked = _shown(view, feed_id)
    return peer_pb2.Row(feed_id=feed_id, seq=seq, hash=hash_, floor=_FLOOR, forked=forked)


def shown_feeds(view: View) -> list[FeedId]:
    """Feeds of which something is held, and those that forked right at their opening, of which nothing is fetched."""
    return sorted({*view.heads, *(feed_id for feed_id, seq in view.forks.items() if seq == 1)})


def _is_shown(view: View, feed_id: FeedId) -> bool:
    return feed_id in view.heads or view.forks.get(feed_id) == 1


def _shown(view: View, feed_id: FeedId) -> tuple[int, bytes, int]:
    """What a row shows: sequence number, hash, and where the feed forked."""
    forked = view.forks.get(feed_id, 0)
    head = view.heads.get(feed_id)
    if head is None or (forked and forked <= head.seq + 1):
        return forked - 1, b"", forked
    return head.seq, head.hash, forked


def digest(view: View, federation_id: FederationId) -> bytes:
    """One hash over all rows: equal on two nodes that hold the same."""
    packed: list[bytes] = []
    for feed_id in shown_feeds(view):
        seq, hash_, forked = _shown(view, feed_id)
        packed += (feed_id, _PACKED.pack(seq, hash_, _FLOOR, forked))
    return pae.digest(Purpose.HEADS, federation_id, b"".join(packed))


def page(view: View, feeds: Iterable[FeedId], *, whole: bool, last: bool) -> peer_pb2.Frame:
    """The rows of these feeds, without those that are held no more."""
    found = [row(view, feed_id) for feed_id in feeds if _is_shown(view, feed_id)]
    return peer_pb2.Frame(heads=peer_pb2.Heads(rows=found, whole=whole, last=last))


def claims(said: Iterable[peer_pb2.Row], behind: bytes = b"") -> list[peer_pb2.Row]:
    """Rows that come behind a feed's, in rising order; raises Malformed for what no conforming peer sends."""
    found = []
    for one in said:
        if len(one.feed_id) != 32 or len(one.hash) not in (0, 32) or one.seq > limits.SEQ_MAX:
            raise Malformed("heads-row", "a row has a wrong length or number")
        if one.feed_id <= behind:
            raise Malformed("heads-row", "the rows of a listing are not in rising order of their feeds")
        behind = one.feed_id
        found.append(one)
    return found


def check_ranges(wanted: Iterable[peer_pb2.Range]) -> None:
    """Raises Malformed for numbers that no feed has, nor any store."""
    for one in wanted:
        if max(one.first, one.last) > limits.SEQ_MAX:
            raise Malformed("want-range", "a range goes beyond the last place a feed can have")


def missing(view: View, said: Iterable[peer_pb2.Row]) -> dict[FeedId, int]:
    """Feeds of which the peer claims more than is held here, and up to where: of a forked one, below the fork."""
    found = {}
    for one in said:
        feed_id = FeedId(one.feed_id)
        held = view.heads.get(feed_id)
        claimed = min(one.seq, view.forks[feed_id] - 1) if feed_id in view.forks else one.seq
        if claimed > (held.seq if held else 0):
            found[feed_id] = claimed
    return found


def ahead(view: View, feeds: Iterable[FeedId], said: Iterable[peer_pb2.Row]) -> dict[FeedId, int]:
    """Those of these feeds of which the peer should see our row, and how far that is: it lacks some, or the fork."""
    theirs = {FeedId(one.feed_id): one for one in said}
    found = {}
    for feed_id in (one for one in feeds if _is_shown(view, one)):
        (seq, _, forked), other = _shown(view, feed_id), theirs.get(feed_id)
        if other is None or seq > other.seq or forked != other.forked:
            found[feed_id] = seq
    return found


def differing(view: View, said: Iterable[peer_pb2.Row]) -> list[Head]:
    """Heads of the peer at our height with another hash: ask for them and what lies below, they prove a fork."""
    found = []
    for one in said:
        held = view.heads.get(FeedId(one.feed_id))
        if FeedId(one.feed_id) in view.forks or one.forked or not one.hash:
            continue
        if held and one.seq == held.seq and one.hash != held.hash:
            found.append(Head(FeedId(one.feed_id), one.seq, HeaderHash(one.hash)))
    return sorted(found)


def unproven(view: View, feeds: Iterable[FeedId], said: Iterable[peer_pb2.Row]) -> list[FeedId]:
    """Those of these feeds of which the peer knows no fork as low as we do: it is sent the proof.

    Of one that it does not list it need not know, unless it would have a row for the fork alone.
    """
    theirs = {FeedId(one.feed_id): one.forked for one in said}
    forked = [(feed_id, view.forks[feed_id]) for feed_id in sorted({*feeds}) if feed_id in view.forks]
    return [feed_id for feed_id, seq in forked if not 0 < theirs.get(feed_id, int(seq > 1)) <= seq]
