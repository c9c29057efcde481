"""Whatever a peer can make grow has an end (I18): each is driven past its bound, by what a peer can say."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from node import limits
from node.exchange import budgets, outgoing
from node.exchange.admission import Admitted
from node.feed.chain import Head
from node.feed.keys import FeedId, HeaderHash, MemberId
from node.protocol import fetch, gossip
from node.protocol.circle import Circle
from node.protocol.effects import Asked, Hangup, Stream
from node.protocol.fetch import Fetch, Wanted
from node.protocol.gossip import Gossip
from node.protocol.news import Fresh, Growth
from node.protocol.session import Self, hello
from node.runtime import copies
from node.runtime.copies import Copies
from node.runtime.link import Outbox
from node.store import ledger
from node.v1 import header_pb2, peer_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_budgets import note, take, withdrawal
from tests.exchange.test_odd_order import said
from tests.runtime.lines import MemoryLink
from tests.simulator.members import BASE_MS, federation

ME, PEER = MemberId(b"m" * 32), MemberId(b"p" * 32)
CIRCLE = Circle(frozenset({PEER}), frozenset(), frozenset())
Drive = Callable[[], tuple[int, int]]  # how much there is after all, and how much there may be


def self_of(member_id: MemberId) -> Self:
    return Self(bytes(32), member_id, bytes(16), bytes(16), "test")


def hash_of(number: int) -> HeaderHash:
    return HeaderHash(number.to_bytes(32))


def talking() -> Gossip:
    made = Gossip(self_of(ME), [], {}, CIRCLE, Random(1), now=0)
    made.link_up(0, PEER, 0)
    made.frame(0, PEER, hello(self_of(PEER), 0))
    return made


def heads(first: int, *, last: bool) -> peer_pb2.Frame:
    rows = [
        peer_pb2.Row(feed_id=hash_of(number), seq=9, hash=bytes(32), floor=1)
        for number in range(first, first + limits.HEAD_ROWS_PER_FRAME_MAX)
    ]
    return peer_pb2.Frame(heads=peer_pb2.Heads(rows=rows, whole=True, last=last))


def what_a_peer_is_known_to_have() -> tuple[int, int]:
    made = talking()
    for number in range(0, 3 * gossip.KNOWN_PER_PEER_MAX, 1000):
        fresh = [
            Fresh(hash_of(i), FeedId(bytes(32)), 1, header_pb2.SignedEntry()) for i in range(number, number + 1000)
        ]
        made.grown(0, Growth(fresh=fresh, source=PEER))
    return len(made._peers[PEER].knows), gossip.KNOWN_PER_PEER_MAX


def a_listing_without_an_end() -> tuple[int, int]:
    made, first = talking(), 0
    while not any(isinstance(effect, Hangup) for effect in made.frame(0, PEER, heads(first, last=False))):
        first += limits.HEAD_ROWS_PER_FRAME_MAX
        assert first <= 2 * gossip.HEAD_ROWS_MAX
    return len(made._peers[PEER].listed), gossip.HEAD_ROWS_MAX


def what_a_peer_claims_to_hold() -> tuple[int, int]:
    made = talking()
    for part in range(5):
        for first in range(0, gossip.HEAD_ROWS_MAX, limits.HEAD_ROWS_PER_FRAME_MAX):
            last = first + limits.HEAD_ROWS_PER_FRAME_MAX >= gossip.HEAD_ROWS_MAX
            made.frame(0, PEER, heads((part + 1) * gossip.HEAD_ROWS_MAX + first, last=last))
    gaps = [(FeedId(hash_of(number)), 9, hash_of(1)) for number in range(9000, 9000 + gossip.HEAD_ROWS_MAX)]
    made.grown(0, Growth(gaps=gaps, source=PEER))
    return len(made._peers[PEER].claims), limits.CLAIMS_PER_PEER_MAX


def ranges_of_invented_feeds() -> tuple[int, int]:
    made = talking()
    for part in range(10):
        made.frame(0, PEER, heads(part * 1000, last=True))
    ranges = made._ranges
    return len(ranges._asked) + len(ranges._waiting), limits.RANGES_PER_PEER_MAX


def gaps_that_are_said_to_be_there() -> tuple[int, int]:
    made = talking()
    for number in range(5000):
        made.grown(0, Growth(gaps=[(FeedId(hash_of(number)), 9, hash_of(1))], source=PEER))
    ranges = made._ranges
    return len(ranges._asked) + len(ranges._waiting), limits.RANGES_PER_PEER_MAX


def single_entries_that_are_probed() -> tuple[int, int]:
    made = talking()
    feed_id = FeedId(hash_of(1))
    made.grown(0, Growth(heads=[Head(feed_id, 9, hash_of(1))]))
    made.grown(0, Growth(gaps=[(feed_id, 8, hash_of(number)) for number in range(1000)], source=PEER))
    return len(made._peers[PEER].probed), limits.RANGES_PER_FRAME_MAX


def fetching(wants: int) -> Fetch:
    made = Fetch(self_of(ME), Random(1), CIRCLE)
    made.link_up(0, PEER, 0)
    made.frame(0, PEER, hello(self_of(PEER), 0))
    made.wanted(0, [Wanted(hash_of(number), 3, 0, PEER) for number in range(wants)])
    return made


def payloads_that_a_peer_wants() -> tuple[int, int]:
    made = fetching(0)
    for number in range(1000):
        want = peer_pb2.WantPayload(entry=hash_of(number), first=0)
        made.frame(0, PEER, peer_pb2.Frame(want_payload=want))
    return len(made._peers[PEER].serving), limits.WANTS_PER_LINK_MAX


def payloads_that_a_peer_says_it_has() -> tuple[int, int]:
    made = fetching(outgoing.WANTS_AT_A_TIME)
    for number in range(0, 100_000, limits.RANGES_PER_FRAME_MAX):
        entries = [hash_of(i) for i in range(number, number + limits.RANGES_PER_FRAME_MAX)]
        made.frame(0, PEER, peer_pb2.Frame(have=peer_pb2.Have(entries=entries)))
    return len(made._peers[PEER].has), outgoing.WANTS_AT_A_TIME


def payloads_that_a_peer_refuses() -> tuple[int, int]:
    made = fetching(0)
    for part in range(20):
        first = part * outgoing.WANTS_AT_A_TIME
        numbers = range(first, first + outgoing.WANTS_AT_A_TIME)
        made.wanted(0, [Wanted(hash_of(number), 3, 0, PEER) for number in numbers])
        for number in numbers:
            made.frame(0, PEER, peer_pb2.Frame(absent=peer_pb2.Absent(entry=hash_of(number))))
    return len(made._peers[PEER].absent), outgoing.WANTS_AT_A_TIME


def payloads_that_are_asked_of_one_peer() -> tuple[int, int]:
    made = fetching(outgoing.WANTS_AT_A_TIME)
    return len(made._under_way), fetch.UNDER_WAY_PER_PEER_MAX


def copies_of_one_entry() -> tuple[int, int]:
    made = Copies()
    letter = header_pb2.SignedEntry(header=b"x")
    for _ in range(1000):
        made.take(PEER, [(hash_of(1), letter)])
    return sum(len(hand.copies) for hand in made._in_hand.values()), limits.FLOOD_PEERS_MAX


DRIVES: tuple[Drive, ...] = (
    what_a_peer_is_known_to_have,
    a_listing_without_an_end,
    what_a_peer_claims_to_hold,
    ranges_of_invented_feeds,
    gaps_that_are_said_to_be_there,
    single_entries_that_are_probed,
    payloads_that_a_peer_wants,
    payloads_that_a_peer_says_it_has,
    payloads_that_a_peer_refuses,
    payloads_that_are_asked_of_one_peer,
    copies_of_one_entry,
)


@pytest.mark.parametrize("drive", DRIVES, ids=lambda drive: drive.__name__)
def test_what_a_peer_says_fills_no_more_than_it_may(drive: Drive) -> None:
    filled, bound = drive()
    assert 0 < filled <= bound


async def test_what_a_peer_does_not_read_fills_no_more_than_its_outbox() -> None:
    outbox = Outbox(MemoryLink(PEER, Stream.GOSSIP, PEER))
    for _ in range(3 * limits.OUTBOX_FRAMES_MAX):
        outbox.put(peer_pb2.Frame(have=peer_pb2.Have(entries=[bytes(32)] * 64)))
    frames, size = outbox.waiting
    assert 0 < frames <= limits.OUTBOX_FRAMES_MAX
    assert size <= limits.OUTBOX_BYTES_MAX
    assert outbox.reason


def test_what_came_in_last_is_remembered_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "STORED_KEPT", 8)
    monkeypatch.setattr(budgets, "CHARGED_KEPT", 8)
    world = federation(25)
    author, node = (node_in(tmp_path / str(number), world, number) for number in (1, 0))
    admitted: Admitted = take(node, said(author, *note(20)))[0]
    held = Copies()
    held.note_stored(admitted, PEER)
    assert (len(held._stored), len(node.budgets._charged)) == (8, 8)


def test_urgent_entries_above_a_gap_are_kept_up_to_a_number_for_each_feed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AHEAD_PER_FEED_MAX", 3)
    world = federation(25)
    author, node = (node_in(tmp_path / str(number), world, number) for number in (1, 0))
    letters = said(author, *note(1), *withdrawal(5))
    take(node, letters[1:], Asked())
    assert len(ledger.ahead(node.stores.ledger, author.author.feed_id)) == 3


def test_budgets_are_kept_of_members_alone(tmp_path: Path) -> None:
    world = federation(25)
    author, node = (node_in(tmp_path / str(number), world, number) for number in (1, 0))
    take(node, said(author, *note(3)))
    stranger = header_pb2.SignedEntry(header=b"not a header", signature=bytes(64))
    node.worth_checking([stranger], Asked(), BASE_MS)
    assert set(node.budgets._pushed.headers._left) == {author.author.reader.member_id}
