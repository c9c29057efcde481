"""Copies: the same entry comes from every peer. All but the first are set aside until it has its verdict."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from node import limits
from node.exchange.admission import Admitted
from node.feed.keys import HeaderHash, MemberId
from node.v1 import header_pb2

STORED_KEPT = 8192  # hashes of what came in last
OFFERS_KEPT = 8192  # of peers that offered what another had brought; the oldest are forgotten

Letter = header_pb2.SignedEntry


@dataclass(slots=True)
class InHand:
    """An entry that is being taken in, and copies of it that came meanwhile."""

    letter: Letter
    copies: list[tuple[MemberId, Letter]] = field(default_factory=list)

    def is_as_complete_as(self, other: Letter) -> bool:
        """Whether the other copy brings nothing that this one lacks."""
        return bool(self.letter.box) >= bool(other.box) and bool(self.letter.payload) >= bool(other.payload)


class Copies:
    """What is being taken in, and what came in last."""

    def __init__(self) -> None:
        self._stored: OrderedDict[HeaderHash, None] = OrderedDict()  # whole, box and payload: nothing to add
        self._in_hand: dict[HeaderHash, InHand] = {}  # being verified and admitted
        self._sources: OrderedDict[HeaderHash, MemberId] = OrderedDict()  # of what came in last, until another has it
        self._offers: OrderedDict[tuple[HeaderHash, MemberId], None] = OrderedDict()

    def take(self, peer: MemberId, letters: Sequence[tuple[HeaderHash, Letter]]) -> dict[HeaderHash, InHand]:
        """Those that are neither stored nor in hand already, in hand from now on until they are `let_go`."""
        fresh: dict[HeaderHash, InHand] = {}
        for hash_, letter in letters:
            hand = self._in_hand.get(hash_)
            if hash_ in self._stored:
                self._note_offer(peer, hash_)
                continue
            if hand is not None and hand.is_as_complete_as(letter) and len(hand.copies) < limits.FLOOD_PEERS_MAX:
                hand.copies.append((peer, letter))
                self._note_offer(peer, hash_)
                continue
            fresh[hash_] = InHand(letter)
        self._in_hand |= fresh
        return fresh

    def let_go(
        self, fresh: dict[HeaderHash, InHand], verified: Collection[HeaderHash]
    ) -> list[tuple[MemberId, Letter]]:
        """They have their verdict; the copies that count now, because what was in hand did not verify."""
        for hash_, hand in fresh.items():
            if self._in_hand.get(hash_) is hand:
                del self._in_hand[hash_]
        return [copy for hash_, hand in fresh.items() if hash_ not in verified for copy in hand.copies]

    def note_offers(self, peer: MemberId, hashes: Iterable[HeaderHash]) -> None:
        """These came from the peer, and those that it was not the first to bring were here already."""
        for hash_ in hashes:
            self._note_offer(peer, hash_)

    def take_offers(self) -> list[tuple[HeaderHash, MemberId]]:
        """Who offered what another had brought, since this was asked last."""
        found, self._offers = list(self._offers), OrderedDict()
        return found

    def _note_offer(self, peer: MemberId, hash_: HeaderHash) -> None:
        if self._sources.get(hash_) == peer:
            return
        self._sources.pop(hash_, None)
        self._offers[hash_, peer] = None
        if len(self._offers) > OFFERS_KEPT:
            self._offers.popitem(last=False)

    def note_stored(self, admitted: Admitted, source: MemberId) -> None:
        """Copies of what is whole are passed over at once."""
        for one in admitted.entries:
            self._sources[one.header.hash] = source
            if (one.box and one.payload) or not one.header.has_payload:
                self._stored[one.header.hash] = None
        while len(self._stored) > STORED_KEPT:
            self._stored.popitem(last=False)
        while len(self._sources) > STORED_KEPT:
            self._sources.popitem(last=False)
