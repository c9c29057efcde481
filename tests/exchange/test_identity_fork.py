"""A member whose root key signs two entries in one place of its identity log."""

from pathlib import Path

import pytest
from nacl.signing import SigningKey

from node.exchange import standing, verification
from node.exchange.exchange import Exchange
from node.feed import entry, identity, keys
from node.feed.entry import Entry
from node.feed.keys import FeedId, HeaderHash
from node.feed.kinds import Kind
from node.feed.marks import Standing
from node.store import ledger
from node.store.ledger import ForkRow
from node.v1 import header_pb2
from tests.exchange.conftest import node_in
from tests.exchange.test_bad_input import exchange_in
from tests.exchange.test_forks import by_root, restarted
from tests.exchange.test_odd_order import hash_of, take
from tests.simulator.members import BASE_MS, Federation, Member, federation, seed

Letter = header_pb2.SignedEntry
STRANGER = b"x" * 32
OPENED = SigningKey(seed("a second feed"))


def _third(world: Federation, key: SigningKey, kind: Kind, statement: bytes) -> Entry:
    """The next entry after a simulated member's acceptance and its node's certificate."""
    log_id = identity.log_id(world.members[1].member_id)
    before = [
        entry.decode(one.header, one.signature, world.charter.federation_id).header
        for one in world.letters
        if entry.decode(one.header, one.signature, world.charter.federation_id).header.feed_id == log_id
    ]
    fields = header_pb2.Header(
        feed_id=log_id,
        seq=3,
        previous=before[-1].hash,
        created_ms=BASE_MS,
        urgency=1,
        kind=kind,
        statement=statement,
    )
    return entry.create(fields, key, world.charter.federation_id)


def test_the_fork_is_proven_across_a_rotation_in_either_order_of_arrival(tmp_path: Path) -> None:
    world = federation(25)
    member, next_root = world.members[1], SigningKey(seed("next 1"))
    rotate = header_pb2.Rotate(
        root_key=bytes(next_root.verify_key), next_root=identity.next_root_commitment(bytes(member.root.verify_key))
    )
    heir = header_pb2.Successor(member_id=world.members[2].member_id)
    rotated = _third(world, next_root, Kind.ROTATE, rotate.SerializeToString(deterministic=True))
    beside = _third(world, member.root, Kind.SUCCESSOR, heir.SerializeToString(deterministic=True))
    for name, order in (("a", (rotated, beside)), ("b", (beside, rotated))):
        (tmp_path / name).mkdir()
        exchange = exchange_in(tmp_path / name, world, world.members[0])
        forks: list[ForkRow] = []
        for one in order:
            letter = header_pb2.SignedEntry(header=one.header.body, signature=one.signature)
            checked = verification.verify([letter], exchange.trust, exchange.reader)
            assert checked.fault is None
            forks += exchange.admit(checked, BASE_MS).forks
        assert [(fork.feed_id, fork.seq) for fork in forks] == [(identity.log_id(member.member_id), 3)]
        assert exchange.trust.marks.forked_at(identity.log_id(member.member_id)) == 3
        exchange.stores.close()


# ---- Above a fork of the log, and behind what is not known


def node_of(member: Member) -> tuple[Kind, bytes]:
    """The root lets another node in."""
    letter = header_pb2.Node(
        node_id=b"n" * 16, feed_key=bytes(OPENED.verify_key), kem_key=bytes(OPENED.verify_key), tls_issuer=b"issuer"
    )
    assert member
    return Kind.NODE, letter.SerializeToString()


def second_feed(world: Federation, member: Member, *statements: tuple[Kind, bytes]) -> list[Letter]:
    """What that node says, from its opening on."""
    federation_id = world.charter.federation_id
    feed_id = keys.feed_id(federation_id, member.member_id, bytes(OPENED.verify_key))
    opening = header_pb2.Open(member_id=member.member_id, feed_key=bytes(OPENED.verify_key)).SerializeToString()
    letters, previous = [], b""
    for seq, (kind, statement) in enumerate(((Kind.OPEN, opening), *statements), 1):
        fields = header_pb2.Header(
            feed_id=feed_id, seq=seq, previous=previous, created_ms=BASE_MS, urgency=1, kind=kind, statement=statement
        )
        made = entry.create(fields, OPENED, federation_id)
        previous = made.header.hash
        letters.append(Letter(header=made.header.body, signature=made.signature))
    return letters


