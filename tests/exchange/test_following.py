"""What is followed is wanted, what is not is kept for nobody or, sealed and for a while, for a peer."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from node.exchange import drafts, project
from node.exchange.exchange import Exchange
from node.exchange.following import load
from node.exchange.outgoing import RELAYED_CHUNKS_MAX, RELAYED_MS
from node.feed.keys import HeaderHash, MemberId, ObjectId
from node.policy.following import Choice, Follows, State
from node.store import arrivals, counts, digests, ledger, payloads
from node.store.payloads import State as PayloadState
from node.store.restrictions import Replacement
from node.v1 import header_pb2, peer_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_odd_order import hash_of, items_draft, said, take, without
from tests.simulator.members import BASE_MS, Federation

LIST = ObjectId(b"l" * 16)
FOLLOWED, PREVIEWED, DROPPED = (Choice(state) for state in (State.FOLLOWED, State.PREVIEWED, State.DROPPED))


@pytest.fixture(name="node")
def _node(tmp_path: Path, world: Federation) -> Exchange:
    made = node_in(tmp_path / "node", world, 0)
    made.follows = Follows(made.reader.member_id, everything=False)
    return made


@pytest.fixture(name="letter")
def _letter(author: Exchange) -> header_pb2.SignedEntry:
    return said(author, items_draft())[0]


def state(node: Exchange, hash_: HeaderHash) -> PayloadState | None:
    return payloads.state(node.stores.ledger, hash_)


def arrived(node: Exchange) -> int:
    return arrivals.last(node.stores.ledger, bytes(16)).bulk


def chunks(node: Exchange, letter: header_pb2.SignedEntry) -> Sequence[peer_pb2.Chunk]:
    """As its author serves them."""
    hash_, found = hash_of(node, letter), list[peer_pb2.Chunk]()
    while frame := node.serve_chunk(hash_, len(found), BASE_MS):
        found.append(frame.chunk)
    return found


def bring(node: Exchange, author: Exchange, letter: header_pb2.SignedEntry) -> None:
    for chunk in chunks(author, letter):
        node.keep_chunk(chunk, BASE_MS)


def choose(node: Exchange, author: Exchange, choice: Choice | None) -> None:
    node.choose(MemberId(author.reader.member_id), LIST, choice, BASE_MS)


def test_records_of_a_list_are_wanted_from_the_moment_it_is_followed(
    node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    take(node, [without(letter, "payload")])
    hash_ = hash_of(node, letter)
    assert (state(node, hash_), node.wants(BASE_MS)) == (PayloadState.UNWANTED, [])
    choose(node, author, FOLLOWED)
    assert [want.hash for want, _ in node.wants(BASE_MS)] == [hash_]
    bring(node, author, letter)
    assert state(node, hash_) == PayloadState.PRESENT
    choose(node, author, None)
    assert state(node, hash_) == PayloadState.PRESENT  # it leaves the index first
    node.let_go([hash_], BASE_MS)
    assert state(node, hash_) == PayloadState.UNWANTED
    assert not payloads.ciphertext(node.stores.ledger, hash_)


def test_a_whole_payload_that_came_along_is_not_kept_where_nobody_follows(
    node: Exchange, letter: header_pb2.SignedEntry
) -> None:
    take(node, [letter])
    assert not payloads.ciphertext(node.stores.ledger, hash_of(node, letter))


def test_who_does_not_follow_gives_the_box_so_that_others_can(
    node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    take(node, [without(letter, "payload")])
    ranges = [peer_pb2.Range(feed_id=author.author.feed_id, first=1, last=99)]
    ((*_, passed_on),) = node.serve(author.reader.member_id, peer_pb2.Want(ranges=ranges), BASE_MS)
    assert passed_on.box == letter.box


def test_what_a_peer_wants_is_fetched_for_it_and_read_by_nobody_here(
    node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    take(node, [without(letter, "payload")])
    hash_, before = hash_of(node, letter), arrived(node)
    assert node.relay(hash_, BASE_MS)
    assert not node.relay(hash_, BASE_MS)  # it is on its way
    ((want, _),) = node.wants(BASE_MS)
    assert (want.hash, want.for_peer) == (hash_, True)
    bring(node, author, letter)
    assert (state(node, hash_), arrived(node)) == (PayloadState.SEALED, before)
    served = node.serve_chunk(hash_, 0, BASE_MS)
    assert served is not None
    assert served.HasField("chunk")
    assert node.held([hash_]) == []  # its author is not to count on it
    node.end_relays(BASE_MS + RELAYED_MS - 1)
    assert state(node, hash_) == PayloadState.SEALED
    node.end_relays(BASE_MS + RELAYED_MS)
    assert state(node, hash_) == PayloadState.UNWANTED
    assert not payloads.ciphertext(node.stores.ledger, hash_)


def test_what_is_here_for_a_peer_is_read_once_the_list_is_followed(
    node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    take(node, [without(letter, "payload")])
    hash_ = hash_of(node, letter)
    node.relay(hash_, BASE_MS)
    bring(node, author, letter)
    before = arrived(node)
    choose(node, author, FOLLOWED)
    assert (state(node, hash_), arrived(node)) == (PayloadState.PRESENT, before + 1)
    node.end_relays(BASE_MS + 10 * RELAYED_MS)
    assert state(node, hash_) == PayloadState.PRESENT


def test_what_is_past_its_end_is_fetched_for_nobody(node: Exchange, letter: header_pb2.SignedEntry) -> None:
    take(node, [without(letter, "payload")])
    assert not node.relay(hash_of(node, letter), BASE_MS + 400 * 86_400_000)


def test_a_configuration_that_follows_all_is_carried_out_at_the_next_start(
    node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    def restart(*, everything: bool) -> None:
        follows = Follows(node.reader.member_id, everything=everything)
        node.follows = load(node.stores, node.trust, node.reader, follows, BASE_MS)

    restart(everything=False)
    take(node, [without(letter, "payload")])
    restart(everything=False)
    assert not node.wants(BASE_MS)
    restart(everything=True)
    assert node.wants(BASE_MS)
    choose(node, author, DROPPED)
    assert not node.wants(BASE_MS)
    restart(everything=True)
    assert node.follows.state(MemberId(author.reader.member_id), LIST) is State.DROPPED
    assert not node.wants(BASE_MS)


def test_a_previewed_list_is_fetched_and_not_matched(node: Exchange, author: Exchange) -> None:
    choose(node, author, PREVIEWED)
    about = MemberId(author.reader.member_id), LIST
    assert (node.follows.fetches(*about), node.follows.matches(*about)) == (True, False)
    own = node.reader.member_id, ObjectId(b"o" * 16)
    assert (node.follows.fetches(*own), node.follows.matches(*own)) == (True, True)


def test_what_its_author_took_back_as_a_whole_is_not_fetched(
    node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    choose(node, author, FOLLOWED)
    hash_ = hash_of(node, letter)
    withdrawn = said(author, drafts.withdrawal(hash_, 0, 4))
    take(node, [without(letter, "payload")])
    assert node.wants(BASE_MS)
    take(node, withdrawn)
    assert not node.wants(BASE_MS)


def test_what_another_member_claims_to_replace_is_fetched_all_the_same(
    tmp_path: Path, world: Federation, node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    """Else one member's record could keep another's list from everyone who has not fetched it yet."""
    stranger = node_in(tmp_path / "stranger", world, 2)
    choose(node, author, FOLLOWED)
    take(node, [without(letter, "payload")])
    hash_ = hash_of(node, letter)
    about = (MemberId(stranger.reader.member_id), LIST, stranger.author.feed_id, 2)
    node.spare([Replacement(HeaderHash(bytes(32)), hash_, *about)])
    assert [want.hash for want, _ in node.wants(BASE_MS)] == [hash_]
    own = MemberId(author.reader.member_id), ObjectId(b"o" * 16), author.author.feed_id, 3
    node.spare([Replacement(HeaderHash(bytes(32)), hash_, *own)])
    assert [want.hash for want, _ in node.wants(BASE_MS)] == [hash_]
    node.spare([Replacement(HeaderHash(bytes(32)), hash_, own[0], LIST, *own[2:])])
    assert not node.wants(BASE_MS)


def test_a_list_that_is_followed_again_while_it_is_let_go_is_whole_again(
    node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    choose(node, author, FOLLOWED)
    take(node, [without(letter, "payload")])
    bring(node, author, letter)
    hash_ = hash_of(node, letter)
    project_all(node)
    choose(node, author, None)
    number = project.hide(node.stores, hash_)
    assert number is not None
    choose(node, author, FOLLOWED)
    row = ledger.entry(node.stores.ledger, hash_)
    assert row
    project.erase_keys(node.stores, row, number, node.trust, node.reader)
    project.forget(node.stores, number, node.keep)
    node.let_go([hash_], BASE_MS)
    assert state(node, hash_) == PayloadState.PRESENT
    project_all(node)
    assert counts.item_total(node.stores.index) == 4096
    assert sum(1 for _ in digests.places(node.stores.digests)) == 4096


def test_what_was_passed_over_while_a_list_was_not_followed_counts_once_it_is(
    node: Exchange, author: Exchange, letter: header_pb2.SignedEntry
) -> None:
    choose(node, author, FOLLOWED)
    take(node, [without(letter, "payload")])
    bring(node, author, letter)
    choose(node, author, None)
    project_all(node)
    choose(node, author, FOLLOWED)
    project_all(node)
    assert counts.item_total(node.stores.index) == 4096


def test_what_is_kept_for_peers_is_bounded_by_its_size(node: Exchange, author: Exchange) -> None:
    """A record may have 16 MiB, and thousands of them are no gigabyte any more."""
    letters = said(author, items_draft(), items_draft(first=5000))
    take(node, [without(letter, "payload") for letter in letters])
    large, other = (hash_of(node, letter) for letter in letters)
    resize = "UPDATE payload SET chunks = ? WHERE hash = ?"
    node.stores.ledger.exec_driver_sql(resize, (RELAYED_CHUNKS_MAX, large))
    assert node.relay(large, BASE_MS)
    assert not node.relay(other, BASE_MS)
    node.end_relays(BASE_MS + RELAYED_MS)
    assert node.relay(other, BASE_MS)


def project_all(node: Exchange) -> None:
    while node.project():
        pass
