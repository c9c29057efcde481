"""A member whose root key signs two entries in one place of its identity log."""

from pathlib import Path

from nacl.signing import SigningKey

from node.exchange import verification
from node.feed import entry, identity
from node.feed.entry import Entry
from node.feed.kinds import Kind
from node.store.ledger import ForkRow
from node.v1 import header_pb2
from tests.exchange.test_bad_input import exchange_in
from tests.simulator.members import BASE_MS, Federation, federation, seed


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
