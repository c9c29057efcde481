"""Feeds: by what a member's feeds were let in, and where they end. Functions of what was read, in no order.

A feed may be let in by the root and by a spare, and a fork of the log may undo one of the two: it is as good
as the better of them.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from node.feed.identity import Identity, NodeCertificate
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.feed.statements import Bound


@dataclass(frozen=True, slots=True)
class Feed:
    """A node feed that a member's root, or a spare of it, certified."""

    member_id: MemberId
    by_root: NodeCertificate | None = None
    by_spare: NodeCertificate | None = None
    is_undone: bool = False  # let in at or above a fork of the log: nothing more of it is taken in, here or elsewhere

    @property
    def certificate(self) -> NodeCertificate:
        """What lets it in: the root's word, where a spare's is no better."""
        if self.by_root is None or (self.by_root.is_doubtful and self.by_spare and not self.by_spare.is_doubtful):
            assert self.by_spare is not None  # noqa: S101 - one of the two made it
            return self.by_spare
        return self.by_root


@dataclass(frozen=True, slots=True)
class Superseding:
    """That a feed ends another of its member, and where that was said."""

    feed_id: FeedId
    seq: int
    entry: HeaderHash
    bound: Bound


def with_root(before: Feed | None, member_id: MemberId, made: NodeCertificate) -> Feed:
    """By one more NODE of the log, the last of which has the keys."""
    return replace(before, by_root=made) if before else Feed(member_id, by_root=made)


def with_spare(before: Feed | None, member_id: MemberId, made: NodeCertificate) -> Feed:
    """By an OPEN that a spare signed, which the log has as far as it is believed; of two the lesser, whichever came."""
    if before is None:
        return Feed(member_id, by_spare=made)
    rivals = (made,) if before.by_spare is None else (before.by_spare, made)
    best = min(rivals, key=lambda one: (one.is_doubtful, one.spare_key, one.node_id, one.kem_key, one.tls_issuer))
    return replace(before, by_spare=best, by_root=None if before.is_undone else before.by_root, is_undone=False)


def below_fork(feed: Feed, feed_id: FeedId, believed: Identity | None) -> Feed:
    """By what the log says below its fork; with neither word left it is undone."""
    spares: Collection[bytes] = believed.spares if believed else ()
    said = [one for one in believed.nodes if one.feed_id == feed_id] if believed else []
    by_root = said[-1] if said else None
    by_spare = feed.by_spare if feed.by_spare and feed.by_spare.spare_key in spares else None
    if by_root is None and by_spare is None:
        return replace(feed, is_undone=True)
    return replace(feed, by_root=by_root, by_spare=by_spare)


def counts(one: Superseding, retired: Iterable[Bound]) -> bool:
    """Whether a feed may end another: not behind where the root ended it itself (section 5.4).

    So whoever has stolen a feed ends no other by it once the root has retired it.
    """
    return not any(_is_behind(one, bound) for bound in retired if bound.feed_id == one.feed_id)


def lowest(ends: Iterable[Bound]) -> frozenset[Bound]:
    """Of each feed the lowest end, which says all; or the lowest, where they are of two branches."""
    found: dict[FeedId, set[Bound]] = {}
    for one in ends:
        held = found.setdefault(one.feed_id, {one})
        last = next(iter(held)).seq
        if one.seq < last:
            found[one.feed_id] = {one}
        elif one.seq == last:
            held.add(one)
    return frozenset(one for held in found.values() for one in held)


def _is_behind(one: Superseding, end: Bound) -> bool:
    return one.seq > end.seq or (one.seq == end.seq and one.entry != end.header_hash)
