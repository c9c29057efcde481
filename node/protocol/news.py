"""News: what the store took in, and the frames in which it is passed on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node import limits
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.v1 import header_pb2, peer_pb2


@dataclass(frozen=True, slots=True)
class Fresh:
    """An entry to pass on."""

    hash: HeaderHash
    feed_id: FeedId
    lane: int
    letter: header_pb2.SignedEntry


@dataclass(frozen=True, slots=True)
class Growth:
    """What the store took in, or what is verified and about to be: for those who wait for news."""

    heads: Sequence[Head] = ()
    fresh: Sequence[Fresh] = ()
    forks: Sequence[tuple[FeedId, int, header_pb2.ForkProof]] = ()
    gaps: Sequence[tuple[FeedId, int, HeaderHash]] = ()
    parted: Sequence[tuple[FeedId, int]] = ()  # found to differ there: the branches part further down
    settled: Sequence[tuple[FeedId, int]] = ()  # and where another fork is still open, or 0
    unknown: Sequence[FeedId] = ()
    ignored: bool = False  # the source pushed what is beyond a quota: it is fetched from there by turns
    source: MemberId | None = None


def frames(fresh: Sequence[Fresh]) -> Iterable[peer_pb2.Frame]:
    """Entries to pass on as frames, lane by lane."""
    for lane in sorted({one.lane for one in fresh}):
        for part in batches([one.letter for one in fresh if one.lane == lane]):
            yield peer_pb2.Frame(entries=peer_pb2.Entries(entries=part, lane=lane))


def batches(letters: Sequence[header_pb2.SignedEntry]) -> Iterable[Sequence[header_pb2.SignedEntry]]:
    """Runs of entries that fit a frame."""
    start = size = 0
    for i, one in enumerate(letters):
        bytes_ = one.ByteSize()
        if i > start and (size + bytes_ > limits.FRAME_BYTES_MAX // 2 or i - start >= limits.ENTRIES_PER_FRAME_MAX):
            yield letters[start:i]
            start, size = i, 0
        size += bytes_
    if start < len(letters):
        yield letters[start:]