def endorsement() -> tuple[Kind, bytes]:
    return Kind.ENDORSE, header_pb2.Endorse(member_id=STRANGER, role=4).SerializeToString()


def head_of(node: Exchange, feed_id: FeedId) -> int:
    found = ledger.head(node.stores.ledger, feed_id)
    return found.seq if found else 0


def test_what_a_node_says_that_was_let_in_above_a_fork_of_the_log_does_not_count(tmp_path: Path) -> None:
    """Whether or not the certificate had come before the proof."""
    world = federation(25)
    member = world.members[1]
    certified = by_root(world, member, node_of(member))
    rival = by_root(world, member, (Kind.SUCCESSOR, header_pb2.Successor(member_id=STRANGER).SerializeToString()))
    (_, said) = letters = second_feed(world, member, endorsement())
    before, after = node_in(tmp_path / "before", world, 0), node_in(tmp_path / "after", world, 0)
    take(before, [*certified, *letters])
    assert before.trust.counts(hash_of(before, said))
    take(before, rival)
    take(after, [*rival, *certified])
    take(after, letters)
    for node in (before, after):
        for _ in range(2):
            assert node.trust.marks.forked_at(identity.log_id(member.member_id)) == 3
            stands = [one for one in node.trust.facts.endorsements if one.author == member.member_id]
            assert not [one for one in stands if one.member_id == STRANGER and node.trust.counts(one.entry)]
            restarted(node)


@pytest.mark.parametrize(("kind", "halts"), [(18, True), (17, False)])
def test_a_log_with_something_critical_that_is_not_known_lets_nobody_in_beyond_doubt(
    tmp_path: Path, kind: int, halts: bool
) -> None:
    """It is stored and relayed, and so is what follows; who signs is as it says. Other logs are not affected."""
    world = federation(25)
    member, next_root = world.members[1], SigningKey(seed("next 1"))
    rotate = header_pb2.Rotate(
        root_key=bytes(next_root.verify_key), next_root=identity.next_root_commitment(bytes(member.root.verify_key))
    )
    heir = header_pb2.Successor(member_id=world.members[2].member_id).SerializeToString()
    log = by_root(world, member, (kind, b"later"), node_of(member), (Kind.SUCCESSOR, heir))  # type: ignore[arg-type]
    last = entry.decode(log[-1].header, log[-1].signature, world.charter.federation_id).header
    fields = header_pb2.Header(
        feed_id=last.feed_id,
        seq=last.seq + 1,
        previous=last.hash,
        created_ms=BASE_MS,
        urgency=1,
        kind=Kind.ROTATE,
        statement=rotate.SerializeToString(),
    )
    rotated = entry.create(fields, next_root, world.charter.federation_id)
    (_, said) = letters = second_feed(world, member, endorsement())
    node = node_in(tmp_path / "n", world, 0)
    take(node, [*log, Letter(header=rotated.header.body, signature=rotated.signature)])
    take(node, letters)
    for _ in range(2):
        hash_ = HeaderHash(hash_of(node, said))
        row = ledger.entry(node.stores.ledger, hash_)
        assert row is not None
        assert head_of(node, identity.log_id(member.member_id)) == last.seq + 1
        assert node.trust.logs[member.member_id].identity.root_key == bytes(next_root.verify_key)
        assert (node.trust.logs[member.member_id].identity.successor is None) is halts
        assert standing.standing_of(node.stores, row, node.trust) is (Standing.CONTESTED if halts else Standing.STANDS)
        assert node.trust.counts(hash_) is not halts
        feeds = [other.feed_id(node.trust.federation_id) for other in world.members]
        assert not any(standing.is_frozen(feed_id, node.trust) for feed_id in feeds)
        restarted(node)
