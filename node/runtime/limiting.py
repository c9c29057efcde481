"""Limiting: what the administrator allows each peer, kept to on the way in and on Bulk."""

import asyncio
from collections.abc import Mapping, Sequence

from node.errors import PeerFault
from node.feed import entry
from node.feed.keys import MemberId
from node.feed.pae import FederationId
from node.policy.terms import FREE, Terms
from node.runtime.link import Clock
from node.v1 import header_pb2

PAUSED = "paused by its administrator"  # the other side reads it too


class Limiting:
    """The terms of all peers, and when each may be sent the next chunk, or send one."""

    def __init__(self, clock: Clock) -> None:
        self.terms: Mapping[MemberId, Terms] = {}
        self._clock = clock
        self._paid_s: dict[tuple[MemberId, bool], float] = {}  # until when what went before lasts, each way

    def of(self, peer: MemberId) -> Terms:
        """How this peer is dealt with."""
        return self.terms.get(peer, FREE)

    def takes(self, peer: MemberId, kind: int) -> bool:
        """Whether a payload of this kind is taken from the peer."""
        return self.of(peer).takes(kind)

    async def turn(self, peer: MemberId, size: int, *, sent: bool) -> None:
        """Wait until so many bytes of bulk more may go to the peer, or come from it."""
        bytes_per_s = self.of(peer).bytes_per_s
        if not bytes_per_s:
            return
        now = self._clock.monotonic_s()
        due = max(self._paid_s.get((peer, sent), now), now)
        self._paid_s[peer, sent] = due + size / bytes_per_s
        await asyncio.sleep(due - now)

    def taken(
        self, peer: MemberId, letters: Sequence[header_pb2.SignedEntry], federation_id: FederationId
    ) -> Sequence[header_pb2.SignedEntry]:
        """The entries without payloads of kinds that are not taken from this peer; headers always are."""
        if self.of(peer).kinds:
            for letter in letters:
                if letter.payload and not self.takes(peer, _kind_of(letter, federation_id)):
                    letter.ClearField("payload")
        return letters


def _kind_of(letter: header_pb2.SignedEntry, federation_id: FederationId) -> int:
    """As its header shows it; 0 where that cannot be read, which is for `verify` to say."""
    try:
        return entry.decode(letter.header, letter.signature, federation_id).header.kind
    except PeerFault:
        return 0
