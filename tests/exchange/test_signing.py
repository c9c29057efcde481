"""Whether a node may sign: after a start, after a copy came back, and on the operator's word."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from node.errors import Malformed, Refused
from node.exchange import trust as trusts
from node.exchange.exchange import Exchange
from node.exchange.publish import Draft
from node.exchange.signing import ECHOES_WITHIN_S, State
from node.feed import entry
from node.feed.header import NORMAL, URGENT
from node.feed.keys import FeedId, MemberId
from node.feed.kinds import Kind
from node.store import driver, ledger, peers
from node.store.journal import Signed
from node.store.peers import APPROVED, BLOCKED, Peer
from node.v1 import header_pb2, peer_pb2
from tests.exchange.conftest import node_in
from tests.simulator import members
from tests.simulator.disk import MemoryJournal
from tests.simulator.members import BASE_MS, Federation, Member, federation

Letter = header_pb2.SignedEntry
Come = Callable[[Exchange, Letter], object]

PEER, OTHER = federation(25).members[1].member_id, federation(25).members[2].member_id


def statement(urgency: int = NORMAL, size: int = 1) -> Draft:
    return Draft(Kind.ANCHOR, urgency, header_pb2.Anchor(journal_size=size).SerializeToString())


def state(node: Exchange) -> State:
    return node.signing.state


def approve(node: Exchange, members: Sequence[Member], state: str = APPROVED) -> None:
    for one in members:
        peers.put(node.stores.ledger, Peer(one.member_id, "", b"", state, BASE_MS))
    node.stores.commit("ledger")


def again(node: Exchange) -> None:
    """As the next start of the same process would be."""
    node.start(BASE_MS)
    node.look(0.0, BASE_MS)


def nothing() -> peer_pb2.Echo:
    return peer_pb2.Echo()


def journal(node: Exchange) -> MemoryJournal:
    found = node.author.journal
    assert isinstance(found, MemoryJournal)
    return found


def published(node: Exchange, *drafts: Draft) -> list[Letter]:
    admitted = node.publish(drafts or [statement()], BASE_MS)
    return [Letter(header=one.header.body, signature=one.entry.signature) for one in admitted.entries]


def elsewhere(node: Exchange, above: int = 1, urgency: int = NORMAL, size: int = 77) -> Letter:
    """What a copy of this node signs at so many places above its head."""
    head = ledger.head(node.stores.ledger, node.author.feed_id)
    assert head is not None
    fields = header_pb2.Header(
        feed_id=node.author.feed_id,
        seq=head.seq + above,
        previous=head.hash if above == 1 else bytes(31) + b"\x01",
        created_ms=BASE_MS,
        urgency=urgency,
        kind=Kind.ANCHOR,
        statement=header_pb2.Anchor(journal_size=size).SerializeToString(),
    )
    made = entry.create(fields, node.author.key, node.trust.federation_id)
    return Letter(header=made.header.body, signature=made.signature)


def refused(node: Exchange, draft: Draft | None = None, *, unconfirmed: bool = False) -> Refused:
    before = journal(node).lines()
    with pytest.raises(Refused) as raised:
        node.publish([draft or statement()], BASE_MS, unconfirmed=unconfirmed)
    assert journal(node).lines() == before, "nothing was signed"
    return raised.value


# ---- The embargo


def test_a_founder_alone_signs_at_once(node: Exchange) -> None:
    again(node)
    assert state(node) is State.ACTIVE
    assert published(node)


def test_an_exchange_that_was_not_started_signs_nothing(node: Exchange) -> None:
    idle = Exchange(node.stores, node.trust, node.author, node.erasures)
    assert refused(idle).reason == "nothing is signed: the ledger does not end where the sign journal does"


@pytest.mark.parametrize(("approved", "needed"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (9, 5), (10, 5), (24, 5)])
def test_half_of_the_approved_peers_are_waited_for_and_five_at_most(
    node: Exchange, world: Federation, approved: int, needed: int
) -> None:
    approve(node, world.members[1 : 1 + approved])
    again(node)
    for count, one in enumerate(world.members[1 : 1 + needed]):
        assert f"{count} of {needed} peers" in refused(node).reason
        node.take_echo(one.member_id, nothing())
        node.take_echo(one.member_id, nothing())  # the same one counts once
    assert state(node) is State.ACTIVE
    assert published(node)


def test_a_refusal_names_who_is_missing_and_what_to_do(node: Exchange, world: Federation) -> None:
    approve(node, world.members[1:5])
    again(node)
    node.take_echo(world.members[2].member_id, nothing())
    error = refused(node)
    assert error.reason == (
        "nothing is signed yet: 1 of 2 peers have shown since the start what they hold of this node's feed; "
        "not yet: Member 1, Member 3, Member 4"
    )
    assert "tocsin peer check" in error.next_step
    assert "--unconfirmed" in error.next_step
    assert "tocsin reopen" in error.next_step


def test_who_is_blocked_or_no_member_is_not_waited_for(node: Exchange, world: Federation) -> None:
    approve(node, world.members[1:4], BLOCKED)
    peers.put(node.stores.ledger, Peer(MemberId(b"s" * 32), "", b"", APPROVED, BASE_MS))
    again(node)
    assert state(node) is State.ACTIVE


def test_who_is_no_member_lifts_no_embargo(node: Exchange, world: Federation, tmp_path: Path) -> None:
    member, revoked = world.members[5:7]
    for number in (1, 2, 3):
        signer = node_in(tmp_path / str(number), world, number)
        said = header_pb2.Revoke(member_id=revoked.member_id).SerializeToString()
        node.admit(node.verify(published(signer, Draft(Kind.REVOKE, URGENT, said))), BASE_MS)
    assert revoked.member_id in node.trust.roster(BASE_MS).revoked
    approve(node, [members.member(99), revoked, member])
    again(node)
    for one in (members.member(99), revoked):
        node.take_echo(one.member_id, nothing())
        assert "0 of 1 peers" in refused(node).reason
    node.take_echo(member.member_id, nothing())
    assert state(node) is State.ACTIVE


def test_peers_that_are_approved_later_change_nothing(node: Exchange, world: Federation) -> None:
    again(node)
    approve(node, world.members[1:9])
    assert state(node) is State.ACTIVE
    assert published(node)
    again(node)
    assert state(node) is State.EMBARGO, "the next start waits for them"


def test_a_feed_by_which_nothing_was_signed_may_be_opened_at_once(node: Exchange, world: Federation) -> None:
    approve(node, world.members[1:5])
    driver.execute(node.stores.ledger, "DELETE FROM entry WHERE feed_id = ?", (node.author.feed_id,))
    driver.execute(node.stores.ledger, "DELETE FROM head WHERE feed_id = ?", (node.author.feed_id,))
    node.stores.commit("ledger")
    journal(node).signed.clear()
    again(node)
    opened = header_pb2.Open(member_id=world.members[0].member_id, feed_key=bytes(node.author.key.verify_key))
    assert published(node, Draft(Kind.OPEN, statement=opened.SerializeToString()))


# ---- The operator's word


def test_after_a_minute_lane_0_goes_out_on_the_operators_word_and_nothing_else(
    node: Exchange, world: Federation
) -> None:
    approve(node, world.members[1:3])
    again(node)
    node.look(ECHOES_WITHIN_S - 0.1, BASE_MS)
    refused(node, statement(URGENT), unconfirmed=True)
    node.look(ECHOES_WITHIN_S, BASE_MS)
    refused(node, statement(URGENT))
    refused(node, statement(NORMAL), unconfirmed=True)
    with pytest.raises(Refused):
        node.publish([statement(URGENT), statement(NORMAL)], BASE_MS, unconfirmed=True)
    assert node.publish([statement(URGENT)], BASE_MS, unconfirmed=True).entries
    assert state(node) is State.EMBARGO, "the word is for this one"


def test_the_operators_word_is_nothing_for_a_feed_that_is_over_or_a_clock_in_doubt(
    node: Exchange, world: Federation
) -> None:
    approve(node, world.members[1:3])
    again(node)
    node.look(ECHOES_WITHIN_S, BASE_MS + 7_200_000)
    assert "the clock" in refused(node, statement(URGENT), unconfirmed=True).reason
    node.take_echo(PEER, peer_pb2.Echo(entries=[elsewhere(node)]))
    assert "signed elsewhere" in refused(node, statement(URGENT), unconfirmed=True).reason


# ---- What ends a feed


def by_echo(node: Exchange, letter: Letter) -> None:
    node.take_echo(PEER, peer_pb2.Echo(entries=[letter]))


def by_flood(node: Exchange, letter: Letter) -> None:
    node.admit(node.verify(node.unseen([letter])), BASE_MS)


def by_proof(node: Exchange, letter: Letter) -> None:
    own = ledger.span(node.stores.ledger, node.author.feed_id, 1, 2**40, 99)[-1]
    pair = sorted([letter, Letter(header=own.body, signature=own.signature)], key=lambda one: hash_of(node, one))
    node.take_fork(header_pb2.ForkProof(first=pair[0], second=pair[1]), BASE_MS)


def hash_of(node: Exchange, letter: Letter) -> bytes:
    return entry.decode(letter.header, letter.signature, node.trust.federation_id).header.hash


def is_over(node: Exchange) -> None:
    assert state(node) is State.STALE
    error = refused(node)
    assert "nothing is signed any more" in error.reason
    assert "tocsin reopen --spare FILE" in error.next_step


WAYS = [(by_echo, 1), (by_echo, 5), (by_flood, 1), (by_flood, 5)]


@pytest.mark.parametrize(("come", "above"), WAYS)
def test_an_entry_of_our_feed_that_we_did_not_sign_ends_it_for_good(
    node: Exchange, world: Federation, come: Come, above: int
) -> None:
    approve(node, world.members[1:3])
    again(node)
    node.take_echo(OTHER, nothing())
    assert published(node)
    shown = elsewhere(node, above)
    come(node, shown)
    is_over(node)
    again(node)
    for one in world.members[1:3]:
        node.take_echo(one.member_id, nothing())
    is_over(node)
    assert Letter.FromString(ledger.read_meta(node.stores.ledger, "echo") or b"") == shown


@pytest.mark.parametrize("come", [by_echo, by_flood, by_proof])
def test_another_entry_in_a_place_of_ours_ends_it_too(node: Exchange, come: Come) -> None:
    again(node)
    shown = elsewhere(node)
    assert published(node)
    come(node, shown)
    is_over(node)
    again(node)
    is_over(node)


def test_what_we_signed_ends_nothing_however_old_and_by_whatever_way(node: Exchange, world: Federation) -> None:
    again(node)
    letters = [letter for size in range(1, 4) for letter in published(node, statement(size=size))]
    for letter in [*letters, *map(letter_of, world.signed_by(world.members[0]))]:
        by_echo(node, letter)
        by_flood(node, letter)
    assert state(node) is State.ACTIVE


def letter_of(signed: Signed) -> Letter:
    return Letter(header=signed[0], signature=signed[1])


def test_of_all_that_was_shown_the_highest_is_kept(node: Exchange) -> None:
    again(node)
    low, high = elsewhere(node, 2), elsewhere(node, 9)
    for letter in (low, high, elsewhere(node, 4)):
        by_echo(node, letter)
    assert Letter.FromString(ledger.read_meta(node.stores.ledger, "echo") or b"") == high


def test_in_whatever_order_things_come_a_foreign_entry_wins_and_never_signs_again(
    tmp_path: Path, world: Federation
) -> None:
    node = node_in(tmp_path / "node", world, 0)
    approve(node, world.members[1:5])
    own = published(node)[0]
    foreign = elsewhere(node)
    events: dict[str, Callable[[], object]] = {
        "echo": lambda: node.take_echo(PEER, nothing()),
        "own": lambda: node.take_echo(OTHER, peer_pb2.Echo(entries=[own])),
        "foreign": lambda: by_echo(node, foreign),
        "jump": lambda: node.look(1.0, BASE_MS + 7_200_000),
        "confirm": lambda: node.confirm_clock(2.0, BASE_MS),
    }
    for order in permutations(events):
        driver.execute(node.stores.ledger, "DELETE FROM meta WHERE name = 'echo'")
        driver.execute(node.stores.ledger, "DELETE FROM entry WHERE body = ?", (foreign.header,))
        node.confirm_clock(0.0, BASE_MS)
        again(node)
        for name in order:
            events[name]()
            met = order[: order.index(name) + 1]
            expected = State.STALE if "foreign" in met else None
            if expected is None:
                doubted = "jump" in met and ("confirm" not in met or met.index("confirm") < met.index("jump"))
                expected = State.CLOCK if doubted else State.EMBARGO
                expected = State.ACTIVE if not doubted and {"echo", "own"} <= set(met) else expected
            assert state(node) is expected, f"{order}, after {name}"
        is_over(node)


# ---- Copies that came back


def test_a_ledger_that_is_further_than_the_journal_is_over(node: Exchange) -> None:
    published(node)
    kept = journal(node).lines()
    published(node)
    journal(node).signed[:] = kept
    again(node)
    is_over(node)
    assert ledger.read_meta(node.stores.ledger, "echo"), "a new feed supersedes this one there"


def test_a_ledger_without_its_journal_is_over(node: Exchange) -> None:
    journal(node).signed.clear()
    again(node)
    is_over(node)


def test_a_journal_with_another_past_than_the_ledger_is_over(node: Exchange) -> None:
    published(node)
    other = elsewhere(node, 1)
    journal(node).signed[-1] = (other.header, other.signature)
    again(node)
    is_over(node)


def test_stores_that_were_lost_beside_the_present_journal_wait_like_any_start(
    node: Exchange, world: Federation
) -> None:
    published(node)
    for table in ("entry", "head", "arrival"):
        driver.execute(node.stores.ledger, f"DELETE FROM {table}")  # noqa: S608 - names of tables
    node.stores.commit("ledger")
    fresh = Exchange(node.stores, trusts.begin(world.charter), node.author, node.erasures)
    approve(fresh, world.members[1:3])
    again(fresh)
    assert "the ledger does not end" in refused(fresh).reason, "what certifies the feed has not come"
    fresh.admit(fresh.verify(world.letters), BASE_MS)
    again(fresh)
    assert state(fresh) is State.EMBARGO
    fresh.take_echo(PEER, nothing())
    (letter,) = published(fresh)
    assert header_pb2.Header.FromString(letter.header).seq == len(journal(node).signed)


def test_a_copied_signing_folder_is_over(node: Exchange) -> None:
    node.author = replace(node.author, in_place=False)
    again(node)
    is_over(node)


# ---- Echoes


def echo_of(node: Exchange, member: Member) -> list[Letter]:
    return list(node.echo(member.member_id).entries)


def test_an_echo_has_the_head_what_is_above_a_gap_and_both_branches_of_a_fork(
    node: Exchange, author: Exchange, world: Federation
) -> None:
    assert [hash_of(node, one) for one in echo_of(node, world.members[1])] == [
        head_hash(node, author.author.feed_id)
    ], "the opening of its feed"
    (first,) = published(author)
    other = fork_of(author, first)
    for letter in (first, other):
        node.admit(node.verify([letter]), BASE_MS)
    ahead = elsewhere(author, 7, URGENT)
    node.admit(node.verify([ahead]), BASE_MS)
    shown = {bytes(one.header) for one in echo_of(node, world.members[1])}
    assert shown == {first.header, other.header, ahead.header}
    assert echo_of(node, world.members[2]) != echo_of(node, world.members[1])


def head_hash(node: Exchange, feed_id: FeedId) -> bytes:
    head = ledger.head(node.stores.ledger, feed_id)
    assert head is not None
    return head.hash


def fork_of(author: Exchange, letter: Letter) -> Letter:
    fields = header_pb2.Header.FromString(letter.header)
    fields.statement = header_pb2.Anchor(journal_size=1000).SerializeToString()
    made = entry.create(fields, author.author.key, author.trust.federation_id)
    return Letter(header=made.header.body, signature=made.signature)


@pytest.mark.parametrize("rule", ["signature", "echo-own"])
def test_an_echo_that_is_not_ours_is_the_senders_fault_and_counts_for_nothing(
    node: Exchange, author: Exchange, world: Federation, rule: str
) -> None:
    approve(node, world.members[1:3])
    again(node)
    shown = elsewhere(node)
    if rule == "signature":
        shown.signature = bytes(64)
    else:
        shown = published(author)[0]
    with pytest.raises(Malformed) as raised:
        node.take_echo(PEER, peer_pb2.Echo(entries=[shown]))
    assert raised.value.rule == rule
    assert state(node) is State.EMBARGO
    assert not node.signing.echoed
    assert not node.signing.stale
